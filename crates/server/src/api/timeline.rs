//! `GET …/timeline`: runs, gaps with reasons, epochs of a stream's tape.

use std::ops::Range;
use std::sync::Arc;

use axum::response::Response;
use control::access::{Act, Resource};
use media::{StreamName, WallTime};
use serde::Deserialize;
use serde_json::{Value, json};
use tape::Stream;

use super::call::{Call, ok};
use super::json::{Time, gap, maybe_time, time, track};
use crate::http::problem::{Kind, Problem};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    start: Option<Time>,
    end: Option<Time>,
    #[serde(rename = "token")]
    _token: Option<String>,
}

/// `GET /streams/{a}/{s}/timeline?start&end`.
pub(super) async fn get(call: &Call, name: &StreamName) -> Result<Response, Problem> {
    call.allow(Act::Timeshift, Resource::Stream(name))?;
    let query: Query = call.query()?;
    let stream = call.app.stream(name)?;
    let Some(window) = stream.window() else { return Ok(ok(&empty())) };
    let now = stream.edge().map_or(window.end, |(_, _, wall)| wall);
    let start = query.start.as_ref().map_or(window.start, |t| t.0.at(now));
    // Whatever there is: while nothing can be recorded a gap goes on behind the end of the tape.
    let end = query.end.as_ref().map_or(WallTime::MAX, |t| t.0.at(now));
    // A tape that has just begun is empty; a range that was asked for may not be.
    if start >= end && (query.start.is_some() || query.end.is_some()) {
        return Err(Problem::new(Kind::BadTime, "start is not before end; a range is [start, end)"));
    }
    let timeline = call.app.readers.blocking(move || render(&stream, start..end)).await?;
    Ok(ok(&timeline))
}

fn empty() -> Value {
    json!({"start": null, "end": null, "runs": [], "gaps": [], "epochs": [], "markers": []})
}

/// What of the range is on the tape. `start` and `end` are the part of the range that the tape reaches over.
fn render(stream: &Arc<Stream>, range: Range<WallTime>) -> Value {
    let runs = stream.runs(range.clone());
    let gaps: Vec<Value> = stream.gaps(range.clone()).iter().map(gap).collect();
    let covered =
        stream.window().map(|w| range.start.max(w.start)..range.end.min(w.end)).filter(|w| w.start < w.end);
    let (mut epochs, mut last) = (Vec::new(), None);
    for run in &runs {
        for extent in run.extents.iter().filter(|e| run.clock.wall(e.end) > range.start) {
            if last.replace((run.id, extent.epoch)) != Some((run.id, extent.epoch)) {
                let tracks = stream.tracks(&extent.init).unwrap_or_else(|| [].into());
                let tracks: Vec<Value> = tracks.iter().map(track).collect();
                epochs.push(json!({"start": time(run.clock.wall(extent.start)), "tracks": tracks}));
            }
        }
    }
    let runs = runs.iter().map(|run| {
        json!({
            "id": run.id.0,
            "start": time(run.wall_start()),
            "end": time(run.wall_end()),
            "live": run.live,
            "durable_until": maybe_time(run.wall_durable()),
        })
    });
    json!({
        "start": maybe_time(covered.as_ref().map(|c| c.start)),
        "end": maybe_time(covered.as_ref().map(|c| c.end)),
        "runs": runs.collect::<Vec<_>>(),
        "gaps": gaps,
        "epochs": epochs,
        "markers": [],
    })
}
