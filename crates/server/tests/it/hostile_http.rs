//! Names, URLs and bytes that no friend would send: every one is answered as a client error or not at all,
//! nothing is written outside the tape, and the server goes on.

use std::path::Path;
use std::time::Duration;

use crate::raw;
use crate::server::TestServer;

fn files_below(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path.clone());
            }
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn hostile_names_are_client_errors_and_never_paths() {
    let server = TestServer::start().await;
    let long = "x".repeat(300);
    let names = [
        "../../etc/passwd",
        "live/../../../etc/passwd",
        "live/..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "live/%2e%2e/%2e%2e/x",
        "live/x%00y",
        "live/x%0d%0aSet-Cookie:%20a=b",
        "live/%ff%fe",
        "live/x%zz",
        "live//x",
        "live/./x",
        "~/x/y",
        "~%00/x/y",
        &format!("live/{long}"),
        "live/%F0%9F%93%B7",
        "live/a%5cb",
        "live/-/x",
        "api/x",
        "assets/..%2f..%2fx",
    ];
    for name in names {
        for suffix in
            [".m3u8", ".mp4?start=1&end=2", "/-/media.m3u8", "/-/..%2f..%2fx", "/-/1.1-1.00000000.m4s", ""]
        {
            for prefix in ["/", "/api/v1/streams/", "/console/"] {
                let request = format!(
                    "GET {prefix}{name}{suffix} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                );
                let answer = raw::exchange(server.http, request.as_bytes(), Duration::from_secs(5)).await;
                let status = raw::status(&answer);
                let fine = (400..500).contains(&status) || (prefix == "/console/" && status == 200);
                assert!(fine, "{status} for {prefix}{name}{suffix}");
                let head = String::from_utf8_lossy(&answer).to_lowercase();
                assert!(
                    !head.contains("root:x:0") && !head.contains("\nset-cookie"),
                    "{prefix}{name}{suffix}"
                );
            }
        }
    }
    let made: Vec<String> = files_below(&server.data)
        .into_iter()
        .filter(|f| !f.contains("tapeline.") && !f.contains("/reserve"))
        .collect();
    let own = |f: &String| ["/tape", "/assets"].iter().any(|folder| f.ends_with(folder));
    assert!(made.iter().all(own), "asking makes no file: {made:?}");
    assert_eq!(server.get("/healthz").await.status(), 200);
}

#[tokio::test]
async fn hostile_queries_are_client_errors() {
    let server = TestServer::start().await;
    let many = "a=b&".repeat(500);
    for query in [
        "start=99999999999999999999&end=now",
        "start=-99999999999d&end=now",
        "start=1&end=0",
        "start=NaN&end=now",
        "start=1e400&end=now",
        "start=now&start=1&end=2",
        "download=../../x&start=1&end=2",
        "download=a%0d%0ab&start=1&end=2",
        "wait=-1&start=1&end=2",
        "gaps=%00&start=1&end=2",
        many.as_str(),
    ] {
        for ext in ["mp4", "m3u8"] {
            let (status, body) = server.problem(&format!("/live/cam1.{ext}?{query}")).await;
            assert!((400..500).contains(&status), "{ext}?{query}: {body}");
        }
    }
}

#[tokio::test]
async fn bytes_that_are_no_http_end_their_connection_and_nothing_else() {
    let server = TestServer::start().await;
    let before = server.resident_kib();
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..200 {
        let len = random.usize(1..5000);
        let mut bytes: Vec<u8> = (0..len).map(|_| random.u8(..)).collect();
        if round % 3 == 0 {
            bytes.splice(0..0, *b"GET /live/");
        }
        bytes.extend_from_slice(b"\r\n\r\n");
        let answer = raw::exchange(server.http, &bytes, Duration::from_millis(200)).await;
        if !answer.is_empty() {
            assert!((400..500).contains(&raw::status(&answer)), "round {round}");
        }
    }
    // Two requests in one, and a body that claims another length, are each read as RFC 9112 says or refused.
    let smuggled = "POST /api/v1/streams/live/x/split HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\
                    Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let answer = raw::exchange(server.http, smuggled.as_bytes(), Duration::from_secs(1)).await;
    assert!((400..500).contains(&raw::status(&answer)));
    assert_eq!(server.get("/healthz").await.status(), 200);
    assert!(server.resident_kib() < before + 32 * 1024, "{} → {} KiB", before, server.resident_kib());
}

#[tokio::test]
async fn ten_thousand_short_connections_leave_nothing_behind() {
    let server = TestServer::start().await;
    server.get("/healthz").await;
    let (memory, files) = (server.resident_kib(), server.descriptors());
    for _ in 0..100 {
        let opened: Vec<_> = (0..100).map(|_| tokio::net::TcpStream::connect(server.http)).collect();
        for stream in opened {
            drop(stream.await.unwrap());
        }
    }
    crate::server::eventually("descriptors are closed", crate::server::DEADLINE, async || {
        (server.descriptors() <= files + 4).then_some(())
    })
    .await;
    assert!(server.resident_kib() < memory + 32 * 1024);
}
