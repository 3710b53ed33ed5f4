//! Sound on its sample clock. A source states times in milliseconds, a frame of 1024 samples at 44.1 kHz
//! is 23.22 of them: stored as stated, every packet would be a gap or an overlap. Here packets follow
//! each other by samples, and the source's clock only steers.

use super::Timescale;

/// Milliseconds between the source's clock and the sample clock up to which the latter is steered. More
/// means that sound is missing (or doubled), which no steering may smear over minutes.
pub const STEER_MS_MAX: i64 = 100;

/// Where an audio packet lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioPlaced {
    /// Decode time in ticks of the track's timescale, strictly rising.
    pub dts: i64,
    /// Samples by which the source stepped away from its sample clock, where it did just now. Negative:
    /// it stepped back, and packets lie a tick apart until it is where the sound is.
    pub step: Option<i64>,
}

/// The clock of one audio track, in ticks of its timescale.
///
/// A packet lies one frame after the one before while the source's time is within one frame of that (the
/// dead band); beyond it up to [`STEER_MS_MAX`] it lies one sample more or less after, toward the source
/// (976 ppm of a frame of 1024, more than any crystal is off); beyond that it lies where the source says,
/// but never before the packet before it.
#[derive(Debug, Clone)]
pub struct AudioClock {
    rate: Timescale,
    frame_samples: i64,
    place: Option<Place>,
    stepped_back: bool,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    last: i64,
    next: i64,
}

impl AudioClock {
    /// A clock for packets of `frame_samples` ticks at `rate`; the first packet sets it.
    pub fn new(rate: Timescale, frame_samples: u16) -> Self {
        Self { rate, frame_samples: frame_samples.into(), place: None, stepped_back: false }
    }

    /// The clock that goes on where this one is, with another configuration. The packet before is never
    /// taken for earlier than it was: rounded down and up again, the next could lie on top of it.
    pub fn changed(&self, rate: Timescale, frame_samples: u16) -> Self {
        let place = self.place.map(|place| Place {
            last: self.rate.rescale_ceil(place.last, rate),
            next: self.rate.rescale(place.next, rate),
        });
        Self { place, stepped_back: self.stepped_back, ..Self::new(rate, frame_samples) }
    }

    /// Ticks in a second.
    pub const fn rate(&self) -> Timescale {
        self.rate
    }

    /// As [`AudioClock::place`], of a packet that says itself how many ticks it lasts.
    pub fn place_lasting(&mut self, run_ms: i64, samples: u16) -> AudioPlaced {
        let placed = self.place(run_ms);
        if let Some(place) = &mut self.place {
            place.next = placed.dts + i64::from(samples);
        }
        placed
    }

    /// The decode time of a packet whose source time is this millisecond of the run.
    pub fn place(&mut self, run_ms: i64) -> AudioPlaced {
        let source = MILLISECONDS.rescale(run_ms, self.rate);
        let Some(Place { last, next }) = self.place else {
            return self.settle(source, None);
        };
        let error = source - next;
        let steer_max = STEER_MS_MAX * i64::from(self.rate.hz()) / 1000;
        if error.abs() <= self.frame_samples.max(steer_max) {
            self.stepped_back = false;
            let steer = if error.abs() <= self.frame_samples { 0 } else { error.signum() };
            return self.settle(next + steer, None);
        }
        let told = self.stepped_back && error < 0;
        self.stepped_back = error < 0;
        self.settle(source.max(last + 1), (!told).then_some(error))
    }

    fn settle(&mut self, dts: i64, step: Option<i64>) -> AudioPlaced {
        self.place = Some(Place { last: dts, next: dts + self.frame_samples });
        AudioPlaced { dts, step }
    }
}

const MILLISECONDS: Timescale = Timescale::new(1000).expect("not zero");

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clock(rate: u32, frame: u16) -> AudioClock {
        AudioClock::new(Timescale::new(rate).unwrap(), frame)
    }

    /// Decode times of packets at these run milliseconds, and the steps told.
    fn run(clock: &mut AudioClock, ms: impl IntoIterator<Item = i64>) -> (Vec<i64>, Vec<i64>) {
        let placed: Vec<_> = ms.into_iter().map(|ms| clock.place(ms)).collect();
        let dts = placed.iter().map(|placed| placed.dts).collect();
        (dts, placed.iter().filter_map(|placed| placed.step).collect())
    }

    #[test]
    fn packets_may_each_last_their_own_time() {
        let mut clock = clock(48_000, 480);
        let placed = [(0, 480), (10, 960), (30, 2880), (90, 120), (92, 120), (95, 480)]
            .map(|(ms, samples)| clock.place_lasting(ms, samples));
        assert_eq!(placed.map(|placed| placed.dts), [0, 480, 1440, 4320, 4440, 4560]);
        assert!(placed.iter().all(|placed| placed.step.is_none()));
    }

    /// 2³² ms of 1024 samples at 44.1 kHz in milliseconds rounded down; a day of them rounded to nearest
    /// and up.
    #[test]
    fn rounding_to_milliseconds_never_moves_a_packet_in_49_days() {
        for (round_up, source_ms) in [(0, 1i64 << 32), (22_050, 86_400_000), (44_099, 86_400_000)] {
            let mut clock = clock(44_100, 1024);
            let first = clock.place(10_000).dts;
            let packets = source_ms * 441 / 10 / 1024;
            for n in 1..packets {
                let ms = (n * 1024 * 1000 + round_up) / 44_100;
                let placed = clock.place(10_000 + ms);
                assert!(
                    placed == AudioPlaced { dts: first + n * 1024, step: None },
                    "packet {n}: {placed:?}"
                );
            }
        }
    }

    #[test]
    fn a_source_that_drifts_is_followed_within_a_frame() {
        for ppm in [-300i64, 300] {
            for (rate, frame) in [(44_100, 1024), (48_000, 2048), (48_000, 960)] {
                let mut clock = clock(rate, frame);
                let (frame, rate) = (i64::from(frame), i64::from(rate));
                let rounding = rate / 1000 + 1;
                let mut last = clock.place(0).dts;
                for n in 1..6 * 3600 * rate / frame {
                    // Six hours of a crystal that is off, in whole milliseconds.
                    let source = n * frame * (1_000_000 + ppm) / 1_000_000;
                    let placed = clock.place(source * 1000 / rate);
                    assert_eq!(placed.step, None);
                    assert!((frame - 1..=frame + 1).contains(&(placed.dts - last)));
                    assert!((placed.dts - source).abs() <= frame + rounding, "{ppm} {rate} packet {n}");
                    last = placed.dts;
                }
            }
        }
    }

    #[test]
    fn lost_packets_are_made_up_for_slowly_and_many_at_once() {
        // At 48 kHz a frame of 960 is 20 ms. Three lost: 60 ms, steered a sample a packet.
        let (dts, steps) = run(&mut clock(48_000, 960), [0, 20, 100, 120]);
        assert_eq!((dts, steps), (vec![0, 960, 1921, 2882], vec![]));
        // Six lost: 120 ms, there at once.
        let (dts, steps) = run(&mut clock(48_000, 960), [0, 20, 160, 180]);
        assert_eq!((dts, steps), (vec![0, 960, 7680, 8640], vec![5760]));
    }

    #[test]
    fn steps_back_are_waited_out_and_told_once() {
        let ms = [1_000, 1_020].into_iter().chain((0..20).map(|n| 880 + n * 20));
        let (dts, steps) = run(&mut clock(48_000, 960), ms);
        assert!(dts.is_sorted_by(|a, b| a < b));
        assert_eq!(steps, [-7680]);
        // Back on the source's time, to within what is steered.
        assert!((dts[21] - 48 * 1260).abs() <= 4800);
    }

    #[test]
    fn another_rate_goes_on_at_the_same_instant() {
        let mut old = clock(44_100, 1024);
        run(&mut old, [0, 23, 46]);
        let mut new = old.changed(Timescale::new(48_000).unwrap(), 1024);
        // Three frames of 44.1 kHz end at 3072 / 44 100 s.
        assert_eq!(new.place(70).dts, 3344);
        assert_eq!(new.place(91).dts, 3344 + 1024);
    }

    #[test]
    fn configurations_that_come_and_go_never_move_sound_back() {
        let mut sound = clock(48_000, 1024);
        let other = Timescale::new(44_100).unwrap();
        // Far behind, so that packets lie a tick apart.
        let mut last = run(&mut sound, [1_000, 0]).0[1];
        for _ in 0..1000 {
            sound = sound.changed(other, 1024).changed(Timescale::new(48_000).unwrap(), 1024);
            let now = sound.place(0).dts;
            assert!(now > last, "{now} after {last}");
            last = now;
        }
    }

    proptest! {
        #[test]
        fn any_times_rise(rate in 7_350u32..192_000, frame in 960u16..=2048, ms in prop::collection::vec(0i64..1 << 40, 1..50)) {
            let (dts, _) = run(&mut clock(rate, frame), ms);
            prop_assert!(dts.is_sorted_by(|a, b| a < b));
        }

        #[test]
        fn jitter_within_a_frame_moves_nothing(jitter in prop::collection::vec(-9i64..=9, 1..500)) {
            let ms = jitter.iter().zip(0..).map(|(jitter, n)| 10_000 + n * 20 + jitter);
            let (dts, steps) = run(&mut clock(48_000, 960), ms);
            prop_assert!(steps.is_empty());
            prop_assert!(dts.windows(2).all(|pair| pair[1] - pair[0] == 960));
        }
    }
}
