//! A publisher over RTMP, and what others see of it: the stream, live HLS, live RTMP play, kick, takeover.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::ffmpeg;
use crate::server::{DEADLINE, Setup, TestServer, eventually};

#[tokio::test]
async fn a_published_stream_is_described() {
    let server = TestServer::start().await;
    let _publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    let stream = eventually("frame rate is measured", DEADLINE, async || {
        let stream = server.json("/api/v1/streams/live/cam1").await;
        stream["tracks"][0]["fps"].is_number().then_some(stream)
    })
    .await;
    assert_eq!((stream["app"].as_str(), stream["stream"].as_str()), (Some("live"), Some("cam1")));
    assert_eq!(stream["publisher"]["protocol"], "rtmp");
    assert!(stream["publisher"]["remote"].as_str().unwrap().starts_with("127.0.0.1"), "{stream}");
    let tracks = stream["tracks"].as_array().unwrap();
    let video = tracks.iter().find(|t| t["kind"] == "video").unwrap();
    assert_eq!(
        (video["codec"].as_str(), video["width"].as_u64(), video["height"].as_u64()),
        (Some("h264"), Some(320), Some(180))
    );
    let fps = video["fps"].as_f64().unwrap();
    assert!((24.0..26.0).contains(&fps), "{fps}");
    let audio = tracks.iter().find(|t| t["kind"] == "audio").unwrap();
    assert_eq!(
        (audio["codec"].as_str(), audio["sample_rate"].as_u64(), audio["channels"].as_u64()),
        (Some("aac"), Some(48000), Some(2))
    );
    assert!(stream["tape"]["bytes"].as_u64().unwrap() > 0);
    let list = server.json("/api/v1/streams").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["next"], Value::Null);
    let timeline = server.json("/api/v1/streams/live/cam1/timeline").await;
    assert_eq!(timeline["runs"].as_array().unwrap().len(), 1);
    assert_eq!(timeline["epochs"].as_array().unwrap().len(), 1);
    assert_eq!(timeline["gaps"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn live_hls_is_there_soon_and_plays() {
    let server = TestServer::start().await;
    let _publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    // The request may come before the first segment: it is held, not refused.
    let master = eventually("the stream is known", DEADLINE, async || {
        let answer = server.get("/live/cam1.m3u8").await;
        (answer.status() == 200).then_some(answer)
    })
    .await;
    assert_eq!(master.headers()["content-type"], "application/vnd.apple.mpegurl");
    let etag = master.headers()["etag"].clone();
    let text = master.text().await.unwrap();
    assert!(text.starts_with("#EXTM3U") && text.contains("CODECS="), "{text}");
    let again =
        server.client.get(server.url("/live/cam1.m3u8")).header("If-None-Match", etag).send().await.unwrap();
    assert_eq!(again.status(), 304);

    let media = server.get("/live/cam1/-/media.m3u8").await;
    assert_eq!(media.status(), 200);
    let plain = media.text().await.unwrap();
    let segment = plain.lines().find(|l| l.ends_with(".m4s")).unwrap().to_owned();
    let segment = format!("/live/cam1/-/{segment}");
    let whole = server.get(&segment).await;
    assert_eq!(whole.status(), 200);
    assert!(whole.headers()["cache-control"].to_str().unwrap().contains("immutable"));
    let whole = whole.bytes().await.unwrap();
    let part = server.client.get(server.url(&segment)).header("Range", "bytes=10-19").send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"].to_str().unwrap(), format!("bytes 10-19/{}", whole.len()));
    assert_eq!(part.bytes().await.unwrap(), whole[10..20]);
    let head = server.client.head(server.url(&segment)).send().await.unwrap();
    assert_eq!(head.headers()["content-length"].to_str().unwrap(), whole.len().to_string());

    // ffprobe takes the master like any player.
    let probed = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-show_entries",
            "stream=codec_name",
            "-of",
            "csv=p=0",
            &server.url("/live/cam1.m3u8"),
        ])
        .output()
        .unwrap();
    let codecs = String::from_utf8_lossy(&probed.stdout);
    assert!(
        codecs.contains("h264") && codecs.contains("aac"),
        "{codecs} {}",
        String::from_utf8_lossy(&probed.stderr)
    );
}

#[tokio::test]
async fn playlists_are_compressed_for_those_who_take_it() {
    let server = TestServer::start().await;
    let _publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    let url = server.url("/live/cam1/-/media.m3u8");
    let compressed = eventually("a playlist worth compressing", DEADLINE, async || {
        let answer = server.client.get(&url).header("Accept-Encoding", "gzip").send().await.unwrap();
        answer.headers().contains_key("content-encoding").then_some(answer)
    })
    .await;
    assert_eq!(compressed.headers()["content-encoding"], "gzip");
    assert!(compressed.headers()["vary"].to_str().unwrap().contains("Accept-Encoding"));
    assert_eq!(compressed.bytes().await.unwrap()[..2], [0x1f, 0x8b]);
    let plain = server.client.get(&url).send().await.unwrap();
    assert!(plain.text().await.unwrap().starts_with("#EXTM3U"));
}

#[tokio::test]
async fn rtmp_play_begins_at_once_with_headers_and_a_key_frame() {
    let server = TestServer::start().await;
    let _publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("played.mp4");
    let played = Command::new("ffmpeg")
        .args([
            "-nostdin",
            "-loglevel",
            "error",
            "-y",
            "-rw_timeout",
            "10000000",
            "-i",
            &server.rtmp_url("live/cam1"),
        ])
        .args(["-t", "3", "-c", "copy"])
        .arg(&file)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(played.status.success(), "{}", String::from_utf8_lossy(&played.stderr));
    let frames = ffmpeg::decoded_frames(file.to_str().unwrap());
    assert!((70..=80).contains(&frames), "{frames} of 75 frames");
    // A viewer is counted while it watches, and no longer.
    eventually("the viewer is gone", DEADLINE, async || {
        (server.json("/api/v1/streams/live/cam1").await["viewers"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_hls_viewer_is_counted_once_however_often_it_asks() {
    let server = TestServer::start().await;
    let _publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    let master = server.get("/live/cam1.m3u8").await.text().await.unwrap();
    let child = master.lines().find(|l| !l.starts_with('#')).expect("a master names its list").to_owned();
    for player in ["VLC", "hls.js", "VLC"] {
        let list = server.client.get(server.url(&format!("/live/{child}"))).header("User-Agent", player);
        assert_eq!(list.send().await.unwrap().status(), 200);
    }
    assert_eq!(server.json("/api/v1/streams/live/cam1").await["viewers"], 2);
}

#[tokio::test]
async fn a_viewer_is_counted_and_kept_through_a_publishers_return() {
    let server = TestServer::start().await;
    let mut publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("played.flv");
    let mut player = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-y", "-i", &server.rtmp_url("live/cam1"), "-c", "copy"])
        .arg(&file)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the viewer is counted", DEADLINE, async || {
        (server.json("/api/v1/streams/live/cam1").await["viewers"] == 1).then_some(())
    })
    .await;
    publisher.kill();
    eventually("offline", DEADLINE, async || {
        (server.json("/api/v1/streams/live/cam1").await["state"] == "offline").then_some(())
    })
    .await;
    let written = || std::fs::metadata(&file).map_or(0, |m| m.len());
    let before = written();
    let _publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    eventually("media of the second run arrives", DEADLINE, async || {
        (written() > before + 100_000).then_some(())
    })
    .await;
    player.kill().unwrap();
    player.wait().unwrap();
    let timeline = server.json("/api/v1/streams/live/cam1/timeline").await;
    assert_eq!(timeline["runs"].as_array().unwrap().len(), 2, "{timeline}");
    assert_eq!(timeline["gaps"][0]["reason"], "offline", "{timeline}");
}

#[tokio::test]
async fn a_kick_ends_the_publisher_and_its_run() {
    let server = TestServer::start().await;
    let mut publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    let url = server.url("/api/v1/streams/live/cam1");
    assert_eq!(server.client.delete(&url).send().await.unwrap().status(), 204);
    eventually("ffmpeg is disconnected", DEADLINE, async || (!publisher.runs()).then_some(())).await;
    assert_eq!(server.json("/api/v1/streams/live/cam1").await["state"], "offline");
    assert_eq!(server.client.delete(&url).send().await.unwrap().status(), 409);
}

#[tokio::test]
async fn a_second_publisher_is_refused_while_the_first_sends() {
    let server = TestServer::start().await;
    let mut first = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    let mut second = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    eventually("the second is refused", DEADLINE, async || (!second.runs()).then_some(())).await;
    server.log.wait("being published").await;
    assert!(first.runs());
    assert_eq!(server.json("/api/v1/streams/live/cam1").await["state"], "live");
}

#[tokio::test]
async fn a_silent_publisher_is_taken_over_by_the_same_key() {
    let server = TestServer::start().await;
    let first = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    let since = server.json("/api/v1/streams/live/cam1").await["publisher"]["since"].clone();
    first.stop();
    let taken = eventually("the second publisher is let in", Duration::from_secs(30), async || {
        let mut second = ffmpeg::publish(&server.rtmp_url("live/cam1"));
        let let_in =
            eventually("the second publisher is let in or leaves", Duration::from_secs(10), async || {
                let stream = server.json("/api/v1/streams/live/cam1").await;
                let here = stream["state"] == "live" && stream["publisher"]["since"] != since;
                (here || !second.runs()).then_some(here)
            });
        let_in.await.then_some(second)
    })
    .await;
    server.log.wait("took over").await;
    drop(taken);
    first.go_on();
}

#[tokio::test]
async fn never_means_never() {
    let server = Setup::new().env("TAPELINE_RTMP__TAKEOVER", "never").start().await;
    let first = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    first.stop();
    // Longer than the silence after which same-key would let it in.
    let silent_since = std::time::Instant::now();
    let mut attempts = 0;
    while silent_since.elapsed() < Duration::from_secs(4) {
        let mut second = ffmpeg::publish(&server.rtmp_url("live/cam1"));
        eventually("the second is refused", DEADLINE, async || (!second.runs()).then_some(())).await;
        attempts += 1;
    }
    assert!(attempts > 1);
    first.go_on();
}

#[tokio::test]
async fn a_time_query_on_rtmp_play_is_answered_that_it_is_not_there_yet() {
    let server = TestServer::start().await;
    let _publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    let player = Command::new("ffmpeg")
        .args([
            "-nostdin",
            "-loglevel",
            "error",
            "-rw_timeout",
            "10000000",
            "-i",
            &server.rtmp_url("live/cam1?start=-10s"),
        ])
        .args(["-t", "1", "-f", "null", "-"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!player.status.success());
    server.log.wait("time queries over RTMP are not there in this version").await;
}

#[tokio::test]
async fn the_end_of_the_server_seals_what_was_recorded() {
    let mut server = TestServer::start().await;
    let _publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    eventually("some seconds are recorded", DEADLINE, async || {
        let timeline = server.json("/api/v1/streams/live/cam1/timeline").await;
        let (start, end) = (timeline["start"].as_str()?.to_owned(), timeline["end"].as_str()?.to_owned());
        (start[..19] != end[..19]).then_some(())
    })
    .await;
    server.signal("TERM");
    assert_eq!(server.ended(Duration::from_secs(8)).await.code(), Some(0));
    let again = Setup::new().data(&server.data).start().await;
    let stream = again.json("/api/v1/streams/live/cam1").await;
    assert_eq!(stream["state"], "offline");
    assert_eq!(stream["tape"]["end"], stream["tape"]["durable_until"], "{stream}");
    let assets = again.json("/api/v1/assets?kind=recording").await;
    assert_eq!(assets["items"][0]["status"], "ready", "{assets}");
}
