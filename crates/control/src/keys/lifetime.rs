//! How long a token holds, as people write it on a command line.

use thiserror::Error;

/// Why a text is no lifetime.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no lifetime; write a number and s, m, h, d or w, e.g. 30d")]
pub struct LifetimeError(pub String);

/// The nanoseconds of `45s`, `90m`, `12h`, `30d` or `2w`: at least a second, at most what 64 bits hold (292
/// years).
pub fn parse_lifetime(text: &str) -> Result<i64, LifetimeError> {
    lifetime(text.trim()).ok_or_else(|| LifetimeError(text.to_owned()))
}

fn lifetime(text: &str) -> Option<i64> {
    let (at, unit) = text.char_indices().next_back()?;
    let unit_s: i64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    let digits = &text[..at];
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: i64 = digits.parse().ok().filter(|number| *number > 0)?;
    number.checked_mul(unit_s)?.checked_mul(1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_a_number_and_a_unit() {
        assert_eq!(parse_lifetime("45s"), Ok(45_000_000_000));
        assert_eq!(parse_lifetime(" 30d "), Ok(30 * 86_400 * 1_000_000_000));
        assert_eq!(parse_lifetime("2w"), parse_lifetime("14d"));
        for bad in ["", "d", "0d", "30", "-1d", "+1d", "1.5h", "30 d", "1y", "99999999999w", "1é"] {
            assert_eq!(parse_lifetime(bad), Err(LifetimeError(bad.into())));
        }
    }
}
