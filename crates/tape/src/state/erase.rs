//! Taking ranges out of runs: what of which extents goes, what of them is copied and stays, and the swap of the one for
//! the other. The copies are written by [`crate::log`].

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use media::MediaTime;
use uuid::Uuid;

use super::State;
use super::retain::{Gone, Held};
use crate::ids::{ExtentNo, InitId, RunId};
use crate::index::ExtentIndex;
use crate::journal::{KeptExtent, Record, SpanRecord};
use crate::log::Stay;
use crate::run::ExtentInfo;

/// An extent of which something goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Touched {
    pub run: RunId,
    pub extent: ExtentInfo,
    pub from: MediaTime,
    pub to: MediaTime,
}

/// Why a range cannot be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holders {
    pub clips: BTreeSet<Uuid>,
    pub protections: BTreeSet<Uuid>,
}

impl State {
    /// The closed extents that spans touch. What is being written is not among them.
    pub(crate) fn touched(&self, spans: &[SpanRecord], now: Duration) -> Result<Vec<Touched>, Holders> {
        let mut touched = Vec::new();
        let mut holders = Holders { clips: BTreeSet::new(), protections: BTreeSet::new() };
        for span in spans {
            let Some(at) = self.runs.iter().position(|r| r.id == span.run) else { continue };
            for (i, e) in self.runs[at].extents.iter().enumerate() {
                if e.end <= span.start || e.start >= span.end {
                    continue;
                }
                match self.held(at, i, now) {
                    Held::Open => continue,
                    Held::Protected => self.name_protections(span, &mut holders),
                    Held::Clips(clips) => holders.clips.extend(clips),
                    Held::Free | Held::Leased => {}
                }
                touched.push(Touched { run: span.run, extent: *e, from: span.start, to: span.end });
            }
        }
        match holders.clips.is_empty() && holders.protections.is_empty() {
            true => Ok(touched),
            false => Err(holders),
        }
    }

    /// Whether a stretch of a run is being erased.
    pub(crate) fn is_going(&self, span: &SpanRecord) -> bool {
        if self.retained.going.is_empty() {
            return false;
        }
        let run = self.runs.iter().find(|r| r.id == span.run);
        let mut extents = run.iter().flat_map(|r| &r.extents);
        extents.any(|e| e.end > span.start && e.start < span.end && self.retained.going.contains(&e.no))
    }

    fn name_protections(&self, span: &SpanRecord, holders: &mut Holders) {
        let overlaps = |s: &SpanRecord| s.run == span.run && s.start < span.end && s.end > span.start;
        let names = self.retained.protected.iter().filter(|(_, p)| p.spans.iter().any(overlaps));
        holders.protections.extend(names.map(|(id, _)| *id));
    }

    /// Numbers for new extents: the first of `count`.
    pub(crate) fn reserve_extents(&mut self, count: u64) -> ExtentNo {
        let first = match self.live.as_mut().and_then(|l| l.assembler.as_mut()) {
            Some(assembler) => assembler.reserve_extents(count),
            None => self.counters.extent,
        };
        self.counters.extent = ExtentNo(first.0 + count);
        first
    }

    /// The record of an erasure.
    pub(crate) fn erasure(&self, touched: &[Touched], kept: Vec<KeptExtent>) -> Record {
        let gone = touched.iter().map(|t| (t.run, t.extent));
        self.deletion(gone, kept)
    }

    /// Puts the copies in the place of what they are of.
    pub(crate) fn erased(&mut self, touched: &[Touched], kept: &[KeptExtent], now: Duration) -> Gone {
        let numbers: BTreeSet<ExtentNo> = touched.iter().map(|t| t.extent.no).collect();
        self.retained.going.retain(|no| !numbers.contains(no));
        self.doom(&numbers, kept, now)
    }
}

/// The parts of an extent that stay before and after a range: whole parts that end before it, and those from the first
/// segment on that begins with a key frame at or behind its end.
pub(crate) fn stay(index: &ExtentIndex, range: &Range<MediaTime>) -> [Range<usize>; 2] {
    let spans: Vec<(MediaTime, MediaTime)> = (0..index.parts.len()).map(|i| part_span(index, i)).collect();
    let head = spans.iter().position(|(_, end)| *end > range.start).unwrap_or(spans.len());
    let enters = |i: &usize| {
        let segment = index.parts[*i].segment;
        segment.starts && segment.independent && spans[*i].0 >= range.end
    };
    let tail = (head..spans.len()).find(enters).unwrap_or(spans.len());
    [0..head, tail..spans.len()]
}

/// The media time that a part spans, by decode times over all tracks but data; sound that begins a little before the
/// first picture of a segment belongs to it.
fn part_span(index: &ExtentIndex, part: usize) -> (MediaTime, MediaTime) {
    let video = index.tracks.iter().filter(|t| t.kind == media::TrackKind::Video);
    let others = index.tracks.iter().filter(|t| t.kind == media::TrackKind::Audio);
    let span = |t: &crate::index::TrackIndex| {
        let samples = t.samples_of(part);
        let (first, last) = (samples.first()?, samples.last()?);
        let end = last.dts + i64::from(last.duration);
        Some((t.timescale.media(first.dts), t.timescale.media(end)))
    };
    video.chain(others).find_map(span).unwrap_or((MediaTime::MAX, MediaTime::MIN))
}

/// What stays of an extent, as orders to copy.
pub(crate) fn orders(
    touched: &Touched,
    index: &ExtentIndex,
    next: &mut impl FnMut() -> ExtentNo,
) -> Vec<Stay> {
    let (run, epoch, init): (RunId, u32, InitId) = (touched.run, touched.extent.epoch, touched.extent.init);
    let ranges = stay(index, &(touched.from..touched.to)).into_iter().filter(|r| !r.is_empty());
    ranges.map(|parts| Stay { run, epoch, init, parts, no: next() }).collect()
}
