//! A clip beside what was published: pictures, their times, and sound.

use std::ops::Range;
use std::path::PathBuf;

use media::WallTime;
use view::clip::ClipSpan;

use crate::peers::{Shown, Sound};
use crate::published::RATE;
use crate::reference::Reference;

/// Samples of an AAC frame.
const FRAME: usize = 1024;
/// How far the sound may be off after a joint: it is joined at the border of a frame.
const JOINT: usize = FRAME / 2 + 1;
/// Times are rounded to ticks of 90 kHz, and by players to nanoseconds or microseconds.
const TICK_NS: i64 = 12_000;
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
    pub(crate) file: PathBuf,
    pub(crate) etag: String,
    /// The beginning of its dump.
    pub(crate) head: String,
}

impl Clip {
    /// How long it lasts.
    pub(crate) fn lasts_ns(&self) -> i64 {
        self.spans.iter().map(|span| span.end.since_ns(span.start)).sum()
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
        assert_eq!(shown.first().map(|s| s.at_ns / TICK_NS), Some(0), "{player}, {what}: begins at once");
        for (pair, numbers) in shown.windows(2).zip(want.windows(2)) {
            let [Some(a), Some(b)] = numbers else { unreachable!("published frames have numbers") };
            let (a, b) = (reference.frames[*a], reference.frames[*b]);
            let step = pair[1].at_ns - pair[0].at_ns;
            if a.run == b.run {
                let apart = step - b.media.since_ns(a.media);
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
