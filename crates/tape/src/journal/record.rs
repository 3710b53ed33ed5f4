//! What the journal says. Fields are only ever added, with defaults; types are only ever added.

use media::{MediaTime, StreamName, WallTime};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Anchor;
use crate::gap::GapReason;
use crate::ids::{ExtentNo, InitId, PartNo, RunId, StreamId};

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The publisher said goodbye.
    Unpublished,
    /// Its connection broke.
    Disconnected,
    /// It was asked to leave.
    Kicked,
    /// Another publisher with its key took over.
    Takeover,
    /// The server shut down.
    Shutdown,
    /// The server died; noted at the next start.
    Crash,
    /// Recording failed or the source jumped; the reason of the gap says which.
    Gap(GapReason),
}

impl EndReason {
    /// The reason of a gap that follows such an end.
    pub const fn gap(self) -> GapReason {
        match self {
            Self::Crash => GapReason::Crash,
            Self::Gap(reason) => reason,
            _ => GapReason::Offline,
        }
    }
}

/// A range of one run, in media time, half open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanRecord {
    /// The run.
    pub run: RunId,
    /// First instant.
    pub start: MediaTime,
    /// First instant after it.
    pub end: MediaTime,
}

/// A sealed extent in short, so that a start need not open its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealFacts {
    /// First decode time.
    pub start: MediaTime,
    /// End of its last sample.
    pub end: MediaTime,
    /// Its last part.
    pub part: PartNo,
    /// Media sequence number of its last segment.
    pub msn: u64,
    /// Discontinuity sequence number of its last segment.
    pub dsn: u64,
    /// Its first part begins a segment with a random access point: nothing in it needs the extent before, leading
    /// pictures of that point aside.
    #[serde(default = "entry")]
    pub entry: bool,
}

/// Lines of before the field was there come from extents that begin with a key frame, as nearly all do.
const fn entry() -> bool {
    true
}

/// What is remembered of an extent that was deleted, so that what is missing is known from what was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedExtent {
    /// Its number.
    pub extent: ExtentNo,
    /// Its last part.
    pub part: PartNo,
    /// First decode time.
    pub start: MediaTime,
    /// End of its last sample.
    pub end: MediaTime,
}

/// An extent that takes the place of a part of a deleted one: the same parts, copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptExtent {
    /// Its number.
    pub extent: ExtentNo,
    /// Its run.
    pub run: RunId,
    /// The epoch of its tracks.
    pub epoch: u32,
    /// Its first part.
    pub part: PartNo,
    /// Hash of its `ftyp` and `moov`.
    pub init: InitId,
    /// Its length.
    pub bytes: u64,
    /// What its index says in short.
    pub facts: SealFacts,
}

/// A clip as it was asked for, in the words of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedClip {
    /// First instant of the range.
    pub start: WallTime,
    /// First instant after it.
    pub end: WallTime,
    /// How its edges are cut.
    pub accuracy: String,
    /// What becomes of gaps in it.
    pub gaps: String,
    /// What becomes of changes of the codecs in it, where that is not the usual.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub epochs: String,
    /// When it was made.
    pub made: WallTime,
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// First line of every journal file: whose it is.
    Stream {
        /// Version of the format; 1.
        format: u32,
        /// Identity.
        id: StreamId,
        /// `app/stream`.
        name: StreamName,
        /// When it was first published.
        created: WallTime,
    },
    /// A run begins.
    Run {
        /// Its number.
        run: RunId,
        /// The asset of kind `recording` that shows it up to its first split.
        asset: Uuid,
        /// Its first part.
        part: PartNo,
        /// When the publisher connected.
        since: WallTime,
        /// Protocol of the publisher.
        protocol: String,
    },
    /// A piece of a run's wall map.
    Anchor {
        /// The run.
        run: RunId,
        /// The piece.
        #[serde(flatten)]
        anchor: Anchor,
    },
    /// An extent's file exists.
    Extent {
        /// Its number; its file name follows from it.
        extent: ExtentNo,
        /// Its run.
        run: RunId,
        /// The epoch of its tracks.
        epoch: u32,
        /// Its first part.
        part: PartNo,
        /// Hash of its `ftyp` and `moov`.
        init: InitId,
    },
    /// An extent will not grow.
    Seal {
        /// Its number.
        extent: ExtentNo,
        /// Its length.
        bytes: u64,
        /// What its index says in short; without it the extent is scanned at the next start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        facts: Option<SealFacts>,
        /// Set when a failed sync leaves doubt whether all of it is on the disk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        suspect: Option<String>,
    },
    /// A run has ended.
    End {
        /// The run.
        run: RunId,
        /// End of its last frame.
        end: MediaTime,
        /// Why.
        reason: EndReason,
    },
    /// The recording is cut: what follows belongs to another asset.
    Split {
        /// The run.
        run: RunId,
        /// The cut.
        at: MediaTime,
        /// The asset from here on.
        asset: Uuid,
    },
    /// From here on nothing is recorded for another reason than the end of the run before tells, until the next run
    /// or the next such line: somebody publishes to a volume that takes nothing, or leaves it.
    Gap {
        /// From this instant on.
        since: WallTime,
        /// The reason.
        reason: GapReason,
    },
    /// A clip holds these ranges.
    Pin {
        /// The asset.
        asset: Uuid,
        /// What it holds.
        spans: Vec<SpanRecord>,
        /// How it was asked for, so that its asset can be told again without a catalog.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked: Option<AskedClip>,
    },
    /// A clip lets go.
    Unpin {
        /// The asset.
        asset: Uuid,
    },
    /// Extents go, by retention or because somebody erased what they hold. Their files are unlinked after this line is
    /// durable, and by the next recovery where that did not happen any more.
    Delete {
        /// Which.
        extents: Vec<DeletedExtent>,
        /// Media sequence number of the next segment by then: numbers go on behind what is deleted.
        msn: u64,
        /// Discontinuity sequence number of the newest segment by then.
        dsn: u64,
        /// Copies of those of their parts that stay.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        kept: Vec<KeptExtent>,
    },
    /// Somebody holds these ranges: no retention takes them.
    Protect {
        /// Names the protection.
        id: Uuid,
        /// What it holds.
        spans: Vec<SpanRecord>,
        /// Why, in the words of who asked.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        label: String,
    },
    /// A protection ends.
    Unprotect {
        /// Which.
        id: Uuid,
    },
    /// Recovery found bytes of this journal that are no lines: sectors that a power cut kept back, or rot. What
    /// they told is told again by later lines where the extents know it.
    Damage {
        /// Where the bytes begin.
        at: u64,
        /// Where the next intact line begins.
        end: u64,
    },
}
