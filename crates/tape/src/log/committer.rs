//! The one thread that writes a volume. Streams queue operations; each round takes all that is queued, commits
//! it as one batch and tells the streams. While it syncs, the next batch gathers. A stream whose batch failed is given
//! an empty one a moment later, and again until the volume takes it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::commit::{Ack, Disk, Fault, FaultKind, Op, Outcome, Room, Share, commit};
use super::health::Health;
use super::meter::{CommitFigures, CommitMeter};
use super::tick::Tick;
use super::writer::StreamLog;
use crate::ids::PartNo;

/// How often a volume that failed is tried again.
const RETRY_EVERY: Duration = Duration::from_millis(500);
/// A stream that failed does not record for this long, and twice as long after each further failure, so that a volume
/// that fails now and then is not filled with beginnings.
const PAUSE_LEAST: Duration = Duration::from_millis(500);
const PAUSE_MOST: Duration = Duration::from_secs(2);
/// After this long without a failure the next one counts as the first.
const FORGIVEN_AFTER: Duration = Duration::from_secs(30);

/// Told how a stream's batches went. Called on the committer's thread.
pub(crate) trait CommitSink: Send + Sync {
    fn committed(&self, outcome: Outcome);
}

#[derive(Debug, Default)]
struct Queue {
    ops: VecDeque<Op>,
    ready: bool,
}

/// What the thread keeps of a stream.
#[derive(Debug)]
struct Writing {
    log: StreamLog,
    durable: PartNo,
    failed: Option<Failed>,
}

/// The newest failures of a stream.
#[derive(Debug, Clone, Copy)]
struct Failed {
    at: Instant,
    pause: Duration,
}

impl Failed {
    /// Whether no recording begins yet.
    fn is_on(self, now: Instant) -> bool {
        now < self.at + self.pause
    }

    /// Another failure after those before.
    fn again(before: Option<Self>, at: Instant) -> Self {
        let recent = before.filter(|b| at.saturating_duration_since(b.at) < FORGIVEN_AFTER);
        Self { at, pause: recent.map_or(PAUSE_LEAST, |b| (b.pause * 2).min(PAUSE_MOST)) }
    }
}

/// One stream's access to its volume.
pub(crate) struct LogHandle {
    queue: Mutex<Queue>,
    log: Mutex<Writing>,
    sink: Mutex<Weak<dyn CommitSink>>,
    committer: Arc<Shared>,
}

impl std::fmt::Debug for LogHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogHandle").field("queue", &self.queue).finish_non_exhaustive()
    }
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    health: Arc<Health>,
    meter: CommitMeter,
}

#[derive(Default)]
struct State {
    ready: Vec<Arc<LogHandle>>,
    /// Streams whose batch failed, and when they are tried again.
    waiting: Vec<Arc<LogHandle>>,
    retry_at: Option<Instant>,
    stopping: bool,
}

/// The thread; stops when told, after all that was queued.
pub(crate) struct Committer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Committer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Committer").finish_non_exhaustive()
    }
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Committer {
    /// Starts the thread of a volume.
    pub(crate) fn start(disk: Disk, health: Arc<Health>) -> std::io::Result<Self> {
        let (state, meter) = (Mutex::default(), CommitMeter::default());
        let shared = Arc::new(Shared { state, wake: Condvar::new(), health, meter });
        let own = shared.clone();
        let thread = std::thread::Builder::new().name("tape-commit".into()).spawn(move || own.run(disk))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Takes a stream in. Parts below `durable` are durable.
    pub(crate) fn attach(&self, log: StreamLog) -> Arc<LogHandle> {
        let durable = log.next_part();
        let sink: Weak<Nobody> = Weak::new();
        Arc::new(LogHandle {
            queue: Mutex::default(),
            log: Mutex::new(Writing { log, durable, failed: None }),
            sink: Mutex::new(sink),
            committer: self.shared.clone(),
        })
    }

    /// What it has counted.
    pub(crate) fn figures(&self) -> CommitFigures {
        self.shared.meter.figures()
    }

    /// Commits what is queued and ends the thread.
    pub(crate) fn stop(&self) {
        lock(&self.shared.state).stopping = true;
        self.shared.wake.notify_all();
        if let Some(thread) = lock(&self.thread).take() {
            thread.join().expect("the committer does not panic");
        }
    }
}

struct Nobody;
impl CommitSink for Nobody {
    fn committed(&self, _: Outcome) {}
}

impl LogHandle {
    /// Says who is told of outcomes.
    pub(crate) fn tell(&self, sink: Weak<dyn CommitSink>) {
        *lock(&self.sink) = sink;
    }

    /// Queues operations. They are written in order, all streams' together.
    pub(crate) fn submit(self: &Arc<Self>, ops: impl IntoIterator<Item = Op>) {
        let mut queue = lock(&self.queue);
        let before = queue.ops.len();
        queue.ops.extend(ops);
        self.committer.meter.queued(queue.ops.len() - before);
        if queue.ready || queue.ops.is_empty() {
            return;
        }
        queue.ready = true;
        drop(queue);
        lock(&self.committer.state).ready.push(self.clone());
        self.committer.wake.notify_one();
    }

    /// Queues a question that is answered once everything before it is durable.
    pub(crate) fn barrier(self: &Arc<Self>) -> tokio::sync::oneshot::Receiver<Result<(), Fault>> {
        let (ask, answer): (Ack, _) = tokio::sync::oneshot::channel();
        self.submit([Op::Ack(ask)]);
        answer
    }

    /// Asks for another round although nothing is queued.
    fn again(self: &Arc<Self>) {
        let mut queue = lock(&self.queue);
        if !std::mem::replace(&mut queue.ready, true) {
            lock(&self.committer.state).ready.push(self.clone());
        }
    }

    fn take(&self) -> Vec<Op> {
        let mut queue = lock(&self.queue);
        queue.ready = false;
        self.committer.meter.taken(queue.ops.len());
        queue.ops.drain(..).collect()
    }

    fn publish(&self, outcome: Outcome) {
        let sink = lock(&self.sink).upgrade();
        if let Some(sink) = sink {
            sink.committed(outcome);
        }
    }
}

impl Shared {
    fn run(&self, mut disk: Disk) {
        let mut tick = Tick::default();
        let mut next = Instant::now();
        while let Some(ready) = self.wait(next) {
            let begun = Instant::now();
            self.health.begin(begun);
            self.round(&mut disk, &ready, begun);
            let took = begun.elapsed();
            self.meter.round(took);
            let before = tick;
            tick = tick.after(took);
            self.health.end(took, tick.0, disk.reserve.is_held());
            tell(before, tick, took);
            next = begun + tick.0;
        }
    }

    fn round(&self, disk: &mut Disk, ready: &[Arc<LogHandle>], now: Instant) {
        let mut locked: Vec<_> = ready.iter().map(|h| lock(&h.log)).collect();
        let ops: Vec<Vec<Op>> = ready.iter().map(|h| h.take()).collect();
        let begins = |ops: &Vec<Op>| ops.iter().any(|op| matches!(op, Op::Create { .. }));
        let began: Vec<bool> = ops.iter().map(begins).collect();
        let paused: Vec<bool> = locked.iter().map(|w| w.failed.is_some_and(|f| f.is_on(now))).collect();
        let mut shares: Vec<Share<'_>> = ops
            .into_iter()
            .zip(&mut locked)
            .map(|(ops, guard)| {
                let Writing { log, durable, .. } = &mut **guard;
                Share { log, ops, durable: *durable }
            })
            .collect();
        let mut ends: Vec<Option<(PartNo, bool)>> = vec![None; shares.len()];
        let mut again = Vec::new();
        commit(disk, &mut shares, &mut |i, mut outcome| {
            if paused[i] {
                outcome.room = Room::None;
            }
            let failed = outcome.fault.is_some();
            if let Some(fault) = &outcome.fault {
                self.meter.fault(fault.kind);
            }
            if failed || outcome.room == Room::None {
                again.push(ready[i].clone());
            }
            ends[i] = Some((outcome.durable, failed));
            ready[i].publish(outcome);
        });
        for (i, (guard, end)) in locked.iter_mut().zip(ends).enumerate() {
            let Some((durable, failed)) = end else { continue };
            guard.durable = durable;
            if failed {
                self.health.failed();
                // A failure while nothing was recorded is the one before that goes on.
                let first = guard.failed.is_none() || began[i];
                guard.failed = if first { Some(Failed::again(guard.failed, now)) } else { guard.failed };
            }
            if guard.log.has_seals() {
                ready[i].again();
            }
        }
        self.retry(again);
    }

    /// Notes who is to be tried again.
    fn retry(&self, handles: Vec<Arc<LogHandle>>) {
        let mut state = lock(&self.state);
        for handle in handles {
            if !state.waiting.iter().any(|w| Arc::ptr_eq(w, &handle)) {
                state.waiting.push(handle);
            }
        }
        if !state.waiting.is_empty() {
            state.retry_at.get_or_insert_with(|| Instant::now() + RETRY_EVERY);
        }
    }

    /// What is to be written, not before `next`; `None` once all is and the thread has to end.
    fn wait(&self, next: Instant) -> Option<Vec<Arc<LogHandle>>> {
        let mut state = lock(&self.state);
        loop {
            let now = Instant::now();
            if state.retry_at.is_some_and(|at| now >= at) {
                state.retry_at = None;
                for handle in std::mem::take(&mut state.waiting) {
                    if !state.ready.iter().any(|r| Arc::ptr_eq(r, &handle)) {
                        state.ready.push(handle);
                    }
                }
            }
            if !state.ready.is_empty() && (now >= next || state.stopping) {
                return Some(std::mem::take(&mut state.ready));
            }
            if state.stopping && state.ready.is_empty() {
                return None;
            }
            let until = if state.ready.is_empty() { state.retry_at } else { Some(next) };
            state = match until {
                Some(until) => {
                    let left = until.saturating_duration_since(now);
                    self.wake.wait_timeout(state, left).unwrap_or_else(std::sync::PoisonError::into_inner).0
                }
                None => self.wake.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner),
            };
        }
    }
}

/// Says that the disk has become slow, or quick again.
fn tell(before: Tick, now: Tick, took: Duration) {
    let (tick_ms, took_ms) = (now.0.as_millis() as u64, took.as_millis() as u64);
    if now.0 > before.0 {
        tracing::warn!(tick_ms, took_ms, "the disk is slow: parts become durable less often");
    } else if now.0 < before.0 {
        tracing::info!(tick_ms, took_ms, "the disk is quicker: parts become durable more often");
    }
}

impl FaultKind {
    /// The word for logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Device => "device",
        }
    }
}
