//! From a range or from stored spans to a plan: which runs, where each is cut, what is told about it. The
//! passes over indexes are in `assemble`.

use std::fmt;
use std::ops::Range;

use media::{MediaTime, Timescale, TrackKind, WallTime};
use tape::{ExtentNo, Gap, RunId, RunInfo};

use super::assemble::{Assembled, assemble};
use super::cut::{AudioGrid, CutRequest, RunCut, Side, cut};
use super::error::PlanError;
use super::layout::Layout;
use super::placing::{Bounds, Placing};
use super::reader::Reader;
use super::request::{ClipEpoch, ClipGap, ClipGapReason, ClipOptions, ClipSpan, ClipSpans, ClipTrack};
use super::source::Source;
use super::{CLIP_NS_MAX, EXTENTS_MAX, REORDER_NS};
use crate::query::GapPolicy;

/// A clip, planned: everything about the file but its bytes. Immutable; equal plans have equal ETags and
/// give equal bytes.
pub struct ClipPlan {
    /// What was asked for.
    pub requested: Range<WallTime>,
    /// Wall time of the first frame; where a gap before it is held, of the gap's beginning.
    pub start: WallTime,
    /// Wall time the clip ends at: the first instant that is not in it.
    pub end: WallTime,
    /// How long the file lasts, in nanoseconds. Gaps are in it only where they are held.
    pub duration_ns: i64,
    /// Video, then audio.
    pub tracks: Vec<ClipTrack>,
    /// Stretches of the range without media, in order.
    pub gaps: Vec<ClipGap>,
    /// Its codec configurations; the first begins with its first frame.
    pub epochs: Vec<ClipEpoch>,
    /// The snapped range in the tape's terms; [`plan_spans`] gives the same file for it.
    pub spans: ClipSpans,
    /// How it was made.
    pub options: ClipOptions,
    /// What must be durable before bytes of the clip are promised: runs, and how far.
    pub needs: Vec<(RunId, MediaTime)>,
    pub(super) layout: Layout,
    etag: String,
}

impl fmt::Debug for ClipPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClipPlan")
            .field("requested", &self.requested)
            .field("start", &self.start)
            .field("end", &self.end)
            .field("duration_ns", &self.duration_ns)
            .field("gaps", &self.gaps)
            .field("spans", &self.spans)
            .field("bytes", &self.bytes())
            .field("etag", &self.etag)
            .finish_non_exhaustive()
    }
}

impl ClipPlan {
    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.layout.len()
    }

    /// A strong entity tag, quotes included (RFC 9110 §8.8.3).
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// The extents the file is made of, rising within each run; what a pin must hold.
    pub fn extents(&self) -> impl Iterator<Item = ExtentNo> {
        self.layout.extents.iter().map(|e| e.no)
    }
}

/// A run and the stretch of it that is asked for.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) info: RunInfo,
    pub(super) media: Range<MediaTime>,
}

impl Ask {
    /// Whether the run begins later than asked.
    pub(super) fn begins_late(&self) -> bool {
        self.media.start < self.info.start && self.media.start != MediaTime::MIN
    }

    /// Whether the run is over before what was asked is.
    pub(super) fn ends_early(&self) -> bool {
        !self.info.live && self.media.end >= self.info.end && self.media.end != MediaTime::MAX
    }
}

/// A run and where it is cut.
pub(super) struct Chosen<'a> {
    pub(super) reader: Reader<'a>,
    pub(super) cut: RunCut,
    media: Range<MediaTime>,
}

/// Scales and grids that all runs of a clip share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grids {
    pub(super) master: Timescale,
    pub(super) video: Option<Timescale>,
    pub(super) audio: Option<AudioGrid>,
}

/// Plans the clip of a range of wall time.
///
/// Reads the index of every extent in the range once, and may block on a disk.
///
/// # Errors
/// See [`PlanError`]; [`PlanError::NotYet`] goes away by itself while the stream is live.
pub fn plan(
    source: &dyn Source,
    range: Range<WallTime>,
    options: ClipOptions,
) -> Result<ClipPlan, PlanError> {
    let asks = asks_of(source, &range)?;
    build(source, range, asks, options, None)
}

/// Plans the file of stored spans: the same file as the plan that gave them.
///
/// # Errors
/// As [`plan`]. Spans of runs that the tape no longer holds become gaps.
pub fn plan_spans(
    source: &dyn Source,
    spans: &ClipSpans,
    options: ClipOptions,
) -> Result<ClipPlan, PlanError> {
    let (asks, range) = asks_of_spans(source, spans)?;
    let bounds = Bounds { start: spans.start, end: spans.end };
    build(source, range, asks, options, Some(bounds))
}

/// The runs of stored spans, and the wall time from the first instant to the last.
pub(super) fn asks_of_spans(
    source: &dyn Source,
    spans: &ClipSpans,
) -> Result<(Vec<Ask>, Range<WallTime>), PlanError> {
    let asks: Vec<Ask> = spans.spans.iter().flat_map(|span| asks_of_span(source, span)).collect();
    let (Some(first), Some(last)) = (asks.first(), asks.last()) else {
        return Err(PlanError::Outside { tape: source.window() });
    };
    let start = first.info.clock.wall(first.media.start.max(first.info.start));
    let end = match last.media.end {
        MediaTime::MAX => last.info.clock.wall(last.info.end),
        end => last.info.clock.wall(end),
    };
    let range = spans.start.unwrap_or(start)..spans.end.unwrap_or(end);
    Ok((asks, range))
}

/// The spans of a range as asked for, not snapped to frames, cut at the tape's edge. Reads no index: this is
/// what can be stored at once for a clip whose last part is still open.
///
/// # Errors
/// [`PlanError::EmptyRange`], [`PlanError::Outside`], [`PlanError::TooLong`].
pub fn spans(source: &dyn Source, range: Range<WallTime>, gaps: GapPolicy) -> Result<ClipSpans, PlanError> {
    let edge = source.edge();
    let asks = asks_of(source, &range)?;
    let late = asks.first().is_some_and(Ask::begins_late);
    let early = asks.last().is_some_and(Ask::ends_early);
    let held = |outside: bool, at| Some(at).filter(|_| outside && gaps == GapPolicy::Hold);
    let (start, end) = (held(late, range.start), held(early, range.end));
    let spans = asks.into_iter().map(|Ask { info, media }| {
        let end = match edge {
            Some((run, at, _)) if run == info.id && info.live => media.end.min(at),
            _ if info.live || media.end < info.end => media.end,
            _ => MediaTime::MAX,
        };
        let start = media.start.max(info.start);
        ClipSpan { run: info.id, start, end }
    });
    let spans: Vec<_> = spans.filter(|s| s.start < s.end).collect();
    if spans.is_empty() {
        return Err(PlanError::Outside { tape: source.window() });
    }
    Ok(ClipSpans { spans, start, end })
}

pub(super) fn asks_of(source: &dyn Source, range: &Range<WallTime>) -> Result<Vec<Ask>, PlanError> {
    if range.start >= range.end {
        return Err(PlanError::EmptyRange);
    }
    // The tape counts a run's end in decode times; frames are shown later.
    let runs = source.runs(range.start.plus_ns(-REORDER_NS)..range.end).into_iter();
    let asks: Vec<_> = runs
        .map(|info| Ask { media: info.clock.media(range.start)..info.clock.media(range.end), info })
        .collect();
    if asks.is_empty() {
        return Err(PlanError::Outside { tape: source.window() });
    }
    check_length(&asks)?;
    Ok(asks)
}

fn asks_of_span(source: &dyn Source, span: &ClipSpan) -> Vec<Ask> {
    let mut pieces = source.pieces(span.run, span.start..span.end);
    if pieces.is_empty() {
        pieces.extend(source.run(span.run, span.start..span.end));
    }
    pieces.into_iter().map(|info| Ask { info, media: span.start..span.end }).collect()
}

fn check_length(asks: &[Ask]) -> Result<(), PlanError> {
    let length =
        |ask: &Ask| ask.media.end.min(ask.info.end).since_ns(ask.media.start.max(ask.info.start)).max(0);
    within_limit(asks.iter().map(length).fold(0, i64::saturating_add))
}

pub(super) fn within_limit(ns: i64) -> Result<(), PlanError> {
    if ns > CLIP_NS_MAX {
        let second = 1_000_000_000;
        return Err(PlanError::TooLong { seconds: ns / second, limit_s: CLIP_NS_MAX / second });
    }
    Ok(())
}

/// `bounds` are those of stored spans; those of a range follow from it.
pub(super) fn build(
    source: &dyn Source,
    requested: Range<WallTime>,
    asks: Vec<Ask>,
    options: ClipOptions,
    bounds: Option<Bounds>,
) -> Result<ClipPlan, PlanError> {
    check_length(&asks)?;
    let extents = asks.iter().map(|a| a.info.extents.len()).sum();
    if extents > EXTENTS_MAX {
        return Err(PlanError::TooFragmented { extents, limit: EXTENTS_MAX });
    }
    let outside = || PlanError::Outside { tape: source.window() };
    let grids = grids(source, &asks)?.ok_or_else(outside)?;
    let chosen = choose(source, asks, grids, options)?;
    let (Some(first), Some(last)) = (chosen.first(), chosen.last()) else { return Err(outside()) };
    let bounds = match options.gaps {
        GapPolicy::Hold => bounds.unwrap_or_else(|| bounds_of(&requested, first, last)),
        GapPolicy::Collapse | GapPolicy::Fail => Bounds::default(),
    };
    let first_frame = wall(first, grids, first.cut.start);
    let start = bounds.start.map_or(first_frame, |at| at.min(first_frame));
    let end = wall(last, grids, last.cut.end);
    let end = bounds.end.map_or(end, |at| at.max(end));
    let gaps = find_gaps(source, &requested, &chosen, (grids, bounds));
    if options.gaps == GapPolicy::Fail && !gaps.is_empty() {
        return Err(PlanError::Gaps { gaps });
    }
    let placing = Placing::new(&chosen, grids, options.gaps, bounds)?;
    let spans = chosen.iter().map(|c| span(c, grids)).collect();
    let spans = ClipSpans { spans, start: bounds.start, end: bounds.end };
    let needs = chosen.iter().map(|c| need(c, grids)).collect();
    let duration_ns = match options.gaps {
        GapPolicy::Hold => placing.lasts_ns(grids),
        _ => spans.spans.iter().map(|s| s.end.since_ns(s.start)).sum(),
    };
    within_limit(duration_ns)?;
    let Assembled { layout, epochs, etag } = assemble(source, &chosen, grids, options, &placing)?;
    let tracks = tracks_of(&layout);
    Ok(ClipPlan {
        requested,
        start,
        end,
        duration_ns,
        tracks,
        gaps,
        epochs,
        spans,
        options,
        needs,
        layout,
        etag,
    })
}

fn tracks_of(layout: &Layout) -> Vec<ClipTrack> {
    let track = |lane: &super::layout::Lane| ClipTrack {
        kind: lane.config.kind(),
        config: lane.config.clone(),
        samples: lane.samples,
        bytes: lane.bytes,
    };
    layout.lanes.iter().flatten().map(track).collect()
}

/// How far a held clip of a range reaches beyond its first and its last run.
fn bounds_of(requested: &Range<WallTime>, first: &Chosen<'_>, last: &Chosen<'_>) -> Bounds {
    Bounds {
        start: Some(requested.start).filter(|_| first.cut.clipped_start),
        end: Some(requested.end).filter(|_| last.cut.clipped_end),
    }
}

/// Which tracks there are to cut, from the first configuration of each kind in reach of the range.
fn grids(source: &dyn Source, asks: &[Ask]) -> Result<Option<Grids>, PlanError> {
    let (mut video, mut audio) = (None, None);
    let mut last = None;
    for (ask, extent) in asks.iter().flat_map(|a| a.info.extents.iter().map(move |e| (a, e))) {
        // Ends are decode times; frames are shown later.
        if extent.end.plus_ns(REORDER_NS) < ask.media.start || last.replace(extent.init) == Some(extent.init)
        {
            continue;
        }
        let tracks =
            source.tracks(&extent.init).ok_or(PlanError::Damaged("an extent's tracks are unknown"))?;
        for track in tracks.iter() {
            match track.kind() {
                TrackKind::Video => _ = video.get_or_insert(track.timescale),
                TrackKind::Audio => _ = audio.get_or_insert_with(|| super::counting::audio_grid(track)),
                TrackKind::Data => {}
            }
        }
    }
    let master = video.or(audio.map(|a: AudioGrid| a.scale));
    Ok(master.map(|master| Grids { master, video, audio }))
}

/// Cuts every run. The first and the last stretch that hold anything are the clip's edges.
fn choose<'a>(
    source: &'a dyn Source,
    asks: Vec<Ask>,
    grids: Grids,
    options: ClipOptions,
) -> Result<Vec<Chosen<'a>>, PlanError> {
    let request = |media: &Range<MediaTime>, sides| CutRequest {
        media: media.clone(),
        sides,
        accuracy: options.accuracy,
        master: grids.master,
        video: grids.video,
        audio: grids.audio,
    };
    let runs = asks.len();
    let mut chosen: Vec<Chosen<'a>> = Vec::new();
    for (number, Ask { info, media }) in asks.into_iter().enumerate() {
        let mut reader = Reader::new(source, info);
        let begin = if chosen.is_empty() { Side::Edge } else { Side::Joint };
        let end = if number + 1 == runs { Side::Edge } else { Side::Joint };
        if let Some(cut) = cut(&mut reader, &request(&media, (begin, end)))? {
            chosen.push(Chosen { reader, cut, media });
        } else if number + 1 == runs {
            // The last run gave nothing, so the one before is not joined to anything.
            let begin = if chosen.len() == 1 { Side::Edge } else { Side::Joint };
            let Some(mut last) = chosen.pop() else { break };
            if let Some(cut) = cut(&mut last.reader, &request(&last.media, (begin, Side::Edge)))? {
                chosen.push(Chosen { cut, ..last });
            }
        }
    }
    Ok(chosen)
}

/// Wall time of a tick of the master.
pub(super) fn wall(chosen: &Chosen<'_>, grids: Grids, tick: i64) -> WallTime {
    chosen.reader.info().clock.wall(grids.master.media(tick))
}

fn span(chosen: &Chosen<'_>, grids: Grids) -> ClipSpan {
    let media = |tick| grids.master.media(tick);
    ClipSpan { run: chosen.reader.info().id, start: media(chosen.cut.start), end: media(chosen.cut.end) }
}

/// A run that is over may end, as its log counts it, before its last frames' time on screen does.
fn need(chosen: &Chosen<'_>, grids: Grids) -> (RunId, MediaTime) {
    let info = chosen.reader.info();
    let end = grids.master.media(chosen.cut.end);
    (info.id, if info.live { end } else { end.min(info.closed_end) })
}

fn find_gaps(
    source: &dyn Source,
    requested: &Range<WallTime>,
    chosen: &[Chosen<'_>],
    (grids, held): (Grids, Bounds),
) -> Vec<ClipGap> {
    let recorded = source.gaps(requested.clone());
    let mut gaps = Vec::new();
    let mut push = |range: Range<WallTime>, otherwise: ClipGapReason| {
        if range.start < range.end {
            let reason = reason(&recorded, &range).map_or(otherwise, ClipGapReason::Tape);
            gaps.push(ClipGap { start: range.start, end: range.end, reason });
        }
    };
    let bounds = |c: &Chosen<'_>| (wall(c, grids, c.cut.start), wall(c, grids, c.cut.end));
    let clipped_start = |c: &Chosen<'_>| c.cut.clipped_start && c.media.start != MediaTime::MIN;
    let clipped_end = |c: &Chosen<'_>| c.cut.clipped_end && c.media.end != MediaTime::MAX;
    if let Some(first) = chosen.first().filter(|c| held.start.is_some() || clipped_start(c)) {
        push(requested.start..bounds(first).0, ClipGapReason::BeforeTape);
    }
    for pair in chosen.windows(2) {
        push(bounds(&pair[0]).1..bounds(&pair[1]).0, ClipGapReason::Tape(tape::GapReason::Offline));
    }
    if let Some(last) = chosen.last().filter(|c| held.end.is_some() || clipped_end(c)) {
        push(bounds(last).1..requested.end, ClipGapReason::AfterTape);
    }
    gaps
}

/// The reason the tape recorded for most of a range.
pub(super) fn reason(recorded: &[Gap], range: &Range<WallTime>) -> Option<tape::GapReason> {
    let overlap = |gap: &Gap| gap.end.min(range.end).since_ns(gap.start.max(range.start));
    recorded.iter().filter(|gap| overlap(gap) > 0).max_by_key(|gap| overlap(gap)).map(|gap| gap.reason)
}
