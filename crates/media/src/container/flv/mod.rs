//! FLV: the tags that RTMP messages and FLV files share, the files themselves, and the way from tags to
//! packets. Of writing there are the bodies of tags; whoever comes to need whole files adds them here.
//!
//! A publisher's messages go through [`Ingest`] alone. A file goes through [`demux::Reader`] first. What a
//! player is sent comes from [`mux`].

mod codecs;
pub mod demux;
pub mod enhanced;
mod error;
mod ingest;
pub mod mux;
pub mod tag;
pub mod tracks;

pub use error::{FlvError, TagError};
pub use ingest::{Counters, DATA_HELD_BYTES_MAX, DATA_HELD_MAX, Ingest, Ingested, QUEUED_MAX};
pub use tag::TagKind;
pub use tracks::{DropReason, TrackReader};
