//! Why there is no playlist or segment. The server maps the kinds to statuses; each names its own.

use std::ops::Range;

use media::WallTime;
use tape::{Gap, ReadError};
use thiserror::Error;

use super::{LISTED_SEGMENTS_MAX, Missing};
use crate::query::format_wall;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum HlsError {
    /// 404: nothing of this stream is kept, and nobody publishes it.
    #[error("nothing of this stream is recorded")]
    NoTape,
    /// 404 with `tape {start, end}`: no media in the range.
    #[error("no media in this range; the tape reaches from {} to {}", format_wall(tape.start), format_wall(tape.end))]
    Outside {
        /// What there is.
        tape: Range<WallTime>,
    },
    /// 425 with `Retry-After`: it will be there. With `wait=` the server asks again when the stream changes.
    #[error("not recorded yet; ask again in {retry_after_s} s or add wait=SECONDS")]
    NotYet {
        /// When a client should come back.
        retry_after_s: u32,
    },
    /// 409: the range has gaps and `gaps=fail` was asked.
    #[error("the range is not whole, and gaps=fail refuses that; leave it out to play over the gaps")]
    Gaps {
        /// Between runs.
        gaps: Vec<Gap>,
        /// Before and after the tape.
        missing: Missing,
    },
    /// 413: more segments than a playlist lists.
    #[error("the range has more than {LISTED_SEGMENTS_MAX} segments; ask for a shorter one")]
    TooLong,
    /// 501: a parameter that is understood and not offered for HLS.
    #[error("{parameter}={value} is not available for HLS; leave it out")]
    Unsupported {
        /// The parameter.
        parameter: &'static str,
        /// The value.
        value: &'static str,
    },
    /// 404: a segment or initialisation segment that is not (or no longer) on the tape.
    #[error("not on the tape: it was removed by retention, or never was; reload the playlist")]
    Gone,
    /// 500: the tape could not be read.
    #[error(transparent)]
    Read(ReadError),
}

impl From<ReadError> for HlsError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Gone(_) => Self::Gone,
            error => Self::Read(error),
        }
    }
}
