//! After a kill: what was durable is there, the catalog agrees with the tape, recording goes on.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::ffmpeg;
use crate::server::{DEADLINE, Setup, TestServer, eventually};

#[tokio::test]
async fn kill_nine_loses_no_asset_and_the_next_start_is_quick() {
    let mut server = TestServer::start().await;
    let publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    let clip = eventually("a clip", DEADLINE, async || {
        let (status, body) = server
            .post(
                "/api/v1/streams/live/cam1/clips",
                &json!({"start": "-1.5s", "end": "now", "title": "Kept"}),
            )
            .await;
        (status == 201).then_some(body)
    })
    .await;
    let id = clip["id"].as_str().unwrap().to_owned();
    let durable = eventually("the clip is durable", DEADLINE, async || {
        let told = server.json(&format!("/api/v1/assets/{id}")).await;
        (told["durable"] == true && told["status"] == "ready").then_some(told)
    })
    .await;
    let bytes = server.get(durable["url"].as_str().unwrap()).await.bytes().await.unwrap();
    server.kill9();
    drop(publisher);

    let begun = Instant::now();
    let server = Setup::new().data(&server.data).start().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let told = server.json(&format!("/api/v1/assets/{id}")).await;
    assert_eq!((told["title"].as_str(), told["status"].as_str()), (Some("Kept"), Some("ready")), "{told}");
    assert_eq!(
        server.get(told["url"].as_str().unwrap()).await.bytes().await.unwrap(),
        bytes,
        "the same bytes as before"
    );
    let recordings = server.json("/api/v1/assets?kind=recording").await;
    assert_eq!(recordings["items"][0]["status"], "ready", "a run that crashed is closed: {recordings}");

    let _publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    let timeline = eventually("the second run", DEADLINE, async || {
        let timeline = server.json("/api/v1/streams/live/cam1/timeline").await;
        (timeline["runs"].as_array()?.len() == 2).then_some(timeline)
    })
    .await;
    assert_eq!(timeline["gaps"][0]["reason"], "crash", "{timeline}");
}

#[tokio::test]
async fn a_lost_catalog_comes_back_from_the_tape() {
    let mut server = TestServer::start().await;
    let _publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    let (_, clip) = eventually("a clip", DEADLINE, async || {
        let made =
            server.post("/api/v1/streams/live/cam1/clips", &json!({"start": "-1s", "end": "now"})).await;
        (made.0 == 201).then_some(made)
    })
    .await;
    let id = clip["id"].as_str().unwrap().to_owned();
    eventually("durable", DEADLINE, async || {
        (server.json(&format!("/api/v1/assets/{id}")).await["durable"] == true).then_some(())
    })
    .await;
    server.kill9();
    for file in std::fs::read_dir(&server.data).unwrap().map(Result::unwrap) {
        if file.file_name().to_string_lossy().starts_with("tapeline.db") {
            std::fs::remove_file(file.path()).unwrap();
        }
    }
    let server = Setup::new().data(&server.data).start().await;
    let told = eventually("the clip is whole again", DEADLINE, async || {
        let told = server.json(&format!("/api/v1/assets/{id}")).await;
        (told["status"] == "ready").then_some(told)
    })
    .await;
    assert_eq!(server.get(told["url"].as_str().unwrap()).await.status(), 200);
    let recordings = server.json("/api/v1/assets?kind=recording").await;
    assert_eq!(recordings["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_clip_that_was_to_be_a_file_becomes_one_whenever_the_server_dies() {
    let mut server = TestServer::start().await;
    let publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    let ask = json!({"start": "-1s", "end": "now", "materialize": true});
    let clip = eventually("a clip", DEADLINE, async || {
        let (status, body) = server.post("/api/v1/streams/live/cam1/clips", &ask).await;
        (status == 201).then_some(body)
    })
    .await;
    // Its last part is open or just closed: the copy has not begun or is under way.
    server.kill9();
    drop(publisher);
    let mut server = Setup::new().data(&server.data).start().await;
    let asset = format!("/api/v1/assets/{}", clip["id"].as_str().unwrap());
    let told = eventually("the file", DEADLINE, async || {
        let told = server.json(&asset).await;
        told["path"].is_string().then_some(told)
    })
    .await;
    assert_eq!(told["status"], "ready", "{told}");
    let bytes = std::fs::read(told["path"].as_str().unwrap()).unwrap();
    let url = told["url"].as_str().unwrap();
    assert!(server.get(url).await.bytes().await.unwrap() == bytes);

    // Without the catalog the file is still known, and is the same.
    server.kill9();
    for file in std::fs::read_dir(&server.data).unwrap().map(Result::unwrap) {
        if file.file_name().to_string_lossy().starts_with("tapeline.db") {
            std::fs::remove_file(file.path()).unwrap();
        }
    }
    let server = Setup::new().data(&server.data).start().await;
    let told = eventually("the asset is back", DEADLINE, async || {
        let told = server.json(&asset).await;
        (told["status"] == "ready").then_some(told)
    })
    .await;
    assert_eq!((told["kind"].as_str(), told["bytes"].as_u64()), (Some("clip"), Some(bytes.len() as u64)));
    assert!(server.get(url).await.bytes().await.unwrap() == bytes);
}
