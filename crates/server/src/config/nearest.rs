//! Which valid word someone meant who wrote an invalid one.

/// The candidate that `word` most likely stands for, or `None` when none is near enough to suggest.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|c| (strsim::damerau_levenshtein(word, c), c))
        .filter(|(distance, c)| *distance <= 1 + c.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}

/// `"; did you mean X?"`, or nothing.
pub(super) fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, candidates).map(|c| format!("; did you mean {c}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let keys = ["http.listen", "http.cors", "rtmp.listen"];
        assert_eq!(nearest("http.lisetn", keys), Some("http.listen"));
        assert_eq!(nearest("htp.cors", keys), Some("http.cors"));
        assert_eq!(nearest("store.url", keys), None);
    }
}
