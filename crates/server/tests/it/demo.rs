//! `--demo`: the film beside the binary, looped through the RTMP listener without a seam.

use std::process::Command;
use std::time::Duration;

use crate::clips::epoch_ms;
use crate::ffmpeg;
use crate::server::{self, Setup, eventually};

/// A copy of the binary in a folder of its own, with or without a film beside it.
fn installed(film: bool) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["release", "demo"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
    }
    std::fs::copy(server::binary(), dir.path().join("release/tapeline")).unwrap();
    if film {
        ffmpeg::draw(&dir.path().join("demo/demo.flv"), 3);
    }
    dir
}

#[tokio::test]
async fn the_demo_loops_without_a_seam_and_prints_where_to_look() {
    let dir = installed(true);
    let server = Setup::new().binary(&dir.path().join("release/tapeline")).args(&["--demo"]).start().await;
    let line = server.out.wait("live/demo.m3u8").await;
    assert!(line.contains("http://127.0.0.1:"), "{line}");
    server.live("live/demo").await;
    let timeline = eventually("three loops", Duration::from_secs(40), async || {
        let timeline = server.json("/api/v1/streams/live/demo/timeline").await;
        let (start, end) = (epoch_ms(timeline["start"].as_str()?), epoch_ms(timeline["end"].as_str()?));
        (end - start > 9_000).then_some(timeline)
    })
    .await;
    assert_eq!(timeline["runs"].as_array().unwrap().len(), 1, "{timeline}");
    assert_eq!(timeline["gaps"].as_array().unwrap().len(), 0, "{timeline}");
    for odd in ["jumped", "stepped", "not passed on", "disconnected"] {
        assert!(server.log.find(odd).is_none(), "{:?}", server.log.find(odd));
    }
    // Eight seconds of 25 frames, over two joints.
    let start = epoch_ms(timeline["end"].as_str().unwrap()) - 8_000;
    let clip = server.get(&format!("/live/demo.mp4?start={start}&end={}", start + 8_000)).await;
    assert_eq!(clip.status(), 200);
    let file = dir.path().join("clip.mp4");
    std::fs::write(&file, clip.bytes().await.unwrap()).unwrap();
    let frames = ffmpeg::decoded_frames(file.to_str().unwrap());
    assert!((199..=201).contains(&frames), "{frames}");
}

#[test]
fn a_demo_without_its_film_says_how_to_make_it() {
    let dir = installed(false);
    let output = Command::new(dir.path().join("release/tapeline"))
        .args(["serve", "--demo", "--data"])
        .arg(dir.path().join("data"))
        .env("TAPELINE_HTTP__LISTEN", "127.0.0.1:0")
        .env("TAPELINE_RTMP__LISTEN", "127.0.0.1:0")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cargo xtask demo"), "{said}");
}
