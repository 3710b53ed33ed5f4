//! A blocking HTTP/1.1 client on one connection, with nothing between the socket and the clock. It reads answers
//! that tell their length, which is what the server sends.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// Read at once; a socket's buffer on loopback holds some MB.
const READ: usize = 256 << 10;
/// No head of an answer is longer.
const HEAD_MAX: usize = 64 << 10;
/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// See the module.
pub(crate) struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// An answer that was read to its end.
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The bytes, as they were sent.
    pub(crate) body: Vec<u8>,
    /// From the request to the last byte.
    pub(crate) took: Duration,
}

impl Answer {
    /// The body as text.
    pub(crate) fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.body).context("an answer is no text")
    }
}

/// How an MP4 began.
pub(crate) struct Begun {
    /// From the request to the first byte of media: the first inside `mdat`.
    pub(crate) took: Duration,
    /// Bytes of the file before it.
    pub(crate) before: usize,
}

impl Connection {
    /// Connects.
    pub(crate) fn open(to: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, unread: Vec::new() })
    }

    /// GET, to the end.
    pub(crate) fn get(&mut self, path: &str, headers: &str) -> Result<Answer> {
        let begun = self.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"))?;
        self.answer(begun)
    }

    /// POST of JSON, to the end.
    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Result<Answer> {
        let body = body.to_string();
        let head = "Host: localhost\r\nContent-Type: application/json";
        let length = body.len();
        let begun =
            self.ask(&format!("POST {path} HTTP/1.1\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}"))?;
        self.answer(begun)
    }

    /// GET of an MP4 up to its first byte of media; the connection is of no use afterwards.
    pub(crate) fn first_media_byte(mut self, path: &str) -> Result<Begun> {
        let begun = self.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))?;
        let (status, _) = self.head()?;
        ensure!(status == 200, "{path}: {status}");
        loop {
            if let Some(before) = media_begins(&self.unread)
                && self.unread.len() > before
            {
                return Ok(Begun { took: begun.elapsed(), before });
            }
            self.read()?;
        }
    }

    fn ask(&mut self, request: &str) -> Result<Instant> {
        let begun = Instant::now();
        self.stream.write_all(request.as_bytes())?;
        Ok(begun)
    }

    fn read(&mut self) -> Result<()> {
        let had = self.unread.len();
        self.unread.resize(had + READ, 0);
        let got = self.stream.read(&mut self.unread[had..])?;
        self.unread.truncate(had + got);
        ensure!(got > 0, "the connection ended within an answer");
        Ok(())
    }

    /// Status and length of the body.
    fn head(&mut self) -> Result<(u16, usize)> {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            ensure!(self.unread.len() < HEAD_MAX, "an answer without an end of its head");
            self.read()?;
        };
        let head = String::from_utf8_lossy(&self.unread[..end]).to_ascii_lowercase();
        self.unread.drain(..end);
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let Some(length) = length else { bail!("an answer without a length: {head}") };
        Ok((status, length.trim().parse()?))
    }

    fn answer(&mut self, begun: Instant) -> Result<Answer> {
        let (status, length) = self.head()?;
        while self.unread.len() < length {
            self.read()?;
        }
        let took = begun.elapsed();
        let body = self.unread.drain(..length).collect();
        Ok(Answer { status, body, took })
    }
}

/// Where the media of an MP4 begins, once enough of the file is there to tell: after the head of `mdat`.
fn media_begins(file: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let head = file.get(at..at + 16)?;
        let short = u32::from_be_bytes(head[..4].try_into().ok()?);
        if head[4..8] == *b"mdat" {
            return Some(at + if short == 1 { 16 } else { 8 });
        }
        at += usize::try_from(short).ok().filter(|size| *size >= 8)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_begins_behind_the_head_of_mdat() {
        let boxes = |large: bool| {
            let mut file = [&[0, 0, 0, 12][..], b"ftyp", &[0; 4], &[0, 0, 0, 9], b"moov", &[7]].concat();
            file.extend(if large { [0, 0, 0, 1] } else { [0, 0, 1, 0] });
            file.extend(b"mdat");
            file.extend([0; 8]);
            file
        };
        assert_eq!(media_begins(&boxes(false)), Some(29));
        assert_eq!(media_begins(&boxes(true)), Some(37));
        assert_eq!(media_begins(&boxes(true)[..25]), None);
    }
}
