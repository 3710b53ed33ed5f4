//! The chunk stream (Adobe RTMP 1.0 §5.3): messages cut into chunks, interleaved, with compressed headers.
//! What messages mean is [`super::message`]'s; only those that steer the chunk stream itself (set chunk
//! size, abort) are obeyed here.

mod header;
mod reader;
mod writer;

pub use reader::{Reader, STRANGER_BYTES_MAX, UNFINISHED_BYTES_MAX};
pub use writer::Writer;

use bytes::Bytes;

/// The chunk size both sides begin with, §5.4.1.
pub const CHUNK_BYTES_INITIAL: u32 = 128;

/// The largest chunk size that makes a difference: no message is longer (§5.4.1).
pub const CHUNK_BYTES_MAX: u32 = 0xff_ffff;

/// Most chunk streams of one connection. Real peers use three to eight.
pub const CHUNK_STREAMS_MAX: usize = 64;

/// Longest media message, what its length field can say: 16 MiB.
pub const MEDIA_BYTES_MAX: usize = 0xff_ffff;

/// Longest command, shared object or message of an unknown type. A `connect` with everything in it is
/// under 2 KiB.
pub const COMMAND_BYTES_MAX: usize = 64 << 10;

/// Longest message of protocol or user control; the specification's take at most 10 bytes.
pub const CONTROL_BYTES_MAX: usize = 256;

/// A chunk's timestamp field when the timestamp stands in four bytes after the header, §5.3.1.3.
const EXTENDED: u32 = 0xff_ffff;

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The chunk stream it travels on: 2 to 65 599.
    pub chunk_stream: u32,
    /// Milliseconds, wrapping at 2³².
    pub timestamp: u32,
    /// What it is, §5.4 and §7.1.
    pub type_id: u8,
    /// The message stream it belongs to; 0 is the connection.
    pub message_stream: u32,
    /// Its body; when read, in its own exact allocation.
    pub payload: Bytes,
}

/// The longest message of a type.
fn bytes_max(type_id: u8) -> usize {
    use super::message::type_id;
    match type_id {
        type_id::SET_CHUNK_SIZE..=type_id::SET_PEER_BANDWIDTH => CONTROL_BYTES_MAX,
        type_id::AUDIO | type_id::VIDEO | type_id::DATA_AMF3 | type_id::DATA_AMF0 | type_id::AGGREGATE => {
            MEDIA_BYTES_MAX
        }
        _ => COMMAND_BYTES_MAX,
    }
}
