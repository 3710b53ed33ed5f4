//! A run as readers see it, and as the stream keeps it.

use media::{MediaTime, WallTime};
use uuid::Uuid;

use crate::clock::WallMap;
use crate::ids::{ExtentNo, InitId, PartNo, RunId};
use crate::journal::EndReason;

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
    /// Its last part; below the first while it has none.
    pub last_part: PartNo,
    /// Earliest decode time in it.
    pub start: MediaTime,
    /// End of its last sample in closed parts.
    pub end: MediaTime,
    /// Bytes of whole parts and its head.
    pub bytes: u64,
    /// It will not grow.
    pub sealed: bool,
    /// It begins with a random access point.
    pub entry: bool,
}

impl ExtentInfo {
    /// One that has no part yet.
    pub(crate) fn begun(no: ExtentNo, init: (InitId, u32), first: (u32, PartNo)) -> Self {
        Self {
            no,
            init: init.0,
            epoch: first.0,
            first_part: first.1,
            last_part: PartNo(first.1.0.saturating_sub(1)),
            start: MediaTime::MAX,
            end: MediaTime::MIN,
            bytes: u64::from(init.1),
            sealed: false,
            entry: false,
        }
    }
}

const _: () = assert!(size_of::<ExtentInfo>() <= 64, "every extent of every stream is in memory");

/// An immutable snapshot of one run, or of one piece of a run out of which something was deleted: pieces have the
/// run's number and clock, and each its own stretch of media time.
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

    /// What can be read of the run by now, as stretches of wall time without a step of the clock. Stretches may overlap:
    /// where the clock stepped back, times exist twice.
    pub fn stretches(&self) -> Vec<(WallTime, WallTime)> {
        let wall = |at| self.clock.wall(at);
        let stretches = self.clock.stretches(self.start..self.closed_end.max(self.start));
        stretches.iter().map(|s| (wall(s.start), wall(s.end.plus_ns(-1)).plus_ns(1))).collect()
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
