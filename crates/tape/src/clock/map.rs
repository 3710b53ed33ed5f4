//! From media time to wall time and back: piecewise linear, per run. The map only ever grows at its end, so that
//! a wall time once served never changes. What it grows by is decided in [`super::steering`].

use std::ops::Range;
use std::sync::Arc;

use media::{MediaTime, WallTime};
use serde::{Deserialize, Serialize};

/// Pieces that do not meet by less than this are one stretch of time: rounding.
const STEP_NS: i64 = 1_000_000;

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

    /// The stretches of `within` whose wall time lies in a range, oldest first. More than one where the wall clock
    /// stepped back and times exist twice; none where it stepped over the range.
    pub fn spans(&self, range: &Range<WallTime>, within: Range<MediaTime>) -> Vec<Range<MediaTime>> {
        let mut spans: Vec<Range<MediaTime>> = Vec::new();
        for (i, piece) in self.anchors.iter().enumerate() {
            let begin = if i == 0 { within.start } else { piece.media.max(within.start) };
            let end = self.anchors.get(i + 1).map_or(within.end, |next| next.media.min(within.end));
            let span = piece.media(range.start).max(begin)..piece.media(range.end).min(end);
            if begin >= end || span.start >= span.end {
                continue;
            }
            match spans.last_mut() {
                Some(last) if last.end == span.start => last.end = span.end,
                _ => spans.push(span),
            }
        }
        spans
    }

    /// The stretches of `within` over which wall time goes on without a step, oldest first.
    pub fn stretches(&self, within: Range<MediaTime>) -> Vec<Range<MediaTime>> {
        let steps = self.anchors.windows(2).filter(|w| {
            let off = w[1].wall.since_ns(w[0].wall(w[1].media));
            off.abs() > STEP_NS
        });
        let cuts = steps.map(|w| w[1].media).filter(|at| *at > within.start && *at < within.end);
        let mut bounds = vec![within.start];
        bounds.extend(cuts);
        bounds.push(within.end);
        bounds.windows(2).map(|w| w[0]..w[1]).collect()
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

    /// Two hours, of which the clock stepped back by one after the first, and on by a minute after ten more minutes.
    fn stepped() -> WallMap {
        const MINUTE: i64 = 60_000_000_000;
        let anchor = |media: i64, wall: i64| Anchor { media: MediaTime(media), wall: WallTime(wall), ppb: 0 };
        let mut map = WallMap::new(anchor(0, 1_000 * MINUTE));
        map.push(anchor(60 * MINUTE, 1_000 * MINUTE));
        map.push(anchor(70 * MINUTE, 1_011 * MINUTE));
        map
    }

    #[test]
    fn a_wall_time_that_exists_twice_is_found_twice_and_one_that_never_was_not_at_all() {
        const MINUTE: i64 = 60_000_000_000;
        let spans = |from: i64, to: i64| {
            let range = WallTime(from * MINUTE)..WallTime(to * MINUTE);
            let spans = stepped().spans(&range, MediaTime(0)..MediaTime(120 * MINUTE));
            spans.iter().map(|s| (s.start.0 / MINUTE, s.end.0 / MINUTE)).collect::<Vec<_>>()
        };
        assert_eq!(spans(1_005, 1_008), [(5, 8), (65, 68)]);
        assert_eq!(spans(1_040, 1_050), [(40, 50), (99, 109)]);
        assert_eq!(spans(1_055, 1_070), [(55, 60), (114, 120)]);
        assert_eq!(spans(990, 1_100), [(0, 120)]);
        assert_eq!(spans(1_200, 1_300), []);
        let within = stepped().spans(
            &(WallTime(1_010 * MINUTE)..WallTime(1_011 * MINUTE)),
            MediaTime(61 * MINUTE)..MediaTime::MAX,
        );
        assert_eq!(within, [], "the second pass stepped over this minute");
        let stretches = stepped().stretches(MediaTime(0)..MediaTime(120 * MINUTE));
        assert_eq!(stretches.len(), 3);
        assert_eq!(stretches[1], MediaTime(60 * MINUTE)..MediaTime(70 * MINUTE));
    }

    proptest! {
        #[test]
        fn without_steps_the_one_span_is_what_the_two_ends_say(ppb in -400i32..400, from in 0i64..1 << 40, len in 1i64..1 << 36) {
            let mut map = WallMap::new(Anchor { media: MediaTime(0), wall: WallTime(1 << 50), ppb });
            let at = MediaTime(1 << 35);
            map.push(Anchor { media: at, wall: map.wall(at), ppb: -ppb });
            let range = WallTime((1 << 50) + from)..WallTime((1 << 50) + from + len);
            let spans = map.spans(&range, MediaTime(0)..MediaTime::MAX);
            prop_assert_eq!(spans.len(), 1);
            prop_assert!(spans[0].start.since_ns(map.media(range.start)).abs() <= 2);
            prop_assert!(spans[0].end.since_ns(map.media(range.end)).abs() <= 2);
        }
    }
}
