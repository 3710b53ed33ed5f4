//! Bytes that no encoder sends: each connection of them ends with a reason in the log, memory stays bounded, and
//! a healthy publisher beside them notices nothing.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::ffmpeg;
use crate::raw;
use crate::server::{DEADLINE, TestServer, eventually};

/// What the server may grow by under any of these floods.
const GROWTH_KIB_MAX: u64 = 64 * 1024;

/// A handshake in its plain form, then bytes.
async fn after_handshake(server: &TestServer) -> TcpStream {
    let mut stream = TcpStream::connect(server.rtmp).await.unwrap();
    let mut hello = vec![3];
    hello.extend([0; 1536]);
    stream.write_all(&hello).await.unwrap();
    let mut answer = vec![0; 1 + 1536 + 1536];
    stream.read_exact(&mut answer).await.unwrap();
    stream.write_all(&answer[1..1537]).await.unwrap();
    stream
}

/// One chunk with a full header on a chunk stream.
fn chunk(chunk_stream: u8, kind: u8, declared: u32, payload: &[u8]) -> Vec<u8> {
    let length = declared.to_be_bytes();
    let mut bytes = vec![chunk_stream & 0x3f, 0, 0, 0, length[1], length[2], length[3], kind, 1, 0, 0, 0];
    bytes.extend_from_slice(payload);
    bytes
}

/// AMF0 of a command's name and transaction, and what follows.
fn command(name: &str, rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![2];
    bytes.extend(u16::try_from(name.len()).unwrap().to_be_bytes());
    bytes.extend(name.as_bytes());
    bytes.extend([0, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]);
    bytes.extend_from_slice(rest);
    bytes
}

/// Cuts a message into chunks of 128 bytes, as a peer that set no chunk size has to.
fn message(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = chunk(3, kind, u32::try_from(payload.len()).unwrap(), &[]);
    for (n, part) in payload.chunks(128).enumerate() {
        if n > 0 {
            bytes.push(0xc3);
        }
        bytes.extend_from_slice(part);
    }
    bytes
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 4096];
    let until = Instant::now() + DEADLINE;
    while Instant::now() < until {
        match tokio::time::timeout(Duration::from_secs(15), stream.read(&mut buffer)).await {
            Ok(Ok(0)) | Ok(Err(_)) => return true,
            Ok(Ok(_)) => {}
            Err(_) => return false,
        }
    }
    false
}

/// A server with a healthy publisher, and a check that it stayed healthy.
struct Beside {
    server: TestServer,
    publisher: ffmpeg::Publisher,
    memory_kib: u64,
}

impl Beside {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let publisher = ffmpeg::publish(&server.rtmp_url("live/healthy"));
        server.live("live/healthy").await;
        let memory_kib = server.resident_kib();
        Self { server, publisher, memory_kib }
    }

    async fn stays_healthy(mut self) {
        let grown = self.server.resident_kib().saturating_sub(self.memory_kib);
        assert!(grown < GROWTH_KIB_MAX, "grew by {grown} KiB");
        assert!(self.publisher.runs());
        let end = |stream: &Value| stream["tape"]["end"].as_str().map(str::to_owned);
        let before = self.server.json("/api/v1/streams/live/healthy").await;
        eventually("the healthy stream goes on", DEADLINE, async || {
            let now = self.server.json("/api/v1/streams/live/healthy").await;
            (end(&now) > end(&before)).then_some(())
        })
        .await;
        let timeline = self.server.json("/api/v1/streams/live/healthy/timeline").await;
        assert_eq!(timeline["runs"].as_array().unwrap().len(), 1, "{timeline}");
        assert!(self.server.log.find("a bug ended").is_none(), "{:?}", self.server.log.find("a bug ended"));
    }
}

#[tokio::test]
async fn random_bytes_end_their_connection() {
    let beside = Beside::new().await;
    let mut random = fastrand::Rng::with_seed(11);
    for round in 0..100 {
        let len = random.usize(1..20_000);
        let mut bytes: Vec<u8> = (0..len).map(|_| random.u8(..)).collect();
        if round % 2 == 0 {
            bytes[0] = 3;
        }
        raw::exchange(beside.server.rtmp, &bytes, Duration::from_millis(20)).await;
    }
    beside.server.log.wait("rtmp connection ended").await;
    beside.stays_healthy().await;
}

#[tokio::test]
async fn random_chunks_after_a_good_handshake_end_their_connection() {
    let beside = Beside::new().await;
    let mut random = fastrand::Rng::with_seed(12);
    for _ in 0..100 {
        let mut stream = after_handshake(&beside.server).await;
        let len = random.usize(1..50_000);
        let bytes: Vec<u8> = (0..len).map(|_| random.u8(..)).collect();
        let _ = stream.write_all(&bytes).await;
        raw::read_all(&mut stream, Duration::from_millis(10)).await;
    }
    beside.stays_healthy().await;
}

#[tokio::test]
async fn http_and_tls_on_the_rtmp_port_are_named() {
    let beside = Beside::new().await;
    raw::exchange(beside.server.rtmp, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Duration::from_millis(500)).await;
    beside.server.log.wait("version byte 71").await;
    raw::exchange(beside.server.rtmp, &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3], Duration::from_millis(500))
        .await;
    beside.server.log.wait("version byte 22").await;
    beside.stays_healthy().await;
}

#[tokio::test]
async fn declared_sizes_allocate_nothing() {
    let beside = Beside::new().await;
    let mut held = Vec::new();
    for _ in 0..50 {
        let mut stream = after_handshake(&beside.server).await;
        // Set Chunk Size to 2147483647, then messages of 16 MB that never come, on many chunk streams.
        stream.write_all(&chunk(2, 1, 4, &0x7fff_ffffu32.to_be_bytes())).await.unwrap();
        for chunk_stream in 3..60 {
            let _ = stream.write_all(&chunk(chunk_stream, 9, 0xff_ffff, &[0; 64])).await;
        }
        held.push(stream);
    }
    let grown = beside.server.resident_kib().saturating_sub(beside.memory_kib);
    assert!(grown < GROWTH_KIB_MAX, "50 connections that declare 47 GB grew it by {grown} KiB");
    drop(held);
    beside.stays_healthy().await;
}

#[tokio::test]
async fn nested_amf_and_tiny_chunks_are_refused() {
    let beside = Beside::new().await;
    // 60 000 objects inside one another.
    let mut nested = vec![];
    for _ in 0..15_000 {
        nested.extend([3, 0, 1, b'a']);
    }
    let mut stream = after_handshake(&beside.server).await;
    let _ = stream.write_all(&message(20, &command("connect", &nested))).await;
    assert!(is_closed(&mut stream).await);
    // One byte a chunk, for as long as the server takes it.
    let mut stream = after_handshake(&beside.server).await;
    let mut flood = chunk(2, 1, 4, &1u32.to_be_bytes());
    flood.extend(chunk(3, 20, 60_000, &[0]));
    for _ in 0..59_999 {
        flood.extend([0xc3, 0]);
    }
    let _ = stream.write_all(&flood).await;
    let _ = stream.write_all(&flood).await;
    drop(stream);
    beside.stays_healthy().await;
}

#[tokio::test]
async fn commands_before_connect_and_floods_of_them_are_ended() {
    let beside = Beside::new().await;
    let mut stream = after_handshake(&beside.server).await;
    stream.write_all(&message(20, &command("publish", &[5, 2, 0, 1, b'x']))).await.unwrap();
    assert!(is_closed(&mut stream).await);
    beside.server.log.wait("came before connect").await;
    // A peer that asks for answers and never reads them.
    let mut stream = after_handshake(&beside.server).await;
    stream
        .write_all(&message(
            20,
            &command("connect", &[3, 0, 3, b'a', b'p', b'p', 2, 0, 4, b'l', b'i', b'v', b'e', 0, 0, 9]),
        ))
        .await
        .unwrap();
    let asks = message(20, &command("getStreamLength", &[5])).repeat(2000);
    let flood = async {
        for _ in 0..500 {
            if stream.write_all(&asks).await.is_err() {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(5), flood).await;
    beside.stays_healthy().await;
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_cut_off() {
    let beside = Beside::new().await;
    let begun = Instant::now();
    let mut silent = TcpStream::connect(beside.server.rtmp).await.unwrap();
    let mut dribbling = TcpStream::connect(beside.server.rtmp).await.unwrap();
    dribbling.write_all(&[3]).await.unwrap();
    let dribble = async {
        let mut every = tokio::time::interval(Duration::from_millis(500));
        loop {
            every.tick().await;
            if dribbling.write_all(&[0]).await.is_err() {
                return;
            }
        }
    };
    let (closed, ()) = tokio::join!(is_closed(&mut silent), async {
        let _ = tokio::time::timeout(Duration::from_secs(15), dribble).await;
    });
    assert!(closed);
    let took = begun.elapsed();
    assert!(took > Duration::from_secs(9) && took < Duration::from_secs(16), "{took:?}");
    beside.server.log.wait("its handshake does not end").await;
    beside.stays_healthy().await;
}

#[tokio::test]
async fn a_thousand_publishers_that_come_and_go_leave_nothing() {
    let beside = Beside::new().await;
    let files = beside.server.descriptors();
    for _ in 0..20 {
        let opening: Vec<_> = (0..50).map(|_| after_handshake(&beside.server)).collect();
        for stream in opening {
            drop(stream.await);
        }
    }
    eventually("descriptors are closed", DEADLINE, async || {
        (beside.server.descriptors() <= files + 4).then_some(())
    })
    .await;
    beside.stays_healthy().await;
}

#[tokio::test]
async fn hostile_names_are_refused_in_words_and_make_no_path() {
    let beside = Beside::new().await;
    let long = "x".repeat(300);
    for name in [
        "live/..%2f..%2fetc",
        "live/../../etc/x",
        "api/x",
        "live/-/x",
        "live/a%00b",
        &format!("live/{long}"),
        "live/~x/y",
    ] {
        let mut publisher = ffmpeg::publish(&beside.server.rtmp_url(name));
        eventually(&format!("{name} is refused"), DEADLINE, async || (!publisher.runs()).then_some(())).await;
    }
    beside.server.log.wait("refused: ").await;
    let streams = beside.server.json("/api/v1/streams").await;
    assert_eq!(streams["items"].as_array().unwrap().len(), 1, "{streams}");
    let tape: Vec<_> =
        std::fs::read_dir(beside.server.data.join("tape")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(tape.len(), 1, "{tape:?}");
    assert!(!tape[0].to_string_lossy().contains("healthy"), "files are named by opaque ids: {tape:?}");
    // Emoji is a name like any other.
    let _emoji = ffmpeg::publish(&beside.server.rtmp_url("live/📷"));
    beside.server.live("live/%F0%9F%93%B7").await;
    beside.stays_healthy().await;
}
