//! A small RTMP peer: asks once to publish or to play and reads what it is told. Beside FFmpeg because it tells the
//! server's words, and in milliseconds.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What a peer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Publish,
    Play,
}

/// How the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// It may.
    Granted,
    /// It may not, in these words.
    Refused(String),
}

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects and asks. `key` is `stream?query`, as an encoder has it.
pub(crate) async fn ask(to: SocketAddr, app: &str, wish: Wish, key: &str) -> Told {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let mut hello = vec![3];
    hello.extend([0; 1536]);
    stream.write_all(&hello).await.unwrap();
    let mut answer = vec![0; 1 + 1536 + 1536];
    stream.read_exact(&mut answer).await.unwrap();
    let mut out = answer[1..1537].to_vec();
    out.extend(message(0, &[text("connect"), number(1.0), object(&[("app", app), ("tcUrl", "rtmp://x/x")])]));
    out.extend(message(0, &[text("createStream"), number(2.0), vec![5]]));
    let verb = if wish == Wish::Publish { "publish" } else { "play" };
    let mut last = vec![text(verb), number(3.0), vec![5], text(key)];
    if wish == Wish::Publish {
        last.push(text("live"));
    }
    out.extend(message(1, &last));
    stream.write_all(&out).await.unwrap();
    told(&mut stream).await
}

/// Reads until a status says how the wish ended.
async fn told(stream: &mut TcpStream) -> Told {
    let mut got = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let all = String::from_utf8_lossy(&got).into_owned();
        if all.contains("NetStream.Publish.Start") || all.contains("NetStream.Play.Start") {
            return Told::Granted;
        }
        let codes = ["Publish.BadName", "Publish.Denied", "Play.Failed", "Play.StreamNotFound"];
        // The object of a status ends in this, so its words are all there.
        if codes.iter().any(|code| all.contains(code)) && got.ends_with(&[0, 0, 9]) {
            return Told::Refused(all);
        }
        match tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await {
            Ok(Ok(n @ 1..)) => got.extend_from_slice(&buffer[..n]),
            other => panic!("no status came: {other:?} {all:?}"),
        }
    }
}

/// A command on a message stream, in chunks of 128 bytes.
fn message(message_stream: u8, values: &[Vec<u8>]) -> Vec<u8> {
    let payload = values.concat();
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![3, 0, 0, 0, length[1], length[2], length[3], 20, message_stream, 0, 0, 0];
    for (n, part) in payload.chunks(128).enumerate() {
        if n > 0 {
            bytes.push(0xc3);
        }
        bytes.extend_from_slice(part);
    }
    bytes
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = vec![2];
    bytes.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

fn number(number: f64) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(number.to_be_bytes());
    bytes
}

fn object(members: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = vec![3];
    for (name, value) in members {
        bytes.extend(&text(name)[1..]);
        bytes.extend(text(value));
    }
    bytes.extend([0, 0, 9]);
    bytes
}
