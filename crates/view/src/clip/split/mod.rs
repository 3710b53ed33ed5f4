//! A range as several files, one per set of codec configurations, in one ZIP: for players that take no change of the
//! parameter sets, and for changes that no single MP4 can carry. Each file is an ordinary clip of what one set
//! recorded; how a clip is cut and laid out is decided there.

mod body;
mod epochs;
mod zip;

use std::ops::Range;
use std::sync::OnceLock;

use media::{CodecConfig, TrackConfig, TrackKind, WallTime};
use sha2::{Digest, Sha256};
use tape::{GapReason, RunId};

pub use body::SplitBody;

use self::epochs::{Epoch, Place};
use self::zip::{Archive, Entry};
use super::FORMAT_VERSION;
use super::assemble::etag;
use super::error::PlanError;
use super::planner::{Ask, ClipPlan, asks_of, asks_of_spans, reason, within_limit};
use super::request::{ClipEpoch, ClipGap, ClipGapReason, ClipOptions, ClipSpan, ClipSpans};
use super::source::Source;
use crate::query::{GapPolicy, format_wall};

/// Most files in one archive: a source that changes its encoder more often is broken, and each file is a plan.
pub const SPLIT_FILES_MAX: usize = 1000;

/// Sound that reaches this far into another set's pictures is no file of its own: frames of both do not end at the
/// same instant.
const STRAY_NS_MAX: i64 = super::SNAP_NS;

/// A file of an archive.
#[derive(Debug)]
pub struct SplitFile {
    /// Its name in the archive: the prefix, its number, when it begins, and what it holds.
    pub name: String,
    /// What it is.
    pub plan: std::sync::Arc<ClipPlan>,
    /// CRC-32 of its bytes, once somebody has read them all.
    crc: OnceLock<u32>,
}

/// An archive, planned. Equal plans have equal ETags and give equal bytes.
#[derive(Debug)]
pub struct SplitPlan {
    /// What was asked for.
    pub requested: Range<WallTime>,
    /// Its files, in order of time; not none.
    pub files: Vec<SplitFile>,
    /// Stretches of the range without media, in order.
    pub gaps: Vec<ClipGap>,
    /// The range in the tape's terms; [`plan_split_spans`] gives the same archive for it.
    pub spans: ClipSpans,
    /// How its files were made.
    pub options: ClipOptions,
    archive: Archive,
    etag: String,
}

impl SplitPlan {
    /// Bytes of the archive.
    pub fn bytes(&self) -> u64 {
        self.archive.len()
    }

    /// A strong entity tag, quotes included.
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// Wall time of the first frame of all, and the first instant after the last.
    pub fn range(&self) -> Range<WallTime> {
        let start = self.files.first().map_or(self.requested.start, |f| f.plan.start);
        start..self.files.last().map_or(start, |f| f.plan.end)
    }

    /// How long all files last, in nanoseconds.
    pub fn duration_ns(&self) -> i64 {
        self.files.iter().map(|f| f.plan.duration_ns).sum()
    }

    /// The configurations, one per file.
    pub fn epochs(&self) -> impl Iterator<Item = &ClipEpoch> {
        self.files.iter().flat_map(|f| &f.plan.epochs)
    }
}

/// Plans the archive of a range of wall time. File names begin with `prefix`, which has no path in it.
///
/// # Errors
/// As [`super::plan`], and [`PlanError::TooFragmented`] past [`SPLIT_FILES_MAX`].
pub fn plan_split(
    source: &dyn Source,
    range: Range<WallTime>,
    options: ClipOptions,
    prefix: &str,
) -> Result<SplitPlan, PlanError> {
    let asks = asks_of(source, &range)?;
    build(source, range, &asks, options, prefix)
}

/// Plans the archive of stored spans.
///
/// # Errors
/// As [`plan_split`].
pub fn plan_split_spans(
    source: &dyn Source,
    spans: &ClipSpans,
    options: ClipOptions,
    prefix: &str,
) -> Result<SplitPlan, PlanError> {
    let (asks, range) = asks_of_spans(source, spans)?;
    build(source, range, &asks, options, prefix)
}

fn build(
    source: &dyn Source,
    requested: Range<WallTime>,
    asks: &[Ask],
    options: ClipOptions,
    prefix: &str,
) -> Result<SplitPlan, PlanError> {
    let mut plans = Vec::new();
    let epochs = epochs::of(source, asks)?;
    for (number, epoch) in epochs.iter().enumerate() {
        let place = if number + 1 == epochs.len() { Place::Last } else { Place::Before };
        match epoch.plan(source, (&requested, place), options) {
            Ok(plan) if is_stray(epoch, &plan) => {}
            Ok(plan) if plans.len() < SPLIT_FILES_MAX => plans.push(plan),
            Ok(_) => return Err(PlanError::TooManyFiles { limit: SPLIT_FILES_MAX }),
            // An extent before the range, which only pre-roll would have needed.
            Err(PlanError::Outside { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    if plans.is_empty() {
        return Err(PlanError::Outside { tape: source.window() });
    }
    within_limit(plans.iter().map(|p| p.duration_ns).fold(0, i64::saturating_add))?;
    let gaps = gaps(source, &requested, asks, &plans);
    if options.gaps == GapPolicy::Fail && !gaps.is_empty() {
        return Err(PlanError::Gaps { gaps });
    }
    let spans = spans_of(&plans);
    let file = |(number, plan): (usize, ClipPlan)| SplitFile {
        name: name(prefix, number + 1, &plan),
        plan: plan.into(),
        crc: OnceLock::new(),
    };
    let files: Vec<_> = plans.into_iter().enumerate().map(file).collect();
    let entry = |f: &SplitFile| Entry { name: f.name.clone(), size: f.plan.bytes(), modified: f.plan.start };
    let archive = Archive::new(files.iter().map(entry).collect());
    let etag = tag(&files);
    Ok(SplitPlan { requested, files, gaps, spans, options, archive, etag })
}

/// Whether a file would hold only the end of some sound.
fn is_stray(epoch: &Epoch, plan: &ClipPlan) -> bool {
    let video = |kind| kind == TrackKind::Video;
    let pictures = plan.tracks.iter().any(|t| video(t.kind));
    epoch.tracks.iter().any(|t| video(t.kind())) && !pictures && plan.duration_ns < STRAY_NS_MAX
}

fn tag(files: &[SplitFile]) -> String {
    let mut hash = Sha256::new_with_prefix(b"tapeline split");
    hash.update(FORMAT_VERSION.to_be_bytes());
    for file in files {
        hash.update(file.name.as_bytes());
        hash.update(file.plan.etag().as_bytes());
    }
    etag(hash)
}

/// `PREFIX_NUMBER_START_CODECS.mp4`; colons are for no file system.
fn name(prefix: &str, number: usize, plan: &ClipPlan) -> String {
    let start = format_wall(WallTime::from_ms(plan.start.ms())).replace(':', "-");
    let tracks: Vec<_> = plan.tracks.iter().map(|t| described(&t.config)).collect();
    format!("{prefix}_{number:03}_{start}_{}.mp4", tracks.join("_"))
}

/// A track in a few letters: `h264-1280x720`.
fn described(track: &TrackConfig) -> String {
    let name = track.codec.name();
    match &track.codec {
        CodecConfig::H264 { width, height, .. } => format!("{name}-{width}x{height}"),
        _ => name.to_owned(),
    }
}

/// Per run, from the first instant to the last.
fn spans_of(plans: &[ClipPlan]) -> ClipSpans {
    let mut spans: Vec<ClipSpan> = Vec::new();
    for span in plans.iter().flat_map(|p| &p.spans.spans) {
        match spans.last_mut().filter(|last| last.run == span.run) {
            Some(last) => last.end = last.end.max(span.end),
            None => spans.push(span.clone()),
        }
    }
    ClipSpans { spans, ..ClipSpans::default() }
}

/// Gaps before, in, between and behind the files. Those between two files are always left out.
fn gaps(source: &dyn Source, requested: &Range<WallTime>, asks: &[Ask], plans: &[ClipPlan]) -> Vec<ClipGap> {
    let recorded = source.gaps(requested.clone());
    let mut gaps = Vec::new();
    let mut before: Option<(WallTime, RunId)> = None;
    let push = |gaps: &mut Vec<ClipGap>, range: Range<WallTime>, otherwise| {
        if range.start < range.end {
            let reason = reason(&recorded, &range).map_or(otherwise, ClipGapReason::Tape);
            gaps.push(ClipGap { start: range.start, end: range.end, reason });
        }
    };
    let (Some(first), Some(last)) = (asks.first(), asks.last()) else { return gaps };
    for plan in plans {
        let runs = plan.spans.spans.first().zip(plan.spans.spans.last()).map(|(a, b)| (a.run, b.run));
        let Some((from, to)) = runs else { continue };
        match before {
            None if first.begins_late() => {
                push(&mut gaps, requested.start..plan.start, ClipGapReason::BeforeTape);
            }
            Some((end, run)) if run != from => {
                push(&mut gaps, end..plan.start, ClipGapReason::Tape(GapReason::Offline));
            }
            // Something was deleted out of a run. Else the next file begins where this one ends.
            Some((end, _)) if reason(&recorded, &(end..plan.start)).is_some() => {
                push(&mut gaps, end..plan.start, ClipGapReason::Tape(GapReason::Expired));
            }
            _ => {}
        }
        gaps.extend(plan.gaps.iter().filter(|gap| gap.reason != ClipGapReason::AfterTape));
        before = Some((plan.end, to));
    }
    if let Some((end, _)) = before.filter(|_| last.ends_early()) {
        push(&mut gaps, end..requested.end, ClipGapReason::AfterTape);
    }
    gaps
}
