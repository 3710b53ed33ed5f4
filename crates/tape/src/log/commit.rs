//! Group commit: what several streams have to write is written, then synced together, then acknowledged. This
//! is all of it; the thread around it is `committer`.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::Durability;
use super::io::{FileIo, Io};
use super::writer::StreamLog;
use crate::gap::GapReason;
use crate::ids::{ExtentNo, PartNo};
use crate::index::ExtentIndex;
use crate::journal::Record;
use crate::part::Part;
use crate::plant::{Bug, planted};

/// Told when everything submitted before it is durable, or that it is not.
pub(crate) type Ack = oneshot::Sender<Result<(), Fault>>;

/// One thing to write, in the order it was decided.
#[derive(Debug)]
pub(crate) enum Op {
    Journal(Record),
    Create { no: ExtentNo, init: Bytes, record: Record },
    Part(Arc<Part>),
    Seal { index: Arc<ExtentIndex> },
    Ack(Ack),
}

/// What kind of failure a volume showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// No space, no quota, no inodes.
    Full,
    /// Anything else.
    Device,
}

/// A failure of the log of one stream.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what}: {message}")]
pub struct Fault {
    /// Its kind.
    pub kind: FaultKind,
    /// What was being done.
    pub what: &'static str,
    /// The system's words.
    pub message: String,
}

impl Fault {
    pub(crate) fn new(what: &'static str, error: &io::Error) -> Self {
        let full = matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        );
        let kind = if full { FaultKind::Full } else { FaultKind::Device };
        Self { kind, what, message: error.to_string() }
    }

    /// Something cannot be held, because somebody is erasing it.
    pub(crate) fn being_erased() -> Self {
        let message = "it is being erased; ask again for what is left".to_owned();
        Self { kind: FaultKind::Device, what: "holding the range", message }
    }

    /// The reason of the gap it causes.
    pub fn gap(&self) -> GapReason {
        match self.kind {
            FaultKind::Full => GapReason::DiskFull,
            FaultKind::Device => GapReason::DiskError,
        }
    }
}

/// How a batch went for one stream.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Parts below this number are in their file.
    pub written: PartNo,
    /// Parts below this number are durable.
    pub durable: PartNo,
    /// Set when something failed: parts from `written` (or, after a failed sync, `durable`) on are lost.
    pub fault: Option<Fault>,
}

/// One stream's share of a batch.
pub(crate) struct Share<'a> {
    pub log: &'a mut StreamLog,
    pub ops: Vec<Op>,
    /// What was durable before.
    pub durable: PartNo,
}

struct Applied {
    acks: Vec<Ack>,
    sealed: bool,
    /// It is synced in this round.
    wanted: bool,
    fault: Option<Fault>,
    files: std::ops::Range<usize>,
    dir: bool,
}

/// Writes, syncs and acknowledges a batch. `publish` is given each share's number and outcome.
pub(crate) fn commit(
    io: &dyn Io,
    durability: Durability,
    shares: &mut [Share<'_>],
    publish: &mut dyn FnMut(usize, Outcome),
) {
    let mut files: Vec<Arc<dyn FileIo>> = Vec::new();
    let applied: Vec<Applied> = shares.iter_mut().map(|s| apply(s, durability, &mut files)).collect();
    if planted(Bug::PublishBeforeCommit) {
        for (i, share) in shares.iter().enumerate() {
            let written = share.log.next_part();
            publish(i, Outcome { written, durable: written, fault: None });
        }
    }
    let mut synced = io.sync_all(&files);
    if planted(Bug::RetrySync) {
        for (result, file) in synced.iter_mut().zip(&files) {
            if result.is_err() {
                *result = file.sync();
            }
        }
    }
    for (i, (a, share)) in applied.into_iter().zip(shares.iter_mut()).enumerate() {
        publish(i, finish(a, share, &synced, durability));
    }
}

fn apply(share: &mut Share<'_>, durability: Durability, files: &mut Vec<Arc<dyn FileIo>>) -> Applied {
    let mut applied =
        Applied { acks: Vec::new(), sealed: false, wanted: false, fault: None, files: 0..0, dir: false };
    if let Err(error) = share.log.catch_up() {
        share.log.abandon(&error);
        applied.fault = Some(Fault::new("writing the journal", &error));
    }
    for op in share.ops.drain(..) {
        let sealed = matches!(op, Op::Seal { .. });
        if applied.fault.is_none() {
            if let Err(error) = share.log.apply(&op) {
                share.log.abandon(&error);
                applied.fault = Some(Fault::new("writing the recording", &error));
            }
            applied.sealed |= sealed;
        }
        if let Op::Ack(ack) = op {
            applied.acks.push(ack);
        }
    }
    let wanted = match durability {
        Durability::Part => true,
        Durability::Extent => applied.sealed || !applied.acks.is_empty(),
        Durability::Os => applied.sealed,
    };
    applied.wanted = wanted;
    if wanted {
        let dirty = share.log.take_dirty();
        let from = files.len();
        files.extend(dirty.files);
        applied.files = from..files.len();
        applied.dir = dirty.dir;
    }
    applied
}

fn finish(
    applied: Applied,
    share: &mut Share<'_>,
    synced: &[io::Result<()>],
    durability: Durability,
) -> Outcome {
    let mut fault = applied.fault;
    let mut failed_sync = synced[applied.files].iter().find_map(|r| r.as_ref().err().map(clone_error));
    if applied.dir && failed_sync.is_none() {
        failed_sync = share.log.sync_dir().err();
    }
    let written = share.log.next_part();
    let mut durable = match durability {
        Durability::Part | Durability::Os => written,
        Durability::Extent if applied.sealed => written,
        Durability::Extent => share.durable,
    };
    if failed_sync.is_none() && applied.wanted {
        share.log.synced();
    }
    if let Some(error) = failed_sync {
        // A failed sync may have dropped the pages it could not write: nothing written since the last good
        // one is believed, and the file is not tried again.
        share.log.abandon(&error);
        share.log.not_synced();
        fault = Some(Fault::new("syncing the recording", &error));
        durable = share.durable;
    }
    for ack in applied.acks {
        // The asker may have gone away.
        let _ = ack.send(fault.clone().map_or(Ok(()), Err));
    }
    Outcome { written, durable, fault }
}

fn clone_error(e: &io::Error) -> io::Error {
    match e.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(e.kind(), e.to_string()),
    }
}
