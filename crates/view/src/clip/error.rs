//! Why there is no plan for a range. The server's table maps each kind to a status; the words are for
//! people.

use media::WallTime;
use tape::{ExtentNo, ReadError};
use thiserror::Error;

use super::request::ClipGap;

/// Why a range cannot be planned.
#[derive(Debug, Error)]
pub enum PlanError {
    /// `start` is not before `end`.
    #[error("the range is empty: start must be before end")]
    EmptyRange,
    /// Nothing of the range is on the tape.
    #[error("the tape holds nothing of this range{}", tape_hint(.tape))]
    Outside {
        /// What the tape holds, if anything.
        tape: Option<std::ops::Range<WallTime>>,
    },
    /// The stream is live and the end of the range cannot be fixed yet.
    #[error("the range ends after what can be read of the live stream; ask again in a moment")]
    NotYet {
        /// Where the readable media ends now.
        available: WallTime,
    },
    /// More than one file may hold.
    #[error(
        "the file would last {seconds} s; one MP4 lasts at most {limit_s} s: use .m3u8 or shorter ranges"
    )]
    TooLong {
        /// How long it would be, in seconds.
        seconds: i64,
        /// The limit, in seconds.
        limit_s: i64,
    },
    /// A gap longer than a picture can be held.
    #[error(
        "a gap of {seconds} s; gaps=hold reaches over at most {limit_s} s: use gaps=collapse or shorter ranges"
    )]
    GapTooLong {
        /// How long it is, in seconds.
        seconds: i64,
        /// The limit, in seconds.
        limit_s: i64,
    },
    /// More stored files than one plan may touch.
    #[error("the range touches {extents} stored files; one MP4 may touch {limit}: use shorter ranges")]
    TooFragmented {
        /// Extents in the range.
        extents: usize,
        /// The limit.
        limit: usize,
    },
    /// More files than one archive may hold.
    #[error("the configuration changes more than {limit} times in the range: use shorter ranges")]
    TooManyFiles {
        /// The limit.
        limit: usize,
    },
    /// There are gaps and the caller asked to fail on them.
    #[error("{} gap(s) in the range and gaps=fail", .gaps.len())]
    Gaps {
        /// All of them.
        gaps: Vec<ClipGap>,
    },
    /// The codec changes in a way that one MP4 cannot carry.
    #[error(
        "{what} changes inside the range, which one MP4 cannot carry: add epochs=split for a ZIP of one MP4 per configuration, or cut the range at that instant"
    )]
    EpochConflict {
        /// Where the other configuration begins.
        at: WallTime,
        /// What changes.
        what: &'static str,
    },
    /// No random access point near enough.
    #[error("no key frame within reach of the cut")]
    NoKeyFrame {
        /// The cut.
        at: WallTime,
    },
    /// Specified and not built.
    #[error("{0} is not available in this version")]
    NotBuilt(&'static str),
    /// The tape could not be read.
    #[error("extent {extent}: {error}")]
    Read {
        /// Which extent.
        extent: ExtentNo,
        /// Why.
        #[source]
        error: ReadError,
    },
    /// The tape's index contradicts itself.
    #[error("the index of the range is damaged: {0}; run `tapeline rebuild`")]
    Damaged(&'static str),
}

fn tape_hint(tape: &Option<std::ops::Range<WallTime>>) -> &'static str {
    match tape {
        Some(_) => "",
        None => ": it is empty",
    }
}
