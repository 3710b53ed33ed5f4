//! An FLV file or stream, byte by byte to tags. Reads what others wrote badly and what was damaged since:
//! a damaged stretch is left out and told, everything before and after it is read. Knows nothing of what
//! is in the tags.

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

use super::tag::TagKind;

/// Largest tag: what the 24-bit size field can say, 16 MiB.
pub const TAG_BYTES_MAX: usize = (1 << 24) - 1;

/// Bytes searched past a damaged place for the next tag. The largest tag may have been lost whole.
pub const SEARCH_BYTES_MAX: usize = TAG_BYTES_MAX + 2 * (TAG_HEADER_BYTES + SIZE_BYTES);

/// Largest file header believed. Version 1 writes 9 bytes.
pub const FILE_HEADER_BYTES_MAX: usize = 1024;

const FILE_HEADER_BYTES: usize = 9;
const TAG_HEADER_BYTES: usize = 11;
/// Bytes of the `PreviousTagSize` behind every tag.
const SIZE_BYTES: usize = 4;

/// One tag of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Where it begins in the file.
    pub offset: u64,
    /// What it carries.
    pub kind: TagKind,
    /// Its timestamp in milliseconds, all 32 bits.
    pub timestamp_ms: u32,
    /// Its body, in its own allocation.
    pub body: Bytes,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The file header. Its flags are often wrong; the tags tell.
    Header {
        /// `TypeFlagsAudio`.
        audio: bool,
        /// `TypeFlagsVideo`.
        video: bool,
    },
    /// A tag.
    Tag(Tag),
    /// A whole tag that is not read.
    Skipped {
        /// Where it begins.
        offset: u64,
        /// Why.
        why: Skip,
    },
    /// Bytes that are no tags; what follows them is read again.
    Damage {
        /// Where they begin.
        offset: u64,
        /// How many there are.
        skipped: u64,
    },
    /// The file ends inside a tag: everything before `offset` has been read.
    Truncated {
        /// Where the incomplete tag begins.
        offset: u64,
        /// How many bytes of it are there.
        bytes: u64,
    },
    /// The end, always last.
    End {
        /// The size of the file.
        offset: u64,
    },
}

/// Why a whole tag is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// Its filter bit is set: the body is encrypted.
    Encrypted,
    /// A tag type that is neither audio, video nor script data.
    Kind(u8),
}

/// Why reading stops for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DemuxError {
    /// No file header of version 1.
    #[error("this is no FLV file: it does not begin with an FLV header of version 1")]
    NotFlv,
    /// No tag was found for too long.
    #[error("no FLV tag within {SEARCH_BYTES_MAX} bytes of the damage at byte {0}")]
    Lost(u64),
}

/// A reader that is pushed bytes. What it finds does not depend on how they are cut into inputs.
///
/// Poll until `None` after each input: then less than two tags and [`SEARCH_BYTES_MAX`] are buffered.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: BytesMut,
    /// Where the buffer begins in the file.
    offset: u64,
    state: State,
    end: Input,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Input {
    #[default]
    Open,
    Finished,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    FileHeader,
    /// The buffer begins with a tag.
    Tags,
    /// The buffer begins with what should have been a tag. Places before `at` are none.
    Search {
        /// Where in the buffer the search goes on.
        at: usize,
    },
    /// Bytes to leave out after what was just told.
    Leave {
        bytes: usize,
    },
    /// All but the end has been told.
    Ending,
    Failed(DemuxError),
    Done,
}

/// The fields of a tag header.
#[derive(Debug, Clone, Copy)]
struct TagHeader {
    tag_type: u8,
    filter: bool,
    reserved: u8,
    body_bytes: usize,
    timestamp_ms: u32,
    stream_id: u32,
}

impl TagHeader {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let &[flags, s0, s1, s2, t0, t1, t2, t3, i0, i1, i2] = bytes.first_chunk()?;
        Some(Self {
            tag_type: flags & 0x1f,
            filter: flags & 0x20 != 0,
            reserved: flags & 0xc0,
            body_bytes: u32::from_be_bytes([0, s0, s1, s2]) as usize,
            // The fourth byte extends the other three upwards.
            timestamp_ms: u32::from_be_bytes([t3, t0, t1, t2]),
            stream_id: u32::from_be_bytes([0, i0, i1, i2]),
        })
    }

    /// Bytes of the tag without the size behind it.
    const fn bytes(&self) -> usize {
        TAG_HEADER_BYTES + self.body_bytes
    }

    /// What the tag carries, if it is one that could stand in a file that is read here.
    fn plausible(&self) -> Option<TagKind> {
        if self.filter || self.reserved != 0 || self.stream_id != 0 {
            return None;
        }
        TagKind::from_type(self.tag_type)
    }
}

/// How a tag at some place looks.
enum Look {
    /// Whole, and the size behind it agrees.
    Whole(TagHeader),
    /// Whole, but the size behind it says otherwise.
    Disagrees(TagHeader),
    /// More bytes are needed to tell, and may come.
    Wait,
    /// The input ends inside it.
    Cut(Option<TagHeader>),
}

impl Reader {
    /// A reader at the beginning of a file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the file.
    pub fn input(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Failed(_) | State::Done) {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Says that no more input comes. Poll once more until `None`.
    pub fn finish(&mut self) {
        self.end = Input::Finished;
    }

    /// The next thing found. After an error there is only the same error.
    pub fn poll(&mut self) -> Result<Option<Event>, DemuxError> {
        loop {
            let step = match self.state {
                State::FileHeader => self.file_header(),
                State::Tags => self.tag(),
                State::Search { at } => self.search(at),
                State::Leave { bytes } => self.leave(bytes),
                State::Ending => {
                    self.state = State::Done;
                    Step::Found(Event::End { offset: self.offset })
                }
                State::Failed(error) => return Err(error),
                State::Done => Step::Wait,
            };
            match step {
                Step::Found(event) => return Ok(Some(event)),
                Step::Wait => return Ok(None),
                Step::On => {}
            }
        }
    }

    /// Bytes held: given, and neither told nor left out yet.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    fn fail(&mut self, error: DemuxError) -> Step {
        self.buffer = BytesMut::new();
        self.state = State::Failed(error);
        Step::On
    }

    fn advance(&mut self, bytes: usize) {
        self.buffer.advance(bytes);
        self.offset += bytes as u64;
    }

    fn file_header(&mut self) -> Step {
        let known = self.buffer.len().min(4);
        if self.buffer[..known] != b"FLV\x01"[..known] {
            return self.fail(DemuxError::NotFlv);
        }
        let needed = match self.buffer.first_chunk::<FILE_HEADER_BYTES>() {
            Some(&[_, _, _, _, _, a, b, c, d]) => u32::from_be_bytes([a, b, c, d]) as usize,
            None => FILE_HEADER_BYTES,
        };
        if !(FILE_HEADER_BYTES..=FILE_HEADER_BYTES_MAX).contains(&needed) {
            return self.fail(DemuxError::NotFlv);
        }
        // The size before the first tag is zero and means nothing.
        if self.buffer.len() < needed + SIZE_BYTES {
            return self.wait_or(Self::truncated);
        }
        let flags = self.buffer[4];
        self.advance(needed + SIZE_BYTES);
        self.state = State::Tags;
        Step::Found(Event::Header { audio: flags & 4 != 0, video: flags & 1 != 0 })
    }

    fn wait_or(&mut self, finish: impl FnOnce(&mut Self) -> Step) -> Step {
        match self.end {
            Input::Open => Step::Wait,
            Input::Finished => finish(self),
        }
    }

    /// The input ends inside the tag that begins the buffer.
    fn truncated(&mut self) -> Step {
        let event = Event::Truncated { offset: self.offset, bytes: self.buffer.len() as u64 };
        self.advance(self.buffer.len());
        self.state = State::Ending;
        Step::Found(event)
    }

    fn look(&self, at: usize) -> Look {
        let here = &self.buffer[at..];
        let header = TagHeader::parse(here);
        let size = header.and_then(|header| here.get(header.bytes()..)?.first_chunk::<SIZE_BYTES>());
        match (header, size) {
            (Some(header), Some(&size)) if u32::from_be_bytes(size) as usize == header.bytes() => {
                Look::Whole(header)
            }
            (Some(header), Some(_)) => Look::Disagrees(header),
            _ if self.end == Input::Open => Look::Wait,
            (header, _) => Look::Cut(header),
        }
    }

    /// The tag that begins the buffer.
    fn tag(&mut self) -> Step {
        if self.buffer.is_empty() {
            return self.wait_or(|reader| {
                reader.state = State::Ending;
                Step::On
            });
        }
        match self.look(0) {
            Look::Whole(header) => self.take(header),
            Look::Disagrees(header) => match (header.plausible(), self.next_is_plausible(header)) {
                // Some writers put nothing, or the wrong thing, into the sizes.
                (Some(_), Some(true)) => self.take(header),
                (Some(_), None) => Step::Wait,
                _ => self.begin_search(),
            },
            Look::Wait => Step::Wait,
            // A body is whole without the size behind it.
            Look::Cut(Some(header))
                if header.plausible().is_some() && header.bytes() <= self.buffer.len() =>
            {
                self.take(header)
            }
            Look::Cut(_) => self.begin_search(),
        }
    }

    /// Whether another tag, or the end, follows a tag at the beginning of the buffer; `None`: not known
    /// yet.
    fn next_is_plausible(&self, header: TagHeader) -> Option<bool> {
        let rest = &self.buffer[header.bytes() + SIZE_BYTES..];
        match TagHeader::parse(rest) {
            Some(next) => Some(next.plausible().is_some()),
            None if self.end == Input::Open => None,
            None => Some(rest.is_empty()),
        }
    }

    /// Takes the tag that begins the buffer, and the size behind it as far as it is there.
    fn take(&mut self, header: TagHeader) -> Step {
        let offset = self.offset;
        let event = match TagKind::from_type(header.tag_type) {
            _ if header.filter => Event::Skipped { offset, why: Skip::Encrypted },
            Some(kind) => Event::Tag(self.read(kind, header)),
            None => Event::Skipped { offset, why: Skip::Kind(header.tag_type) },
        };
        self.advance((header.bytes() + SIZE_BYTES).min(self.buffer.len()));
        self.state = State::Tags;
        Step::Found(event)
    }

    fn read(&self, kind: TagKind, header: TagHeader) -> Tag {
        Tag {
            offset: self.offset,
            kind,
            timestamp_ms: header.timestamp_ms,
            body: Bytes::copy_from_slice(&self.buffer[TAG_HEADER_BYTES..header.bytes()]),
        }
    }

    fn begin_search(&mut self) -> Step {
        self.state = State::Search { at: 1 };
        Step::On
    }

    /// Searches a tag whose own size agrees with the one behind it. Until one is found, the tag that
    /// begins the buffer is kept: if the search ends behind it, it was whole and only what follows it is
    /// damaged.
    fn search(&mut self, from: usize) -> Step {
        let whole = self.suspect().map_or(0, |suspect| suspect.bytes());
        for at in from..self.buffer.len() {
            if at > whole + SEARCH_BYTES_MAX {
                return self.fail(DemuxError::Lost(self.offset));
            }
            if !matches!(self.buffer[at], 8 | 9 | 18) {
                continue;
            }
            match self.look(at) {
                Look::Whole(header) if header.plausible().is_some() => return self.resume(at),
                Look::Wait if self.may_be_tag(at) => {
                    self.state = State::Search { at };
                    return Step::Wait;
                }
                _ => {}
            }
        }
        self.state = State::Search { at: self.buffer.len().max(from) };
        self.wait_or(Self::resume_at_end)
    }

    /// Whether the bytes that are there so far can be the header of a tag.
    fn may_be_tag(&self, at: usize) -> bool {
        let here = &self.buffer[at..];
        let stream_id = here.get(8..TAG_HEADER_BYTES.min(here.len())).unwrap_or_default();
        stream_id.iter().all(|&byte| byte == 0)
    }

    /// The tag that begins the buffer, if all of its body is there.
    fn suspect(&self) -> Option<TagHeader> {
        let header = TagHeader::parse(&self.buffer)?;
        header.plausible()?;
        (header.bytes() <= self.buffer.len()).then_some(header)
    }

    /// Goes on with the tag found at `at`.
    fn resume(&mut self, at: usize) -> Step {
        match self.suspect() {
            Some(suspect) if suspect.bytes() <= at => self.take_suspect(suspect, at),
            _ => self.leave(at),
        }
    }

    /// Nothing was found up to the end of the input.
    fn resume_at_end(&mut self) -> Step {
        let header = TagHeader::parse(&self.buffer);
        match self.suspect() {
            Some(suspect) => self.take_suspect(suspect, self.buffer.len()),
            // A tag that goes on past the end, as far as can be seen.
            None if header.is_none_or(|header| header.plausible().is_some()) => self.truncated(),
            None => self.leave(self.buffer.len()),
        }
    }

    /// Takes the tag that begins the buffer and leaves out what is between it and `at`.
    fn take_suspect(&mut self, suspect: TagHeader, at: usize) -> Step {
        let kind = suspect.plausible().expect("a suspect is plausible");
        let event = Event::Tag(self.read(kind, suspect));
        self.advance(suspect.bytes());
        self.state = State::Leave { bytes: at - suspect.bytes() };
        Step::Found(event)
    }

    /// Leaves out bytes at the beginning of the buffer.
    fn leave(&mut self, bytes: usize) -> Step {
        let event = Event::Damage { offset: self.offset, skipped: bytes as u64 };
        self.advance(bytes);
        self.state = State::Tags;
        if bytes == 0 { Step::On } else { Step::Found(event) }
    }
}

/// How reading goes on.
enum Step {
    Found(Event),
    /// Nothing more to be found in what is there.
    Wait,
    /// Go on at once.
    On,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tag_bytes(tag_type: u8, timestamp: u32, body: &[u8]) -> Vec<u8> {
        let mut tag = vec![tag_type];
        tag.extend(&(body.len() as u32).to_be_bytes()[1..]);
        let [high, low @ ..] = timestamp.to_be_bytes();
        tag.extend(low);
        tag.extend([high, 0, 0, 0]);
        tag.extend(body);
        tag.extend((tag.len() as u32).to_be_bytes());
        tag
    }

    fn file(tags: &[Vec<u8>]) -> Vec<u8> {
        [&b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"[..], &tags.concat()].concat()
    }

    /// Tags of all kinds with bodies in which no tag header can be seen.
    fn some_tags(count: u32) -> Vec<Vec<u8>> {
        let tag =
            |i: u32| tag_bytes([8, 9, 18][i as usize % 3], i * 20, &vec![0x55; 20 + i as usize * 7 % 50]);
        (0..count).map(tag).collect()
    }

    fn read(pieces: impl IntoIterator<Item = impl AsRef<[u8]>>) -> (Vec<Event>, Option<DemuxError>) {
        let (mut reader, mut events) = (Reader::new(), Vec::new());
        let mut drain = |reader: &mut Reader| loop {
            match reader.poll() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => return None,
                Err(error) => return Some(error),
            }
        };
        for piece in pieces {
            reader.input(piece.as_ref());
            if let Some(error) = drain(&mut reader) {
                return (events, Some(error));
            }
        }
        reader.finish();
        let error = drain(&mut reader);
        (events, error)
    }

    fn events(bytes: &[u8]) -> Vec<Event> {
        let (events, error) = read([bytes]);
        assert_eq!(error, None);
        events
    }

    fn tags(events: &[Event]) -> Vec<Tag> {
        let tags = events.iter().filter_map(|event| match event {
            Event::Tag(tag) => Some(tag.clone()),
            _ => None,
        });
        tags.collect()
    }

    /// All events but tags and the header.
    fn notes(events: Vec<Event>) -> Vec<Event> {
        events.into_iter().filter(|event| !matches!(event, Event::Tag(_) | Event::Header { .. })).collect()
    }

    #[test]
    fn header_and_tags_are_read_with_32_bit_timestamps() {
        let bytes = file(&[tag_bytes(9, 0xfedc_ba98, &[1, 2]), tag_bytes(18, 0x00ff_ffff, &[])]);
        let tag = |offset, kind, timestamp_ms, body: &'static [u8]| {
            Event::Tag(Tag { offset, kind, timestamp_ms, body: Bytes::from_static(body) })
        };
        let expected = [
            Event::Header { audio: true, video: true },
            tag(13, TagKind::Video, 0xfedc_ba98, &[1, 2]),
            tag(30, TagKind::Script, 0x00ff_ffff, &[]),
            Event::End { offset: 45 },
        ];
        assert_eq!(events(&bytes), expected);
    }

    #[test]
    fn a_file_cut_anywhere_is_read_up_to_the_cut() {
        let parts = some_tags(6);
        let bytes = file(&parts);
        let whole = tags(&events(&bytes));
        let ends: Vec<_> = whole.iter().map(|tag| tag.offset as usize + 11 + tag.body.len()).collect();
        for cut in 0..bytes.len() {
            let found = events(&bytes[..cut]);
            let readable = ends.iter().filter(|&&end| end <= cut).count();
            assert_eq!(tags(&found), whole[..readable], "cut at {cut}");
            let begin = if readable == 0 { 13 } else { ends[readable - 1] + 4 };
            let expected = match cut {
                ..13 => vec![Event::Truncated { offset: 0, bytes: cut as u64 }],
                _ if cut > begin => {
                    vec![Event::Truncated { offset: begin as u64, bytes: (cut - begin) as u64 }]
                }
                _ => vec![],
            };
            let end = Event::End { offset: cut as u64 };
            assert_eq!(notes(found), [expected, vec![end]].concat(), "cut at {cut}");
        }
    }

    #[test]
    fn damage_is_left_out_and_told() {
        let parts = some_tags(9);
        let clean = tags(&events(&file(&parts)));
        // Zeros over a tag's header; a size grown beyond the file; rubbish between tags.
        let mut zeroed = parts.clone();
        zeroed[4][..11].fill(0);
        let mut grown = parts.clone();
        grown[4][1] = 0xff;
        let mut stuffed = parts.clone();
        stuffed.insert(4, vec![0xaa; 100]);
        let at = clean[4].offset;
        for (parts, skipped) in [(zeroed, parts[4].len()), (grown, parts[4].len()), (stuffed, 100)] {
            let found = events(&file(&parts));
            let bodies: Vec<_> = tags(&found).into_iter().map(|tag| (tag.timestamp_ms, tag.body)).collect();
            let mut expected: Vec<_> = clean.iter().map(|tag| (tag.timestamp_ms, tag.body.clone())).collect();
            if skipped != 100 {
                expected.remove(4);
            }
            assert_eq!(bodies, expected);
            assert_eq!(notes(found)[0], Event::Damage { offset: at, skipped: skipped as u64 });
        }
    }

    #[test]
    fn the_tag_before_the_damage_is_kept_even_without_its_size() {
        let parts = some_tags(5);
        let clean = tags(&events(&file(&parts)));
        let mut damaged = file(&parts);
        let from = clean[3].offset as usize - 4;
        damaged[from..from + 15].fill(0xee);
        let found = events(&damaged);
        assert_eq!(tags(&found), [&clean[..3], &clean[4..]].concat());
        let told = Event::Damage { offset: from as u64, skipped: clean[4].offset - from as u64 };
        assert_eq!(notes(found)[0], told);
    }

    #[test]
    fn wrong_sizes_behind_sound_tags_are_forgiven() {
        let mut parts = some_tags(6);
        let clean = tags(&events(&file(&parts)));
        for part in &mut parts {
            let end = part.len();
            part[end - 4..].fill(0);
        }
        let found = events(&file(&parts));
        assert_eq!(tags(&found), clean);
        assert_eq!(notes(found).len(), 1);
    }

    #[test]
    fn encrypted_and_unknown_tags_are_refused_one_by_one() {
        let parts = [
            tag_bytes(9, 0, &[1]),
            tag_bytes(0x29, 20, &[2]),
            tag_bytes(15, 40, &[3]),
            tag_bytes(8, 60, &[4]),
        ];
        let found = events(&file(&parts));
        assert_eq!(tags(&found).iter().map(|tag| tag.timestamp_ms).collect::<Vec<_>>(), [0, 60]);
        let skipped = [
            Event::Skipped { offset: 29, why: Skip::Encrypted },
            Event::Skipped { offset: 45, why: Skip::Kind(15) },
        ];
        assert_eq!(notes(found)[..2], skipped);
    }

    #[test]
    fn a_second_file_behind_the_first_is_read_on() {
        let one = file(&some_tags(3));
        let found = events(&[&one[..], &one].concat());
        assert_eq!(tags(&found).len(), 6);
        assert_eq!(notes(found)[0], Event::Damage { offset: one.len() as u64, skipped: 13 });
    }

    #[test]
    fn what_is_no_flv_is_refused_at_once() {
        for bytes in
            [&b"RIFF"[..], b"FLV\x02", b"F\0", b"FLV\x01\x05\x00\x00\x00\x08", b"FLV\x01\x05\xff\x00\x00\x09"]
        {
            assert_eq!(read([bytes]), (vec![], Some(DemuxError::NotFlv)));
        }
    }

    #[test]
    fn a_search_is_bounded_in_bytes_and_memory() {
        let mut reader = Reader::new();
        reader.input(&file(&some_tags(2)));
        let mut fed = 0u64;
        let lost = loop {
            match reader.poll() {
                Ok(Some(_)) => {}
                Ok(None) => {
                    assert!(reader.buffered() <= TAG_BYTES_MAX + SEARCH_BYTES_MAX + (1 << 20));
                    reader.input(&vec![0xaa; 1 << 20]);
                    fed += 1 << 20;
                }
                Err(error) => break error,
            }
        };
        assert_eq!(lost, DemuxError::Lost(file(&some_tags(2)).len() as u64));
        assert!(fed <= (SEARCH_BYTES_MAX + TAG_BYTES_MAX) as u64 + (2 << 20));
        assert_eq!(reader.buffered(), 0);
        reader.input(&[0; 1000]);
        assert_eq!(reader.poll(), Err(lost));
        assert_eq!(reader.buffered(), 0);
    }

    /// A file with some bytes changed, and pieces to cut it into.
    fn damaged() -> impl Strategy<Value = (Vec<u8>, usize, Vec<usize>)> {
        let damage = prop::collection::vec((0usize..2000, any::<u8>()), 0..4);
        (damage, prop::collection::vec(1usize..200, 1..40)).prop_map(|(damage, cuts)| {
            let mut bytes = file(&some_tags(30));
            let first =
                damage.iter().map(|(at, _)| 13 + at % (bytes.len() - 13)).min().unwrap_or(bytes.len());
            for (at, to) in damage {
                let at = 13 + at % (bytes.len() - 13);
                bytes[at] = to;
            }
            (bytes, first, cuts)
        })
    }

    fn pieces<'a>(mut bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
        let mut pieces = Vec::new();
        for &cut in cuts.iter().cycle() {
            let (piece, rest) = bytes.split_at(cut.min(bytes.len()));
            pieces.push(piece);
            bytes = rest;
            if bytes.is_empty() {
                break;
            }
        }
        pieces
    }

    proptest! {
        #[test]
        fn damage_costs_only_what_it_touches((bytes, first, cuts) in damaged()) {
            let clean = tags(&events(&file(&some_tags(30))));
            let found = tags(&read([&bytes]).0);
            let before = clean.iter().take_while(|tag| tag.offset as usize + 11 + tag.body.len() <= first).count();
            prop_assert_eq!(&found[..before], &clean[..before]);
            // Four changed bytes touch at most four tags, and one lost tag can hide one neighbour.
            prop_assert!(found.len() + 8 >= clean.len(), "{} of {}", found.len(), clean.len());
            prop_assert_eq!(read([&bytes]), read(pieces(&bytes, &cuts)));
        }

        #[test]
        fn any_bytes_are_read_alike_however_they_are_cut(
            rest in prop::collection::vec(prop_oneof![Just(0u8), Just(8), Just(9), Just(18), Just(11), any::<u8>()], 0..300),
            cuts in prop::collection::vec(1usize..30, 1..20),
        ) {
            let bytes = [&file(&[])[..], &rest].concat();
            let whole = read([&bytes]);
            prop_assert_eq!(&whole, &read(pieces(&bytes, &cuts)));
            prop_assert_eq!(whole.0.last(), Some(&Event::End { offset: bytes.len() as u64 }));
        }
    }
}
