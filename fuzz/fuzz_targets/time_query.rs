//! Any query is read or refused; what it redirects to means the same and redirects no further.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::WallTime;
use view::path::Ext;
use view::query::{MediaQuery, TimeSpec, format_wall};

fuzz_target!(|input: (i64, u8, &str)| {
    let (edge, ext, query) = input;
    let ext = Ext::ALL[usize::from(ext) % Ext::ALL.len()];
    let Ok(parsed) = MediaQuery::parse(query) else { return };
    for time in [parsed.start, parsed.end, parsed.at].into_iter().flatten() {
        if let TimeSpec::Absolute(at) = time {
            assert_eq!(TimeSpec::parse(&format_wall(at)), Ok(time));
        }
    }
    let Ok(first) = parsed.resolve(ext, WallTime(edge)) else { return };
    if let (Some(start), Some(end)) = (first.start, first.end) {
        assert!(start < end);
    }
    let Some(redirect) = &first.redirect else { return };
    // Percent-encoding triples what it escapes: a query near the limit may redirect past it.
    let Ok(again) = MediaQuery::parse(redirect) else { return };
    let second = again.resolve(ext, WallTime(edge)).expect("a redirect is a range");
    assert_eq!((second.start, second.end, second.at), (first.start, first.end, first.at));
    assert_eq!(second.redirect, None);
});
