//! Protocol control and user control messages, §5.4 and §6.2.

use crate::proto::rtmp::error::ErrorKind;

/// How strictly a peer bandwidth is meant, §5.4.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BandwidthLimit {
    /// Exactly this.
    Hard,
    /// This, or less if less is set already.
    Soft,
    /// Hard if the last one was hard, else nothing.
    Dynamic,
}

impl BandwidthLimit {
    pub(super) fn number(self) -> u8 {
        self as u8
    }

    /// Servers send numbers that do not exist, and some leave the byte out.
    pub(super) fn read(number: Option<u8>) -> Self {
        match number {
            Some(0) => Self::Hard,
            Some(1) => Self::Soft,
            _ => Self::Dynamic,
        }
    }
}

/// A user control event, §7.1.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserControl {
    /// The message stream has become usable.
    StreamBegin(u32),
    /// The playback is over.
    StreamEof(u32),
    /// There is nothing to play for now.
    StreamDry(u32),
    /// How much the player buffers.
    SetBufferLength {
        /// The stream played.
        message_stream: u32,
        /// Milliseconds.
        ms: u32,
    },
    /// The stream is a recording.
    StreamIsRecorded(u32),
    /// Wants a [`Self::PingResponse`] with the same timestamp.
    PingRequest(u32),
    /// Answers a [`Self::PingRequest`].
    PingResponse(u32),
    /// An event that has no meaning here (SWF verification, buffer states).
    Other(u16),
}

/// The first four bytes of a payload.
pub(super) fn number(payload: &[u8]) -> Result<u32, ErrorKind> {
    number_at(payload, 0)
}

fn number_at(payload: &[u8], offset: usize) -> Result<u32, ErrorKind> {
    let short = ErrorKind::Short { needed: offset + 4, length: payload.len() };
    let bytes = payload.get(offset..).and_then(<[u8]>::first_chunk).ok_or(short)?;
    Ok(u32::from_be_bytes(*bytes))
}

impl UserControl {
    pub(super) fn read(payload: &[u8]) -> Result<Self, ErrorKind> {
        let event = payload.first_chunk().ok_or(ErrorKind::Short { needed: 2, length: payload.len() })?;
        let argument = || number_at(payload, 2);
        Ok(match u16::from_be_bytes(*event) {
            0 => Self::StreamBegin(argument()?),
            1 => Self::StreamEof(argument()?),
            2 => Self::StreamDry(argument()?),
            3 => Self::SetBufferLength { message_stream: argument()?, ms: number_at(payload, 6)? },
            4 => Self::StreamIsRecorded(argument()?),
            6 => Self::PingRequest(argument()?),
            7 => Self::PingResponse(argument()?),
            other => Self::Other(other),
        })
    }

    pub(super) fn write(self) -> Vec<u8> {
        let (event, arguments): (u16, &[u32]) = match &self {
            Self::StreamBegin(stream) => (0, &[*stream]),
            Self::StreamEof(stream) => (1, &[*stream]),
            Self::StreamDry(stream) => (2, &[*stream]),
            Self::SetBufferLength { message_stream, ms } => (3, &[*message_stream, *ms]),
            Self::StreamIsRecorded(stream) => (4, &[*stream]),
            Self::PingRequest(timestamp) => (6, &[*timestamp]),
            Self::PingResponse(timestamp) => (7, &[*timestamp]),
            Self::Other(event) => (*event, &[]),
        };
        let mut payload = event.to_be_bytes().to_vec();
        arguments.iter().for_each(|argument| payload.extend_from_slice(&argument.to_be_bytes()));
        payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_reads_back_and_cut_ones_are_errors() {
        let events = [
            UserControl::StreamBegin(1),
            UserControl::StreamEof(2),
            UserControl::StreamDry(3),
            UserControl::SetBufferLength { message_stream: 4, ms: 5 },
            UserControl::StreamIsRecorded(6),
            UserControl::PingRequest(7),
            UserControl::PingResponse(8),
        ];
        for event in events {
            let bytes = event.write();
            assert_eq!(UserControl::read(&bytes), Ok(event));
            let cut = &bytes[..bytes.len() - 1];
            assert!(matches!(UserControl::read(cut), Err(ErrorKind::Short { .. })), "{event:?}");
        }
        assert_eq!(UserControl::read(&[0, 31, 1]), Ok(UserControl::Other(31)));
    }
}
