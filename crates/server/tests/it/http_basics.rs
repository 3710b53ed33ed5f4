//! What is true of the HTTP listener whatever is published: health, console, CORS, methods, problems.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::raw;
use crate::server::{TestServer, read_problem};

#[tokio::test]
async fn health_readiness_and_console() {
    let server = TestServer::start().await;
    assert_eq!(server.get("/healthz").await.status(), 200);
    assert_eq!(server.get("/readyz").await.status(), 200);
    for path in ["/", "/console/", "/console", "/console/streams/live/cam1"] {
        let page = server.get(path).await;
        assert_eq!(page.status(), 200, "{path}");
        assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
        let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(page.text().await.unwrap().contains("Tapeline"));
    }
    assert_eq!(server.problem("/console/assets/none.js").await.0, 404);
}

#[tokio::test]
async fn media_answers_preflights_and_names_what_pages_may_read() {
    let server = TestServer::start().await;
    let url = server.url("/live/cam1.m3u8");
    let preflight = server
        .client
        .request(reqwest::Method::OPTIONS, &url)
        .header("Origin", "https://player.example")
        .header("Access-Control-Request-Method", "GET")
        .header("Access-Control-Request-Headers", "range")
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.status(), 204);
    assert_eq!(preflight.headers()["access-control-allow-origin"], "*");
    let methods = preflight.headers()["access-control-allow-methods"].to_str().unwrap().to_owned();
    assert!(methods.contains("GET") && methods.contains("HEAD"), "{methods}");
    let allowed = preflight.headers()["access-control-allow-headers"].to_str().unwrap().to_lowercase();
    assert!(allowed.contains("range") && allowed.contains("authorization"), "{allowed}");
    let answer = server.client.get(&url).header("Origin", "https://player.example").send().await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    let exposed = answer.headers()["access-control-expose-headers"].to_str().unwrap().to_lowercase();
    for name in ["content-range", "etag", "tapeline-start", "tapeline-end", "tapeline-gaps"] {
        assert!(exposed.contains(name), "{name} in {exposed}");
    }
    assert!(!answer.headers().contains_key("access-control-allow-credentials"));
}

#[tokio::test]
async fn every_error_is_a_problem() {
    let server = TestServer::start().await;
    for (path, status, kind) in [
        ("/live/none.m3u8", 404, "/problems/no-such-stream"),
        ("/live/none.mp4?start=-10s&end=now", 404, "/problems/no-such-stream"),
        ("/live/none", 404, "/problems/no-such-page"),
        ("/nothing", 404, "/problems/no-such-page"),
        ("/live/none.mp4?start=yesterday&end=now", 400, "/problems/bad-time"),
        ("/live/none.m3u8?gaps=skip", 400, "/problems/bad-query"),
        ("/live/none.flv", 501, "/problems/not-built"),
        ("/live/none.mpd", 501, "/problems/not-built"),
        ("/live/none.ts", 501, "/problems/not-built"),
        ("/live/none.wav?start=1&end=2", 501, "/problems/not-built"),
        ("/live/none.jpg", 501, "/problems/not-built"),
        ("/live/none.vtt", 501, "/problems/not-built"),
        ("/assets/none.mp4", 404, "/problems/no-such-asset"),
        ("/api/v1/assets/none", 404, "/problems/no-such-asset"),
        ("/api/v1/streams/live/none", 404, "/problems/no-such-stream"),
        ("/api/v1/streams/live/none/timeline", 404, "/problems/no-such-stream"),
        ("/api/v1/nothing", 404, "/problems/no-such-page"),
        ("/api/v2/streams", 404, "/problems/no-such-page"),
        ("/api/v1/streams?limit=0", 400, "/problems/bad-query"),
        ("/api/v1/streams?limt=1", 400, "/problems/bad-query"),
        ("/api/v1/assets?kind=film", 400, "/problems/bad-query"),
        ("/api/v1/assets?cursor=xyz", 400, "/problems/bad-value"),
    ] {
        let (got, body) = server.problem(path).await;
        assert_eq!((got, body["type"].as_str().unwrap()), (status, kind), "{path}: {body}");
    }
}

#[tokio::test]
async fn methods_that_an_address_does_not_take_are_405_with_allow() {
    let server = TestServer::start().await;
    for (method, path) in [
        ("POST", "/live/cam1.m3u8"),
        ("DELETE", "/live/cam1.mp4"),
        ("PUT", "/api/v1/streams"),
        ("POST", "/api/v1/streams/live/cam1"),
        ("GET", "/api/v1/streams/live/cam1/split"),
        ("POST", "/api/v1/assets/x"),
        ("POST", "/healthz"),
    ] {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let answer = server.client.request(method.clone(), server.url(path)).send().await.unwrap();
        assert!(answer.headers().contains_key("allow"), "{method} {path}: {:?}", answer.headers());
        assert_eq!(read_problem(answer).await.0, 405, "{method} {path}");
    }
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off_and_costs_nobody_else() {
    let server = TestServer::start().await;
    let mut slow = TcpStream::connect(server.http).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await.unwrap();
    let begun = Instant::now();
    assert_eq!(server.get("/healthz").await.status(), 200);
    let rest = raw::read_all(&mut slow, Duration::from_secs(15)).await;
    let took = begun.elapsed();
    assert!(took > Duration::from_secs(8) && took < Duration::from_secs(14), "{took:?}: {rest:?}");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_431() {
    let server = TestServer::start().await;
    for request in [
        format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "a".repeat(200_000)),
        format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(200_000)),
        format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "A: b\r\n".repeat(500)),
    ] {
        let answer = raw::exchange(server.http, request.as_bytes(), Duration::from_secs(5)).await;
        // The peer may see the reset of its unread bytes instead of the answer.
        if !answer.is_empty() {
            let status = raw::status(&answer);
            assert!((400..500).contains(&status), "{status}");
        }
    }
    assert_eq!(server.get("/healthz").await.status(), 200);
}

#[tokio::test]
async fn bodies_are_limited_typed_and_of_known_fields() {
    let server = TestServer::start().await;
    let url = server.url("/api/v1/streams/live/cam1/clips");
    let send = async |kind: &str, body: String| {
        let answer = server.client.post(&url).header("Content-Type", kind).body(body).send().await.unwrap();
        read_problem(answer).await
    };
    assert_eq!(send("text/plain", "{}".into()).await.0, 415);
    assert_eq!(send("application/x-www-form-urlencoded", "start=1".into()).await.0, 415);
    assert_eq!(send("application/json", " ".repeat(300_000)).await.0, 413);
    assert_eq!(send("application/json", "{".into()).await.0, 400);
    let (status, body) = send("application/json", r#"{"start": 1, "end": 2, "titel": "x"}"#.into()).await;
    assert_eq!(status, 400);
    assert!(body["detail"].as_str().unwrap().contains("titel"), "{body}");
}
