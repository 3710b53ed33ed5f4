//! The playlist lines of one extent, rendered once. A sealed extent's lines never change, so that a playlist
//! of a day is a few hundred of these one after the other.

use std::fmt::Write as _;
use std::ops::{Range, RangeInclusive};

use bytes::Bytes;
use media::WallTime;
use tape::{ExtentIndex, ExtentInfo, InitId, RunInfo};

use super::grid::{Segment, rounded_s, segments};
use super::name::SegmentName;
use crate::query::format_wall;

/// Whether the last segment of an extent can still grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// Parts may follow that belong to it.
    Open,
    /// It is as long as it will ever be.
    Closed,
}

/// One listed segment. Its lines are PROGRAM-DATE-TIME, EXTINF and the URI; what depends on its neighbours
/// (MAP, DISCONTINUITY) is written between blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where its lines end in the block's text.
    pub text_end: u32,
    pub independent: bool,
    /// Wall time of its first frame.
    pub start: WallTime,
    /// Wall time of the end of its last frame.
    pub stop: WallTime,
    pub duration_us: i64,
    pub bytes: u64,
    pub msn: u64,
    pub dsn: u64,
}

/// The complete segments of one extent.
#[derive(Debug)]
pub(super) struct Block {
    pub init: InitId,
    pub target_s: u32,
    pub text: Bytes,
    pub entries: Vec<Entry>,
    /// Wall time where the segment begins that is not complete yet.
    pub open: Option<WallTime>,
    /// Longest EXTINF, rounded as TARGETDURATION counts.
    pub longest_s: u32,
    /// Pictures and the microseconds they last.
    pub pictures: (u64, i64),
    /// Sums over the entries, so that a long list need not look at each.
    pub sums: Sums,
}

/// What can be said of all entries of a block at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sums {
    /// Each begins with a random access point.
    pub independent: bool,
    /// Of all together.
    pub duration_us: i64,
    /// Earliest and latest start.
    pub start: RangeInclusive<WallTime>,
    /// Earliest and latest stop.
    pub stop: RangeInclusive<WallTime>,
}

impl Sums {
    fn of(entries: &[Entry]) -> Self {
        let ends = |of: fn(&Entry) -> WallTime| {
            let least = entries.iter().map(of).min().unwrap_or(WallTime::MAX);
            least..=entries.iter().map(of).max().unwrap_or(WallTime::MIN)
        };
        Self {
            independent: entries.iter().all(|e| e.independent),
            duration_us: entries.iter().map(|e| e.duration_us).sum(),
            start: ends(|e| e.start),
            stop: ends(|e| e.stop),
        }
    }
}

impl Block {
    /// Renders the complete segments of an extent, as far as `extent` tells of it: the index may be newer, and
    /// `tail` says nothing of what came since.
    pub(super) fn build(run: &RunInfo, extent: &ExtentInfo, index: &ExtentIndex, tail: Tail) -> Self {
        let mut all = segments(index, extent.bytes, run.target_duration_s.unwrap_or(0));
        let open = if tail == Tail::Open { all.pop() } else { None };
        let mut block = Self {
            init: extent.init,
            target_s: run.target_duration_s.unwrap_or(0),
            text: Bytes::new(),
            entries: Vec::with_capacity(all.len()),
            open: open.map(|s| run.clock.wall(s.start)),
            longest_s: 0,
            pictures: (0, 0),
            sums: Sums::of(&[]),
        };
        let mut text = String::new();
        for segment in &all {
            block.add(run, index, segment, &mut text);
        }
        block.text = text.into();
        block.sums = Sums::of(&block.entries);
        block
    }

    fn add(&mut self, run: &RunInfo, index: &ExtentIndex, segment: &Segment, text: &mut String) {
        let Some(name) = SegmentName::of(run.id, &index.parts[segment.parts.clone()]) else { return };
        let (start, us) = (run.clock.wall(segment.start), segment.duration_us);
        let date = format_wall(WallTime::from_ms(start.ms()));
        write!(
            text,
            "#EXT-X-PROGRAM-DATE-TIME:{date}\n#EXTINF:{}.{:06},\n{name}\n",
            us / 1_000_000,
            us % 1_000_000
        )
        .expect("writing to a String does not fail");
        self.entries.push(Entry {
            text_end: u32::try_from(text.len()).expect("an extent of 120 s has few segments"),
            independent: segment.mark.independent,
            start,
            stop: run.clock.wall(segment.stop),
            duration_us: us,
            bytes: segment.bytes,
            msn: segment.mark.msn,
            dsn: segment.mark.dsn,
        });
        self.longest_s = self.longest_s.max(rounded_s(us));
        self.pictures.0 += u64::from(segment.pictures.0);
        self.pictures.1 += segment.pictures.1;
    }

    /// The lines of these entries, shared.
    pub(super) fn lines(&self, entries: Range<usize>) -> Bytes {
        let at = |i: usize| if i == 0 { 0 } else { self.entries[i - 1].text_end as usize };
        self.text.slice(at(entries.start)..at(entries.end))
    }

    /// A block of these entries whose text is at hand.
    #[cfg(test)]
    pub(super) fn of(init: u8, target_s: u32, text: String, entries: Vec<Entry>) -> Self {
        Self {
            init: InitId([init; 8]),
            target_s,
            text: text.into(),
            sums: Sums::of(&entries),
            entries,
            open: None,
            longest_s: target_s,
            pictures: (0, 0),
        }
    }

    /// Bytes of memory, for the cache's budget.
    pub(super) fn weight(&self) -> usize {
        size_of::<Self>() + self.text.len() + self.entries.capacity() * size_of::<Entry>()
    }
}
