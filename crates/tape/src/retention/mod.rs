//! Which extents go: by age, by bytes, by free space, and in which order space yields. The decision is a pure function
//! of what streams hold; carrying it out is the stream's ([`crate::Stream::expire`]).
//!
//! Space yields in this order: extents that nobody holds, oldest first; extents that viewers are being sent; extents
//! held by clips, after the clips have files of their own. What is protected never yields: recording stops before.

mod plan;
mod walk;

use media::{StreamName, WallTime};
use uuid::Uuid;

use crate::ids::ExtentNo;

pub(crate) use plan::plan;
pub(crate) use walk::{Fetch, View};

/// What the recordings of one stream may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rule {
    /// Extents whose media ended this many nanoseconds ago go.
    pub max_age_ns: Option<i64>,
    /// The oldest go while the stream holds more bytes than this.
    pub max_bytes: Option<u64>,
}

/// What all streams may take together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budget {
    /// The oldest go while all streams hold more bytes than this.
    pub max_bytes: Option<u64>,
    /// Bytes that the volume needs back now.
    pub need: u64,
}

/// Why an extent goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// Its stream's rule says that it is too old.
    Age,
    /// Its stream, or all together, hold too many bytes.
    Bytes,
    /// The volume is running out of space.
    Space,
}

impl Cause {
    /// The word for logs and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Bytes => "bytes",
            Self::Space => "space",
        }
    }
}

/// An extent that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doom {
    /// Its stream.
    pub stream: StreamName,
    /// Its number.
    pub extent: ExtentNo,
    /// Wall time of its media.
    pub start: WallTime,
    /// Wall time after its media.
    pub end: WallTime,
    /// Its bytes.
    pub bytes: u64,
    /// Why.
    pub cause: Cause,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Extents that go now, in the order in which they yield.
    pub expire: Vec<Doom>,
    /// Clips that need files of their own before what they show can go.
    pub copy_out: Vec<(StreamName, Uuid)>,
    /// Bytes that were wanted and that nothing could yield.
    pub short: u64,
}

impl Plan {
    /// Bytes that go now.
    pub fn bytes(&self) -> u64 {
        self.expire.iter().map(|d| d.bytes).sum()
    }
}
