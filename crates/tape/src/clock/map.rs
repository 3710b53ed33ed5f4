//! From media time to wall time and back: piecewise linear, per run. The map only ever grows at its end, so that
//! a wall time once served never changes. What it grows by is decided in [`super::steering`].

use std::sync::Arc;

use media::{MediaTime, WallTime};
use serde::{Deserialize, Serialize};

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
}
