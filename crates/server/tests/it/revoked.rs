//! What rests on a token ends with it: within five seconds of a revocation, or when its time has come, publishers and
//! players are disconnected, a download breaks off and a playlist that is being held is not given.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::credentials::{Issuer, now_s};
use crate::ffmpeg::{self, Publisher};
use crate::server::{DEADLINE, Setup, TestServer, eventually};

/// The promise.
const PROMISED: Duration = Duration::from_secs(5);
/// Receive buffer of a client that does not read: far less than the file it asks for.
const RECEIVE_BYTES: u32 = 16 << 10;

/// Four connections that rest on one token.
struct Resting {
    publisher: Publisher,
    player: std::process::Child,
    download: TcpStream,
    held: TcpStream,
}

/// A server to which this machine is a stranger, with a stream of some megabytes that plays on.
async fn busy() -> (TestServer, Publisher) {
    let mut setup = Setup::new()
        .env("TAPELINE_ACCESS__LOOPBACK_OPEN", "false")
        .env("TAPELINE_ACCESS__OPEN", "publish live/base, admin *")
        .env("TAPELINE_ACCESS__JWT_SKEW", "0s");
    for (name, value) in Issuer::settings() {
        setup = setup.env(name, value);
    }
    let server = setup.start().await;
    let film = ffmpeg::drawn_once("it-noise-1.flv", draw_noise);
    let publisher = ffmpeg::publish_file(&film, &["-stream_loop", "-1"], &server.rtmp_url("live/base"));
    eventually("eight megabytes are recorded", DEADLINE, async || {
        let stream: Value = server.get("/api/v1/streams/live/base").await.json().await.ok()?;
        (stream["tape"]["bytes"].as_u64()? > 8 << 20).then_some(())
    })
    .await;
    (server, publisher)
}

/// Six seconds of noise, 25 Mbit/s.
fn draw_noise(path: &std::path::Path) {
    let drawn = std::process::Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-y"])
        .args(["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=6,noise=alls=80:allf=t"])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-b:v", "25M", "-f", "flv"])
        .arg(path)
        .status()
        .unwrap();
    assert!(drawn.success());
}

impl Resting {
    /// Opens the four and waits until each is well under way.
    async fn on(server: &TestServer, number: usize, token: &str) -> Self {
        let name = format!("live/own{number}");
        let publisher = ffmpeg::publish(&server.rtmp_url(&format!("{name}?token={token}")));
        server.live(&name).await;
        let before = players(server).await;
        let player = play(&server.rtmp_url(&format!("live/base?token={token}")));
        eventually("the player is counted", DEADLINE, async || {
            (players(server).await > before).then_some(())
        })
        .await;
        let (start, end) = range(server).await;
        let query = format!("start={start}&end={end}");
        let mut download = ask(server, &format!("/live/base.mp4?{query}"), token).await;
        let mut first = vec![0; 4096];
        download.read_exact(&mut first).await.unwrap();
        assert!(first.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&first));
        let ahead = (now_s() + 600) * 1000;
        let held = ask(server, &format!("/live/base.m3u8?start={start}&end={ahead}&wait=55"), token).await;
        // Through the master to what is held: the list of a range whose end has not come.
        drop(held);
        let held =
            ask(server, &format!("/live/base/-/media.m3u8?start={start}&end={ahead}&wait=55"), token).await;
        Self { publisher, player, download, held }
    }

    /// Waits until all four have ended. `since` is when their token ended, `before` how many had ended until then.
    async fn end(mut self, server: &TestServer, what: &str, since: Instant, before: usize) {
        eventually(&format!("{what}: publisher and player are gone"), PROMISED, async || {
            let played = self.player.try_wait().unwrap().is_some();
            (!self.publisher.runs() && played).then_some(())
        })
        .await;
        let mut rest = Vec::new();
        let held = tokio::time::timeout(PROMISED, self.held.read_to_end(&mut rest)).await;
        assert!(held.is_ok(), "{what}: the held list is still open");
        assert!(rest.is_empty(), "{what}: the held list was given: {:?}", String::from_utf8_lossy(&rest));
        // Reading from the download now would empty it before it is ended.
        eventually(&format!("{what}: all four are cut off"), PROMISED, async || {
            (cut_off(server) >= before + 4).then_some(())
        })
        .await;
        println!("{what}: over after {:?}", since.elapsed());
        assert!(since.elapsed() < PROMISED, "{what}: after {:?}", since.elapsed());
        // What was in flight arrives; the rest of the file does not.
        let mut got = Vec::new();
        let read = tokio::time::timeout(DEADLINE, self.download.read_to_end(&mut got)).await;
        assert!(read.is_ok(), "{what}: the download is still open");
        assert!(got.len() < 6 << 20, "{what}: {} bytes of the download came", got.len());
    }
}

/// How many connections play.
async fn players(server: &TestServer) -> usize {
    let numbers = server.get("/metrics").await.text().await.unwrap();
    let players = numbers.lines().find_map(|line| line.strip_prefix("tapeline_rtmp_players "));
    players.unwrap().parse().unwrap()
}

/// How many connections the server says it has cut off.
fn cut_off(server: &TestServer) -> usize {
    server.log.all().iter().filter(|line| line.contains("event=\"cut_off\"")).count()
}

impl Drop for Resting {
    fn drop(&mut self) {
        let _ = self.player.kill();
        let _ = self.player.wait();
    }
}

fn play(url: &str) -> std::process::Child {
    std::process::Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-i", url, "-c", "copy", "-f", "null", "-"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

/// The tape of the busy stream so far, in milliseconds since 1970.
async fn range(server: &TestServer) -> (u64, u64) {
    let stream = server.json("/api/v1/streams/live/base").await;
    let ms = |name: &str| crate::clips::epoch_ms(stream["tape"][name].as_str().unwrap());
    (u64::try_from(ms("start")).unwrap(), u64::try_from(ms("durable_until")).unwrap())
}

/// Sends a request and reads nothing.
async fn ask(server: &TestServer, path: &str, token: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(RECEIVE_BYTES).unwrap();
    let mut stream = socket.connect(server.http).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

async fn delete(server: &TestServer, path: &str) {
    let answer = server.client.delete(server.url(&format!("/api/v1{path}"))).send().await.unwrap();
    assert_eq!(answer.status(), 204, "{path}");
}

#[tokio::test]
async fn what_rests_on_a_token_ends_with_it() {
    let (server, _base) = busy().await;
    let claims = |jti: &str| {
        let mut claims = Issuer::claims("publish play timeshift", "live/*");
        claims["jti"] = json!(jti);
        claims
    };
    let (_, opaque) =
        server.post("/api/v1/tokens", &json!({"act": "publish play timeshift", "stream": "live/*"})).await;
    let (_, key) = server.post("/api/v1/keys", &json!({"algorithm": "HS256"})).await;
    let ask = json!({"act": "publish play timeshift", "stream": "live/*", "key": key["id"], "expires": "1h"});
    let (_, of_key) = server.post("/api/v1/tokens", &ask).await;
    let text = |told: &Value, name: &str| told[name].as_str().unwrap_or_else(|| panic!("{told}")).to_owned();

    let on_token = Resting::on(&server, 0, &text(&opaque, "token")).await;
    let on_jti = Resting::on(&server, 1, &Issuer::sign(&claims("j1"))).await;
    let on_key = Resting::on(&server, 2, &text(&of_key, "token")).await;
    let untouched = Resting::on(&server, 3, &Issuer::sign(&claims("j2"))).await;

    let mut began = Instant::now();
    delete(&server, &format!("/tokens/{}", text(&opaque, "id"))).await;
    on_token.end(&server, "a revoked token", began, 0).await;
    began = Instant::now();
    delete(&server, "/keys/site/tokens/j1").await;
    on_jti.end(&server, "a revoked jti", began, 4).await;
    began = Instant::now();
    // By the command line, as from another process: the server has to find out by itself.
    crate::credentials::tapeline(&server, &["key", "revoke", &text(&key, "id")]);
    on_key.end(&server, "a revoked key", began, 8).await;
    let mut brief = claims("j3");
    let end_s = now_s() + 8;
    brief["exp"] = json!(end_s);
    let on_time = Resting::on(&server, 4, &Issuer::sign(&brief)).await;
    eventually("the brief token has run out", DEADLINE, async || (now_s() >= end_s).then_some(())).await;
    on_time.end(&server, "a token that ran out", Instant::now(), 12).await;
    let mut untouched = untouched;
    assert!(untouched.publisher.runs() && untouched.player.try_wait().unwrap().is_none());
    assert_eq!(cut_off(&server), 16, "one line for each connection, and none for those that nobody revoked");
}
