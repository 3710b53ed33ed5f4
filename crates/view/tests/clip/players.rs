//! Clips of one kind each in FFmpeg and GStreamer: whole GOPs, several runs, several parameter sets.

use media::{Rap, WallTime};
use tape::EndReason;
use view::clip::{Accuracy, ClipOptions, GapPolicy};

use crate::chromium::chromium_pictures;
use crate::compared::Clip;
use crate::making::{planned, write};
use crate::peers::{ffmpeg_plays, gstreamer_pictures, gstreamer_plays};
use crate::published::{BEGIN_MS, Encoding, OPEN_GOP, Published, Sent, open_hub, publish, publisher};
use crate::reference::Reference;

/// Compares a clip in both players.
fn assert_plays(clip: &Clip, reference: &Reference) {
    let (shown, sound) = ffmpeg_plays(&clip.file);
    clip.assert_pictures("FFmpeg", &shown, reference);
    clip.assert_sound("FFmpeg", &sound, reference);
    clip.assert_pictures("GStreamer", &gstreamer_pictures(&clip.file), reference);
}

/// Compares clips whose gaps are held in three players, pictures and the sound behind each gap.
fn assert_holds(clips: &[Clip], reference: &Reference) {
    for clip in clips {
        // GStreamer rounds samples with noise.
        for (player, dither, (shown, sound)) in
            [("FFmpeg", 0, ffmpeg_plays(&clip.file)), ("GStreamer", 4, gstreamer_plays(&clip.file))]
        {
            clip.assert_pictures(player, &shown, reference);
            clip.assert_held_sound(player, &sound, dither, reference);
        }
    }
    let files: Vec<_> = clips.iter().map(|clip| &*clip.file).collect();
    for (clip, shown) in clips.iter().zip(chromium_pictures(&files)) {
        clip.assert_pictures("Chromium", &shown, reference);
    }
}

#[test]
fn gaps_are_held_for_as_long_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second] = ["first.flv", "second.flv"].map(|n| Published::encode(dir.path(), n, 3, &OPEN_GOP));
    let hub = open_hub(dir.path());
    let stream = publish(&hub, &first, 0);
    publish(&hub, &second, 4_777);
    let reference = Reference::new(&stream, &[&[Sent::run(&first, 0)], &[Sent::run(&second, 4_777)]]);
    let options = ClipOptions { gaps: GapPolicy::Hold, ..ClipOptions::default() };
    let ranges = [(2_300, 5_777), (-1_000, 5_500), (2_222, 8_500)];
    let clips: Vec<_> = ranges
        .into_iter()
        .map(|(from, to)| {
            let range = WallTime::from_ms(BEGIN_MS + from)..WallTime::from_ms(BEGIN_MS + to);
            write(dir.path(), &format!("from {from}"), planned(&stream, &range, options), &stream)
        })
        .collect();
    assert_holds(&clips, &reference);
}

#[test]
fn whole_gops_hide_nothing_and_hold_the_range() {
    let dir = tempfile::tempdir().unwrap();
    let published = Published::encode(dir.path(), "published.flv", 20, &OPEN_GOP);
    let hub = open_hub(dir.path());
    let stream = publish(&hub, &published, 0);
    let reference = Reference::new(&stream, &[&[Sent::run(&published, 0)]]);
    assert!(published.raps().filter(|rap| *rap == Rap::Open).count() > 5, "the source has open GOPs");
    let options = ClipOptions { accuracy: Accuracy::Gop, ..ClipOptions::default() };
    for ms in [3_300, 4_004, 5_500, 11_111] {
        let start = WallTime::from_ms(BEGIN_MS + ms);
        let range = start..start.plus_ns(3_000_000_000);
        let plan = planned(&stream, &range, options);
        let (samples, whole) = (plan.tracks[0].samples, plan.start..plan.end);
        let clip = Clip { range: whole, ..write(dir.path(), &format!("at {ms}"), plan, &stream) };
        let want = reference.in_range(&clip.range);
        assert_eq!(want.len(), usize::try_from(samples).unwrap(), "none is hidden\n{}", clip.head);
        assert!(
            reference.in_range(&range).iter().all(|f| want.contains(f)),
            "it holds the range\n{}",
            clip.head
        );
        assert_plays(&clip, &reference);
    }
}

#[test]
fn runs_are_joined_at_key_frames() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second] =
        ["first.flv", "second.flv"].map(|n| Published::encode(dir.path(), n, 12, &OPEN_GOP));
    let hub = open_hub(dir.path());
    let stream = publish(&hub, &first, 0);
    publish(&hub, &second, 20_000);
    let reference = Reference::new(&stream, &[&[Sent::run(&first, 0)], &[Sent::run(&second, 20_000)]]);
    for (from, to) in [(3_300, 27_777), (9_000, 21_000), (11_000, 31_000), (15_000, 24_000)] {
        let range = WallTime::from_ms(BEGIN_MS + from)..WallTime::from_ms(BEGIN_MS + to);
        let plan = planned(&stream, &range, ClipOptions::default());
        assert_eq!(plan.gaps.len(), 1, "{}", plan.dump());
        assert_plays(&write(dir.path(), &format!("from {from}"), plan, &stream), &reference);
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
    let sent = [Sent::run(&first, 0), Sent { shift_ms: 8_200, ..Sent::run(&second, 0) }];
    for sent in &sent {
        sent.send_all(&mut publisher);
    }
    let stream = publisher.stream().clone();
    publisher.end(EndReason::Unpublished);
    let reference = Reference::new(&stream, &[&sent]);
    for (from, to) in [(2_500, 13_000), (7_000, 9_500), (500, 4_000), (10_100, 15_000)] {
        let range = WallTime::from_ms(BEGIN_MS + from)..WallTime::from_ms(BEGIN_MS + to);
        let plan = planned(&stream, &range, ClipOptions::default());
        let (dump, both) = (plan.dump(), from < 8_000 && to > 8_500);
        assert_eq!(dump.contains("parameter sets in band"), both, "{dump}");
        assert_eq!(plan.epochs.len(), if both { 2 } else { 1 });
        let clip = write(dir.path(), &format!("from {from}"), plan, &stream);
        let (shown, _) = ffmpeg_plays(&clip.file);
        clip.assert_pictures("FFmpeg", &shown, &reference);
        clip.assert_pictures("GStreamer", &gstreamer_pictures(&clip.file), &reference);
    }
}
