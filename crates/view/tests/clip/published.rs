//! Files as encoders make them, published to a real tape through the FLV path as if in real time.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use media::container::flv::demux::{Event, Reader};
use media::container::flv::{Ingest, Ingested};
use media::{StreamName, TrackId, WallTime};
use tape::{Arrival, Durability, EndReason, Hub, Publisher, PublisherInfo, Stream, TapeConfig};

use crate::peers::{HEIGHT, WIDTH, ffmpeg};

/// Samples per second of all sound here.
pub(crate) const RATE: u32 = 48_000;
/// Wall time of the first published packet.
pub(crate) const BEGIN_MS: i64 = 1_700_000_000_000;

/// How a source is encoded.
pub(crate) struct Encoding {
    /// Frames per second.
    pub(crate) rate: &'static str,
    /// Filters behind the picture.
    pub(crate) filter: &'static str,
    /// Settings of x264.
    pub(crate) x264: &'static str,
}

/// Three B-frames in a pyramid, open GOPs of two seconds, the rate of films.
pub(crate) const OPEN_GOP: Encoding = Encoding {
    rate: "24000/1001",
    filter: "null",
    x264: "bframes=3:b-pyramid=normal:b-adapt=0:open-gop=1:keyint=48:min-keyint=24:scenecut=0:ref=3",
};

/// A file as an encoder would publish it.
pub(crate) struct Published {
    pub(crate) path: PathBuf,
    pub(crate) events: Vec<Ingested>,
    /// Decode time of the first packet.
    first_ms: i64,
}

impl Published {
    /// Encodes `seconds` of pictures and noise, no two stretches of which are alike.
    pub(crate) fn encode(dir: &Path, name: &str, seconds: u32, how: &Encoding) -> Self {
        let path = dir.join(name);
        let Encoding { rate, filter, x264 } = how;
        let seed = name.len() + usize::from(name.as_bytes()[0]);
        let picture = format!(
            "testsrc2=s={WIDTH}x{HEIGHT}:r={rate}:d={seconds},noise=alls=8:allf=t:all_seed={seed},{filter}"
        );
        let sound = format!("anoisesrc=r={RATE}:d={seconds}:a=0.3:seed={seed},lowpass=f=4000");
        let inputs = ["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &sound];
        let video = ["-c:v", "libx264", "-preset", "veryfast", "-x264-params", x264, "-pix_fmt", "yuv420p"];
        // Without noise substitution, whose random numbers depend on where decoding began.
        let audio = ["-c:a", "aac", "-b:a", "64k", "-ac", "1", "-aac_pns", "0"];
        let output =
            ["-fps_mode", "passthrough", "-flvflags", "no_duration_filesize", "-y", path.to_str().unwrap()];
        ffmpeg(&[&inputs[..], &video, &audio, &output].concat());
        Self::read(path)
    }

    /// Reads an FLV file.
    pub(crate) fn read(path: PathBuf) -> Self {
        let events = ingested(&std::fs::read(&path).unwrap());
        let first = events.iter().find_map(|event| match event {
            Ingested::Packet(packet) => Some(dts_ms(packet)),
            _ => None,
        });
        Self { path, events, first_ms: first.unwrap() }
    }

    /// The same file with one of its tracks: `-an` or `-vn` leaves the other out.
    pub(crate) fn without(&self, track: &str) -> Self {
        let path = self.path.with_extension(format!("{track}.flv"));
        let output = ["-c", "copy", track, "-flvflags", "no_duration_filesize", "-y", path.to_str().unwrap()];
        ffmpeg(&[&["-i", self.path.to_str().unwrap()][..], &output].concat());
        Self::read(path)
    }

    /// Files one after the other, each `step_ms` after the one before: what a source sends that changes its encoder
    /// and goes on. Of each, tags of the next one's time are left out.
    pub(crate) fn joined(path: PathBuf, files: &[Self], step_ms: u32) -> Self {
        let mut out = Vec::new();
        for (number, file) in (0u32..).zip(files) {
            let bytes = std::fs::read(&file.path).unwrap();
            // The header and the size of no tag before it.
            let (head, mut rest) = bytes.split_at(13);
            out.extend_from_slice(if number == 0 { head } else { &[] });
            while let [kind, a, b, c, d, e, f, g, ..] = *rest {
                let length = 11 + u32::from_be_bytes([0, a, b, c]) as usize + 4;
                let at_ms = u32::from_be_bytes([g, d, e, f]);
                let [g, d, e, f] = (at_ms + number * step_ms).to_be_bytes();
                if at_ms < step_ms && (number == 0 || kind != 18) {
                    out.extend_from_slice(&[kind, a, b, c, d, e, f, g]);
                    out.extend_from_slice(&rest[8..length]);
                }
                rest = &rest[length..];
            }
        }
        std::fs::write(&path, out).unwrap();
        Self::read(path)
    }

    /// The same file with its codecs' headers once more before each key frame, as many encoders send them.
    pub(crate) fn with_headers_again(&self) -> (Self, usize) {
        let bytes = std::fs::read(&self.path).unwrap();
        let (head, mut rest) = bytes.split_at(13);
        let (mut out, mut headers, mut again) = (head.to_vec(), Vec::new(), 0);
        while let [kind, a, b, c, time @ ..] = rest {
            let (tag, after) = rest.split_at(11 + u32::from_be_bytes([0, *a, *b, *c]) as usize + 4);
            match (kind, tag[11], tag[12]) {
                (8 | 9, _, 0) => headers.push(tag),
                (9, 0x17, 1) => {
                    again += 1;
                    for header in &headers {
                        out.extend_from_slice(&header[..4]);
                        out.extend_from_slice(&time[..4]);
                        out.extend_from_slice(&header[8..]);
                    }
                }
                _ => {}
            }
            out.extend_from_slice(tag);
            rest = after;
        }
        let path = self.path.with_extension("again.flv");
        std::fs::write(&path, out).unwrap();
        (Self::read(path), again)
    }

    /// Whether it has packets of a track.
    pub(crate) fn carries(&self, track: TrackId) -> bool {
        self.events.iter().any(|event| matches!(event, Ingested::Packet(p) if p.track == track))
    }

    /// Its random access points.
    pub(crate) fn raps(&self) -> impl Iterator<Item = media::Rap> {
        let packet = |e: &Ingested| match e {
            Ingested::Packet(p) if p.track == TrackId::VIDEO => Some(p.rap),
            _ => None,
        };
        self.events.iter().filter_map(packet)
    }
}

fn ingested(file: &[u8]) -> Vec<Ingested> {
    let (mut reader, mut ingest, mut out) = (Reader::new(), Ingest::new(), Vec::new());
    reader.input(file);
    reader.finish();
    while let Some(event) = reader.poll().unwrap() {
        match event {
            Event::Tag(tag) => ingest.input(tag.kind, tag.timestamp_ms, tag.body).unwrap(),
            Event::Header { .. } | Event::End { .. } => {}
            other => panic!("{other:?}"),
        }
        out.extend(std::iter::from_fn(|| ingest.poll()));
    }
    out
}

/// A tape in a folder.
pub(crate) fn open_hub(dir: &Path) -> Arc<Hub> {
    Hub::open(TapeConfig {
        data: dir.to_owned(),
        part_ms: 500,
        // Short, so that a run of half a minute has several.
        extent_s: 6,
        segment_ms: 2000,
        durability: Durability::Os,
        ring_bytes: 1 << 20,
    })
    .unwrap()
}

/// The stream of all tests.
pub(crate) fn name() -> StreamName {
    StreamName::parse("live/cam1").unwrap()
}

fn arrival(ms: i64) -> Arrival {
    Arrival { mono: Duration::from_millis(ms.unsigned_abs()), wall: WallTime::from_ms(BEGIN_MS + ms) }
}

/// Begins to publish, `at_ms` after the beginning.
pub(crate) fn publisher(hub: &Hub, at_ms: i64) -> Publisher {
    let info = PublisherInfo { protocol: "test", remote: "here".into(), key: None };
    hub.publish(&name(), info, arrival(at_ms)).unwrap()
}

/// A file and when it is sent.
#[derive(Clone, Copy)]
pub(crate) struct Sent<'a> {
    pub(crate) file: &'a Published,
    /// When its run begins.
    pub(crate) at_ms: i64,
    /// How far into the run.
    pub(crate) shift_ms: i64,
}

impl<'a> Sent<'a> {
    /// A file that is a run of its own.
    pub(crate) const fn run(file: &'a Published, at_ms: i64) -> Self {
        Self { file, at_ms, shift_ms: 0 }
    }

    /// Wall time at which the file's own time is zero: FFmpeg's files begin there, and are sent in real time.
    pub(crate) const fn begins(&self) -> WallTime {
        WallTime::from_ms(BEGIN_MS + self.at_ms + self.shift_ms)
    }

    /// Sends some of the file's events.
    pub(crate) fn send(&self, publisher: &mut Publisher, events: Range<usize>) {
        for event in &self.file.events[events] {
            match event {
                Ingested::Tracks(tracks) => publisher.tracks(tracks.clone(), arrival(self.at_ms)),
                Ingested::Packet(packet) => {
                    let ms = self.at_ms + self.shift_ms + dts_ms(packet) - self.file.first_ms;
                    let shift = self.shift_ms * hz(packet) / 1000;
                    let packet = media::Packet { dts: packet.dts + shift, ..packet.clone() };
                    publisher.push(packet, arrival(ms)).unwrap();
                }
                // FFmpeg's sound begins a little after its picture, in every file anew.
                Ingested::AudioStep { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Sends the file as a whole.
    pub(crate) fn send_all(&self, publisher: &mut Publisher) {
        self.send(publisher, 0..self.file.events.len());
    }
}

fn hz(packet: &media::Packet) -> i64 {
    if packet.track == TrackId::AUDIO { i64::from(RATE) } else { 90_000 }
}

fn dts_ms(packet: &media::Packet) -> i64 {
    packet.dts * 1000 / hz(packet)
}

/// Publishes a file as a run of its own.
pub(crate) fn publish(hub: &Hub, file: &Published, at_ms: i64) -> Arc<Stream> {
    let mut publisher = publisher(hub, at_ms);
    Sent::run(file, at_ms).send_all(&mut publisher);
    let stream = publisher.stream().clone();
    publisher.end(EndReason::Unpublished);
    stream
}
