//! Formats, codecs, protocols and time. Everything here is a pure function of the bytes and the
//! instants it is given: no sockets, no files, no clock, no runtime, no `unsafe`.
#![warn(missing_docs)]

pub mod codec;
pub mod container;
pub mod name;
pub mod packet;
pub mod proto;
pub mod time;
pub mod track;

pub use name::StreamName;
pub use packet::{Packet, Rap};
pub use time::{MediaTime, Timescale, WallTime};
pub use track::{CodecConfig, FURTHER_TRACKS_MAX, Picture, Sound, TrackConfig, TrackId, TrackKind};
