//! Which segments a playlist lists. Works on rendered blocks only; text is made of the choice elsewhere.

use std::ops::Range;
use std::sync::Arc;

use media::WallTime;
use tape::{Gap, RunInfo, Stream};

use super::block::{Block, Entry};
use super::playlist::{HOLD_BACK_TARGETS, MediaRequest, Missing};
use super::{HlsError, LISTED_SEGMENTS_MAX, Playlists, WINDOW_SEGMENTS_MAX};
use crate::query::GapPolicy;

/// How much further than a range extents are looked at: extents are ordered by decode time, and a frame is
/// shown up to a few reordered frames after (or, oddly, before) it is decoded.
const REORDER_NS: i64 = 5_000_000_000;
/// What `Retry-After` says of something that is due any moment.
const SOON_S: u32 = 1;
/// Longest `Retry-After`: a client that asks for tomorrow may look in once an hour.
const RETRY_MAX_S: i64 = 3_600;

/// Consecutive entries of one block.
#[derive(Debug, Clone)]
pub(super) struct Slice {
    pub block: Arc<Block>,
    pub entries: Range<usize>,
}

impl Slice {
    fn whole(block: &Arc<Block>) -> Self {
        Self { block: block.clone(), entries: 0..block.entries.len() }
    }

    fn is_whole(&self) -> bool {
        self.entries.len() == self.block.entries.len()
    }

    /// Whether each begins with a random access point.
    pub(super) fn independent(&self) -> bool {
        if self.is_whole() { self.block.sums.independent } else { self.iter().all(|e| e.independent) }
    }

    /// Of all together.
    pub(super) fn duration_us(&self) -> i64 {
        if self.is_whole() { self.block.sums.duration_us } else { self.iter().map(|e| e.duration_us).sum() }
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.block.entries[self.entries.clone()].iter()
    }
}

/// The blocks of one run, in order.
#[derive(Debug)]
pub(super) struct RunBlocks {
    pub live: bool,
    pub blocks: Vec<Arc<Block>>,
}

/// Whether a list can still change at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Growth {
    /// More is to come.
    Growing,
    /// All of it is there.
    Ended,
}

/// What a list does about media sequence numbers that are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holes {
    /// Gaps stand for them: a list whose beginning moves has to number a segment alike each time.
    Filled,
    /// Nothing does: a list with a fixed beginning and end shows what there is.
    Closed,
}

/// What a playlist lists. Not empty.
#[derive(Debug)]
pub(super) struct Listing {
    pub slices: Vec<Slice>,
    pub growth: Growth,
    pub holes: Holes,
    /// Where playback begins, if the query says so.
    pub start: Option<WallTime>,
    pub missing: Missing,
}

impl Playlists {
    /// What the playlist of a request lists.
    pub(super) fn listing(&self, stream: &Stream, request: &MediaRequest) -> Result<Listing, HlsError> {
        // At the edge there may be what is shown and cannot be recorded.
        let tape = if request.end.is_none() { stream.shown_window() } else { stream.window() };
        let Some(tape) = tape else { return Err(not_begun(stream)) };
        match (request.start, request.end) {
            (None, None) => self.window(stream, &tape),
            (Some(start), None) => self.growing(stream, &tape, start, request),
            (start, Some(end)) => self.range(stream, &tape, start.unwrap_or(tape.start)..end, request),
        }
    }

    fn window(&self, stream: &Stream, tape: &Range<WallTime>) -> Result<Listing, HlsError> {
        let from = tape.end.plus_ns(-self.config.window_ns);
        let runs = self.gather(stream, &shown(stream, tape, from..tape.end))?;
        let slices = newest(&runs, from, WINDOW_SEGMENTS_MAX);
        if slices.is_empty() {
            return Err(not_begun(stream));
        }
        Ok(Listing {
            slices,
            growth: Growth::Growing,
            holes: Holes::Filled,
            start: None,
            missing: Missing::default(),
        })
    }

    fn growing(
        &self,
        stream: &Stream,
        tape: &Range<WallTime>,
        start: WallTime,
        request: &MediaRequest,
    ) -> Result<Listing, HlsError> {
        let infos = shown(stream, tape, start..tape.end);
        let live = infos.last().is_some_and(|r| r.live);
        if start > edge(stream, tape) && (live || start > request.clock) {
            return Err(not_yet(start, request));
        }
        let missing = Missing::of(tape, start, None);
        refuse_gaps(stream, start..tape.end, request, &missing)?;
        let runs = self.gather(stream, &infos)?;
        let mut slices = since(&runs, start);
        drop_overtaken(&mut slices);
        if slices.is_empty() && live {
            // `start` lies in the segment that is being received. A list may not be empty; until that segment
            // is complete the one before it stands in.
            slices = newest(&runs, WallTime::MIN, 1);
        }
        if slices.is_empty() {
            return Err(if live { soon() } else { outside(tape) });
        }
        if let Some(shift_ns) = request.shift_ns {
            // Players stay the hold-back behind the end of a list, so it ends that much after the shifted instant.
            let target_s = slices.last().map_or(0, |s| s.block.target_s);
            let held_back_ns = i64::from(HOLD_BACK_TARGETS * target_s) * 1_000_000_000;
            cut_behind(&mut slices, request.clock.plus_ns(held_back_ns.saturating_sub(shift_ns)));
        }
        let growth = match cap(&mut slices, LISTED_SEGMENTS_MAX) {
            Cap::Fits => Growth::Growing,
            Cap::Cut => Growth::Ended,
        };
        Ok(Listing { slices, growth, holes: Holes::Filled, start: Some(start), missing })
    }

    fn range(
        &self,
        stream: &Stream,
        tape: &Range<WallTime>,
        range: Range<WallTime>,
        request: &MediaRequest,
    ) -> Result<Listing, HlsError> {
        if range.end <= tape.start {
            return Err(outside(tape));
        }
        let infos = infos(stream, tape, range.clone());
        let live = infos.last().is_some_and(|r| r.live);
        if range.end > edge(stream, tape) && (live || range.end > request.clock) {
            return Err(not_yet(range.end, request));
        }
        let missing = Missing::of(tape, range.start, Some(range.end).filter(|_| !live));
        refuse_gaps(stream, range.clone(), request, &missing)?;
        let runs = self.gather(stream, &infos)?;
        let mut slices = overlapping(&runs, &range);
        let growth = if complete(&runs, range.end) { Growth::Ended } else { Growth::Growing };
        if slices.is_empty() {
            return Err(if growth == Growth::Growing { soon() } else { outside(tape) });
        }
        if cap(&mut slices, LISTED_SEGMENTS_MAX) == Cap::Cut {
            return Err(HlsError::TooLong);
        }
        Ok(Listing { slices, growth, holes: Holes::Closed, start: request.start, missing })
    }

    fn gather(&self, stream: &Stream, infos: &[RunInfo]) -> Result<Vec<RunBlocks>, HlsError> {
        let blocks =
            |run: &RunInfo| Ok(RunBlocks { live: run.live, blocks: self.cache.blocks(stream, run)? });
        infos.iter().map(blocks).collect()
    }
}

/// The runs and extents that a range can touch, and the newest of them if it lies behind them all. Cut to the
/// tape first: what is asked for may be centuries away.
fn infos(stream: &Stream, tape: &Range<WallTime>, range: Range<WallTime>) -> Vec<RunInfo> {
    stream.runs(around(tape, &range))
}

fn around(tape: &Range<WallTime>, range: &Range<WallTime>) -> Range<WallTime> {
    let first = tape.start.plus_ns(-REORDER_NS);
    let from = range.start.plus_ns(-REORDER_NS).clamp(first, tape.end.plus_ns(-REORDER_NS).max(first));
    from..range.end.min(tape.end).plus_ns(REORDER_NS)
}

/// Leaves out segments whose number one that follows has too: recording stopped within it, and it is shown whole from
/// memory.
fn drop_overtaken(slices: &mut Vec<Slice>) {
    let mut least = u64::MAX;
    for slice in slices.iter_mut().rev() {
        let kept = slice.iter().take_while(|e| e.msn < least).count();
        slice.entries.end = slice.entries.start + kept;
        least = slice.iter().next().map_or(least, |e| e.msn.min(least));
    }
    slices.retain(|s| !s.entries.is_empty());
}

/// As [`infos`], with what is only shown.
fn shown(stream: &Stream, tape: &Range<WallTime>, range: Range<WallTime>) -> Vec<RunInfo> {
    stream.shown_runs(around(tape, &range))
}

/// What has been received, ahead of the end of the tape by the open part.
fn edge(stream: &Stream, tape: &Range<WallTime>) -> WallTime {
    stream.edge().map_or(tape.end, |(_, _, wall)| wall.max(tape.end))
}

fn not_begun(stream: &Stream) -> HlsError {
    let live = stream.stats(std::time::Duration::ZERO).publisher.is_some();
    if live || stream.edge().is_some() { soon() } else { HlsError::NoTape }
}

fn outside(tape: &Range<WallTime>) -> HlsError {
    HlsError::Outside { tape: tape.clone() }
}

fn soon() -> HlsError {
    HlsError::NotYet { retry_after_s: SOON_S }
}

fn not_yet(until: WallTime, request: &MediaRequest) -> HlsError {
    let wait_s = until.since_ns(request.clock).div_euclid(1_000_000_000).saturating_add(1);
    HlsError::NotYet { retry_after_s: u32::try_from(wait_s.clamp(1, RETRY_MAX_S)).unwrap_or(SOON_S) }
}

fn refuse_gaps(
    stream: &Stream,
    range: Range<WallTime>,
    request: &MediaRequest,
    missing: &Missing,
) -> Result<(), HlsError> {
    if request.gaps != GapPolicy::Fail {
        return Ok(());
    }
    let gaps: Vec<Gap> = stream.gaps(range);
    if gaps.is_empty() && missing.is_none() {
        Ok(())
    } else {
        Err(HlsError::Gaps { gaps, missing: missing.clone() })
    }
}

/// The newest segments back to the first that ends at or before `from`, at most `max`.
fn newest(runs: &[RunBlocks], from: WallTime, max: usize) -> Vec<Slice> {
    let mut out = Vec::new();
    let mut room = max;
    for block in runs.iter().rev().flat_map(|r| r.blocks.iter().rev()) {
        let all = block.entries.len();
        let wanted = if all <= room && *block.sums.stop.start() > from {
            all
        } else {
            block.entries.iter().rev().take(room).take_while(|e| e.stop > from).count()
        };
        if wanted > 0 {
            out.push(Slice { block: block.clone(), entries: all - wanted..all });
        }
        room -= wanted;
        if wanted < all {
            break;
        }
    }
    out.reverse();
    drop_overtaken(&mut out);
    out
}

/// Every segment from the first that ends after `start` on. Everything behind it is listed whatever its wall
/// time: where the clock stepped back, a time exists twice.
fn since(runs: &[RunBlocks], start: WallTime) -> Vec<Slice> {
    let mut out = Vec::new();
    for block in runs.iter().flat_map(|r| &r.blocks) {
        if !out.is_empty() {
            out.push(Slice::whole(block));
        } else if *block.sums.stop.end() > start {
            let from = block.entries.iter().position(|e| e.stop > start).unwrap_or(0);
            out.push(Slice { block: block.clone(), entries: from..block.entries.len() });
        }
    }
    out.retain(|s| !s.entries.is_empty());
    out
}

/// Cuts a list before its first segment that ends after `end`; the very first stays, as a list may not be empty.
fn cut_behind(slices: &mut Vec<Slice>, end: WallTime) {
    for i in 0..slices.len() {
        let Some(behind) = slices[i].iter().position(|e| e.stop > end) else { continue };
        let kept = behind.max(usize::from(i == 0));
        slices[i].entries.end = slices[i].entries.start + kept;
        slices.truncate(i + usize::from(kept > 0));
        return;
    }
}

/// Per run, every segment from the first to the last that overlaps the range.
fn overlapping(runs: &[RunBlocks], range: &Range<WallTime>) -> Vec<Slice> {
    let overlaps = |e: &Entry| e.start < range.end && e.stop > range.start;
    let may = |b: &Block| *b.sums.start.start() < range.end && *b.sums.stop.end() > range.start;
    let mut out = Vec::new();
    for run in runs {
        let touched = run.blocks.iter().enumerate().filter(|(_, b)| may(b)).filter_map(|(i, b)| {
            let first = b.entries.iter().position(overlaps)?;
            Some((i, first, b.entries.iter().rposition(overlaps)? + 1))
        });
        let touched: Vec<_> = touched.collect();
        let (Some(&(first, from, _)), Some(&(last, _, to))) = (touched.first(), touched.last()) else {
            continue;
        };
        for (i, block) in run.blocks.iter().enumerate().take(last + 1).skip(first) {
            let from = if i == first { from } else { 0 };
            let to = if i == last { to } else { block.entries.len() };
            out.push(Slice { block: block.clone(), entries: from..to });
        }
    }
    out.retain(|s| !s.entries.is_empty());
    out
}

/// Whether every segment that begins before `end` is in the blocks.
fn complete(runs: &[RunBlocks], end: WallTime) -> bool {
    let Some(run) = runs.last().filter(|r| r.live) else { return true };
    let open = run.blocks.last().and_then(|b| b.open);
    run.blocks.iter().any(|b| *b.sums.stop.end() >= end) || open.is_some_and(|o| o >= end)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cap {
    Fits,
    Cut,
}

/// Cuts a list to its first `max` segments.
fn cap(slices: &mut Vec<Slice>, max: usize) -> Cap {
    let mut room = max;
    for (i, slice) in slices.iter_mut().enumerate() {
        if slice.entries.len() > room {
            slice.entries.end = slice.entries.start + room;
            slices.truncate(i + usize::from(room > 0));
            return Cap::Cut;
        }
        room -= slice.entries.len();
    }
    Cap::Fits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block of one-second segments that begin at these seconds.
    fn block(starts: &[i64], open: Option<i64>) -> Arc<Block> {
        let wall = |s: i64| WallTime::from_ms(s * 1000);
        let entries = starts.iter().map(|s| Entry {
            text_end: 0,
            independent: true,
            start: wall(*s),
            stop: wall(s + 1),
            duration_us: 1_000_000,
            bytes: 1,
            msn: *s as u64,
            dsn: 0,
        });
        let entries = entries.collect();
        Arc::new(Block { open: open.map(wall), ..Block::of(0, 1, String::new(), entries) })
    }

    fn runs(live: bool) -> Vec<RunBlocks> {
        vec![
            RunBlocks { live: false, blocks: vec![block(&[0, 1, 2], None), block(&[3, 4], None)] },
            RunBlocks { live, blocks: vec![block(&[10, 11], None), block(&[12], live.then_some(13))] },
        ]
    }

    fn listed(slices: &[Slice]) -> Vec<u64> {
        slices.iter().flat_map(Slice::iter).map(|e| e.msn).collect()
    }

    fn s(s: f64) -> WallTime {
        WallTime((s * 1e9) as i64)
    }

    #[test]
    fn the_window_is_the_newest_of_everything() {
        assert_eq!(listed(&newest(&runs(true), s(3.5), 100)), [3, 4, 10, 11, 12]);
        assert_eq!(listed(&newest(&runs(true), s(0.0), 4)), [4, 10, 11, 12]);
        assert_eq!(listed(&newest(&runs(true), s(11.0), 4)), [11, 12]);
        assert!(newest(&runs(true), s(20.0), 4).is_empty());
    }

    #[test]
    fn a_growing_list_begins_at_its_start() {
        assert_eq!(listed(&since(&runs(true), s(4.0))), [4, 10, 11, 12]);
        assert_eq!(listed(&since(&runs(true), s(7.0))), [10, 11, 12]);
        assert!(since(&runs(true), s(13.0)).is_empty());
    }

    #[test]
    fn a_range_lists_what_overlaps_it() {
        assert_eq!(listed(&overlapping(&runs(true), &(s(2.5)..s(10.1)))), [2, 3, 4, 10]);
        assert_eq!(listed(&overlapping(&runs(true), &(s(1.0)..s(2.0)))), [1]);
        assert!(overlapping(&runs(true), &(s(5.0)..s(10.0))).is_empty());
    }

    #[test]
    fn a_clock_that_stepped_back_tears_no_list() {
        let stepped = [RunBlocks { live: false, blocks: vec![block(&[100, 101, 50, 51], None)] }];
        assert_eq!(listed(&since(&stepped, s(100.5))), [100, 101, 50, 51]);
        assert_eq!(listed(&overlapping(&stepped, &(s(51.0)..s(101.5)))), [100, 101, 50, 51]);
    }

    #[test]
    fn a_range_is_complete_once_a_segment_reaches_its_end() {
        assert!(complete(&runs(true), s(13.0)));
        assert!(!complete(&runs(true), s(13.5)));
        assert!(complete(&runs(false), s(13.5)));
        let young = [RunBlocks { live: true, blocks: vec![block(&[], Some(10))] }];
        assert!(complete(&young, s(10.0)) && !complete(&young, s(10.5)));
    }

    #[test]
    fn a_list_is_cut_at_its_cap() {
        let check = |max: usize, want: Cap, left: &[u64]| {
            let mut slices = since(&runs(true), s(0.0));
            assert_eq!((cap(&mut slices, max), listed(&slices)), (want, left.to_vec()));
        };
        check(8, Cap::Fits, &[0, 1, 2, 3, 4, 10, 11, 12]);
        check(7, Cap::Cut, &[0, 1, 2, 3, 4, 10, 11]);
        check(5, Cap::Cut, &[0, 1, 2, 3, 4]);
        check(1, Cap::Cut, &[0]);
    }
}
