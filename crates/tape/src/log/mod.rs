//! The log: extents and journals on a volume. Everything durable goes through here, and everything here goes
//! through the [`Io`] trait, so that the simulator drives this very code.

mod commit;
mod committer;
pub mod io;
mod layout;
mod meter;
mod recover;
mod rewrite;
pub(crate) mod scan;
pub(crate) mod sidecar;
mod verify;
mod writer;

pub use commit::{Fault, FaultKind};
pub(crate) use commit::{Op, Outcome};
#[cfg(feature = "sim")]
pub(crate) use commit::{Share, commit};
pub(crate) use committer::{CommitSink, Committer, LogHandle};
pub use io::{FileIo, Io, StdIo};
pub(crate) use layout::Layout;
pub use meter::{CommitFigures, ROUND_SECONDS};
pub use recover::{Protection, RecoverError};
pub(crate) use recover::{RecoveredRun, RecoveredStream, load_index, recover};
pub(crate) use rewrite::{Stay, draft};
pub use verify::{Finding, verify_stream};
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
