//! The facts of the catalog, found anew from the tape and the files of assets.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use control::CatalogError;
use control::asset::{AssetId, AssetKind, AssetStatus};
use control::catalog::{AssetQuery, PAGE_MAX};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::catalogue::{self, Known};
use crate::cli::Stop;
use crate::config::Config;
use crate::{assets, serve, settle};

/// How often it is looked whether the facts of all clips are found.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What there is now.
pub(crate) struct Rebuilt {
    pub(crate) recordings: usize,
    pub(crate) clips: usize,
    /// What the catalog has and the tape has not.
    pub(crate) left: Vec<AssetId>,
}

/// Rebuilds the catalog's facts. The data directory is held by the caller.
pub(crate) async fn catalog(config: Config) -> Result<Rebuilt, Stop> {
    let (app, settled) = serve::open(config, String::new()).await?;
    let stop = CancellationToken::new();
    let writer = tokio::spawn(settle::write(Arc::clone(&app), settled, stop.clone()));
    catalogue::reconcile(&app, Known::Doubted).await.map_err(Stop::failed)?;
    while pending(&app).await.map_err(Stop::failed)? {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    stop.cancel();
    let _ = writer.await;
    let rebuilt = count(&app).await.map_err(Stop::failed);
    let hub = Arc::clone(&app.hub);
    tokio::task::spawn_blocking(move || hub.close()).await.map_err(Stop::failed)?;
    app.catalog.clone().close().await.map_err(Stop::failed)?;
    rebuilt
}

/// Whether the facts of a clip are still being found.
async fn pending(app: &App) -> Result<bool, CatalogError> {
    let query = AssetQuery {
        kind: Some(AssetKind::Clip),
        status: Some(AssetStatus::Pending),
        limit: Some(1),
        ..AssetQuery::default()
    };
    // One whose stream has gone will never be found.
    let page = app.catalog.list(&query).await?;
    let known = |name| app.hub.stream(name).is_some();
    Ok(page.items.iter().any(|a| a.facts.stream.as_ref().is_some_and(known)))
}

async fn count(app: &App) -> Result<Rebuilt, CatalogError> {
    let mut rebuilt = Rebuilt { recordings: 0, clips: 0, left: Vec::new() };
    let streams = app.hub.streams();
    let recordings = streams.iter().flat_map(|s| s.recordings());
    let on_tape: HashSet<AssetId> = recordings.map(|r| assets::asset_id(r.asset)).collect();
    let mut query = AssetQuery { limit: Some(PAGE_MAX), ..AssetQuery::default() };
    loop {
        let page = app.catalog.list(&query).await?;
        for asset in page.items {
            match asset.facts.kind {
                AssetKind::Recording if !on_tape.contains(&asset.id) => rebuilt.left.push(asset.id),
                AssetKind::Recording => rebuilt.recordings += 1,
                AssetKind::Clip => rebuilt.clips += 1,
                _ => {}
            }
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return Ok(rebuilt),
        }
    }
}
