//! The one thread that writes a volume. Streams queue operations; each round takes all that is queued, commits
//! it as one batch and tells the streams. While it syncs, the next batch gathers.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::thread::JoinHandle;
use std::time::Instant;

use super::Durability;
use super::commit::{Ack, Fault, FaultKind, Op, Outcome, Share, commit};
use super::io::Io;
use super::meter::{CommitFigures, CommitMeter};
use super::writer::StreamLog;
use crate::ids::PartNo;

/// Told how a stream's batches went. Called on the committer's thread.
pub(crate) trait CommitSink: Send + Sync {
    fn committed(&self, outcome: Outcome);
}

#[derive(Debug, Default)]
struct Queue {
    ops: VecDeque<Op>,
    ready: bool,
}

/// One stream's access to its volume.
pub(crate) struct LogHandle {
    queue: Mutex<Queue>,
    log: Mutex<(StreamLog, PartNo)>,
    sink: Mutex<Weak<dyn CommitSink>>,
    committer: Arc<Shared>,
}

impl std::fmt::Debug for LogHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogHandle").field("queue", &self.queue).finish_non_exhaustive()
    }
}

struct Shared {
    io: Arc<dyn Io>,
    durability: Durability,
    state: Mutex<State>,
    wake: Condvar,
    meter: CommitMeter,
}

#[derive(Default)]
struct State {
    ready: Vec<Arc<LogHandle>>,
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
    pub(crate) fn start(io: Arc<dyn Io>, durability: Durability) -> std::io::Result<Self> {
        let state = Mutex::default();
        let shared =
            Arc::new(Shared { io, durability, state, wake: Condvar::new(), meter: CommitMeter::default() });
        let own = shared.clone();
        let thread = std::thread::Builder::new().name("tape-commit".into()).spawn(move || own.run())?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Takes a stream in. Parts below `durable` are durable.
    pub(crate) fn attach(&self, log: StreamLog) -> Arc<LogHandle> {
        let durable = log.next_part();
        let sink: Weak<Nobody> = Weak::new();
        Arc::new(LogHandle {
            queue: Mutex::default(),
            log: Mutex::new((log, durable)),
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
    fn run(&self) {
        while let Some(ready) = self.wait() {
            let mut locked: Vec<_> = ready.iter().map(|h| lock(&h.log)).collect();
            let mut shares: Vec<Share<'_>> = ready
                .iter()
                .zip(&mut locked)
                .map(|(h, guard)| {
                    let (log, durable) = &mut **guard;
                    Share { log, ops: h.take(), durable: *durable }
                })
                .collect();
            let begun = Instant::now();
            let mut durable: Vec<PartNo> = shares.iter().map(|s| s.durable).collect();
            commit(&*self.io, self.durability, &mut shares, &mut |i, outcome| {
                durable[i] = outcome.durable;
                if let Some(fault) = &outcome.fault {
                    self.meter.fault(fault.kind);
                }
                ready[i].publish(outcome);
            });
            self.meter.round(begun.elapsed());
            for ((guard, durable), handle) in locked.iter_mut().zip(durable).zip(&ready) {
                guard.1 = durable;
                if guard.0.has_seals() {
                    handle.again();
                }
            }
        }
    }

    fn wait(&self) -> Option<Vec<Arc<LogHandle>>> {
        let mut state = lock(&self.state);
        loop {
            if !state.ready.is_empty() {
                return Some(std::mem::take(&mut state.ready));
            }
            if state.stopping {
                return None;
            }
            state = self.wake.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
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
