//! Clips by URL and by REST: bytes, ranges, tags, times, names, and how quickly they are made.

use std::time::{Duration, Instant};

use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::ffmpeg;
use crate::server::{DEADLINE, TestServer, eventually, read_problem};

/// A server with a live stream that has some seconds on tape.
async fn recorded(seconds: i64) -> (TestServer, ffmpeg::Publisher) {
    let server = TestServer::start().await;
    let publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    let timeline = "/api/v1/streams/live/cam1/timeline";
    eventually(&format!("{seconds} s on tape"), Duration::from_secs(60), async || {
        let told = server.json(timeline).await;
        let ms = |v: &Value| epoch_ms(v.as_str().unwrap());
        (told["end"].is_string() && ms(&told["end"]) - ms(&told["start"]) >= seconds * 1000).then_some(())
    })
    .await;
    (server, publisher)
}

/// Milliseconds since the epoch of `2026-01-02T03:04:05.678Z`.
pub(crate) fn epoch_ms(text: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| text[range].parse::<i64>().unwrap();
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    // Days from the civil date, proleptic Gregorian.
    let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, year_of_era) = (y.div_euclid(400), y.rem_euclid(400));
    let day_of_year = (153 * m + 2) / 5 + day - 1;
    let days =
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    ((days * 24 + number(11..13)) * 60 + number(14..16)) * 60_000 + number(17..19) * 1000 + number(20..23)
}

async fn absolute(server: &TestServer, query: &str) -> String {
    let answer = server.get(&format!("/live/cam1.mp4?{query}")).await;
    assert_eq!(answer.status(), 307, "{query}");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let to = answer.headers()["location"].to_str().unwrap().to_owned();
    format!("/live/{}", to.trim_start_matches("./"))
}

#[tokio::test]
async fn a_clip_has_length_ranges_tags_and_exact_times() {
    let (server, _publisher) = recorded(6).await;
    let path = absolute(&server, "start=-5s&end=-1s").await;
    let head = server.client.head(server.url(&path)).send().await.unwrap();
    assert_eq!(head.status(), 200);
    let header = |h: &HeaderMap<HeaderValue>, name: &str| h[name].to_str().unwrap().to_owned();
    assert_eq!(header(head.headers(), "content-type"), "video/mp4");
    assert_eq!(header(head.headers(), "accept-ranges"), "bytes");
    let size: usize = header(head.headers(), "content-length").parse().unwrap();
    let etag = header(head.headers(), "etag");
    assert!(etag.starts_with('"'), "a strong tag: {etag}");
    let length = epoch_ms(&header(head.headers(), "tapeline-end"))
        - epoch_ms(&header(head.headers(), "tapeline-start"));
    assert!((3960..=4040).contains(&length), "snapped to frames of 40 ms: {length} ms");
    assert_eq!(header(head.headers(), "tapeline-gaps"), "none");

    let whole = server.get(&path).await;
    assert_eq!(header(whole.headers(), "etag"), etag);
    let whole = whole.bytes().await.unwrap();
    assert_eq!(whole.len(), size);
    // Any bytes of it are the same bytes, wherever they are cut.
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..20 {
        let from = random.usize(0..size);
        let to = random.usize(from..size);
        let part = server
            .client
            .get(server.url(&path))
            .header("Range", format!("bytes={from}-{to}"))
            .send()
            .await
            .unwrap();
        assert_eq!(part.status(), 206);
        assert_eq!(header(part.headers(), "content-range"), format!("bytes {from}-{to}/{size}"));
        assert_eq!(part.bytes().await.unwrap(), whole[from..=to]);
    }
    let ask = async |name: &'static str, value: &str, range: Option<&str>| {
        let mut request = server.client.get(server.url(&path)).header(name, value);
        if let Some(range) = range {
            request = request.header("Range", range);
        }
        request.send().await.unwrap()
    };
    assert_eq!(ask("If-None-Match", &etag, None).await.status(), 304);
    assert_eq!(ask("If-None-Match", "\"other\"", None).await.status(), 200);
    assert_eq!(ask("If-Range", &etag, Some("bytes=0-9")).await.status(), 206);
    assert_eq!(ask("If-Range", "\"other\"", Some("bytes=0-9")).await.status(), 200);
    assert_eq!(ask("If-Match", "\"other\"", None).await.status(), 412);
    let beyond = ask("Range", &format!("bytes={size}-"), None).await;
    assert_eq!(header(beyond.headers(), "content-range"), format!("bytes */{size}"));
    assert_eq!(read_problem(beyond).await.0, 416);

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("clip.mp4");
    std::fs::write(&file, &whole).unwrap();
    let frames = ffmpeg::decoded_frames(file.to_str().unwrap());
    assert!((99..=101).contains(&frames), "{frames}");
}

#[tokio::test]
async fn a_clip_that_ends_now_can_be_fetched_at_once() {
    let (server, _publisher) = recorded(3).await;
    for _ in 0..5 {
        let path = absolute(&server, "start=-2s&end=now").await;
        let answer = server.get(&path).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert!(answer.bytes().await.unwrap().starts_with(&[0, 0, 0]), "an MP4 begins with a box");
    }
}

#[tokio::test]
async fn a_playlist_of_a_range_that_ends_now_is_held_until_it_is_whole() {
    let (server, _publisher) = recorded(3).await;
    let answer = server.get("/live/cam1.m3u8?start=-2s&end=now").await;
    assert_eq!(answer.status(), 307);
    let to = answer.headers()["location"].to_str().unwrap().trim_start_matches("./").to_owned();
    let master = server.get(&format!("/live/{to}")).await.text().await.unwrap();
    let media = master.lines().find(|l| !l.starts_with('#')).expect("a master names its list");
    let list = server.get(&format!("/live/{media}")).await.text().await.unwrap();
    assert!(list.trim_end().ends_with("#EXT-X-ENDLIST"), "{list}");
}

#[tokio::test]
async fn the_future_is_425_unless_waited_for() {
    let (server, _publisher) = recorded(2).await;
    let now_ms = i64::try_from(
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis(),
    )
    .unwrap();
    let early = server.get(&format!("/live/cam1.mp4?start={}&end={}", now_ms - 1000, now_ms + 60_000)).await;
    let retry: u64 = early.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((30..=90).contains(&retry), "{retry}");
    assert_eq!(read_problem(early).await.0, 425);
    let begun = Instant::now();
    let waited =
        server.get(&format!("/live/cam1.mp4?start={}&end={}&wait=10", now_ms - 1000, now_ms + 1500)).await;
    assert_eq!(waited.status(), 200);
    assert!(begun.elapsed() > Duration::from_secs(1));
}

#[tokio::test]
async fn ranges_outside_the_tape_are_404_with_what_there_is() {
    let (server, _publisher) = recorded(2).await;
    for path in ["/live/cam1.mp4?start=1000&end=2000", "/live/cam1.m3u8?start=1000&end=2000"] {
        let (status, body) = server.problem(path).await;
        assert_eq!((status, body["type"].as_str()), (404, Some("/problems/outside-tape")), "{body}");
        assert!(body["tape"]["start"].is_string() && body["tape"]["end"].is_string(), "{body}");
    }
    let (status, body) = server.problem("/live/cam1.mp4?start=-1s&end=-2s").await;
    assert_eq!((status, body["type"].as_str()), (400, Some("/problems/bad-time")), "{body}");
    let (status, body) = server.problem("/live/cam1.mp4?start=-1s").await;
    assert_eq!(status, 400, "{body}");
    let path = absolute(&server, "start=-3600s&end=-1s").await;
    let partly = server.get(&path).await;
    assert_eq!(partly.status(), 200);
    assert!(partly.headers()["tapeline-gaps"].to_str().unwrap().contains("before_tape"));
    let (status, body) = server.problem(&format!("{path}&gaps=fail")).await;
    assert_eq!((status, body["type"].as_str()), (409, Some("/problems/gap-in-range")), "{body}");
}

#[tokio::test]
async fn a_download_has_a_name() {
    let (server, _publisher) = recorded(3).await;
    let path = absolute(&server, "start=-2s&end=-1s").await;
    for (download, want) in [
        ("goal.mp4", "attachment; filename=\"goal.mp4\""),
        ("caf%C3%A9.mp4", "attachment; filename=\"caf_.mp4\"; filename*=UTF-8''caf%C3%A9.mp4"),
    ] {
        let answer =
            server.client.head(server.url(&format!("{path}&download={download}"))).send().await.unwrap();
        assert_eq!(answer.headers()["content-disposition"], want);
    }
    let unnamed = server.client.head(server.url(&format!("{path}&download"))).send().await.unwrap();
    let unnamed = unnamed.headers()["content-disposition"].to_str().unwrap();
    assert!(unnamed.contains("live_cam1_") && unnamed.contains(".mp4"), "{unnamed}");
    let plain = server.client.head(server.url(&path)).send().await.unwrap();
    assert!(!plain.headers().contains_key("content-disposition"));
    let (status, _) = server.problem(&format!("{path}&download=..%2Fx")).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn a_clip_by_rest_is_an_asset_that_can_be_fetched_changed_and_deleted() {
    let (server, _publisher) = recorded(4).await;
    let ask =
        json!({"start": "-3s", "end": "-1s", "title": "Goal", "tags": ["red", "late"], "category": "match"});
    let answer =
        server.client.post(server.url("/api/v1/streams/live/cam1/clips")).json(&ask).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let made: Value = answer.json().await.unwrap();
    assert_eq!(location, format!("/api/v1/assets/{}", made["id"].as_str().unwrap()));
    assert_eq!(
        (made["kind"].as_str(), made["title"].as_str(), made["stream"].as_str()),
        (Some("clip"), Some("Goal"), Some("live/cam1"))
    );
    assert_eq!(made["tags"], json!(["red", "late"]));
    assert!(made["requested"]["start"].is_string() && made["created_at"].is_string(), "{made}");

    let ready = eventually("the clip is ready", DEADLINE, async || {
        let told = server.json(&location).await;
        (told["status"] == "ready" && told["durable"] == true).then_some(told)
    })
    .await;
    let duration = ready["duration"].as_f64().unwrap();
    assert!((1.9..=2.1).contains(&duration), "{duration}");
    assert_eq!((ready["width"].as_u64(), ready["height"].as_u64()), (Some(320), Some(180)));
    assert_eq!((ready["video_codec"].as_str(), ready["audio_codec"].as_str()), (Some("h264"), Some("aac")));
    let file = server.get(ready["url"].as_str().unwrap()).await;
    assert_eq!(file.status(), 200);
    assert_eq!(file.headers()["content-length"].to_str().unwrap(), ready["bytes"].to_string());
    let first = file.bytes().await.unwrap();
    assert_eq!(
        server.get(ready["url"].as_str().unwrap()).await.bytes().await.unwrap(),
        first,
        "the same bytes each time"
    );
    let playlist = server.get(&format!("/assets/{}.m3u8", ready["id"].as_str().unwrap())).await;
    assert_eq!(playlist.status(), 200);

    let found = server.json("/api/v1/assets?kind=clip&tag=red&q=goal&stream=live/cam1").await;
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    assert_eq!(server.json("/api/v1/assets?kind=clip&tag=blue").await["items"].as_array().unwrap().len(), 0);
    let patched = server
        .client
        .patch(server.url(&location))
        .json(&json!({"title": "Own goal", "category": null}))
        .send()
        .await
        .unwrap();
    let patched: Value = patched.json().await.unwrap();
    assert_eq!((patched["title"].as_str(), &patched["category"]), (Some("Own goal"), &Value::Null));
    let wrong =
        server.client.patch(server.url(&location)).json(&json!({"status": "ready"})).send().await.unwrap();
    assert_eq!(read_problem(wrong).await.0, 400);

    assert_eq!(server.client.delete(server.url(&location)).send().await.unwrap().status(), 204);
    assert_eq!(server.problem(&location).await.0, 404);
    assert_eq!(server.problem(ready["url"].as_str().unwrap()).await.0, 404);
    assert_eq!(read_problem(server.client.delete(server.url(&location)).send().await.unwrap()).await.0, 404);
}

#[tokio::test]
async fn a_clip_up_to_now_is_answered_at_once_and_its_url_serves() {
    let (server, _publisher) = recorded(3).await;
    let (status, made) =
        server.post("/api/v1/streams/live/cam1/clips", &json!({"start": "-2s", "end": "now"})).await;
    assert_eq!(status, 201, "{made}");
    let file = server.get(made["url"].as_str().unwrap()).await;
    assert_eq!(file.status(), 200);
    let size = file.bytes().await.unwrap().len();
    let ready = eventually("the clip is ready", DEADLINE, async || {
        let told = server.json(&format!("/api/v1/assets/{}", made["id"].as_str().unwrap())).await;
        (told["status"] == "ready").then_some(told)
    })
    .await;
    assert_eq!(ready["bytes"], size);
}

#[tokio::test]
async fn bad_clips_are_refused_with_a_reason() {
    let (server, _publisher) = recorded(2).await;
    for (ask, status) in [
        (json!({}), 400),
        (json!({"start": "-1s"}), 400),
        (json!({"start": "soon", "end": "now"}), 400),
        (json!({"start": "now", "end": "-1s"}), 400),
        (json!({"start": 1000, "end": 2000}), 404),
        (json!({"start": "-1s", "end": "2100-01-01T00:00:00Z"}), 425),
        (json!({"start": "-1s", "end": "now", "accuracy": "fuzzy"}), 400),
        (json!({"start": "-1s", "end": "now", "accuracy": "reencode"}), 501),
        (json!({"start": "-1s", "end": "now", "title": "x".repeat(5000)}), 400),
        (json!({"start": "-1s", "end": "now", "tags": ["a\u{0}b"]}), 400),
        (json!({"start": "-1s", "end": "now", "titel": "x"}), 400),
    ] {
        let answer = server
            .client
            .post(server.url("/api/v1/streams/live/cam1/clips"))
            .json(&ask)
            .send()
            .await
            .unwrap();
        let (got, body) = read_problem(answer).await;
        assert_eq!(got, status, "{ask}: {body}");
    }
}

#[tokio::test]
async fn a_clip_as_a_file_has_the_bytes_of_the_view() {
    let (server, _publisher) = recorded(4).await;
    let clips = "/api/v1/streams/live/cam1/clips";
    let (_, view) = server.post(clips, &json!({"start": "-3s", "end": "-1s"})).await;
    let range = json!({"start": view["start"], "end": view["end"], "materialize": true});
    let (status, made) = server.post(clips, &range).await;
    assert_eq!((status, made["status"].as_str()), (201, Some("pending")), "{made}");
    let path = format!("/api/v1/assets/{}", made["id"].as_str().unwrap());
    let ready = eventually("the file is there", DEADLINE, async || {
        let told = server.json(&path).await;
        (told["status"] == "ready").then_some(told)
    })
    .await;
    let of_view = server.get(view["url"].as_str().unwrap()).await.bytes().await.unwrap();
    let on_disk = server.data.join(ready["path"].as_str().unwrap());
    assert!(std::fs::read(&on_disk).unwrap() == of_view, "the file differs from the view");
    assert_eq!(
        (ready["bytes"].as_u64(), ready["durable"].as_bool()),
        (Some(of_view.len() as u64), Some(true))
    );
    let url = ready["url"].as_str().unwrap();
    let whole = server.get(url).await;
    assert_eq!(whole.status(), 200);
    for name in ["tapeline-start", "tapeline-end", "tapeline-gaps"] {
        assert!(whole.headers().contains_key(name), "{name}");
    }
    assert!(whole.bytes().await.unwrap() == of_view);
    let part = server.client.get(server.url(url)).header("Range", "bytes=100-199").send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.bytes().await.unwrap(), of_view[100..200]);

    assert_eq!(server.client.delete(server.url(&path)).send().await.unwrap().status(), 204);
    assert!(!on_disk.exists());
    assert_eq!(server.problem(url).await.0, 404);
}
