//! Clips made the way the server makes them, and written to files.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use media::WallTime;
use tape::{Piece, Stream};
use view::clip::{ClipBody, ClipOptions, ClipPlan, plan, plan_spans};

use crate::compared::Clip;

/// All bytes of a clip.
pub(crate) fn bytes(plan: ClipPlan, source: &Arc<Stream>) -> Vec<u8> {
    let body = ClipBody::new(Arc::new(plan), source.clone());
    let mut out = Vec::new();
    for piece in body.pieces(0..u64::MAX) {
        match piece.unwrap() {
            Piece::Mem(bytes) => out.extend_from_slice(&bytes),
            Piece::File { file, range } => {
                let mut buf = vec![0; usize::try_from(range.end - range.start).unwrap()];
                file.read_exact_at(&mut buf, range.start).unwrap();
                out.extend(buf);
            }
        }
    }
    out
}

/// Plans a range, and again from the spans of that plan.
pub(crate) fn planned(stream: &Stream, range: &Range<WallTime>, options: ClipOptions) -> ClipPlan {
    let first = plan(stream, range.clone(), options).unwrap();
    let again = plan_spans(stream, &first.spans, options).unwrap();
    assert_eq!((again.etag(), again.bytes()), (first.etag(), first.bytes()));
    assert_eq!((again.start, again.end), (first.start, first.end));
    first
}

/// Writes a clip into a file that `what` names.
pub(crate) fn write(dir: &Path, what: &str, plan: ClipPlan, stream: &Arc<Stream>) -> Clip {
    let file = dir.join(format!("{}.mp4", what.replace(' ', "-")));
    let dump = plan.dump();
    let clip = Clip {
        what: format!("{what}: {:?}", plan.requested),
        range: plan.requested.clone(),
        start: plan.start,
        end: plan.end,
        spans: plan.spans.spans.clone(),
        gaps: plan.options.gaps,
        file,
        etag: plan.etag().to_owned(),
        head: dump.lines().take_while(|l| !l.ends_with("fixed")).collect::<Vec<_>>().join("\n"),
    };
    let len = plan.bytes();
    let bytes = bytes(plan, stream);
    assert_eq!(bytes.len() as u64, len);
    std::fs::write(&clip.file, bytes).unwrap();
    clip
}

/// Makes the clip of a range.
pub(crate) fn make(dir: &Path, what: &str, range: &Range<WallTime>, stream: &Arc<Stream>) -> Clip {
    write(dir, what, planned(stream, range, ClipOptions::default()), stream)
}
