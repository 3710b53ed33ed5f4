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
