//! What a clip is asked for by and answered with: accuracy, spans, gaps, tracks. Plain data that others store
//! and render; neither words of URLs nor planning.

use std::fmt;

use media::{MediaTime, TrackConfig, TrackKind, WallTime};
use serde::{Deserialize, Serialize};
use tape::{GapReason, RunId};

use crate::query::GapPolicy;

/// How exactly a clip keeps to the range asked for, of what this module can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Accuracy {
    /// To the frame, by an edit list.
    #[default]
    EditList,
    /// Rounded outward to whole GOPs: no video frame is hidden.
    Gop,
}

impl Accuracy {
    /// The word in URLs and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EditList => "editlist",
            Self::Gop => "gop",
        }
    }
}

/// How a clip is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ClipOptions {
    /// How exactly it keeps to the range.
    pub accuracy: Accuracy,
    /// What becomes of gaps.
    pub gaps: GapPolicy,
}

/// A range in the terms of the tape: what an asset stores, and enough to make the same file again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct ClipSpans {
    /// One per run, oldest first.
    pub spans: Vec<ClipSpan>,
    /// Where the file begins if gaps are held and that is before the first span.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<WallTime>,
    /// Where the file ends if gaps are held and that is after the last span.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<WallTime>,
}

/// A half-open stretch of one run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClipSpan {
    /// The run.
    pub run: RunId,
    /// First instant. [`MediaTime::MIN`] is the run's beginning.
    pub start: MediaTime,
    /// First instant that is not in it. [`MediaTime::MAX`] is the run's end; while the run goes on, the last
    /// frame boundary that can be read at the time of planning.
    pub end: MediaTime,
}

/// A stretch of the range without media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClipGap {
    /// Where the media before it ends, or the range begins.
    pub start: WallTime,
    /// Where the media after it begins, or the range ends.
    pub end: WallTime,
    /// Why.
    pub reason: ClipGapReason,
}

/// Why a stretch has no media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClipGapReason {
    /// The tape begins later.
    BeforeTape,
    /// The tape ends earlier.
    AfterTape,
    /// What the tape itself recorded.
    #[serde(untagged)]
    Tape(GapReason),
}

impl fmt::Display for ClipGapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeforeTape => f.write_str("before_tape"),
            Self::AfterTape => f.write_str("after_tape"),
            Self::Tape(reason) => reason.fmt(f),
        }
    }
}

/// A stretch of a clip with one set of codec configurations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipEpoch {
    /// Its first instant.
    pub start: WallTime,
    /// Video, then audio.
    pub tracks: Vec<TrackConfig>,
}

/// A track of a clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipTrack {
    /// What it carries.
    pub kind: TrackKind,
    /// Its configuration at the clip's start.
    pub config: TrackConfig,
    /// Samples in the file, hidden ones included.
    pub samples: u32,
    /// Bytes of its samples.
    pub bytes: u64,
}
