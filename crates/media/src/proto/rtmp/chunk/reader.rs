//! Chunks in, messages out. Memory follows what was received, never what was declared.

use bytes::Bytes;

use super::header::{self, Format, HEADER_BYTES_MAX};
use super::{
    CHUNK_BYTES_INITIAL, CHUNK_BYTES_MAX, CHUNK_STREAMS_MAX, EXTENDED, MEDIA_BYTES_MAX, Message, bytes_max,
};
use crate::proto::rtmp::error::{ErrorKind, RtmpError};
use crate::proto::rtmp::message::type_id;

/// Bytes of unfinished messages of a peer that may send media: two of the longest. The memory for them is at
/// most twice as much.
pub const UNFINISHED_BYTES_MAX: usize = 2 * (MEDIA_BYTES_MAX + 1);

/// Bytes of unfinished messages of a peer nobody has let in yet. Commands fit many times; the key frame
/// of an encoder that does not wait for its answer fits too.
pub const STRANGER_BYTES_MAX: usize = 1 << 20;

/// What an unfinished message takes at least, so that small pieces do not move it each time.
const UNFINISHED_BYTES_MIN: usize = 512;

/// Bytes of the connection that a chunk has to bring in the long run: what continues a message, and what
/// begins one. The sparsest real stream is silent AAC by FFmpeg, 7 bytes a message; the smallest real chunk
/// size is 128.
const CONTINUATION_COST: usize = 16;
const BEGIN_COST: usize = 4;

/// How far a connection may run behind: room for a peer whose chunk size is 1 until it has logged in.
const WORK_BURST: usize = 1 << 20;

/// Reads one direction of a connection, from the end of the handshake on.
#[derive(Debug)]
pub struct Reader {
    chunk_bytes: usize,
    streams: Vec<ChunkStream>,
    state: State,
    /// The beginning of a header that the last input cut, or bytes read too far.
    stash: Stash,
    repetition: Repetition,
    /// Bytes of unfinished messages, up to the end of the chunks begun.
    promised: usize,
    unfinished_max: usize,
    work: usize,
    position: u64,
}

#[derive(Debug)]
enum State {
    Header,
    /// `left` bytes of a chunk of the message on `streams[stream]`.
    Payload {
        stream: usize,
        left: usize,
    },
}

#[derive(Debug)]
struct ChunkStream {
    id: u32,
    head: Head,
    /// The message in progress: what there is of `head.length` bytes.
    unfinished: Option<Vec<u8>>,
}

/// What a chunk stream's next header may leave out.
#[derive(Debug, Clone, Copy)]
struct Head {
    /// Of the message: absolute.
    timestamp: u32,
    /// As the last header said it: a difference, or after a full header the timestamp itself, which §5.3.1.2.4
    /// makes the difference for a message that begins with type 3.
    field: u32,
    /// Whether `field` stood in an extended timestamp.
    is_extended: bool,
    length: usize,
    type_id: u8,
    message_stream: u32,
}

/// Whether the peer repeats the extended timestamp in chunks that continue a message, as §5.3.1.3 says and
/// some encoders do not. It shows at the first such chunk that has something else in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repetition {
    Expected,
    Omitted,
}

#[derive(Debug, Default)]
struct Stash {
    bytes: [u8; HEADER_BYTES_MAX],
    len: usize,
}

impl Stash {
    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Takes as much of `input` as fits, leaving it there, and says how much.
    fn fill(&mut self, input: &[u8]) -> usize {
        let taken = input.len().min(HEADER_BYTES_MAX - self.len);
        self.bytes[self.len..self.len + taken].copy_from_slice(&input[..taken]);
        self.len += taken;
        taken
    }

    /// Keeps only `range` of it.
    fn keep(&mut self, range: std::ops::Range<usize>) {
        self.len = range.len();
        self.bytes.copy_within(range, 0);
    }
}

/// A header that has been read, not yet obeyed.
struct Parsed {
    place: Place,
    head: Head,
    bytes: usize,
    chunk: Chunk,
    repetition: Repetition,
}

enum Place {
    Known(usize),
    New(u32),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Chunk {
    Begins,
    Continues,
}

impl Reader {
    /// A reader of what follows `position` bytes of handshake.
    pub fn new(position: u64) -> Self {
        Self {
            chunk_bytes: CHUNK_BYTES_INITIAL as usize,
            streams: Vec::new(),
            state: State::Header,
            stash: Stash::default(),
            repetition: Repetition::Expected,
            promised: 0,
            unfinished_max: STRANGER_BYTES_MAX,
            work: WORK_BURST,
            position,
        }
    }

    /// Lets the peer leave [`UNFINISHED_BYTES_MAX`] unfinished: it has been let in.
    pub fn trust(&mut self) {
        self.unfinished_max = UNFINISHED_BYTES_MAX;
    }

    /// Bytes of the connection consumed so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Memory held for unfinished messages.
    pub fn unfinished_bytes(&self) -> usize {
        self.streams.iter().filter_map(|stream| stream.unfinished.as_ref()).map(Vec::capacity).sum()
    }

    /// Reads on, until a message is whole (the rest of `input` is left) or `input` is used up. After an
    /// error the reader must not be used again.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Message>, RtmpError> {
        loop {
            let message = match self.state {
                State::Header => match self.header(input)? {
                    Some(begun) => begun,
                    None => return Ok(None),
                },
                State::Payload { stream, left } => {
                    if input.is_empty() && self.stash.len == 0 {
                        return Ok(None);
                    }
                    self.payload(stream, left, input)
                }
            };
            if let Some(message) = message
                && !self.obey(&message)?
            {
                return Ok(Some(message));
            }
        }
    }

    fn fail(&self, place: Option<(u32, u8)>, kind: ErrorKind) -> RtmpError {
        RtmpError {
            position: self.position,
            chunk_stream: place.map(|(chunk_stream, _)| chunk_stream),
            message_type: place.map(|(_, message_type)| message_type),
            kind,
        }
    }

    /// Reads a header. `None`: the input is used up. `Some(Some(_))`: it began a message without a body.
    fn header(&mut self, input: &mut &[u8]) -> Result<Option<Option<Message>>, RtmpError> {
        if self.stash.len == 0 {
            let Some(parsed) = self.parse(input)? else {
                self.position += self.stash.fill(input) as u64;
                *input = &[];
                return Ok(None);
            };
            *input = &input[parsed.bytes..];
            self.position += parsed.bytes as u64;
            return self.begin(parsed).map(Some);
        }
        let old = self.stash.len;
        let filled = self.stash.fill(input);
        let Some(parsed) = self.parse(self.stash.as_slice())? else {
            self.position += filled as u64;
            *input = &input[filled..];
            return Ok(None);
        };
        // What the header did not use goes back to where it came from.
        let used = parsed.bytes.saturating_sub(old);
        self.position += used as u64;
        *input = &input[used..];
        self.stash.keep(parsed.bytes.min(old)..old);
        self.begin(parsed).map(Some)
    }

    /// Understands the header that `bytes` begin with; `None` where it goes on after them.
    fn parse(&self, bytes: &[u8]) -> Result<Option<Parsed>, RtmpError> {
        let Some((format, id, at)) = header::basic(bytes) else { return Ok(None) };
        let known = self.streams.iter().position(|stream| stream.id == id);
        let place = known.map_or(Place::New(id), Place::Known);
        let earlier = known.map(|index| &self.streams[index]);
        if format == Format::Same {
            let Some(earlier) = earlier else {
                return Err(self.fail(None, ErrorKind::NoEarlierMessage { format: 3 }));
            };
            return Ok(self.parse_same(earlier, place, bytes, at));
        }
        if let Some(ChunkStream { head, unfinished: Some(unfinished), .. }) = earlier {
            let kind = ErrorKind::Interrupted { received: unfinished.len(), length: head.length };
            return Err(self.fail(Some((id, head.type_id)), kind));
        }
        let end = at + format.message_header_bytes();
        let Some(fields) = bytes.get(at..end) else { return Ok(None) };
        let short = header::u24(fields);
        let (field, end) = if short == EXTENDED {
            let Some(extended) = bytes.get(end..end + 4) else { return Ok(None) };
            (u32::from_be_bytes(extended.try_into().expect("four bytes")), end + 4)
        } else {
            (short, end)
        };
        let head = earlier.map(|stream| stream.head);
        let Some(mut head) = Head::next(format, fields, field, head) else {
            return Err(self.fail(None, ErrorKind::NoEarlierMessage { format: format.number() }));
        };
        head.is_extended = short == EXTENDED;
        Ok(Some(Parsed { place, head, bytes: end, chunk: Chunk::Begins, repetition: self.repetition }))
    }

    /// Type 3: continues the message in progress, or begins one that is like the last.
    fn parse_same(&self, earlier: &ChunkStream, place: Place, bytes: &[u8], at: usize) -> Option<Parsed> {
        let mut head = earlier.head;
        let mut end = at;
        let mut repetition = self.repetition;
        let chunk = if earlier.unfinished.is_some() { Chunk::Continues } else { Chunk::Begins };
        // A message that begins is looked at even where continuations omit the field: writers that forget it
        // there may still put it behind every header that counts.
        if head.is_extended && (chunk == Chunk::Begins || repetition == Repetition::Expected) {
            let extended = u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().expect("four bytes"));
            if extended == head.field || extended == head.timestamp {
                end += 4;
            } else if chunk == Chunk::Continues {
                repetition = Repetition::Omitted;
            }
        }
        if chunk == Chunk::Begins {
            head.timestamp = head.timestamp.wrapping_add(head.field);
        }
        Some(Parsed { place, head, bytes: end, chunk, repetition })
    }

    /// Starts on the chunk of a header; a message without a body is whole at once.
    fn begin(&mut self, parsed: Parsed) -> Result<Option<Message>, RtmpError> {
        let Parsed { place, head, bytes, chunk, repetition } = parsed;
        self.repetition = repetition;
        let id = match place {
            Place::Known(index) => self.streams[index].id,
            Place::New(id) => id,
        };
        let here = Some((id, head.type_id));
        let limit = bytes_max(head.type_id);
        if head.length > limit {
            return Err(self.fail(here, ErrorKind::MessageLength { length: head.length, limit }));
        }
        let stream = match place {
            Place::Known(index) => index,
            Place::New(_) if self.streams.len() == CHUNK_STREAMS_MAX => {
                return Err(self.fail(here, ErrorKind::ChunkStreams));
            }
            Place::New(id) => {
                self.streams.push(ChunkStream { id, head, unfinished: None });
                self.streams.len() - 1
            }
        };
        self.streams[stream].head = head;
        let received = self.streams[stream].unfinished.as_ref().map_or(0, Vec::len);
        let left = (head.length - received).min(self.chunk_bytes);
        self.pay(bytes + left, chunk).map_err(|kind| self.fail(here, kind))?;
        if head.length == 0 {
            return Ok(Some(self.streams[stream].message(Bytes::new())));
        }
        // Counted by what the chunks say, not by what has come, so that the limit does not depend on how the
        // network cuts them.
        self.promised += left;
        if self.promised > self.unfinished_max {
            return Err(self.fail(here, ErrorKind::Unfinished { limit: self.unfinished_max }));
        }
        self.state = State::Payload { stream, left };
        Ok(None)
    }

    fn pay(&mut self, brought: usize, chunk: Chunk) -> Result<(), ErrorKind> {
        let cost = match chunk {
            Chunk::Begins => BEGIN_COST,
            Chunk::Continues => CONTINUATION_COST,
        };
        let work = self.work.saturating_add(brought).min(WORK_BURST);
        self.work = work.checked_sub(cost).ok_or(ErrorKind::Work)?;
        Ok(())
    }

    /// Takes what there is of a chunk's `left` bytes.
    fn payload(&mut self, stream: usize, left: usize, input: &mut &[u8]) -> Option<Message> {
        if self.stash.len > 0 {
            let taken = left.min(self.stash.len);
            let bytes = self.stash.bytes;
            self.stash.keep(taken..self.stash.len);
            return self.append(stream, left, &bytes[..taken]);
        }
        let (taken, rest) = input.split_at(left.min(input.len()));
        *input = rest;
        self.position += taken.len() as u64;
        self.append(stream, left, taken)
    }

    fn append(&mut self, stream: usize, left: usize, bytes: &[u8]) -> Option<Message> {
        let target = &mut self.streams[stream];
        let length = target.head.length;
        let left = left - bytes.len();
        self.state = if left == 0 { State::Header } else { State::Payload { stream, left } };
        if bytes.len() == length {
            self.promised -= length;
            return Some(target.message(Bytes::copy_from_slice(bytes)));
        }
        let unfinished = target.unfinished.get_or_insert_default();
        let needed = unfinished.len() + bytes.len();
        if needed > unfinished.capacity() {
            // Doubling, but to the exact length in the end: the message is handed out as it lies.
            let room = needed.max(unfinished.capacity() * 2).max(UNFINISHED_BYTES_MIN).min(length);
            unfinished.reserve_exact(room - unfinished.len());
        }
        unfinished.extend_from_slice(bytes);
        if needed < length {
            return None;
        }
        self.promised -= length;
        let whole = target.unfinished.take().unwrap_or_default();
        Some(target.message(Bytes::from(whole.into_boxed_slice())))
    }

    /// Obeys the messages that steer the chunk stream; true for those.
    fn obey(&mut self, message: &Message) -> Result<bool, RtmpError> {
        let place = Some((message.chunk_stream, message.type_id));
        let argument = || {
            let length = message.payload.len();
            let bytes = message.payload.first_chunk::<4>().ok_or(ErrorKind::Short { needed: 4, length });
            bytes.map(|bytes| u32::from_be_bytes(*bytes)).map_err(|kind| self.fail(place, kind))
        };
        match message.type_id {
            type_id::SET_CHUNK_SIZE => {
                let size = argument()?;
                if size == 0 || size > i32::MAX as u32 {
                    return Err(self.fail(place, ErrorKind::ChunkSize(size)));
                }
                self.chunk_bytes = size.min(CHUNK_BYTES_MAX) as usize;
            }
            type_id::ABORT => {
                let id = argument()?;
                let aborted = self.streams.iter_mut().find(|stream| stream.id == id);
                let dropped = aborted.and_then(|stream| stream.unfinished.take());
                self.promised -= dropped.map_or(0, |bytes| bytes.len());
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl ChunkStream {
    fn message(&self, payload: Bytes) -> Message {
        Message {
            chunk_stream: self.id,
            timestamp: self.head.timestamp,
            type_id: self.head.type_id,
            message_stream: self.head.message_stream,
            payload,
        }
    }
}

impl Head {
    /// The head of a message that begins with a header of type 0, 1 or 2; `None` where the header leaves out
    /// what no earlier one said. librtmp begins its control chunk stream with type 1, so that is not one.
    fn next(format: Format, fields: &[u8], field: u32, earlier: Option<Self>) -> Option<Self> {
        let mut head = match (format, earlier) {
            (Format::SameStream, Some(earlier)) | (Format::SameLength, Some(earlier)) => earlier,
            (Format::SameLength | Format::Same, None) => return None,
            _ => {
                Self { timestamp: 0, field: 0, is_extended: false, length: 0, type_id: 0, message_stream: 0 }
            }
        };
        head.field = field;
        head.timestamp = match format {
            Format::Full => field,
            _ => head.timestamp.wrapping_add(field),
        };
        if let Some(rest) = fields.get(3..7) {
            head.length = header::u24(rest) as usize;
            head.type_id = rest[3];
        }
        if let Some(stream) = fields.get(7..11) {
            head.message_stream = u32::from_le_bytes(stream.try_into().expect("four bytes"));
        }
        Some(head)
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
