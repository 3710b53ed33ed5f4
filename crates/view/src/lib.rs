//! Bytes for players, computed from a [`tape`] snapshot: what a media URL means, which time range it asks
//! for, and the bodies that answer it.
//!
//! Everything here is a pure function of a stream's snapshot and of the request: no sockets, no files
//! opened, nothing ever written. A body says *where* bytes are; reading them is the server's job,
//! and so are authorisation, compression and waiting.
#![warn(missing_docs)]

pub mod clip;
pub mod hls;
pub mod path;
pub mod piece;
pub mod query;
