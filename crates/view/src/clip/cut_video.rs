//! The picture's side of a cut: the first shown frame and the random access point before it, the first
//! frame after the end, the last sample in decode order.

use std::ops::{ControlFlow, Range};

use media::{MediaTime, Rap, Timescale, TrackKind};
use tape::Sample;

use super::cut::{CutRequest, Side};
use super::error::PlanError;
use super::reader::{Place, Reach, Reader, ticks};
use super::request::Accuracy;
use super::{GOP_NS_MAX, PREROLL_SAMPLES_MAX, REORDER_NS, SNAP_NS};

const VIDEO: TrackKind = TrackKind::Video;

/// Least time between an open random access point that decoding begins at and the clip's end: FFmpeg's
/// H.264 decoder drops, at the end of a stream, frames that it decoded before it had put out the recovery
/// point. A second is beyond the reordering of any frame rate above 16/s.
const OPEN_NS_MIN: i64 = 1_000_000_000;

/// Video samples of a run's stretch, in ticks of the video's timescale.
#[derive(Debug, Clone)]
pub(super) struct VideoCut {
    /// The random access point decoding begins at.
    pub(super) first: Place,
    /// The last sample in decode order.
    pub(super) last: Place,
    /// The random access point's pts: samples shown before it are left out.
    pub(super) floor: i64,
    /// Pts of the first shown frame.
    pub(super) shown: i64,
    /// Pts of the first samples, in decode order, that do not keep their own decode times: up to the last
    /// one that is hidden before `shown`, or the random access point whose leading pictures are left out.
    pub(super) squeezed: Vec<i64>,
}

/// Where the picture begins.
#[derive(Debug)]
pub(super) struct VideoStart {
    pub(super) rap: Place,
    pub(super) floor: i64,
    pub(super) shown: i64,
    pub(super) squeezed: Vec<i64>,
    /// No frame could be shown at the instant asked for.
    pub(super) clipped: bool,
}

/// What there is around the end.
#[derive(Debug, Default)]
pub(super) struct VideoEnd {
    /// Pts of the first frame at or after the end; with whole GOPs, of the first frame of the next GOP.
    pub(super) next: Option<i64>,
    /// Without such a frame: where the last frame's time on screen ends.
    pub(super) tail: Option<i64>,
}

/// Collects frames from a random access point to the first shown one.
#[derive(Default)]
struct Collector {
    begin: Option<(Place, i64)>,
    pts: Vec<i64>,
    /// A random access point that would be the first shown frame itself, and its number in `pts`.
    better: Option<(usize, Place, i64)>,
    shown: Option<i64>,
    full: bool,
}

impl Collector {
    fn visit(&mut self, place: Place, s: &Sample, from: i64, rules: Rules) -> ControlFlow<()> {
        let pts = s.pts();
        let (_, floor) = match self.begin {
            Some(begin) => begin,
            None if s.rap.is_rap() => *self.begin.insert((place, pts)),
            None => return ControlFlow::Continue(()),
        };
        if self.shown.is_some_and(|shown| s.dts > shown.saturating_add(rules.reorder)) {
            return ControlFlow::Break(());
        }
        if rules.trusts(s) && pts >= from && self.shown.is_none_or(|shown| pts < shown) {
            self.better = Some((self.pts.len(), place, pts));
        }
        if pts < floor {
            return ControlFlow::Continue(());
        }
        if self.pts.len() == PREROLL_SAMPLES_MAX {
            self.full = true;
            return ControlFlow::Break(());
        }
        self.pts.push(pts);
        if pts >= from {
            self.shown = Some(self.shown.map_or(pts, |shown| shown.min(pts)));
        }
        ControlFlow::Continue(())
    }

    fn finish(mut self, clipped: bool) -> Option<VideoStart> {
        let (mut rap, mut floor) = self.begin?;
        let shown = self.shown?;
        if let Some((number, place, _)) = self.better.filter(|(_, _, pts)| *pts == shown) {
            (rap, floor) = (place, shown);
            self.pts.drain(..number);
            self.pts.retain(|pts| *pts >= shown);
        }
        Some(VideoStart { rap, floor, shown, squeezed: self.pts, clipped }.trimmed())
    }
}

impl VideoStart {
    /// Keeps of `squeezed` what does not keep its decode time.
    fn trimmed(mut self) -> Self {
        let hidden = self.squeezed.iter().rposition(|pts| *pts < self.shown).map_or(0, |last| last + 1);
        self.squeezed.truncate(hidden);
        self
    }
}

/// What decides where decoding may begin.
#[derive(Debug, Clone, Copy)]
struct Rules {
    /// How far frames are reordered, at most.
    reorder: i64,
    /// Open random access points shown after this are not begun at.
    open_until: i64,
}

impl Rules {
    fn new(ask: &CutRequest, scale: Timescale, end: i64) -> Self {
        let open_until = match ask.accuracy {
            Accuracy::EditList => end.saturating_sub(ticks(scale, OPEN_NS_MIN)),
            Accuracy::Gop => i64::MAX,
        };
        Self { reorder: ticks(scale, REORDER_NS), open_until }
    }

    /// Whether to begin at a sample.
    fn trusts(self, s: &Sample) -> bool {
        match s.rap {
            Rap::None => false,
            Rap::Closed => true,
            Rap::Open => s.pts() <= self.open_until,
        }
    }
}

/// Finds the first frame at or after `range.start` and where decoding begins for it.
pub(super) fn start(
    reader: &mut Reader<'_>,
    ask: &CutRequest,
    scale: Timescale,
    range: Range<i64>,
) -> Result<Option<VideoStart>, PlanError> {
    let reach = Reader::reach(scale.media(range.end), SNAP_NS);
    let mut found = match ask.sides.0 {
        Side::Joint => first_rap(reader, scale, range.start, reach)?,
        Side::Edge => first_shown_from_rap(reader, (ask, scale), range, reach)?,
    };
    if let Some(found) = &mut found {
        if ask.accuracy == Accuracy::Gop {
            found.shown = found.floor;
            found.squeezed.clear();
        }
        // What follows the missing pictures is decoded long after the key frame; without this, all would
        // be shown that much later in the file, and GStreamer shows nothing of a clip shorter than that.
        if found.squeezed.is_empty() && is_led(reader, found, reach)? {
            found.squeezed.push(found.floor);
        }
    }
    Ok(found)
}

/// Whether pictures are left out right after the random access point.
fn is_led(reader: &mut Reader<'_>, found: &VideoStart, reach: Reach) -> Result<bool, PlanError> {
    let after = Place { sample: found.rap.sample.saturating_add(1), ..found.rap };
    let mut led = false;
    reader.forward(VIDEO, after, reach, |_, s| {
        led = s.pts() < found.floor;
        ControlFlow::Break(())
    })?;
    Ok(led)
}

fn first_shown_from_rap(
    reader: &mut Reader<'_>,
    (ask, scale): (&CutRequest, Timescale),
    range: Range<i64>,
    reach: Reach,
) -> Result<Option<VideoStart>, PlanError> {
    let rules = Rules::new(ask, scale, range.end);
    let before = last_rap(reader, scale, range.start, rules)?;
    let from = match before {
        Some(rap) => rap,
        None => reader.at(VIDEO, scale, range.start - rules.reorder)?,
    };
    let mut collector = Collector::default();
    reader.forward(VIDEO, from, reach, |place, s| collector.visit(place, s, range.start, rules))?;
    if collector.full {
        let media = scale.media(range.start);
        return Err(PlanError::NoKeyFrame { at: reader.info().clock.wall(media) });
    }
    Ok(collector.finish(before.is_none()))
}

/// The last random access point shown at or before a tick that decoding may begin at, else the last one.
fn last_rap(
    reader: &mut Reader<'_>,
    scale: Timescale,
    at: i64,
    rules: Rules,
) -> Result<Option<Place>, PlanError> {
    let from = reader.at(VIDEO, scale, at.saturating_add(rules.reorder))?;
    let reach = Reach(scale.media(at).plus_ns(-GOP_NS_MAX));
    let (mut found, mut trusted) = (None, false);
    reader.backward(VIDEO, from, reach, |place, s| {
        if s.rap.is_rap() && s.pts() <= at {
            trusted = rules.trusts(s);
            if trusted || found.is_none() {
                found = Some(place);
            }
        }
        if trusted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(found)
}

/// The first random access point shown at or after a tick.
fn first_rap(
    reader: &mut Reader<'_>,
    scale: Timescale,
    at: i64,
    reach: Reach,
) -> Result<Option<VideoStart>, PlanError> {
    let from = reader.at(VIDEO, scale, at - ticks(scale, REORDER_NS))?;
    let mut found = None;
    reader.forward(VIDEO, from, reach, |place, s| {
        if !s.rap.is_rap() || s.pts() < at {
            return ControlFlow::Continue(());
        }
        let pts = s.pts();
        found = Some(VideoStart { rap: place, floor: pts, shown: pts, squeezed: Vec::new(), clipped: true });
        ControlFlow::Break(())
    })?;
    Ok(found)
}

/// Finds the first frame at or after the end of a range.
pub(super) fn end(
    reader: &mut Reader<'_>,
    ask: &CutRequest,
    scale: Timescale,
    range: Range<i64>,
) -> Result<VideoEnd, PlanError> {
    let next = first_shown(reader, scale, range.end)?;
    if ask.accuracy == Accuracy::Gop {
        return gop_end(reader, scale, range.start..next.unwrap_or(range.end));
    }
    let tail = match (next, last_before(reader, scale, range)?) {
        (None, Some(last)) => tail(reader, scale, last)?,
        _ => None,
    };
    Ok(VideoEnd { next, tail })
}

/// The smallest pts at or after a tick, if it is near enough to snap to.
fn first_shown(reader: &mut Reader<'_>, scale: Timescale, to: i64) -> Result<Option<i64>, PlanError> {
    let reorder = ticks(scale, REORDER_NS);
    let from = reader.at(VIDEO, scale, to.saturating_sub(reorder))?;
    let mut next: Option<i64> = None;
    reader.forward(VIDEO, from, Reader::reach(scale.media(to), SNAP_NS), |_, s| {
        if next.is_some_and(|n| s.dts > n.saturating_add(reorder)) {
            return ControlFlow::Break(());
        }
        if s.pts() >= to {
            next = Some(next.map_or(s.pts(), |n| n.min(s.pts())));
        }
        ControlFlow::Continue(())
    })?;
    Ok(next)
}

/// Where the time on screen ends of the frame shown last among those up to `last`.
pub(super) fn tail(reader: &mut Reader<'_>, scale: Timescale, last: Place) -> Result<Option<i64>, PlanError> {
    let after = Place { sample: last.sample.saturating_add(1), ..last };
    let (mut newest, mut best): (Option<i64>, Option<(i64, i64)>) = (None, None);
    let reorder = ticks(scale, REORDER_NS);
    reader.backward(VIDEO, after, Reach(MediaTime::MIN), |_, s| {
        if s.dts < newest.get_or_insert(s.dts).saturating_sub(reorder) {
            return ControlFlow::Break(());
        }
        if best.is_none_or(|(pts, _)| s.pts() > pts) {
            best = Some((s.pts(), s.pts() + i64::from(s.duration)));
        }
        ControlFlow::Continue(())
    })?;
    Ok(best.map(|(_, end)| end))
}

/// The next random access point after everything shown before a tick, and the first frame shown of what it
/// begins: its own, or a leading picture's.
fn gop_end(reader: &mut Reader<'_>, scale: Timescale, range: Range<i64>) -> Result<VideoEnd, PlanError> {
    let Some(last) = last_before(reader, scale, range.clone())? else { return Ok(VideoEnd::default()) };
    let after = Place { sample: last.sample.saturating_add(1), ..last };
    let reorder = ticks(scale, REORDER_NS);
    let mut next: Option<i64> = None;
    reader.forward(VIDEO, after, Reader::reach(scale.media(range.end), GOP_NS_MAX), |_, s| {
        if next.is_some_and(|n| s.dts > n.saturating_add(reorder)) {
            return ControlFlow::Break(());
        }
        if next.is_some() || s.rap.is_rap() {
            next = Some(next.map_or(s.pts(), |n| n.min(s.pts())));
        }
        ControlFlow::Continue(())
    })?;
    if next.is_some() {
        return Ok(VideoEnd { next, tail: None });
    }
    if reader.info().live {
        return Err(reader.not_yet());
    }
    let last = last_before(reader, scale, range.start..i64::MAX / 4)?.unwrap_or(last);
    Ok(VideoEnd { next: None, tail: tail(reader, scale, last)? })
}

/// The last sample in decode order that is shown before the end of a range; `None` when that range, and
/// what may be reordered into it, holds no video.
pub(super) fn last_before(
    reader: &mut Reader<'_>,
    scale: Timescale,
    range: Range<i64>,
) -> Result<Option<Place>, PlanError> {
    let reorder = ticks(scale, REORDER_NS);
    let from = reader.at(VIDEO, scale, range.end.saturating_add(reorder))?;
    let reach = Reach(scale.media(range.start.saturating_sub(reorder)));
    let mut found = None;
    reader.backward(VIDEO, from, reach, |place, s| {
        if s.pts() < range.end {
            found = Some(place);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// Pts of the last frame shown before a media time.
pub(super) fn newest_before(
    reader: &mut Reader<'_>,
    scale: Timescale,
    at: MediaTime,
) -> Result<Option<i64>, PlanError> {
    let (to, reorder) = (scale.ticks_ceil(at), ticks(scale, REORDER_NS));
    let from = reader.at(VIDEO, scale, to.saturating_add(reorder))?;
    let mut newest: Option<i64> = None;
    reader.backward(VIDEO, from, Reach(at.plus_ns(-GOP_NS_MAX)), |_, s| {
        if newest.is_some_and(|n| s.dts < n.saturating_sub(reorder)) {
            return ControlFlow::Break(());
        }
        if s.pts() < to {
            newest = Some(newest.map_or(s.pts(), |n| n.max(s.pts())));
        }
        ControlFlow::Continue(())
    })?;
    Ok(newest)
}
