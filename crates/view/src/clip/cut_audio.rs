//! The sound's side of a cut: the frame that covers an instant, the frames a decoder needs before it, the
//! last frame. Audio is in presentation order and every frame can be decoded from, given its pre-roll.

use std::ops::{ControlFlow, Range};

use media::{MediaTime, TrackKind};

use super::cut::{AudioGrid, CutRequest, Side};
use super::error::PlanError;
use super::reader::{Place, Reach, Reader};
use super::{REORDER_NS, SNAP_NS};

const AUDIO: TrackKind = TrackKind::Audio;

/// How far a frame's duration may stray from the codec's while the track still counts as unbroken: the
/// tape steers audio by single samples, and FLV sources round to milliseconds (48 samples at 48 kHz).
const STRAY: i64 = 64;

/// Audio samples of a run's stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AudioCut {
    /// First sample in the file.
    pub(super) first: Place,
    /// Last sample in the file.
    pub(super) last: Place,
    /// How many of them only prime the decoder.
    pub(super) preroll: u32,
}

/// Where sound begins at or after a tick, and whether there is any before it.
pub(super) fn begins(
    reader: &mut Reader<'_>,
    grid: AudioGrid,
    at: i64,
) -> Result<Option<(i64, bool)>, PlanError> {
    let before = last_at(reader, grid, at)?;
    if before.is_some_and(|(_, dts)| covers(grid, dts, at)) {
        return Ok(Some((at, true)));
    }
    let from = reader.at(AUDIO, grid.scale, at.saturating_add(1))?;
    let reach = Reader::reach(grid.scale.media(at), SNAP_NS);
    let mut next = None;
    reader.forward(AUDIO, from, reach, |_, s| {
        next = Some(s.dts);
        ControlFlow::Break(())
    })?;
    Ok(next.map(|dts| (dts, before.is_some())))
}

/// Where the sound ends that begins in a range of ticks.
pub(super) fn ends(
    reader: &mut Reader<'_>,
    grid: AudioGrid,
    range: Range<i64>,
) -> Result<Option<i64>, PlanError> {
    let from = reader.at(AUDIO, grid.scale, range.end)?;
    let mut end = None;
    reader.backward(AUDIO, from, near(grid, range.start), |_, s| {
        end = Some(s.dts.saturating_add(i64::from(s.duration)));
        ControlFlow::Break(())
    })?;
    Ok(end)
}

/// The samples of a stretch whose two instants are given in the master's ticks.
pub(super) fn take(
    reader: &mut Reader<'_>,
    ask: &CutRequest,
    grid: AudioGrid,
    stretch: Range<i64>,
) -> Result<Option<AudioCut>, PlanError> {
    let from = ask.master.rescale(stretch.start, grid.scale);
    let to = ask.master.rescale(stretch.end, grid.scale);
    let (first, preroll) = match ask.sides.0 {
        Side::Edge => first_with_preroll(reader, grid, from)?,
        // Whichever frame begins nearest to the joint, so that joints do not add up.
        Side::Joint => (reader.at(AUDIO, grid.scale, from - grid.frame / 2 + 1)?, 0),
    };
    let end = match ask.sides.1 {
        Side::Edge => to,
        Side::Joint => to - grid.frame / 2,
    };
    let end = reader.at(AUDIO, grid.scale, end)?;
    let reach = near(grid, from);
    let mut last = None;
    reader.backward(AUDIO, end, reach, |place, s| {
        last = (s.dts.saturating_add(i64::from(s.duration)) > from).then_some(place);
        ControlFlow::Break(())
    })?;
    Ok(last.filter(|last| *last >= first).map(|last| AudioCut { first, last, preroll }))
}

/// The first frame for an exact start, and how many frames from it on are pre-roll.
fn first_with_preroll(
    reader: &mut Reader<'_>,
    grid: AudioGrid,
    from: i64,
) -> Result<(Place, u32), PlanError> {
    let main = match last_at(reader, grid, from)? {
        Some((place, dts)) if covers(grid, dts, from) => Some((place, dts)),
        _ => None,
    };
    let Some((place, dts)) = main else {
        return Ok((reader.at(AUDIO, grid.scale, from.saturating_add(1))?, 0));
    };
    let (mut first, mut next, mut preroll) = (place, dts, 0);
    reader.backward(AUDIO, place, near(grid, from), |place, s| {
        if preroll == grid.preroll || !covers(grid, s.dts, next - 1) {
            return ControlFlow::Break(());
        }
        (first, next, preroll) = (place, s.dts, preroll + 1);
        ControlFlow::Continue(())
    })?;
    Ok((first, preroll))
}

/// The last frame that begins at or before a tick.
fn last_at(reader: &mut Reader<'_>, grid: AudioGrid, at: i64) -> Result<Option<(Place, i64)>, PlanError> {
    let from = reader.at(AUDIO, grid.scale, at.saturating_add(1))?;
    let mut found = None;
    reader.backward(AUDIO, from, near(grid, at), |place, s| {
        found = Some((place, s.dts));
        ControlFlow::Break(())
    })?;
    Ok(found)
}

fn covers(grid: AudioGrid, dts: i64, at: i64) -> bool {
    at - dts < grid.frame + STRAY
}

/// How far back sound before `at` is of interest: one that stopped long before is over.
fn near(grid: AudioGrid, at: i64) -> Reach {
    Reach(MediaTime(grid.scale.media(at).0.saturating_sub(REORDER_NS)))
}
