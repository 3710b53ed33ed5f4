//! One run as a reader of samples: forward and backward over extents, asking the tape for more of them
//! where the ones at hand do not suffice. Decides nothing about cuts.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use media::{MediaTime, Timescale, TrackKind};
use tape::{ExtentIndex, ExtentInfo, ExtentNo, PartNo, RunInfo, Sample, TrackIndex};

use super::error::PlanError;
use super::source::Source;
use super::{LOOK_NS, REORDER_NS};

/// Times beyond this are nonsense (2^56 ticks are 25 000 years at 90 kHz) and would make sums overflow.
const TICKS_MAX: u64 = 1 << 56;

/// Where a sample is. Part numbers rise within a run (extent numbers do not: copies of what an erasure left have higher
/// ones than the extents after them), so places compare in decode order within a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The first part of the extent.
    pub(super) order: PartNo,
    pub(super) extent: ExtentNo,
    pub(super) sample: u32,
}

/// A run, its known extents, and where more come from.
pub(super) struct Reader<'a> {
    source: &'a dyn Source,
    info: RunInfo,
}

/// How far a walk goes: extents wholly beyond this media time are not opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach(pub(super) MediaTime);

/// The track of a kind in an extent.
pub(super) fn track_of(index: &ExtentIndex, kind: TrackKind) -> Option<&TrackIndex> {
    index.tracks.iter().find(|t| t.kind == kind)
}

/// Loads an index and checks what all arithmetic here relies on: bounded, rising decode times.
pub(super) fn load(source: &dyn Source, no: ExtentNo) -> Result<Arc<ExtentIndex>, PlanError> {
    let index = source.index(no).map_err(|error| PlanError::Read { extent: no, error })?;
    for track in index.tracks.iter().filter(|t| t.kind != TrackKind::Data) {
        let bounded = |s: Option<&Sample>| s.is_none_or(|s| s.dts.unsigned_abs() < TICKS_MAX);
        if !bounded(track.samples.first()) || !bounded(track.samples.last()) {
            return Err(PlanError::Damaged("a decode time is absurd"));
        }
        if !track.samples.is_sorted_by(|a, b| a.dts < b.dts) {
            return Err(PlanError::Damaged("decode times do not rise"));
        }
        if track.parts.len() != index.parts.len() {
            return Err(PlanError::Damaged("a track has more or fewer parts than its extent"));
        }
    }
    Ok(index)
}

/// A span of nanoseconds in ticks, at least one.
pub(super) fn ticks(scale: Timescale, ns: i64) -> i64 {
    scale.ticks_ceil(MediaTime(ns)).max(1)
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a dyn Source, info: RunInfo) -> Self {
        Self { source, info }
    }

    pub(super) fn info(&self) -> &RunInfo {
        &self.info
    }

    pub(super) fn index(&self, no: ExtentNo) -> Result<Arc<ExtentIndex>, PlanError> {
        load(self.source, no)
    }

    /// Known extents from one to another, both included.
    pub(super) fn extents(&self, first: PartNo, last: PartNo) -> &[ExtentInfo] {
        let extents = &self.info.extents;
        let from = extents.partition_point(|e| e.first_part < first);
        let to = extents.partition_point(|e| e.first_part <= last);
        &extents[from..to.max(from)]
    }

    /// Asks for extents before the first known one. Whether there were any.
    fn earlier(&mut self) -> bool {
        let Some(first) = self.info.extents.first() else { return false };
        let (no, order) = (first.no, first.first_part);
        let mut more = self.ask(first.start.plus_ns(-LOOK_NS)..first.end.max(first.start), no);
        more.retain(|e| e.first_part < order);
        let found = !more.is_empty();
        self.info.extents.splice(0..0, more);
        found
    }

    /// Asks for extents after the last known one. Whether there were any.
    fn later(&mut self) -> bool {
        let Some(last) = self.info.extents.last() else { return false };
        let (no, order) = (last.no, last.first_part);
        let mut more = self.ask(last.start..last.end.max(last.start).plus_ns(LOOK_NS), no);
        more.retain(|e| e.first_part > order);
        let found = !more.is_empty();
        self.info.extents.extend(more);
        found
    }

    /// Extents of a stretch of the piece of the run that a known extent belongs to; none reach over a hole.
    fn ask(&self, range: Range<MediaTime>, known: ExtentNo) -> Vec<ExtentInfo> {
        let pieces = self.source.pieces(self.info.id, range);
        let own = pieces.into_iter().find(|piece| piece.extents.iter().any(|e| e.no == known));
        own.map(|piece| piece.extents).unwrap_or_default()
    }

    /// The place of the first sample decoded at or after a tick (it may be past the last one). Tracks
    /// overlap at the borders of extents, so the extent of one track may not be that of another.
    pub(super) fn at(&mut self, kind: TrackKind, scale: Timescale, tick: i64) -> Result<Place, PlanError> {
        let media = scale.media(tick);
        while self.info.extents.first().is_some_and(|e| e.start > media) && self.earlier() {}
        while self.info.extents.last().is_some_and(|e| e.start <= media) && self.later() {}
        let mut at = self.info.extents.partition_point(|e| e.start <= media).saturating_sub(1);
        loop {
            let Some(extent) = self.info.extents.get(at) else {
                return Ok(Place { order: PartNo(0), extent: ExtentNo(0), sample: 0 });
            };
            let index = self.index(extent.no)?;
            let sample = track_of(&index, kind).map_or(0, |t| t.samples.partition_point(|s| s.dts < tick));
            let before = at.checked_sub(1).filter(|before| self.info.extents[*before].end >= media);
            match before {
                Some(before) if sample == 0 => at = before,
                _ => {
                    let sample = u32::try_from(sample).unwrap_or(u32::MAX);
                    return Ok(Place { order: extent.first_part, extent: extent.no, sample });
                }
            }
        }
    }

    /// Visits samples of a track in decode order from a place on.
    pub(super) fn forward(
        &mut self,
        kind: TrackKind,
        from: Place,
        reach: Reach,
        mut visit: impl FnMut(Place, &Sample) -> ControlFlow<()>,
    ) -> Result<(), PlanError> {
        let mut at = self.info.extents.partition_point(|e| e.first_part < from.order);
        loop {
            if at >= self.info.extents.len() && !self.later() {
                return Ok(());
            }
            let extent = &self.info.extents[at];
            if extent.start > reach.0 {
                return Ok(());
            }
            let order = extent.first_part;
            let index = self.index(extent.no)?;
            let skip = if index.no == from.extent { from.sample } else { 0 };
            let samples = track_of(&index, kind).map_or(&[][..], |t| &t.samples);
            for (sample, s) in (0u32..).zip(samples).skip(skip as usize) {
                if visit(Place { order, extent: index.no, sample }, s).is_break() {
                    return Ok(());
                }
            }
            at += 1;
        }
    }

    /// Visits samples of a track against decode order, beginning with the one before a place.
    pub(super) fn backward(
        &mut self,
        kind: TrackKind,
        from: Place,
        reach: Reach,
        mut visit: impl FnMut(Place, &Sample) -> ControlFlow<()>,
    ) -> Result<(), PlanError> {
        let mut at = self.info.extents.partition_point(|e| e.first_part <= from.order);
        loop {
            if at == 0 {
                let known = self.info.extents.len();
                if !self.earlier() {
                    return Ok(());
                }
                at = self.info.extents.len() - known;
            }
            at -= 1;
            let extent = &self.info.extents[at];
            if extent.end < reach.0 {
                return Ok(());
            }
            let order = extent.first_part;
            let index = self.index(extent.no)?;
            let samples = track_of(&index, kind).map_or(&[][..], |t| &t.samples);
            let end = if index.no == from.extent { from.sample as usize } else { samples.len() };
            for (sample, s) in samples.iter().enumerate().take(end).rev() {
                let sample = u32::try_from(sample).unwrap_or(u32::MAX);
                if visit(Place { order, extent: index.no, sample }, s).is_break() {
                    return Ok(());
                }
            }
        }
    }

    /// Whether everything shown before a media time is fixed: the run is over, or all of it can be read.
    pub(super) fn is_fixed(&self, until: MediaTime) -> bool {
        !self.info.live || until <= self.info.closed_end
    }

    /// The answer to a cut that cannot be fixed yet.
    pub(super) fn not_yet(&self) -> PlanError {
        PlanError::NotYet { available: self.info.clock.wall(self.info.closed_end) }
    }

    /// Furthest media time whose frames may matter to a cut at `at`.
    pub(super) fn reach(at: MediaTime, ns: i64) -> Reach {
        Reach(at.plus_ns(ns).plus_ns(REORDER_NS))
    }
}
