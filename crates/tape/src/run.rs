//! A run as readers see it, and as the stream keeps it.

use media::{MediaTime, WallTime};
use uuid::Uuid;

use crate::clock::WallMap;
use crate::ids::{ExtentNo, InitId, PartNo, RunId};
use crate::journal::EndReason;
use crate::log::RecoveredRun;

/// An extent in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtentInfo {
    /// Its number.
    pub no: ExtentNo,
    /// Its initialisation segment.
    pub init: InitId,
    /// The epoch of its tracks, counted within the stream.
    pub epoch: u32,
    /// Its first part.
    pub first_part: PartNo,
    /// Earliest decode time in it.
    pub start: MediaTime,
    /// End of its last sample in closed parts.
    pub end: MediaTime,
    /// Bytes of whole parts and its head.
    pub bytes: u64,
    /// It will not grow.
    pub sealed: bool,
}

impl ExtentInfo {
    /// One that has no part yet.
    pub(crate) fn begun(no: ExtentNo, init: (InitId, u32), first: (u32, PartNo)) -> Self {
        Self {
            no,
            init: init.0,
            epoch: first.0,
            first_part: first.1,
            start: MediaTime::MAX,
            end: MediaTime::MIN,
            bytes: u64::from(init.1),
            sealed: false,
        }
    }
}

/// An immutable snapshot of one run.
#[derive(Debug, Clone)]
pub struct RunInfo {
    /// Its number.
    pub id: RunId,
    /// From media time to wall time.
    pub clock: WallMap,
    /// First decode time.
    pub start: MediaTime,
    /// The edge: every frame shown before it has been received.
    pub end: MediaTime,
    /// Every frame shown before it is in a closed part: what views can read now.
    pub closed_end: MediaTime,
    /// Every frame shown before it is durable. [`MediaTime::MIN`] until the first part is.
    pub durable_end: MediaTime,
    /// It is still being published.
    pub live: bool,
    /// How it ended.
    pub ended: Option<EndReason>,
    /// The newest closed part is the last of its segment: nothing will be added to it.
    pub segment_ended: bool,
    /// HLS EXT-X-TARGETDURATION in seconds; `None` until its first segment has ended.
    pub target_duration_s: Option<u32>,
    /// The extents that a query asked for, in order.
    pub extents: Vec<ExtentInfo>,
}

impl RunInfo {
    /// Wall time of the run's first frame.
    pub fn wall_start(&self) -> WallTime {
        self.clock.wall(self.start)
    }

    /// Wall time of what can be read of the run by now.
    pub fn wall_end(&self) -> WallTime {
        self.clock.wall(self.closed_end)
    }

    /// Wall time of what is durable of the run; `None` until its first part is.
    pub fn wall_durable(&self) -> Option<WallTime> {
        (self.durable_end > MediaTime::MIN).then(|| self.clock.wall(self.durable_end))
    }
}

/// A stretch of a run that one asset of kind `recording` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingSpan {
    /// The asset.
    pub asset: Uuid,
    /// The run.
    pub run: RunId,
    /// First instant, and its wall time.
    pub start: MediaTime,
    /// Wall time of `start`.
    pub wall_start: WallTime,
    /// First instant after it; `None` while it is being recorded.
    pub end: Option<MediaTime>,
    /// Wall time of `end`, or of what there is by now.
    pub wall_end: WallTime,
}

/// A run as the stream keeps it.
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
    pub extents: Vec<ExtentInfo>,
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
        }
    }

    pub(crate) fn recovered(r: RecoveredRun) -> Option<Self> {
        let mut anchors = r.anchors.into_iter();
        let mut clock = WallMap::new(anchors.next()?);
        anchors.for_each(|a| clock.push(a));
        let last = r.extents.last()?;
        // What the extents hold counts: the journal may tell of frames that were lost, or of a failure after which
        // some of them turned out to be there.
        let end = last.facts.end;
        let extents = r.extents.iter().map(|e| ExtentInfo {
            no: e.no,
            init: e.init,
            epoch: e.epoch,
            first_part: e.first_part,
            start: e.facts.start,
            end: e.facts.end,
            bytes: e.bytes,
            sealed: true,
        });
        Some(Self {
            id: r.id,
            asset: r.asset,
            clock: Some(clock),
            splits: r.splits,
            edge: end,
            closed_end: end,
            durable_end: end,
            ended: Some(r.end.map_or(EndReason::Crash, |(_, reason)| reason)),
            segment_ended: true,
            target_s: r.target_s,
            extents: extents.collect(),
        })
    }

    /// Wall time of what is durable of it; `None` until its first part is.
    pub(crate) fn wall_durable(&self) -> Option<WallTime> {
        self.info(|_| 0..0)?.wall_durable()
    }

    /// The run as readers see it, with the extents that `pick` wants. `None` before its first part.
    pub(crate) fn info(&self, pick: impl Fn(&[ExtentInfo]) -> std::ops::Range<usize>) -> Option<RunInfo> {
        let first = self.extents.first()?;
        Some(RunInfo {
            id: self.id,
            clock: self.clock.clone()?,
            start: first.start,
            end: self.edge.max(self.closed_end),
            closed_end: self.closed_end,
            durable_end: self.durable_end,
            live: self.ended.is_none(),
            ended: self.ended,
            segment_ended: self.segment_ended || self.ended.is_some(),
            target_duration_s: self.target_s,
            extents: self.extents[pick(&self.extents)].to_vec(),
        })
    }

    /// Its recordings: the run cut at its splits.
    pub(crate) fn recordings(&self) -> Vec<RecordingSpan> {
        let (Some(clock), Some(first)) = (&self.clock, self.extents.first()) else { return Vec::new() };
        let mut cuts = vec![(first.start, self.asset)];
        cuts.extend(&self.splits);
        let ends = cuts.iter().skip(1).map(|c| Some(c.0)).chain([self.ended.map(|_| self.closed_end)]);
        let spans = cuts.iter().zip(ends).map(|(&(start, asset), end)| RecordingSpan {
            asset,
            run: self.id,
            start,
            wall_start: clock.wall(start),
            end,
            wall_end: clock.wall(end.unwrap_or(self.closed_end)),
        });
        spans.collect()
    }
}
