//! Where a range cuts one run: the two instants, and which samples of each track that takes. Ticks of the
//! master track (video where there is any), all on the run's own timeline. Laying the result out in a clip
//! is not decided here.

use std::ops::Range;

use media::{MediaTime, Timescale};

use super::cut_audio::{self, AudioCut};
use super::cut_video::{self, VideoCut, VideoEnd, VideoStart};
use super::error::PlanError;
use super::reader::{Place, Reader, ticks};
use super::request::Accuracy;
use super::{REORDER_NS, SNAP_NS};

/// What happens at one end of a run's stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// It is an end of the clip: an edit cuts it exactly.
    Edge,
    /// Another run's stretch is joined there: nothing can be hidden.
    Joint,
}

/// What audio needs to be cut: its timescale, and samples per frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AudioGrid {
    pub(super) scale: Timescale,
    pub(super) frame: i64,
    pub(super) preroll: u32,
}

/// What to cut out of a run.
#[derive(Debug, Clone)]
pub(super) struct CutRequest {
    pub(super) media: Range<MediaTime>,
    pub(super) sides: (Side, Side),
    pub(super) accuracy: Accuracy,
    /// Scale of the instants: the video's, else the audio's.
    pub(super) master: Timescale,
    pub(super) video: Option<Timescale>,
    pub(super) audio: Option<AudioGrid>,
}

/// A run's stretch of a clip.
#[derive(Debug, Clone)]
pub(super) struct RunCut {
    /// First instant, in the master's ticks.
    pub(super) start: i64,
    /// First instant after it.
    pub(super) end: i64,
    pub(super) video: Option<VideoCut>,
    pub(super) audio: Option<AudioCut>,
    /// The run has nothing at the instant asked for, only later.
    pub(super) clipped_start: bool,
    /// The run has nothing up to the instant asked for.
    pub(super) clipped_end: bool,
}

/// Cuts a run; `None` where the range takes nothing of it.
pub(super) fn cut(reader: &mut Reader<'_>, ask: &CutRequest) -> Result<Option<RunCut>, PlanError> {
    let master = ask.master;
    let from = master.ticks_ceil(ask.media.start.max(reader.info().start));
    let to = end_tick(reader, ask)?;
    if from >= to {
        return Ok(None);
    }
    // The end first: where decoding begins depends on it.
    let End { at: end, last, clipped: clipped_end } = choose_end(reader, ask, from, to)?;
    let video = match ask.video {
        Some(scale) => cut_video::start(reader, ask, scale, from..end)?,
        None => None,
    };
    let audio_begins = match ask.audio {
        Some(grid) => cut_audio::begins(reader, grid, master.rescale(from, grid.scale))?,
        None => None,
    };
    let sound = audio_begins.map(|(a, _)| grid_to(ask, a).max(from));
    let Some(start) = choose_start(ask, from, video.as_ref().map(|v| v.shown), sound) else {
        return Ok(None);
    };
    if start >= end {
        return Ok(None);
    }
    let clipped_start = match (&video, audio_begins) {
        _ if ask.media.start < reader.info().start => true,
        (Some(v), _) if v.shown == start => v.clipped,
        (_, sound) => sound.is_none_or(|(_, before)| !before),
    };
    let video = video.filter(|v| v.shown < end).zip(last).map(|(v, last)| VideoCut::new(v, last));
    let audio = match ask.audio {
        Some(grid) => cut_audio::take(reader, ask, grid, start..end)?,
        None => None,
    };
    if video.is_none() && audio.is_none() {
        return Ok(None);
    }
    Ok(Some(RunCut { start, end, video, audio, clipped_start, clipped_end }))
}

fn grid_to(ask: &CutRequest, audio_ticks: i64) -> i64 {
    ask.audio.map_or(audio_ticks, |g| g.scale.rescale(audio_ticks, ask.master))
}

/// The tick the range ends at. An open end is the end of the run; while the run goes on, the newest frame
/// boundary before which everything is fixed.
fn end_tick(reader: &mut Reader<'_>, ask: &CutRequest) -> Result<i64, PlanError> {
    let info = reader.info();
    if ask.media.end != MediaTime::MAX {
        return Ok(ask.master.ticks_ceil(ask.media.end));
    }
    if !info.live {
        return Ok(ask.master.ticks_ceil(info.end.plus_ns(REORDER_NS).plus_ns(SNAP_NS)));
    }
    let closed = info.closed_end;
    match ask.video {
        Some(scale) => Ok(cut_video::newest_before(reader, scale, closed)?
            .unwrap_or_else(|| ask.master.ticks_floor(closed.plus_ns(-SNAP_NS)))),
        None => Ok(ask.master.ticks_floor(closed)),
    }
}

/// The first frame where one comes soon or there is nothing to hear before it; else the sound's beginning.
fn choose_start(ask: &CutRequest, from: i64, video: Option<i64>, sound: Option<i64>) -> Option<i64> {
    match (video, sound) {
        (Some(v), Some(a)) => {
            let begins = from.max(a.min(v));
            Some(if v - begins <= ticks(ask.master, SNAP_NS) { v } else { a })
        }
        (v, a) => v.or(a),
    }
}

/// Where a stretch ends.
struct End {
    /// First instant after it.
    at: i64,
    /// Last video sample in decode order.
    last: Option<Place>,
    /// The run ends before what was asked for.
    clipped: bool,
}

fn choose_end(reader: &mut Reader<'_>, ask: &CutRequest, from: i64, to: i64) -> Result<End, PlanError> {
    let video = match ask.video {
        Some(scale) => cut_video::end(reader, ask, scale, from..to)?,
        None => VideoEnd::default(),
    };
    let sound = match ask.audio {
        Some(grid) => {
            let range = ask.master.rescale(from, grid.scale)..ask.master.rescale(to, grid.scale);
            cut_audio::ends(reader, grid, range)?.map(|a| grid_to(ask, a))
        }
        None => None,
    };
    let (at, clipped) = end_instant(ask, &video, sound, from..to);
    if !reader.is_fixed(needed(ask, &video, at, to)) {
        return Err(reader.not_yet());
    }
    let Some(scale) = ask.video else { return Ok(End { at, last: None, clipped }) };
    let last = cut_video::last_before(reader, scale, from..at)?;
    let at = match (last, ask.sides.1) {
        // Nothing can be hidden before a joint: what was decoded is shown.
        (Some(last), Side::Joint) => cut_video::tail(reader, scale, last)?.map_or(at, |tail| tail.max(at)),
        _ => at,
    };
    Ok(End { at, last, clipped })
}

/// The end, and whether the run ends before what was asked for.
fn end_instant(ask: &CutRequest, video: &VideoEnd, sound: Option<i64>, range: Range<i64>) -> (i64, bool) {
    let (snap, to) = (ticks(ask.master, SNAP_NS), range.end);
    match (video.next, video.tail) {
        (Some(next), _) if ask.accuracy == Accuracy::Gop || next - to <= snap => (next, false),
        (Some(_), _) => (to, false),
        (None, Some(tail)) if ask.accuracy == Accuracy::Gop => (tail, tail < to),
        (None, Some(tail)) if tail >= to => (to, false),
        (None, tail) => {
            let sound = sound.filter(|a| tail.is_none_or(|tail| *a > tail + snap));
            let end = sound.or(tail).unwrap_or(range.start);
            (end.min(to), end < to)
        }
    }
}

/// Up to where everything must be fixed for the end to be.
fn needed(ask: &CutRequest, video: &VideoEnd, at: i64, to: i64) -> MediaTime {
    match video.next {
        // The frame itself, or one before it could still come.
        Some(next) if next == at => ask.master.media(next).plus_ns(1),
        _ if ask.video.is_some() => ask.master.media(to).plus_ns(SNAP_NS),
        _ => ask.master.media(to),
    }
}

impl VideoCut {
    /// Joins what the two sides of a cut know of the picture.
    fn new(start: VideoStart, last: Place) -> Self {
        let VideoStart { rap, floor, shown, squeezed, .. } = start;
        Self { first: rap, last, floor, shown, squeezed }
    }
}
