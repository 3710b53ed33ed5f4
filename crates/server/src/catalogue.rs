//! Keeps the catalog in step with the tape: every run is an asset from its first part, splits cut it, its end
//! closes it. The tape is ground and the catalog a cache of it, so a start compares the two and anything that
//! was missed, by a crash or a lagging reader, is caught up by comparing again.

use std::sync::Arc;
use std::time::Duration;

use control::CatalogError;
use control::asset::{Asset, AssetId, AssetKind, AssetStatus};
use control::catalog::{AssetPatch, AssetQuery, PAGE_MAX};
use media::{MediaTime, WallTime};
use tape::{LogEvent, RecordingSpan, RunId, Split, Stream};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use view::clip;
use view::query::format_wall;

use crate::app::App;
use crate::assets;
use crate::clock;
use crate::http::problem::{Kind, Problem};
use crate::{materialise, settle};

/// How long the follower waits after the catalog refused an event, before it compares everything anew.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Compares everything once, says so, then follows the tape until `stop`. `events` were subscribed to before, so
/// nothing falls between the two.
pub(crate) async fn follow(
    app: Arc<App>,
    mut events: broadcast::Receiver<LogEvent>,
    compared: oneshot::Sender<()>,
    stop: CancellationToken,
) {
    if let Err(error) = reconcile(&app, Known::Kept).await {
        tracing::error!(%error, "the catalog cannot be compared with the tape; it is tried again");
        catch_up(&app, &stop).await;
    }
    // Nobody waits for it any more where it took long.
    let _ = compared.send(());
    loop {
        let event = tokio::select! {
            biased;
            event = events.recv() => event,
            () = stop.cancelled() => return,
        };
        let outcome = match event {
            Ok(event) => apply(&app, &event).await,
            Err(RecvError::Lagged(_)) => reconcile(&app, Known::Kept).await,
            Err(RecvError::Closed) => return,
        };
        let Err(error) = outcome else {
            app.meter.catalogue.events.add();
            continue;
        };
        tracing::error!(%error, "the catalog fell behind the tape and will be compared with it");
        catch_up(&app, &stop).await;
    }
}

async fn catch_up(app: &Arc<App>, stop: &CancellationToken) {
    loop {
        app.meter.catalogue.retries.add();
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RETRY_AFTER) => {}
        }
        match reconcile(app, Known::Kept).await {
            Ok(()) => return,
            Err(error) => tracing::error!(%error, "the catalog is still behind the tape"),
        }
    }
}

async fn apply(app: &Arc<App>, event: &LogEvent) -> Result<(), CatalogError> {
    let (LogEvent::RunStarted { stream, .. }
    | LogEvent::RunEnded { stream, .. }
    | LogEvent::Split { stream, .. }
    | LogEvent::Expired { stream, .. }) = event;
    if let LogEvent::Expired { vanished, .. } = event {
        for recording in vanished {
            app.catalog.delete(&assets::asset_id(*recording)).await?;
        }
    }
    let Some(found) = app.hub.stream(stream) else { return Ok(()) };
    if let LogEvent::RunStarted { run, .. } = event {
        tell_gap(&found, *run);
    }
    let recordings = found.recordings();
    let changed = changed_by(event, &recordings).map(|r| assets::recording(&found, r)).collect::<Vec<_>>();
    app.catalog.upsert_from_tape(&changed).await
}

/// One line for the gap that a new run ends, if it ends one.
fn tell_gap(stream: &Stream, run: RunId) {
    let Some(begun) = stream.run(run, MediaTime::MIN..MediaTime::MAX).map(|run| run.wall_start()) else {
        return;
    };
    let gaps = stream.gaps(WallTime(i64::MIN)..begun);
    let Some(gap) = gaps.last() else { return };
    let (start, end) = (format_wall(gap.start), format_wall(gap.end));
    tracing::info!(event = "gap", stream = %stream.name(), start, end, reason = %gap.reason, "a gap in the tape");
}

/// The recordings that an event may have changed. A cut changes two: a run has a recording for each of its cuts, and
/// to write all of them again with each one would make a cut dearer the more there are.
fn changed_by<'a>(
    event: &'a LogEvent,
    recordings: &'a [RecordingSpan],
) -> impl Iterator<Item = &'a RecordingSpan> {
    recordings.iter().filter(move |recording| match event {
        LogEvent::Split { split, .. } => [split.closed.asset, split.opened].contains(&recording.asset),
        LogEvent::RunStarted { run, .. } | LogEvent::RunEnded { run, .. } => recording.run == *run,
        LogEvent::Expired { changed, .. } => changed.contains(&recording.asset),
    })
}

/// What is thought of facts that the catalog has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// They were made by this server or one before it.
    Kept,
    /// They are found anew from the tape.
    Doubted,
}

/// Brings the catalog to what the tape says: recordings of every stream, clips that only the journal knows, pins
/// that only the catalog knows, clips whose facts were never completed.
pub(crate) async fn reconcile(app: &Arc<App>, facts: Known) -> Result<(), CatalogError> {
    app.meter.catalogue.reconciliations.add();
    for stream in app.hub.streams() {
        let from_tape: Vec<Asset> =
            stream.recordings().iter().map(|r| assets::recording(&stream, r)).collect();
        app.catalog.upsert_from_tape(&from_tape).await?;
        for (id, pin) in stream.pins() {
            let Some(clip) = assets::clip_of_pin(&stream, id, &pin) else { continue };
            match facts {
                Known::Kept => drop(app.catalog.insert(&clip).await?),
                Known::Doubted => app.catalog.upsert_from_tape(&[clip]).await?,
            }
        }
    }
    materialise::adopt(app).await?;
    clips(app).await
}

/// Walks the clips of the library.
async fn clips(app: &Arc<App>) -> Result<(), CatalogError> {
    let mut query =
        AssetQuery { kind: Some(AssetKind::Clip), limit: Some(PAGE_MAX), ..AssetQuery::default() };
    loop {
        let page = app.catalog.list(&query).await?;
        for asset in page.items {
            let Some(stream) = asset.facts.stream.as_ref().and_then(|name| app.hub.stream(name)) else {
                continue;
            };
            repin(&stream, &asset).await;
            if asset.facts.status == AssetStatus::Pending {
                match materialise::is_wanted(&asset.facts) {
                    true => materialise::start(app, &stream, asset),
                    false => settle::start(app, &stream, asset),
                }
            }
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return Ok(()),
        }
    }
}

/// Pins what a clip shows, where a crash came between the row and the pin.
async fn repin(stream: &Stream, asset: &Asset) {
    let Some(id) = assets::tape_id(&asset.id) else { return };
    if asset.facts.path.is_some() || stream.pins().iter().any(|(pinned, _)| *pinned == id) {
        return;
    }
    let Ok(spans) = serde_json::from_value::<clip::ClipSpans>(asset.facts.spans.clone()) else { return };
    if let Err(error) = stream.pin(id, assets::pin_of(&spans), assets::asked_of(asset)).await {
        tracing::error!(asset = %asset.id, %error, "a clip's media could not be pinned");
    }
}

/// Gives labels to the recording that is open now. `None` when there is none.
pub(crate) async fn label_open_recording(
    app: &App,
    stream: &Stream,
    patch: &AssetPatch,
) -> Result<Option<AssetId>, Problem> {
    let Some(open) = stream.recordings().pop().filter(|r| r.end.is_none()) else { return Ok(None) };
    let asset = assets::recording(stream, &open);
    app.catalog.insert(&asset).await?;
    if *patch != AssetPatch::default() {
        label(app, &asset.id, patch).await?;
    }
    Ok(Some(asset.id))
}

/// Changes an asset's labels.
pub(crate) async fn label(app: &App, id: &AssetId, patch: &AssetPatch) -> Result<Asset, Problem> {
    let patched = app.catalog.patch(id, patch, clock::wall()).await?;
    patched.ok_or_else(|| no_such_asset(id.as_str()))
}

/// Writes a split to the catalog at once, without waiting for its event, and gives the asset that ended.
pub(crate) async fn record_split(app: &App, stream: &Stream, split: &Split) -> Result<Asset, Problem> {
    let recordings = stream.recordings();
    let of_split = recordings.iter().filter(|r| r.asset == split.opened || r.asset == split.closed.asset);
    let changed: Vec<Asset> = of_split.map(|r| assets::recording(stream, r)).collect();
    app.catalog.upsert_from_tape(&changed).await?;
    let id = assets::asset_id(split.closed.asset);
    app.catalog.get(&id).await?.ok_or_else(|| no_such_asset(id.as_str()))
}

/// 404 for an asset.
pub(crate) fn no_such_asset(id: &str) -> Problem {
    Problem::new(Kind::NoSuchAsset, format!("there is no asset {id:?}; GET /api/v1/assets lists them"))
}

impl From<CatalogError> for Problem {
    fn from(error: CatalogError) -> Self {
        use control::ErrorKind;
        let kind = match error.kind() {
            ErrorKind::Invalid => Kind::BadValue,
            ErrorKind::Unavailable => Kind::Unavailable,
            ErrorKind::Full => Kind::DiskFull,
            ErrorKind::Broken => Kind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use media::{MediaTime, StreamName, WallTime};
    use tape::RunId;
    use uuid::Uuid;

    use super::*;

    fn recording(run: u64, number: u128) -> RecordingSpan {
        let (start, wall_start) = (MediaTime(0), WallTime(0));
        let (run, asset) = (RunId(run), Uuid::from_u128(number));
        RecordingSpan { asset, run, start, wall_start, end: None, wall_end: wall_start }
    }

    #[test]
    fn a_cut_changes_two_recordings_however_many_there_are() {
        let recordings: Vec<_> = (0..100).map(|n| recording(1 + n / 90, n.into())).collect();
        let stream = StreamName::parse("live/cam1").unwrap();
        let changed = |event| changed_by(&event, &recordings).map(|r| r.asset.as_u128()).collect::<Vec<_>>();
        let split = Split {
            run: RunId(2),
            at: MediaTime(0),
            wall: WallTime(0),
            closed: recordings[97].clone(),
            opened: Uuid::from_u128(98),
        };
        assert_eq!(changed(LogEvent::Split { stream: stream.clone(), split }), [97, 98]);
        let ended = changed(LogEvent::RunEnded { stream, run: RunId(2) });
        assert_eq!(ended, (90..100).collect::<Vec<_>>());
    }
}
