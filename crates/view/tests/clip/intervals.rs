//! Two hundred random ranges: five kinds of sources, forty ranges of each, four of which end at the edge of a
//! stream that is being published at that moment. Each source is two runs of several extents. The ranges
//! follow from the seed, and a failure says which one it is.

use std::ops::Range;
use std::path::Path;

use fastrand::Rng;
use media::WallTime;
use view::clip::{ClipOptions, plan};

use crate::chromium::chromium_pictures;
use crate::compared::Clip;
use crate::making::make;
use crate::now::Sending;
use crate::peers::{ffmpeg_plays, gstreamer_pictures};
use crate::published::{Encoding, OPEN_GOP, Published, Sent, open_hub, publish};
use crate::reference::Reference;

/// Length of each run.
const SECONDS: u32 = 25;
/// When the second run begins: five seconds after the first has ended.
const SECOND_MS: i64 = 30_000;
/// Ranges of each source that lie anywhere.
const ANYWHERE: usize = 28;
/// Those that reach from one run into the other.
const ACROSS: usize = 8;
/// Those that end now.
const NOW: usize = 4;
/// Longest clip that is watched in a browser, which takes as long.
const WATCHED_NS_MAX: i64 = 4_000_000_000;

/// How long a clip is: every third is a handful of frames. One-frame clips are beyond GStreamer.
fn length_ns(round: usize, random: &mut Rng) -> i64 {
    let longest = if round.is_multiple_of(3) { 400_000_000 } else { 8_000_000_000 };
    random.i64(130_000_000..longest)
}

/// Ranges that lie anywhere, and some over both runs.
fn ranges(reference: &Reference, random: &mut Rng) -> Vec<Range<WallTime>> {
    let frames = &reference.frames;
    let second = frames.iter().position(|frame| frame.run != frames[0].run).unwrap();
    let anywhere = (0..ANYWHERE).map(|round| {
        // The last frames of all are left to those that end with the run before.
        let first = frames[random.usize(..frames.len() - 12)].wall;
        let start = first.plus_ns(random.i64(-40_000_000..40_000_000));
        start..start.plus_ns(length_ns(round, random))
    });
    let mut ranges: Vec<_> = anywhere.collect();
    ranges.extend((0..ACROSS).map(|round| {
        let start = frames[second - 1].wall.plus_ns(-length_ns(round, random));
        start..frames[second].wall.plus_ns(length_ns(round + 1, random))
    }));
    ranges
}

/// Compares forty ranges of a source: all in FFmpeg, half of them in GStreamer.
fn compare(dir: &Path, encoding: &Encoding, seed: u64) -> (Reference, Vec<Clip>) {
    let mut random = Rng::with_seed(seed);
    let [first, second] =
        ["first.flv", "second.flv"].map(|name| Published::encode(dir, name, SECONDS, encoding));
    let hub = open_hub(dir);
    publish(&hub, &first, 0);
    let run = Sent::run(&second, SECOND_MS);
    let mut sending = Sending::begin(&hub, run);
    let mut clips: Vec<_> = (1..=NOW)
        .map(|round| {
            // One in each fifth of the run, but the first.
            let fifth = second.events.len() / 5;
            sending.until(random.usize(fifth * round..fifth * (round + 1) - fifth / 4));
            sending.clip_that_ends_now(
                dir,
                &format!("seed {seed} now {round}"),
                length_ns(round, &mut random),
            )
        })
        .collect();
    let stream = sending.end();
    let reference = Reference::new(&stream, &[&[Sent::run(&first, 0)], &[run]]);
    assert!(reference.extents.iter().all(|extents| *extents >= 3), "{:?}", reference.extents);
    for clip in &clips {
        let later = plan(&*stream, clip.range.clone(), ClipOptions::default()).unwrap();
        assert_eq!(later.etag(), clip.etag, "{}: the same clip after the run", clip.what);
    }
    let ranges = ranges(&reference, &mut random).into_iter().enumerate();
    clips.extend(
        ranges.map(|(round, range)| make(dir, &format!("seed {seed} round {round}"), &range, &stream)),
    );
    assert_eq!(clips.len(), 40, "of two hundred");
    assert!(clips[NOW + ANYWHERE..].iter().all(|clip| clip.spans.len() == 2), "over both runs");
    for clip in &clips {
        let (shown, sound) = ffmpeg_plays(&clip.file);
        clip.assert_pictures("FFmpeg", &shown, &reference);
        clip.assert_sound("FFmpeg", &sound, &reference);
    }
    let by_gstreamer: Vec<_> = clips.iter().filter(|clip| clip.plays_in_gstreamer()).step_by(2).collect();
    assert!(by_gstreamer.len() >= 16, "of a hundred: {}", by_gstreamer.len());
    for clip in by_gstreamer {
        clip.assert_pictures("GStreamer", &gstreamer_pictures(&clip.file), &reference);
    }
    (reference, clips)
}

/// Compares clips in Chromium, which plays them in real time: of each kind of range some that do not last long.
fn compare_in_chromium((reference, clips): &(Reference, Vec<Clip>)) {
    let kinds = [(&clips[..NOW], 1), (&clips[NOW..NOW + ANYWHERE], 4), (&clips[NOW + ANYWHERE..], 2)];
    let short = |clip: &&Clip| clip.lasts_ns() < WATCHED_NS_MAX;
    let watched = kinds.iter().flat_map(|(kind, count)| kind.iter().filter(short).take(*count));
    let watched: Vec<_> = watched.collect();
    assert_eq!(watched.len(), 7, "of twenty-one");
    let files: Vec<_> = watched.iter().map(|clip| &*clip.file).collect();
    for (clip, shown) in watched.iter().zip(chromium_pictures(&files)) {
        clip.assert_pictures("Chromium", &shown, reference);
    }
}

#[test]
fn open_gops_in_a_pyramid_at_23_976() {
    let dir = tempfile::tempdir().unwrap();
    compare_in_chromium(&compare(dir.path(), &OPEN_GOP, 1));
}

#[test]
fn variable_rate_in_a_pyramid_of_open_gops() {
    let dir = tempfile::tempdir().unwrap();
    let filter =
        "select='not(eq(mod(n\\,5)\\,3))*not(eq(mod(n\\,7)\\,2))*not(between(mod(n\\,90)\\,60\\,72))'";
    compare_in_chromium(&compare(dir.path(), &Encoding { filter, ..OPEN_GOP }, 2));
}

/// Not in Chromium, which puts only some pictures of so uneven a rate on screen; it plays the other one.
#[test]
fn variable_rate_without_b_frames() {
    let dir = tempfile::tempdir().unwrap();
    let x264 = "bframes=0:keyint=40:min-keyint=40:scenecut=0";
    let filter = "select='not(eq(mod(n\\,5)\\,3))*not(eq(mod(n\\,7)\\,2))'";
    compare(dir.path(), &Encoding { rate: "50", filter, x264 }, 3);
}

#[test]
fn closed_gops_at_29_97() {
    let dir = tempfile::tempdir().unwrap();
    let x264 = "bframes=2:b-adapt=0:keyint=30:min-keyint=30:scenecut=0";
    compare_in_chromium(&compare(dir.path(), &Encoding { rate: "30000/1001", filter: "null", x264 }, 4));
}

/// Not in Chromium: its decoder gives up at a picture that releases a reference from before the random access
/// point it began at, as x264 writes them behind some of these, whoever made the file.
#[test]
fn long_gops_that_change_with_the_scene() {
    let dir = tempfile::tempdir().unwrap();
    let x264 = "bframes=8:b-adapt=2:keyint=infinite:min-keyint=1:scenecut=40:open-gop=1:rc-lookahead=40";
    let filter = "negate=enable='between(mod(t\\,7)\\,3\\,5)'";
    compare(dir.path(), &Encoding { rate: "25", filter, x264 }, 5);
}
