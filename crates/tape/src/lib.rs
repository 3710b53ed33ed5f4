//! The path of a packet: published into the hub, kept in the live ring, written to the log, found again through
//! the timeline. This crate is the only writer of media. It speaks no HTTP and knows no container beyond its
//! own extents; what is durable and what is cache is told in `docs/format.md`.
#![warn(missing_docs)]

// The tests of failing volumes share their source with those from outside.
#[cfg(test)]
extern crate self as tape;

mod clock;
#[cfg(test)]
mod faults;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod gap;
mod grid;
mod hub;
mod ids;
pub mod index;
pub mod journal;
mod live;
pub mod log;
mod part;
pub mod plant;
mod publisher;
mod read;
pub mod retention;
mod run;
#[cfg(feature = "sim")]
pub mod sim;
mod state;
mod store;
mod stream;
mod trailer;

pub use clock::{Anchor, WallMap};
pub use gap::{Gap, GapReason};
pub use hub::{Hub, LogEvent, OpenError, TapeConfig};
pub use ids::{ExtentNo, InitId, PartNo, RunId, StreamId};
pub use index::{ExtentIndex, PartEntry, Sample, TrackIndex, TrackPart};
pub use journal::{AskedClip, EndReason, SpanRecord};
pub use live::LivePacket;
pub use log::{CommitFigures, DiskHealth, Durability, FileIo, Protection, ROUND_SECONDS};
pub use publisher::{Arrival, PublishError, Publisher, PublisherInfo, PushError};
pub use read::{LiveCursor, LiveItem, Piece, ReadError};
pub use run::{ExtentInfo, RecordingSpan, RunInfo};
pub use state::Viewers;
pub use store::{Store, StoreError};
pub use stream::{EraseError, Erased, Expired, STALL_AFTER, Split, SplitAt, SplitError, Stream, StreamStats};
pub use trailer::SegmentMark;
