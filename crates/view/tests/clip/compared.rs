//! A clip beside what was published: pictures, their times, and sound.

use std::ops::Range;
use std::path::PathBuf;

use media::WallTime;
use view::clip::{ClipSpan, GapPolicy};

use crate::peers::{Shown, Sound};
use crate::published::RATE;
use crate::reference::Reference;

/// Samples of an AAC frame.
const FRAME: usize = 1024;
/// How far the sound may be off after a joint: it is joined at the border of a frame.
const JOINT: usize = FRAME / 2 + 1;
/// Times are rounded to ticks of 90 kHz, and by players to nanoseconds or microseconds.
const TICK_NS: i64 = 12_000;
/// One sample of sound, and the rounding of two times.
const SAMPLE_NS: i64 = 1_000_000_000 / RATE as i64 + 2;
/// The longest time between the pictures on both sides of a joint of two runs.
const STEP_NS_MAX: i64 = 400_000_000;

/// A clip that was made.
pub(crate) struct Clip {
    /// What a failure says of it.
    pub(crate) what: String,
    pub(crate) range: Range<WallTime>,
    /// Wall time of its first frame.
    pub(crate) start: WallTime,
    /// The first instant that is not in it.
    pub(crate) end: WallTime,
    pub(crate) spans: Vec<ClipSpan>,
    pub(crate) gaps: GapPolicy,
    pub(crate) file: PathBuf,
    pub(crate) etag: String,
    /// The beginning of its dump.
    pub(crate) head: String,
}

impl Clip {
    /// How long it lasts.
    pub(crate) fn lasts_ns(&self) -> i64 {
        match self.gaps {
            GapPolicy::Hold => self.end.since_ns(self.start),
            _ => self.spans.iter().map(|span| span.end.since_ns(span.start)).sum(),
        }
    }

    /// GStreamer shows nothing of a clip that is not longer than the time its edit hides: one of a few frames.
    pub(crate) fn plays_in_gstreamer(&self) -> bool {
        let edit =
            self.head.lines().find_map(|line| Some(line.strip_prefix("video")?.split_once("edit at ")?.1));
        let mut numbers = edit.unwrap().split(' ').filter_map(|word| word.parse::<i64>().ok());
        let (hidden, length) = (numbers.next().unwrap(), numbers.next().unwrap());
        hidden < length
    }

    /// Fails unless a player showed exactly the published pictures of the range, each at its time.
    pub(crate) fn assert_pictures(&self, player: &str, shown: &[Shown], reference: &Reference) {
        let Self { what, head, .. } = self;
        let want = reference.in_range(&self.range);
        let numbers: Vec<_> = shown.iter().map(|shown| reference.number(shown.picture)).collect();
        assert_eq!(numbers, want, "{player}, {what}\n{head}");
        let first = want.first().copied().flatten().map(|first| reference.frames[first].wall);
        let begins_ns = first.map_or(0, |first| first.since_ns(self.start));
        let off_ns = shown.first().map(|s| s.at_ns - begins_ns);
        assert!(
            off_ns.is_some_and(|ns| ns.abs() < TICK_NS),
            "{player}, {what}: begins {off_ns:?} off\n{head}"
        );
        for (pair, numbers) in shown.windows(2).zip(want.windows(2)) {
            let [Some(a), Some(b)] = numbers else { unreachable!("published frames have numbers") };
            let (a, b) = (reference.frames[*a], reference.frames[*b]);
            let step = pair[1].at_ns - pair[0].at_ns;
            if a.run == b.run || self.gaps == GapPolicy::Hold {
                let held_ns = b.wall.since_ns(a.wall);
                let apart = step - if a.run == b.run { b.media.since_ns(a.media) } else { held_ns };
                assert!(
                    apart.abs() <= TICK_NS,
                    "{player}, {what}: {apart} ns off at {}\n{head}",
                    pair[1].at_ns
                );
            } else {
                assert!((0..STEP_NS_MAX).contains(&step), "{player}, {what}: {step} ns at the joint\n{head}");
            }
        }
    }

    /// Fails unless the sound of every run begins where the wall clock says, to the sample, with nothing but silence
    /// between; also for players that count samples and read no times. `dither` is how far a player's samples may be
    /// from FFmpeg's.
    pub(crate) fn assert_held_sound(&self, player: &str, sound: &Sound, dither: u16, reference: &Reference) {
        let place = || format!("{player}, {}\n{}", self.what, self.head);
        let mut silent_from = 0;
        let counted_from = sound.at_ns(0);
        for (number, span) in self.spans.iter().enumerate() {
            let begins_ns = reference.wall(span.run, span.start).since_ns(self.start);
            let published = reference.sound_from(span.run, span.start);
            // What follows the joint is decoded with the overlap of the silence before it.
            let skipped = 2 * FRAME;
            let near = sound.sample_at(begins_ns + ns(skipped));
            let found = (near.saturating_sub(2 * FRAME)..near + 2 * FRAME).find_map(|at| {
                published.iter().find(|p| is_same(&sound.samples[at..], &p[skipped..], dither)).map(|_| at)
            });
            let at = found.unwrap_or_else(|| panic!("another sound in run {}: {}", span.run, place()));
            let off_ns = sound.at_ns(at) - begins_ns - ns(skipped);
            assert!(off_ns.abs() <= SAMPLE_NS, "{off_ns} ns off in run {}: {}", span.run, place());
            let counted_ns = counted_from + ns(at) - begins_ns - ns(skipped);
            assert!(counted_ns.abs() <= ns(JOINT), "{counted_ns} ns off by counting: {}", place());
            if number > 0 {
                let silence = &sound.samples[silent_from..at - skipped - FRAME];
                assert!(
                    silence.iter().all(|s| s.unsigned_abs() <= dither),
                    "a noise in the gap: {}",
                    place()
                );
                assert!(silence.len() > FRAME, "no silence: {}", place());
            }
            let length = samples(span.end.since_ns(span.start)).min(published[0].len());
            silent_from = at - skipped + length + 2 * FRAME;
        }
    }

    /// Fails unless the sound is the published one from the very sample on, and ends within a frame. Runs are
    /// joined at the border of a frame, so there it may be half a frame off.
    pub(crate) fn assert_sound(&self, player: &str, sound: &Sound, reference: &Reference) {
        let place = || format!("{player}, {}\n{}", self.what, self.head);
        assert_eq!(sound.at_ns(0), 0, "the sound begins with the picture: {}", place());
        let (mut begins_ns, mut ends_ns) = (0, 0);
        for (number, span) in self.spans.iter().enumerate() {
            let length_ns = span.end.since_ns(span.start);
            let published = reference.sound_from(span.run, span.start);
            if number == 0 {
                let end =
                    if self.spans.len() == 1 { sound.samples.len() } else { samples(length_ns) - FRAME };
                let heard = &sound.samples[..end.min(sound.samples.len())];
                assert!(published.iter().any(|p| is_prefix(heard, p)), "another sound: {}", place());
                ends_ns = ns(published[0].len()).min(length_ns);
            } else {
                // The first frame after a joint is decoded with the overlap of the frame before it.
                let expected_ns = begins_ns + ns(2 * FRAME);
                let near = sound.sample_at(expected_ns);
                let after = &published[0][2 * FRAME..];
                let at = (near.saturating_sub(2 * JOINT)..near + 2 * JOINT)
                    .find(|at| is_prefix(&sound.samples[*at..], after));
                let at = at.unwrap_or_else(|| panic!("another sound after the joint: {}", place()));
                let off_ns = sound.at_ns(at) - expected_ns;
                assert!(off_ns.abs() <= ns(JOINT), "{off_ns} ns off after the joint: {}", place());
                ends_ns = begins_ns + ns(published[0].len()).min(length_ns);
            }
            begins_ns += length_ns;
        }
        let over = sound.steps().find(|(_, step_ns)| *step_ns < -ns(JOINT));
        assert_eq!(over, None, "sound over sound: {}", place());
        let off_ns = sound.at_ns(sound.samples.len()) - ends_ns;
        assert!(off_ns.abs() <= ns(FRAME), "ends {off_ns} ns off: {}", place());
    }
}

/// Whether some frames of sound are those that were published.
fn is_same(heard: &[i16], published: &[i16], dither: u16) -> bool {
    let there = (4 * FRAME).min(heard.len()).min(published.len());
    there >= FRAME && heard[..there].iter().zip(published).all(|(a, b)| a.abs_diff(*b) <= dither)
}

/// Whether sound is that which was published; what was published may end up to a frame earlier.
fn is_prefix(heard: &[i16], published: &[i16]) -> bool {
    let there = heard.len().min(published.len());
    heard.len() <= there + FRAME && heard[..there] == published[..there]
}

fn ns(samples: usize) -> i64 {
    i64::try_from(samples).unwrap() * 1_000_000_000 / i64::from(RATE) + 1
}

fn samples(ns: i64) -> usize {
    usize::try_from((ns * i64::from(RATE) + 500_000_000).div_euclid(1_000_000_000)).unwrap()
}
