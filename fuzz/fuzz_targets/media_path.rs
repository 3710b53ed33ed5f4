//! Any request path is a media path that renders back to itself, or an error. Child names on the way.
#![no_main]

use libfuzzer_sys::fuzz_target;
use view::hls::Child;
use view::path::{MediaPath, Target};

fuzz_target!(|path: &str| {
    let Ok(parsed) = MediaPath::parse(path) else { return };
    let url = parsed.to_url();
    assert_eq!(MediaPath::parse(&url).as_ref(), Ok(&parsed));
    match &parsed.target {
        Target::Stream { name, .. } => {
            assert!(!name.as_str().split('/').any(|part| matches!(part, "" | "." | ".." | "-")));
            assert!(!name.as_str().contains('\0'));
        }
        Target::StreamChild { child, .. } | Target::AssetChild { child, .. } => {
            if let Some(Child::Segment(segment)) = Child::parse(child) {
                assert_eq!(segment.to_string(), child.as_str());
            }
        }
        Target::Asset { .. } => {}
    }
    if let Some(reference) = parsed.child_reference("media.m3u8", None) {
        // Resolved against the view's own URL (RFC 3986 §5.2.3) it is a child of the same thing.
        let base = url.rsplit_once('/').expect("paths begin with a slash").0;
        let child = MediaPath::parse(&format!("{base}/{reference}")).expect("a reference is a path");
        assert!(matches!(child.target, Target::StreamChild { .. } | Target::AssetChild { .. }));
    }
});
