//! Who may do what over HTTP and RTMP: this machine itself, its proxies and web pages, strangers, tokens.

use std::time::Duration;

use serde_json::{Value, json};

use crate::ffmpeg;
use crate::server::{self, DEADLINE, Setup, TestServer, eventually, read_problem};

/// Makes a token with the command line, as an operator would, and gives its secret.
pub(crate) fn token(server: &TestServer, acts: &str, streams: &str) -> String {
    let made = server::command()
        .args(["token", "new", "--act", acts, "--stream", streams, "--data"])
        .arg(&server.data)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

/// A server to which this machine is a stranger.
async fn closed() -> TestServer {
    Setup::new().env("TAPELINE_ACCESS__LOOPBACK_OPEN", "false").start().await
}

#[tokio::test]
async fn strangers_are_refused_before_any_look_up_and_told_the_command() {
    let server = closed().await;
    for path in [
        "/live/none.mp4?start=-10s&end=now",
        "/live/none.m3u8?start=-10s",
        "/live/none.m3u8?delay=30s",
        "/live/none.wav?start=1&end=2",
        "/live/none.jpg?at=-5s",
        "/assets/none.mp4",
        "/assets/none.m3u8",
        "/api/v1/streams",
        "/api/v1/streams/live/none",
        "/api/v1/streams/live/none/timeline",
        "/api/v1/assets",
        "/api/v1/assets/none",
    ] {
        let answer = server.get(path).await;
        assert!(answer.headers().contains_key("www-authenticate"), "{path}");
        let (status, body) = read_problem(answer).await;
        assert_eq!(status, 401, "{path}: {body}");
        let command = body["command"].as_str().unwrap();
        assert!(command.starts_with("tapeline token new --act "), "{command}");
        assert!(command.contains(server.data.to_str().unwrap()), "the command finds the catalog: {command}");
    }
    for path in ["split", "clips"] {
        let answer = server
            .client
            .post(server.url(&format!("/api/v1/streams/live/none/{path}")))
            .send()
            .await
            .unwrap();
        assert_eq!(read_problem(answer).await.0, 401, "{path}");
    }
    let kicked = server.client.delete(server.url("/api/v1/streams/live/none")).send().await.unwrap();
    assert_eq!(read_problem(kicked).await.0, 401);
    // Live play is open, so what is not there may be told.
    assert_eq!(server.problem("/live/none.m3u8").await.0, 404);
}

#[tokio::test]
async fn loopback_is_this_machine_speaking_for_itself() {
    let server = TestServer::start().await;
    let ask = async |headers: &[(&str, &str)]| {
        let mut request = server.client.get(server.url("/api/v1/streams"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask(&[]).await, 200);
    assert_eq!(ask(&[("Host", "localhost:8080")]).await, 200);
    assert_eq!(ask(&[("Sec-Fetch-Site", "same-origin")]).await, 200);
    for foreign in [
        [("X-Forwarded-For", "203.0.113.9")],
        [("Forwarded", "for=203.0.113.9")],
        [("Via", "1.1 proxy")],
        [("X-Real-IP", "203.0.113.9")],
        [("Host", "rebound.example")],
        [("Origin", "https://evil.example")],
        [("Origin", "null")],
        [("Sec-Fetch-Site", "cross-site")],
    ] {
        assert_eq!(ask(&foreign).await, 401, "{foreign:?}");
    }
}

#[tokio::test]
async fn tokens_open_what_they_name_and_end_when_revoked() {
    let server = closed().await;
    let admin = token(&server, "admin", "*");
    let viewer = token(&server, "timeshift", "live/*");
    let status = async |path: &str, token: &str| {
        let answer = server.client.get(server.url(path)).bearer_auth(token).send().await.unwrap();
        answer.status().as_u16()
    };
    // A running server takes note of new tokens within seconds.
    eventually("the admin token works", DEADLINE, async || {
        (status("/api/v1/streams", &admin).await == 200).then_some(())
    })
    .await;
    assert_eq!(status("/api/v1/streams", &viewer).await, 403);
    assert_eq!(status("/api/v1/streams/live/none", &viewer).await, 404);
    assert_eq!(status("/api/v1/streams/other/none", &viewer).await, 403);
    let by_query = server.get(&format!("/live/none.mp4?start=1&end=2&token={viewer}")).await;
    assert_eq!(by_query.status(), 404);
    assert_eq!(status("/api/v1/streams", "tl_nonsense").await, 401);

    let list = server::command().args(["token", "list", "--data"]).arg(&server.data).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(!list.contains(&admin), "secrets are shown once");
    let id =
        list.lines().find(|l| l.contains("admin")).unwrap().split_whitespace().next().unwrap().to_owned();
    let revoked =
        server::command().args(["token", "revoke", &id, "--data"]).arg(&server.data).status().unwrap();
    assert!(revoked.success());
    eventually("the admin token is void", DEADLINE, async || {
        (status("/api/v1/streams", &admin).await == 401).then_some(())
    })
    .await;
    for secret in [&admin, &viewer] {
        assert!(server.log.find(secret).is_none(), "secrets never reach the log");
    }
}

#[tokio::test]
async fn a_token_command_for_a_directory_that_is_not_there_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none");
    let made =
        server::command().args(["token", "new", "--act", "admin", "--data"]).arg(&missing).output().unwrap();
    assert_eq!(made.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&made.stderr).contains("--data DIR"));
    assert!(!missing.exists());
}

#[tokio::test]
async fn a_publisher_without_a_token_is_refused_with_the_command_and_one_with_it_is_live() {
    let server = closed().await;
    let refused = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    let line = server.log.wait("tapeline token new --act publish --stream live/cam1").await;
    assert!(line.contains("127.0.0.1"), "{line}");
    drop(refused);
    let wrong = ffmpeg::publish(&server.rtmp_url("live/cam1?token=tl_wrongwrongwrong"));
    eventually("the second refusal", DEADLINE, async || {
        let refusals =
            server.log.all().iter().filter(|l| l.contains("--act publish --stream live/cam1")).count();
        (refusals >= 2).then_some(())
    })
    .await;
    drop(wrong);

    let secret = token(&server, "publish", "live/cam1");
    let admin = token(&server, "admin timeshift", "*");
    let mut publisher = None;
    let stream = eventually("the stream is live", DEADLINE, async || {
        // The token may not be known yet; an encoder would try again too.
        if publisher.as_mut().is_none_or(|p: &mut ffmpeg::Publisher| !p.runs()) {
            publisher = Some(ffmpeg::publish(&server.rtmp_url(&format!("live/cam1?token={secret}"))));
        }
        let answer = server
            .client
            .get(server.url("/api/v1/streams/live/cam1"))
            .bearer_auth(&admin)
            .send()
            .await
            .ok()?;
        let stream: Value = answer.json().await.ok()?;
        (stream["state"] == "live").then_some(stream)
    })
    .await;
    assert_eq!(stream["publisher"]["protocol"], "rtmp");
    assert!(!stream.to_string().contains(&secret), "{stream}");
    assert!(server.log.find(&secret).is_none(), "{:?}", server.log.find(&secret));
    // The token is for this stream alone.
    let other = ffmpeg::publish(&server.rtmp_url(&format!("live/cam2?token={secret}")));
    server.log.wait("tapeline token new --act publish --stream live/cam2").await;
    drop(other);
}

#[tokio::test]
async fn a_token_in_a_playlist_url_reaches_its_children_by_their_path() {
    let server = closed().await;
    let publish = token(&server, "publish", "*");
    let viewer = token(&server, "timeshift play", "live/*");
    let url = server.rtmp_url(&format!("live/cam1?token={publish}"));
    let mut publisher = None;
    let master = eventually("the master with history", Duration::from_secs(30), async || {
        if publisher.as_mut().is_none_or(|p: &mut ffmpeg::Publisher| !p.runs()) {
            publisher = Some(ffmpeg::publish(&url));
        }
        let answer = server.get(&format!("/live/cam1.m3u8?start=-60s&token={viewer}")).await;
        let to = answer.headers().get("location")?.to_str().ok()?.to_owned();
        let answer = server.get(&format!("/live/{}", to.trim_start_matches("./"))).await;
        (answer.status() == 200).then_some(answer.text().await.ok()?)
    })
    .await;
    let child = master.lines().find(|l| l.contains("media.m3u8")).unwrap().to_owned();
    assert!(child.contains("/~") || child.contains("~"), "{child}");
    assert!(!master.contains(&viewer), "the token itself is not repeated: {master}");
    let base = reqwest::Url::parse(&server.url("/live/cam1.m3u8")).unwrap();
    let media_url = base.join(&child).unwrap();
    let media = server.client.get(media_url.clone()).send().await.unwrap();
    assert_eq!(media.status(), 200, "{media_url}");
    let media = media.text().await.unwrap();
    let segment = media.lines().find(|l| l.ends_with(".m4s")).unwrap();
    let segment = server.client.get(media_url.join(segment).unwrap()).send().await.unwrap();
    assert_eq!(segment.status(), 200);
    // Without the grant the same history is closed.
    let bare = server.get("/live/cam1/-/media.m3u8?start=1").await;
    assert_eq!(bare.status(), 401);
}

#[tokio::test]
async fn open_rules_widen() {
    let server = Setup::new()
        .env("TAPELINE_ACCESS__LOOPBACK_OPEN", "false")
        .env("TAPELINE_ACCESS__OPEN", "timeshift live/*, publish live/*")
        .start()
        .await;
    assert_eq!(server.problem("/live/none.mp4?start=1&end=2").await.0, 404);
    assert_eq!(server.problem("/other/none.mp4?start=1&end=2").await.0, 401);
    let _publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    let (status, _) =
        server.post("/api/v1/streams/live/cam1/clips", &json!({"start": "-1s", "end": "now"})).await;
    assert_eq!(status, 401);
}
