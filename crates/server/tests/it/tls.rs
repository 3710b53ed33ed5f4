//! HTTPS and RTMPS: curl, Chromium and FFmpeg through the server's certificate, which changes while they go on.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::ffmpeg;
use crate::raw;
use crate::server::{self, DEADLINE, Setup, TestServer, eventually};

/// A certificate for `localhost` that signs itself, and its key, in a folder.
struct Certificate {
    folder: tempfile::TempDir,
}

impl Certificate {
    fn new() -> Self {
        let certificate = Self { folder: tempfile::tempdir().unwrap() };
        certificate.renew();
        certificate
    }

    fn cert(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// The value of `http.tls` and `rtmp.tls`.
    fn setting(&self) -> String {
        format!("{},{}", self.cert().display(), self.key().display())
    }

    /// Another certificate in the same files.
    fn renew(&self) {
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
            ])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
            .arg("-keyout")
            .arg(self.key())
            .arg("-out")
            .arg(self.cert())
            .stderr(Stdio::null())
            .status()
            .expect("openssl is installed");
        assert!(made.success());
    }

    async fn server(&self) -> TestServer {
        Setup::new()
            .env("TAPELINE_HTTP__TLS", &self.setting())
            .env("TAPELINE_RTMP__TLS", &self.setting())
            .env("TAPELINE_HTTP__TLS_LISTEN", "127.0.0.1:0")
            .env("TAPELINE_RTMP__TLS_LISTEN", "127.0.0.1:0")
            .start()
            .await
    }
}

/// What curl gets over HTTPS, trusting one certificate: the status, or `None` where it does not trust.
fn curl(trusted: &Path, url: &str) -> Option<String> {
    let done = Command::new("curl")
        .args([
            "--silent",
            "--max-time",
            "10",
            "--write-out",
            "\n%{http_code} %{http_version} %{ssl_verify_result}",
        ])
        .arg("--cacert")
        .arg(trusted)
        .arg(url)
        .output()
        .expect("curl is installed");
    done.status.success().then(|| String::from_utf8(done.stdout).unwrap())
}

#[tokio::test]
async fn media_api_and_publishing_go_through_tls_and_the_certificate_changes_under_way() {
    let certificate = Certificate::new();
    let mut server = certificate.server().await;
    let (https, rtmps) = (server.listening("https").await, server.listening("rtmps").await);
    let name = format!("rtmps://localhost:{}/live/cam1", rtmps.port());
    let mut publisher = ffmpeg::publish(&name);
    server.live("live/cam1").await;

    let url = |path: &str| format!("https://localhost:{}{path}", https.port());
    let streams = curl(&certificate.cert(), &url("/api/v1/streams")).expect("curl trusts the certificate");
    assert!(streams.contains("\"state\":\"live\"") && streams.ends_with("200 1.1 0"), "{streams}");
    let far = curl(&certificate.cert(), &url("/live/cam1.mpd")).unwrap();
    assert!(far.contains("not-built"), "{far}");
    let clip = tempfile::NamedTempFile::new().unwrap();
    eventually("a second of it as a file", DEADLINE, async || {
        let loaded = Command::new("curl")
            .args(["--silent", "--fail", "--location", "--cacert"])
            .arg(certificate.cert())
            .arg("--output")
            .arg(clip.path())
            .arg(url("/live/cam1.mp4?start=-1s&end=now"))
            .status()
            .unwrap();
        (loaded.success() && ffmpeg::decoded_frames(clip.path().to_str().unwrap()) >= 25).then_some(())
    })
    .await;

    let played = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-i", &name, "-t", "1", "-f", "framemd5", "-"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let frames =
        String::from_utf8_lossy(&played.stdout).lines().filter(|line| line.starts_with("0,")).count();
    assert!(frames >= 20, "{frames} frames over RTMPS: {}", String::from_utf8_lossy(&played.stderr));

    let before = tempfile::NamedTempFile::new().unwrap();
    std::fs::copy(certificate.cert(), before.path()).unwrap();
    certificate.renew();
    server.signal("HUP");
    eventually("the new certificate is shown", DEADLINE, async || {
        curl(&certificate.cert(), &url("/healthz")).map(drop)
    })
    .await;
    assert_eq!(curl(before.path(), &url("/healthz")), None, "the old one is gone");
    assert!(publisher.runs(), "who was connected stays");
    std::fs::write(certificate.key(), "no key").unwrap();
    server.signal("HUP");
    server.log.wait("the certificate was not read again").await;
    assert!(curl(&certificate.cert(), &url("/healthz")).is_some(), "the one of before goes on");
    let stream: Value = server.json("/api/v1/streams/live/cam1").await;
    assert_eq!(stream["state"], "live");
}

#[tokio::test]
async fn what_is_no_tls_ends_its_connection_and_is_counted() {
    let certificate = Certificate::new();
    let mut server = certificate.server().await;
    let (https, rtmps) = (server.listening("https").await, server.listening("rtmps").await);
    for to in [https, rtmps] {
        let answer = raw::exchange(to, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Duration::from_secs(5)).await;
        assert!(!answer.starts_with(b"HTTP"), "{:?}", String::from_utf8_lossy(&answer));
    }
    let numbers = server.get("/metrics").await.text().await.unwrap();
    for listener in ["http", "rtmp"] {
        assert!(numbers.contains(&format!("tapeline_{listener}_tls_failed_total 1\n")), "{numbers}");
    }
}

#[test]
fn a_certificate_that_cannot_be_used_stops_the_start_with_one_line() {
    let (one, other) = (Certificate::new(), Certificate::new());
    let missing = one.folder.path().join("none.pem");
    for (cert, key, says) in [
        (missing.clone(), one.key(), "none.pem"),
        (one.key(), one.key(), "no certificate in PEM"),
        (one.cert(), one.cert(), "cert.pem"),
        (one.cert(), other.key(), "cannot be used with the key"),
    ] {
        let data = tempfile::tempdir().unwrap();
        let done = server::command()
            .args(["serve", "--data"])
            .arg(data.path())
            .env("TAPELINE_HTTP__LISTEN", "127.0.0.1:0")
            .env("TAPELINE_RTMP__LISTEN", "127.0.0.1:0")
            .env("TAPELINE_HTTP__TLS_LISTEN", "127.0.0.1:0")
            .env("TAPELINE_HTTP__TLS", format!("{},{}", cert.display(), key.display()))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{said}");
        let last = said.lines().last().unwrap();
        assert!(last.starts_with("tapeline: ") && last.contains(says), "{said}");
    }
}
