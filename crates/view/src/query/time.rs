//! Times and durations as people write them in URLs. Text in, numbers out; nothing here knows what `now` is.
//!
//! | form | example |
//! |---|---|
//! | RFC 3339, with `Z` or an offset | `2026-01-02T03:04:05.678+08:00` |
//! | epoch seconds, may be fractional | `1767323045.5` |
//! | epoch milliseconds, from 1e11 on | `1767323045500` |
//! | relative to the newest media | `-90s`, `-1d2h3m4.5s`, `now` |

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};
use media::WallTime;
use thiserror::Error;

const NS_PER_S: i64 = 1_000_000_000;
/// Digits of a fraction of a second that are read; more are below a nanosecond.
const FRACTION_DIGITS: usize = 9;
/// From here on a bare number is milliseconds: as seconds it would be the year 5138, as milliseconds it is
/// March 1973.
const MILLISECONDS_FROM: i128 = 100_000_000_000;
/// Longest text looked at: RFC 3339 with a long fraction has 45 characters.
const TIME_BYTES_MAX: usize = 64;

/// A time that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TimeError {
    /// None of the forms.
    #[error("{0:?} is no time; write 2026-01-02T03:04:05Z, epoch seconds or milliseconds, -90s or now")]
    Unreadable(String),
    /// A date and time without `Z` or an offset would be someone's local time.
    #[error(
        "{0:?} has no time zone; add Z or an offset, e.g. 2026-01-02T03:04:05Z or 2026-01-02T03:04:05+08:00"
    )]
    NoOffset(String),
    /// `-90` could be seconds or a negative epoch.
    #[error("{0:?} has no unit; write {0}s for seconds before now, e.g. -90s")]
    NoUnit(String),
    /// Before 1970, when nothing was recorded, or past what 64-bit nanoseconds hold.
    #[error("{0:?} is outside the years 1970 to 2261")]
    OutOfRange(String),
}

/// A time as written: an instant, or relative to a `now` that is not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeSpec {
    /// An instant.
    Absolute(WallTime),
    /// This many nanoseconds before `now`; never negative.
    Relative {
        /// Nanoseconds.
        before_ns: i64,
    },
}

impl TimeSpec {
    /// Reads a time in any of the forms, already percent-decoded. A `+` that became a space is accepted.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let shown = || text.chars().take(TIME_BYTES_MAX).collect::<String>();
        if text.len() > TIME_BYTES_MAX {
            return Err(TimeError::Unreadable(shown()));
        }
        if text == "now" {
            return Ok(Self::Relative { before_ns: 0 });
        }
        if let Some(rest) = text.strip_prefix('-') {
            let bare = rest.bytes().all(|b| b.is_ascii_digit() || b == b'.') && !rest.is_empty();
            return match duration_with_units(rest) {
                Some(before_ns) => Ok(Self::Relative { before_ns }),
                None if bare => Err(TimeError::NoUnit(shown())),
                None => Err(TimeError::Unreadable(shown())),
            };
        }
        if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            let ns = epoch(text).ok_or_else(|| TimeError::Unreadable(shown()))?;
            return absolute(ns).ok_or_else(|| TimeError::OutOfRange(shown()));
        }
        match rfc3339(text) {
            Ok(ns) => absolute(ns).ok_or_else(|| TimeError::OutOfRange(shown())),
            Err(Rfc3339::Unreadable) => Err(TimeError::Unreadable(shown())),
            Err(Rfc3339::NoOffset) => Err(TimeError::NoOffset(shown())),
        }
    }

    /// Whether it moves with `now`.
    pub const fn is_relative(self) -> bool {
        matches!(self, Self::Relative { .. })
    }

    /// The instant it means at `now`, not before 1970: sums of instants from here never overflow.
    pub fn at(self, now: WallTime) -> WallTime {
        match self {
            Self::Absolute(at) => at,
            Self::Relative { before_ns } => now.plus_ns(-before_ns).max(WallTime(0)),
        }
    }
}

fn absolute(ns: i128) -> Option<TimeSpec> {
    i64::try_from(ns).ok().filter(|ns| *ns >= 0).map(|ns| TimeSpec::Absolute(WallTime(ns)))
}

/// `N[.N]` as nanoseconds since the epoch.
fn epoch(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let whole: i128 = parse_digits(whole)?;
    let nano_units = i128::from(fraction_ns(fraction)?);
    if whole >= MILLISECONDS_FROM {
        // The fraction is of a millisecond: below a nanosecond it is cut.
        whole.checked_mul(1_000_000)?.checked_add(nano_units / 1000)
    } else {
        Some(whole * i128::from(NS_PER_S) + nano_units)
    }
}

fn parse_digits(text: &str) -> Option<i128> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// The digits after a decimal point, as billionths; further digits are cut.
fn fraction_ns(digits: &str) -> Option<i64> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let kept = &digits[..digits.len().min(FRACTION_DIGITS)];
    let scale = 10i64.pow(u32::try_from(FRACTION_DIGITS - kept.len()).ok()?);
    kept.parse::<i64>().ok().map(|v| v * scale)
}

/// A duration: a bare number of seconds, or `[Nd][Nh][Nm][N[.N]s]`, as nanoseconds. `None` when it is
/// neither or does not fit 64 bits.
pub fn parse_duration_ns(text: &str) -> Option<i64> {
    if text.len() > TIME_BYTES_MAX {
        return None;
    }
    duration_with_units(text).or_else(|| seconds_ns(text).and_then(|ns| i64::try_from(ns).ok()))
}

/// `N[.N]` seconds in nanoseconds.
fn seconds_ns(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    parse_digits(whole)?.checked_mul(i128::from(NS_PER_S))?.checked_add(i128::from(fraction_ns(fraction)?))
}

/// `[Nd][Nh][Nm][N[.N]s]` with at least one unit, in this order, as nanoseconds.
fn duration_with_units(text: &str) -> Option<i64> {
    const UNITS: [(char, i128); 3] = [('d', 86_400), ('h', 3_600), ('m', 60)];
    let (mut rest, mut total) = (text, 0i128);
    for (unit, seconds) in UNITS {
        if let Some((count, after)) = rest.split_once(unit) {
            let ns = parse_digits(count)?.checked_mul(seconds * i128::from(NS_PER_S))?;
            (rest, total) = (after, total.checked_add(ns)?);
        }
    }
    if let Some(count) = rest.strip_suffix('s') {
        (rest, total) = ("", total.checked_add(seconds_ns(count)?)?);
    }
    let read_all = rest.is_empty() && !text.is_empty();
    i64::try_from(total).ok().filter(|_| read_all)
}

enum Rfc3339 {
    Unreadable,
    NoOffset,
}

/// RFC 3339 §5.6 as nanoseconds since the epoch, with a space for `T` (its note) and for `+` (how a query
/// decodes it).
fn rfc3339(text: &str) -> Result<i128, Rfc3339> {
    // 0123456789012345678
    // 2026-01-02T03:04:05
    const DATE_TIME: usize = 19;
    if !text.is_ascii() || text.len() < DATE_TIME {
        return Err(Rfc3339::Unreadable);
    }
    let (date_time, rest) = text.split_at(DATE_TIME);
    let seconds = date_time_s(date_time).ok_or(Rfc3339::Unreadable)?;
    let digits =
        rest.strip_prefix('.').map_or("", |r| &r[..r.bytes().take_while(u8::is_ascii_digit).count()]);
    let (fraction, rest) = if rest.starts_with('.') {
        (fraction_ns(digits).ok_or(Rfc3339::Unreadable)?, &rest[1 + digits.len()..])
    } else {
        (0, rest)
    };
    if rest.is_empty() {
        return Err(Rfc3339::NoOffset);
    }
    let offset = offset_s(rest).ok_or(Rfc3339::Unreadable)?;
    Ok(i128::from(seconds - offset) * i128::from(NS_PER_S) + i128::from(fraction))
}

fn date_time_s(text: &str) -> Option<i64> {
    let b = text.as_bytes();
    let separators = [b[4], b[7], b[10], b[13], b[16]];
    if !matches!(separators, [b'-', b'-', b'T' | b't' | b' ', b':', b':']) {
        return None;
    }
    let field = |at: usize, len: usize| parse_digits(&text[at..at + len]).and_then(|v| u32::try_from(v).ok());
    let date = NaiveDate::from_ymd_opt(i32::try_from(field(0, 4)?).ok()?, field(5, 2)?, field(8, 2)?)?;
    let (hour, minute, second) = (field(11, 2)?, field(14, 2)?, field(17, 2)?);
    // A leap second, :60, counts as the first instant of the next minute: UTC here has none.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let midnight = date.and_hms_opt(0, 0, 0)?.and_utc().timestamp();
    Some(midnight + i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second))
}

/// `Z`, `+hh:mm`, `-hh:mm` in seconds east of UTC.
fn offset_s(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' | b' ' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text[1..].split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (parse_digits(hours)?, parse_digits(minutes)?);
    let seconds = i64::try_from(hours * 3600 + minutes * 60).ok()?;
    (hours < 24 && minutes < 60).then_some(sign * seconds)
}

/// RFC 3339 in UTC with milliseconds, or with nanoseconds where the instant has a finer part, so that it
/// always reads back as the same instant.
pub fn format_wall(at: WallTime) -> String {
    let t: DateTime<Utc> = DateTime::from_timestamp_nanos(at.0);
    let ns = t.nanosecond() % 1_000_000_000;
    let fraction =
        if ns.is_multiple_of(1_000_000) { format!("{:03}", ns / 1_000_000) } else { format!("{ns:09}") };
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{fraction}Z",
        t.year(),
        t.month(),
        t.day(),
        t.hour(),
        t.minute(),
        t.second()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> i64 {
        match TimeSpec::parse(text) {
            Ok(TimeSpec::Absolute(at)) => at.0,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn before(text: &str) -> i64 {
        match TimeSpec::parse(text) {
            Ok(TimeSpec::Relative { before_ns }) => before_ns,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn one_instant_in_every_form() {
        const T: i64 = 1_767_323_045_500_000_000;
        for text in [
            "2026-01-02T03:04:05.5Z",
            "2026-01-02t03:04:05.500000000z",
            "2026-01-02T11:04:05.5+08:00",
            "2026-01-02T11:04:05.5 08:00",
            "2026-01-02 11:04:05.5 08:00",
            "2026-01-01T21:34:05.5-05:30",
            "1767323045.5",
            "1767323045500",
            "1767323045500.0",
        ] {
            assert_eq!(at(text), T, "{text}");
        }
        assert_eq!(at("2026-01-02T03:04:05.123456789123Z") - T, 123_456_789 - 500_000_000);
        assert_eq!(at("1767323045500.000123") - T, 123);
        assert_eq!(at("2016-12-31T23:59:60Z"), at("2017-01-01T00:00:00Z"));
        assert_eq!(at("0"), 0);
        assert_eq!(at("99999999.999999999"), 99_999_999_999_999_999);
        assert_eq!(at("100000000000"), 100_000_000_000 * 1_000_000);
    }

    #[test]
    fn relative_times() {
        assert_eq!(before("now"), 0);
        assert_eq!(before("-90s"), 90 * NS_PER_S);
        assert_eq!(before("-1d2h3m4.5s"), (((24 + 2) * 60 + 3) * 60 + 4) * NS_PER_S + NS_PER_S / 2);
        assert_eq!(before("-2h"), 7200 * NS_PER_S);
        assert_eq!(TimeSpec::Relative { before_ns: i64::MAX }.at(WallTime(5)), WallTime(0));
        assert_eq!(before("-1d0.001s"), 86_400 * NS_PER_S + 1_000_000);
        assert_eq!(parse_duration_ns("30"), Some(30 * NS_PER_S));
        assert_eq!(parse_duration_ns("1.5"), Some(NS_PER_S * 3 / 2));
        assert_eq!(parse_duration_ns("1m30s"), Some(90 * NS_PER_S));
        assert_eq!(parse_duration_ns("-30"), None);
        assert_eq!(parse_duration_ns(""), None);
    }

    #[test]
    fn what_is_no_time_says_why() {
        let error = |text: &str| TimeSpec::parse(text).unwrap_err();
        for text in [
            "",
            "-",
            ".",
            "1.",
            ".5",
            "1..2",
            "-s",
            "-1s2m",
            "-1m1m",
            "-1.5m",
            "-1h-2m",
            "--1s",
            "+90s",
            "Now",
            "2026-01-02",
            "2026-13-02T03:04:05Z",
            "2026-02-30T03:04:05Z",
            "2026-01-02T24:00:00Z",
            "2026-01-02T03:04:61Z",
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05+8:00",
            "2026-01-02T03:04:05+0800",
            "2026-01-02T03:04:05+24:00",
            "2026-01-02T03:04:05Zjunk",
            "2026/01/02T03:04:05Z",
            "é026-01-02T03:04:05Z",
            "2026-01-02T03:04:05é",
        ] {
            assert!(matches!(error(text), TimeError::Unreadable(_)), "{text}: {:?}", TimeSpec::parse(text));
        }
        assert!(matches!(error("2026-01-02T03:04:05"), TimeError::NoOffset(_)));
        assert!(matches!(error("2026-01-02T03:04:05.5"), TimeError::NoOffset(_)));
        assert!(matches!(error("-90"), TimeError::NoUnit(_)));
        assert!(matches!(error("1969-12-31T23:59:59.999Z"), TimeError::OutOfRange(_)));
        assert!(matches!(error("9999-01-02T03:04:05Z"), TimeError::OutOfRange(_)));
        assert!(matches!(error("99999999999999"), TimeError::OutOfRange(_)));
        assert!(matches!(error(&"9".repeat(65)), TimeError::Unreadable(_)));
        assert!(matches!(error(&format!("-{}s", "9".repeat(40))), TimeError::Unreadable(_)));
    }

    proptest! {
        #[test]
        fn a_formatted_time_reads_back(ns in 0..i64::MAX) {
            let text = format_wall(WallTime(ns));
            prop_assert_eq!(TimeSpec::parse(&text), Ok(TimeSpec::Absolute(WallTime(ns))));
        }

        #[test]
        fn any_text_is_a_time_or_an_error(text in "[-0-9.:TZ+ dhmsnow]{0,30}") {
            let _ = TimeSpec::parse(&text);
            let _ = parse_duration_ns(&text);
        }

        #[test]
        fn durations_read_back(d in 0i64..1000, h in 0i64..24, m in 0i64..60, ms in 0i64..60_000) {
            let text = format!("-{d}d{h}h{m}m{}.{:03}s", ms / 1000, ms % 1000);
            let ns = ((d * 24 + h) * 60 + m) * 60 * NS_PER_S + ms * 1_000_000;
            prop_assert_eq!(TimeSpec::parse(&text), Ok(TimeSpec::Relative { before_ns: ns }));
        }
    }
}
