//! A source that changes its picture in mid-stream: every frame is shown at its own size and aspect, in order, by
//! every player, and after a seek to either side of a change.

use std::path::Path;
use std::sync::Arc;

use media::WallTime;
use tape::{Piece, Stream};
use view::clip::{ClipOptions, GapPolicy, SplitBody, SplitPlan, plan, plan_split, plan_split_spans};
use view::hls::{HlsConfig, MediaRequest, Playlists};

use crate::chromium::{chromium_seeks, chromium_shows};
use crate::compared::Clip;
use crate::making::{planned, write};
use crate::peers::{ffmpeg_plays, ffmpeg_seeks, ffmpeg_sizes, gstreamer_pictures, tool};
use crate::published::{BEGIN_MS, Encoding, OPEN_GOP, Published, Sent, open_hub, publish};
use crate::reference::Reference;

/// Length of each stretch.
const SECONDS: u32 = 2;
/// From the beginning of one stretch to that of the next: as long as its frames last.
const STRETCH_MS: u32 = 2_002;

/// Publishes one stretch for each filter, in one run.
fn publish_stretches(dir: &Path, filters: [&'static str; 3]) -> (Arc<Stream>, [Published; 3]) {
    let names = ["a.flv", "second.flv", "the-third.flv"];
    let files: [_; 3] = std::array::from_fn(|n| {
        Published::encode(dir, names[n], SECONDS, &Encoding { filter: filters[n], ..OPEN_GOP })
    });
    let joined = Published::joined(dir.join("joined.flv"), &files, STRETCH_MS);
    (publish(&open_hub(dir), &joined, 0), files)
}

fn sent(files: &[Published; 3]) -> [Sent<'_>; 3] {
    let shifts = [0, 1, 2].map(|n| n * i64::from(STRETCH_MS));
    std::array::from_fn(|n| Sent { shift_ms: shifts[n], ..Sent::run(&files[n], 0) })
}

fn clip(dir: &Path, stream: &Arc<Stream>, from_ms: i64, to_ms: i64) -> Clip {
    let range = WallTime::from_ms(BEGIN_MS + from_ms)..WallTime::from_ms(BEGIN_MS + to_ms);
    write(dir, &format!("from {from_ms}"), planned(stream, &range, ClipOptions::default()), stream)
}

#[test]
fn every_size_is_shown_at_its_own_size_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (stream, files) = publish_stretches(
        dir.path(),
        ["scale=1280:720,setsar=1", "scale=640:360,setsar=1", "scale=360:640,setsar=1"],
    );
    let reference = Reference::new(&stream, &[&sent(&files)]);
    let clip = clip(dir.path(), &stream, 1_300, 4_800);
    clip.assert_pictures("FFmpeg", &ffmpeg_plays(&clip.file).0, &reference);
    clip.assert_pictures("GStreamer", &gstreamer_pictures(&clip.file), &reference);
    let mut sizes = ffmpeg_sizes(&clip.file);
    sizes.dedup();
    assert_eq!(sizes, ["1280,720,1:1", "640,360,1:1", "360,640,1:1"]);
    let (shown, mut sizes): (Vec<_>, Vec<_>) = chromium_shows(&clip.file).into_iter().unzip();
    clip.assert_pictures("Chromium", &shown, &reference);
    sizes.dedup();
    assert_eq!(sizes, [(1280, 720), (640, 360), (360, 640)]);
    assert_seeks(&clip, &reference);
}

/// Seeks to and fro, to both sides of both changes.
fn assert_seeks(clip: &Clip, reference: &Reference) {
    let wall = |ms| clip.start.plus_ns(ms * 1_000_000);
    let on_screen = |ms| {
        let shown = reference.frames.iter().rposition(|frame| frame.wall <= wall(ms));
        reference.frames[shown.unwrap()].picture
    };
    let first_change = WallTime::from_ms(BEGIN_MS + i64::from(STRETCH_MS)).since_ns(clip.start) / 1_000_000;
    let changes = [first_change, first_change + i64::from(STRETCH_MS)];
    // In the middle of frames of 41.7 ms, which begin a little after each change.
    let times: Vec<_> =
        [(1, -500), (0, -60), (1, 150), (0, 150), (1, -60)].map(|(n, ms)| changes[n] + ms).to_vec();
    let by_chromium = chromium_seeks(&clip.file, &times);
    for (at_ms, shown) in times.iter().zip(by_chromium) {
        assert_eq!(shown.picture, on_screen(*at_ms), "Chromium at {at_ms} ms\n{}", clip.head);
        let next = reference.frames.iter().find(|frame| frame.wall >= wall(*at_ms)).unwrap();
        assert_eq!(ffmpeg_seeks(&clip.file, *at_ms), next.picture, "FFmpeg at {at_ms} ms\n{}", clip.head);
    }
}

#[test]
fn every_pixel_aspect_is_shown_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (stream, files) = publish_stretches(dir.path(), ["setsar=4/3", "setsar=1", "setsar=1/2"]);
    let reference = Reference::new(&stream, &[&sent(&files)]);
    let clip = clip(dir.path(), &stream, 1_700, 4_300);
    clip.assert_pictures("FFmpeg", &ffmpeg_plays(&clip.file).0, &reference);
    clip.assert_pictures("GStreamer", &gstreamer_pictures(&clip.file), &reference);
    let mut sizes = ffmpeg_sizes(&clip.file);
    sizes.dedup();
    assert_eq!(sizes, ["160,96,4:3", "160,96,1:1", "160,96,1:2"]);
    let (shown, mut sizes): (Vec<_>, Vec<_>) = chromium_shows(&clip.file).into_iter().unzip();
    clip.assert_pictures("Chromium", &shown, &reference);
    sizes.dedup();
    // Chromium makes the longer side of a pixel longer.
    assert_eq!(sizes, [(213, 96), (160, 96), (160, 192)]);
}

#[test]
fn a_header_that_is_sent_again_is_no_change() {
    let dir = tempfile::tempdir().unwrap();
    let (published, again) =
        Published::encode(dir.path(), "published.flv", 8, &OPEN_GOP).with_headers_again();
    assert_eq!(again, 4, "before each key frame");
    let stream = publish(&open_hub(dir.path()), &published, 0);
    let range = WallTime::from_ms(BEGIN_MS)..WallTime::from_ms(BEGIN_MS + 8_000);
    let made = plan(&*stream, range.clone(), ClipOptions::default()).unwrap();
    assert_eq!(made.epochs.len(), 1, "{}", made.dump());
    let request = MediaRequest {
        start: Some(range.start),
        end: Some(range.end),
        shift_ns: None,
        gaps: GapPolicy::Collapse,
        skip: None,
        clock: range.end,
    };
    let list = Playlists::new(HlsConfig::default()).media(&stream, &request).unwrap().to_bytes();
    let list = std::str::from_utf8(&list).unwrap();
    let count = |tag| list.lines().filter(|line| line.starts_with(tag)).count();
    assert_eq!((count("#EXTINF"), count("#EXT-X-MAP")), (3, 1), "{list}");
    assert!(!list.contains("#EXT-X-DISCONTINUITY\n"), "{list}");
}

#[test]
fn an_archive_has_a_file_for_each_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let (stream, files) = publish_stretches(dir.path(), ["scale=640:360", "scale=360:640", "scale=640:360"]);
    let reference = Reference::new(&stream, &[&sent(&files)]);
    let range = WallTime::from_ms(BEGIN_MS + 1_300)..WallTime::from_ms(BEGIN_MS + 4_800);
    let plan = plan_split(&*stream, range.clone(), ClipOptions::default(), "cam").unwrap();
    // Of them one ends between the last picture decoded and the last shown.
    for (from, to) in [(1_300, 4_800), (0, 6_000), (0, 5_985), (-1_000, 9_000)] {
        let range = WallTime::from_ms(BEGIN_MS + from)..WallTime::from_ms(BEGIN_MS + to);
        let plan = plan_split(&*stream, range, ClipOptions::default(), "cam").unwrap();
        let again = plan_split_spans(&*stream, &plan.spans, plan.options, "cam").unwrap();
        let told = |plan: &SplitPlan| plan.files.iter().map(|f| f.plan.dump()).collect::<Vec<_>>().join("\n");
        assert_eq!(again.etag(), plan.etag(), "{}\n---\n{}", told(&plan), told(&again));
    }
    let (names, bytes): (Vec<_>, _) = (plan.files.iter().map(|f| f.name.clone()).collect(), plan.bytes());
    let starts: Vec<_> = plan.files.iter().map(|f| f.plan.start).collect();
    let mut archive = Vec::new();
    for piece in SplitBody::new(Arc::new(plan), stream.clone()).pieces(0..u64::MAX) {
        match piece.unwrap() {
            Piece::Mem(bytes) => archive.extend_from_slice(&bytes),
            Piece::File { .. } => panic!("an archive is read to be summed"),
        }
    }
    assert_eq!(archive.len() as u64, bytes);
    let (zip, out) = (dir.path().join("clip.zip"), dir.path().join("files"));
    std::fs::write(&zip, archive).unwrap();
    // Python reads the directory and checks every sum.
    tool("python3", &["-m", "zipfile", "-e", zip.to_str().unwrap(), out.to_str().unwrap()]);
    let mut pictures = Vec::new();
    for (name, start) in names.iter().zip(starts) {
        let (shown, _) = ffmpeg_plays(&out.join(name));
        let first = reference.number(shown[0].picture).unwrap();
        assert_eq!(reference.frames[first].wall, start, "{name}");
        pictures.extend(shown.iter().map(|s| reference.number(s.picture)));
    }
    assert_eq!(pictures, reference.in_range(&range), "all of it, in order");
    let sizes: Vec<_> = names.iter().map(|n| n.split('_').nth(3).unwrap()).collect();
    assert_eq!(sizes, ["h264-640x360", "h264-360x640", "h264-640x360"]);
}
