//! Synthetic sources of every habit, published into a real tape with a clock of their own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media::{CodecConfig, Packet, Rap, StreamName, Timescale, TrackConfig, TrackId, WallTime};
use tape::{Arrival, Durability, Hub, Piece, Publisher, PublisherInfo, Stream, TapeConfig};
use view::piece::Body;

/// Wall time of the beginning of every test.
pub(crate) const T0_MS: i64 = 1_767_323_045_000;

/// What a run is made of.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Ticks of 90 kHz per picture; 0 for none.
    pub tick: i64,
    /// Pictures per group, cycled through.
    pub gops: Vec<i64>,
    pub b_frames: BFrames,
    /// Samples per second; 0 for silence.
    pub audio_hz: i64,
    pub ms: i64,
    /// Milliseconds of nothing after it.
    pub pause_ms: i64,
}

/// Whether pictures are shown in another order than decoded, and how rough times are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BFrames {
    No,
    Yes,
    /// And times are rounded to milliseconds, as RTMP does.
    RoughlyYes,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            tick: 3600,
            gops: vec![50],
            b_frames: BFrames::Yes,
            audio_hz: 48_000,
            ms: 20_000,
            pause_ms: 5_000,
        }
    }
}

/// H.264 of 640×360, or of 320×180.
pub(crate) fn video(width: u16) -> TrackConfig {
    let avcc: &'static [u8] = match width {
        640 => {
            b"\x01\x42\xc0\x1e\xff\xe1\x00\x19\x67\x42\xc0\x1e\xda\x02\x80\xbf\xe5\xc0\x44\x00\x00\x03\x00\x04\x00\
              \x00\x03\x00\xc8\x3c\x58\xba\x80\x01\x00\x04\x68\xce\x0f\xc8"
        }
        _ => {
            b"\x01\x42\xc0\x0c\xff\xe1\x00\x17\x67\x42\xc0\x0c\xda\x05\x06\x7e\x7c\x04\x40\x00\x00\x03\x00\x40\x00\
              \x00\x0c\x83\xc5\x0a\xa8\x01\x00\x04\x68\xce\x0f\xc8"
        }
    };
    let codec =
        CodecConfig::H264 { avcc: Bytes::from_static(avcc), width, height: width / 16 * 9, sar: (1, 1) };
    TrackConfig { id: TrackId::VIDEO, timescale: Timescale::VIDEO, codec }
}

/// AAC-LC in stereo.
pub(crate) fn audio(hz: i64) -> TrackConfig {
    let (asc, sample_rate): (&'static [u8], u32) =
        if hz == 44_100 { (&[0x12, 0x10], 44_100) } else { (&[0x11, 0x90], 48_000) };
    let codec = CodecConfig::Aac {
        asc: Bytes::from_static(asc),
        object_type: 2,
        sample_rate,
        channels: 2,
        frame_samples: 1024,
    };
    TrackConfig { id: TrackId::AUDIO, timescale: Timescale::new(sample_rate).unwrap(), codec }
}

impl Run {
    pub(crate) fn tracks(&self) -> Vec<TrackConfig> {
        let video = (self.tick > 0).then(|| video(640));
        video.into_iter().chain((self.audio_hz > 0).then(|| audio(self.audio_hz))).collect()
    }

    /// Every packet with the microsecond it is decoded at, in order of arrival.
    fn packets(&self) -> Vec<(i64, Packet)> {
        let mut all = self.pictures();
        let frames = self.audio_hz * self.ms / 1000 / 1024;
        all.extend((0..frames).map(|n| (n * 1024 * 1_000_000 / self.audio_hz, sound(n * 1024))));
        all.sort_by_key(|(at, _)| *at);
        all
    }

    fn pictures(&self) -> Vec<(i64, Packet)> {
        let mut out = Vec::new();
        let (mut n, mut gop) = (0i64, 0usize);
        while self.tick > 0 && n * self.tick / 90 < self.ms {
            let len = self.gops[gop % self.gops.len()];
            for k in 0..len {
                let dts = self.rough((n + k) * self.tick);
                let shown = self.rough((n + k + self.reorder(k, len)) * self.tick);
                let key = if k == 0 { Rap::Closed } else { Rap::None };
                out.push((dts * 100 / 9, picture(dts, (shown - dts) as i32, key)));
            }
            n += len;
            gop += 1;
        }
        out.retain(|(us, _)| *us < self.ms * 1000);
        out
    }

    fn rough(&self, ticks: i64) -> i64 {
        if self.b_frames == BFrames::RoughlyYes { (ticks + 45) / 90 * 90 } else { ticks }
    }

    /// Frames from decoding to showing: one P for every two B, as x264 does with `bframes=2`.
    fn reorder(&self, k: i64, len: i64) -> i64 {
        let grouped = 1 + (len - 1) / 3 * 3;
        match (self.b_frames, k) {
            (BFrames::No, _) => 0,
            (_, 0) => 1,
            (_, k) if k >= grouped => 1,
            (_, k) if k % 3 == 1 => 3,
            _ => 0,
        }
    }
}

pub(crate) fn picture(dts: i64, cts: i32, rap: Rap) -> Packet {
    let data = Bytes::from(vec![dts as u8; 100 + (dts / 90 % 700) as usize]);
    Packet { track: TrackId::VIDEO, dts, cts, rap, data }
}

pub(crate) fn sound(dts: i64) -> Packet {
    Packet { track: TrackId::AUDIO, dts, cts: 0, rap: Rap::Closed, data: Bytes::from(vec![dts as u8; 80]) }
}

/// A tape in a temporary folder, with a clock that the test moves.
pub(crate) struct World {
    pub hub: Arc<Hub>,
    dir: tempfile::TempDir,
    /// Milliseconds since the beginning of the test.
    pub ms: i64,
    mono: Duration,
}

fn open(dir: &Path) -> Arc<Hub> {
    let config = TapeConfig {
        data: dir.to_owned(),
        part_ms: 500,
        extent_s: 10,
        segment_ms: 2000,
        durability: Durability::Os,
        ring_bytes: 32 << 20,
    };
    Hub::open(config).unwrap()
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let hub = open(dir.path());
        // Ahead of the hub's own clock, so that no publisher here ever looks quiet to it.
        Self { hub, dir, ms: 0, mono: Duration::from_secs(3600) }
    }

    pub(crate) fn now(&self) -> Arrival {
        let mono = self.mono + Duration::from_millis(self.ms as u64);
        Arrival { mono, wall: self.wall() }
    }

    pub(crate) fn wall(&self) -> WallTime {
        WallTime::from_ms(T0_MS + self.ms)
    }

    pub(crate) fn publisher(&self) -> Publisher {
        let info = PublisherInfo { protocol: "test", remote: "here".into(), key: None };
        self.hub.publish(&name(), info, self.now()).unwrap()
    }

    pub(crate) fn stream(&self) -> Arc<Stream> {
        self.hub.stream(&name()).unwrap()
    }

    /// Publishes a run in steps of 1.7 s, and looks at the stream after each.
    pub(crate) fn publish(&mut self, run: &Run, mut look: impl FnMut(&Self)) {
        let publisher = self.publish_open(run, &mut look);
        drop(publisher);
        self.ms += run.pause_ms;
        look(self);
    }

    /// The same, leaving the publisher in place.
    pub(crate) fn publish_open(&mut self, run: &Run, mut look: impl FnMut(&Self)) -> Publisher {
        const LOOK_EVERY_US: i64 = 1_700_000;
        let mut publisher = self.publisher();
        publisher.tracks(run.tracks(), self.now());
        let (from, mut looked) = (self.ms, 0);
        for (us, packet) in run.packets() {
            self.ms = from + (us + 999) / 1000;
            publisher.push(packet, self.now()).unwrap();
            if us - looked >= LOOK_EVERY_US {
                looked = us;
                look(self);
            }
        }
        publisher
    }

    /// Closes the tape and opens it again.
    pub(crate) fn restart(&mut self) {
        self.hub.close();
        self.hub = open(self.dir.path());
    }
}

pub(crate) fn name() -> StreamName {
    StreamName::parse("live/cam1").unwrap()
}

/// Reads a body.
pub(crate) fn read(body: &Body) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in body.pieces() {
        match piece {
            Piece::Mem(bytes) => out.extend_from_slice(bytes),
            Piece::File { file, range } => {
                let at = out.len();
                out.resize(at + (range.end - range.start) as usize, 0);
                file.read_exact_at(&mut out[at..], range.start).unwrap();
            }
        }
    }
    out
}
