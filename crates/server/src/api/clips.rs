//! `POST …/clips`: a stored request for a range, made at once. No media moves unless a file is asked for.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use control::access::{Act, Resource};
use control::asset::{Asset, AssetStatus, Facts, Labels};
use media::{StreamName, WallTime};
use serde::Deserialize;
use tape::Stream;
use uuid::Uuid;
use view::clip::{self, ClipSpans, PlanError};
use view::query::{MediaQuery, format_wall, to_query};

use super::call::{self, Call, created};
use super::json::{Time, asset, tape_range};
use crate::app::App;
use crate::http::clip::{NotPlanned, not_planned, planned};
use crate::http::problem::{Kind, Problem};
use crate::making::{Layout, Made, Making};
use crate::{assets, clock, materialise, settle};

/// How long the answer waits for a clip's facts. Planning reads indexes, which may have to come from disk; a
/// clip that takes longer is answered as pending and completed behind it.
const PLAN_PATIENCE: Duration = Duration::from_millis(8);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    start: Time,
    end: Time,
    accuracy: Option<String>,
    gaps: Option<String>,
    epochs: Option<String>,
    title: Option<String>,
    tags: Option<Vec<String>>,
    category: Option<String>,
    #[serde(default)]
    materialize: bool,
    wait: Option<serde_json::Value>,
}

/// `POST /streams/{a}/{s}/clips`: the asset.
pub(super) async fn post(call: &Call, name: &StreamName, body: Body) -> Result<Response, Problem> {
    call.allow(Act::Clip, Resource::Stream(name))?;
    let ask: Ask = call::body(&call.request.headers, body).await?;
    // The words are those of media URLs and are read by the same reader.
    let words = words(&ask)?;
    let making = assets::making(&words)?;
    if ask.materialize && making.layout == Layout::Split {
        let detail = "epochs=split with materialize is not there in this version; fetch the archive at the asset's url";
        return Err(Problem::new(Kind::NotBuilt, detail));
    }
    let stream = call.app.stream(name)?;
    let patience =
        words.wait_ns.map_or(Duration::ZERO, |ns| Duration::from_nanos(u64::try_from(ns).unwrap_or(0)));
    let range = range(&stream, &ask, patience).await?;
    let id = Uuid::now_v7();
    let (mut facts, spans) = facts(&call.app, &stream, range, making).await?;
    let labels = Labels {
        title: ask.title.unwrap_or_default(),
        tags: ask.tags.unwrap_or_default(),
        category: ask.category,
        ..Labels::default()
    };
    if ask.materialize {
        materialise::want(&mut facts);
    }
    let made = Asset::new(assets::asset_id(id), facts, labels, clock::wall());
    // Row and pin are two syncs of two files; a start repairs what a crash left between them.
    let (row, pin) = tokio::join!(
        call.app.catalog.insert(&made),
        stream.pin(id, assets::pin_of(&spans), assets::asked_of(&made))
    );
    row?;
    pin.map_err(|e| Problem::new(Kind::Unavailable, format!("the clip's media cannot be held: {e}")))?;
    match made.facts.status {
        AssetStatus::Pending if ask.materialize => materialise::start(&call.app, &stream, made.clone()),
        AssetStatus::Pending => settle::start(&call.app, &stream, made.clone()),
        _ => {}
    }
    let durable = is_durable(&stream, &spans);
    Ok(created(&format!("/api/v1/assets/{}", made.id), &asset(&made, durable)))
}

fn words(ask: &Ask) -> Result<MediaQuery, Problem> {
    let wait = ask.wait.as_ref().map(|w| w.as_str().map_or_else(|| w.to_string(), str::to_owned));
    let given = [("accuracy", &ask.accuracy), ("gaps", &ask.gaps), ("epochs", &ask.epochs), ("wait", &wait)];
    let pairs = given.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
    MediaQuery::parse(&to_query(pairs)).map_err(|e| Problem::new(Kind::BadJson, e.to_string()))
}

/// The range in wall time, once all of it has been received. A relative time is relative to the edge, rounded
/// down to the millisecond as in media URLs.
async fn range(stream: &Stream, ask: &Ask, patience: Duration) -> Result<Range<WallTime>, Problem> {
    let edge_of = |stream: &Stream| stream.edge().map(|(_, _, wall)| WallTime::from_ms(wall.ms()));
    let Some(edge) = edge_of(stream) else {
        let detail = format!("nothing of {} is recorded yet", stream.name());
        return Err(Problem::new(Kind::OutsideTape, detail).with("tape", tape_range(None)));
    };
    let range = ask.start.0.at(edge)..ask.end.0.at(edge);
    if range.start >= range.end {
        let (start, end) = (format_wall(range.start), format_wall(range.end));
        return Err(Problem::new(
            Kind::BadTime,
            format!("start ({start}) is not before end ({end}); a range is [start, end)"),
        ));
    }
    let until = clock::mono() + patience;
    let mut changes = stream.changes();
    loop {
        changes.mark_unchanged();
        let edge = edge_of(stream).unwrap_or(edge);
        if range.end <= edge || !crate::http::changed(&mut changes, until).await {
            return Ok(range);
        }
    }
}

/// What is known of the clip at once: all of it when the plan is quick, else its spans.
async fn facts(
    app: &Arc<App>,
    stream: &Arc<Stream>,
    range: Range<WallTime>,
    making: Making,
) -> Result<(Facts, ClipSpans), Problem> {
    let want = range.clone();
    let make = move |stream: &Stream| making.plan(stream, want.clone());
    let planning = planned(app, stream, None, Duration::ZERO, make);
    let unsettled = match tokio::time::timeout(PLAN_PATIENCE, planning).await {
        Ok(Ok(plan)) => return Ok(complete(stream, &plan)),
        Ok(Err(NotPlanned::Plan(PlanError::NotYet { available }))) => {
            let edge = stream.edge().map(|(_, _, wall)| wall);
            if edge.is_none_or(|edge| range.end > edge) {
                return Err(not_planned(NotPlanned::Plan(PlanError::NotYet { available }), Some(range)));
            }
            range
        }
        Ok(Err(other)) => return Err(not_planned(other, Some(range))),
        Err(_) => range,
    };
    pending(app, stream, unsettled, making).await
}

fn complete(stream: &Stream, plan: &Made) -> (Facts, ClipSpans) {
    (assets::clip_facts(stream, plan), plan.spans().clone())
}

async fn pending(
    app: &Arc<App>,
    stream: &Arc<Stream>,
    range: Range<WallTime>,
    making: Making,
) -> Result<(Facts, ClipSpans), Problem> {
    let options = making.options;
    if options.gaps == clip::GapPolicy::Fail && !stream.gaps(range.clone()).is_empty() {
        let gaps: Vec<_> = stream.gaps(range).iter().map(super::json::gap).collect();
        return Err(
            Problem::new(Kind::GapInRange, "the range has gaps and gaps=fail").with("gaps", gaps.into())
        );
    }
    let (source, want) = (Arc::clone(stream), range.clone());
    let spans = app.readers.blocking(move || clip::spans(&*source, want, options.gaps)).await?;
    let spans = spans.map_err(|e| not_planned(NotPlanned::Plan(e), Some(range.clone())))?;
    Ok((assets::pending_clip(stream, &range, &spans, making), spans))
}

/// Whether every frame of the spans would survive a power cut now.
pub(super) fn is_durable(stream: &Stream, spans: &ClipSpans) -> bool {
    spans.spans.iter().all(|span| {
        let run = stream.run(span.run, span.start..span.start);
        run.is_some_and(|run| run.durable_end >= span.end.min(run.closed_end) && run.closed_end >= span.end)
    })
}

#[cfg(test)]
mod tests {
    use view::query;

    use super::*;

    #[test]
    fn words_are_those_of_media_urls() {
        let read =
            |text: &str| words(&serde_json::from_str(text).unwrap()).map_err(|p| p.detail().to_owned());
        let good = read(r#"{"start": "-5s", "end": "now", "accuracy": "gop", "wait": 3}"#).unwrap();
        assert_eq!(good.accuracy, Some(query::Accuracy::Gop));
        assert_eq!(good.wait_ns, Some(3_000_000_000));
        let bad = read(r#"{"start": "-5s", "end": "now", "gaps": "skip"}"#).unwrap_err();
        assert!(bad.contains("collapse, hold or fail"), "{bad}");
        let unknown = serde_json::from_str::<Ask>(r#"{"start": 1, "end": 2, "titel": "x"}"#).unwrap_err();
        assert!(unknown.to_string().contains("titel"), "{unknown}");
    }
}
