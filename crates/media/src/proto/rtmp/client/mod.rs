//! The calling end of an RTMP connection: publishes one stream to a server, or plays one from it. Who
//! connects the socket and paces the media is the caller.

mod connection;
mod location;
mod session;

pub use location::{Location, LocationError};
pub use session::{NotStarted, Session};

use bytes::Bytes;

use super::handshake::{Seed, Style};
use super::{CHUNK_BYTES_DEFAULT, MediaKind};

/// What a player says it buffers, in milliseconds: enough for servers that fill the buffer as fast as they
/// can and then pace.
const BUFFER_MS: u32 = 3000;

/// What the client is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// It sends the stream.
    Publish,
    /// It receives the stream.
    Play,
}

/// How a session behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the stream is.
    pub location: Location,
    /// What to do with it.
    pub role: Role,
    /// The chunk size we send with, in bytes: 128 to 16 777 215.
    pub chunk_bytes: u32,
    /// The handshake offered.
    pub style: Style,
    /// Fresh randomness for the handshake.
    pub seed: Seed,
}

impl Config {
    /// The defaults, with randomness for this connection.
    pub fn new(location: Location, role: Role, seed: Seed) -> Self {
        Self { location, role, chunk_bytes: CHUNK_BYTES_DEFAULT, style: Style::Simple, seed }
    }
}

/// What a session wants of its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Bytes to send, in order. Consecutive ones belong into one `writev`.
    Send(Bytes),
    /// Something the server did.
    Event(Event),
}

/// What a server did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Publishing or playing has begun.
    Started,
    /// The server said no; [`Event::Ended`] follows.
    Rejected {
        /// Such as `NetStream.Publish.BadName`.
        code: String,
        /// Words for people.
        description: String,
    },
    /// The server said something that changes nothing by itself.
    Status {
        /// `status`, `warning` or `error`.
        level: String,
        /// Such as `NetStream.Play.Reset`.
        code: String,
        /// Words for people.
        description: String,
    },
    /// Media of the stream played.
    Media {
        /// What the payload is.
        kind: MediaKind,
        /// Milliseconds, wrapping at 2³².
        timestamp: u32,
        /// The body of an FLV tag in its own exact allocation.
        payload: Bytes,
    },
    /// The stream played is over for now; the server may begin it again.
    Eof,
    /// The server answered a [`Session::ping`].
    Pong {
        /// The ping's timestamp.
        timestamp: u32,
    },
    /// The session is over: send what was polled before, then close.
    Ended,
}
