//! `DELETE …/timeline`: a range of the tape goes for good, because somebody wants it gone.

use std::sync::Arc;

use axum::response::Response;
use control::access::{Act, Resource};
use media::{StreamName, WallTime};
use serde::Deserialize;
use serde_json::{Value, json};
use tape::{EraseError, Erased, SpanRecord, Stream};
use uuid::Uuid;

use super::call::{Call, ok};
use super::json::{self, Time, tape_range};
use super::protections::spans;
use crate::assets;
use crate::http::problem::{Kind, Problem};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    start: Time,
    end: Time,
    #[serde(default)]
    dry_run: bool,
    #[serde(rename = "token")]
    _token: Option<String>,
}

/// `DELETE /streams/{a}/{s}/timeline?start&end`: what is gone, rounded outward; what clips or protections hold is refused.
pub(super) async fn delete(call: &Call, name: &StreamName) -> Result<Response, Problem> {
    call.allow(Act::Admin, Resource::Stream(name))?;
    let query: Query = call.query()?;
    let stream = call.app.stream(name)?;
    let range = json::range(&stream, &query.start, &query.end)?;
    let spans = spans(&stream, &range);
    if spans.is_empty() {
        let detail = "the tape holds nothing of this range, so there is nothing to erase";
        return Err(
            Problem::new(Kind::OutsideTape, detail).with("tape", tape_range(stream.window().as_ref()))
        );
    }
    let recording = being_written(&stream, &range);
    let erased = match query.dry_run {
        true => Erased { bytes: stream.erasable(&spans).map_err(not_erased)?, ..Erased::default() },
        false => erase(&stream, spans).await?,
    };
    let gone = erased.gone.iter().map(|r| tape_range(Some(r)));
    Ok(ok(&json!({
        "requested": tape_range(Some(&range)),
        "erased": gone.collect::<Vec<Value>>(),
        "bytes": erased.bytes,
        "recordings_gone": erased.vanished.iter().map(|id| words(*id)).collect::<Vec<_>>(),
        "being_written": tape_range(recording.as_ref()),
        "dry_run": query.dry_run,
    })))
}

/// Copying what stays reads and writes files.
async fn erase(stream: &Arc<Stream>, spans: Vec<SpanRecord>) -> Result<Erased, Problem> {
    let (stream, runtime) = (Arc::clone(stream), tokio::runtime::Handle::current());
    let erasing = tokio::task::spawn_blocking(move || runtime.block_on(stream.erase(&spans)));
    let erased =
        erasing.await.map_err(|e| Problem::new(Kind::Internal, e.to_string()))?.map_err(not_erased)?;
    Ok(erased)
}

/// What of the range is in the extent that is being written, which stays.
fn being_written(stream: &Stream, range: &std::ops::Range<WallTime>) -> Option<std::ops::Range<WallTime>> {
    let runs = stream.runs(range.clone());
    let (run, open) = runs.iter().find_map(|r| Some((r, r.extents.iter().find(|e| !e.sealed)?)))?;
    let (start, end) = (run.clock.wall(open.start).max(range.start), run.wall_end().min(range.end));
    (start < end).then_some(start..end)
}

fn words(id: Uuid) -> String {
    assets::asset_id(id).as_str().to_owned()
}

fn not_erased(error: EraseError) -> Problem {
    let detail = error.to_string();
    match error {
        EraseError::Held { clips, protections } => Problem::new(Kind::RangeHeld, detail)
            .with("assets", clips.into_iter().map(words).collect::<Vec<_>>().into())
            .with(
                "protections",
                protections.iter().map(|p| p.simple().to_string()).collect::<Vec<_>>().into(),
            ),
        EraseError::Read(_) => Problem::new(Kind::DamagedTape, detail),
        EraseError::Copy { .. } | EraseError::Log(_) => Problem::new(Kind::Unavailable, detail),
    }
}
