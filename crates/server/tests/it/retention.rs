//! Retention as an operator meets it: by configuration, by REST, dry; what clips and protections hold; erasing.

use serde_json::{Value, json};

use crate::clips::epoch_ms;
use crate::ffmpeg;
use crate::server::{DEADLINE, Setup, TestServer, eventually};

const STREAM: &str = "/api/v1/streams/live/cam1";

/// A server with files of two seconds.
fn short_files() -> Setup {
    Setup::new().env("TAPELINE_TAPE__EXTENT_S", "2").env("TAPELINE_HLS__SEGMENT_MS", "1000")
}

/// The timeline, once the tape spans so many seconds.
async fn spans(server: &TestServer, seconds: f64) -> Value {
    server.live("live/cam1").await;
    eventually("the tape is long enough", DEADLINE, async || {
        let told = server.json(&format!("{STREAM}/timeline")).await;
        let (start, end) = (told["start"].as_str()?, told["end"].as_str()?);
        (epoch_ms(end) - epoch_ms(start) >= (seconds * 1000.0) as i64).then_some(told)
    })
    .await
}

async fn call(server: &TestServer, method: reqwest::Method, path: &str, body: Option<Value>) -> (u16, Value) {
    let mut request = server.client.request(method, server.url(path));
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or(Value::Null))
}

fn files(server: &TestServer) -> usize {
    let tape = std::fs::read_dir(server.data.join("tape")).unwrap().map(Result::unwrap);
    let names = tape.flat_map(|dir| std::fs::read_dir(dir.path()).unwrap().map(Result::unwrap));
    names.filter(|file| file.path().extension().is_some_and(|e| e == "mp4")).count()
}

#[tokio::test]
async fn what_is_too_old_goes_and_what_a_clip_shows_becomes_its_file_first() {
    let server = short_files().env("TAPELINE_POLICY__0__MATCH", "live/*").start().await;
    let _publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    let told = spans(&server, 4.5).await;
    let start = told["start"].as_str().unwrap().to_owned();
    let ask = json!({"start": start, "end": format!("{}", epoch_ms(&start) + 1000)});
    let (status, clip) = server.post(&format!("{STREAM}/clips"), &ask).await;
    assert_eq!(status, 201, "{clip}");

    let (status, plan) = call(
        &server,
        reqwest::Method::PUT,
        &format!("{STREAM}/retention?dry_run=true"),
        Some(json!({"max_age": 1})),
    )
    .await;
    assert_eq!(status, 200, "{plan}");
    assert_eq!(plan["clips_copied_first"], json!([clip["id"]]), "{plan}");
    assert_eq!(
        server.json(&format!("{STREAM}/timeline")).await["start"],
        told["start"],
        "a dry run takes nothing"
    );
    let (status, rule) =
        call(&server, reqwest::Method::PUT, &format!("{STREAM}/retention"), Some(json!({"max_age": "3s"})))
            .await;
    assert_eq!(
        (status, rule["max_age"].as_f64(), rule["max_age_from"].as_str()),
        (201, Some(3.0), Some("stream"))
    );

    let now = eventually("the beginning has gone", DEADLINE, async || {
        let now = server.json(&format!("{STREAM}/timeline")).await;
        (epoch_ms(now["start"].as_str()?) > epoch_ms(&start) + 1500).then_some(now)
    })
    .await;
    let asset = server.json(&format!("/api/v1/assets/{}", clip["id"].as_str().unwrap())).await;
    assert!(asset["path"].is_string(), "{asset}");
    let pictures = (clip["duration"].as_f64().unwrap() * 25.0).round() as u64;
    assert_eq!(ffmpeg::decoded_frames(&server.url(asset["url"].as_str().unwrap())), pictures);
    // A clip over what has gone says so.
    let over = json!({"start": start, "end": now["end"]});
    let (status, over) = server.post(&format!("{STREAM}/clips"), &over).await;
    assert_eq!(status, 201, "{over}");
    let told = eventually("the clip is whole", DEADLINE, async || {
        let told = server.json(&format!("/api/v1/assets/{}", over["id"].as_str().unwrap())).await;
        (told["status"] == "ready").then_some(told)
    })
    .await;
    assert_eq!(told["gaps"][0]["reason"], "expired", "{told}");
    let recording = server.json("/api/v1/assets?kind=recording").await["items"][0].clone();
    assert!(epoch_ms(recording["start"].as_str().unwrap()) > epoch_ms(&start), "{recording}");
    let (status, _) = call(&server, reqwest::Method::DELETE, &format!("{STREAM}/retention"), None).await;
    assert_eq!(status, 204);
    let (status, problem) =
        call(&server, reqwest::Method::DELETE, &format!("{STREAM}/retention"), None).await;
    assert_eq!((status, problem["type"].as_str()), (404, Some("/problems/no-such-rule")));
}

#[tokio::test]
async fn all_streams_together_keep_to_their_bytes_and_their_files_go() {
    let server = short_files().env("TAPELINE_RETENTION__MAX_BYTES", "1B").start().await;
    let publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    spans(&server, 3.0).await;
    drop(publisher);
    // Nothing is being written any more: everything is over.
    eventually("the tape is empty", DEADLINE, async || {
        server.json(&format!("{STREAM}/timeline")).await["start"].is_null().then_some(())
    })
    .await;
    eventually("the recording is out of the library", DEADLINE, async || {
        let found = server.json("/api/v1/assets?kind=recording").await;
        found["items"].as_array().unwrap().is_empty().then_some(())
    })
    .await;
    eventually("the files are gone", DEADLINE, async || (files(&server) == 0).then_some(())).await;
    let told = server.json("/api/v1/retention").await;
    assert_eq!((told["max_bytes"].as_u64(), told["next"]["extents"].as_u64()), (Some(1), Some(0)), "{told}");
}

#[tokio::test]
async fn what_is_protected_stays_until_it_is_not() {
    let server = short_files().start().await;
    let publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    let told = spans(&server, 5.0).await;
    drop(publisher);
    let start = epoch_ms(told["start"].as_str().unwrap());
    let ask =
        json!({"start": (start + 2500).to_string(), "end": (start + 2600).to_string(), "label": "evidence"});
    let (status, protection) = server.post(&format!("{STREAM}/protections"), &ask).await;
    assert_eq!((status, protection["label"].as_str()), (201, Some("evidence")), "{protection}");
    let range = format!("start={start}&end={}", start + 60_000);
    let held = call(&server, reqwest::Method::DELETE, &format!("{STREAM}/timeline?{range}"), None).await;
    assert_eq!((held.0, held.1["type"].as_str()), (409, Some("/problems/range-held")), "{held:?}");
    assert_eq!(held.1["protections"], json!([protection["id"]]));

    call(&server, reqwest::Method::PUT, &format!("{STREAM}/retention"), Some(json!({"max_bytes": 0}))).await;
    eventually("only what is protected is left", DEADLINE, async || {
        let told = server.json(&format!("{STREAM}/timeline")).await;
        let (from, to) = (epoch_ms(told["start"].as_str()?), epoch_ms(told["end"].as_str()?));
        assert!(from <= start + 2500 && to >= start + 2600, "{told}");
        (to - from < 4500).then_some(())
    })
    .await;
    let one = format!("{STREAM}/protections/{}", protection["id"].as_str().unwrap());
    assert_eq!(call(&server, reqwest::Method::DELETE, &one, None).await.0, 204);
    assert_eq!(call(&server, reqwest::Method::DELETE, &one, None).await.0, 404);
    eventually("nothing is left", DEADLINE, async || {
        server.json(&format!("{STREAM}/timeline")).await["start"].is_null().then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_erased_range_is_gone_from_every_view_and_from_the_disk() {
    let server = short_files().start().await;
    let publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    let told = spans(&server, 7.0).await;
    drop(publisher);
    let start = epoch_ms(told["start"].as_str().unwrap());
    eventually("the run has ended", DEADLINE, async || {
        (server.json(&format!("{STREAM}/timeline")).await["runs"][0]["live"] == false).then_some(())
    })
    .await;
    let range = format!("start={}&end={}", start + 2300, start + 4300);
    let dry =
        call(&server, reqwest::Method::DELETE, &format!("{STREAM}/timeline?{range}&dry_run=true"), None)
            .await;
    assert_eq!((dry.0, dry.1["erased"].as_array().map(Vec::len)), (200, Some(0)), "{dry:?}");
    let (status, erased) =
        call(&server, reqwest::Method::DELETE, &format!("{STREAM}/timeline?{range}"), None).await;
    assert_eq!(status, 200, "{erased}");
    let now = server.json(&format!("{STREAM}/timeline")).await;
    assert_eq!(
        (now["runs"].as_array().unwrap().len(), now["gaps"][0]["reason"].as_str()),
        (2, Some("expired")),
        "{now}"
    );
    let gap = &now["gaps"][0];
    assert!(epoch_ms(gap["start"].as_str().unwrap()) <= start + 2300, "{now}");
    assert!(epoch_ms(gap["end"].as_str().unwrap()) >= start + 4300, "{now}");
    let gone = server.get(&format!("/live/cam1.mp4?start={}&end={}", start + 2500, start + 4000)).await;
    assert_eq!(gone.status(), 404);
    // What stays plays through, the hole left out.
    let whole = server.url(&format!("/live/cam1.mp4?start={start}&end={}", start + 7000));
    let pictures = ffmpeg::decoded_frames(&whole);
    let length = epoch_ms(now["end"].as_str().unwrap()) - start;
    let hole = epoch_ms(gap["end"].as_str().unwrap()) - epoch_ms(gap["start"].as_str().unwrap());
    let expected = (length.min(7000) - hole) / 40;
    assert!((pictures as i64 - expected).abs() <= 2, "{pictures} pictures, {expected} expected");
    // A clip that begins in a copy of what stays and goes on in the file behind it, whose number is lower.
    let from = epoch_ms(gap["end"].as_str().unwrap()) + 520;
    let tail = server.url(&format!("/live/cam1.mp4?start={from}&end={}", from + 1800));
    let available = (start + length - from).min(1800) / 40;
    assert!((ffmpeg::decoded_frames(&tail) as i64 - available).abs() <= 2, "{available} pictures expected");
    let recording = server.json("/api/v1/assets?kind=recording").await["items"][0].clone();
    assert_eq!(server.get(recording["url"].as_str().unwrap()).await.status(), 200);
}
