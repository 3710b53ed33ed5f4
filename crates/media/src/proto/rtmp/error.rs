//! The one error that ends an RTMP connection: what, at which byte, in which message. Refusals that a peer
//! is told of (a bad stream name, a missing token) are no errors of the protocol and are not here.

use std::fmt;

use thiserror::Error;

use super::chunk;
use super::handshake::HandshakeError;
use super::message;
use super::outbox::REPLY_BYTES_MAX;
use super::server::MESSAGE_STREAMS_MAX;
use crate::proto::amf::AmfError;

/// Why a connection cannot go on. The session that returned it is dead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct RtmpError {
    /// Bytes of the connection read before the fault was found, the handshake included.
    pub position: u64,
    /// The chunk stream it was found on.
    pub chunk_stream: Option<u32>,
    /// The type of the message it was found in, §5.4.
    pub message_type: Option<u8>,
    /// What was wrong.
    pub kind: ErrorKind,
}

impl fmt::Display for RtmpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RTMP byte {}", self.position)?;
        if let Some(chunk_stream) = self.chunk_stream {
            write!(f, ", chunk stream {chunk_stream}")?;
        }
        if let Some(message_type) = self.message_type {
            write!(f, ", message type {message_type}")?;
        }
        write!(f, ": {}", self.kind)
    }
}

/// What is wrong with a connection's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// See [`HandshakeError`].
    #[error("handshake: {0}")]
    Handshake(#[from] HandshakeError),
    /// A compressed header refers to a message before it that never came.
    #[error("a chunk header of type {format} refers to an earlier message, but there is none")]
    NoEarlierMessage {
        /// The header's type: 2 or 3.
        format: u8,
    },
    /// A new message begins on a chunk stream whose last one is unfinished.
    #[error("a new message begins after {received} of the {length} bytes of the one before it")]
    Interrupted {
        /// Bytes received of the unfinished message.
        received: usize,
        /// Its declared length.
        length: usize,
    },
    /// More chunk streams than a real peer uses.
    #[error("more than {} chunk streams", chunk::CHUNK_STREAMS_MAX)]
    ChunkStreams,
    /// A message longer than its type may be.
    #[error("a message of {length} bytes is declared; the limit for its type is {limit}")]
    MessageLength {
        /// The declared length.
        length: usize,
        /// The most allowed.
        limit: usize,
    },
    /// Unfinished messages take more memory than the connection may have.
    #[error("unfinished messages take more than {limit} bytes")]
    Unfinished {
        /// The most allowed at this stage of the connection.
        limit: usize,
    },
    /// Chunks so small that reading them costs more than they carry.
    #[error("too many chunks that carry next to nothing")]
    Work,
    /// A chunk size of zero, or one with the reserved bit set.
    #[error("chunk size {0} is outside 1..=2147483647")]
    ChunkSize(u32),
    /// A control message shorter than its fields.
    #[error("the message needs {needed} bytes but has {length}")]
    Short {
        /// Bytes its fields take.
        needed: usize,
        /// Bytes it has.
        length: usize,
    },
    /// A value that could not be read.
    #[error("{0}")]
    Amf(#[from] AmfError),
    /// A command that does not begin with its name.
    #[error("the command does not begin with a name")]
    CommandName,
    /// An aggregate of more tags than its size justifies.
    #[error("more than {} tags in one aggregate message", message::AGGREGATE_TAGS_MAX)]
    AggregateTags,
    /// An aggregate that ends inside a tag.
    #[error("the aggregate message ends inside the tag at byte {offset}")]
    AggregateCut {
        /// The tag's offset in the message.
        offset: usize,
    },
    /// A command that is only legal after `connect`.
    #[error("the command {0:?} came before connect")]
    BeforeConnect(String),
    /// A second `connect`.
    #[error("a second connect on one connection")]
    SecondConnect,
    /// Text that names something is not UTF-8.
    #[error("{0} is not UTF-8")]
    NotUtf8(&'static str),
    /// More message streams at once than a real peer uses.
    #[error("more than {MESSAGE_STREAMS_MAX} message streams at once")]
    MessageStreams,
    /// A peer that makes us answer faster than the answers are taken away.
    #[error("more than {REPLY_BYTES_MAX} bytes of answers wait to be sent")]
    Backlog,
    /// The server answered a command with something it cannot mean.
    #[error("the answer to {command} lacks {missing}")]
    Answer {
        /// The command we sent.
        command: &'static str,
        /// What its answer lacks.
        missing: &'static str,
    },
}
