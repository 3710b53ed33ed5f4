//! Files as encoders make them, published to a real tape through the FLV path, and what was published,
//! decoded once for comparison.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use media::container::flv::demux::{Event, Reader};
use media::container::flv::{Ingest, Ingested};
use media::{MediaTime, StreamName, TrackId, WallTime};
use tape::{Arrival, Durability, EndReason, Hub, Publisher, PublisherInfo, Stream, TapeConfig};

use crate::peers::{HEIGHT, WIDTH, ffmpeg, ffmpeg_pictures, ffmpeg_sound};

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
    pub x264: &'static str,
}

/// Three B-frames in a pyramid, open GOPs of two seconds, the rate of films.
pub(crate) const OPEN_GOP: Encoding = Encoding {
    rate: "24000/1001",
    filter: "null",
    x264: "bframes=3:b-pyramid=normal:b-adapt=0:open-gop=1:keyint=48:min-keyint=24:scenecut=0:ref=3",
};

/// A file as an encoder would publish it.
pub(crate) struct Published {
    path: PathBuf,
    events: Vec<Ingested>,
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
        let events = ingested(&std::fs::read(&path).unwrap());
        Self { path, events }
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
        extent_s: 10,
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

/// Sends a file, `at_ms` after the beginning and `shift_ms` into the run.
pub(crate) fn send(publisher: &mut Publisher, file: &Published, at_ms: i64, shift_ms: i64) {
    let mut first = None;
    for event in &file.events {
        match event {
            Ingested::Tracks(tracks) => publisher.tracks(tracks.clone(), arrival(at_ms)),
            Ingested::Packet(packet) => {
                let hz = if packet.track == TrackId::AUDIO { i64::from(RATE) } else { 90_000 };
                let ms = packet.dts * 1000 / hz;
                let now = arrival(at_ms + shift_ms + ms - *first.get_or_insert(ms));
                let packet = media::Packet { dts: packet.dts + shift_ms * hz / 1000, ..packet.clone() };
                publisher.push(packet, now).unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Publishes a file as a run of its own.
pub(crate) fn publish(hub: &Hub, file: &Published, at_ms: i64) -> Arc<Stream> {
    let mut publisher = publisher(hub, at_ms);
    send(&mut publisher, file, at_ms, 0);
    let stream = publisher.stream().clone();
    publisher.end(EndReason::Unpublished);
    stream
}

/// What was published in one run, decoded once.
pub(crate) struct Reference {
    /// Wall time and picture, in the order they are shown.
    pub(crate) frames: Vec<(WallTime, u64)>,
    /// Media time of the first audio packet.
    pub(crate) sound_begins: MediaTime,
    /// All sound, from that packet on.
    pub(crate) sound: Vec<i16>,
}

impl Reference {
    /// Decodes the files of a run one after the other, and asks the tape when their frames were recorded.
    pub(crate) fn new(files: &[&Published], stream: &Stream, run: usize) -> Self {
        let info = stream.runs(WallTime::MIN..WallTime::MAX).swap_remove(run);
        let (mut shown, mut sound_begins) = (Vec::new(), MediaTime::MAX);
        for extent in &info.extents {
            let index = stream.index(extent.no).unwrap();
            for (track, s) in index.tracks.iter().flat_map(|t| t.samples.iter().map(move |s| (t, s))) {
                match track.id {
                    TrackId::VIDEO => shown.push(info.clock.wall(track.timescale.media(s.pts()))),
                    TrackId::AUDIO => sound_begins = sound_begins.min(track.timescale.media(s.dts)),
                    _ => {}
                }
            }
        }
        shown.sort();
        let decoded: Vec<u64> = files.iter().flat_map(|f| ffmpeg_pictures(&f.path)).collect();
        assert_eq!(shown.len(), decoded.len(), "the tape holds every frame of the file");
        let distinct: std::collections::HashSet<_> = decoded.iter().collect();
        assert_eq!(distinct.len(), decoded.len(), "no two pictures are alike");
        let sound = files.iter().flat_map(|f| ffmpeg_sound(&f.path)).collect();
        Self { frames: shown.into_iter().zip(decoded).collect(), sound_begins, sound }
    }

    /// Numbers of the frames in a range.
    pub(crate) fn in_range(&self, range: &Range<WallTime>) -> Vec<Option<usize>> {
        let frames = self.frames.iter().enumerate();
        frames.filter(|(_, (at, _))| range.contains(at)).map(|(number, _)| Some(number)).collect()
    }

    /// Numbers of pictures; `None` for one that was never published.
    pub(crate) fn numbers(&self, pictures: &[u64]) -> Vec<Option<usize>> {
        let number = |picture| self.frames.iter().position(|(_, p)| *p == picture);
        pictures.iter().map(|p| number(*p)).collect()
    }
}
