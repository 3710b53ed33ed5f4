//! A publisher that stalls. In here, for what is said of its silence is told by hand and not waited for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media::{CodecConfig, Packet, Rap, StreamName, Timescale, TrackConfig, TrackId, WallTime};

use super::{STALL_AFTER, Stream};
use crate::gap::GapReason;
use crate::journal::EndReason;
use crate::{Arrival, Durability, Hub, Publisher, PublisherInfo, TapeConfig};

const BEGIN_MS: i64 = 1_700_000_000_000;

fn arrival(ms: i64) -> Arrival {
    Arrival { mono: Duration::from_millis(ms as u64), wall: WallTime::from_ms(BEGIN_MS + ms) }
}

fn tracks() -> Vec<TrackConfig> {
    let avcc = Bytes::from_static(&[1, 0x64, 0, 0x1f, 0xff, 0xe0, 0]);
    let codec = CodecConfig::H264 { avcc, width: 640, height: 360, sar: (1, 1) };
    vec![TrackConfig { id: TrackId::VIDEO, timescale: Timescale::VIDEO, codec }]
}

/// Sends pictures of 40 ms from one number to another; every twenty-fifth is a key frame. Those after a pause come
/// `late_ms` later than their time says.
fn send(publisher: &mut Publisher, numbers: std::ops::Range<i64>, late_ms: i64) {
    for n in numbers {
        let rap = if n % 25 == 0 { Rap::Closed } else { Rap::None };
        let data = Bytes::from_static(b"picture");
        let packet = Packet { track: TrackId::VIDEO, dts: 900_000 + n * 3600, cts: 0, rap, data };
        publisher.push(packet, arrival(n * 40 + late_ms)).unwrap();
    }
}

fn publish(dir: &std::path::Path) -> (Arc<Hub>, Publisher, Arc<Stream>) {
    let config = TapeConfig {
        data: dir.to_owned(),
        part_ms: 500,
        extent_s: 60,
        segment_ms: 2000,
        durability: Durability::Os,
        ring_bytes: 1 << 20,
    };
    let hub = Hub::open(config).unwrap();
    let info = PublisherInfo { protocol: "test", remote: "here".into(), key: None };
    let mut publisher = hub.publish(&StreamName::parse("live/cam1").unwrap(), info, arrival(0)).unwrap();
    publisher.tracks(tracks(), arrival(0));
    let stream = publisher.stream().clone();
    (hub, publisher, stream)
}

#[test]
fn a_stall_ends_the_run_at_its_last_packet_and_leaves_the_publisher() {
    let dir = tempfile::tempdir().unwrap();
    let (_hub, mut publisher, stream) = publish(dir.path());
    // Past the 300 ms that a second track is waited for.
    send(&mut publisher, 0..110, 0);
    let last = Duration::from_millis(109 * 40);
    let runs = || stream.runs(WallTime::MIN..WallTime::MAX);
    stream.end_if_stalled(last + STALL_AFTER - Duration::from_millis(1));
    assert!(runs()[0].live, "not yet");
    stream.end_if_stalled(last + STALL_AFTER);
    let first = runs().pop().unwrap();
    assert_eq!(first.ended, Some(EndReason::Gap(GapReason::SourceStalled)));
    assert_eq!(first.wall_end(), WallTime::from_ms(BEGIN_MS + 110 * 40), "with its last frame");
    stream.end_if_stalled(last + 2 * STALL_AFTER);
    assert_eq!(runs().len(), 1, "once");

    // It goes on where it was, half a minute later: its next key frame begins a run at the time it came.
    send(&mut publisher, 110..200, 30_000);
    let second = runs().pop().unwrap();
    assert!(second.live && second.id > first.id);
    assert_eq!(second.wall_start(), WallTime::from_ms(BEGIN_MS + 125 * 40 + 30_000));
    let gaps = stream.gaps(WallTime::MIN..WallTime::MAX);
    assert_eq!(gaps.len(), 1);
    assert_eq!((gaps[0].start, gaps[0].end), (first.wall_end(), second.wall_start()));
    assert_eq!(gaps[0].reason, GapReason::SourceStalled);
}
