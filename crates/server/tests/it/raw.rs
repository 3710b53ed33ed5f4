//! Bytes on a socket, for requests that no well-behaved client would send.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What came back for some bytes: everything until the server closed, or until `patience` passed without a
/// byte.
pub(crate) async fn exchange(to: SocketAddr, bytes: &[u8], patience: Duration) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).await.unwrap();
    // The server may close before it has taken everything; what it said until then counts.
    let _ = stream.write_all(bytes).await;
    read_all(&mut stream, patience).await
}

/// Reads until the end or until nothing comes for `patience`.
pub(crate) async fn read_all(stream: &mut TcpStream, patience: Duration) -> Vec<u8> {
    let mut got = Vec::new();
    let mut buffer = [0; 65536];
    while let Ok(Ok(n @ 1..)) = tokio::time::timeout(patience, stream.read(&mut buffer)).await {
        got.extend_from_slice(&buffer[..n]);
    }
    got
}

/// The status of an HTTP answer.
pub(crate) fn status(answer: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(answer);
    text.split_whitespace().nth(1).and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("no HTTP: {text:?}"))
}
