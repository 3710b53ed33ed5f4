//! Any `Range` header asks for bytes that exist, or for none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use view::piece::{RangeAnswer, answer_range, content_range, etag_listed, if_range_holds};

fuzz_target!(|input: (u64, &str)| {
    let (len, header) = input;
    if let RangeAnswer::Part(range) = answer_range(header, len) {
        assert!(range.start < range.end && range.end <= len);
        let stated = content_range(&range, len);
        let again = stated.strip_prefix("bytes ").and_then(|s| s.split_once('/')).expect("of this form");
        assert_eq!(answer_range(&format!("bytes={}", again.0), len), RangeAnswer::Part(range));
    }
    let tag = "\"12-ab-00000000\"";
    assert!(!if_range_holds(header, tag) || etag_listed(header, tag));
});
