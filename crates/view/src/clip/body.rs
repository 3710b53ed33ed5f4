//! The bytes of a plan, lazily: any range of them, as pieces that are shared with the ring or point into
//! files. At most one extent's index and one slice of a table are held at a time.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tape::{ExtentIndex, ExtentNo, Piece, ReadError};
use thiserror::Error;

use super::layout::What;
use super::planner::ClipPlan;
use super::source::Source;
use super::tables::Stretch;

/// Bytes of a repeated pattern made at once: some 10 000 silent frames.
const REPEATED_BYTES: u64 = 64 << 10;

/// Why the body ends early.
#[derive(Debug, Error)]
pub enum BodyError {
    /// An index or media could not be read.
    #[error("extent {extent}: {error}")]
    Read {
        /// Which extent.
        extent: ExtentNo,
        /// Why.
        #[source]
        error: ReadError,
    },
    /// A file could not be read.
    #[error("a file of the tape cannot be read: {0}")]
    File(#[source] std::io::Error),
    /// The tape is not what it was when the clip was planned.
    #[error("extent {0} has changed since the clip was planned; ask for it again")]
    Changed(ExtentNo),
}

/// The bytes of a plan. Cheap to clone; one serves any number of requests.
#[derive(Clone)]
pub struct ClipBody {
    plan: Arc<ClipPlan>,
    source: Arc<dyn Source>,
}

impl ClipBody {
    /// The bytes of `plan`, which was made from this source.
    pub fn new(plan: Arc<ClipPlan>, source: Arc<dyn Source>) -> Self {
        Self { plan, source }
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<ClipPlan> {
        &self.plan
    }

    /// The bytes of a range, cut at the end of the file. Each step may block on a disk.
    pub fn pieces(&self, range: Range<u64>) -> Pieces {
        let end = range.end.min(self.plan.bytes());
        Pieces { body: self.clone(), at: range.start, end, ready: VecDeque::new(), open: None }
    }
}

/// An extent being served.
struct Open {
    number: u32,
    index: Arc<ExtentIndex>,
    /// Its media, once asked for.
    media: Option<Media>,
}

struct Media {
    stretches: Vec<Stretch>,
    /// Where each ends, from the first byte of the extent's media on.
    ends: Vec<u64>,
}

impl Media {
    fn new(stretches: Vec<Stretch>) -> Self {
        let mut end = 0;
        let ends = stretches.iter().map(|s| {
            end += s.len;
            end
        });
        Self { ends: ends.collect(), stretches }
    }
}

/// The pieces of a range, in order. After an error there are no more.
pub struct Pieces {
    body: ClipBody,
    at: u64,
    end: u64,
    ready: VecDeque<Piece>,
    open: Option<Open>,
}

impl Iterator for Pieces {
    type Item = Result<Piece, BodyError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Some(Ok(piece));
            }
            if self.at >= self.end {
                return None;
            }
            if let Err(error) = self.step() {
                self.end = self.at;
                return Some(Err(error));
            }
        }
    }
}

impl Pieces {
    /// Makes the next bytes ready and moves past them.
    fn step(&mut self) -> Result<(), BodyError> {
        let plan = Arc::clone(&self.body.plan);
        let Some((slice, begin)) = plan.layout.find(self.at) else {
            self.end = self.at;
            return Ok(());
        };
        match slice.what {
            What::Fixed(number) => {
                let bytes = plan.layout.fixed[number as usize].clone();
                self.give(bytes, begin);
            }
            What::Rows(_, _, number) => {
                let no = plan.layout.extents[number as usize].no;
                let index = Arc::clone(&self.open(number)?.index);
                let bytes = plan.layout.render(slice.what, &index).ok_or(BodyError::Changed(no))?;
                self.give(bytes, begin);
            }
            What::Media(number) => self.media(number, begin, slice.end)?,
            What::QuietRows(table, number) => {
                let bytes = plan.layout.quiet_rows(table, number).expect("planned with its lane");
                self.give(bytes, begin);
            }
            What::Repeated(pattern) => {
                let pattern = plan.layout.pattern(pattern).expect("planned with its lane");
                self.repeat(&pattern, begin, slice.end);
            }
        }
        Ok(())
    }

    /// Hands out what is wanted of bytes that begin at a file offset.
    fn give(&mut self, bytes: Bytes, begin: u64) {
        let len = bytes.len() as u64;
        let range = self.at - begin..len.min(self.end - begin);
        self.at = begin + range.end;
        let index = |offset: u64| usize::try_from(offset).expect("within bytes that are in memory");
        self.ready.push_back(Piece::Mem(bytes.slice(index(range.start)..index(range.end))));
    }

    /// Hands out a pattern over and over, some of it at a time.
    fn repeat(&mut self, pattern: &[u8], begin: u64, slice_end: u64) {
        let wanted = (self.end.min(slice_end) - self.at).min(REPEATED_BYTES);
        let phase = (self.at - begin) % pattern.len() as u64;
        let index = |offset: u64| usize::try_from(offset).expect("a few bytes");
        let bytes = pattern.iter().copied().cycle().skip(index(phase)).take(index(wanted));
        self.ready.push_back(Piece::Mem(bytes.collect()));
        self.at += wanted;
    }

    fn open(&mut self, number: u32) -> Result<&mut Open, BodyError> {
        if self.open.as_ref().is_none_or(|open| open.number != number) {
            let no = self.body.plan.layout.extents[number as usize].no;
            let index = self.body.source.index(no).map_err(|error| BodyError::Read { extent: no, error })?;
            self.open = Some(Open { number, index, media: None });
        }
        Ok(self.open.as_mut().expect("opened above"))
    }

    /// Hands out one stretch of an extent's media.
    fn media(&mut self, number: u32, begin: u64, slice_end: u64) -> Result<(), BodyError> {
        let plan = Arc::clone(&self.body.plan);
        let extent = &plan.layout.extents[number as usize];
        let (at, end) = (self.at - begin, self.end.min(slice_end) - begin);
        let open = self.open(number)?;
        let media = open.media.get_or_insert_with(|| Media::new(plan.layout.media_of(&open.index, extent)));
        if media.ends.last() != Some(&(slice_end - begin)) {
            return Err(BodyError::Changed(extent.no));
        }
        let which = media.ends.partition_point(|e| *e <= at);
        let stretch = media.stretches[which];
        let from = at - (media.ends[which] - stretch.len);
        let to = stretch.len.min(from + (end - at));
        match stretch.offset {
            Some(offset) => self.read(extent.no, offset, from..to)?,
            None => {
                let sets = plan.layout.parameter_sets(extent).ok_or(BodyError::Changed(extent.no))?;
                let index = |offset: u64| usize::try_from(offset).expect("parameter sets are small");
                self.ready.push_back(Piece::Mem(sets.slice(index(from)..index(to))));
            }
        }
        self.at += to - from;
        Ok(())
    }

    /// Hands out a part of what lies at an offset of an extent's file.
    fn read(&mut self, no: ExtentNo, offset: u64, part: Range<u64>) -> Result<(), BodyError> {
        let range = offset.saturating_add(part.start)..offset.saturating_add(part.end);
        let pieces =
            self.body.source.read(no, range).map_err(|error| BodyError::Read { extent: no, error })?;
        if pieces.iter().map(Piece::len).sum::<u64>() != part.end - part.start {
            return Err(BodyError::Changed(no));
        }
        self.ready.extend(pieces);
        Ok(())
    }
}
