//! A synthetic source: pictures with B-frames and sound, with payloads that say what they are.

use std::time::Duration;

use bytes::Bytes;
use media::{CodecConfig, Packet, Rap, Timescale, TrackConfig, TrackId, WallTime};
use tape::{Arrival, Publisher};

pub(crate) const FPS: i64 = 25;
const GOP: i64 = 50;

pub(crate) fn tracks() -> Vec<TrackConfig> {
    let avcc = Bytes::from_static(&[1, 0x64, 0, 0x1f, 0xff, 0xe0, 0]);
    let asc = Bytes::from_static(&[0x11, 0x90]);
    vec![
        TrackConfig {
            id: TrackId::VIDEO,
            timescale: Timescale::VIDEO,
            codec: CodecConfig::H264 { avcc, width: 640, height: 360, sar: (1, 1) },
        },
        TrackConfig {
            id: TrackId::AUDIO,
            timescale: Timescale::new(48_000).unwrap(),
            codec: CodecConfig::Aac {
                asc,
                object_type: 2,
                sample_rate: 48_000,
                channels: 2,
                frame_samples: 1024,
            },
        },
    ]
}

/// Frame `n` in decode order: one P for every two B, as x264 does with `bframes=2`.
pub(crate) fn picture(n: i64) -> Packet {
    let tick = 90_000 / FPS;
    let cts = match n % GOP {
        0 => 2,
        k if k % 3 == 1 => 4,
        _ => 1,
    };
    Packet {
        track: TrackId::VIDEO,
        dts: 900_000 + n * tick,
        cts: (cts * tick) as i32,
        rap: if n % GOP == 0 { Rap::Closed } else { Rap::None },
        data: Bytes::from(format!("picture {n:06} {}", "x".repeat((n * 37 % 900) as usize))),
    }
}

pub(crate) fn sound(n: i64) -> Packet {
    Packet {
        track: TrackId::AUDIO,
        dts: 480_000 + n * 1024,
        cts: 0,
        rap: Rap::Closed,
        data: Bytes::from(format!("sound {n:06}")),
    }
}

/// When media time `ms` after the start arrives: the wall clock begins at 1 700 000 000 s.
pub(crate) fn arrival(ms: i64) -> Arrival {
    arrival_us(ms * 1000)
}

fn arrival_us(us: i64) -> Arrival {
    let wall = WallTime::from_ms(1_700_000_000_000).plus_ns(us * 1000);
    Arrival { mono: Duration::from_micros(us as u64), wall }
}

/// Publishes `[from, to)` seconds, interleaved by decode time.
pub(crate) fn publish(publisher: &mut Publisher, from: i64, to: i64) {
    publish_by(publisher, from..to, 0);
}

/// The same by a system clock that has been set by so many milliseconds.
pub(crate) fn publish_by(publisher: &mut Publisher, seconds: std::ops::Range<i64>, set_ms: i64) {
    let (from, to) = (seconds.start, seconds.end);
    let mut all: Vec<(i64, Packet)> =
        (from * FPS..to * FPS).map(|n| (n * 1_000_000 / FPS, picture(n))).collect();
    let first = (from * 48_000 + 1023) / 1024;
    all.extend((first..(to * 48_000) / 1024).map(|n| ((n * 1024 * 1_000_000 + 47_999) / 48_000, sound(n))));
    all.sort_by_key(|(at, _)| *at);
    for (us, packet) in all {
        let now = arrival_us(us);
        let now = Arrival { wall: now.wall.plus_ns(set_ms * 1_000_000), ..now };
        publisher.push(packet, now).unwrap();
    }
}
