//! The virtual MP4: an ordinary, faststart MP4 of any range of a tape, computed and never stored. A plan
//! says what the file holds; [`ClipBody`] gives any byte range of it. Where the bytes go (a socket, a file)
//! and when a range may be served (durability, access) is not decided here.
//!
//! # Which frames
//!
//! A video frame is in `[start, end)` iff `start <= wall(pts) < end`. A clip begins at the first such
//! frame's pts and ends at the pts of the first frame at or after `end`, so that adjacent ranges share and
//! lose nothing; audio is cut at the same two instants, to the sample. Where no frame follows within
//! [`SNAP_NS`] the instant asked for stands. A run that goes on is cut only where everything before the cut
//! can be read already: a plan made twice is the same plan.
//!
//! Decoding begins at the last random access point whose pts is at or before the first frame. Leading
//! pictures of that point (decoded after it, shown before it) refer to what is not there and are left out;
//! a clip that begins among them begins to decode one point earlier by the same rule. The last sample is
//! the last one *in decode order* that is shown before the end, so that pictures it refers to are there.
//!
//! # How time is laid out
//!
//! One layout is frame exact in FFmpeg, Chromium and GStreamer alike, and it is the one written:
//! - exactly one edit per track; an empty edit before it only when the track begins late;
//! - video before the cut is squeezed to one tick per sample, and `ctts` (version 1, never negative) puts
//!   every frame where it belongs: hidden ones below the edit, in order, the others at their true times.
//!   Decode times stay small, for GStreamer ends a clip at the first key frame decoded, in the file's own
//!   time, after the clip's duration;
//! - hidden frames end one frame's duration before the edit: GStreamer's parser gives them the duration that
//!   the SPS claims, and shows what would last into the edit;
//! - of the squeezed samples only the first is a sync sample, for FFmpeg begins at the last one before the
//!   edit, and its decoder swallows frames decoded too soon after an open one;
//! - the end is the edit's duration; pictures after it that others refer to are there and hidden;
//! - audio begins one frame early (two with SBR) and the edit hides that, so that it starts to the sample;
//! - ranges over several runs are concatenated under the one edit. Every later run begins at a key frame,
//!   both tracks are moved by the same offset, and the last sample of each track before the joint lasts
//!   until the first one after it;
//! - where gaps are held, each later run is moved to where the wall clock puts it. The last picture before the gap
//!   lasts over it (an empty edit in the middle makes FFmpeg and Chromium begin anew), and silent frames fill it for
//!   the sound, so that players that count samples stay right too. What is missing before the first run is an empty
//!   edit of both tracks, what is missing behind the last one is held like a gap.
//!
//! GStreamer shows nothing of a clip that is not longer than its edit's `media_time`: a single frame, two with
//! deep reordering, or less than a frame that lasts long just before it where the rate varies. Its sound ends
//! up to two frames early, by the rule above.
//!
//! Chromium's own H.264 decoder ends at a picture that it cannot decode in full. Behind an open random access
//! point that is a leading picture, and any that releases a reference from before that point, as x264 writes
//! them at changes of scene. So a seek into a clip of open GOPs may fail there, and of some sources a clip that
//! begins at such a point; FFmpeg's own copies of these files fail alike.
//!
//! With several H.264 configurations the sample entry is `avc3` and each key frame is preceded by its own
//! parameter sets; players stop at a second sample entry. Other changes of codec are a conflict, for which `split` makes
//! one file per set of configurations.
//!
//! # How bytes are laid out
//!
//! `ftyp`, `moov`, `mdat`. Everything is a list of slices known by their end offset: fixed bytes, one slice
//! per (sample table, track, extent), one slice of media per extent. Run-length tables start afresh in each
//! slice, so that a slice needs the index of its own extent and nothing else. Planning reads each index
//! once and keeps a few counts of it; a body reads again those that a byte range touches. Media is one
//! chunk per (part, track), as it lies in the extent, and is never copied.
//!
//! The ETag is a hash of [`FORMAT_VERSION`], the stream, the parts' checksums and the cut: equal plans give
//! equal bytes, from the ring or from files, before and after a restart. Whoever changes a byte that comes
//! out of here for an unchanged plan changes [`FORMAT_VERSION`].

mod assemble;
mod body;
mod boxes;
mod counting;
mod cut;
mod cut_audio;
mod cut_video;
mod dump;
mod error;
mod layout;
mod pass;
mod placing;
mod planner;
mod reader;
mod request;
mod silence;
mod source;
mod split;
mod tables;
mod take;
#[cfg(test)]
mod tests;
mod timing;

pub use body::{BodyError, ClipBody, Pieces};
pub use error::PlanError;
pub use planner::{ClipPlan, plan, plan_spans, spans};
pub use request::{Accuracy, ClipEpoch, ClipGap, ClipGapReason, ClipOptions, ClipSpan, ClipSpans, ClipTrack};
pub use source::{OwnNeeds, Source};
pub use split::{SPLIT_FILES_MAX, SplitBody, SplitFile, SplitPlan, plan_split, plan_split_spans};

pub use crate::query::GapPolicy;

/// Part of every ETag. Raised whenever the same plan would give other bytes.
pub const FORMAT_VERSION: u32 = 1;

/// Longest clip, in nanoseconds, held gaps included: 12 h. Beyond it `moov` alone passes 30 MB, which every player
/// must hold before the first picture; HLS serves such ranges.
pub const CLIP_NS_MAX: i64 = 12 * 3600 * 1_000_000_000;

/// Longest gap that one picture is held over: 6 h. FFmpeg reads a sample's duration as a signed number of 32 bits,
/// which at 90 kHz is 6 h 37 min.
pub const HOLD_NS_MAX: i64 = 6 * 3600 * 1_000_000_000;

/// Most extents in one plan. 12 h of one-minute extents are 720; the rest is for streams whose
/// configuration changes often. A plan keeps about 350 bytes per extent, so this bounds it to 3 MiB.
pub const EXTENTS_MAX: usize = 8192;

/// How far a cut moves to a frame: one second. Frame rates below 1/s exist (slides, screens); there the
/// sound is cut where asked and the picture begins late or stays.
pub const SNAP_NS: i64 = 1_000_000_000;

/// Most samples between the random access point and the first shown frame: 18 minutes at 60 frames/s, and
/// half a MiB of memory while planning.
const PREROLL_SAMPLES_MAX: usize = 65_536;

/// Furthest that decode and presentation time of a frame may lie apart. H.264 reorders over at most 16
/// frames, 16 s at 1 frame/s; frames further apart may be missed at a cut.
const REORDER_NS: i64 = 20_000_000_000;

/// How much further the tape is asked for when the extents at hand do not suffice.
const LOOK_NS: i64 = 120_000_000_000;

/// Furthest that `accuracy=gop` looks for the end of a GOP: 30 minutes, beyond the longest GOPs of screen
/// shares and "smart codec" cameras.
const GOP_NS_MAX: i64 = 1_800_000_000_000;
