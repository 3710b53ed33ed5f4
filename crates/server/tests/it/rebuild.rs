//! `tapeline verify` and `tapeline rebuild` on a tape of a real server: what is sound is said to be, what is damaged is
//! named, and the catalog comes back from the files alone.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

use crate::ffmpeg;
use crate::server::{DEADLINE, Setup, TestServer, command, eventually};

fn tapeline(data: &Path, args: &[&str]) -> Output {
    command().args(args).arg("--data").arg(data).output().unwrap()
}

fn verified(data: &Path) -> (bool, Value) {
    let out = tapeline(data, &["verify", "--json"]);
    (out.status.success(), serde_json::from_slice(&out.stdout).unwrap())
}

/// All assets by id, without what only people and clocks know.
async fn assets(server: &TestServer) -> Vec<Value> {
    let mut all = server.json("/api/v1/assets").await["items"].as_array().unwrap().clone();
    all.sort_by_key(|a| a["id"].as_str().unwrap().to_owned());
    for asset in &mut all {
        let of_file = asset["path"].is_string();
        let asset = asset.as_object_mut().unwrap();
        asset.remove("updated_at");
        if of_file {
            // Of a clip that has a file the journal tells what was asked for, and the file its size.
            let told =
                ["id", "kind", "status", "title", "stream", "requested", "accuracy", "path", "bytes", "url"];
            asset.retain(|key, _| told.contains(&key.as_str()));
        }
    }
    all
}

async fn made(server: &TestServer, ask: Value) -> String {
    let clip = eventually("a clip", DEADLINE, async || {
        let (status, body) = server.post("/api/v1/streams/live/cam1/clips", &ask).await;
        (status == 201).then_some(body)
    })
    .await;
    let path = format!("/api/v1/assets/{}", clip["id"].as_str().unwrap());
    eventually("its facts", DEADLINE, async || {
        let told = server.json(&path).await;
        let filed = ask["materialize"] != true || told["path"].is_string();
        (told["status"] == "ready" && told["durable"] == true && filed).then_some(())
    })
    .await;
    path
}

/// That two lists of assets are the same, but for these fields.
fn same(what: &str, before: &[Value], after: &[Value], but: &[&str]) {
    let ids = |all: &[Value]| all.iter().map(|a| a["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(before), ids(after), "{what}");
    for (before, after) in before.iter().zip(after) {
        for (key, value) in before.as_object().unwrap().iter().filter(|(k, _)| !but.contains(&k.as_str())) {
            assert_eq!(value, &after[key], "{what}: {key} of {before}");
        }
    }
}

fn forget_catalog(data: &Path) {
    for file in std::fs::read_dir(data).unwrap().map(Result::unwrap) {
        if file.file_name().to_string_lossy().starts_with("tapeline.db") {
            std::fs::remove_file(file.path()).unwrap();
        }
    }
}

fn an_extent(data: &Path) -> PathBuf {
    let stream = std::fs::read_dir(data.join("tape")).unwrap().next().unwrap().unwrap().path();
    let files = std::fs::read_dir(stream).unwrap().map(|f| f.unwrap().path());
    files.filter(|f| f.extension().is_some_and(|e| e == "mp4")).min().unwrap()
}

#[tokio::test]
async fn the_catalog_comes_back_from_the_files_alone() {
    let mut server = Setup::new().env("TAPELINE_TAPE__EXTENT_S", "4").start().await;
    let publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    made(&server, json!({"start": "-1s", "end": "now", "title": "Kept"})).await;
    let (status, _) = server.post("/api/v1/streams/live/cam1/split", &json!({"title": "First"})).await;
    assert_eq!(status, 201);
    made(&server, json!({"start": "-1.2s", "end": "now", "accuracy": "gop"})).await;
    made(&server, json!({"start": "-1s", "end": "now", "materialize": true})).await;
    let (sound, told) = verified(&server.data);
    assert!(sound, "beside the running server: {told}");
    drop(publisher);
    let before = eventually("all is recorded", DEADLINE, async || {
        let all = assets(&server).await;
        all.iter().all(|a| a["status"] == "ready" && a["durable"] != false).then_some(all)
    })
    .await;
    assert_eq!(before.len(), 5, "two recordings, three clips: {before:#?}");
    server.signal("TERM");
    assert!(server.ended(DEADLINE).await.success());
    let data = server.data.clone();

    let (sound, told) = verified(&data);
    assert!(sound && told["extents"].as_u64() > Some(0), "{told}");
    let rebuilt = tapeline(&data, &["rebuild"]);
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    let again = Setup::new().data(&data).start().await;
    same("with the catalog", &before, &assets(&again).await, &[]);
    let refused = tapeline(&data, &["rebuild"]);
    assert_eq!(refused.status.code(), Some(2), "not beside a server: {refused:?}");
    let mut again = again;
    again.signal("TERM");
    assert!(again.ended(DEADLINE).await.success());

    forget_catalog(&data);
    let rebuilt = tapeline(&data, &["rebuild"]);
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    let mut again = Setup::new().data(&data).start().await;
    same("without", &before, &assets(&again).await, &["title"]);
    again.signal("TERM");
    assert!(again.ended(DEADLINE).await.success());

    let extent = an_extent(&data);
    let file = std::fs::File::options().read(true).write(true).open(&extent).unwrap();
    let at = file.metadata().unwrap().len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 4], at).unwrap();
    let (sound, told) = verified(&data);
    assert!(!sound);
    let found = told["findings"].as_array().unwrap();
    assert_eq!(found[0]["file"], extent.to_str().unwrap(), "{told}");
    assert!(
        found[0]["offset"].as_u64().is_some_and(|o| o <= at) && found[0]["stream"] == "live/cam1",
        "{told}"
    );
    let lines = tapeline(&data, &["verify", "live/cam1"]);
    assert_eq!(lines.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&lines.stdout).contains("sealed bytes are whole"), "{lines:?}");
    let nobody = tapeline(&data, &["verify", "live/nobody"]);
    assert_eq!(nobody.status.code(), Some(2), "{nobody:?}");
}
