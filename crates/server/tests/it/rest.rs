//! REST beyond clips: splits, recordings as assets, lists page by page.

use serde_json::{Value, json};

use crate::clips::epoch_ms;
use crate::ffmpeg;
use crate::server::{DEADLINE, TestServer, eventually, read_problem};

#[tokio::test]
async fn every_run_is_a_recording_from_its_first_part() {
    let server = TestServer::start().await;
    let mut publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    let live = eventually("the recording is in the library", DEADLINE, async || {
        let found = server.json("/api/v1/assets?kind=recording&stream=live/cam1").await;
        found["items"].get(0).cloned()
    })
    .await;
    assert_eq!((live["status"].as_str(), live["stream"].as_str()), (Some("recording"), Some("live/cam1")));
    let file = server.get(live["url"].as_str().unwrap()).await;
    assert_eq!(file.status(), 200, "a recording can be fetched while it records");
    publisher.kill();
    let ready = eventually("the recording is ready", DEADLINE, async || {
        let told = server.json(&format!("/api/v1/assets/{}", live["id"].as_str().unwrap())).await;
        (told["status"] == "ready").then_some(told)
    })
    .await;
    assert!(ready["duration"].as_f64().unwrap() > 0.0 && ready["bytes"].as_u64().unwrap() > 0, "{ready}");
    let erased = server
        .client
        .delete(server.url(&format!("/api/v1/assets/{}", live["id"].as_str().unwrap())))
        .send()
        .await
        .unwrap();
    assert_eq!(read_problem(erased).await.0, 501);
}

#[tokio::test]
async fn a_split_ends_one_asset_and_begins_the_next_at_the_same_instant() {
    let server = TestServer::start().await;
    let _publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    let url = "/api/v1/streams/live/cam1/split";
    let split = async |ask: Value| {
        eventually("there is something to split", DEADLINE, async || {
            let (status, body) = server.post(url, &ask).await;
            match status {
                201 => Some(body),
                409 => None,
                other => panic!("{other}: {body}"),
            }
        })
        .await
    };
    let first = split(json!({"title": "First half", "tags": ["match"], "category": "sport"})).await;
    assert_eq!((first["kind"].as_str(), first["status"].as_str()), (Some("recording"), Some("ready")));
    assert_eq!((first["title"].as_str(), first["category"].as_str()), (Some("First half"), Some("sport")));
    assert!(first["end"].is_string() && first["duration"].as_f64().unwrap() > 0.0, "{first}");
    assert_eq!(server.get(first["url"].as_str().unwrap()).await.status(), 200, "readable at once");
    let second = split(json!({"at": "key"})).await;
    assert_eq!(second["id"], first["next"]);
    assert_eq!(second["start"], first["end"]);
    assert_eq!(second["title"], "");
    let runs = server.json("/api/v1/streams/live/cam1/timeline").await["runs"].clone();
    assert_eq!(runs.as_array().unwrap().len(), 1, "a split is no new run");
    assert!(epoch_ms(second["end"].as_str().unwrap()) > epoch_ms(second["start"].as_str().unwrap()));

    let (status, body) = server.post(url, &json!({"title": "x".repeat(5000)})).await;
    assert_eq!(status, 400, "{body}");
    let (status, body) = server.post(url, &json!({"when": "now"})).await;
    assert_eq!(status, 400, "{body}");
    let (status, _) = server.post("/api/v1/streams/live/none/split", &json!({})).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn a_split_of_what_nobody_publishes_is_409() {
    let server = TestServer::start().await;
    let mut publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    publisher.kill();
    eventually("offline", DEADLINE, async || {
        (server.json("/api/v1/streams/live/cam1").await["state"] == "offline").then_some(())
    })
    .await;
    let answer = server.client.post(server.url("/api/v1/streams/live/cam1/split")).send().await.unwrap();
    let (status, body) = read_problem(answer).await;
    assert_eq!((status, body["type"].as_str()), (409, Some("/problems/not-published")), "{body}");
}

#[tokio::test]
async fn lists_come_page_by_page() {
    let server = TestServer::start().await;
    let _publishers: Vec<_> =
        (0..3).map(|n| ffmpeg::publish(&server.rtmp_url(&format!("live/cam{n}")))).collect();
    for n in 0..3 {
        server.live(&format!("live/cam{n}")).await;
    }
    eventually("three recordings", DEADLINE, async || {
        let found = server.json("/api/v1/assets?kind=recording").await;
        (found["items"].as_array()?.len() == 3).then_some(())
    })
    .await;
    for list in ["streams", "assets"] {
        let (mut names, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = server.json(&format!("/api/v1/{list}?limit=1{cursor}")).await;
            let items = page["items"].as_array().unwrap();
            assert_eq!(items.len(), 1);
            names.push(items[0].get("id").or(items[0].get("stream")).unwrap().to_string());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 3, "{list}: {names:?}");
    }
    assert_eq!(server.json("/api/v1/streams?state=live").await["items"].as_array().unwrap().len(), 3);
    assert_eq!(server.json("/api/v1/streams?state=offline").await["items"].as_array().unwrap().len(), 0);
}
