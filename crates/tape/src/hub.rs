//! The registry of streams over one volume: opens what is there, makes what is published, and owns the thread
//! that writes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use media::{StreamName, WallTime};
use thiserror::Error;
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::grid::GridConfig;
use crate::ids::{ExtentNo, PartNo, RunId, StreamId};
use crate::index::ExtentIndex;
use crate::journal::Record;
use crate::live::{AssemblerConfig, Ring, RingLimits};
use crate::log::{
    Committer, Disk, DiskHealth, Durability, FileIo, Health, Io, Layout, RecoverError, RecoveredStream,
    Reserve, StdIo, StreamLog, load_index, recover,
};
use crate::publisher::{Arrival, PublishError, Publisher, PublisherInfo};
use crate::retention::{self, Budget, Fetch, Plan, Rule};
use crate::state::State;
use crate::stream::{Split, Stream};

/// Events wait for at most this many slow readers' worth; a reader that lags reconciles from the timeline.
const EVENTS_MAX: usize = 1024;
/// Bytes of decoded indexes kept for reuse over all streams.
const INDEX_CACHE_BYTES: u64 = 48 * 1024 * 1024;
/// Open extent files kept for reuse over all streams.
const FILE_CACHE_MAX: u64 = 256;
/// How often quiet publishers are looked at.
const TICK: Duration = Duration::from_millis(250);
/// No first segment is longer than this.
const FIRST_SEGMENT_MAX_NS: i64 = 10_000_000_000;
/// An extent does not grow past this.
const EXTENT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// How the tape records.
#[derive(Debug, Clone)]
pub struct TapeConfig {
    /// The data folder; the tape lives in `tape` under it.
    pub data: PathBuf,
    /// Longest part.
    pub part_ms: u32,
    /// An extent ends at the first key frame after this long.
    pub extent_s: u32,
    /// A segment ends at the first key frame after this long.
    pub segment_ms: u32,
    /// When a part counts as durable.
    pub durability: Durability,
    /// Bytes of each stream's live ring.
    pub ring_bytes: u64,
}

/// Why the tape cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The folder cannot be made or written.
    #[error("{path}: {error}")]
    Folder {
        /// Which.
        path: String,
        /// The system's words.
        error: std::io::Error,
    },
    /// A stream cannot be recovered.
    #[error(transparent)]
    Recover(#[from] RecoverError),
}

/// What happens on the tape, for the catalogue and for people.
#[derive(Debug, Clone)]
pub enum LogEvent {
    /// The first part of a run is closed.
    RunStarted {
        /// The stream.
        stream: StreamName,
        /// The run.
        run: RunId,
    },
    /// A run has ended.
    RunEnded {
        /// The stream.
        stream: StreamName,
        /// The run.
        run: RunId,
    },
    /// Media went, by retention or because somebody erased it.
    Expired {
        /// The stream.
        stream: StreamName,
        /// Recordings of which nothing is left.
        vanished: Vec<Uuid>,
        /// Recordings that lost a part.
        changed: Vec<Uuid>,
    },
    /// A recording was cut.
    Split {
        /// The stream.
        stream: StreamName,
        /// The cut.
        split: Split,
    },
}

/// What all streams of a volume share.
pub(crate) struct Volume {
    io: Arc<dyn Io>,
    tape: PathBuf,
    config: TapeConfig,
    started: Instant,
    events: broadcast::Sender<LogEvent>,
    indexes: moka::sync::Cache<(StreamId, ExtentNo), Arc<ExtentIndex>>,
    files: moka::sync::Cache<(StreamId, ExtentNo), Arc<dyn FileIo>>,
    health: Arc<Health>,
}

impl std::fmt::Debug for Volume {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Volume").field("tape", &self.tape).finish_non_exhaustive()
    }
}

impl Volume {
    fn new(io: Arc<dyn Io>, config: TapeConfig) -> Self {
        let weigh =
            |_: &(StreamId, ExtentNo), i: &Arc<ExtentIndex>| u32::try_from(i.weight()).unwrap_or(u32::MAX);
        Self {
            io,
            tape: config.data.join("tape"),
            config,
            started: Instant::now(),
            events: broadcast::Sender::new(EVENTS_MAX),
            indexes: moka::sync::Cache::builder().max_capacity(INDEX_CACHE_BYTES).weigher(weigh).build(),
            files: moka::sync::Cache::new(FILE_CACHE_MAX),
            health: Arc::default(),
        }
    }

    pub(crate) fn tape_dir(&self) -> &Path {
        &self.tape
    }

    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn tell(&self, event: LogEvent) {
        // Nobody listening is fine.
        let _ = self.events.send(event);
    }

    pub(crate) fn assembler(&self) -> AssemblerConfig {
        AssemblerConfig {
            part_ns: i64::from(self.config.part_ms) * 1_000_000,
            extent_ns: i64::from(self.config.extent_s) * 1_000_000_000,
            rotate_ns: i64::from(self.config.extent_s) * 1_000_000_000,
            extent_bytes_max: EXTENT_BYTES_MAX,
            grid: GridConfig {
                segment_ns: i64::from(self.config.segment_ms) * 1_000_000,
                first_max_ns: FIRST_SEGMENT_MAX_NS,
            },
        }
    }

    pub(crate) fn index(
        &self,
        id: StreamId,
        layout: &Layout,
        no: ExtentNo,
        bytes: u64,
    ) -> std::io::Result<Arc<ExtentIndex>> {
        if let Some(found) = self.indexes.get(&(id, no)) {
            return Ok(found);
        }
        let index = Arc::new(load_index(&*self.io, layout, no, bytes)?);
        self.indexes.insert((id, no), index.clone());
        Ok(index)
    }

    pub(crate) fn cache_index(&self, id: StreamId, index: Arc<ExtentIndex>) {
        self.indexes.insert((id, index.no), index);
    }

    pub(crate) fn forget_index(&self, id: StreamId, no: ExtentNo) {
        self.indexes.invalidate(&(id, no));
    }

    pub(crate) fn file(
        &self,
        id: StreamId,
        layout: &Layout,
        no: ExtentNo,
    ) -> std::io::Result<Arc<dyn FileIo>> {
        if let Some(found) = self.files.get(&(id, no)) {
            return Ok(found);
        }
        let file = self.io.open_read(&layout.extent(no))?;
        self.files.insert((id, no), file.clone());
        Ok(file)
    }

    pub(crate) fn io(&self) -> Arc<dyn Io> {
        self.io.clone()
    }

    /// Gives a copied extent its name, durably.
    pub(crate) fn name_draft(&self, layout: &Layout, no: ExtentNo) -> std::io::Result<()> {
        self.io.rename(&layout.extent_draft(no), &layout.extent(no))?;
        self.io.sync_dir(layout.dir())
    }

    /// Removes the files of an extent that the journal says is deleted.
    pub(crate) fn unlink(&self, id: StreamId, layout: &Layout, no: ExtentNo) -> std::io::Result<()> {
        let missing = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(e),
        };
        self.io.remove(&layout.extent(no)).or_else(missing)?;
        self.io.remove(&layout.sidecar(no)).or_else(missing)?;
        // An open file keeps its space.
        self.files.invalidate(&(id, no));
        self.indexes.invalidate(&(id, no));
        Ok(())
    }

    fn ring(&self, written: PartNo) -> Ring {
        let keep_ns = 4 * i64::from(self.config.segment_ms.max(2000)) * 1_000_000;
        Ring::new(RingLimits { bytes_max: self.config.ring_bytes, keep_ns }, written)
    }
}

/// See the module.
#[derive(Debug)]
pub struct Hub {
    volume: Arc<Volume>,
    committer: Committer,
    streams: Mutex<BTreeMap<StreamName, Arc<Stream>>>,
    ticker: Mutex<Option<(std::sync::mpsc::Sender<()>, std::thread::JoinHandle<()>)>>,
}

impl Hub {
    /// Opens the tape of a data folder and recovers every stream in it. Blocking.
    pub fn open(config: TapeConfig) -> Result<Arc<Self>, OpenError> {
        Self::open_on(Arc::new(StdIo), config)
    }

    pub(crate) fn open_on(io: Arc<dyn Io>, config: TapeConfig) -> Result<Arc<Self>, OpenError> {
        let volume = Arc::new(Volume::new(io.clone(), config));
        let folder = |error| OpenError::Folder { path: volume.tape.display().to_string(), error };
        io.create_dir(&volume.tape).map_err(folder)?;
        let reserve = Reserve::open(io.clone(), &volume.config.data);
        let disk = Disk { io: io.clone(), durability: volume.config.durability, reserve };
        let committer = Committer::start(disk, volume.health.clone()).map_err(folder)?;
        let mut streams = BTreeMap::new();
        for id in io.list(&volume.tape).map_err(folder)?.iter().filter_map(|n| Layout::stream_of(n)) {
            let found = match recover(&io, &volume.tape, id) {
                Ok(found) => found,
                // Created and never acknowledged: the power went before its first line was on the disk.
                Err(RecoverError::Nameless { path }) => {
                    tracing::warn!(%path, "a stream folder without a journal is left alone");
                    continue;
                }
                Err(e) => return Err(e.into()),
            };
            for note in &found.notes {
                tracing::warn!(stream = %found.name, "{note}");
            }
            let name = found.name.clone();
            streams.insert(name, reopen(&volume, &committer, found));
        }
        let ticker = Mutex::new(None);
        let hub = Arc::new(Self { volume, committer, streams: Mutex::new(streams), ticker });
        hub.start_ticker().map_err(|error| OpenError::Folder { path: "tape-tick".into(), error })?;
        Ok(hub)
    }

    fn start_ticker(self: &Arc<Self>) -> std::io::Result<()> {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let hub = Arc::downgrade(self);
        let run = move || {
            while stopped.recv_timeout(TICK) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let Some(hub) = hub.upgrade() else { return };
                let now = hub.volume.now();
                for stream in hub.streams() {
                    stream.flush_if_quiet(now);
                    stream.end_if_stalled(now);
                }
            }
        };
        let thread = std::thread::Builder::new().name("tape-tick".into()).spawn(run)?;
        *self.ticker.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some((stop, thread));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<StreamName, Arc<Stream>>> {
        self.streams.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The current instant on both clocks.
    pub fn now(&self) -> Arrival {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Arrival {
            mono: self.volume.now(),
            wall: WallTime(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)),
        }
    }

    /// A stream that is live or recorded.
    pub fn stream(&self, name: &StreamName) -> Option<Arc<Stream>> {
        self.lock().get(name).cloned()
    }

    /// All of them, by name.
    pub fn streams(&self) -> Vec<Arc<Stream>> {
        self.lock().values().cloned().collect()
    }

    /// What retention would take now: `rule` is asked for each stream, at most `max` extents are told.
    pub fn plan_retention(&self, rule: &dyn Fn(&StreamName) -> Rule, budget: Budget, max: usize) -> Plan {
        let streams = self.streams();
        let ruled: Vec<(&dyn Fetch, Rule)> =
            streams.iter().map(|s| (&**s as &dyn Fetch, rule(s.name()))).collect();
        retention::plan(&ruled, budget, self.now().wall, max)
    }

    /// What happens from now on. A reader that lags is told so and reconciles.
    pub fn events(&self) -> broadcast::Receiver<LogEvent> {
        self.volume.events.subscribe()
    }

    /// How the volume does.
    pub fn disk(&self) -> DiskHealth {
        self.volume.health.read()
    }

    /// Begins to publish. The first publish of a name begins its tape; the volume is not waited for.
    pub fn publish(
        &self,
        name: &StreamName,
        info: PublisherInfo,
        now: Arrival,
    ) -> Result<Publisher, PublishError> {
        let stream = self.lock().entry(name.clone()).or_insert_with(|| self.create(name, now)).clone();
        stream.publish(info, now)
    }

    fn create(&self, name: &StreamName, now: Arrival) -> Arc<Stream> {
        let id = StreamId(Uuid::new_v4());
        let record = Record::Stream { format: 1, id, name: name.clone(), created: now.wall };
        let layout = Layout::new(self.volume.tape_dir(), id);
        let log = StreamLog::fresh(self.volume.io.clone(), layout, &record);
        let state = State::new(self.volume.ring(PartNo(0)));
        let log = self.committer.attach(log);
        Stream::new((id, name.clone(), now.wall), self.volume.clone(), log, state)
    }

    /// What the committer has counted.
    pub fn commit_figures(&self) -> crate::CommitFigures {
        self.committer.figures()
    }

    /// Ends all runs, seals and syncs. Blocking; the hub takes no packets afterwards.
    pub fn close(&self) {
        self.streams().iter().for_each(|s| s.shut());
        if let Some((stop, thread)) =
            self.ticker.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
        {
            drop(stop);
            // The ticker may be the one that dropped the last reference.
            if thread.thread().id() != std::thread::current().id() {
                thread.join().expect("the ticker does not panic");
            }
        }
        self.committer.stop();
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.close();
    }
}

fn reopen(volume: &Arc<Volume>, committer: &Committer, mut found: RecoveredStream) -> Arc<Stream> {
    let ring = volume.ring(found.counters.part);
    let state = State::recovered(&mut found, ring);
    let log = committer.attach(found.log);
    Stream::new((found.id, found.name, found.created), volume.clone(), log, state)
}
