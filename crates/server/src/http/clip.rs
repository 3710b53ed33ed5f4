//! `.mp4` answers: a range of a stream or an asset as one file, planned off the async threads and sent once it
//! is durable. How the file is laid out is `view::clip`'s.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use control::asset::Asset;
use http::header::{self, HeaderValue};
use media::WallTime;
use tape::Stream;
use view::clip::{ClipSpans, PlanError};
use view::path::Ext;
use view::query::{Clock, MediaQuery, format_wall};

use super::body::BodyError;
use super::media::{Asked, changed};
use super::mp4::{self, Film, Told};
use super::problem::{Kind, Problem};
use super::send::{Representation, send};
use crate::api::json::{clip_gap, tape_range};
use crate::app::App;
use crate::assets;
use crate::clock;
use crate::making::{self, Layout, Made, Making};

/// How long a range that ends at the edge is waited for: the part that holds its last frames closes within
/// half a second, and with it comes everything that can be read.
const EDGE_PATIENCE: Duration = Duration::from_secs(4);
/// How long bytes are waited for to become durable. A healthy disk takes tens of milliseconds; one that takes
/// longer than this is reported instead of hidden.
const DURABLE_PATIENCE: Duration = Duration::from_secs(10);

/// `.mp4?start&end` of a stream.
pub(super) async fn of_range(asked: &Asked, stream: Arc<Stream>) -> Result<Response, Problem> {
    let making = making(&asked.query)?;
    let edge = edge(&stream)?;
    let resolved =
        asked.query.resolve(Ext::Mp4, edge).map_err(|e| Problem::new(Kind::BadTime, e.to_string()))?;
    let range = resolved.range().map_err(|e| Problem::new(Kind::BadTime, e.to_string()))?;
    if let Some(query) = &resolved.redirect {
        return asked.redirect(query);
    }
    let key = format!("{}:{}-{}:{making:?}", stream.id(), range.start.0, range.end.0);
    let patience = asked.patience(if range.end <= edge { EDGE_PATIENCE } else { Duration::ZERO });
    let want = range.clone();
    let make = move |stream: &Stream| making.plan(stream, want.clone());
    let plan = planned(&asked.app, &stream, Some(key), patience, make).await;
    let plan = plan.map_err(|e| not_planned(e, Some(range)))?;
    let name = format!("{}_{}", making::prefix(&stream), file_time(plan.range().start));
    send_plan(asked, stream, plan, name).await
}

/// `.mp4` of an asset.
pub(super) async fn of_asset(asked: &Asked, asset: &Asset) -> Result<Response, Problem> {
    let title = if asset.labels.title.is_empty() { asset.id.as_str() } else { &asset.labels.title };
    if let (Some(_), Some(id)) = (&asset.facts.path, assets::tape_id(&asset.id)) {
        return super::file::of_asset(asked, asset, id, title.to_owned()).await;
    }
    let stream = super::media::asset_stream(asked, asset)?;
    let shown = assets::shown(&stream, asset)?;
    let key = shown.settled.then(|| format!("{}:{}", stream.id(), asset.id));
    let (spans, making) = (shown.spans, shown.making);
    let make = move |stream: &Stream| making.plan_spans(stream, &spans);
    let plan = planned(&asked.app, &stream, key, asked.patience(EDGE_PATIENCE), make).await;
    let plan = plan.map_err(|e| not_planned(e, None))?;
    let name = title.to_owned();
    send_plan(asked, stream, plan, name).await
}

/// What the query asks of a clip; what this version does not do is said and not ignored.
fn making(query: &MediaQuery) -> Result<Making, Problem> {
    if query.clock == Some(Clock::Capture) {
        let detail = "clock=capture is not there in this version; leave it out";
        return Err(Problem::new(Kind::NotBuilt, detail));
    }
    assets::making(query)
}

fn edge(stream: &Stream) -> Result<WallTime, Problem> {
    let edge = stream.edge().map(|(_, _, wall)| wall).or_else(|| stream.window().map(|w| w.end));
    edge.ok_or_else(|| {
        let detail =
            format!("nothing of {} is recorded; publish it, or ask for another stream", stream.name());
        Problem::new(Kind::OutsideTape, detail).with("tape", tape_range(None))
    })
}

/// Makes a plan; while its end cannot be read yet, again at each change of the stream, for as long as
/// `patience`.
pub(crate) async fn planned(
    app: &App,
    stream: &Arc<Stream>,
    key: Option<String>,
    patience: Duration,
    make: impl Fn(&Stream) -> Result<Made, PlanError> + Send + Clone + 'static,
) -> Result<Made, NotPlanned> {
    if let Some(plan) = key.as_ref().and_then(|key| app.plans.find(key)) {
        return Ok(plan);
    }
    let until = clock::mono() + patience;
    let mut changes = stream.changes();
    loop {
        changes.mark_unchanged();
        let (source, work) = (Arc::clone(stream), make.clone());
        match app.readers.blocking(move || work(&source)).await? {
            Err(PlanError::NotYet { .. }) if changed(&mut changes, until).await => {}
            Err(error) => return Err(NotPlanned::Plan(error)),
            Ok(plan) => {
                if let Some(key) = key {
                    app.plans.keep(key, plan.clone());
                }
                return Ok(plan);
            }
        }
    }
}

/// Why there is no plan.
#[derive(Debug)]
pub(crate) enum NotPlanned {
    /// The view says why.
    Plan(PlanError),
    /// The task that planned died.
    Task(BodyError),
}

impl From<BodyError> for NotPlanned {
    fn from(error: BodyError) -> Self {
        Self::Task(error)
    }
}

/// The problem of a plan that could not be made; `range` is what was asked, where a range was.
pub(crate) fn not_planned(error: NotPlanned, range: Option<Range<WallTime>>) -> Problem {
    let error = match error {
        NotPlanned::Plan(error) => error,
        NotPlanned::Task(error) => return error.into(),
    };
    let detail = error.to_string();
    match error {
        PlanError::EmptyRange => Problem::new(Kind::BadTime, detail),
        PlanError::Outside { tape } => {
            let told = tape.as_ref().map_or(String::new(), |t| {
                format!("; it reaches from {} to {}", format_wall(t.start), format_wall(t.end))
            });
            Problem::new(Kind::OutsideTape, detail + &told).with("tape", tape_range(tape.as_ref()))
        }
        PlanError::NotYet { available } => too_early(available, range),
        PlanError::TooLong { .. }
        | PlanError::GapTooLong { .. }
        | PlanError::TooFragmented { .. }
        | PlanError::TooManyFiles { .. } => Problem::new(Kind::RangeTooLong, detail),
        PlanError::Gaps { gaps } => {
            let gaps: Vec<_> = gaps.iter().map(clip_gap).collect();
            Problem::new(Kind::GapInRange, detail).with("gaps", gaps.into())
        }
        PlanError::EpochConflict { at, .. } => Problem::new(Kind::EpochConflict, detail)
            .with("at", format_wall(at).into())
            .with("epochs", Layout::Split.as_str().into()),
        PlanError::NoKeyFrame { at } => {
            Problem::new(Kind::NoKeyFrame, detail).with("at", format_wall(at).into())
        }
        PlanError::NotBuilt(_) => Problem::new(Kind::NotBuilt, detail),
        PlanError::Read { .. } | PlanError::Damaged(_) => Problem::new(Kind::DamagedTape, detail),
    }
}

/// 425 with the time after which it is worth asking again.
fn too_early(available: WallTime, range: Option<Range<WallTime>>) -> Problem {
    let missing = range.map_or(0, |r| r.end.since_ns(available));
    let seconds = u64::try_from(missing).unwrap_or(0).div_ceil(1_000_000_000).clamp(1, 3600);
    let detail = format!(
        "what can be read reaches to {}; ask again in {seconds} s, or add wait=SECONDS",
        format_wall(available)
    );
    Problem::new(Kind::TooEarly, detail)
        .with("available", format_wall(available).into())
        .header(header::RETRY_AFTER, HeaderValue::from(seconds))
}

/// Waits until all of a plan is durable: nothing that could still be lost leaves as a file.
pub(crate) async fn durable(stream: &Stream, spans: &ClipSpans) -> Result<(), Problem> {
    let all = async {
        for span in &spans.spans {
            stream.wait_durable(span.run, span.end).await;
        }
    };
    tokio::time::timeout(DURABLE_PATIENCE, all).await.map_err(|_| {
        let seconds = DURABLE_PATIENCE.as_secs();
        let detail = format!("the disk has not confirmed the end of this range for {seconds} s; ask again");
        Problem::new(Kind::Unavailable, detail).header(header::RETRY_AFTER, HeaderValue::from_static("2"))
    })
}

async fn send_plan(
    asked: &Asked,
    stream: Arc<Stream>,
    plan: Made,
    name: String,
) -> Result<Response, Problem> {
    durable(&stream, plan.spans()).await?;
    let gaps = plan.gaps().iter().map(|g| (g.start, g.end, g.reason.to_string())).collect();
    let epochs = plan.epochs().iter().map(|e| Told::new(e.start, &assets::tracks_of(e))).collect();
    let range = plan.range();
    let layout = plan.making().layout;
    let film = Film { start: Some(range.start), end: Some(range.end), gaps, epochs, layout, name };
    let what = Representation { etag: plan.etag(), size: plan.bytes() };
    send(asked, mp4::answer(asked, &film), &what, |range| {
        let pieces = plan.pieces(stream, range);
        Box::new(pieces.map(|piece| piece.map_err(|e| BodyError::Plan(e.to_string()))))
    })
}

/// A time in a file's name: no colons, which some systems refuse.
fn file_time(at: WallTime) -> String {
    mp4::told(at).replace(':', "-")
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        Self::new(Kind::Internal, error.to_string())
    }
}
