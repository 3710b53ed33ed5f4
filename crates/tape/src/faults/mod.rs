//! A hub on a volume that fails: what viewers, the timeline and the next start see of it.

mod io;
#[path = "../../tests/it/source.rs"]
mod source;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::{StreamName, WallTime};

use self::io::{FaultIo, Wrong};
use self::source::{FPS, arrival, tracks};
use crate::{
    Durability, GapReason, Hub, LiveCursor, LiveItem, Publisher, PublisherInfo, RunInfo, Stream, TapeConfig,
};

const ALL: std::ops::Range<WallTime> = WallTime::MIN..WallTime::MAX;

fn config(dir: &Path) -> TapeConfig {
    TapeConfig {
        data: dir.to_owned(),
        part_ms: 500,
        extent_s: 10,
        segment_ms: 2000,
        durability: Durability::Part,
        ring_bytes: 32 << 20,
    }
}

/// A camera, a hub on a volume that can fail, and one viewer that looks at every packet.
struct Scene {
    io: FaultIo,
    hub: Arc<Hub>,
    publisher: Publisher,
    viewer: LiveCursor,
    seen: Vec<Vec<u8>>,
    second: i64,
    /// Bytes that each picture has beside what says which it is.
    payload: usize,
    /// Seconds without sound.
    silent: Vec<i64>,
    dir: tempfile::TempDir,
}

fn name() -> StreamName {
    StreamName::parse("live/cam1").unwrap()
}

fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < until, "{what}: not within 20 s");
        std::thread::yield_now();
    }
}

impl Scene {
    fn begin(wrong: Wrong) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let io = FaultIo::new();
        let hub = Hub::open_on(Arc::new(io.clone()), config(dir.path())).unwrap();
        io.turn(wrong);
        let info = PublisherInfo { protocol: "test", remote: "here".into(), key: None };
        let mut publisher = hub.publish(&name(), info, arrival(0)).unwrap();
        publisher.tracks(tracks(), arrival(0));
        let viewer = hub.stream(&name()).unwrap().live_cursor();
        Self { io, hub, publisher, viewer, seen: Vec::new(), second: 0, payload: 0, silent: Vec::new(), dir }
    }

    fn stream(&self) -> Arc<Stream> {
        self.hub.stream(&name()).unwrap()
    }

    /// The camera goes on for a second; whatever the volume does, nobody waits for it.
    fn publish(&mut self) {
        if self.payload == 0 {
            source::publish(&mut self.publisher, self.second, self.second + 1);
        } else {
            for n in self.second * FPS..(self.second + 1) * FPS {
                let mut packet = source::picture(n);
                packet.data = [&packet.data[..], &vec![0; self.payload]].concat().into();
                self.publisher.push(packet, arrival(n * 1000 / FPS)).unwrap();
            }
            self.silent.push(self.second);
        }
        self.second += 1;
        while let Some(item) = self.viewer.try_next() {
            match item {
                LiveItem::Packet(p) => self.seen.push(p.packet.data.to_vec()),
                LiveItem::Skipped(n) => panic!("{n} packets were skipped"),
            }
        }
    }

    fn publish_for(&mut self, seconds: i64) {
        (0..seconds).for_each(|_| self.publish());
    }

    /// Waits until the volume has taken everything.
    fn settle(&self) {
        let stream = self.stream();
        eventually("all that was recorded is durable", || {
            let runs = stream.runs(ALL);
            let behind = runs.iter().any(|r| r.durable_end < r.closed_end);
            (!behind && !runs.is_empty()).then_some(())
        });
    }

    fn wait_halted(&self, reason: Option<GapReason>) {
        let stream = self.stream();
        eventually("recording stops or goes on", || (stream.halted() == reason).then_some(()));
    }

    /// That the viewer got every frame of the camera, once and in order.
    fn nothing_was_dropped(&self) {
        let of = |kind: &str| {
            let texts = self.seen.iter().map(|p| String::from_utf8_lossy(p).into_owned());
            texts.filter_map(|p| p.strip_prefix(kind)?.get(1..7)?.parse().ok()).collect::<Vec<i64>>()
        };
        // The source leaves out the sound that two of its seconds share.
        let heard = (0..self.second).filter(|s| !self.silent.contains(s));
        let sounds = heard.flat_map(|s| (s * 48_000 + 1023) / 1024..(s + 1) * 48_000 / 1024);
        let pictures = of("picture");
        let torn = pictures.windows(2).find(|w| w[1] != w[0] + 1);
        assert!(
            torn.is_none() && pictures.len() as i64 == self.second * FPS,
            "pictures were dropped: {torn:?}"
        );
        assert!(of("sound") == sounds.collect::<Vec<_>>(), "sound was dropped");
    }

    /// The pictures that a viewer of segments is shown: each once, in order, and all of the last four targets. Of those
    /// that could not be recorded only the newest are in memory, which leaves `holes`.
    fn segments_are_whole(&self, holes: usize) {
        let stream = self.stream();
        let runs = stream.shown_runs(ALL);
        let least: Vec<u64> = runs.iter().map(|r| first_msn(&stream, r)).collect();
        let mut shown = Vec::new();
        for (i, run) in runs.iter().enumerate() {
            let overtaken = least[i + 1..].iter().copied().min().unwrap_or(u64::MAX);
            for extent in &run.extents {
                let index = stream.index(extent.no).unwrap();
                let track = index.track(media::TrackId::VIDEO).unwrap();
                for (part, entry) in index.parts.iter().enumerate().filter(|(_, p)| p.segment.msn < overtaken)
                {
                    let mut at = track.parts[part].data;
                    for s in track.samples_of(part) {
                        shown.push(bytes(&stream, extent.no, at..at + u64::from(s.size)));
                        at += u64::from(s.size);
                    }
                    let _ = entry;
                }
            }
        }
        let number = |b: &Vec<u8>| String::from_utf8_lossy(&b[8..14]).parse::<i64>().unwrap();
        let shown: Vec<i64> = shown.iter().map(number).collect();
        let torn: Vec<_> = shown.windows(2).filter(|w| w[1] != w[0] + 1).collect();
        assert!(torn.len() == holes && torn.iter().all(|t| t[1] > t[0]), "missing or doubled: {torn:?}");
        let whole = shown.windows(2).rev().take_while(|w| w[1] == w[0] + 1).count() as i64;
        assert!(
            *shown.last().unwrap() >= (self.second - 1) * FPS,
            "the newest second is not there: {shown:?}"
        );
        assert!(
            whole >= (8 * FPS).min((self.second - 1) * FPS),
            "four targets are kept, not {whole} pictures"
        );
    }
}

fn first_msn(stream: &Arc<Stream>, run: &RunInfo) -> u64 {
    stream.index(run.extents[0].no).unwrap().parts[0].segment.msn
}

fn bytes(stream: &Arc<Stream>, no: crate::ExtentNo, range: std::ops::Range<u64>) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in stream.read(no, range).unwrap() {
        match piece {
            crate::Piece::Mem(b) => out.extend_from_slice(&b),
            crate::Piece::File { file, range } => {
                let mut buf = vec![0; (range.end - range.start) as usize];
                file.read_exact_at(&mut buf, range.start).unwrap();
                out.extend(buf);
            }
        }
    }
    out
}

/// One fault in mid-recording, from its beginning to the next start.
fn recording_survives(wrong: Wrong, reason: GapReason) {
    let mut scene = Scene::begin(Wrong::Nothing);
    scene.publish_for(7);
    scene.settle();
    scene.io.turn(wrong);
    scene.publish();
    scene.wait_halted(Some(reason));
    // The gap is told while it lasts.
    scene.publish_for(3);
    let told = scene.stream().gaps(ALL);
    assert_eq!(told.iter().map(|g| g.reason).collect::<Vec<_>>(), [reason]);
    scene.segments_are_whole(0);
    scene.publish_for(10);
    scene.segments_are_whole(1);
    let before = scene.stream().runs(ALL);
    assert_eq!((before.len(), before[0].live), (1, false));
    scene.io.turn(Wrong::Nothing);
    scene.wait_halted(None);
    scene.publish_for(3);
    scene.settle();
    scene.segments_are_whole(1);
    scene.nothing_was_dropped();
    let stream = scene.stream();
    let runs = stream.runs(ALL);
    assert_eq!(runs.len(), 2, "{runs:?}");
    let first = bytes(&stream, runs[1].extents[0].no, 0..runs[1].extents[0].bytes);
    assert!(!first.is_empty());
    let gaps = stream.gaps(ALL);
    let rate = |g: &crate::Gap| g.end.since_ns(g.start) / 1_000_000;
    assert_eq!(gaps.iter().map(|g| g.reason).collect::<Vec<_>>(), [reason]);
    assert!((11_000..=16_500).contains(&rate(&gaps[0])), "{gaps:?}");
    assert_eq!(gaps[0].end, runs[1].wall_start());
    // The next start tells the same.
    let Scene { hub, publisher, dir, .. } = scene;
    drop((publisher, stream));
    hub.close();
    drop(hub);
    let hub = Hub::open(config(dir.path())).unwrap();
    let again = hub.stream(&name()).unwrap();
    assert_eq!(again.gaps(ALL), gaps);
    let io: Arc<dyn crate::log::Io> = Arc::new(crate::log::StdIo);
    let found = crate::log::verify_stream(
        &io,
        &dir.path().join("tape"),
        again.id(),
        crate::log::Written::Nobody,
        &mut |_| (),
    )
    .unwrap();
    assert_eq!(found, vec![]);
}

#[test]
fn a_full_disk_stops_the_recording_and_nothing_else() {
    recording_survives(Wrong::Full, GapReason::DiskFull);
}

#[test]
fn a_volume_that_takes_no_writes_stops_the_recording_and_nothing_else() {
    recording_survives(Wrong::ReadOnly, GapReason::DiskError);
}

#[test]
fn a_failed_sync_stops_the_recording_and_nothing_else() {
    recording_survives(Wrong::NoSync, GapReason::DiskError);
}

#[test]
fn a_stream_that_begins_on_a_full_disk_is_live_and_its_gap_is_told() {
    let mut scene = Scene::begin(Wrong::Full);
    scene.publish();
    scene.wait_halted(Some(GapReason::DiskFull));
    scene.publish_for(5);
    let stream = scene.stream();
    assert_eq!((stream.runs(ALL).len(), stream.shown_runs(ALL).len()), (0, 1));
    assert_eq!(stream.gaps(ALL).iter().map(|g| g.reason).collect::<Vec<_>>(), [GapReason::DiskFull]);
    scene.segments_are_whole(0);
    scene.io.turn(Wrong::Nothing);
    scene.wait_halted(None);
    scene.publish_for(3);
    scene.settle();
    scene.nothing_was_dropped();
    assert_eq!(stream.runs(ALL).len(), 1);
}

#[test]
fn a_frozen_volume_holds_up_nobody_and_costs_what_exceeds_the_backlog() {
    let mut scene = Scene::begin(Wrong::Nothing);
    scene.publish_for(4);
    scene.settle();
    scene.io.turn(Wrong::Frozen);
    scene.payload = 300_000;
    let stream = scene.stream();
    while stream.halted().is_none() {
        scene.publish();
        assert!(scene.second < 60, "the backlog has no end");
    }
    assert_eq!(stream.halted(), Some(GapReason::Backlog));
    assert!(scene.hub.disk().busy > Duration::ZERO, "what does not return is told");
    scene.payload = 0;
    scene.publish_for(5);
    assert_eq!(stream.gaps(ALL).iter().map(|g| g.reason).collect::<Vec<_>>(), [GapReason::Backlog]);
    let stranger = StreamName::parse("live/cam2").unwrap();
    let info = PublisherInfo { protocol: "test", remote: "there".into(), key: None };
    let mut other = scene.hub.publish(&stranger, info, arrival(0)).unwrap();
    other.tracks(tracks(), arrival(0));
    source::publish(&mut other, 0, 3);
    assert!(scene.hub.stream(&stranger).unwrap().live_cursor().try_next().is_some(), "others can begin");
    scene.io.turn(Wrong::Nothing);
    scene.wait_halted(None);
    scene.publish_for(3);
    scene.settle();
    scene.nothing_was_dropped();
    assert_eq!(stream.runs(ALL).len(), 2);
    assert_eq!(stream.gaps(ALL).iter().map(|g| g.reason).collect::<Vec<_>>(), [GapReason::Backlog]);
    eventually("the other is recorded", || other.stream().stats(Duration::ZERO).durable_until);
}
