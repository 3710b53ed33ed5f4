//! Ranges of all kinds of sources, in all players.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use media::{Rap, WallTime};
use tape::{EndReason, Piece, Stream};
use view::clip::{Accuracy, ClipBody, ClipOptions, ClipPlan, plan, plan_spans};

use crate::peers::{ffmpeg_pictures, ffmpeg_sound, gstreamer_pictures};
use crate::published::{
    BEGIN_MS, Encoding, OPEN_GOP, Published, RATE, Reference, open_hub, publish, publisher, send,
};

/// All bytes of a clip.
pub(crate) fn bytes(plan: ClipPlan, source: &Arc<Stream>) -> Vec<u8> {
    let body = ClipBody::new(Arc::new(plan), source.clone());
    let mut out = Vec::new();
    for piece in body.pieces(0..u64::MAX) {
        match piece.unwrap() {
            Piece::Mem(bytes) => out.extend_from_slice(&bytes),
            Piece::File { file, range } => {
                let mut buf = vec![0; usize::try_from(range.end - range.start).unwrap()];
                file.read_exact_at(&mut buf, range.start).unwrap();
                out.extend(buf);
            }
        }
    }
    out
}

/// Plans a range, and again from the spans of that plan.
fn planned(stream: &Stream, range: &Range<WallTime>, options: ClipOptions) -> ClipPlan {
    let first = plan(stream, range.clone(), options).unwrap();
    let again = plan_spans(stream, &first.spans, options).unwrap();
    assert_eq!((again.etag(), again.bytes()), (first.etag(), first.bytes()));
    assert_eq!((again.start, again.end), (first.start, first.end));
    first
}

fn write(dir: &Path, plan: ClipPlan, stream: &Arc<Stream>) -> PathBuf {
    let path = dir.join("clip.mp4");
    let len = plan.bytes();
    let bytes = bytes(plan, stream);
    assert_eq!(bytes.len() as u64, len);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn head(dump: &str) -> String {
    dump.lines().take_while(|l| !l.ends_with("fixed")).collect::<Vec<_>>().join("\n")
}

fn assert_ffmpeg(clip: &Path, want: &[Option<usize>], reference: &Reference, dump: &str) {
    assert_eq!(reference.numbers(&ffmpeg_pictures(clip)), want, "FFmpeg\n{}", head(dump));
}

fn assert_gstreamer(clip: &Path, want: &[Option<usize>], reference: &Reference, dump: &str) {
    assert_eq!(reference.numbers(&gstreamer_pictures(clip)), want, "GStreamer\n{}", head(dump));
}

/// The sound is the source's from the very sample on, and ends within a frame.
fn assert_sound(clip: &Path, spans: (i64, i64), reference: &Reference, dump: &str) {
    let got = ffmpeg_sound(clip);
    let samples =
        |ns: i64| usize::try_from((ns * i64::from(RATE) + 500_000_000).div_euclid(1_000_000_000)).unwrap();
    let (begin, length) = (samples(spans.0 - reference.sound_begins.0), samples(spans.1 - spans.0));
    let there = got.len().min(length).min(reference.sound.len() - begin);
    // An instant of the picture lies between two samples; either is right.
    let same = |begin: usize| got[..there] == reference.sound[begin..begin + there];
    assert!(
        there > 2048 && (same(begin) || same(begin.saturating_sub(1)) || same(begin + 1)),
        "{}",
        head(dump)
    );
    assert!(got.len().abs_diff(length) <= 1025, "{} samples of {length}\n{}", got.len(), head(dump));
}

/// Compares random ranges of a published source, and the last ones that end with it.
fn compare(encoding: &Encoding, seconds: u32, rounds: usize) {
    let dir = tempfile::tempdir().unwrap();
    let published = Published::encode(dir.path(), "published.flv", seconds, encoding);
    let hub = open_hub(dir.path());
    let stream = publish(&hub, &published, 0);
    let reference = Reference::new(&[&published], &stream, 0);
    let mut random = fastrand::Rng::with_seed(u64::from(seconds));
    for round in 0..rounds {
        let first = reference.frames[random.usize(..reference.frames.len() - 40)].0;
        let start = first.plus_ns(random.i64(-40_000_000..40_000_000));
        // Every third is a handful of frames; one-frame clips are beyond GStreamer.
        let longest = if round % 3 == 0 { 400_000_000 } else { 12_000_000_000 };
        let range = start..start.plus_ns(random.i64(130_000_000..longest));
        let plan = planned(&stream, &range, ClipOptions::default());
        let (span, dump, want) = (plan.spans.spans[0].clone(), plan.dump(), reference.in_range(&range));
        let clip = write(dir.path(), plan, &stream);
        assert_ffmpeg(&clip, &want, &reference, &dump);
        if round % 3 < 2 {
            assert_gstreamer(&clip, &want, &reference, &dump);
        }
        if round % 3 > 0 {
            assert_sound(&clip, (span.start.0, span.end.0), &reference, &dump);
        }
    }
}

#[test]
fn open_gops_in_a_pyramid_at_23_976() {
    compare(&OPEN_GOP, 30, 24);
}

#[test]
fn closed_gops_at_29_97() {
    let x264 = "bframes=2:b-adapt=0:keyint=30:min-keyint=30:scenecut=0";
    compare(&Encoding { rate: "30000/1001", filter: "null", x264 }, 21, 9);
}

#[test]
fn variable_rate_without_b_frames() {
    let x264 = "bframes=0:keyint=40:min-keyint=40:scenecut=0";
    let filter = "select='not(eq(mod(n\\,5)\\,3))*not(eq(mod(n\\,7)\\,2))'";
    compare(&Encoding { rate: "50", filter, x264 }, 20, 9);
}

#[test]
fn long_gops_that_change_with_the_scene() {
    let x264 = "bframes=8:b-adapt=2:keyint=infinite:min-keyint=1:scenecut=40:open-gop=1:rc-lookahead=40";
    compare(&Encoding { rate: "25", filter: "negate=enable='between(mod(t\\,7)\\,3\\,5)'", x264 }, 25, 9);
}

#[test]
fn whole_gops_hide_nothing_and_hold_the_range() {
    let dir = tempfile::tempdir().unwrap();
    let published = Published::encode(dir.path(), "published.flv", 20, &OPEN_GOP);
    let hub = open_hub(dir.path());
    let stream = publish(&hub, &published, 0);
    let reference = Reference::new(&[&published], &stream, 0);
    assert!(published.raps().filter(|rap| *rap == Rap::Open).count() > 5, "the source has open GOPs");
    let options = ClipOptions { accuracy: Accuracy::Gop, ..ClipOptions::default() };
    for ms in [3_300, 4_004, 5_500, 11_111] {
        let start = WallTime::from_ms(BEGIN_MS + ms);
        let range = start..start.plus_ns(3_000_000_000);
        let plan = planned(&stream, &range, options);
        let (span, dump, want) =
            (plan.spans.spans[0].clone(), plan.dump(), reference.in_range(&(plan.start..plan.end)));
        assert_eq!(want.len(), usize::try_from(plan.tracks[0].samples).unwrap(), "none is hidden\n{dump}");
        assert!(reference.in_range(&range).iter().all(|f| want.contains(f)), "the range is in it\n{dump}");
        let clip = write(dir.path(), plan, &stream);
        assert_ffmpeg(&clip, &want, &reference, &dump);
        assert_gstreamer(&clip, &want, &reference, &dump);
        assert_sound(&clip, (span.start.0, span.end.0), &reference, &dump);
    }
}

#[test]
fn runs_are_joined_at_key_frames() {
    let dir = tempfile::tempdir().unwrap();
    let published = Published::encode(dir.path(), "published.flv", 12, &OPEN_GOP);
    let hub = open_hub(dir.path());
    let stream = publish(&hub, &published, 0);
    publish(&hub, &published, 20_000);
    let references = [0, 1].map(|run| Reference::new(&[&published], &stream, run));
    for (from, to) in [(3_300, 27_777), (9_000, 21_000), (11_000, 31_000), (15_000, 24_000)] {
        let range = WallTime::from_ms(BEGIN_MS + from)..WallTime::from_ms(BEGIN_MS + to);
        let plan = planned(&stream, &range, ClipOptions::default());
        let dump = plan.dump();
        assert_eq!(plan.gaps.len(), 1, "{dump}");
        let clip = write(dir.path(), plan, &stream);
        let want = references.iter().flat_map(|r| r.in_range(&range)).collect::<Vec<_>>();
        assert_ffmpeg(&clip, &want, &references[0], &dump);
        assert_gstreamer(&clip, &want, &references[0], &dump);
    }
}

#[test]
fn a_change_of_the_parameter_sets_plays_through() {
    let dir = tempfile::tempdir().unwrap();
    let first = Published::encode(dir.path(), "a.flv", 8, &OPEN_GOP);
    let main = Encoding { x264: "bframes=1:keyint=25:min-keyint=25:scenecut=0:8x8dct=0:cabac=0", ..OPEN_GOP };
    let second = Published::encode(dir.path(), "second.flv", 8, &main);
    let hub = open_hub(dir.path());
    let mut publisher = publisher(&hub, 0);
    send(&mut publisher, &first, 0, 0);
    send(&mut publisher, &second, 0, 8_200);
    let stream = publisher.stream().clone();
    publisher.end(EndReason::Unpublished);
    let reference = Reference::new(&[&first, &second], &stream, 0);
    for (from, to) in [(2_500, 13_000), (7_000, 9_500), (500, 4_000), (10_100, 15_000)] {
        let range = WallTime::from_ms(BEGIN_MS + from)..WallTime::from_ms(BEGIN_MS + to);
        let plan = planned(&stream, &range, ClipOptions::default());
        let (dump, both) = (plan.dump(), from < 8_000 && to > 8_500);
        assert_eq!(dump.contains("parameter sets in band"), both, "{dump}");
        assert_eq!(plan.epochs.len(), if both { 2 } else { 1 });
        let clip = write(dir.path(), plan, &stream);
        let want = reference.in_range(&range);
        assert_ffmpeg(&clip, &want, &reference, &dump);
        assert_gstreamer(&clip, &want, &reference, &dump);
    }
}
