//! The wire form of chunk headers, §5.3.1: basic header, message header, extended timestamp.

use super::EXTENDED;

/// Longest header: 3 bytes of basic header, 11 of message header, 4 of extended timestamp.
pub(super) const HEADER_BYTES_MAX: usize = 18;

/// The header's type: how much it says itself instead of repeating the header before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// 0: everything; the timestamp is absolute.
    Full,
    /// 1: all but the message stream.
    SameStream,
    /// 2: only the timestamp.
    SameLength,
    /// 3: nothing.
    Same,
}

impl Format {
    pub(super) fn number(self) -> u8 {
        self as u8
    }

    pub(super) fn message_header_bytes(self) -> usize {
        match self {
            Self::Full => 11,
            Self::SameStream => 7,
            Self::SameLength => 3,
            Self::Same => 0,
        }
    }
}

/// §5.3.1.1: type and chunk stream, and the bytes they took; `None` where more are needed.
pub(super) fn basic(bytes: &[u8]) -> Option<(Format, u32, usize)> {
    let first = *bytes.first()?;
    let format = match first >> 6 {
        0 => Format::Full,
        1 => Format::SameStream,
        2 => Format::SameLength,
        _ => Format::Same,
    };
    Some(match first & 0x3f {
        0 => (format, u32::from(*bytes.get(1)?) + 64, 2),
        1 => (format, u32::from(*bytes.get(1)?) + 64 + u32::from(*bytes.get(2)?) * 256, 3),
        id => (format, u32::from(id), 1),
    })
}

/// Three bytes, most significant first.
pub(super) fn u24(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]])
}

/// A header being written.
pub(super) struct Header {
    bytes: [u8; HEADER_BYTES_MAX],
    len: usize,
}

impl Header {
    /// The basic header.
    pub(super) fn new(format: Format, chunk_stream: u32) -> Self {
        let mut header = Self { bytes: [0; HEADER_BYTES_MAX], len: 0 };
        let format = format.number() << 6;
        match chunk_stream {
            2..=63 => header.put(&[format | chunk_stream as u8]),
            64..=319 => header.put(&[format, (chunk_stream - 64) as u8]),
            _ => {
                let [low, high, ..] = (chunk_stream - 64).to_le_bytes();
                header.put(&[format | 1, low, high]);
            }
        }
        header
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    pub(super) fn put_u24(&mut self, number: u32) {
        self.put(&number.to_be_bytes()[1..]);
    }

    /// The extended timestamp, where the field cannot say it.
    pub(super) fn put_extended(&mut self, timestamp: u32) {
        if timestamp >= EXTENDED {
            self.put(&timestamp.to_be_bytes());
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_stream_numbers_take_one_two_or_three_bytes() {
        for (id, length) in [(2, 1), (63, 1), (64, 2), (319, 2), (320, 3), (65_599, 3)] {
            let header = Header::new(Format::SameLength, id);
            assert_eq!(header.as_bytes().len(), length, "{id}");
            assert_eq!(basic(header.as_bytes()), Some((Format::SameLength, id, length)));
            assert_eq!(basic(&header.as_bytes()[..length - 1]), None);
        }
    }
}
