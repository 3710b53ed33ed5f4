//! Sources with one track, clips of one frame, and cuts at the very instants of frames.

use std::ops::Range;
use std::path::Path;

use fastrand::Rng;
use media::{TrackId, WallTime};

use crate::chromium::chromium_pictures;
use crate::compared::Clip;
use crate::making::make;
use crate::now::Sending;
use crate::peers::{ffmpeg_pictures, ffmpeg_plays, ffmpeg_sound, gstreamer_pictures, gstreamer_sound};
use crate::published::{BEGIN_MS, OPEN_GOP, Published, Sent, open_hub, publish};
use crate::reference::Reference;

/// GStreamer ends sound up to two frames early.
const TWO_FRAMES_NS: i64 = 42_700_000;

/// Random ranges of a source of twenty seconds.
fn ranges(seed: u64, count: usize) -> Vec<Range<WallTime>> {
    let mut random = Rng::with_seed(seed);
    let range = || {
        let start = WallTime::from_ms(BEGIN_MS).plus_ns(random.i64(0..18_000_000_000));
        start..start.plus_ns(random.i64(400_000_000..6_000_000_000))
    };
    std::iter::repeat_with(range).take(count).collect()
}

/// Clips of a source without one of its tracks, the first of which ends now; the others are random.
fn clips_without(left_out: TrackId, dir: &Path, seed: u64) -> (Reference, Vec<Clip>) {
    let option = if left_out == TrackId::VIDEO { "-vn" } else { "-an" };
    let published = Published::encode(dir, "published.flv", 20, &OPEN_GOP).without(option);
    assert!(!published.carries(left_out));
    let hub = open_hub(dir);
    let run = Sent::run(&published, 0);
    let mut sending = Sending::begin(&hub, run);
    sending.until(published.events.len() / 2);
    let mut clips = vec![sending.clip_that_ends_now(dir, "now", 1_234_567_890)];
    let stream = sending.end();
    let reference = Reference::new(&stream, &[&[run]]);
    let ranges = ranges(seed, 10).into_iter().enumerate();
    clips.extend(ranges.map(|(round, range)| make(dir, &format!("round {round}"), &range, &stream)));
    (reference, clips)
}

#[test]
fn sound_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (reference, clips) = clips_without(TrackId::VIDEO, dir.path(), 1);
    for clip in clips {
        clip.assert_sound("FFmpeg", &ffmpeg_sound(&clip.file), &reference);
        let sound = gstreamer_sound(&clip.file);
        let ends = sound.at_ns(sound.samples.len());
        assert!(
            (ends - clip.lasts_ns()).abs() <= TWO_FRAMES_NS,
            "GStreamer, {}: ends at {ends} ns",
            clip.what
        );
    }
}

#[test]
fn pictures_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (reference, clips) = clips_without(TrackId::AUDIO, dir.path(), 2);
    for clip in &clips {
        clip.assert_pictures("FFmpeg", &ffmpeg_pictures(&clip.file), &reference);
        clip.assert_pictures("GStreamer", &gstreamer_pictures(&clip.file), &reference);
    }
    let shown = chromium_pictures(&[&clips[0].file]);
    clips[0].assert_pictures("Chromium", &shown[0], &reference);
}

/// Each kind of frame: the first and the last of a run, key frames, what follows and precedes them.
#[test]
fn clips_of_one_frame() {
    let dir = tempfile::tempdir().unwrap();
    let published = Published::encode(dir.path(), "published.flv", 8, &OPEN_GOP);
    let stream = publish(&open_hub(dir.path()), &published, 0);
    let reference = Reference::new(&stream, &[&[Sent::run(&published, 0)]]);
    let last = reference.frames.len() - 1;
    let frames = [0, 1, 2, 3, 44, 45, 46, 47, 48, 49, 50, 51, 52, 100, 143, 144, 145, last - 1, last];
    let clips = frames.map(|frame| {
        let at = reference.frames[frame].wall;
        let clip = make(dir.path(), &format!("frame {frame}"), &(at..at.plus_ns(1)), &stream);
        assert_eq!(reference.in_range(&clip.range), [Some(frame)]);
        clip
    });
    for clip in &clips {
        let (shown, sound) = ffmpeg_plays(&clip.file);
        clip.assert_pictures("FFmpeg", &shown, &reference);
        clip.assert_sound("FFmpeg", &sound, &reference);
    }
    let files = clips.each_ref().map(|clip| &*clip.file);
    for (clip, shown) in clips.iter().zip(chromium_pictures(&files)) {
        clip.assert_pictures("Chromium", &shown, &reference);
    }
}

/// Cut at the instant of a frame, that frame is in the second clip and not in the first; none is lost.
#[test]
fn ranges_that_meet_at_a_frame() {
    let dir = tempfile::tempdir().unwrap();
    let published = Published::encode(dir.path(), "published.flv", 12, &OPEN_GOP);
    let stream = publish(&open_hub(dir.path()), &published, 0);
    let reference = Reference::new(&stream, &[&[Sent::run(&published, 0)]]);
    // Among them key frames, their neighbours and single frames.
    let cuts = [0, 5, 47, 48, 49, 93, 96, 97, 140, 144, 190, 191, 192, 240, 280];
    let mut shown_by_all = Vec::new();
    for cut in cuts.windows(2) {
        let [from, to] = [cut[0], cut[1]].map(|frame: usize| reference.frames[frame].wall);
        let clip = make(dir.path(), &format!("from {}", cut[0]), &(from..to), &stream);
        assert_eq!((clip.start, clip.end), (from, to), "nothing to snap");
        let (shown, sound) = ffmpeg_plays(&clip.file);
        clip.assert_pictures("FFmpeg", &shown, &reference);
        clip.assert_sound("FFmpeg", &sound, &reference);
        shown_by_all.extend(shown.iter().map(|shown| reference.number(shown.picture)));
    }
    assert_eq!(shown_by_all, (0..280).map(Some).collect::<Vec<_>>());
}
