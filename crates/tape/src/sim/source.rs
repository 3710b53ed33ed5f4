//! A random publisher: tracks, groups of pictures, B-frames, jitter, pauses of one track.

use bytes::Bytes;
use media::{CodecConfig, Packet, Rap, Timescale, TrackConfig, TrackId};

#[derive(Debug)]
pub(crate) struct Source {
    pub tracks: Vec<TrackConfig>,
    gop: i64,
    frame: i64,
    video: i64,
    video_dts: i64,
    audio: i64,
    rng: fastrand::Rng,
}

fn video(profile: u8) -> TrackConfig {
    let avcc = Bytes::from(vec![1, profile, 0, 0x1f, 0xff, 0xe0, 0]);
    let codec = CodecConfig::H264 { avcc, width: 64, height: 36, sar: (1, 1) };
    TrackConfig { id: TrackId::VIDEO, timescale: Timescale::VIDEO, codec }
}

fn audio() -> TrackConfig {
    let asc = Bytes::from_static(&[0x11, 0x90]);
    let codec =
        CodecConfig::Aac { asc, object_type: 2, sample_rate: 48_000, channels: 2, frame_samples: 1024 };
    TrackConfig { id: TrackId::AUDIO, timescale: Timescale::new(48_000).expect("not zero"), codec }
}

impl Source {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let tracks = match rng.u8(0..6) {
            0 => vec![video(0x64)],
            1 => vec![audio()],
            _ => vec![video(0x64), audio()],
        };
        let frame = [1500, 3000, 3003, 3600, 3753, 18_000][rng.usize(0..6)];
        Self { tracks, gop: rng.i64(5..80), frame, video: 0, video_dts: 900_000, audio: 0, rng }
    }

    /// Another picture configuration in mid-stream.
    pub(super) fn change(&mut self) -> Vec<TrackConfig> {
        let profile = self.rng.u8(0x42..0x70);
        for t in &mut self.tracks {
            if t.id == TrackId::VIDEO {
                *t = video(profile);
                self.video += self.gop - self.video % self.gop;
            }
        }
        self.tracks.clone()
    }

    fn payload(&mut self, size: usize) -> Bytes {
        let size = self.rng.usize(1..size);
        let first = self.rng.u8(..);
        Bytes::from((0..size).map(|i| first.wrapping_add(i as u8)).collect::<Vec<_>>())
    }

    /// The next packet by decode time, and that time in milliseconds.
    pub(super) fn next(&mut self) -> (Packet, i64) {
        let has = |id| self.tracks.iter().any(|t| t.id == id);
        let audio_dts = 480_000 + self.audio * 1024;
        let video_first = self.video_dts * 8 <= audio_dts * 15;
        if has(TrackId::VIDEO) && (video_first || !has(TrackId::AUDIO)) {
            let key = self.video % self.gop == 0;
            let rap = match (key, self.rng.u8(0..8)) {
                (true, 0) => Rap::Open,
                (true, _) => Rap::Closed,
                _ => Rap::None,
            };
            let cts = (self.rng.i64(0..3) * self.frame) as i32;
            let data = self.payload(if key { 3000 } else { 700 });
            let packet = Packet { track: TrackId::VIDEO, dts: self.video_dts, cts, rap, data };
            let ms = self.video_dts / 90;
            self.video += 1;
            self.video_dts += self.frame + self.rng.i64(-45..46);
            return (packet, ms);
        }
        let data = self.payload(300);
        self.audio += 1;
        (Packet { track: TrackId::AUDIO, dts: audio_dts, cts: 0, rap: Rap::Closed, data }, audio_dts / 48)
    }
}
