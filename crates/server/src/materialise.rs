//! Clips as files of their own: planned, waited for, copied by the tape's store, and only then off the tape. One
//! copy at a time, so that the disk keeps its time for recording.

use std::sync::Arc;
use std::time::Duration;

use control::CatalogError;
use control::asset::{Asset, AssetKind, AssetStatus, Facts};
use serde_json::Value;
use tape::{Store, StoreError, Stream};
use uuid::Uuid;
use view::clip::OwnNeeds;

use crate::app::App;
use crate::assets;
use crate::clock;
use crate::http::clip::{durable, not_planned, planned};
use crate::http::problem::{Kind, Problem};
use crate::making::Made;
use crate::settle::Written;

/// How long the last part may take to close.
const PATIENCE: Duration = Duration::from_secs(30);
/// Under this key of a clip's spans stands that a file is wanted, so that a start after a crash knows.
const WANTED: &str = "materialize";

/// Notes in a clip's facts that a file of it is wanted.
pub(crate) fn want(facts: &mut Facts) {
    if let Value::Object(spans) = &mut facts.spans {
        spans.insert(WANTED.to_owned(), Value::Bool(true));
        facts.status = AssetStatus::Pending;
    }
}

/// Whether a file is wanted and not there yet.
pub(crate) fn is_wanted(facts: &Facts) -> bool {
    facts.status == AssetStatus::Pending && facts.spans[WANTED] == Value::Bool(true)
}

/// Begins to write a clip to a file.
pub(crate) fn start(app: &Arc<App>, stream: &Arc<Stream>, asset: Asset) {
    let (app, stream) = (Arc::clone(app), Arc::clone(stream));
    tokio::spawn(async move {
        let mut failed = asset.clone();
        let finished = write(&app, &stream, asset).await.unwrap_or_else(|problem| {
            tracing::error!(asset = %failed.id, "a clip could not be written to a file: {}", problem.detail());
            failed.facts.status = AssetStatus::Failed;
            failed.facts.error = Some(problem.detail().to_owned());
            failed
        });
        match app.settling.write_one(&app, &finished).await {
            Ok(Written::Kept) if finished.facts.path.is_some() => release(&app, &finished).await,
            // A file that failed at its very end may stand.
            Ok(Written::Kept | Written::Deleted) => discard(&app, &finished).await,
            Err(error) => {
                let asset = &finished.id;
                tracing::error!(%asset, %error, "a clip's file could not be noted; the next start writes it again");
            }
        }
    });
}

/// Writes a clip to a file that nobody asked for, and takes it off the tape. A failure leaves the clip as it is.
pub(crate) async fn now(app: &Arc<App>, stream: &Arc<Stream>, asset: Asset) -> Result<(), Problem> {
    let finished = write(app, stream, asset).await?;
    match app.settling.write_one(app, &finished).await? {
        Written::Kept => release(app, &finished).await,
        Written::Deleted => discard(app, &finished).await,
    }
    Ok(())
}

/// The clip with its file, durable.
async fn write(app: &Arc<App>, stream: &Arc<Stream>, mut asset: Asset) -> Result<Asset, Problem> {
    let tape_id = assets::tape_id(&asset.id);
    let tape_id =
        tape_id.ok_or_else(|| Problem::new(Kind::NotReady, "only assets of this server have files"))?;
    let requested = asset.facts.requested.clone();
    let shown = assets::shown(stream, &asset)?;
    let make = move |stream: &Stream| shown.making.plan_spans(stream, &shown.spans);
    let plan =
        planned(app, stream, None, PATIENCE, make).await.map_err(|e| not_planned(e, requested.clone()))?;
    durable(stream, plan.spans()).await?;
    copy(app, stream, tape_id, &plan).await?;
    asset.facts = assets::clip_facts(stream, &plan);
    assets::ask_for(&mut asset.facts, stream, requested);
    asset.facts.path = Some(Store::name(tape_id));
    asset.updated_at = clock::wall();
    Ok(asset)
}

async fn copy(app: &Arc<App>, stream: &Arc<Stream>, id: Uuid, plan: &Made) -> Result<(), Problem> {
    let _turn = app.copying.lock().await;
    let (app, stream, plan) = (Arc::clone(app), Arc::clone(stream), plan.clone());
    let copied = tokio::task::spawn_blocking(move || {
        let bytes = plan.bytes();
        app.store.write(id, bytes, plan.pieces(Arc::new(OwnNeeds(stream)), 0..bytes))
    });
    Ok(copied.await.map_err(|e| Problem::new(Kind::Internal, e.to_string()))??)
}

/// Removes what there may be of a file that nobody will ask for.
async fn discard(app: &Arc<App>, asset: &Asset) {
    if let Err(problem) = remove(app, asset).await {
        tracing::error!(asset = %asset.id, "the file of a clip that has none stays: {}", problem.detail());
    }
}

/// Lets go of the tape once the file is noted in the catalog.
async fn release(app: &App, asset: &Asset) {
    let stream = asset.facts.stream.as_ref().and_then(|name| app.hub.stream(name));
    let (Some(stream), Some(id)) = (stream, assets::tape_id(&asset.id)) else { return };
    if let Err(error) = stream.unpin(id).await {
        tracing::error!(asset = %asset.id, %error, "a clip with a file still holds its tape");
    }
}

/// Removes an asset's file, if there is one; that there is none is durable then.
pub(crate) async fn remove(app: &Arc<App>, asset: &Asset) -> Result<(), Problem> {
    let Some(id) = assets::tape_id(&asset.id) else { return Ok(()) };
    let app = Arc::clone(app);
    let removed = tokio::task::spawn_blocking(move || app.store.remove(id));
    Ok(removed.await.map_err(|e| Problem::new(Kind::Internal, e.to_string()))??)
}

/// Takes files into the catalog that it does not know: it was lost, and they are all that is left of their clips.
pub(crate) async fn adopt(app: &Arc<App>) -> Result<(), CatalogError> {
    let listing = Arc::clone(app);
    let files = match tokio::task::spawn_blocking(move || listing.store.list()).await {
        Ok(Ok(files)) => files,
        Ok(Err(error)) => {
            tracing::error!(%error, "the files of assets cannot be listed");
            return Ok(());
        }
        Err(error) => {
            tracing::error!(%error, "the files of assets cannot be listed");
            return Ok(());
        }
    };
    for id in files {
        let asset_id = assets::asset_id(id);
        if app.catalog.get(&asset_id).await?.is_some() {
            continue;
        }
        // The journal of its stream tells what it shows, though it holds nothing of the tape any more.
        let told = app.hub.streams().into_iter().find_map(|s| Some((s.clip(id)?.0, s)));
        let known = told.and_then(|(spans, stream)| assets::clip_of_pin(&stream, id, &spans));
        let labels = control::asset::Labels::default();
        let mut asset = known.unwrap_or_else(|| {
            Asset::new(asset_id, Facts::new(AssetKind::Clip, AssetStatus::Ready), labels, clock::wall())
        });
        asset.facts.status = AssetStatus::Ready;
        asset.facts.path = Some(Store::name(id));
        asset.facts.bytes = app.store.read(id).ok().map(|(_, bytes)| bytes);
        app.catalog.insert(&asset).await?;
    }
    Ok(())
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::Full { .. } => Kind::DiskFull,
            StoreError::Gone(_) => Kind::NoSuchMedia,
            StoreError::Pieces(_) => Kind::DamagedTape,
            StoreError::Length { .. } | StoreError::Io { .. } => Kind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}
