//! RTMP (Adobe's Real Time Messaging Protocol 1.0) without I/O: bytes in, bytes and events out. A server's
//! session is [`server::Session`], a client's [`client::Session`]; below them lie the [`handshake`], the
//! [`chunk`] stream and its [`message`]s. Sockets, time-outs, access and media formats belong elsewhere.

pub mod chunk;
pub mod client;
pub mod enhanced;
mod error;
pub mod handshake;
mod link;
pub mod message;
mod outbox;
pub mod server;
mod target;

pub use error::{ErrorKind, RtmpError};
pub use outbox::{Item, Outbox};
pub use target::{Target, resolve};

/// The chunk size we announce: large enough that most access units travel in one piece, so that a viewer's
/// share of a packet is one slice.
pub const CHUNK_BYTES_DEFAULT: u32 = 65_536;

/// The acknowledgement window we announce, and the one we assume of a peer that announces none: what Flash
/// Media Server uses.
pub const WINDOW_BYTES_DEFAULT: u32 = 2_500_000;

/// What a media message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// The body of an FLV audio tag.
    Audio,
    /// The body of an FLV video tag.
    Video,
    /// AMF0: a handler's name such as `onMetaData`, then its values.
    Data,
}

#[cfg(test)]
mod pair_tests;
