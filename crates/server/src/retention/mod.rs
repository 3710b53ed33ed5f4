//! Carries retention out: every few seconds the plan is asked anew, extents go, clips that stand in the way get files
//! of their own, and the files of what went are unlinked. Which extents go is decided in [`tape::retention`].

mod rules;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use media::StreamName;
use tape::retention::{Budget, Cause, Plan};
use tape::{ExtentNo, Stream, Viewers};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) use rules::{Applied, Asked, From, Rules};

use crate::app::App;
use crate::config::{Config, Space};
use crate::{assets, materialise};

/// How often the plan is asked. A volume that fills at 100 MB/s is 200 MB further by then, a tenth of what is kept
/// free of a large one.
const EVERY: Duration = Duration::from_secs(2);
/// Extents that go in one pass: their journal lines are written together.
const PASS_MAX: usize = 512;
/// What is kept free of the volume unless configured, and the most of it.
const MIN_FREE_PERCENT: f64 = 1.0;
const MIN_FREE_MAX: u64 = 2 << 30;

/// What the volume has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Volume {
    pub(crate) bytes: u64,
    pub(crate) free: u64,
    /// What is to be kept free.
    pub(crate) min_free: u64,
}

/// What is going on.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    /// Clips that are being copied.
    copying: Mutex<HashSet<Uuid>>,
    /// Bytes that could not be freed in the last pass; a change is worth a line.
    short: Mutex<u64>,
}

/// Asks for the plan and carries it out until `stop`.
pub(crate) async fn keep(app: Arc<App>, stop: CancellationToken) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => {}
        }
        pass(&app).await;
    }
}

/// The volume of the data folder; `None` where the system does not tell.
pub(crate) fn volume(data: &Path, config: &Config) -> Option<Volume> {
    let stat = rustix::fs::statvfs(data).ok()?;
    let bytes = stat.f_blocks.saturating_mul(stat.f_frsize);
    let share = |percent: f64| (bytes as f64 * percent / 100.0) as u64;
    let min_free = match config.retention.min_free {
        Some(Space::Bytes(bytes)) => bytes,
        Some(Space::Percent(percent)) => share(percent),
        None => share(MIN_FREE_PERCENT).min(MIN_FREE_MAX),
    };
    Some(Volume { bytes, free: stat.f_bavail.saturating_mul(stat.f_frsize), min_free })
}

/// What may be taken by all, given that so many bytes are about to be unlinked.
pub(crate) fn budget(config: &Config, volume: Option<Volume>, doomed: u64) -> Budget {
    let need = volume.map_or(0, |v| v.min_free.saturating_sub(v.free.saturating_add(doomed)));
    Budget { max_bytes: config.retention.max_bytes, need }
}

async fn pass(app: &Arc<App>) {
    let config = app.config();
    let asked = app.rules.ask(&config);
    let planning = Arc::clone(app);
    let planned = tokio::task::spawn_blocking(move || sweep_and_plan(&planning, &config, &asked)).await;
    let Ok(plan) = planned else { return };
    note_short(app, plan.short);
    for (stream, (extents, viewers)) in by_stream(&plan) {
        if let Some(stream) = app.hub.stream(&stream) {
            expire(app, &stream, &extents, viewers).await;
        }
    }
    for (stream, clip) in plan.copy_out {
        copy_out(app, &stream, clip);
    }
}

fn sweep_and_plan(app: &App, config: &Config, asked: &Asked) -> Plan {
    let now = volume(&config.data, config);
    let viewers = match now.is_some_and(|v| v.free < v.min_free) {
        true => Viewers::Yield,
        false => Viewers::Keep,
    };
    let mut doomed = 0;
    for stream in app.hub.streams() {
        if let Err(error) = stream.sweep(viewers) {
            tracing::error!(stream = %stream.name(), %error, "files of expired recordings cannot be removed");
        }
        doomed += stream.doomed_bytes();
    }
    let budget = budget(config, volume(&config.data, config), doomed);
    app.hub.plan_retention(&|name| asked.of(name).rule, budget, PASS_MAX)
}

/// Extents by stream, and whether viewers yield for them.
fn by_stream(plan: &Plan) -> BTreeMap<StreamName, (Vec<ExtentNo>, Viewers)> {
    let mut streams: BTreeMap<StreamName, (Vec<ExtentNo>, Viewers)> = BTreeMap::new();
    for doom in &plan.expire {
        let entry = streams.entry(doom.stream.clone()).or_insert_with(|| (Vec::new(), Viewers::Keep));
        entry.0.push(doom.extent);
        if doom.cause == Cause::Space {
            entry.1 = Viewers::Yield;
        }
    }
    streams
}

async fn expire(app: &App, stream: &Stream, extents: &[ExtentNo], viewers: Viewers) {
    match stream.expire(extents, viewers).await {
        Ok(expired) if expired.extents > 0 => {
            app.meter.retention.extents.add_many(expired.extents as u64);
            app.meter.retention.bytes.add_many(expired.bytes);
            tracing::info!(stream = %stream.name(), extents = expired.extents, bytes = expired.bytes, "expired");
        }
        Ok(_) => {}
        Err(error) => {
            // They are not shown any more; their files stay until the journal can be written.
            tracing::error!(stream = %stream.name(), %error, "a deletion could not be noted; it is tried again");
            if !stream.retell_deletions().await {
                app.meter.retention.failures.add();
            }
        }
    }
}

fn note_short(app: &App, short: u64) {
    let before =
        std::mem::replace(&mut *app.keeper.short.lock().unwrap_or_else(PoisonError::into_inner), short);
    if short > 0 && before == 0 {
        tracing::warn!(
            bytes = short,
            "the volume is short of space and nothing more may go: what is left is live, protected or being copied"
        );
    }
}

/// Gives a clip a file of its own, so that what it shows can go.
fn copy_out(app: &Arc<App>, stream: &StreamName, clip: Uuid) {
    let Some(stream) = app.hub.stream(stream) else { return };
    if !app.keeper.copying.lock().unwrap_or_else(PoisonError::into_inner).insert(clip) {
        return;
    }
    let app = Arc::clone(app);
    tokio::spawn(async move {
        match release(&app, &stream, clip).await {
            Ok(()) => app.meter.retention.clips_copied.add(),
            Err(why) => {
                app.meter.retention.failures.add();
                tracing::error!(asset = %clip.simple(), %why, "a clip holds what should expire and cannot be copied out");
            }
        }
        app.keeper.copying.lock().unwrap_or_else(PoisonError::into_inner).remove(&clip);
    });
}

async fn release(app: &Arc<App>, stream: &Arc<Stream>, clip: Uuid) -> Result<(), String> {
    let asset = app.catalog.get(&assets::asset_id(clip)).await.map_err(|e| e.to_string())?;
    match asset {
        Some(asset) if asset.facts.path.is_none() => {
            materialise::now(app, stream, asset).await.map_err(|problem| problem.detail().to_owned())
        }
        // It has a file, or is not there any more: only the pin is left.
        _ => stream.unpin(clip).await.map_err(|e| e.to_string()),
    }
}
