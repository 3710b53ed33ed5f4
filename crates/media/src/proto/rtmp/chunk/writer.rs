//! Messages in, chunks out. Headers are compressed where every known reader agrees on what that means.

use super::header::{Format, Header};
use super::{CHUNK_BYTES_INITIAL, CHUNK_BYTES_MAX, EXTENDED, Message};
use crate::proto::rtmp::outbox::Outbox;

/// Payloads up to this length are copied behind their header: cheaper than a piece of their own in a
/// `writev`.
const COPY_BYTES_MAX: usize = 128;

/// Writes one direction of a connection, from the end of the handshake on.
#[derive(Debug)]
pub struct Writer {
    chunk_bytes: usize,
    streams: Vec<(u32, Head)>,
}

/// What the last header on a chunk stream said.
#[derive(Debug, Clone, Copy)]
struct Head {
    timestamp: u32,
    length: usize,
    type_id: u8,
    message_stream: u32,
}

impl Default for Writer {
    fn default() -> Self {
        Self { chunk_bytes: CHUNK_BYTES_INITIAL as usize, streams: Vec::new() }
    }
}

impl Writer {
    /// Uses another chunk size from the next message on. The peer has to be told before it.
    pub fn set_chunk_bytes(&mut self, chunk_bytes: u32) {
        self.chunk_bytes = chunk_bytes.clamp(1, CHUNK_BYTES_MAX) as usize;
    }

    /// Appends a message, sharing its payload. Its chunk stream must be 2 to 65 599 and its payload no longer
    /// than [`super::MEDIA_BYTES_MAX`].
    pub fn write<E>(&mut self, message: &Message, out: &mut Outbox<E>) {
        self.write_sharing(message, COPY_BYTES_MAX, out);
    }

    /// Appends a message, copying its payload: for commands, so that an answer of several messages is one
    /// piece.
    pub fn gather<E>(&mut self, message: &Message, out: &mut Outbox<E>) {
        self.write_sharing(message, usize::MAX, out);
    }

    fn write_sharing<E>(&mut self, message: &Message, copied_max: usize, out: &mut Outbox<E>) {
        let head = Head {
            timestamp: message.timestamp,
            length: message.payload.len(),
            type_id: message.type_id,
            message_stream: message.message_stream,
        };
        let extended = self.write_header(message.chunk_stream, head, out);
        let mut sent = 0;
        while sent < message.payload.len() {
            if sent > 0 {
                let mut header = Header::new(Format::Same, message.chunk_stream);
                header.put_extended(extended);
                out.copy(header.as_bytes());
            }
            let end = message.payload.len().min(sent + self.chunk_bytes);
            if end - sent <= copied_max {
                out.copy(&message.payload[sent..end]);
            } else {
                out.share(message.payload.slice(sent..end));
            }
            sent = end;
        }
    }

    /// Writes the header of a message's first chunk and returns what its other chunks repeat as extended
    /// timestamp (0: nothing).
    fn write_header<E>(&mut self, chunk_stream: u32, head: Head, out: &mut Outbox<E>) -> u32 {
        let earlier = self.remember(chunk_stream, head);
        let (format, field) = head.after(earlier);
        let mut header = Header::new(format, chunk_stream);
        header.put_u24(field.min(EXTENDED));
        if format != Format::SameLength {
            header.put_u24(head.length as u32);
            header.put(&[head.type_id]);
        }
        if format == Format::Full {
            header.put(&head.message_stream.to_le_bytes());
        }
        header.put_extended(field);
        out.copy(header.as_bytes());
        field
    }

    fn remember(&mut self, chunk_stream: u32, head: Head) -> Option<Head> {
        match self.streams.iter_mut().find(|(id, _)| *id == chunk_stream) {
            Some((_, known)) => Some(std::mem::replace(known, head)),
            None => {
                self.streams.push((chunk_stream, head));
                None
            }
        }
    }
}

impl Head {
    /// The shortest header that says this after `earlier`, and its timestamp field. Type 3 never begins a
    /// message: readers disagree on the difference it stands for after a full header (nginx-rtmp takes 0,
    /// the specification the timestamp). Nor does a difference ever need an extended timestamp: readers
    /// disagree on what continuing chunks repeat then.
    fn after(self, earlier: Option<Self>) -> (Format, u32) {
        let Some(earlier) = earlier.filter(|earlier| earlier.message_stream == self.message_stream) else {
            return (Format::Full, self.timestamp);
        };
        let delta = self.timestamp.wrapping_sub(earlier.timestamp);
        if delta >= EXTENDED {
            return (Format::Full, self.timestamp);
        }
        let is_alike = earlier.length == self.length && earlier.type_id == self.type_id;
        (if is_alike { Format::SameLength } else { Format::SameStream }, delta)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::Reader;
    use super::*;
    use crate::proto::rtmp::outbox::Item;

    fn message(timestamp: u32, length: usize) -> Message {
        let payload = Bytes::from((0..length).map(|i| i as u8).collect::<Vec<_>>());
        Message { chunk_stream: 6, timestamp, type_id: 9, message_stream: 1, payload }
    }

    fn written(messages: &[Message], chunk_bytes: u32) -> Vec<Bytes> {
        let mut out = Outbox::<()>::default();
        let mut writer = Writer::default();
        writer.set_chunk_bytes(chunk_bytes);
        messages.iter().for_each(|message| writer.write(message, &mut out));
        std::iter::from_fn(|| out.pop())
            .map(|item| match item {
                Item::Bytes(bytes) => bytes,
                Item::Other(()) => panic!("no events were put in"),
            })
            .collect()
    }

    #[test]
    fn headers_shrink_when_they_repeat_themselves() {
        let bytes = written(&[message(1000, 2), message(1040, 2), message(1040, 3), message(900, 3)], 128);
        let expected: &[&[u8]] = &[
            &[0x06, 0, 3, 0xe8, 0, 0, 2, 9, 1, 0, 0, 0, 0, 1],
            &[0x86, 0, 0, 40, 0, 1],
            &[0x46, 0, 0, 0, 0, 0, 3, 9, 0, 1, 2],
            &[0x06, 0, 3, 0x84, 0, 0, 3, 9, 1, 0, 0, 0, 0, 1, 2],
        ];
        assert_eq!(bytes.concat(), expected.concat());
        assert_eq!(bytes.len(), 1, "small messages are gathered");
    }

    #[test]
    fn a_long_payload_is_shared_in_slices_of_the_chunk_size() {
        let long = message(0xff_ffff, 1000);
        let pieces = written(std::slice::from_ref(&long), 400);
        let lengths: Vec<_> = pieces.iter().map(Bytes::len).collect();
        assert_eq!(lengths, [16, 400, 5, 400, 5, 200]);
        assert_eq!(pieces[2][..], [0xc6, 0, 0xff, 0xff, 0xff]);
        assert_eq!(pieces[3].as_ptr(), long.payload[400..].as_ptr());
    }

    #[test]
    fn the_reader_gets_back_every_timestamp_across_extension_and_wrap() {
        let times = [0, 40, 0xff_fffe, 0xff_ffff, 0x100_0000, 0x8000_0000, 0xffff_ff00, 0xffff_fff0, 0x10, 5];
        let messages: Vec<_> = times.iter().map(|time| message(*time, 300)).collect();
        let bytes = written(&messages, 128).concat();
        let mut reader = Reader::new(0);
        let mut input = &bytes[..];
        for message in messages {
            assert_eq!(reader.read(&mut input).unwrap(), Some(message));
        }
        assert_eq!(reader.read(&mut input), Ok(None));
    }
}
