//! From media time to wall time and back: piecewise linear, per run. The map only ever grows at its end,
//! so that a wall time once served never changes. Which arrivals steer it is decided here too; the
//! arrivals themselves are arguments.

use std::sync::Arc;

use media::{MediaTime, WallTime};
use serde::{Deserialize, Serialize};

/// Greatest slope correction: 500 ppm, what crystal clocks and NTP slewing stay within.
pub(crate) const SLEW_PPB_MAX: i64 = 500_000;
/// A new anchor is considered once per this much media.
pub(crate) const ANCHOR_EVERY_NS: i64 = 30_000_000_000;
/// Errors beyond this are a step of one clock and begin a new piece; below it they are slewed.
pub(crate) const STEP_NS: i64 = 500_000_000;
/// Errors below this are arrival jitter and leave the map as it is.
pub(crate) const NOISE_NS: i64 = 2_000_000;

/// From `media` on, wall time is `wall + (m - media) * (1 + ppb / 1e9)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Where this piece begins.
    pub media: MediaTime,
    /// The wall time of `media`.
    pub wall: WallTime,
    /// Deviation of the slope from one, in parts per 1e9.
    pub ppb: i32,
}

impl Anchor {
    fn wall(&self, at: MediaTime) -> WallTime {
        let d = i128::from(at.since_ns(self.media));
        self.wall.plus_ns(scale(d, 1_000_000_000 + i128::from(self.ppb), 1_000_000_000))
    }

    /// The first media time whose wall time is at or after `at`; for instants centuries away only about that.
    fn media(&self, at: WallTime) -> MediaTime {
        let d = i128::from(at.since_ns(self.wall));
        let guess = self.media.plus_ns(scale(d, 1_000_000_000, 1_000_000_000 + i128::from(self.ppb)));
        // Both directions round down, so the answer is next to the guess.
        let near = (-2..=2).map(|n| guess.plus_ns(n));
        near.into_iter().find(|m| self.wall(*m) >= at).unwrap_or(guess)
    }
}

fn scale(v: i128, num: i128, den: i128) -> i64 {
    i64::try_from((v * num).div_euclid(den)).unwrap_or(if v < 0 { i64::MIN / 2 } else { i64::MAX / 2 })
}

/// The wall clock of one run. Cheap to clone; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WallMap {
    anchors: Arc<Vec<Anchor>>,
}

impl WallMap {
    /// A map of one piece.
    pub fn new(first: Anchor) -> Self {
        Self { anchors: Arc::new(vec![first]) }
    }

    /// Appends a piece. One that begins before the newest piece is ignored: it would change the past.
    pub fn push(&mut self, anchor: Anchor) {
        if anchor.media > self.last().media {
            Arc::make_mut(&mut self.anchors).push(anchor);
        }
    }

    /// The newest piece.
    pub fn last(&self) -> Anchor {
        *self.anchors.last().expect("a map begins with one anchor")
    }

    /// All pieces, oldest first.
    pub fn anchors(&self) -> &[Anchor] {
        &self.anchors
    }

    /// The wall time of a media time.
    pub fn wall(&self, at: MediaTime) -> WallTime {
        let i = self.anchors.partition_point(|a| a.media <= at).max(1) - 1;
        self.anchors[i].wall(at)
    }

    /// The first media time whose wall time is at or after `at`. Where the wall clock stepped back and a
    /// time exists twice, the later one.
    pub fn media(&self, at: WallTime) -> MediaTime {
        let i = self.anchors.iter().rposition(|a| a.wall <= at).unwrap_or(0);
        let media = self.anchors[i].media(at);
        match self.anchors.get(i + 1) {
            // A step forward left wall times without media: the piece ends where the next begins.
            Some(next) => media.min(next.media),
            None => media,
        }
    }
}

/// Watches arrivals and proposes anchors: the least delayed packet of a stretch tells how far the map is
/// off, and the next stretch is slewed toward it.
#[derive(Debug)]
pub(crate) struct Steering {
    map: WallMap,
    since: MediaTime,
    least: Option<i64>,
}

impl Steering {
    /// Begins a run whose first packets arrived with these least-delayed `(media, wall)` times.
    pub(crate) fn new(media: MediaTime, wall: WallTime) -> Self {
        Self { map: WallMap::new(Anchor { media, wall, ppb: 0 }), since: media, least: None }
    }

    /// The map so far.
    pub(crate) fn map(&self) -> &WallMap {
        &self.map
    }

    /// Notes that media time `at` arrived at `wall`. Gives the anchor to record when one is due.
    pub(crate) fn arrived(&mut self, at: MediaTime, wall: WallTime) -> Option<Anchor> {
        let late = wall.since_ns(self.map.wall(at));
        self.least = Some(self.least.map_or(late, |l| l.min(late)));
        if at.since_ns(self.since) < ANCHOR_EVERY_NS {
            return None;
        }
        let error = self.least.take().unwrap_or(0);
        self.since = at;
        let anchor = self.correction(at, error)?;
        self.map.push(anchor);
        Some(anchor)
    }

    fn correction(&self, at: MediaTime, error: i64) -> Option<Anchor> {
        let wall = self.map.wall(at);
        if error.abs() > STEP_NS {
            return Some(Anchor { media: at, wall: wall.plus_ns(error), ppb: 0 });
        }
        let ppb = if error.abs() < NOISE_NS {
            0
        } else {
            (error / (ANCHOR_EVERY_NS / 1_000_000_000)).clamp(-SLEW_PPB_MAX, SLEW_PPB_MAX)
        };
        let ppb = i32::try_from(ppb).expect("clamped to 500 000");
        (ppb != self.map.last().ppb).then_some(Anchor { media: at, wall, ppb })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn media_is_the_first_instant_at_or_after_a_wall_time(
            ppb in -500_000i32..500_000, base in 0i64..1 << 40, d in -1_000_000_000_000i64..1_000_000_000_000,
        ) {
            let a = Anchor { media: MediaTime(10_000_000_000), wall: WallTime(base), ppb };
            let map = WallMap::new(a);
            let want = WallTime(base + d);
            let m = map.media(want);
            prop_assert!(map.wall(m) >= want);
            prop_assert!(map.wall(m.plus_ns(-1)) < want);
        }
    }

    #[test]
    fn a_drifting_source_is_slewed_toward_and_the_past_stays() {
        let mut steering = Steering::new(MediaTime(0), WallTime(0));
        let mut served = Vec::new();
        for s in 0..7200i64 {
            let at = MediaTime(s * 1_000_000_000);
            // 300 ppm slow source with up to 40 ms of delay on most packets.
            let wall = WallTime(s * 1_000_300_000 + (s * 7919 % 41) * 1_000_000);
            steering.arrived(at, wall);
            served.push((at, steering.map().wall(at)));
            if s > 60 {
                let error = steering.map().wall(at).0 - s * 1_000_300_000;
                assert!(error.abs() < 25_000_000, "{error} ns off after {s} s");
            }
        }
        for (at, wall) in served {
            assert_eq!(steering.map().wall(at), wall);
        }
    }

    #[test]
    fn a_step_of_the_clock_is_a_new_piece() {
        let mut steering = Steering::new(MediaTime(0), WallTime(0));
        for s in 1..=60i64 {
            steering.arrived(MediaTime(s * 1_000_000_000), WallTime((s + 3600) * 1_000_000_000));
        }
        assert_eq!(steering.map().wall(MediaTime(60_000_000_000)), WallTime(3_660_000_000_000));
    }
}
