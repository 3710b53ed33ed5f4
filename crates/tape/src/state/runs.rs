//! A run as the stream keeps it, and what readers are shown of it.

use std::ops::Range;

use media::{MediaTime, WallTime};
use uuid::Uuid;

use crate::clock::WallMap;
use crate::gap::GapReason;
use crate::ids::{ExtentNo, PartNo, RunId};
use crate::journal::EndReason;
use crate::log::RecoveredRun;
use crate::run::{ExtentInfo, RecordingSpan, RunInfo};

/// See the module.
#[derive(Debug)]
pub(crate) struct RunState {
    pub id: RunId,
    pub asset: Uuid,
    pub clock: Option<WallMap>,
    pub splits: Vec<(MediaTime, Uuid)>,
    pub edge: MediaTime,
    pub closed_end: MediaTime,
    pub durable_end: MediaTime,
    pub ended: Option<EndReason>,
    pub segment_ended: bool,
    pub target_s: Option<u32>,
    /// By part number.
    pub extents: Vec<ExtentInfo>,
    /// First parts of the extents before which something was deleted. Few; they cut the run into pieces.
    pub holes: Vec<PartNo>,
}

impl RunState {
    pub(crate) fn new(id: RunId, asset: Uuid) -> Self {
        Self {
            id,
            asset,
            clock: None,
            splits: Vec::new(),
            edge: MediaTime::MIN,
            closed_end: MediaTime::MIN,
            durable_end: MediaTime::MIN,
            ended: None,
            segment_ended: false,
            target_s: None,
            extents: Vec::new(),
            holes: Vec::new(),
        }
    }

    /// `None` where nothing of it is left.
    pub(crate) fn recovered(r: &RecoveredRun) -> Option<Self> {
        // What the extents hold counts: the journal may tell of frames that were lost, or of a failure after which
        // some of them turned out to be there.
        let end = r.extents.last()?.facts.end;
        let extents = r.extents.iter().map(|e| ExtentInfo {
            no: e.no,
            init: e.init,
            epoch: e.epoch,
            first_part: e.first_part,
            last_part: e.facts.part,
            start: e.facts.start,
            end: e.facts.end,
            bytes: e.bytes,
            sealed: true,
            entry: e.facts.entry,
        });
        let mut run = Self {
            clock: Some(clock_of(r)?),
            splits: r.splits.clone(),
            edge: end,
            closed_end: end,
            durable_end: end,
            ended: Some(r.end.map_or(EndReason::Crash, |(_, reason)| reason)),
            segment_ended: true,
            target_s: r.target_s,
            extents: extents.collect(),
            ..Self::new(r.id, r.asset)
        };
        run.find_holes();
        Some(run)
    }

    /// Notes where deleted extents left holes.
    pub(crate) fn find_holes(&mut self) {
        let torn = self.extents.windows(2).filter(|w| w[0].last_part.next() != w[1].first_part);
        self.holes = torn.map(|w| w[1].first_part).collect();
    }

    /// Wall time of what is durable of it; `None` until its first part is.
    pub(crate) fn wall_durable(&self) -> Option<WallTime> {
        self.infos(|_| 0..0).pop()?.wall_durable()
    }

    /// Its stretches without a hole, oldest first; one, as long as nothing was deleted out of its middle.
    pub(crate) fn pieces(&self) -> impl DoubleEndedIterator<Item = &[ExtentInfo]> {
        let at = |part: &PartNo| self.extents.partition_point(|e| e.first_part < *part);
        let mut bounds: Vec<usize> = self.holes.iter().map(at).collect();
        bounds.push(self.extents.len());
        let starts: Vec<usize> = std::iter::once(0).chain(bounds.iter().copied()).collect();
        let pieces = starts.into_iter().zip(bounds).filter(|(a, b)| a < b);
        pieces.map(|(a, b)| &self.extents[a..b]).collect::<Vec<_>>().into_iter()
    }

    /// The pieces as readers see them, with the extents that `pick` wants. Empty before the first part.
    pub(crate) fn infos(&self, pick: impl Fn(&[ExtentInfo]) -> Range<usize>) -> Vec<RunInfo> {
        let Some(clock) = &self.clock else { return Vec::new() };
        let newest = self.extents.last().map(|e| e.no);
        self.pieces()
            .map(|extents| self.info(clock, extents, newest, extents[pick(extents)].to_vec()))
            .collect()
    }

    fn info(
        &self,
        clock: &WallMap,
        piece: &[ExtentInfo],
        newest: Option<ExtentNo>,
        extents: Vec<ExtentInfo>,
    ) -> RunInfo {
        let (first, last) = (&piece[0], &piece[piece.len() - 1]);
        let whole = RunInfo {
            id: self.id,
            clock: clock.clone(),
            start: first.start,
            end: self.edge.max(self.closed_end),
            closed_end: self.closed_end,
            durable_end: self.durable_end,
            live: self.ended.is_none(),
            ended: self.ended,
            segment_ended: self.segment_ended || self.ended.is_some(),
            target_duration_s: self.target_s,
            extents,
        };
        if Some(last.no) == newest {
            return whole;
        }
        RunInfo {
            end: last.end,
            closed_end: last.end,
            durable_end: last.end,
            live: false,
            ended: Some(EndReason::Gap(GapReason::Expired)),
            segment_ended: true,
            ..whole
        }
    }

    /// Its recordings: the run cut at its splits. One of which nothing is left is not among them.
    pub(crate) fn recordings(&self) -> Vec<RecordingSpan> {
        let (Some(clock), Some(first)) = (&self.clock, self.extents.first()) else { return Vec::new() };
        let mut cuts = vec![(first.start, self.asset)];
        cuts.extend(&self.splits);
        let ends = cuts.iter().skip(1).map(|c| Some(c.0)).chain([self.ended.map(|_| self.closed_end)]);
        let spans = cuts.iter().zip(ends).map(|(&(start, asset), end)| (asset, start.max(first.start), end));
        let left = spans.filter(|&(_, start, end)| self.holds_any(start, end));
        left.map(|(asset, start, end)| RecordingSpan {
            asset,
            run: self.id,
            start,
            wall_start: clock.wall(start),
            end,
            wall_end: clock.wall(end.unwrap_or(self.closed_end)),
        })
        .collect()
    }

    fn holds_any(&self, start: MediaTime, end: Option<MediaTime>) -> bool {
        let Some(end) = end else { return true };
        let after = self.extents.partition_point(|e| e.end <= start);
        // Behind all closed parts lies the open one, which two cuts in a row may both fall into.
        start < end && self.extents.get(after).map_or(self.ended.is_none(), |e| e.start < end)
    }
}

/// The wall clock of a recovered run.
pub(crate) fn clock_of(r: &RecoveredRun) -> Option<WallMap> {
    let mut anchors = r.anchors.iter().copied();
    let mut clock = WallMap::new(anchors.next()?);
    anchors.for_each(|a| clock.push(a));
    Some(clock)
}
