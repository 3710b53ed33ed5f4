//! Where the bytes come from makes no difference: the ring, the growing extent, sealed files, a new process.

use media::WallTime;
use tape::EndReason;
use view::clip::{ClipOptions, PlanError, plan, plan_spans};

use crate::making::bytes;
use crate::published::{BEGIN_MS, OPEN_GOP, Published, Sent, name, open_hub, publisher};

#[test]
fn a_clip_is_the_same_bytes_live_later_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let published = Published::encode(dir.path(), "published.flv", 14, &OPEN_GOP);
    let range = WallTime::from_ms(BEGIN_MS + 7_300)..WallTime::from_ms(BEGIN_MS + 13_000);
    let options = ClipOptions::default();
    let (spans, etag, live) = {
        let hub = open_hub(dir.path());
        let mut publisher = publisher(&hub, 0);
        Sent::run(&published, 0).send_all(&mut publisher);
        let stream = publisher.stream().clone();
        let future = range.start..WallTime::from_ms(BEGIN_MS + 60_000);
        assert!(matches!(plan(&*stream, future, options), Err(PlanError::NotYet { .. })));
        let made = plan(&*stream, range.clone(), options).unwrap();
        let (spans, etag) = (made.spans.clone(), made.etag().to_owned());
        let live = bytes(made, &stream);
        publisher.end(EndReason::Unpublished);
        let made = plan(&*stream, range.clone(), options).unwrap();
        assert_eq!(made.etag(), etag);
        assert!(bytes(made, &stream) == live, "the same bytes after the run");
        hub.close();
        (spans, etag, live)
    };
    let hub = open_hub(dir.path());
    let stream = hub.stream(&name()).unwrap();
    let made = plan_spans(&*stream, &spans, options).unwrap();
    assert_eq!(made.etag(), etag);
    assert!(bytes(made, &stream) == live, "the same bytes after a restart");
}
