//! Letters without case, and the patterns of SQL's LIKE: the two things that a search "contains, whatever
//! the case" needs to mean the same on every database. What a database's own `lower()` or `ILIKE` does
//! depends on its build and its locale, so folding happens here and only folded text is compared.
//!
//! No accents are removed and no words are split; that belongs to full-text search.

/// The character that makes the next one literal in a pattern of [`contains_pattern`]. Not a backslash:
/// that means something of its own in string literals of some databases.
pub(crate) const LIKE_ESCAPE: char = '!';

/// `text` without case: two texts that differ only in case fold to one. Goes down, up and down again so
/// that letters with several forms meet (`ς` and `σ`, `ẞ`, `ß` and `ss`), character by character, so that
/// a part of a text folds to a part of its fold.
pub(crate) fn fold(text: &str) -> String {
    let lower = text.chars().flat_map(char::to_lowercase);
    lower.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// A LIKE pattern, with [`LIKE_ESCAPE`], for "contains exactly `folded`".
pub(crate) fn contains_pattern(folded: &str) -> String {
    let mut pattern = String::with_capacity(folded.len() + 2);
    pattern.push('%');
    for c in folded.chars() {
        if matches!(c, '%' | '_' | LIKE_ESCAPE) {
            pattern.push(LIKE_ESCAPE);
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_is_folded_in_every_script() {
        for (a, b) in [
            ("ÄRGER", "ärger"),
            ("ΟΔΟΣ", "οδος"),
            ("Straße", "STRASSE"),
            ("STRAẞE", "strasse"),
            ("摄像", "摄像"),
        ] {
            assert_eq!(fold(a), fold(b));
        }
        assert_ne!(fold("a"), fold("ä"));
    }

    #[test]
    fn characters_that_like_gives_a_meaning_are_escaped() {
        assert_eq!(contains_pattern("50%_!\\"), "%50!%!_!!\\%");
    }

    #[test]
    fn folding_twice_changes_nothing() {
        for c in '\0'..=char::MAX {
            let once = fold(c.encode_utf8(&mut [0; 4]));
            assert_eq!(fold(&once), once, "{c:?}");
        }
    }

    proptest! {
        #[test]
        fn a_part_folds_to_a_part(before: String, part: String, after: String) {
            let whole = [before, part.clone(), after].concat();
            prop_assert!(fold(&whole).contains(&fold(&part)));
        }
    }
}
