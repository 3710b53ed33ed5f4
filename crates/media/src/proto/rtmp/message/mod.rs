//! What chunk-stream messages mean (Adobe RTMP 1.0 §5.4, §6, §7): typed, read and written. Whether a
//! message is legal at its moment is the sessions' to say.

mod aggregate;
mod command;
mod control;

pub use aggregate::{AGGREGATE_TAGS_MAX, Tag};
pub use command::Command;
pub use control::{BandwidthLimit, UserControl};

use bytes::Bytes;

use super::MediaKind;
use super::chunk;
use super::error::ErrorKind;
use crate::proto::amf::amf0;

/// The numbers of the message types.
pub mod type_id {
    /// §5.4.1 Set Chunk Size.
    pub const SET_CHUNK_SIZE: u8 = 1;
    /// §5.4.2 Abort.
    pub const ABORT: u8 = 2;
    /// §5.4.3 Acknowledgement.
    pub const ACKNOWLEDGEMENT: u8 = 3;
    /// §6.2 User Control.
    pub const USER_CONTROL: u8 = 4;
    /// §5.4.4 Window Acknowledgement Size.
    pub const WINDOW_SIZE: u8 = 5;
    /// §5.4.5 Set Peer Bandwidth.
    pub const SET_PEER_BANDWIDTH: u8 = 6;
    /// §7.1.4 Audio.
    pub const AUDIO: u8 = 8;
    /// §7.1.5 Video.
    pub const VIDEO: u8 = 9;
    /// §7.1.2 Data in AMF3.
    pub const DATA_AMF3: u8 = 15;
    /// §7.1.1 Command in AMF3.
    pub const COMMAND_AMF3: u8 = 17;
    /// §7.1.2 Data in AMF0.
    pub const DATA_AMF0: u8 = 18;
    /// §7.1.1 Command in AMF0.
    pub const COMMAND_AMF0: u8 = 20;
    /// §7.1.6 Aggregate.
    pub const AGGREGATE: u8 = 22;
}

/// The chunk streams we send on: protocol control must be 2 (§5.4); the others are what servers are used to
/// choose.
pub(super) mod chunk_stream {
    pub(in super::super) const CONTROL: u32 = 2;
    pub(in super::super) const COMMAND: u32 = 3;
    pub(in super::super) const AUDIO: u32 = 4;
    pub(in super::super) const DATA: u32 = 5;
    pub(in super::super) const VIDEO: u32 = 6;
}

/// A message by its meaning. Set Chunk Size and Abort are not among those read: the chunk stream obeys them
/// itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Bytes the sender of this has received, modulo 2³².
    Acknowledgement(u32),
    /// An event of a stream, or a ping.
    UserControl(UserControl),
    /// Bytes after which the sender of this wants an acknowledgement.
    WindowSize(u32),
    /// Bytes that may be under way unacknowledged.
    SetPeerBandwidth {
        /// The window.
        bytes: u32,
        /// How strictly it is meant.
        limit: BandwidthLimit,
    },
    /// Audio, video or timed data. Data is AMF0 as it came, `@setDataFrame` included.
    Media(MediaKind, Bytes),
    /// A call, a result or a status.
    Command(Command),
    /// Several tags in one message, their times already made the stream's.
    Aggregate(Vec<Tag>),
    /// A type that has no meaning here: shared objects and what nobody specified.
    Ignored(u8),
}

impl Message {
    /// Reads a message. Media keeps the memory it came in.
    pub fn read(message: chunk::Message) -> Result<Self, ErrorKind> {
        let payload = message.payload;
        Ok(match message.type_id {
            type_id::ACKNOWLEDGEMENT => Self::Acknowledgement(control::number(&payload)?),
            type_id::USER_CONTROL => Self::UserControl(UserControl::read(&payload)?),
            type_id::WINDOW_SIZE => Self::WindowSize(control::number(&payload)?),
            type_id::SET_PEER_BANDWIDTH => Self::SetPeerBandwidth {
                bytes: control::number(&payload)?,
                limit: BandwidthLimit::read(payload.get(4).copied()),
            },
            type_id::AUDIO => Self::Media(MediaKind::Audio, payload),
            type_id::VIDEO => Self::Media(MediaKind::Video, payload),
            type_id::DATA_AMF0 => Self::Media(MediaKind::Data, payload),
            type_id::DATA_AMF3 => Self::Media(MediaKind::Data, plain_amf0(&payload)?),
            type_id::COMMAND_AMF0 => Self::Command(Command::read(&payload)?),
            type_id::COMMAND_AMF3 => Self::Command(Command::read(without_format_byte(&payload))?),
            type_id::AGGREGATE => Self::Aggregate(aggregate::split(&payload, message.timestamp)?),
            other => Self::Ignored(other),
        })
    }

    /// Writes what has one fixed wire form; `None` for what is only read (aggregates, ignored types) or
    /// cannot be said in AMF0.
    pub(super) fn write(&self, message_stream: u32) -> Option<chunk::Message> {
        let (chunk_stream, type_id, payload) = match self {
            Self::Acknowledgement(bytes) => {
                (chunk_stream::CONTROL, type_id::ACKNOWLEDGEMENT, bytes.to_be_bytes().to_vec())
            }
            Self::UserControl(event) => (chunk_stream::CONTROL, type_id::USER_CONTROL, event.write()),
            Self::WindowSize(bytes) => {
                (chunk_stream::CONTROL, type_id::WINDOW_SIZE, bytes.to_be_bytes().to_vec())
            }
            Self::SetPeerBandwidth { bytes, limit } => {
                let mut payload = bytes.to_be_bytes().to_vec();
                payload.push(limit.number());
                (chunk_stream::CONTROL, type_id::SET_PEER_BANDWIDTH, payload)
            }
            Self::Command(command) => (chunk_stream::COMMAND, type_id::COMMAND_AMF0, command.write().ok()?),
            Self::Media(..) | Self::Aggregate(_) | Self::Ignored(_) => return None,
        };
        Some(chunk::Message { chunk_stream, timestamp: 0, type_id, message_stream, payload: payload.into() })
    }
}

/// A media message for the chunk stream, its payload shared.
pub(super) fn media(kind: MediaKind, message_stream: u32, timestamp: u32, payload: &Bytes) -> chunk::Message {
    let (chunk_stream, type_id) = match kind {
        MediaKind::Audio => (chunk_stream::AUDIO, type_id::AUDIO),
        MediaKind::Video => (chunk_stream::VIDEO, type_id::VIDEO),
        MediaKind::Data => (chunk_stream::DATA, type_id::DATA_AMF0),
    };
    chunk::Message { chunk_stream, timestamp, type_id, message_stream, payload: payload.clone() }
}

/// Set Chunk Size, which only the chunk stream reads.
pub(super) fn set_chunk_size(bytes: u32) -> chunk::Message {
    chunk::Message {
        chunk_stream: chunk_stream::CONTROL,
        timestamp: 0,
        type_id: type_id::SET_CHUNK_SIZE,
        message_stream: 0,
        payload: Bytes::copy_from_slice(&bytes.to_be_bytes()),
    }
}

/// AMF3 messages begin with a zero byte that names a format nobody has changed since; what follows is AMF0
/// that may switch to AMF3.
fn without_format_byte(payload: &[u8]) -> &[u8] {
    payload.strip_prefix(&[0]).unwrap_or(payload)
}

/// A data message as AMF0 throughout.
fn plain_amf0(payload: &[u8]) -> Result<Bytes, ErrorKind> {
    let values = amf0::decode(without_format_byte(payload))?;
    Ok(Bytes::from(amf0::encode_all(&values)?.into_boxed_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::amf::amf0::Value;

    fn read(type_id: u8, payload: &[u8]) -> Result<Message, ErrorKind> {
        let payload = Bytes::copy_from_slice(payload);
        Message::read(chunk::Message { chunk_stream: 3, timestamp: 50, type_id, message_stream: 1, payload })
    }

    #[test]
    fn what_is_written_reads_back() {
        let messages = [
            Message::Acknowledgement(7),
            Message::WindowSize(2_500_000),
            Message::SetPeerBandwidth { bytes: 9, limit: BandwidthLimit::Soft },
            Message::UserControl(UserControl::SetBufferLength { message_stream: 1, ms: 3000 }),
            Message::Command(Command::new("play", 4.0, Value::Null, vec!["cam1".into()])),
        ];
        for message in messages {
            let written = message.write(1).unwrap();
            assert_eq!(Message::read(written), Ok(message));
        }
    }

    #[test]
    fn an_amf3_command_is_amf0_behind_one_byte() {
        let command = Command::new("connect", 1.0, Value::object([("app", "live".into())]), vec![]);
        let bytes = command.write().unwrap();
        let amf3 = [&[0], &bytes[..]].concat();
        assert_eq!(read(17, &amf3), Ok(Message::Command(command.clone())));
        assert_eq!(read(17, &bytes), Ok(Message::Command(command)));
    }

    #[test]
    fn an_amf3_data_message_becomes_plain_amf0() {
        let amf3 = b"\x00\x02\x00\x01n\x11\x04\x05";
        let amf0 = b"\x02\x00\x01n\x00\x40\x14\x00\x00\x00\x00\x00\x00";
        assert_eq!(read(15, amf3), Ok(Message::Media(MediaKind::Data, Bytes::from_static(amf0))));
        assert!(matches!(read(15, b"\x00\x11\xff"), Err(ErrorKind::Amf(_))));
    }

    #[test]
    fn short_control_messages_are_errors_and_unknown_types_are_not() {
        for type_id in [3, 5, 6] {
            assert_eq!(read(type_id, &[0; 3]), Err(ErrorKind::Short { needed: 4, length: 3 }));
        }
        assert_eq!(read(19, b"shared object"), Ok(Message::Ignored(19)));
        assert_eq!(read(99, b""), Ok(Message::Ignored(99)));
    }
}
