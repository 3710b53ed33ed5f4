//! Clips that were answered before their last part had closed: their facts are found a moment later and written
//! together, because each write to the catalog is a sync that the next request would wait for. A clip that is
//! deleted meanwhile stays deleted.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use control::CatalogError;
use control::asset::{Asset, AssetId, AssetStatus};
use control::catalog::UPSERT_BATCH;
use tape::Stream;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::assets;
use crate::clock;
use crate::http::clip::{not_planned, planned};
use crate::http::problem::Problem;

/// How long a clip's last part may take to close before the clip counts as failed: a part closes within a
/// second even when the publisher goes quiet.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long finished clips wait for others to be written with.
const GATHER: Duration = Duration::from_millis(50);
/// Finished clips that wait to be written; more wait where they are.
const WAITING_MAX: usize = 1024;

/// The way from those who find facts to the one who writes them.
pub(crate) struct Settling {
    finished: mpsc::Sender<Asset>,
    /// Clips that were deleted while their facts were being found. Held while either side writes.
    deleted: Mutex<HashSet<AssetId>>,
}

impl Settling {
    /// A way and its far end, which belongs to [`write()`].
    pub(crate) fn new() -> (Self, mpsc::Receiver<Asset>) {
        let (finished, waiting) = mpsc::channel(WAITING_MAX);
        (Self { finished, deleted: Mutex::default() }, waiting)
    }

    /// Takes a clip out of the catalog, so that no late facts bring it back.
    pub(crate) async fn delete(&self, app: &App, asset: &Asset) -> Result<(), Problem> {
        let mut deleted = self.deleted.lock().await;
        if asset.facts.status == AssetStatus::Pending {
            deleted.insert(asset.id.clone());
        }
        app.catalog.delete(&asset.id).await?;
        Ok(())
    }

    /// Writes one clip at once.
    pub(crate) async fn write_one(&self, app: &App, asset: &Asset) -> Result<Written, CatalogError> {
        let mut deleted = self.deleted.lock().await;
        if deleted.remove(&asset.id) {
            return Ok(Written::Deleted);
        }
        app.catalog.upsert_from_tape(std::slice::from_ref(asset)).await?;
        Ok(Written::Kept)
    }
}

/// What became of a clip that was to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// The catalog has it.
    Kept,
    /// It was deleted meanwhile.
    Deleted,
}

/// Begins to find a clip's facts.
pub(crate) fn start(app: &Arc<App>, stream: &Arc<Stream>, asset: Asset) {
    let (app, stream) = (Arc::clone(app), Arc::clone(stream));
    tokio::spawn(async move {
        let finished = find(&app, &stream, asset).await;
        // Without a writer the server is ending, and the next start finds them again.
        let _ = app.settling.finished.send(finished).await;
    });
}

async fn find(app: &App, stream: &Arc<Stream>, mut asset: Asset) -> Asset {
    let requested = asset.facts.requested.clone();
    let outcome = match assets::shown(stream, &asset) {
        Err(problem) => Err(problem),
        Ok(shown) => {
            let make = move |stream: &Stream| shown.making.plan_spans(stream, &shown.spans);
            planned(app, stream, None, PATIENCE, make).await.map_err(|e| not_planned(e, requested.clone()))
        }
    };
    match outcome {
        Ok(plan) => {
            let path = asset.facts.path.take();
            asset.facts = assets::clip_facts(stream, &plan);
            assets::ask_for(&mut asset.facts, stream, requested);
            asset.facts.path = path;
        }
        Err(problem) => {
            asset.facts.status = AssetStatus::Failed;
            asset.facts.error = Some(problem.detail().to_owned());
        }
    }
    asset.updated_at = clock::wall();
    asset
}

/// Writes finished clips until `stop`.
pub(crate) async fn write(app: Arc<App>, mut waiting: mpsc::Receiver<Asset>, stop: CancellationToken) {
    loop {
        let first = tokio::select! {
            asset = waiting.recv() => asset,
            () = stop.cancelled() => return,
        };
        let Some(first) = first else { return };
        tokio::time::sleep(GATHER).await;
        let mut batch = vec![first];
        while batch.len() < UPSERT_BATCH
            && let Ok(asset) = waiting.try_recv()
        {
            batch.push(asset);
        }
        let mut deleted = app.settling.deleted.lock().await;
        batch.retain(|asset| !deleted.remove(&asset.id));
        if let Err(error) = app.catalog.upsert_from_tape(&batch).await {
            tracing::error!(%error, clips = batch.len(), "facts of clips could not be written; the next start does it");
        }
    }
}
