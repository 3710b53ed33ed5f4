//! Sizes and durations as people write them: `32MiB`, `1%`, `2h`, `1h30m`, `250ms`.

use std::time::Duration;

/// An amount of space on a volume.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Space {
    /// So many bytes.
    Bytes(u64),
    /// A share of the volume in percent, above 0 and at most 100.
    Percent(f64),
}

const SIZES: [(&str, u64); 9] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("b", 1),
];

const SPANS_MS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Bytes: a whole number, or a number with `B`, `kB`, `KiB` … `TiB`. `None` when it is not one, or more
/// than 64 bits hold.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    if let Ok(plain) = text.parse() {
        return Some(plain);
    }
    let (unit, factor) = SIZES.iter().find(|(unit, _)| text.ends_with(unit))?;
    scaled(text[..text.len() - unit.len()].trim_end(), *factor)
}

/// Bytes or a percentage.
pub(crate) fn space(text: &str) -> Option<Space> {
    match text.trim().strip_suffix('%') {
        Some(share) => {
            let share: f64 = share.trim_end().parse().ok()?;
            (share > 0.0 && share <= 100.0).then_some(Space::Percent(share))
        }
        None => bytes(text).map(Space::Bytes),
    }
}

/// A duration: numbers with `ms s m h d`, one after the other. A bare number is none, because nobody
/// could tell its unit.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total_ms = 0u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let (_, factor) = SPANS_MS.iter().find(|(name, _)| *name == unit)?;
        total_ms = total_ms.checked_add(scaled(number, *factor)?)?;
        rest = tail.trim_start();
    }
    Some(Duration::from_millis(total_ms))
}

/// `number × factor` where the number may have a fraction.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    let value = number.parse::<f64>().ok()? * factor as f64;
    (value.is_finite() && (0.0..9e18).contains(&value)).then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, want) in [("32MiB", 32 << 20), ("0", 0), ("1.5 GiB", 3 << 29), ("10kB", 10_000), ("7B", 7)]
        {
            assert_eq!(bytes(text), Some(want), "{text}");
        }
        for bad in ["", "MiB", "-1", "1e999GiB", "99999999999TiB", "3 apples", "1%"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
        assert_eq!(space("1%"), Some(Space::Percent(1.0)));
        assert_eq!(space("0%"), None);
        assert_eq!(space("NaN%"), None);
        assert_eq!(space("2GiB"), Some(Space::Bytes(2 << 30)));
    }

    #[test]
    fn durations() {
        for (text, ms) in
            [("2h", 7_200_000), ("30s", 30_000), ("1h30m", 5_400_000), ("250ms", 250), ("1.5s", 1500)]
        {
            assert_eq!(duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for bad in ["", "30", "h", "2 weeks", "-3s", "1..2s", "99999999999999999999d", "1s2"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }
}
