//! Group commit: what several streams have to write is written, then synced together, then acknowledged. This
//! is all of it; the thread around it is `committer`.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::Durability;
use super::io::{FileIo, Io};
use super::reserve::Reserve;
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
    /// Whether the volume takes media.
    pub room: Room,
}

/// Whether a recording that was stopped may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// Everything that waited is written and there is space.
    Some,
    /// Not yet.
    None,
}

/// One stream's share of a batch.
pub(crate) struct Share<'a> {
    pub log: &'a mut StreamLog,
    pub ops: Vec<Op>,
    /// What was durable before.
    pub durable: PartNo,
}

/// What all streams of a volume are written to.
#[derive(Debug)]
pub(crate) struct Disk {
    pub io: Arc<dyn Io>,
    pub durability: Durability,
    pub reserve: Reserve,
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
pub(crate) fn commit(disk: &mut Disk, shares: &mut [Share<'_>], publish: &mut dyn FnMut(usize, Outcome)) {
    let durability = disk.durability;
    let mut files: Vec<Arc<dyn FileIo>> = Vec::new();
    let media = admit(&mut disk.reserve, shares);
    let mut applied: Vec<Applied> = shares.iter_mut().map(|s| apply(s, media)).collect();
    if applied.iter().any(|a| a.fault.as_ref().is_some_and(|f| f.kind == FaultKind::Full)) {
        disk.reserve.release();
    }
    for (a, share) in applied.iter_mut().zip(shares.iter_mut()) {
        if a.fault.is_some() {
            // The reserve may have made room for the lines; what cannot be written now waits.
            let _ = share.log.catch_up();
        }
        want(a, share, durability, &mut files);
    }
    let room = if disk.reserve.is_held() { Room::Some } else { Room::None };
    if planted(Bug::PublishBeforeCommit) {
        for (i, share) in shares.iter().enumerate() {
            let written = share.log.next_part();
            publish(i, Outcome { written, durable: written, fault: None, room });
        }
    }
    let mut synced = disk.io.sync_all(&files);
    if planted(Bug::RetrySync) {
        for (result, file) in synced.iter_mut().zip(&files) {
            if result.is_err() {
                *result = file.sync();
            }
        }
    }
    for (i, (a, share)) in applied.into_iter().zip(shares.iter_mut()).enumerate() {
        publish(i, finish(a, share, &synced, (durability, room)));
    }
}

/// Whether the media of this batch may be written. Once there is no room for it, or hardly any for lines, the reserve is
/// let go.
fn admit(reserve: &mut Reserve, shares: &[Share<'_>]) -> Room {
    reserve.take_back();
    let bytes = |op: &Op| match op {
        Op::Create { init, .. } => Some(init.len() as u64),
        Op::Part(part) => Some(u64::from(part.index.len)),
        _ => None,
    };
    let media = shares.iter().flat_map(|s| &s.ops).filter_map(bytes).reduce(|a, b| a + b);
    if reserve.admits(media.unwrap_or(0)) {
        return Room::Some;
    }
    reserve.release();
    Room::None
}

fn apply(share: &mut Share<'_>, media: Room) -> Applied {
    let mut applied =
        Applied { acks: Vec::new(), sealed: false, wanted: false, fault: None, files: 0..0, dir: false };
    if let Err(error) = share.log.catch_up() {
        share.log.abandon(&error);
        applied.fault = Some(Fault::new("writing the journal", &error));
    }
    for op in share.ops.drain(..) {
        let sealed = matches!(op, Op::Seal { .. });
        let refused = media == Room::None && matches!(op, Op::Create { .. } | Op::Part(_));
        if applied.fault.is_none() {
            let done = if refused { Err(io::ErrorKind::StorageFull.into()) } else { share.log.apply(&op) };
            if let Err(error) = done {
                share.log.abandon(&error);
                applied.fault = Some(Fault::new("writing the recording", &error));
                if refused {
                    share.log.skip(&op);
                }
            }
            applied.sealed |= sealed;
        } else {
            share.log.skip(&op);
        }
        if let Op::Ack(ack) = op {
            applied.acks.push(ack);
        }
    }
    applied
}

/// What has to be synced of a share.
fn want(
    applied: &mut Applied,
    share: &mut Share<'_>,
    durability: Durability,
    files: &mut Vec<Arc<dyn FileIo>>,
) {
    let wanted = match durability {
        Durability::Part => true,
        Durability::Extent => applied.sealed || !applied.acks.is_empty() || applied.fault.is_some(),
        Durability::Os => applied.sealed || applied.fault.is_some(),
    };
    applied.wanted = wanted;
    if wanted {
        let dirty = share.log.take_dirty();
        let from = files.len();
        files.extend(dirty.files);
        applied.files = from..files.len();
        applied.dir = dirty.dir;
    }
}

fn finish(
    applied: Applied,
    share: &mut Share<'_>,
    synced: &[io::Result<()>],
    (durability, room): (Durability, Room),
) -> Outcome {
    let mut fault = applied.fault;
    let mut failed_sync = synced[applied.files].iter().find_map(|r| r.as_ref().err().map(clone_error));
    if applied.dir && failed_sync.is_none() {
        failed_sync = share.log.sync_dir().err();
    }
    let written = share.log.next_part();
    let mut durable = match durability {
        Durability::Part | Durability::Os => written,
        Durability::Extent if applied.sealed || fault.is_some() => written,
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
    Outcome { written, durable, fault, room }
}

fn clone_error(e: &io::Error) -> io::Error {
    match e.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(e.kind(), e.to_string()),
    }
}
