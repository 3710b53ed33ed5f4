//! Ranges that people protect from every retention: kept until the protection is lifted, even when recording has to
//! stop for want of space.

use std::ops::Range;

use axum::body::Body;
use axum::response::Response;
use control::access::{Act, Resource};
use media::{StreamName, WallTime};
use serde::Deserialize;
use serde_json::{Value, json};
use tape::log::Fault;
use tape::{Protection, SpanRecord, Stream};
use uuid::Uuid;

use super::call::{self, Call, created, nothing, ok};
use super::json::{Time, maybe_time};
use crate::http::problem::{Kind, Problem};

/// Most protections of one stream: each is asked for every extent that is to go.
const PROTECTIONS_MAX: usize = 10_000;
/// Longest label.
const LABEL_BYTES_MAX: usize = 1_024;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    start: Time,
    end: Time,
    #[serde(default)]
    label: String,
}

/// `GET /streams/{a}/{s}/protections`.
pub(super) fn list(call: &Call, name: &StreamName) -> Result<Response, Problem> {
    call.allow(Act::Admin, Resource::Stream(name))?;
    let stream = call.app.stream(name)?;
    let items: Vec<Value> = stream.protections().iter().map(|(id, p)| told(&stream, *id, p)).collect();
    Ok(ok(&json!({"items": items, "next": null})))
}

/// `POST /streams/{a}/{s}/protections`: what of the range is on the tape stays on it.
pub(super) async fn post(call: &Call, name: &StreamName, body: Body) -> Result<Response, Problem> {
    call.allow(Act::Admin, Resource::Stream(name))?;
    let ask: Ask = call::body(&call.request.headers, body).await?;
    let stream = call.app.stream(name)?;
    if ask.label.len() > LABEL_BYTES_MAX {
        return Err(Problem::new(Kind::BadValue, format!("label is longer than {LABEL_BYTES_MAX} bytes")));
    }
    if stream.protections().len() >= PROTECTIONS_MAX {
        return Err(Problem::new(
            Kind::Unavailable,
            format!("{name} has {PROTECTIONS_MAX} protections already; lift some"),
        ));
    }
    let range = super::json::range(&stream, &ask.start, &ask.end)?;
    let spans = spans(&stream, &range);
    if spans.is_empty() {
        let detail = "the tape holds nothing of this range, so there is nothing to protect";
        return Err(Problem::new(Kind::OutsideTape, detail));
    }
    let id = Uuid::now_v7();
    let protection = Protection { spans, label: ask.label };
    stream.protect(id, protection.clone()).await.map_err(not_noted)?;
    let location = format!("{}/{}", call.request.uri.path(), id.simple());
    Ok(created(&location, &told(&stream, id, &protection)))
}

/// `DELETE /streams/{a}/{s}/protections/{id}`.
pub(super) async fn delete(call: &Call, name: &StreamName, id: &str) -> Result<Response, Problem> {
    call.allow(Act::Admin, Resource::Stream(name))?;
    let stream = call.app.stream(name)?;
    let unknown = || Problem::new(Kind::NoSuchRule, format!("{name} has no protection {id:?}"));
    let id = Uuid::try_parse(id).map_err(|_| unknown())?;
    match stream.unprotect(id).await.map_err(not_noted)? {
        true => Ok(nothing()),
        false => Err(unknown()),
    }
}

/// What of a range of wall time each run holds.
pub(super) fn spans(stream: &Stream, range: &Range<WallTime>) -> Vec<SpanRecord> {
    let runs = stream.runs(range.clone());
    let spans = runs.iter().map(|run| {
        let (start, end) = (run.clock.media(range.start), run.clock.media(range.end));
        SpanRecord { run: run.id, start: start.max(run.start), end: end.min(run.end) }
    });
    spans.filter(|span| span.start < span.end).collect()
}

fn told(stream: &Stream, id: Uuid, protection: &Protection) -> Value {
    let walls: Vec<_> = protection.spans.iter().filter_map(|span| stream.wall_of(span)).collect();
    json!({
        "id": id.simple().to_string(),
        "start": maybe_time(walls.first().map(|w| w.start)),
        "end": maybe_time(walls.last().map(|w| w.end)),
        "label": protection.label,
    })
}

fn not_noted(error: Fault) -> Problem {
    Problem::new(Kind::Unavailable, format!("the journal could not be written: {error}"))
}
