//! Why there is no media: the reasons the timeline tells people.

use std::fmt;
use std::ops::Range;

use media::WallTime;
use serde::{Deserialize, Serialize};

use crate::run::RunInfo;

/// Why recording stopped or a range is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// Nobody published.
    Offline,
    /// The publisher was connected and sent nothing.
    SourceStalled,
    /// The publisher's timestamps jumped.
    SourceJump,
    /// The volume was full.
    DiskFull,
    /// The volume failed.
    DiskError,
    /// The volume was too slow for what came in.
    Backlog,
    /// The server died.
    Crash,
    /// Retention removed it.
    Expired,
}

impl GapReason {
    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::SourceStalled => "source_stalled",
            Self::SourceJump => "source_jump",
            Self::DiskFull => "disk_full",
            Self::DiskError => "disk_error",
            Self::Backlog => "backlog",
            Self::Crash => "crash",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for GapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A stretch of wall time without media, between two runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Where the media before it ends.
    pub start: WallTime,
    /// Where the media after it begins.
    pub end: WallTime,
    /// Why.
    pub reason: GapReason,
}

/// The stretches between runs, and those whose media was removed: within one that lies between two runs only what was
/// removed there counts as such.
pub(crate) fn with_removed(
    between: impl Iterator<Item = Gap>,
    removed: &[Range<WallTime>],
    left: &[RunInfo],
) -> Vec<Gap> {
    let mut gaps = Vec::new();
    for gap in between {
        let mut at = gap.start;
        for r in removed.iter().filter(|r| r.end > gap.start && r.start < gap.end) {
            gaps.push(Gap { start: at, end: r.start, ..gap });
            gaps.push(expired(r.start.max(gap.start)..r.end.min(gap.end)));
            at = r.end;
        }
        gaps.push(Gap { start: at, ..gap });
    }
    // Before all that is left, and after it.
    let first = left.first().map_or(WallTime::MAX, RunInfo::wall_start);
    let last = left.last().map_or(WallTime::MIN, RunInfo::wall_end);
    let before = removed.iter().filter(|r| r.start < first).map(|r| expired(r.start..r.end.min(first)));
    let after = removed.iter().filter(|r| r.end > last && r.start >= first);
    let after = after.map(|r| expired(r.start.max(last)..r.end));
    gaps.extend(before.chain(after));
    gaps.retain(|g| g.start < g.end);
    gaps.sort_by_key(|g| g.start);
    gaps
}

const fn expired(range: Range<WallTime>) -> Gap {
    Gap { start: range.start, end: range.end, reason: GapReason::Expired }
}
