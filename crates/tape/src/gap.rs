//! Why there is no media: the reasons the timeline tells people.

use std::fmt;

use media::WallTime;
use serde::{Deserialize, Serialize};

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
