//! Clips that end now: asked for while the stream is being published and their last part is open.

use std::path::Path;
use std::sync::Arc;

use tape::{EndReason, Hub, Publisher, Stream};
use view::clip::{ClipOptions, PlanError, plan, plan_spans, spans};

use crate::compared::Clip;
use crate::making::write;
use crate::published::{Sent, publisher};

/// A clip is made as soon as the part that is open at its end is closed: half a second, and the longest frame.
const PART_NS_MAX: i64 = 1_100_000_000;

/// A file that is sent bit by bit.
pub(crate) struct Sending<'a> {
    publisher: Publisher,
    run: Sent<'a>,
    sent: usize,
}

impl<'a> Sending<'a> {
    /// Begins a run.
    pub(crate) fn begin(hub: &Hub, run: Sent<'a>) -> Self {
        Self { publisher: publisher(hub, run.at_ms), run, sent: 0 }
    }

    /// Sends what is left, and ends the run.
    pub(crate) fn end(mut self) -> Arc<Stream> {
        self.until(self.run.file.events.len());
        let stream = self.publisher.stream().clone();
        self.publisher.end(EndReason::Unpublished);
        stream
    }

    /// Sends up to an event of the file.
    pub(crate) fn until(&mut self, event: usize) {
        self.run.send(&mut self.publisher, self.sent..event);
        self.sent = event;
    }

    /// A clip that ends at the edge: asked for while its last part is open, made once that is closed.
    pub(crate) fn clip_that_ends_now(&mut self, dir: &Path, what: &str, length_ns: i64) -> Clip {
        let stream = self.publisher.stream().clone();
        let edge = || stream.edge().unwrap().2;
        let range = edge().plus_ns(-length_ns)..edge();
        let options = ClipOptions::default();
        let kept = spans(&*stream, range.clone(), options.gaps).unwrap();
        let early = plan(&*stream, range.clone(), options);
        assert!(matches!(early, Err(PlanError::NotYet { .. })), "{what}, {range:?}: {early:?}");
        let plan = loop {
            match plan(&*stream, range.clone(), options) {
                Err(PlanError::NotYet { .. }) => self.until(self.sent + 1),
                made => break made.unwrap(),
            }
        };
        let waited = edge().since_ns(range.end);
        assert!(waited <= PART_NS_MAX, "{what}, {range:?}: made {waited} ns later");
        let kept = plan_spans(&*stream, &kept, options).unwrap();
        assert_eq!(kept.etag(), plan.etag(), "{what}, {range:?}: the spans kept at once give the same clip");
        write(dir, what, plan, &stream)
    }
}
