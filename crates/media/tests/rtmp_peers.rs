//! The RTMP engines against real peers: FFmpeg, GStreamer's rtmp2 and librtmp publish to the server's
//! session and play from it, and FFmpeg's own listener takes what the client's session publishes. Every
//! peer writes the same FLV to a file beside, so that media is compared byte for byte. A missing tool fails.

#![cfg(test)]

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::proto::rtmp::handshake::{Seed, Style};
use media::proto::rtmp::{MediaKind, client, server};

/// How long a peer may take for its two seconds of media on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Two seconds of 25 frames each.
const FRAMES: usize = 50;

type Media = (MediaKind, u32, Bytes);

// ---- a server of a few threads -------------------------------------------------------------------------

/// What the server has seen.
#[derive(Default)]
struct Seen {
    connects: Vec<server::Connect>,
    publishes: Vec<server::Publish>,
    plays: Vec<server::Play>,
    media: Vec<Media>,
    /// Publishers and players that said goodbye or hung up.
    ended: usize,
    errors: Vec<String>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
}

/// Accepts every publisher, and plays `recording` to every player.
struct Server {
    port: u16,
    shared: Arc<Shared>,
}

impl Server {
    fn start(recording: Vec<Media>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let (theirs, recording) = (Arc::clone(&shared), Arc::new(recording));
        thread::spawn(move || {
            for socket in listener.incoming() {
                let (shared, recording) = (Arc::clone(&theirs), Arc::clone(&recording));
                thread::spawn(move || {
                    let result = serve(&mut socket.unwrap(), &shared, &recording);
                    let mut seen = shared.seen.lock().unwrap();
                    seen.errors.extend(result.err());
                    seen.ended += 1;
                    shared.changed.notify_all();
                });
            }
        });
        Self { port, shared }
    }

    fn url(&self, rest: &str) -> String {
        format!("rtmp://127.0.0.1:{}/{rest}", self.port)
    }

    /// Waits for the first connection to end and returns what was seen.
    fn finish(self) -> Seen {
        let seen = self.shared.seen.lock().unwrap();
        let (mut seen, timeout) =
            self.shared.changed.wait_timeout_while(seen, DEADLINE, |seen| seen.ended == 0).unwrap();
        assert!(!timeout.timed_out(), "the peer stays connected");
        assert_eq!(seen.errors, Vec::<String>::new());
        std::mem::take(&mut *seen)
    }
}

fn serve(socket: &mut TcpStream, shared: &Shared, recording: &[Media]) -> Result<(), String> {
    let mut session = server::Session::new(server::Config::new(Seed([7; 32])));
    let mut buffer = vec![0; 65_536];
    loop {
        let read = match socket.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            // Peers that are done close with unread answers.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(error.to_string()),
        };
        session.input(&buffer[..read]).map_err(|error| error.to_string())?;
        let mut output = VecDeque::new();
        while let Some(next) = session.poll() {
            match next {
                server::Output::Send(bytes) => output.push_back(bytes),
                server::Output::Event(event) => attend(&mut session, event, shared, recording),
            }
        }
        for bytes in output {
            match socket.write_all(&bytes) {
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) =>
                {
                    return Ok(());
                }
                result => result.map_err(|error| error.to_string())?,
            }
        }
    }
}

fn attend(session: &mut server::Session, event: server::Event, shared: &Shared, recording: &[Media]) {
    let mut seen = shared.seen.lock().unwrap();
    match event {
        server::Event::Connect(connect) => seen.connects.push(*connect),
        server::Event::Publish(publish) => {
            session.accept_publish(publish.message_stream).unwrap();
            seen.publishes.push(*publish);
        }
        server::Event::Play(play) => {
            session.accept_play(play.message_stream).unwrap();
            for (kind, timestamp, payload) in recording {
                session.send_media(play.message_stream, *kind, *timestamp, payload).unwrap();
            }
            session.stream_eof(play.message_stream).unwrap();
            seen.plays.push(*play);
        }
        server::Event::Media { kind, timestamp, payload, .. } => seen.media.push((kind, timestamp, payload)),
        _ => {}
    }
}

// ---- real tools ----------------------------------------------------------------------------------------

fn start(tool: &str, arguments: &[&str]) -> Child {
    Command::new(tool)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{tool} is needed for this test (scripts/setup installs it): {error}"))
}

/// Waits for a tool to succeed and returns what it printed.
fn finish(tool: &str, mut child: Child) -> String {
    let mut errors = child.stderr.take().unwrap();
    let errors = thread::spawn(move || {
        let mut text = String::new();
        errors.read_to_string(&mut text).map(|_| text)
    });
    let mut printed = child.stdout.take().unwrap();
    let printed = thread::spawn(move || {
        let mut text = String::new();
        printed.read_to_string(&mut text).map(|_| text)
    });
    let deadline = Instant::now() + DEADLINE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            break None;
        }
        thread::park_timeout(Duration::from_millis(10));
    };
    let (errors, printed) = (errors.join().unwrap().unwrap(), printed.join().unwrap().unwrap());
    assert!(status.is_some_and(|status| status.success()), "{tool}: {status:?}\n{errors}\n{printed}");
    printed
}

fn run(tool: &str, arguments: &[&str]) -> String {
    finish(tool, start(tool, arguments))
}

/// Two seconds of H.264 with B-frames and AAC from FFmpeg, to a file and to a URL at once.
fn ffmpeg_publishes(file: &Path, url: &str, more: &[&str]) {
    let outputs = format!("[f=flv]{}|[f=flv]{url}", file.display());
    let mut arguments = vec!["-hide_banner", "-loglevel", "error"];
    arguments.extend(["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25"]);
    arguments.extend(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100"]);
    arguments.extend(["-t", "2", "-map", "0:v", "-map", "1:a", "-flags", "+global_header"]);
    arguments
        .extend(["-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "25", "-pix_fmt", "yuv420p"]);
    arguments.extend(["-c:a", "aac", "-b:a", "96k"]);
    arguments.extend(more);
    arguments.extend(["-f", "tee", &outputs]);
    run("ffmpeg", &arguments);
}

/// The same from GStreamer, through the RTMP sink given.
fn gstreamer_publishes(file: &Path, sink: &[&str]) {
    let location = format!("location={}", file.display());
    let mut arguments = vec!["-q", "-e"];
    arguments.extend(["flvmux", "name=mux", "streamable=true", "!", "tee", "name=both"]);
    arguments.extend(["both.", "!", "queue", "!", "filesink", &location]);
    arguments.extend(["both.", "!", "queue", "!"]);
    arguments.extend(sink);
    arguments.extend([
        "videotestsrc",
        "num-buffers=50",
        "!",
        "video/x-raw,width=320,height=240,framerate=25/1",
    ]);
    arguments.extend(["!", "openh264enc", "!", "h264parse", "!", "queue", "!", "mux."]);
    arguments.extend(["audiotestsrc", "num-buffers=87", "samplesperbuffer=1024", "!"]);
    arguments.extend([
        "audio/x-raw,rate=44100,channels=2",
        "!",
        "voaacenc",
        "!",
        "aacparse",
        "!",
        "queue",
        "!",
        "mux.",
    ]);
    run("gst-launch-1.0", &arguments);
}

/// The tags of an FLV file.
fn tags(file: &Path) -> Vec<Media> {
    let bytes = Bytes::from(fs::read(file).unwrap());
    assert!(bytes.starts_with(b"FLV\x01"));
    let mut tags = Vec::new();
    let mut at = 13;
    while at < bytes.len() {
        let length = u32::from_be_bytes([0, bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize;
        let time = u32::from_be_bytes([bytes[at + 7], bytes[at + 4], bytes[at + 5], bytes[at + 6]]);
        let kind = match bytes[at] {
            8 => MediaKind::Audio,
            9 => MediaKind::Video,
            _ => MediaKind::Data,
        };
        tags.push((kind, time, bytes.slice(at + 11..at + 11 + length)));
        at += 11 + length + 4;
    }
    tags
}

fn of_kind(media: &[Media], kind: MediaKind) -> Vec<(u32, Bytes)> {
    media.iter().filter(|(of, ..)| *of == kind).map(|(_, time, payload)| (*time, payload.clone())).collect()
}

/// Both tracks are those of the file, byte for byte and to the millisecond.
fn same_tracks(media: &[Media], file: &Path) {
    let written = tags(file);
    for kind in [MediaKind::Video, MediaKind::Audio] {
        let (media, written) = (of_kind(media, kind), of_kind(&written, kind));
        assert_eq!(media.len(), written.len(), "{kind:?}");
        for (index, (ours, theirs)) in media.iter().zip(&written).enumerate() {
            assert_eq!(ours.0, theirs.0, "time of {kind:?} {index}");
            assert!(ours.1 == theirs.1, "bytes of {kind:?} {index}");
        }
    }
}

/// The file is a GStreamer player's: everything, but maybe for the last message. `rtmp2src` drops the message
/// that it has not handed on when the stream's end comes.
fn same_but_for_the_last(recording: &[Media], file: &Path) {
    let tracks = |media: &[Media]| -> Vec<Media> {
        media.iter().filter(|(kind, ..)| *kind != MediaKind::Data).cloned().collect()
    };
    let (sent, written) = (tracks(recording), tracks(&tags(file)));
    assert!(written.len() + 1 >= sent.len(), "{} of {}", written.len(), sent.len());
    assert!(sent.starts_with(&written));
}

/// What every live H.264 and AAC publication is: headers first, times that never go back.
fn is_a_publication(media: &[Media]) {
    let (_, _, metadata) = media.iter().find(|(kind, ..)| *kind == MediaKind::Data).expect("metadata");
    assert!(metadata.starts_with(b"\x02\x00\x0aonMetaData"), "without @setDataFrame");
    let (video, audio) = (of_kind(media, MediaKind::Video), of_kind(media, MediaKind::Audio));
    assert_eq!(video[0].1[..2], [0x17, 0], "an AVC sequence header");
    assert_eq!(audio[0].1[..2], [0xaf, 0], "an AAC sequence header");
    assert_eq!(video[1].1[..2], [0x17, 1], "a key frame");
    let frames = video.iter().filter(|(_, payload)| payload[1] == 1).count();
    assert_eq!(frames, FRAMES);
    assert!(audio.len() > 80, "{} AAC messages", audio.len());
    for track in [video, audio] {
        assert!(track.is_sorted_by_key(|(time, _)| *time), "times of a track never go back");
    }
}

/// Decodes with FFmpeg and returns the hash of every picture.
fn pictures(input: &str) -> Vec<String> {
    let arguments =
        ["-hide_banner", "-loglevel", "error", "-xerror", "-i", input, "-map", "0:v", "-f", "framemd5", "-"];
    hashes(&run("ffmpeg", &arguments))
}

fn hashes(printed: &str) -> Vec<String> {
    let lines = printed.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit(',').next().unwrap().trim().to_owned()).collect()
}

/// A recording by FFmpeg, with its metadata, and the file it is also in. The end-of-sequence message is left
/// out: librtmp and GStreamer drop video of no more than five bytes.
fn recording(directory: &Path) -> (Vec<Media>, String) {
    let file = directory.join("recording.flv");
    let server = Server::start(vec![]);
    ffmpeg_publishes(&file, &server.url("live/cam1"), &[]);
    let mut media = server.finish().media;
    media.retain(|(_, _, payload)| payload.len() > 5);
    (media, file.display().to_string())
}

// ---- publishers ----------------------------------------------------------------------------------------

#[test]
fn ffmpeg_publishes_to_us() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sent.flv");
    let server = Server::start(vec![]);
    ffmpeg_publishes(&file, &server.url("live/room/cam1?token=x"), &[]);
    let seen = server.finish();
    assert_eq!(seen.connects[0].app, "live/room");
    let target = &seen.publishes[0].target;
    assert_eq!((target.path.as_str(), target.query.as_str()), ("live/room/cam1", "token=x"));
    is_a_publication(&seen.media);
    same_tracks(&seen.media, &file);
}

#[test]
fn ffmpeg_publishes_with_extended_timestamps() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sent.flv");
    let server = Server::start(vec![]);
    // From a second before a timestamp no longer fits its three bytes: 2²⁴ ms.
    ffmpeg_publishes(&file, &server.url("live/cam1"), &["-output_ts_offset", "16776.2"]);
    let seen = server.finish();
    is_a_publication(&seen.media);
    same_tracks(&seen.media, &file);
    let video = of_kind(&seen.media, MediaKind::Video);
    assert!(video[1].0 < 1 << 24 && video[FRAMES].0 > 1 << 24, "the limit lies inside");
}

#[test]
fn gstreamer_publishes_to_us() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sent.flv");
    let server = Server::start(vec![]);
    let location = format!("location={}", server.url("live/room/cam1?token=x"));
    gstreamer_publishes(&file, &["rtmp2sink", &location]);
    let seen = server.finish();
    let target = &seen.publishes[0].target;
    assert_eq!((target.path.as_str(), target.query.as_str()), ("live/room/cam1", "token=x"));
    is_a_publication(&seen.media);
    same_tracks(&seen.media, &file);
}

#[test]
fn librtmp_publishes_to_us() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sent.flv");
    let server = Server::start(vec![]);
    let location = format!("location={} live=1", server.url("live/cam1?token=x"));
    gstreamer_publishes(&file, &["rtmpsink", &location]);
    let seen = server.finish();
    let target = &seen.publishes[0].target;
    assert_eq!((target.path.as_str(), target.query.as_str()), ("live/cam1", "token=x"));
    is_a_publication(&seen.media);
    same_tracks(&seen.media, &file);
}

// ---- players -------------------------------------------------------------------------------------------

#[test]
fn ffmpeg_plays_from_us() {
    let directory = tempfile::tempdir().unwrap();
    let (recording, file) = recording(directory.path());
    let server = Server::start(recording);
    let played = pictures(&server.url("live/cam1"));
    assert_eq!(played.len(), FRAMES);
    assert_eq!(played, pictures(&file), "every picture is the one of the file");
    let seen = server.finish();
    assert_eq!(seen.plays[0].target.path, "live/cam1");
    assert_eq!(seen.plays[0].start, server::PlayStart::Any);
}

#[test]
fn rtmpdump_plays_from_us() {
    let directory = tempfile::tempdir().unwrap();
    let (recording, _) = recording(directory.path());
    let (server, dumped) = (Server::start(recording.clone()), directory.path().join("dumped.flv"));
    run("rtmpdump", &["-q", "-v", "-r", &server.url("live/cam1"), "-o", &dumped.display().to_string()]);
    same_tracks(&recording, &dumped);
    assert_eq!(server.finish().plays[0].start, server::PlayStart::Live);
}

#[test]
fn gstreamer_plays_from_us() {
    let directory = tempfile::tempdir().unwrap();
    let (recording, _) = recording(directory.path());
    let (server, dumped) = (Server::start(recording.clone()), directory.path().join("dumped.flv"));
    let source = format!("location={}", server.url("live/cam1"));
    let sink = format!("location={}", dumped.display());
    run("gst-launch-1.0", &["-q", "rtmp2src", &source, "!", "filesink", &sink]);
    same_but_for_the_last(&recording, &dumped);
    assert_eq!(server.finish().plays[0].target.path, "live/cam1");
}

#[test]
fn players_take_extended_timestamps() {
    let directory = tempfile::tempdir().unwrap();
    let (mut recording, _) = recording(directory.path());
    // So large that a key frame takes several chunks, whose headers repeat the timestamp.
    for (_, time, payload) in &mut recording {
        *time += 0x0120_0000;
        if payload[..2] == [0x17, 1] {
            // A filler NAL unit behind the picture's own.
            let filler = [&70_000u32.to_be_bytes()[..], &[12], &vec![0xff; 69_998], &[0x80]].concat();
            *payload = Bytes::from([&payload[..], &filler].concat());
        }
    }
    let (server, dumped) = (Server::start(recording.clone()), directory.path().join("dumped.flv"));
    let source = format!("location={}", server.url("live/cam1"));
    let sink = format!("location={}", dumped.display());
    run("gst-launch-1.0", &["-q", "rtmp2src", &source, "!", "filesink", &sink]);
    same_but_for_the_last(&recording, &dumped);
    assert_eq!(pictures(&Server::start(recording).url("live/cam1")).len(), FRAMES);
}

// ---- our client ----------------------------------------------------------------------------------------

/// Publishes a recording with the client's session.
fn publish(port: u16, style: Style, recording: &[Media]) {
    let deadline = Instant::now() + DEADLINE;
    let mut socket = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(socket) => break socket,
            Err(error) => assert!(Instant::now() < deadline, "nobody listens: {error}"),
        }
        thread::park_timeout(Duration::from_millis(10));
    };
    let location = client::Location::parse(&format!("rtmp://127.0.0.1:{port}/live/cam1")).unwrap();
    let mut config = client::Config::new(location, client::Role::Publish, Seed([3; 32]));
    config.style = style;
    let mut session = client::Session::new(config);
    let mut buffer = vec![0; 65_536];
    loop {
        let mut started = false;
        while let Some(output) = session.poll() {
            match output {
                client::Output::Send(bytes) => socket.write_all(&bytes).unwrap(),
                client::Output::Event(event) => started |= event == client::Event::Started,
            }
        }
        if started {
            break;
        }
        let read = socket.read(&mut buffer).unwrap();
        assert!(read > 0, "the server hung up");
        session.input(&buffer[..read]).unwrap();
    }
    for (kind, timestamp, payload) in recording {
        session.send_media(*kind, *timestamp, payload).unwrap();
    }
    session.close();
    while let Some(output) = session.poll() {
        if let client::Output::Send(bytes) = output {
            socket.write_all(&bytes).unwrap();
        }
    }
}

#[test]
fn ffmpeg_takes_what_our_client_publishes() {
    let directory = tempfile::tempdir().unwrap();
    let (recording, file) = recording(directory.path());
    let expected = pictures(&file);
    for style in [Style::Simple, Style::Digest] {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("rtmp://127.0.0.1:{port}/live/cam1");
        let listener = start(
            "ffmpeg",
            &[
                "-hide_banner",
                "-loglevel",
                "error",
                "-listen",
                "1",
                "-i",
                &url,
                "-map",
                "0:v",
                "-f",
                "framemd5",
                "-",
            ],
        );
        publish(port, style, &recording);
        assert_eq!(hashes(&finish("ffmpeg", listener)), expected, "{style:?}");
    }
}
