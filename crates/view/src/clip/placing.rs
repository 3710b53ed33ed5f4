//! Where the stretches of a clip lie in it: one after the other, or where the wall clock puts them. Which samples a
//! stretch has is settled before; a track's own ticks come later.

use media::{MediaTime, Timescale, WallTime};

use super::HOLD_NS_MAX;
use super::boxes::MOVIE_HZ;
use super::error::PlanError;
use super::planner::{Chosen, Grids, wall};
use crate::query::GapPolicy;

/// A run's clock is steered by at most 500 parts in a million; what differs by more has been stepped.
const STEERED_PPM: i64 = 500;
/// Media and wall times of one instant are rounded apart.
const ROUNDING_NS: i64 = 1_000;

/// How far a clip reaches beyond its media, where gaps are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Bounds {
    /// Where it begins, if that is before its first stretch.
    pub(super) start: Option<WallTime>,
    /// Where it ends, if that is after its last.
    pub(super) end: Option<WallTime>,
}

/// Where everything lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placing {
    /// Clip time that each stretch begins at, in ticks of the master.
    pub(super) bases: Vec<i64>,
    /// Clip time that all ends at, in ticks of the master.
    pub(super) length: i64,
    /// How long nothing is shown before clip time zero, in ticks of the movie.
    pub(super) lead: i64,
    pub(super) gaps: GapPolicy,
}

impl Placing {
    pub(super) fn new(
        chosen: &[Chosen<'_>],
        grids: Grids,
        gaps: GapPolicy,
        bounds: Bounds,
    ) -> Result<Self, PlanError> {
        let mut placing = Self { bases: Vec::new(), length: 0, lead: 0, gaps };
        let mut at_ns = 0i64;
        for (number, stretch) in chosen.iter().enumerate() {
            if let Some(before) = number.checked_sub(1).map(|n| &chosen[n]).filter(|_| placing.holds()) {
                at_ns = at_ns
                    .saturating_add(lasts_ns(before, grids))
                    .saturating_add(gap_ns(before, stretch, grids));
                placing.hold_until(ticks(grids.master, at_ns), grids.master)?;
            }
            placing.bases.push(placing.length);
            placing.length += stretch.cut.end - stretch.cut.start;
        }
        if let (true, Some(first), Some(last)) = (placing.holds(), chosen.first(), chosen.last()) {
            let start = wall(first, grids, first.cut.start);
            let lead = bounds.start.map_or(0, |at| start.since_ns(at).max(0));
            placing.lead = ticks(Timescale::new(MOVIE_HZ).expect("not zero"), lead);
            let tail = bounds.end.map_or(0, |at| at.since_ns(wall(last, grids, last.cut.end)).max(0));
            placing.hold_until(placing.length.saturating_add(ticks(grids.master, tail)), grids.master)?;
        }
        Ok(placing)
    }

    /// How long the file lasts.
    pub(super) fn lasts_ns(&self, grids: Grids) -> i64 {
        let lead = Timescale::new(MOVIE_HZ).expect("not zero").media(self.lead);
        grids.master.media(self.length).0.saturating_add(lead.0)
    }

    /// Whether gaps are held.
    pub(super) fn holds(&self) -> bool {
        self.gaps == GapPolicy::Hold
    }

    /// Goes on at `at`, or at once where that is over.
    fn hold_until(&mut self, at: i64, master: Timescale) -> Result<(), PlanError> {
        let ns = master.media(at.saturating_sub(self.length)).0;
        if ns > HOLD_NS_MAX {
            let second = 1_000_000_000;
            return Err(PlanError::GapTooLong { seconds: ns / second, limit_s: HOLD_NS_MAX / second });
        }
        self.length = self.length.max(at);
        Ok(())
    }
}

/// How long a stretch lasts by the wall clock; by its own, where the wall clock was stepped meanwhile.
fn lasts_ns(stretch: &Chosen<'_>, grids: Grids) -> i64 {
    let (start, end) = (stretch.cut.start, stretch.cut.end);
    let own = grids.master.media(end).since_ns(grids.master.media(start));
    let told = wall(stretch, grids, end).since_ns(wall(stretch, grids, start));
    let steered = own / 1_000_000 * STEERED_PPM + ROUNDING_NS;
    if told.abs_diff(own) <= steered.unsigned_abs() { told } else { own }
}

fn gap_ns(before: &Chosen<'_>, after: &Chosen<'_>, grids: Grids) -> i64 {
    wall(after, grids, after.cut.start).since_ns(wall(before, grids, before.cut.end)).max(0)
}

/// A span of nanoseconds in ticks, to the nearest.
fn ticks(scale: Timescale, ns: i64) -> i64 {
    scale.ticks_floor(MediaTime(ns.saturating_add(500_000_000 / i64::from(scale.hz()))))
}
