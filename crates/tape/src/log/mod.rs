//! The log: extents and journals on a volume. Everything durable goes through here, and everything here goes
//! through the [`Io`] trait, so that the simulator drives this very code.

mod commit;
mod committer;
mod health;
pub mod io;
mod layout;
mod maintain;
mod meter;
mod recover;
mod reserve;
mod rewrite;
pub(crate) mod scan;
pub(crate) mod sidecar;
mod tick;
mod verify;
mod writer;

pub(crate) use commit::{Disk, Op, Outcome, Room};
pub use commit::{Fault, FaultKind};
#[cfg(feature = "sim")]
pub(crate) use commit::{Share, commit};
pub(crate) use committer::{CommitSink, Committer, LogHandle};
pub use health::DiskHealth;
pub(crate) use health::Health;
pub use io::{FileIo, Io, Space, StdIo};
pub(crate) use layout::Layout;
pub use maintain::{rebuild_indexes, streams};
pub use meter::{CommitFigures, ROUND_SECONDS};
pub use recover::{Protection, RecoverError};
pub(crate) use recover::{RecoveredRun, RecoveredStream, load_index, recover};
pub(crate) use reserve::Reserve;
pub use reserve::make_room;
pub(crate) use rewrite::{Stay, draft};
pub use verify::{Finding, Progress, Written, verify_stream};
pub(crate) use writer::StreamLog;

/// When a part counts as durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Once it is synced: a power cut loses at most the open part and the sync lag.
    Part,
    /// Once its extent is sealed and synced: a power cut may lose the open extent.
    Extent,
    /// Once it is written: a power cut may lose what the system had not written back.
    Os,
}
