//! From the times of a query to instants: what `now` and `delay` mean, what a redirect says, which ranges are
//! no ranges. Whether the tape *has* a range is the view's question.
//!
//! `now` is the tape's edge, rounded down to a millisecond: a range that ends now is never in the future, and
//! the absolute URL it redirects to shows the very same instant. `delay` moves `now` back. A view that is
//! fetched many times ([`Ext::wants_absolute_times`]) is redirected, so that each fetch means the same:
//!
//! * `?start=-90s&end=now` becomes `?start=2026-…&end=2026-…`;
//! * `.m3u8?delay=30s` becomes `?start=…&delay=30s`, `start` being the instant 30 s before the edge. That list begins
//!   there and grows 30 s late, so that every player stays 30 s behind, also one that plays the end of whatever it is
//!   given: live, shifted.

use media::WallTime;
use thiserror::Error;

use super::time::{TimeSpec, format_wall};
use super::{MediaQuery, to_query};
use crate::path::Ext;

/// Why the times of a query make no range. Always a 400.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SpanError {
    /// `start` is not before `end`.
    #[error("`start` ({}) is not before `end` ({}); a range is [start, end)", format_wall(*start), format_wall(*end))]
    Empty {
        /// The resolved start.
        start: WallTime,
        /// The resolved end.
        end: WallTime,
    },
    /// `delay` beside absolute times only.
    #[error(
        "`delay` moves `now`, and no time here is relative; leave it out or write e.g. start=-90s&end=now"
    )]
    DelayMovesNothing,
    /// A view of a range without one of its ends.
    #[error("`{0}` is missing; this needs start and end, e.g. start=-90s&end=now")]
    Missing(&'static str),
}

/// The times of a query as instants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resolved {
    /// Where the range begins.
    pub start: Option<WallTime>,
    /// Where it ends, exclusive; after `start` where both are given.
    pub end: Option<WallTime>,
    /// The instant of a picture.
    pub at: Option<WallTime>,
    /// How late a list that grows is told, in nanoseconds.
    pub shift_ns: Option<i64>,
    /// The query, without `?`, that says the same in absolute times; only where the request was relative and
    /// its view is fetched many times. The answer is then 307 to the same path with this query, not cacheable.
    /// It keeps the token, if one was given: not for logs.
    pub redirect: Option<String>,
}

impl Resolved {
    /// Both ends of the range, for views that need them.
    pub fn range(&self) -> Result<std::ops::Range<WallTime>, SpanError> {
        let start = self.start.ok_or(SpanError::Missing("start"))?;
        let end = self.end.ok_or(SpanError::Missing("end"))?;
        Ok(start..end)
    }

    /// Whether the query says any time at all: history, which is not open to everyone.
    pub fn is_history(&self) -> bool {
        self.start.is_some() || self.end.is_some() || self.at.is_some()
    }
}

impl MediaQuery {
    /// The times as instants, `now` being the tape's `edge`.
    pub fn resolve(&self, ext: Ext, edge: WallTime) -> Result<Resolved, SpanError> {
        let given = [self.start, self.end, self.at];
        let relative = given.into_iter().flatten().any(TimeSpec::is_relative);
        let now = WallTime::from_ms(edge.ms()).plus_ns(-self.delay_ns.unwrap_or(0)).max(WallTime(0));
        let [mut start, end, mut at] = given.map(|t| t.map(|t| t.at(now)));
        // A list that grows is told late; anything else has only its `now` moved.
        let grows = matches!(ext, Ext::M3u8 | Ext::Mpd) && end.is_none() && at.is_none();
        let shift_ns = self.delay_ns.filter(|_| grows);
        let settled = !relative && shift_ns.is_some() && start.is_some();
        if self.delay_ns.is_some() && !relative && !settled {
            if given.into_iter().any(|t| t.is_some()) {
                return Err(SpanError::DelayMovesNothing);
            }
            match ext {
                Ext::Jpg => at = Some(now),
                Ext::Mp4 | Ext::Wav => return Err(SpanError::Missing("start")),
                Ext::M3u8 | Ext::Mpd | Ext::Flv | Ext::Ts | Ext::Vtt => start = Some(now),
            }
        }
        if let (Some(start), Some(end)) = (start, end)
            && start >= end
        {
            return Err(SpanError::Empty { start, end });
        }
        let mut resolved = Resolved { start, end, at, shift_ns, redirect: None };
        if ext.wants_absolute_times() && (relative || self.delay_ns.is_some()) && !settled {
            resolved.redirect = Some(self.absolute(&resolved));
        }
        Ok(resolved)
    }

    /// Every parameter in its place, times absolute; `delay` replaced by what it meant, and kept where it means more.
    fn absolute(&self, resolved: &Resolved) -> String {
        let instants = [("start", resolved.start), ("end", resolved.end), ("at", resolved.at)];
        let written: Vec<(&str, String)> =
            instants.into_iter().filter_map(|(name, at)| Some((name, format_wall(at?)))).collect();
        let says = |name: &str| self.pairs().iter().any(|(n, v)| n == name && !v.is_empty());
        let mut out: Vec<(&str, &str)> = Vec::new();
        for (name, value) in self.pairs() {
            if name == "delay" {
                let meant = written.iter().filter(|(n, _)| !says(n));
                out.extend(meant.map(|(n, v)| (*n, v.as_str())).filter(|_| !value.is_empty()));
                out.extend(resolved.shift_ns.map(|_| (name.as_str(), value.as_str())));
            } else if !instants.iter().any(|(n, _)| n == name) {
                out.push((name, value));
            } else if !value.is_empty() {
                out.extend(written.iter().filter(|(n, _)| n == name).map(|(n, v)| (*n, v.as_str())));
            }
        }
        to_query(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EDGE: WallTime = WallTime(1_767_323_045_678_999_999);

    fn resolve(query: &str, ext: Ext) -> Result<Resolved, SpanError> {
        MediaQuery::parse(query).unwrap().resolve(ext, EDGE)
    }

    #[test]
    fn relative_times_redirect_to_the_same_instants() {
        let first = resolve("a=1&start=-90s&token=t%26&end=now&b", Ext::Mp4).unwrap();
        let to = first.redirect.clone().unwrap();
        assert_eq!(to, "a=1&start=2026-01-02T03:02:35.678Z&token=t%26&end=2026-01-02T03:04:05.678Z&b=");
        let second = resolve(&to, Ext::Mp4).unwrap();
        assert_eq!(second, Resolved { redirect: None, ..first });
    }

    #[test]
    fn delay_moves_now() {
        let live = resolve("delay=30s&x=y", Ext::M3u8).unwrap();
        assert_eq!(live.redirect.as_deref(), Some("start=2026-01-02T03:03:35.678Z&delay=30s&x=y"));
        assert_eq!(live.shift_ns, Some(30_000_000_000));
        let settled = resolve(&live.redirect.clone().unwrap(), Ext::M3u8).unwrap();
        assert_eq!(settled, Resolved { redirect: None, ..live.clone() });
        let back = resolve("start=-60s&delay=30s", Ext::M3u8).unwrap().redirect;
        assert_eq!(back.as_deref(), Some("start=2026-01-02T03:02:35.678Z&delay=30s"));
        assert_eq!((live.end, live.start.map(WallTime::ms)), (None, Some(EDGE.ms() - 30_000)));
        let flv = resolve("delay=30s", Ext::Flv).unwrap();
        assert_eq!((flv.redirect, flv.start), (None, live.start));
        let clip = resolve("start=-90s&end=now&delay=30s", Ext::Mp4).unwrap();
        assert_eq!(clip.redirect.unwrap(), "start=2026-01-02T03:02:05.678Z&end=2026-01-02T03:03:35.678Z");
        assert_eq!(resolve("delay=30", Ext::Jpg).unwrap().at, live.start);
        assert_eq!(resolve("delay=30&start=1", Ext::Flv), Err(SpanError::DelayMovesNothing));
        assert_eq!(resolve("delay=30&start=1&end=2", Ext::M3u8), Err(SpanError::DelayMovesNothing));
        assert_eq!(resolve("delay=30", Ext::Mp4), Err(SpanError::Missing("start")));
        assert_eq!(
            resolve("start=&delay=1", Ext::M3u8).unwrap().redirect.unwrap(),
            "start=2026-01-02T03:04:04.678Z&delay=1"
        );
    }

    #[test]
    fn absolute_times_stay_where_they_are() {
        let given = resolve("start=1767323000.123456789&end=1767323001", Ext::M3u8).unwrap();
        assert_eq!(given.redirect, None);
        assert_eq!(given.start, Some(WallTime(1_767_323_000_123_456_789)));
        assert!(given.is_history() && !resolve("", Ext::M3u8).unwrap().is_history());
    }

    #[test]
    fn a_range_ends_after_it_starts() {
        let error = resolve("start=2&end=1", Ext::M3u8).unwrap_err().to_string();
        assert!(error.contains("1970-01-01T00:00:02.000Z") && error.contains("1970-01-01T00:00:01.000Z"));
        assert!(matches!(resolve("start=now&end=-1s", Ext::Flv), Err(SpanError::Empty { .. })));
        assert_eq!(resolve("start=1", Ext::Mp4).unwrap().range(), Err(SpanError::Missing("end")));
        assert_eq!(resolve("end=1", Ext::Mp4).unwrap().range(), Err(SpanError::Missing("start")));
        assert_eq!(
            resolve("start=1&end=2", Ext::Mp4).unwrap().range(),
            Ok(WallTime(1_000_000_000)..WallTime(2_000_000_000))
        );
    }

    proptest! {
        #[test]
        fn a_redirect_says_the_same_and_is_the_last(
            edge in 0i64..i64::MAX,
            parts in proptest::collection::hash_map(
                proptest::sample::select(vec!["start", "end", "at", "delay", "gaps", "x"]),
                proptest::sample::select(vec!["now", "-1s", "-0.0005s", "-3h2m", "5", "1767323000.5", "hold", ""]),
                0..6,
            ),
            ext in proptest::sample::select(&Ext::ALL[..]),
        ) {
            let query = to_query(parts.iter().map(|(n, v)| (*n, *v)));
            let Ok(query) = MediaQuery::parse(&query) else { return Ok(()) };
            let Ok(first) = query.resolve(ext, WallTime(edge)) else { return Ok(()) };
            let Some(to) = &first.redirect else { return Ok(()) };
            let second = MediaQuery::parse(to).unwrap().resolve(ext, WallTime(edge)).unwrap();
            prop_assert_eq!(&second, &Resolved { redirect: None, ..first });
        }
    }
}
