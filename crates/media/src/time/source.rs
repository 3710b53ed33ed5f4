//! A source's 32-bit millisecond timestamps on one run timeline. Undoes wraps, keeps the tracks in sync
//! and tells a jump of the source's clock from a late, lost or repeated packet. Knows no codec; sound is
//! put on its sample clock by [`super::AudioClock`] afterwards.

use super::{MediaTime, Timescale};
use crate::track::TrackId;

/// Where the first packet of a run lies. Ten seconds leave room below it: for a track whose first packet
/// is a little earlier, for negative composition offsets, and for a track that lags behind a jump.
pub const RUN_ORIGIN: MediaTime = MediaTime::from_ms(RUN_ORIGIN_MS);

const RUN_ORIGIN_MS: i64 = 10_000;

/// Milliseconds a track may step back before its source has jumped. Reordered, repeated and badly
/// rounded timestamps stay well below; restarted encoders and looped files well above.
pub const BACK_MS_MAX: i64 = 1_000;

/// Milliseconds a track may step forward before its source has jumped. Longer than the stalls that
/// players wait out, shorter than what a viewer would take for a still picture.
pub const FORWARD_MS_MAX: i64 = 10_000;

/// Milliseconds by which the first packet of a track may precede the newest of the others: as much as
/// lies below [`RUN_ORIGIN`]. Muxers that interleave by size send one track seconds ahead.
pub const FIRST_BACK_MS_MAX: i64 = RUN_ORIGIN_MS;

/// Milliseconds between two packets taken for a track's usual spacing; more is a hole.
const SPACING_MS_MAX: i64 = 1_000;

/// Milliseconds of media after a jump for which a single track may return to where it was: one packet
/// with a broken timestamp is one jump then, not two.
pub const RETURN_MS_MAX: i64 = 1_000;

/// Where a packet lies, in milliseconds of the run timeline, never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// On the run.
    At(i64),
    /// The source's clock jumped: the packet begins a new run, at [`RUN_ORIGIN`].
    Jump {
        /// How far from where the track was, or for its first packet from the newest of the others.
        step_ms: i64,
    },
}

/// Maps 32-bit source milliseconds of several tracks to one run timeline.
///
/// All tracks share one offset, so what the source sent in sync stays in sync. A jump hits the tracks
/// at different packets: the first to jump begins the new run and takes a new offset; the others go on
/// with the old one, moved so that the instant at which the packet was due is [`RUN_ORIGIN`], until they jump
/// too and take over the new offset. A track that never follows (only its neighbour's clock was reset)
/// keeps its old offset, in sync as it was at the jump.
#[derive(Debug, Clone, Default)]
pub struct SourceClock {
    /// One per track seen; at most one per [`TrackId`].
    tracks: Vec<Base>,
    /// Where the track that jumped last was before.
    former: Option<Base>,
}

/// How one track's timestamps map to the run timeline.
#[derive(Debug, Clone, Copy)]
struct Base {
    track: TrackId,
    /// Run milliseconds minus source milliseconds, modulo 2³².
    offset: u32,
    /// The latest run millisecond reached.
    latest: i64,
    /// Milliseconds from the packet before to the latest: when the next is due.
    spacing: i64,
}

impl Base {
    /// Where a source millisecond lies: of the instants 2³² ms apart, the one nearest to the latest.
    fn at(&self, source_ms: u32) -> i64 {
        let low = source_ms.wrapping_add(self.offset);
        let step = low.wrapping_sub(self.latest as u32) as i32;
        self.latest + i64::from(step)
    }

    /// The place of a source millisecond and how far it is from the latest, if that is no jump.
    fn fit(&self, source_ms: u32, back_max: i64) -> Option<(i64, u64)> {
        let at = self.at(source_ms);
        let step = at - self.latest;
        (-back_max..=FORWARD_MS_MAX).contains(&step).then_some((at, step.unsigned_abs()))
    }

    fn shift(&mut self, by: i64) {
        self.offset = self.offset.wrapping_add(by as u32);
        self.latest += by;
    }
}

impl SourceClock {
    /// A clock that has seen nothing: the first packet placed lies at [`RUN_ORIGIN`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Places the packet of a track that carries media.
    pub fn place(&mut self, track: TrackId, source_ms: u32) -> Placed {
        let own = self.tracks.iter().position(|base| base.track == track);
        let back_max = if own.is_some() { BACK_MS_MAX } else { FIRST_BACK_MS_MAX };
        if let Some((at, offset)) = self.nearest(source_ms, back_max, own) {
            self.settle(own, Base { track, offset, latest: at, spacing: 0 });
            return Placed::At(at.max(0));
        }
        let offset = (RUN_ORIGIN_MS as u32).wrapping_sub(source_ms);
        let begin = Base { track, offset, latest: RUN_ORIGIN_MS, spacing: 0 };
        let Some(newest) = self.newest() else {
            self.tracks.push(begin);
            return Placed::At(RUN_ORIGIN_MS);
        };
        let before = own.map_or(newest, |own| self.tracks[own]);
        for base in &mut self.tracks {
            base.shift(RUN_ORIGIN_MS - (before.latest + before.spacing));
        }
        self.former = own.map(|own| self.tracks[own]);
        match own {
            Some(own) => self.tracks[own] = begin,
            None => self.tracks.push(begin),
        }
        Placed::Jump { step_ms: before.at(source_ms) - before.latest }
    }

    /// Where a packet lies that must not disturb the clock (timed data, whose timestamps encoders often
    /// leave at zero): by the tracks' offsets where that is no jump, else at their newest instant.
    /// `None` before any track has been placed.
    pub fn glance(&self, source_ms: u32) -> Option<i64> {
        let newest = self.newest()?;
        let placed = self.nearest(source_ms, BACK_MS_MAX, None);
        Some(placed.map_or(newest.latest, |(at, _)| at).max(0))
    }

    /// The track that is furthest.
    fn newest(&self) -> Option<Base> {
        self.tracks.iter().copied().max_by_key(|base| base.latest)
    }

    /// The place and offset at which a source millisecond continues a track with the smallest step.
    /// The track itself counts first, then its neighbours: a track that was silent for long goes on
    /// beside them. With its own offset it may not step back behind its own past, wherever they are.
    fn nearest(&self, source_ms: u32, back_max: i64, own: Option<usize>) -> Option<(i64, u32)> {
        let own_base = own.map(|own| self.tracks[own]);
        let candidates = own_base.iter().chain(&self.tracks).chain(&self.former);
        let fits = candidates.filter_map(|base| {
            let (at, distance) = base.fit(source_ms, back_max)?;
            let behind = own_base.is_some_and(|own| base.offset == own.offset && at < own.latest - back_max);
            (!behind).then_some((distance, at, base.offset))
        });
        // The first of equals wins.
        fits.min_by_key(|&(distance, ..)| distance).map(|(_, at, offset)| (at, offset))
    }

    fn settle(&mut self, own: Option<usize>, now: Base) {
        match own {
            Some(own) => {
                let base = &mut self.tracks[own];
                let step = now.latest - base.latest;
                base.latest =
                    if base.offset == now.offset { base.latest.max(now.latest) } else { now.latest };
                base.offset = now.offset;
                if (0..=SPACING_MS_MAX).contains(&step) {
                    base.spacing = step;
                }
            }
            None => self.tracks.push(now),
        }
        if self.newest().is_some_and(|newest| newest.latest > RUN_ORIGIN_MS + RETURN_MS_MAX) {
            self.former = None;
        }
    }
}

/// A strictly rising 90 kHz clock over run milliseconds: `ms * 90` exactly, and where that does not
/// rise, one tick after the packet before.
#[derive(Debug, Clone, Default)]
pub struct RisingClock {
    last: Option<i64>,
    lifted: u64,
}

/// Ticks of [`Timescale::VIDEO`] in a millisecond.
pub const VIDEO_TICKS_PER_MS: i64 = Timescale::VIDEO.hz() as i64 / 1000;

impl RisingClock {
    /// The decode time of a packet at a run millisecond.
    pub fn place(&mut self, run_ms: i64) -> i64 {
        let exact = run_ms * VIDEO_TICKS_PER_MS;
        let dts = match self.last {
            Some(last) if exact <= last => {
                self.lifted += 1;
                last + 1
            }
            _ => exact,
        };
        self.last = Some(dts);
        dts
    }

    /// Packets moved because their timestamp did not rise.
    pub const fn lifted(&self) -> u64 {
        self.lifted
    }
}

/// The clock of one video track: decode times as [`RisingClock`] gives them, and composition times with
/// them.
#[derive(Debug, Clone, Default)]
pub struct VideoClock {
    rising: RisingClock,
    before: Option<(i64, i32)>,
}

impl VideoClock {
    /// The decode time and composition time of a picture, in 90 kHz ticks.
    ///
    /// Pictures decoded at one millisecond but shown at several keep the time at which they are shown:
    /// muxers that cannot write a decode time below zero do so (GStreamer's, with B-frames). Any other
    /// picture whose decode time had to be moved is shown as long after it as the source says.
    pub fn place(&mut self, run_ms: i64, cts_ms: i32) -> (i64, i32) {
        let dts = self.rising.place(run_ms);
        let cts = i64::from(cts_ms) * VIDEO_TICKS_PER_MS;
        let shares_dts = self.before.is_some_and(|(ms, cts_before)| ms == run_ms && cts_before != cts_ms);
        self.before = Some((run_ms, cts_ms));
        let moved = if shares_dts { dts - run_ms * VIDEO_TICKS_PER_MS } else { 0 };
        let cts = (cts - moved).clamp(i32::MIN.into(), i32::MAX.into());
        (dts, cts as i32)
    }

    /// Pictures moved because their decode time did not rise.
    pub const fn lifted(&self) -> u64 {
        self.rising.lifted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: TrackId = TrackId::AUDIO;
    const V: TrackId = TrackId::VIDEO;

    fn place(clock: &mut SourceClock, packets: &[(TrackId, u32)]) -> Vec<Placed> {
        packets.iter().map(|&(track, ms)| clock.place(track, ms)).collect()
    }

    fn at(ms: i64) -> Placed {
        Placed::At(ms)
    }

    fn jump(step_ms: i64) -> Placed {
        Placed::Jump { step_ms }
    }

    #[test]
    fn the_first_packet_lies_at_the_origin_and_the_others_around_it() {
        let placed = place(&mut SourceClock::new(), &[(V, 5_000), (A, 4_977), (V, 5_040), (A, 5_000)]);
        assert_eq!(placed, [at(10_000), at(9_977), at(10_040), at(10_000)]);
    }

    #[test]
    fn wraps_are_invisible() {
        let mut clock = SourceClock::new();
        let start = u32::MAX - 39;
        let packets: Vec<_> =
            (0..10).flat_map(|i: u32| [V, A].map(|track| (track, start.wrapping_add(i * 20)))).collect();
        let expected: Vec<_> = (0..10).flat_map(|i| [at(10_000 + i * 20); 2]).collect();
        assert_eq!(place(&mut clock, &packets), expected);
    }

    #[test]
    fn small_steps_are_no_jump_and_large_ones_are() {
        let steps = |ms: i64| {
            let mut clock = SourceClock::new();
            clock.place(V, 1_000_000);
            clock.place(V, (1_000_000 + ms) as u32)
        };
        assert_eq!([0, -1_000, 10_000].map(steps), [at(10_000), at(9_000), at(20_000)]);
        assert_eq!([-1_001, 10_001].map(steps), [jump(-1_001), jump(10_001)]);
    }

    #[test]
    fn slow_steps_back_add_up_to_a_jump() {
        let mut clock = SourceClock::new();
        assert_eq!(
            place(&mut clock, &[(V, 5_000), (V, 4_400), (V, 3_900)]),
            [at(10_000), at(9_400), jump(-1_100)]
        );
    }

    #[test]
    fn a_silent_track_goes_on_beside_the_others() {
        let mut clock = SourceClock::new();
        place(&mut clock, &[(V, 0), (A, 0)]);
        for second in 1..=60 {
            assert_eq!(clock.place(V, second * 1_000), at(10_000 + i64::from(second) * 1_000));
        }
        assert_eq!(clock.place(A, 60_020), at(70_020));
    }

    #[test]
    fn a_track_far_behind_the_others_is_no_jump_while_it_goes_on() {
        let mut clock = SourceClock::new();
        place(&mut clock, &[(V, 0), (V, 4_000), (V, 8_000), (V, 9_000)]);
        assert_eq!(place(&mut clock, &[(A, 0), (V, 9_040), (A, 23)]), [at(10_000), at(19_040), at(10_023)]);
        // Stepping back is judged by its own past, not by the slow neighbour's.
        assert_eq!(clock.place(V, 7_000), jump(-2_040));
    }

    #[test]
    fn a_jump_that_hits_the_tracks_at_different_packets_is_one() {
        for by in [-3_600_000i64, -1_100, 10_500, 86_400_000] {
            let mut clock = SourceClock::new();
            let start = 5_000_000i64;
            let before = |ms: i64| (start + ms) as u32;
            let after = |ms: i64| (start + ms + by) as u32;
            place(&mut clock, &[(V, before(0)), (A, before(0)), (V, before(40)), (A, before(23))]);
            let placed = place(
                &mut clock,
                &[
                    (A, after(46)),
                    (V, before(80)),
                    (A, after(69)),
                    (V, before(120)),
                    (V, after(160)),
                    (A, after(92)),
                ],
            );
            assert!(matches!(placed[0], Placed::Jump { .. }), "{by}");
            // 46 ms, at which the packet that jumped was due, is the origin before and after.
            let expected = [at(10_034), at(10_023), at(10_074), at(10_114), at(10_046)];
            assert_eq!(placed[1..], expected, "{by}");
        }
    }

    #[test]
    fn a_track_whose_neighbour_alone_was_reset_goes_on() {
        let mut clock = SourceClock::new();
        place(&mut clock, &[(V, 3_600_000), (A, 3_600_000)]);
        assert_eq!(clock.place(A, 0), jump(-3_600_000));
        for i in 1..100_000u32 {
            assert_eq!(clock.place(V, 3_600_000 + i * 40), at(10_000 + i64::from(i) * 40));
            assert_eq!(clock.place(A, i * 40), at(10_000 + i64::from(i) * 40));
        }
    }

    #[test]
    fn one_broken_timestamp_is_one_jump() {
        let mut clock = SourceClock::new();
        place(&mut clock, &[(A, 1_000), (A, 1_023)]);
        assert_eq!(clock.place(A, 900_000_000), jump(900_000_000 - 1_023));
        assert_eq!(place(&mut clock, &[(A, 1_069), (A, 1_092)]), [at(10_023), at(10_046)]);
        // Long after it, the way back is closed.
        let mut clock = SourceClock::new();
        place(&mut clock, &[(A, 1_000), (A, 900_000_000), (A, 900_001_100)]);
        assert_eq!(clock.place(A, 2_000), jump(2_000 - 900_001_100));
    }

    #[test]
    fn times_stay_above_zero_however_far_a_track_lags() {
        let mut clock = SourceClock::new();
        place(&mut clock, &[(V, 0), (A, 0)]);
        for ms in (0..60_000).step_by(100) {
            clock.place(V, ms);
        }
        assert!(matches!(clock.place(V, 1 << 30), Placed::Jump { .. }));
        assert_eq!(clock.place(A, 23), at(0));
    }

    #[test]
    fn a_glance_moves_nothing() {
        let mut clock = SourceClock::new();
        assert_eq!(clock.glance(0), None);
        place(&mut clock, &[(V, 100_000), (V, 100_040)]);
        assert_eq!([100_020, 0, 1 << 31].map(|ms| clock.glance(ms)), [10_020, 10_040, 10_040].map(Some));
        assert_eq!(clock.place(V, 100_080), at(10_080));
    }

    #[test]
    fn times_rise_by_a_tick_where_the_source_does_not() {
        let mut clock = RisingClock::default();
        let placed = [10, 10, 9, 10, 11].map(|ms| clock.place(ms));
        assert_eq!(placed, [900, 901, 902, 903, 990]);
        assert_eq!(clock.lifted(), 3);
    }

    #[test]
    fn pictures_that_share_a_decode_time_are_shown_when_the_source_says() {
        let mut clock = VideoClock::default();
        // GStreamer's flvmux with two B-frames, then a repeated picture and a step back.
        let placed =
            [(0, 0), (0, 100), (0, 33), (33, 66), (33, 66), (20, 66)].map(|(ms, cts)| clock.place(ms, cts));
        let expected = [(0, 0), (1, 8999), (2, 2968), (2970, 5940), (2971, 5940), (2972, 5940)];
        assert_eq!(placed, expected);
        assert_eq!(clock.lifted(), 4);
    }

    /// A/V packets in arrival order, `(track, ms)`, video every 40 ms, audio every 23, video sent `lag`
    /// later than its timestamp says.
    fn interleaved(lag: i64, until: i64) -> Vec<(TrackId, i64)> {
        let video = (0..until / 40).map(|i| (i * 40 + lag, V, i * 40));
        let audio = (0..until / 23).map(|i| (i * 23, A, i * 23));
        let mut all: Vec<_> = video.chain(audio).collect();
        all.sort_by_key(|&(sent, ..)| sent);
        all.into_iter().map(|(_, track, ms)| (track, ms)).collect()
    }

    proptest! {
        #[test]
        fn any_jump_is_one_and_keeps_the_tracks_in_sync(
            start: u32, lag in -300i64..300, when in 400i64..2_000,
            by in prop_oneof![-2_000_000_000i64..-1_050, 10_050i64..2_000_000_000],
        ) {
            let mut clock = SourceClock::new();
            let mut jumps = 0;
            let (mut offset, mut last) = (Vec::new(), [0; 2]);
            for (track, ms) in interleaved(lag, 4_000) {
                let source = start.wrapping_add((ms + if ms >= when { by } else { 0 }) as u32);
                let run = match clock.place(track, source) {
                    Placed::At(run) => run,
                    Placed::Jump { .. } => { jumps += 1; last = [0; 2]; 10_000 }
                };
                let last = &mut last[usize::from(track == V)];
                prop_assert!(run > *last, "{track:?} {ms} {run} {last}");
                *last = run;
                if ms >= when {
                    offset.push(run - ms);
                }
            }
            prop_assert_eq!(jumps, 1);
            prop_assert!(offset.iter().all(|o| *o == offset[0]));
        }

        #[test]
        fn any_timestamps_give_times_in_range(packets: Vec<(u8, u32)>) {
            let mut clock = SourceClock::new();
            for (track, ms) in packets {
                if let Placed::At(run) = clock.place(TrackId(track % 3), ms) {
                    prop_assert!(run >= 0);
                }
                prop_assert!(clock.tracks.len() <= 3);
            }
        }
    }
}
