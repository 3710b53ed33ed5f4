//! `--demo`: a short FLV file published as `live/demo` through the server's own RTMP listener, over and over, in
//! real time and without a seam, as any encoder would. What it shows is drawn by `cargo xtask demo`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use media::container::flv::TagKind;
use media::container::flv::demux::{Event as Found, Reader};
use media::container::flv::tag::{Body, Content};
use media::proto::rtmp::MediaKind;
use media::proto::rtmp::client::{Config, Event, Location, Output, Role, Session};
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::clock;

/// Where the file lies beside the binary: `target/release/tapeline` and `target/demo/demo.flv`.
const BESIDE: &str = "../demo/demo.flv";
/// The file is held in memory; the drawn one has a few MB.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// How long the listener may take to let the demo in.
const START_DEADLINE: Duration = Duration::from_secs(10);
/// How long the demo waits before it connects again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// The step from the last video frame to the next loop where the file shows no other: 25 frames a second.
const FRAME_MS_DEFAULT: u32 = 40;

/// Why there is no demo; one line that says what to do.
#[derive(Debug, Error)]
pub(crate) enum DemoError {
    /// There is no file.
    #[error("the demo's film is missing ({}); make it with `cargo xtask demo`, or start without --demo", .0.display())]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("the demo's film {} cannot be read: {why}; make it again with `cargo xtask demo`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// One message of the film.
#[derive(Debug, Clone)]
struct Message {
    kind: MediaKind,
    at_ms: u32,
    payload: Bytes,
    /// A sequence header or metadata: sent once, not in every loop.
    once: bool,
}

/// A film that can be looped.
#[derive(Debug, Clone)]
pub(crate) struct Film {
    /// Its first turn, headers included.
    first: Vec<Message>,
    /// Every later turn: without headers, and beginning with the sound that reaches over the end of the one
    /// before.
    again: Vec<Message>,
    /// From its first frame to the first frame of the next turn.
    length_ms: u32,
}

/// Finds and reads the film beside the binary.
pub(crate) fn film() -> Result<Film, DemoError> {
    let binary = std::env::current_exe().unwrap_or_default();
    let path = binary.parent().unwrap_or(Path::new(".")).join(BESIDE);
    let unreadable = |why: String| DemoError::Unreadable { path: path.clone(), why };
    let size = std::fs::metadata(&path).map_err(|_| DemoError::Missing(path.clone()))?.len();
    if size > FILE_BYTES_MAX {
        return Err(unreadable(format!("it has {size} bytes; the limit is {FILE_BYTES_MAX}")));
    }
    let bytes = std::fs::read(&path).map_err(|e| unreadable(e.to_string()))?;
    read(&bytes).map_err(unreadable)
}

fn read(bytes: &[u8]) -> Result<Film, String> {
    let mut reader = Reader::default();
    let mut messages = Vec::new();
    for chunk in bytes.chunks(64 << 10) {
        reader.input(chunk);
        take(&mut reader, &mut messages)?;
    }
    reader.finish();
    take(&mut reader, &mut messages)?;
    looped(messages).ok_or_else(|| "it holds no video".to_owned())
}

fn take(reader: &mut Reader, messages: &mut Vec<Message>) -> Result<(), String> {
    while let Some(found) = reader.poll().map_err(|e| e.to_string())? {
        let Found::Tag(tag) = found else { continue };
        let kind = match tag.kind {
            TagKind::Audio => MediaKind::Audio,
            TagKind::Video => MediaKind::Video,
            TagKind::Script => MediaKind::Data,
        };
        let once = match Body::parse(tag.kind, tag.body.clone()) {
            Ok(Body::Media(unit)) => !matches!(unit.content, Content::Frame(_)),
            Ok(body) => matches!(body, Body::Script(_)),
            Err(_) => false,
        };
        messages.push(Message { kind, at_ms: tag.timestamp_ms, payload: tag.body, once });
    }
    Ok(())
}

/// Counts from the first frame. Sound begins a little after the picture and reaches as far over its end; one
/// turn of it is as long as one turn of the pictures.
fn looped(mut messages: Vec<Message>) -> Option<Film> {
    let media = |kind: MediaKind| messages.iter().filter(move |m| m.kind == kind && !m.once).map(|m| m.at_ms);
    let pictures: Vec<u32> = media(MediaKind::Video).collect();
    let (first, last) = (*pictures.first()?, *pictures.last()?);
    let frames = u32::try_from(pictures.len()).ok()?;
    let frame_ms = match frames {
        1 => FRAME_MS_DEFAULT,
        frames => last.saturating_sub(first).saturating_add((frames - 1) / 2) / (frames - 1),
    };
    let length_ms = last.saturating_sub(first).saturating_add(frame_ms.max(1));
    let sound = media(MediaKind::Audio).next().map_or(0, |at| at.saturating_sub(first));
    messages.iter_mut().for_each(|m| m.at_ms = m.at_ms.saturating_sub(first));
    let end =
        |m: &Message| if m.kind == MediaKind::Audio { length_ms.saturating_add(sound) } else { length_ms };
    messages.retain(|m| m.once || m.at_ms < end(m));
    let (inside, over): (Vec<_>, Vec<_>) = messages.into_iter().partition(|m| m.once || m.at_ms < length_ms);
    let carried = over.into_iter().map(|m| Message { at_ms: m.at_ms - length_ms, ..m });
    let mut again: Vec<Message> = carried.chain(inside.iter().filter(|m| !m.once).cloned()).collect();
    again.sort_by_key(|m| m.at_ms);
    Some(Film { first: inside, again, length_ms })
}

/// Publishes the film until `stop`, connecting again whenever it was disconnected.
pub(crate) async fn publish(film: Film, listener: SocketAddr, stop: CancellationToken) {
    let ip = if listener.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { listener.ip() };
    let address = SocketAddr::new(ip, listener.port());
    loop {
        let ended = tokio::select! {
            () = stop.cancelled() => return,
            ended = session(&film, address) => ended,
        };
        tracing::warn!("the demo was disconnected ({ended}); it connects again");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(AGAIN_AFTER) => {}
        }
    }
}

/// One connection of the demo. Gives why it ended.
async fn session(film: &Film, address: SocketAddr) -> String {
    match tokio::time::timeout(START_DEADLINE, Encoder::connect(address)).await {
        Err(_) => "the listener does not answer".to_owned(),
        Ok(Err(why)) => why,
        Ok(Ok(encoder)) => encoder.send(film).await,
    }
}

/// The demo's own encoder.
struct Encoder {
    stream: TcpStream,
    session: Session,
    buffer: Vec<u8>,
}

impl Encoder {
    async fn connect(address: SocketAddr) -> Result<Self, String> {
        let location = Location::parse(&format!("rtmp://{address}/live/demo")).map_err(|e| e.to_string())?;
        let session = Session::new(Config::new(location, Role::Publish, crate::rtmp::seed()));
        let stream = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
        let _ = stream.set_nodelay(true);
        let mut encoder = Self { stream, session, buffer: vec![0; 4096] };
        while !encoder.exchange().await? {
            encoder.receive().await?;
        }
        Ok(encoder)
    }

    /// Sends what the session has, and takes its events. Gives whether publishing has begun.
    async fn exchange(&mut self) -> Result<bool, String> {
        let mut started = false;
        while let Some(output) = self.session.poll() {
            match output {
                Output::Send(bytes) => self.stream.write_all(&bytes).await.map_err(|e| e.to_string())?,
                Output::Event(Event::Started) => started = true,
                Output::Event(Event::Rejected { description, .. }) => return Err(description),
                Output::Event(Event::Ended) => return Err("the listener ended the connection".into()),
                Output::Event(_) => {}
            }
        }
        Ok(started)
    }

    async fn receive(&mut self) -> Result<(), String> {
        match self.stream.read(&mut self.buffer).await {
            Ok(0) => Err("the listener closed the connection".into()),
            Ok(n) => self.session.input(&self.buffer[..n]).map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Sends the film for ever, each message at its time. Gives why it ended.
    async fn send(mut self, film: &Film) -> String {
        let (begun, mut turn) = (clock::mono(), 0);
        loop {
            for message in if turn == 0 { &film.first } else { &film.again } {
                let at_ms = turn * u64::from(film.length_ms) + u64::from(message.at_ms);
                let sent = match self.wait_until(begun + Duration::from_millis(at_ms)).await {
                    Ok(()) => self.send_one(message, at_ms).await,
                    Err(why) => Err(why),
                };
                if let Err(why) = sent {
                    return why;
                }
            }
            turn += 1;
        }
    }

    /// Takes what the listener says until it is time. Writing is never given up half-way.
    async fn wait_until(&mut self, when: Duration) -> Result<(), String> {
        loop {
            let wait = when.saturating_sub(clock::mono());
            tokio::select! {
                () = tokio::time::sleep(wait) => return Ok(()),
                received = self.receive() => received?,
            }
            self.exchange().await?;
        }
    }

    async fn send_one(&mut self, message: &Message, at_ms: u64) -> Result<(), String> {
        // RTMP's clock wraps at 32 bits.
        let timestamp = (at_ms & u64::from(u32::MAX)) as u32;
        self.session.send_media(message.kind, timestamp, &message.payload).map_err(|e| e.to_string())?;
        self.exchange().await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: MediaKind, at_ms: u32, once: bool) -> Message {
        Message { kind, at_ms, payload: Bytes::new(), once }
    }

    #[test]
    fn a_turn_is_as_long_as_its_frames_and_sound_goes_on_over_the_joint() {
        let mut messages = vec![message(MediaKind::Video, 0, true), message(MediaKind::Audio, 0, true)];
        messages.extend((0..250).map(|n| message(MediaKind::Video, 100 + n * 40, false)));
        messages.extend((0..480).map(|n| message(MediaKind::Audio, 159 + n * 64 / 3, false)));
        messages.sort_by_key(|m| m.at_ms);
        let film = looped(messages).unwrap();
        assert_eq!(film.length_ms, 10_000);
        let turns = film.first.iter().map(|m| (m, 0)).chain(film.again.iter().map(|m| (m, film.length_ms)));
        let sound = |m: &Message| m.kind == MediaKind::Audio && !m.once;
        let sound: Vec<u32> = turns.filter(|(m, _)| sound(m)).map(|(m, offset)| m.at_ms + offset).collect();
        assert_eq!(sound[0], 59);
        assert!(
            sound.windows(2).all(|w| (1..=43).contains(&(w[1] - w[0]))),
            "no gap beyond one frame: {sound:?}"
        );
        assert!(film.again.iter().all(|m| !m.once));
        assert!(looped(vec![message(MediaKind::Audio, 0, false)]).is_none());
    }

    #[test]
    fn a_file_that_is_no_film_is_refused() {
        assert!(read(b"not a film").is_err());
        assert!(read(b"FLV\x01\x05\0\0\0\x09\0\0\0\0").is_err());
    }
}
