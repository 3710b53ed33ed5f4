//! The serving end of an RTMP connection: publishers and players talk to a [`Session`], its caller decides
//! what they may. Whose stream a name is, who may use it and when a silent peer has to go is the caller's.

mod commands;
mod connection;
mod session;
mod streams;

pub use session::{ConnectAnswered, Session};
pub use streams::{MESSAGE_STREAMS_MAX, NotAsked, NotPlaying};

use bytes::Bytes;

use super::enhanced::Announced;
use super::handshake::Seed;
use super::{CHUNK_BYTES_DEFAULT, MediaKind, Target, WINDOW_BYTES_DEFAULT};
use crate::proto::amf::Text;
use crate::proto::amf::amf0::Value;

/// Status codes for refusals, as Flash Media Server names them.
pub mod code {
    /// The stream is taken, or its name is not one.
    pub const PUBLISH_BAD_NAME: &str = "NetStream.Publish.BadName";
    /// The publisher may not.
    pub const PUBLISH_DENIED: &str = "NetStream.Publish.Denied";
    /// There is no such stream.
    pub const PLAY_STREAM_NOT_FOUND: &str = "NetStream.Play.StreamNotFound";
    /// The player may not, or the stream cannot be played.
    pub const PLAY_FAILED: &str = "NetStream.Play.Failed";
}

/// How a session behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// The chunk size we send with, in bytes: 128 to 16 777 215.
    pub chunk_bytes: u32,
    /// The acknowledgement window and peer bandwidth we announce, in bytes.
    pub window_bytes: u32,
    /// Fresh randomness for the handshake.
    pub seed: Seed,
}

impl Config {
    /// The defaults, with randomness for this connection.
    pub fn new(seed: Seed) -> Self {
        Self { chunk_bytes: CHUNK_BYTES_DEFAULT, window_bytes: WINDOW_BYTES_DEFAULT, seed }
    }
}

/// What a session wants of its caller.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Bytes to send, in order. Consecutive ones belong into one `writev`.
    Send(Bytes),
    /// Something the peer did.
    Event(Event),
}

/// What a peer did.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The peer named an application. It is told yes with the next [`Session::poll`] unless
    /// [`Session::reject_connect`] is called before.
    Connect(Box<Connect>),
    /// The peer wants to publish: answer with [`Session::accept_publish`] or [`Session::reject_publish`].
    /// Encoders that do not wait for it send media at once, which follows as [`Event::Media`].
    Publish(Box<Publish>),
    /// The peer wants to play: answer with [`Session::accept_play`] or [`Session::reject_play`].
    Play(Box<Play>),
    /// Media of a stream that is, or wants to be, published.
    Media {
        /// The message stream of its [`Event::Publish`].
        message_stream: u32,
        /// What the payload is.
        kind: MediaKind,
        /// Milliseconds on the encoder's clock, wrapping at 2³².
        timestamp: u32,
        /// The body of an FLV tag in its own exact allocation; data without `@setDataFrame`.
        payload: Bytes,
    },
    /// The publisher withdrew timed data that it had set (`@clearDataFrame`).
    ClearData {
        /// The publishing message stream.
        message_stream: u32,
        /// The handler's name, such as `onMetaData`.
        name: String,
    },
    /// The publisher is done with this stream (`FCUnpublish`, `closeStream`, `deleteStream`), answered or
    /// not.
    Unpublish {
        /// The message stream.
        message_stream: u32,
    },
    /// The player is done with this stream, answered or not.
    StopPlay {
        /// The message stream.
        message_stream: u32,
    },
    /// The player paused or resumed, and has been told that it did.
    Pause {
        /// The message stream.
        message_stream: u32,
        /// Which.
        state: PauseState,
        /// Where the player is, in milliseconds of the stream.
        position_ms: f64,
    },
    /// The player wants to be elsewhere: answer with [`Session::accept_seek`] or [`Session::reject_seek`].
    Seek {
        /// The message stream.
        message_stream: u32,
        /// Where to, in milliseconds of the stream.
        position_ms: f64,
    },
    /// The peer answered a [`Session::ping`].
    Pong {
        /// The ping's timestamp.
        timestamp: u32,
    },
    /// The session is over by our own doing: send what was polled before, then close.
    Ended,
}

/// A peer's `connect`.
#[derive(Debug, Clone, PartialEq)]
pub struct Connect {
    /// The application as sent; [`super::resolve`] makes sense of it.
    pub app: String,
    /// The URL the peer says it used.
    pub tc_url: String,
    /// The peer's software.
    pub flash_ver: String,
    /// The page's or player's addresses, where the peer has them.
    pub swf_url: String,
    /// See [`Self::swf_url`].
    pub page_url: String,
    /// 0 for AMF0, 3 for AMF3.
    pub object_encoding: f64,
    /// Which codecs with four characters for a name the peer can be sent.
    pub announced: Announced,
    /// Everything the peer said, the above included.
    pub properties: Vec<(Text, Value)>,
}

/// A wish to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Where the wish has to be answered and the media comes.
    pub message_stream: u32,
    /// The stream meant and its query.
    pub target: Target,
    /// The app of `connect`, as sent.
    pub app: String,
    /// The stream name, as sent.
    pub name: String,
    /// What the encoder wants kept.
    pub kind: PublishKind,
}

/// What a publisher wants to become of its stream, §7.2.2.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PublishKind {
    /// Nothing.
    #[default]
    Live,
    /// A new recording.
    Record,
    /// More of the old recording.
    Append,
}

/// A wish to play.
#[derive(Debug, Clone, PartialEq)]
pub struct Play {
    /// Where the wish has to be answered and the media goes.
    pub message_stream: u32,
    /// The stream meant and its query.
    pub target: Target,
    /// The app of `connect`, as sent.
    pub app: String,
    /// The stream name, as sent.
    pub name: String,
    /// Where to begin.
    pub start: PlayStart,
    /// How long to play, in the unit of `start`; `None` to the end.
    pub duration: Option<f64>,
    /// Whether to drop what was played on this message stream before.
    pub reset: bool,
}

/// Where a player wants to begin, §7.2.2.1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PlayStart {
    /// Live, or the recording where nothing is live.
    Any,
    /// Live only.
    Live,
    /// In a recording: seconds by the specification, milliseconds by FFmpeg and librtmp. librtmp says 0 to
    /// mean nothing.
    At(f64),
}

/// Whether a player stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseState {
    /// It does.
    Paused,
    /// It goes on.
    Resumed,
}

#[cfg(test)]
mod tests;
