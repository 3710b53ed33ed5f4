//! A source that changes its picture in mid-stream, and one that stalls: what players get, and what is told.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::ffmpeg;
use crate::frames::{self, PICTURE_MS, Player, RATE};
use crate::server::{DEADLINE, TestServer, eventually, read_problem};

/// Sizes of the picture, one after the other.
const SIZES: [(&str, &str); 3] = [("1280:720", "1280x720"), ("640:360", "640x360"), ("360:640", "360x640")];
/// Seconds of each.
const STRETCH_S: u32 = 4;
const STRETCH: u32 = STRETCH_S * RATE;
const STREAM: &str = "live/sizes";
/// The body of a tag follows its header of eleven bytes, and a size of four follows that.
const TAG_BYTES: usize = 11 + 4;

/// Numbered pictures of one size after another in one FLV file, as an encoder sends that is set anew.
fn changing() -> PathBuf {
    ffmpeg::drawn_once("barcode-sizes-1.flv", |path| {
        let mut out = Vec::new();
        for (number, (size, _)) in (0u32..).zip(SIZES) {
            let part = path.with_extension(format!("{number}.flv"));
            frames::draw(&part, STRETCH_S, number * STRETCH, size);
            append(&mut out, &std::fs::read(&part).unwrap(), number * STRETCH_S * 1000);
            std::fs::remove_file(part).unwrap();
        }
        std::fs::write(path, out).unwrap();
    })
}

/// Appends the tags of an FLV file, so much later, without those of the stretch behind it and without what it says of
/// itself again.
fn append(out: &mut Vec<u8>, file: &[u8], shift_ms: u32) {
    let (head, mut rest) = file.split_at(13);
    let is_first = out.is_empty();
    out.extend_from_slice(if is_first { head } else { &[] });
    while let [kind, a, b, c, d, e, f, g, ..] = *rest {
        let (tag, after) = rest.split_at(TAG_BYTES + u32::from_be_bytes([0, a, b, c]) as usize);
        let at_ms = u32::from_be_bytes([g, d, e, f]);
        let [g, d, e, f] = (at_ms + shift_ms).to_be_bytes();
        if at_ms < STRETCH_S * 1000 && (is_first || kind != 18) {
            out.extend_from_slice(&[kind, a, b, c, d, e, f, g]);
            out.extend_from_slice(&tag[8..]);
        }
        rest = after;
    }
}

/// Sizes in order of appearance.
fn distinct(mut sizes: Vec<String>) -> Vec<String> {
    sizes.dedup();
    sizes
}

fn sizes() -> Vec<String> {
    SIZES.map(|(_, told)| told.to_owned()).to_vec()
}

#[tokio::test]
async fn every_size_is_played_recorded_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start().await;
    let mut publisher = ffmpeg::publish_file(&changing(), &[], &server.rtmp_url(STREAM));
    server.live(STREAM).await;
    let mut player =
        Player::ffmpeg(dir.path(), "rtmp", &server.rtmp_url(STREAM), &["-rw_timeout", "20000000"]);
    eventually("the publisher has sent it all", Duration::from_secs(40), async || {
        (!publisher.runs()).then_some(())
    })
    .await;
    let all = 3 * STRETCH;
    let missing = player.shown().first().map_or(0, |first| first.number);
    // The last pictures stay in a decoder that hears of no end.
    let seen = player.has_shown((all - missing - 8) as usize, DEADLINE, |_| {}).await;
    let numbers: Vec<u32> = seen.iter().map(|shown| shown.number).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "RTMP play: {numbers:?}");
    assert_eq!(distinct(player.sizes()), sizes(), "RTMP play, from {missing} on");

    let timeline = server.json(&format!("/api/v1/streams/{STREAM}/timeline")).await;
    let told = timeline["epochs"].as_array().unwrap().iter();
    let told: Vec<_> =
        told.map(|e| format!("{}x{}", e["tracks"][0]["width"], e["tracks"][0]["height"])).collect();
    assert_eq!(told, sizes());
    assert_eq!((timeline["runs"].as_array().unwrap().len(), &timeline["gaps"]), (1, &json!([])));

    let range =
        format!("start={}&end={}", timeline["start"].as_str().unwrap(), timeline["end"].as_str().unwrap());
    playlist_changes_its_map(&server, &range).await;
    one_file(&server, dir.path(), &range).await;
    archive(&server, dir.path(), &range).await;
    stored(&server, &timeline).await;
}

/// Each change is a discontinuity with a map of its own, and nothing else is.
async fn playlist_changes_its_map(server: &TestServer, range: &str) {
    let list = server.get(&format!("/{STREAM}/-/media.m3u8?{range}")).await.text().await.unwrap();
    assert_eq!(list.matches("#EXT-X-DISCONTINUITY\n").count(), 2, "{list}");
    let mut maps: Vec<_> = list.lines().filter(|line| line.starts_with("#EXT-X-MAP")).collect();
    assert_eq!(maps.len(), 3, "{list}");
    maps.dedup();
    assert_eq!(maps.len(), 3, "{list}");
    let held = server.problem(&format!("/{STREAM}.m3u8?{range}&gaps=hold")).await;
    assert_eq!((held.0, held.1["type"].as_str()), (501, Some("/problems/not-built")));
}

/// Plays a file to its end: numbers, their times, and sizes.
async fn played(dir: &Path, file: &Path) -> (Vec<u32>, Vec<f64>, Vec<String>) {
    let name = file.file_stem().unwrap().to_str().unwrap();
    let mut player = Player::ffmpeg(dir, name, file.to_str().unwrap(), &["-autorotate", "0"]);
    let shown = player.ended(DEADLINE).await;
    let sizes = distinct(player.sizes());
    (shown.iter().map(|s| s.number).collect(), shown.iter().map(|s| s.at_ms).collect(), sizes)
}

async fn one_file(server: &TestServer, dir: &Path, range: &str) {
    let answer = server.get(&format!("/{STREAM}.mp4?{range}")).await;
    assert_eq!(answer.headers()["content-type"], "video/mp4");
    let told = answer.headers()["tapeline-epochs"].to_str().unwrap().to_owned();
    let words: Vec<_> = told.split(", ").map(|e| e.split_once(';').map_or(e, |(_, tracks)| tracks)).collect();
    assert_eq!(words, ["inband", "h264 1280x720 aac", "h264 640x360 aac", "h264 360x640 aac"], "{told}");
    let file = dir.join("inband.mp4");
    std::fs::write(&file, answer.bytes().await.unwrap()).unwrap();
    let (numbers, times, shown) = played(dir, &file).await;
    assert_whole(&numbers);
    assert_eq!(shown, sizes());
    assert!(times.windows(2).all(|t| (t[1] - t[0] - PICTURE_MS).abs() < 2.0), "{times:?}");
}

async fn archive(server: &TestServer, dir: &Path, range: &str) {
    let path = format!("/{STREAM}.mp4?{range}&epochs=split");
    let answer = server.get(&path).await;
    assert_eq!(answer.headers()["content-type"], "application/zip");
    assert!(answer.headers()["content-disposition"].to_str().unwrap().contains(".zip"));
    assert!(answer.headers()["tapeline-epochs"].to_str().unwrap().starts_with("split, "));
    let (length, etag) = (answer.headers()["content-length"].clone(), answer.headers()["etag"].clone());
    let bytes = answer.bytes().await.unwrap();
    assert_eq!(length, bytes.len().to_string());
    let head = server.client.head(server.url(&path)).send().await.unwrap();
    assert_eq!((&head.headers()["etag"], &head.headers()["content-length"]), (&etag, &length));
    // The directory alone, and a piece of the middle.
    for (from, to) in [(bytes.len() - 300, bytes.len() - 1), (bytes.len() / 3, bytes.len() / 2)] {
        let wanted = format!("bytes={from}-{to}");
        let part = server.client.get(server.url(&path)).header("Range", wanted).send().await.unwrap();
        assert_eq!(part.status(), 206);
        assert_eq!(part.bytes().await.unwrap(), bytes[from..=to]);
    }
    let (zip, out) = (dir.join("split.zip"), dir.join("split"));
    std::fs::write(&zip, &bytes).unwrap();
    let unpacked = Command::new("python3").args(["-m", "zipfile", "-e"]).args([&zip, &out]).status().unwrap();
    assert!(unpacked.success(), "every sum is right");
    let mut files: Vec<_> = std::fs::read_dir(&out).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let mut numbers = Vec::new();
    for (file, (_, size)) in files.iter().zip(SIZES) {
        assert!(file.to_str().unwrap().ends_with(&format!("_h264-{size}_aac.mp4")), "{file:?}");
        let (shown, _, sizes) = played(dir, file).await;
        assert_eq!(sizes, [size]);
        numbers.extend(shown);
    }
    assert_eq!(files.len(), 3);
    assert_whole(&numbers);
}

/// All pictures in order. A tape ends where decoding does, a few pictures before the last is shown.
fn assert_whole(numbers: &[u32]) {
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    let ends = numbers.first().zip(numbers.last());
    assert!(ends.is_some_and(|(first, last)| *first <= 2 && *last >= 3 * STRETCH - 3), "{ends:?}");
}

/// Clips of the library, and what takes a worker.
async fn stored(server: &TestServer, timeline: &Value) {
    let ask = |epochs: &str| json!({"start": timeline["start"], "end": timeline["end"], "epochs": epochs});
    let clips = format!("/api/v1/streams/{STREAM}/clips");
    for (epochs, kind) in [("split", "application/zip"), ("inband", "video/mp4")] {
        let (status, asset) = server.post(&clips, &ask(epochs)).await;
        assert_eq!(status, 201, "{asset}");
        let id = asset["id"].as_str().unwrap();
        let asset = eventually("the clip is ready", DEADLINE, async || {
            let asset = server.json(&format!("/api/v1/assets/{id}")).await;
            (asset["status"] == "ready").then_some(asset)
        })
        .await;
        assert_eq!(asset["layout"], epochs);
        let widths: Vec<_> =
            asset["epochs"].as_array().unwrap().iter().map(|e| e["tracks"][0]["width"].clone()).collect();
        assert_eq!(widths, [1280, 640, 360], "{asset}");
        let media = server.get(asset["url"].as_str().unwrap()).await;
        assert_eq!(media.headers()["content-type"], kind);
        assert_eq!(json!(media.bytes().await.unwrap().len()), asset["bytes"], "{asset}");
    }
    let (status, problem) = server.post(&clips, &ask("reencode")).await;
    assert_eq!((status, problem["type"].as_str()), (501, Some("/problems/no-worker")));
    let query =
        format!("start={}&end={}", timeline["start"].as_str().unwrap(), timeline["end"].as_str().unwrap());
    let answer = server.get(&format!("/{STREAM}.mp4?{query}&epochs=reencode")).await;
    assert_eq!(read_problem(answer).await.1["type"], "/problems/no-worker");
}

#[tokio::test]
async fn a_stall_is_a_gap_that_says_so() {
    let server = TestServer::start().await;
    let publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    let before = server.live("live/cam1").await;
    publisher.stop();
    let path = "/api/v1/streams/live/cam1/timeline";
    eventually("the run has ended", Duration::from_secs(25), async || {
        (server.json(path).await["runs"][0]["live"] == false).then_some(())
    })
    .await;
    publisher.go_on();
    let timeline = eventually("another run", DEADLINE, async || {
        let timeline = server.json(path).await;
        (timeline["runs"][1]["live"] == true).then_some(timeline)
    })
    .await;
    assert_eq!(timeline["gaps"][0]["reason"], "source_stalled", "{timeline}");
    let after = server.json("/api/v1/streams/live/cam1").await;
    assert_eq!(after["publisher"], before["publisher"], "the connection stayed");
}
