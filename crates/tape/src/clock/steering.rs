//! Which arrivals move the map of a run. The least delayed packet of a stretch tells how far the map is off; the
//! least delayed ones of several stretches tell how much faster or slower the source's clock runs. The arrivals are
//! arguments: no clock is read here.

use std::collections::VecDeque;

use media::{MediaTime, WallTime};

use super::map::{Anchor, WallMap};
use crate::publisher::Arrival;

/// Greatest slope correction: 500 ppm, what crystal clocks and NTP slewing stay within.
const SLEW_PPB_MAX: i64 = 500_000;
/// A new anchor is considered once per this much media, a stretch.
const STRETCH_NS: i64 = 10_000_000_000;
/// A correction is spread over this much media.
const SLEW_OVER_NS: i64 = 30_000_000_000;
/// Errors beyond this are a step of one clock and begin a new piece; below it they are slewed.
const STEP_NS: i64 = 500_000_000;
/// Errors below this are arrival jitter.
const NOISE_NS: i64 = 1_500_000;
/// A piece that stays this close for [`SLEW_OVER_NS`] goes on: closer than arrival jitter lets anyone tell, and
/// the journal of a good source does not grow.
const CLOSE_NS: i64 = 3_000_000;
/// Stretches that the source's rate is told from: five minutes, in which a millisecond of noise is 3 ppm.
const STRETCHES_MAX: usize = 30;

/// The least delayed packet of a stretch: where it lies, and `mono - media` of it.
#[derive(Debug, Clone, Copy)]
struct Least {
    at: MediaTime,
    delay: i64,
}

/// Watches arrivals and proposes anchors.
///
/// Delays are measured on the monotonic clock. The system clock is only compared with it: a step of the one is seen at
/// the next packet as what it is, and never taken for the network's or the source's doing.
#[derive(Debug)]
pub(crate) struct Steering {
    map: WallMap,
    /// `wall - mono` as of the newest arrival.
    offset: i64,
    /// First instant of the open stretch.
    since: MediaTime,
    /// The newest media time noted: all that was served lies at or before it.
    newest: MediaTime,
    least: Option<Least>,
    stretches: VecDeque<Least>,
}

/// `wall - mono` of an arrival.
fn offset(now: Arrival) -> i64 {
    now.wall.0.saturating_sub(mono_ns(now))
}

fn mono_ns(now: Arrival) -> i64 {
    i64::try_from(now.mono.as_nanos()).unwrap_or(i64::MAX)
}

/// `mono - media` of an arrival.
pub(crate) fn delay(at: MediaTime, now: Arrival) -> i64 {
    mono_ns(now).saturating_sub(at.0)
}

impl Steering {
    /// Begins a run at `media`. `least` is the least [`delay`] of its first packets, `now` the arrival of the newest.
    pub(crate) fn new(media: MediaTime, least: i64, now: Arrival) -> Self {
        let offset = offset(now);
        let wall = WallTime(media.0.saturating_add(least).saturating_add(offset));
        Self {
            map: WallMap::new(Anchor { media, wall, ppb: 0 }),
            offset,
            since: media,
            newest: media,
            least: None,
            stretches: VecDeque::with_capacity(STRETCHES_MAX),
        }
    }

    /// The map so far.
    pub(crate) fn map(&self) -> &WallMap {
        &self.map
    }

    /// Notes that media time `at` arrived `now`. Gives the anchor to record when the map changes.
    pub(crate) fn arrived(&mut self, at: MediaTime, now: Arrival) -> Option<Anchor> {
        self.newest = self.newest.max(at);
        let delay = delay(at, now);
        if self.least.is_none_or(|l| delay < l.delay) {
            self.least = Some(Least { at, delay });
        }
        let stepped = offset(now).saturating_sub(self.offset);
        if stepped.abs() > STEP_NS {
            self.offset = offset(now);
            return Some(self.step(stepped));
        }
        if at.since_ns(self.since) < STRETCH_NS {
            return None;
        }
        self.offset = offset(now);
        self.since = at;
        let least = self.least.take()?;
        self.correction(least)
    }

    /// The map goes on `by` later or earlier behind all that was served.
    fn step(&mut self, by: i64) -> Anchor {
        let media = self.newest.plus_ns(1);
        let ppb = self.map.last().ppb;
        self.push(Anchor { media, wall: self.map.wall(media).plus_ns(by), ppb })
    }

    fn push(&mut self, anchor: Anchor) -> Anchor {
        self.map.push(anchor);
        anchor
    }

    fn correction(&mut self, least: Least) -> Option<Anchor> {
        let error = self.error(least, self.rate());
        if error.abs() > STEP_NS {
            // Neither clock did this: the source stopped and went on, or what it had queued has drained.
            self.stretches.clear();
            return Some(self.step(error));
        }
        if self.stretches.len() == STRETCHES_MAX {
            self.stretches.pop_front();
        }
        self.stretches.push_back(least);
        let (at, rate, ppb) = (self.newest, self.rate(), i64::from(self.map.last().ppb));
        let error = self.error(least, rate);
        let ahead = error.saturating_add(scaled(SLEW_OVER_NS, rate - ppb));
        if error.abs() < CLOSE_NS && ahead.abs() < CLOSE_NS {
            return None;
        }
        // What is within noise is not chased: the slope is the rate then, and holds for long.
        let chased = if error.abs() < NOISE_NS { 0 } else { error };
        let ppb = rate + chased.saturating_mul(1_000_000_000) / SLEW_OVER_NS;
        let ppb = i32::try_from(ppb.clamp(-SLEW_PPB_MAX, SLEW_PPB_MAX)).expect("clamped to 500 000");
        let anchor = Anchor { media: at, wall: self.map.wall(at), ppb };
        (ppb != self.map.last().ppb).then(|| self.push(anchor))
    }

    /// How far the map is behind: what the least delayed packet would be delayed by if it came now, by the map.
    fn error(&self, least: Least, rate: i64) -> i64 {
        let at = self.newest;
        let due = least.delay.saturating_add(scaled(at.since_ns(least.at), rate));
        at.0.saturating_add(due).saturating_add(self.offset).saturating_sub(self.map.wall(at).0)
    }

    /// By how much the source's clock is slower than ours, in parts per 1e9: the median of the slopes between the
    /// stretches, which a few badly delayed ones do not move.
    fn rate(&self) -> i64 {
        let mut slopes = Vec::with_capacity(STRETCHES_MAX * STRETCHES_MAX / 2);
        for (i, a) in self.stretches.iter().enumerate() {
            for b in self.stretches.iter().skip(i + 1) {
                let span = b.at.since_ns(a.at);
                if span >= STRETCH_NS / 2 {
                    let rise = i128::from(b.delay.saturating_sub(a.delay)) * 1_000_000_000 / i128::from(span);
                    let limit = i128::from(SLEW_PPB_MAX);
                    slopes.push(rise.clamp(-limit, limit) as i64);
                }
            }
        }
        slopes.sort_unstable();
        slopes.get(slopes.len() / 2).copied().unwrap_or(0)
    }
}

/// `ns` times parts per 1e9.
fn scaled(ns: i64, ppb: i64) -> i64 {
    let v = i128::from(ns) * i128::from(ppb) / 1_000_000_000;
    i64::try_from(v).unwrap_or(if v < 0 { i64::MIN / 2 } else { i64::MAX / 2 })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MS: i64 = 1_000_000;
    const S: i64 = 1_000_000_000;
    /// Where the two clocks of the tests begin.
    const MONO: i64 = 5_000 * S;
    const WALL: i64 = 1_700_000_000 * S;

    /// A source whose clock is `ppm` slow, a packet each 20 ms, delayed by up to `jitter` ns, seen by a system clock
    /// that has stepped by `step(s)` at second `s`.
    struct World {
        ppm: i64,
        jitter: u64,
        step: fn(i64) -> i64,
    }

    /// What was served for a packet, and what is true: its wall time if it were not delayed.
    struct Served {
        media: MediaTime,
        wall: WallTime,
        truth: i64,
    }

    impl World {
        fn run(&self, seed: u64, seconds: i64) -> (Steering, Vec<Served>) {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut steering: Option<Steering> = None;
            let (mut least, mut served) = (i64::MAX, Vec::new());
            let mut arrived = 0;
            for n in 0..seconds * 50 {
                let media = MediaTime(10 * S + n * 20 * MS);
                let sent = n * 20 * MS + n * 20 * self.ppm * MS / 1_000_000;
                // What is sent later never arrives earlier.
                arrived = (sent + random.u64(0..=self.jitter) as i64).max(arrived);
                let mono = Duration::from_nanos((MONO + arrived) as u64);
                let now = Arrival { mono, wall: WallTime(WALL + arrived + (self.step)(sent / S)) };
                match &mut steering {
                    Some(s) => _ = s.arrived(media, now),
                    None if n < 25 => least = least.min(delay(media, now)),
                    None => {
                        steering = Some(Steering::new(MediaTime(10 * S), least.min(delay(media, now)), now))
                    }
                }
                if let Some(s) = &steering {
                    let truth = WALL + sent + (self.step)(sent / S);
                    served.push(Served { media, wall: s.map().wall(media), truth });
                }
            }
            (steering.unwrap(), served)
        }
    }

    fn steady(_: i64) -> i64 {
        0
    }

    #[test]
    fn a_drifting_jittering_source_is_followed_within_20_ms_for_two_hours() {
        for (seed, ppm) in [(1, 300), (2, -300), (3, 0), (4, 120), (5, 450)] {
            let (steering, served) = World { ppm, jitter: 80 * MS as u64, step: steady }.run(seed, 7_200);
            let worst = served.iter().map(|s| (s.wall.0 - s.truth).abs()).max().unwrap();
            assert!(worst < 20 * MS, "{ppm} ppm: {worst} ns off");
            for s in &served {
                assert_eq!(steering.map().wall(s.media), s.wall, "a time that was served has changed");
            }
            assert!(served.windows(2).all(|w| w[0].wall < w[1].wall), "an overlap");
            let holes = served.windows(2).filter(|w| w[1].wall.since_ns(w[0].wall) > 20 * MS + 20_000);
            assert_eq!(holes.count(), 0, "a hole");
        }
    }

    #[test]
    fn a_good_source_needs_few_anchors() {
        let (steering, _) = World { ppm: 20, jitter: MS as u64, step: steady }.run(1, 3_600);
        assert!(steering.map().anchors().len() <= 6, "{:#?} anchors", steering.map().anchors());
    }

    #[test]
    fn steps_of_the_system_clock_are_pieces_at_the_very_packet() {
        for by in [3_600 * S, -3_600 * S, S, -S] {
            fn at_100<const BY: i64>(s: i64) -> i64 {
                if s >= 100 { BY } else { 0 }
            }
            let step = match by {
                b if b == 3_600 * S => at_100::<{ 3_600 * S }>,
                b if b == -3_600 * S => at_100::<{ -3_600 * S }>,
                b if b == S => at_100::<S>,
                _ => at_100::<{ -S }>,
            };
            let (steering, served) = World { ppm: 0, jitter: 40 * MS as u64, step }.run(7, 300);
            // Jitter lets a packet or two around the step be seen before or after it.
            let off = served.iter().filter(|s| (s.wall.0 - s.truth).abs() > 20 * MS);
            assert!(off.count() <= 4, "{by}");
            let map = steering.map();
            let steps = map.anchors().windows(2).filter(|w| {
                let goes_on = WallMap::new(w[0]).wall(w[1].media);
                w[1].wall.since_ns(goes_on).abs() > STEP_NS
            });
            assert_eq!(steps.count(), 1, "{by}: {:?}", map.anchors());
        }
    }

    #[test]
    fn slow_corrections_of_the_system_clock_are_slewed() {
        fn adjusted(s: i64) -> i64 {
            if s >= 100 { 300 * MS } else { 0 }
        }
        let (steering, served) = World { ppm: 0, jitter: 10 * MS as u64, step: adjusted }.run(7, 1_200);
        assert!(served.windows(2).all(|w| w[0].wall < w[1].wall));
        let last = served.last().unwrap();
        assert!((last.wall.0 - last.truth).abs() < 20 * MS);
        let ppb = steering.map().anchors().iter().map(|a| a.ppb.abs()).max();
        assert_eq!(ppb, Some(500_000));
    }

    #[test]
    fn a_source_that_stops_and_goes_on_where_it_was_is_moved_once() {
        let mut steering =
            Steering::new(MediaTime(0), 0, Arrival { mono: Duration::ZERO, wall: WallTime(WALL) });
        let mut steps = 0;
        for n in 1..200i64 {
            let media = MediaTime(n * S);
            let mono = n + if n > 20 { 5 } else { 0 };
            let now = Arrival { mono: Duration::from_secs(mono as u64), wall: WallTime(WALL + mono * S) };
            steps += i32::from(steering.arrived(media, now).is_some());
        }
        assert_eq!(steps, 1);
        assert_eq!(steering.map().wall(MediaTime(199 * S)), WallTime(WALL + 204 * S));
    }
}
