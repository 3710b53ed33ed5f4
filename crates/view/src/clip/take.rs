//! What a clip takes from one track of one extent: which samples, and the few counts of them that sizes
//! are made of. The samples themselves stay in the index.

use tape::{ExtentIndex, ExtentNo, Sample, TrackIndex};

use super::error::PlanError;

/// Tracks of a clip, in the order of `moov` and of the chunks of a part.
pub(super) const LANES: usize = 2;
/// The picture.
pub(super) const VIDEO: usize = 0;
/// The sound.
pub(super) const AUDIO: usize = 1;

pub(super) const TOO_MANY: PlanError = PlanError::Damaged("more samples than a track may have");

/// Which samples of a track index are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pick {
    /// First index.
    pub(super) from: u32,
    /// Index after the last.
    pub(super) to: u32,
    /// Samples shown before this are left out.
    pub(super) floor: i64,
}

/// The picked samples of one part, which lie together in the file.
pub(super) struct PartPick<'a> {
    /// Index of the part in the extent.
    pub(super) part: usize,
    /// Where the first sample's bytes are in the extent's file.
    pub(super) offset: u64,
    /// In decode order, those to be left out included.
    pub(super) samples: &'a [Sample],
}

impl Pick {
    /// Whether a sample in reach is taken.
    pub(super) const fn takes(self, sample: &Sample) -> bool {
        // Not `pts()`: the index may be another than the one that planning checked.
        sample.dts.saturating_add(sample.cts as i64) >= self.floor
    }

    /// The taken samples, in decode order.
    pub(super) fn samples(self, track: &TrackIndex) -> impl Iterator<Item = &Sample> {
        let range = self.from as usize..self.to as usize;
        track.samples.get(range).unwrap_or_default().iter().filter(move |s| self.takes(s))
    }

    /// The samples in reach, part by part; parts without any are passed over.
    pub(super) fn by_part<'a>(self, track: &'a TrackIndex) -> impl Iterator<Item = PartPick<'a>> {
        let first = track.parts.partition_point(|p| p.first_sample.saturating_add(p.count) <= self.from);
        let parts = track.parts.iter().enumerate().skip(first);
        parts.take_while(move |(_, p)| p.first_sample < self.to).filter_map(move |(part, p)| {
            let (begin, end) = (p.first_sample, p.first_sample.saturating_add(p.count));
            let (from, to) = (begin.max(self.from), end.min(self.to));
            let samples = track.samples.get(from as usize..to as usize)?;
            let skipped = track.samples.get(begin as usize..from as usize)?;
            let offset = p.data.saturating_add(skipped.iter().map(|s| u64::from(s.size)).sum());
            (!samples.is_empty()).then_some(PartPick { part, offset, samples })
        })
    }
}

/// One track's share of an [`ExtentTake`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Take {
    pub(super) pick: Pick,
    /// Samples taken.
    pub(super) count: u32,
    /// Samples of the track before these.
    pub(super) number: u32,
    /// Chunks (parts with a sample taken).
    pub(super) chunks: u32,
    /// Chunks of the track before these.
    pub(super) chunk: u32,
    /// Rows of `stss`.
    pub(super) syncs: u32,
    /// Bytes of the samples, in-band parameter sets included.
    pub(super) bytes: u64,
    /// Rows of the run-length tables: `stts`, `ctts`, `stsc`.
    pub(super) rows: [u32; 3],
    /// Which codec configuration of the track.
    pub(super) config: u16,
    /// Added to a composition offset of the source.
    pub(super) cts_shift: i64,
    /// How long the last sample lasts.
    pub(super) last_duration: u32,
}

/// What a clip takes from one extent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExtentTake {
    pub(super) no: ExtentNo,
    pub(super) lanes: [Option<Take>; LANES],
    /// Where its bytes begin behind the header of `mdat`.
    pub(super) data: u64,
}

impl ExtentTake {
    /// Bytes of its samples.
    pub(super) fn bytes(&self) -> u64 {
        self.lanes.iter().flatten().map(|t| t.bytes).sum()
    }
}

/// What only planning asks of a track's samples in an extent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) first_dts: i64,
    pub(super) first_pts: i64,
    pub(super) last_dts: i64,
    pub(super) last_duration: u32,
    /// Decode time of the first sample that keeps its own time, and the least offset of such samples.
    pub(super) free: Option<(i64, i64)>,
    /// Greatest offset of all samples.
    pub(super) greatest_cts: i64,
    /// Where the last frame's time on screen ends.
    pub(super) end: i64,
    /// Whether any offset is not zero.
    pub(super) reordered: bool,
}

impl Facts {
    fn new(first: &Sample) -> Self {
        Self {
            first_dts: first.dts,
            first_pts: first.pts(),
            last_dts: first.dts,
            last_duration: 0,
            free: None,
            greatest_cts: i64::MIN,
            end: i64::MIN,
            reordered: false,
        }
    }

    /// Adds the facts of what follows.
    pub(super) fn join(&mut self, next: &Self) {
        (self.last_dts, self.last_duration) = (next.last_dts, next.last_duration);
        self.greatest_cts = self.greatest_cts.max(next.greatest_cts);
        self.end = self.end.max(next.end);
        self.reordered |= next.reordered;
        self.free = match (self.free, next.free) {
            (Some((first, a)), Some((_, b))) => Some((first, a.min(b))),
            (a, b) => a.or(b),
        };
    }

    fn add(&mut self, s: &Sample, free: bool) -> Result<(), PlanError> {
        if u32::try_from(s.dts - self.last_dts).is_err() {
            return Err(PlanError::Damaged("samples of one run lie too far apart"));
        }
        let cts = i64::from(s.cts);
        (self.last_dts, self.last_duration) = (s.dts, s.duration);
        self.greatest_cts = self.greatest_cts.max(cts);
        self.end = self.end.max(s.pts() + i64::from(s.duration));
        self.reordered |= cts != 0;
        if free {
            let (first, least) = self.free.unwrap_or((s.dts, cts));
            self.free = Some((first, least.min(cts)));
        }
        Ok(())
    }
}

impl Take {
    /// Counts what `pick` takes. `number` and `chunk` are the track's so far, `squeezed` how many of its
    /// first samples lose their time, `prefix` the bytes put before each key frame.
    pub(super) fn count(
        track: &TrackIndex,
        pick: Pick,
        so_far: (u32, u32),
        squeezed: u32,
        prefix: u32,
    ) -> Result<Option<(Self, Facts)>, PlanError> {
        let (number, chunk) = so_far;
        let mut take = Self {
            pick,
            count: 0,
            number,
            chunks: 0,
            chunk,
            syncs: 0,
            bytes: 0,
            rows: [0; 3],
            config: 0,
            cts_shift: 0,
            last_duration: 0,
        };
        let mut facts: Option<Facts> = None;
        for part in pick.by_part(track) {
            let before = take.count;
            for s in part.samples.iter().filter(|s| pick.takes(s)) {
                let number = number.checked_add(take.count).ok_or(TOO_MANY)?;
                facts.get_or_insert_with(|| Facts::new(s)).add(s, number >= squeezed)?;
                take.syncs += u32::from(super::tables::is_sync(number, squeezed, s));
                take.bytes += u64::from(s.size) + if s.rap.is_rap() { u64::from(prefix) } else { 0 };
                take.count += 1;
            }
            take.chunks += u32::from(take.count > before);
        }
        let Some(facts) = facts else { return Ok(None) };
        if number.checked_add(take.count).is_none() {
            return Err(TOO_MANY);
        }
        take.rows = super::tables::run_rows(track, &take, squeezed);
        Ok(Some((take, facts)))
    }
}

/// The track of a lane in an extent.
pub(super) fn lane(index: &ExtentIndex, lane: usize) -> Option<&TrackIndex> {
    super::reader::track_of(index, KINDS[lane])
}

/// What the lanes carry.
pub(super) const KINDS: [media::TrackKind; LANES] = [media::TrackKind::Video, media::TrackKind::Audio];
