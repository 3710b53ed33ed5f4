//! Conditional and range requests, RFC 9110 §13 and §14: which of them counts, in which order. What a header
//! means is `view::piece`'s; no bytes here.

use std::ops::Range;

use http::HeaderMap;
use http::header::{self, HeaderName};
use view::piece::{RangeAnswer, answer_range, etag_listed, if_range_holds};

/// What a request for a representation gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 200 with all of it.
    Whole,
    /// 206 with these bytes.
    Part(Range<u64>),
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
    /// 416.
    Unsatisfiable,
}

/// Decides, in the order of RFC 9110 §13.2.2. `etag` is the quoted strong tag.
pub(crate) fn answer(headers: &HeaderMap, etag: &str, size: u64) -> Answer {
    if header_text(headers, header::IF_MATCH).is_some_and(|list| !strongly_listed(list, etag)) {
        return Answer::PreconditionFailed;
    }
    if not_modified(headers, etag) {
        return Answer::NotModified;
    }
    if header_text(headers, header::IF_RANGE).is_some_and(|tag| !if_range_holds(tag, etag)) {
        return Answer::Whole;
    }
    match header_text(headers, header::RANGE).map(|range| answer_range(range, size)) {
        None | Some(RangeAnswer::Whole) => Answer::Whole,
        Some(RangeAnswer::Part(range)) => Answer::Part(range),
        Some(RangeAnswer::Unsatisfiable) => Answer::Unsatisfiable,
    }
}

/// Whether the client has it already.
pub(crate) fn not_modified(headers: &HeaderMap, etag: &str) -> bool {
    header_text(headers, header::IF_NONE_MATCH).is_some_and(|list| etag_listed(list, etag))
}

/// If-Match compares strongly, §13.1.1: a weak tag never matches. Our tags hold no comma.
fn strongly_listed(list: &str, etag: &str) -> bool {
    list.split(',').map(str::trim).any(|tag| tag == "*" || tag == etag)
}

fn header_text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(pairs: &[(&'static str, &str)]) -> Answer {
        let headers = pairs
            .iter()
            .map(|(k, v)| (HeaderName::from_static(k), v.parse().unwrap()))
            .collect::<HeaderMap>();
        answer(&headers, "\"abc\"", 1000)
    }

    #[test]
    fn ranges() {
        for (text, want) in [
            ("bytes=0-0", Answer::Part(0..1)),
            ("bytes=0-", Answer::Part(0..1000)),
            ("bytes=-5000", Answer::Part(0..1000)),
            ("bytes=10-5000", Answer::Part(10..1000)),
            ("bytes=1000-", Answer::Unsatisfiable),
            ("bytes=-0", Answer::Unsatisfiable),
            ("bytes=a-b", Answer::Whole),
            ("bytes=0-1,5-6", Answer::Whole),
            ("items=0-1", Answer::Whole),
        ] {
            assert_eq!(ask(&[("range", text)]), want, "{text}");
        }
    }

    #[test]
    fn conditions_come_before_ranges() {
        let range = ("range", "bytes=0-9");
        assert_eq!(ask(&[("if-none-match", "\"abc\""), range]), Answer::NotModified);
        assert_eq!(ask(&[("if-none-match", "\"x\", W/\"abc\"")]), Answer::NotModified);
        assert_eq!(ask(&[("if-none-match", "\"x\""), range]), Answer::Part(0..10));
        assert_eq!(ask(&[("if-range", "\"abc\""), range]), Answer::Part(0..10));
        assert_eq!(ask(&[("if-range", "W/\"abc\""), range]), Answer::Whole);
        assert_eq!(ask(&[("if-range", "Wed, 21 Oct 2026 07:28:00 GMT"), range]), Answer::Whole);
        assert_eq!(ask(&[("if-match", "\"abc\""), range]), Answer::Part(0..10));
        assert_eq!(ask(&[("if-match", "W/\"abc\"")]), Answer::PreconditionFailed);
    }
}
