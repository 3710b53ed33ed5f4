//! `tapeline serve`: opens everything in the order in which a failure is cheapest, runs until a signal, and ends
//! in the order in which nothing is lost. What the parts do is in their modules.

use std::sync::Arc;
use std::time::Duration;

use control::asset::Asset;
use control::catalog::Catalog;
use control::keys::{Keys, REFRESH_EVERY};
use tape::{Hub, Store, TapeConfig};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::Gate;
use crate::app::{App, Parts};
use crate::cli::{ServePlan, Stop, say};
use crate::config::{self, Config, Durability, Listen, TlsFiles};
use crate::data_dir::DataDir;
use crate::log::LogHandle;
use crate::meter::{Meter, Reading};
use crate::net::{Bound, bind};
use crate::retention::{self, Rules};
use crate::settle::{self, Settling};
use crate::stop::{Asked, Signals};
use crate::tls::Tls;
use crate::{catalogue, config::keys, demo, http, log, rtmp};

/// Threads that block: media reads are bounded by their own permits, the rest (catalog files, planning) is
/// short. Beyond it work waits.
const BLOCKING_THREADS_MAX: usize = 64;
/// How long the listeners wait for the catalog's first comparison with the tape.
const COMPARISON_PATIENCE: Duration = Duration::from_millis(500);
/// How long answers under way may take once the server ends.
const ANSWERS_PATIENCE: Duration = Duration::from_secs(2);
/// How long sealing and syncing may take; beyond it the next start recovers, which it can at any time.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// Runs the server. Returns once it has ended in order.
pub(crate) fn run(plan: ServePlan) -> Result<(), Stop> {
    let log = log::start(plan.loaded.config.log);
    for warning in &plan.loaded.warnings {
        tracing::warn!("{warning}");
    }
    let data = DataDir::take(&plan.loaded.config.data).map_err(Stop::refused)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()
        .map_err(|e| Stop::refused(format!("cannot start threads: {e}; raise the limit of processes")))?;
    let outcome = runtime.block_on(async {
        let server = Server::open(plan, log).await?;
        server.run().await
    });
    // A read that hangs on a dead disk must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(200));
    drop(data);
    outcome
}

struct Server {
    app: Arc<App>,
    plan: ServePlan,
    log: LogHandle,
    signals: Signals,
    http: Option<Bound>,
    rtmp: Option<Bound>,
    https: Option<(Bound, Tls)>,
    rtmps: Option<(Bound, Tls)>,
    settled: Option<mpsc::Receiver<Asset>>,
    meter: &'static Meter,
    /// The certificates in use, whose files a reload reads again.
    certificates: Vec<(Secured, Tls)>,
}

/// A listener inside TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Secured {
    Http,
    Rtmp,
}

/// A listener inside TLS; `None` without a certificate, or when it is configured off.
async fn secured(
    what: &'static str,
    listen: &Listen,
    files: Option<&TlsFiles>,
    protocols: &[&[u8]],
) -> Result<Option<(Bound, Tls)>, Stop> {
    let Some(files) = files else { return Ok(None) };
    let tls = Tls::load(files, protocols).map_err(Stop::refused)?;
    let bound = bind(what, "tls_listen", listen).await.map_err(Stop::refused)?;
    Ok(bound.map(|bound| (bound, tls)))
}

impl Server {
    async fn open(plan: ServePlan, log: LogHandle) -> Result<Self, Stop> {
        let signals = Signals::new().map_err(|e| Stop::refused(format!("cannot take signals: {e}")))?;
        let config = plan.loaded.config.clone();
        // Ports first: whether they are free is known at once, and opening the tape may take a while.
        let http = bind("http", "listen", &config.http.listen).await.map_err(Stop::refused)?;
        let rtmp = bind("rtmp", "listen", &config.rtmp.listen).await.map_err(Stop::refused)?;
        let https =
            secured("http", &config.http.tls_listen, config.http.tls.as_ref(), &[b"http/1.1"]).await?;
        let rtmps = secured("rtmp", &config.rtmp.tls_listen, config.rtmp.tls.as_ref(), &[]).await?;
        let (app, settled) = open(config, plan.flags.clone()).await?;
        let meter = app.meter;
        Ok(Self {
            app,
            plan,
            log,
            signals,
            http,
            rtmp,
            https,
            rtmps,
            settled: Some(settled),
            meter,
            certificates: Vec::new(),
        })
    }

    async fn run(mut self) -> Result<(), Stop> {
        let stop = CancellationToken::new();
        let (connections, followers) = (TaskTracker::new(), TaskTracker::new());
        let followers_stop = CancellationToken::new();
        let (compared, first_comparison) = oneshot::channel();
        let events = self.app.hub.events();
        followers.spawn(catalogue::follow(Arc::clone(&self.app), events, compared, followers_stop.clone()));
        // A large library is still being compared when the listeners open; recording does not wait for it.
        let _ = tokio::time::timeout(COMPARISON_PATIENCE, first_comparison).await;
        if let Some(settled) = self.settled.take() {
            followers.spawn(settle::write(Arc::clone(&self.app), settled, followers_stop.clone()));
        }
        followers.spawn(refresh_keys(Arc::clone(&self.app), stop.clone()));
        followers.spawn(retention::keep(Arc::clone(&self.app), stop.clone()));
        let (http, rtmp) = (self.http.take(), self.rtmp.take());
        tell(http.as_ref(), rtmp.as_ref(), self.plan.demo);
        self.serve_secured(&stop, &connections);
        let publish_to = rtmp.as_ref().map(|bound| bound.address);
        if let Some(bound) = http {
            connections.spawn(http::serve(
                bound,
                Arc::clone(&self.app),
                stop.clone(),
                connections.clone(),
                None,
            ));
        }
        if let Some(bound) = rtmp {
            connections.spawn(rtmp::serve(
                bound,
                Arc::clone(&self.app),
                stop.clone(),
                connections.clone(),
                None,
            ));
        }
        if self.plan.demo {
            let address = publish_to
                .ok_or_else(|| Stop::refused("the demo needs the RTMP listener; set rtmp.listen"))?;
            connections.spawn(demo::publish(demo::film().map_err(Stop::refused)?, address, stop.clone()));
        }
        self.wait().await;
        stop.cancel();
        self.close(&connections, &followers, &followers_stop).await
    }

    /// The listeners inside TLS. Their certificates stay, so that a reload reaches them.
    fn serve_secured(&mut self, stop: &CancellationToken, connections: &TaskTracker) {
        if let Some((bound, tls)) = self.https.take() {
            tracing::info!(address = %bound.address, "https listening");
            say(&format!("Over HTTPS        https://{}/", local(&bound)));
            self.certificates.push((Secured::Http, tls.clone()));
            let (app, stop, tasks) = (Arc::clone(&self.app), stop.clone(), connections.clone());
            connections.spawn(http::serve(bound, app, stop, tasks, Some(tls)));
        }
        if let Some((bound, tls)) = self.rtmps.take() {
            tracing::info!(address = %bound.address, "rtmps listening");
            say(&format!("Over RTMPS        rtmps://{}/live/NAME", local(&bound)));
            self.certificates.push((Secured::Rtmp, tls.clone()));
            let (app, stop, tasks) = (Arc::clone(&self.app), stop.clone(), connections.clone());
            connections.spawn(rtmp::serve(bound, app, stop, tasks, Some(tls)));
        }
    }

    /// Until a signal asks for the end.
    async fn wait(&mut self) {
        while self.signals.next().await == Asked::Reload {
            self.reload();
        }
        tracing::info!("ending: no new connections, recordings are being sealed");
    }

    fn reload(&self) {
        let loaded = match config::load(&self.plan.sources, crate::cli::environment()) {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::error!(%error, "the settings were not read again; those of before go on");
                return;
            }
        };
        let mut running = (*self.app.config()).clone();
        let changed = keys::reload(&mut running, &loaded.config);
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        for (key, change) in &changed {
            match change {
                keys::Change::Reload => tracing::info!(key, "setting changed"),
                keys::Change::Restart => tracing::warn!(key, "setting changed; it takes a restart"),
                keys::Change::NotYet => {}
            }
        }
        for (listener, tls) in &self.certificates {
            let files = match listener {
                Secured::Http => &running.http.tls,
                Secured::Rtmp => &running.rtmp.tls,
            };
            if let Some(Err(error)) = files.as_ref().map(|files| tls.reload(files)) {
                tracing::error!(%error, "the certificate was not read again; the one of before goes on");
            }
        }
        self.log.set(running.log.level);
        self.app.reconfigure(running);
        tracing::info!(changed = changed.len(), "settings read again");
    }

    /// Publishers end first, so that everything received is sealed and durable; then the answers under way.
    async fn close(
        self,
        connections: &TaskTracker,
        followers: &TaskTracker,
        followers_stop: &CancellationToken,
    ) -> Result<(), Stop> {
        let mut signals = self.signals;
        let hub = Arc::clone(&self.app.hub);
        let sealed = tokio::task::spawn_blocking(move || hub.close());
        let in_order = async {
            connections.close();
            let sealed = tokio::time::timeout(CLOSE_PATIENCE, sealed).await;
            let answered = tokio::time::timeout(ANSWERS_PATIENCE, connections.wait()).await;
            followers_stop.cancel();
            followers.close();
            let _ = tokio::time::timeout(ANSWERS_PATIENCE, followers.wait()).await;
            (sealed, answered)
        };
        let (sealed, answered) = tokio::select! {
            outcome = in_order => outcome,
            // A second signal means at once; the next start recovers.
            _ = signals.next() => return Err(Stop::failed("ended at once by a second signal; the next start recovers")),
        };
        if answered.is_err() {
            tracing::warn!("some answers were cut off");
        }
        let counted = self.meter.figures().into_iter().filter_map(|figure| match figure.reading {
            Reading::Counter(n) if n > 0 => Some(format!(
                "{}{}={n}",
                figure.name,
                figure.label.map(|(_, v)| format!("_{v}")).unwrap_or_default()
            )),
            _ => None,
        });
        let counted: Vec<String> = counted.collect();
        tracing::info!(counters = counted.join(" "), "ended");
        match sealed {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Stop::failed(format!("sealing failed: {error}; the next start recovers"))),
            Err(_) => Err(Stop::failed("the disk did not take everything in time; the next start recovers")),
        }
    }
}

/// Opens everything but the listeners: catalog, tape and files of assets. The data directory is held by the caller.
pub(crate) async fn open(config: Config, flags: String) -> Result<(Arc<App>, mpsc::Receiver<Asset>), Stop> {
    // A database that is opened writes, also on a volume that the tape has filled.
    tape::log::make_room(&config.data);
    let catalog = Catalog::open(&config.database).await.map_err(Stop::refused)?;
    let keys = Keys::load(&catalog).await.map_err(Stop::refused)?;
    let rules = Rules::load(&catalog).await.map_err(Stop::refused)?;
    let tape = tape_config(&config);
    let hub = tokio::task::spawn_blocking(move || Hub::open(tape)).await.map_err(Stop::failed)?;
    let hub = hub.map_err(|e| Stop::refused(format!("the tape cannot be opened: {e}")))?;
    let data = config.data.clone();
    let store = tokio::task::spawn_blocking(move || Store::open(&data)).await.map_err(Stop::failed)?;
    let store = store.map_err(|e| Stop::refused(format!("the files of assets cannot be opened: {e}")))?;
    let meter: &'static Meter = Box::leak(Box::default());
    let gate = Gate::new(keys, &config, flags, &meter.access);
    let (settling, settled) = Settling::new();
    let app = App::new(Parts { hub, catalog, gate, config, settling, store, rules, meter });
    Ok((app, settled))
}

fn tape_config(config: &Config) -> TapeConfig {
    TapeConfig {
        data: config.data.clone(),
        part_ms: config.tape.part_ms,
        extent_s: config.tape.extent_s,
        segment_ms: config.hls.segment_ms,
        durability: match config.tape.durability {
            Durability::Part => tape::Durability::Part,
            Durability::Extent => tape::Durability::Extent,
            Durability::Os => tape::Durability::Os,
        },
        ring_bytes: config.tape.ring_bytes,
    }
}

/// Revocations and new tokens show within seconds.
async fn refresh_keys(app: Arc<App>, stop: CancellationToken) {
    let mut every = tokio::time::interval(REFRESH_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => {}
        }
        if let Err(error) = app.gate.keys().refresh().await {
            tracing::error!(%error, "tokens could not be read; those of before go on");
        }
    }
}

/// What is open, in the log and, for people, on standard output.
fn tell(http: Option<&Bound>, rtmp: Option<&Bound>, demo: bool) {
    if let Some(bound) = http {
        tracing::info!(address = %bound.address, "http listening");
        say(&format!("Console and API   http://{}/", local(bound)));
    }
    if let Some(bound) = rtmp {
        tracing::info!(address = %bound.address, "rtmp listening");
        say(&format!("Publish to        rtmp://{}/live/NAME", local(bound)));
    }
    if let (Some(bound), true) = (http, demo) {
        say(&format!("Demo, live        http://{}/live/demo.m3u8", local(bound)));
        say(&format!(
            "Demo, last 10 s   http://{}/live/demo.mp4?start=-10s&end=now&download=demo.mp4",
            local(bound)
        ));
    }
}

/// The address as this machine's user can type it.
fn local(bound: &Bound) -> String {
    match bound.address.ip().is_unspecified() {
        true => format!("127.0.0.1:{}", bound.address.port()),
        false => bound.address.to_string(),
    }
}
