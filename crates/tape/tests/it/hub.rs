//! Recording, reading back, reopening.

use std::path::Path;
use std::sync::Arc;

use media::{MediaTime, StreamName, Timescale, TrackId, WallTime};
use tape::{
    Durability, EndReason, Hub, LiveItem, Piece, PublisherInfo, RunInfo, SplitAt, Stream, TapeConfig,
};

use crate::source::{arrival, picture, publish, sound, tracks};

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

fn name() -> StreamName {
    StreamName::parse("live/cam1").unwrap()
}

fn info() -> PublisherInfo {
    PublisherInfo { protocol: "test", remote: "here".into(), key: None }
}

fn runs(stream: &Stream) -> Vec<RunInfo> {
    stream.runs(WallTime::MIN..WallTime::MAX)
}

fn bytes(pieces: Vec<Piece>) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Mem(b) => out.extend_from_slice(&b),
            Piece::File { file, range } => {
                let mut buf = vec![0; (range.end - range.start) as usize];
                file.read_exact_at(&mut buf, range.start).unwrap();
                out.extend(buf);
            }
        }
    }
    out
}

/// Every sample's payload of a track over all runs, read through the index.
fn payloads(stream: &Arc<Stream>, track: TrackId) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for extent in runs(stream).iter().flat_map(|r| &r.extents) {
        let index = stream.index(extent.no).unwrap();
        let t = index.track(track).unwrap();
        for (i, part) in t.parts.iter().enumerate() {
            let mut at = part.data;
            for s in t.samples_of(i) {
                let end = at + u64::from(s.size);
                out.push(bytes(stream.read(extent.no, at..end).unwrap()));
                at = end;
            }
        }
    }
    out
}

fn assert_whole(stream: &Arc<Stream>, seconds: i64) {
    let pictures: Vec<_> = (0..seconds * 25).map(|n| picture(n).data.to_vec()).collect();
    assert_eq!(payloads(stream, TrackId::VIDEO), pictures);
    let sounds: Vec<_> = (0..seconds * 48_000 / 1024).map(|n| sound(n).data.to_vec()).collect();
    assert_eq!(payloads(stream, TrackId::AUDIO), sounds);
}

#[tokio::test]
async fn what_is_published_can_be_read_live_from_the_log_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    {
        let hub = Hub::open(config(dir.path())).unwrap();
        let mut publisher = hub.publish(&name(), info(), arrival(0)).unwrap();
        publisher.tracks(tracks(), arrival(0));
        publish(&mut publisher, 0, 35);
        let stream = hub.stream(&name()).unwrap();
        let run = runs(&stream).pop().unwrap();
        assert!(run.live);
        assert!(run.closed_end >= MediaTime(10_000_000_000 + 34_400_000_000), "{:?}", run.closed_end);
        assert!(stream.wait_durable(run.id, run.closed_end).await);
        publisher.end(EndReason::Unpublished);
        assert_whole(&stream, 35);
        let run = runs(&stream).pop().unwrap();
        assert_eq!(run.extents.len(), 4, "{:?}", run.extents);
        assert_eq!(run.target_duration_s, Some(2));
        assert_eq!(run.wall_start(), WallTime::from_ms(1_700_000_000_000));
        hub.close();
    }
    let hub = Hub::open(config(dir.path())).unwrap();
    let stream = hub.stream(&name()).unwrap();
    assert_whole(&stream, 35);
    let run = runs(&stream).pop().unwrap();
    assert_eq!((run.live, run.ended), (false, Some(EndReason::Unpublished)));
    let io: Arc<dyn tape::log::Io> = Arc::new(tape::log::StdIo);
    let found = tape::log::verify_stream(
        &io,
        &dir.path().join("tape"),
        stream.id(),
        tape::log::Written::Nobody,
        &mut |_| (),
    )
    .unwrap();
    assert_eq!(found, vec![]);
}

#[tokio::test]
async fn a_second_run_goes_on_with_the_grid_and_leaves_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::open(config(dir.path())).unwrap();
    for start in [0, 20] {
        let mut publisher = hub.publish(&name(), info(), arrival(start * 1000)).unwrap();
        publisher.tracks(tracks(), arrival(start * 1000));
        publish(&mut publisher, start, start + 10);
    }
    let stream = hub.stream(&name()).unwrap();
    let gaps = stream.gaps(WallTime::MIN..WallTime::MAX);
    assert_eq!(gaps.len(), 1);
    assert_eq!(gaps[0].reason, tape::GapReason::Offline);
    assert_eq!(gaps[0].end, WallTime::from_ms(1_700_000_020_000));
    let mut segments = Vec::new();
    for extent in runs(&stream).iter().flat_map(|r| r.extents.clone()) {
        let index = stream.index(extent.no).unwrap();
        segments.extend(index.parts.iter().map(|p| p.segment).filter(|s| s.starts));
    }
    let numbers: Vec<u64> = segments.iter().map(|s| s.msn).collect();
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
    assert_eq!(segments.iter().map(|s| s.dsn).collect::<Vec<_>>(), [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
}

#[tokio::test]
async fn what_is_durable_never_steps_back_when_a_run_begins() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::open(config(dir.path())).unwrap();
    let mut floor = WallTime::from_ms(1_700_000_000_000);
    for start in [0, 20, 40] {
        let mut publisher = hub.publish(&name(), info(), arrival(start * 1000)).unwrap();
        publisher.tracks(tracks(), arrival(start * 1000));
        publish(&mut publisher, start, start + 1);
        let stream = hub.stream(&name()).unwrap();
        // Its first part can be read and is still on its way to the disk.
        let at_once = stream.stats(arrival(start * 1000 + 1000).mono).durable_until;
        let run = runs(&stream).pop().unwrap();
        assert!(at_once.is_none_or(|d| d >= floor), "{at_once:?} after {floor:?}");
        assert!(run.wall_durable().is_none_or(|d| d >= run.wall_start()), "{run:?}");
        assert!(stream.wait_durable(run.id, run.closed_end).await);
        floor = stream.stats(arrival(start * 1000 + 1000).mono).durable_until.unwrap();
        assert!(floor > run.wall_start(), "{floor:?}");
        publisher.end(EndReason::Unpublished);
    }
}

#[tokio::test]
async fn a_cut_at_the_edge_falls_on_a_picture_so_that_no_recording_is_without() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::open(config(dir.path())).unwrap();
    let mut publisher = hub.publish(&name(), info(), arrival(0)).unwrap();
    publisher.tracks(tracks(), arrival(0));
    publish(&mut publisher, 0, 8);
    let stream = publisher.stream().clone();
    let shown: std::collections::BTreeSet<_> =
        (0..9 * 25).map(|n| Timescale::VIDEO.media(picture(n).pts())).collect();
    let mut last = stream.split(SplitAt::Edge).await.unwrap().at;
    let (mut cuts, mut refused) = (0, 0);
    // Two packets of sound for each picture and a little less: the edge moves by both.
    for packet in (0..25).flat_map(|n| [picture(200 + n), sound(375 + 2 * n), sound(376 + 2 * n)]) {
        publisher.push(packet, arrival(8_000)).unwrap();
        match stream.split(SplitAt::Edge).await {
            Ok(split) => {
                assert!(shown.contains(&split.at) && split.at > last, "{:?} after {last:?}", split.at);
                (last, cuts) = (split.at, cuts + 1);
            }
            Err(error) => {
                assert!(matches!(error, tape::SplitError::Empty), "{error}");
                refused += 1;
            }
        }
    }
    assert!(cuts > 15 && refused > 40, "{cuts} cuts, {refused} refused");
}

#[tokio::test]
async fn splits_cut_the_run_into_recordings_that_survive() {
    let dir = tempfile::tempdir().unwrap();
    let recordings = {
        let hub = Hub::open(config(dir.path())).unwrap();
        let mut publisher = hub.publish(&name(), info(), arrival(0)).unwrap();
        publisher.tracks(tracks(), arrival(0));
        publish(&mut publisher, 0, 4);
        let stream = hub.stream(&name()).unwrap();
        let split = stream.split(SplitAt::Edge).await.unwrap();
        assert!(matches!(stream.split(SplitAt::Edge).await, Err(tape::SplitError::Empty)));
        publish(&mut publisher, 4, 8);
        publisher.end(EndReason::Unpublished);
        let recordings = stream.recordings();
        assert_eq!(recordings.len(), 2);
        assert_eq!((recordings[0].end, recordings[1].start), (Some(split.at), split.at));
        assert_eq!((recordings[0].asset, recordings[1].asset), (split.closed.asset, split.opened));
        hub.close();
        recordings
    };
    let hub = Hub::open(config(dir.path())).unwrap();
    assert_eq!(hub.stream(&name()).unwrap().recordings(), recordings);
}

#[tokio::test]
async fn a_live_cursor_begins_at_a_key_frame_and_sees_every_packet() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::open(config(dir.path())).unwrap();
    let mut publisher = hub.publish(&name(), info(), arrival(0)).unwrap();
    publisher.tracks(tracks(), arrival(0));
    publish(&mut publisher, 0, 5);
    let stream = hub.stream(&name()).unwrap();
    let mut cursor = stream.live_cursor();
    let Some(LiveItem::Packet(first)) = cursor.try_next() else { panic!("nothing at the live edge") };
    assert!(first.entry && first.packet == picture(100));
    publish(&mut publisher, 5, 6);
    let mut pictures = 101;
    while let Some(LiveItem::Packet(p)) = cursor.try_next() {
        if p.packet.track == TrackId::VIDEO {
            assert_eq!(p.packet, picture(pictures));
            pictures += 1;
        }
    }
    assert_eq!(pictures, 150);
    publish(&mut publisher, 6, 60);
    assert!(matches!(cursor.try_next(), Some(LiveItem::Skipped(_))));
    let Some(LiveItem::Packet(p)) = cursor.try_next() else { panic!("nothing after a skip") };
    assert!(p.entry);
}

#[tokio::test]
async fn a_late_sound_track_begins_at_the_next_key_frame_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::open(config(dir.path())).unwrap();
    let mut publisher = hub.publish(&name(), info(), arrival(0)).unwrap();
    publisher.tracks(tracks()[..1].to_vec(), arrival(0));
    for n in 0..80 {
        publisher.push(picture(n), arrival(n * 40)).unwrap();
    }
    publisher.tracks(tracks(), arrival(3200));
    for n in 80..200 {
        publisher.push(picture(n), arrival(n * 40)).unwrap();
        publisher.push(sound(n), arrival(n * 40)).unwrap();
    }
    publisher.end(EndReason::Unpublished);
    let stream = hub.stream(&name()).unwrap();
    let run = runs(&stream).pop().unwrap();
    assert_eq!(run.extents.len(), 2);
    let second = stream.index(run.extents[1].no).unwrap();
    assert_eq!(second.tracks[0].samples[0].rap, media::Rap::Closed);
    let heard: Vec<_> = second.track(TrackId::AUDIO).unwrap().samples.iter().map(|s| s.dts).collect();
    assert_eq!(heard, (80..200).map(|n| sound(n).dts).collect::<Vec<_>>());
    assert_ne!(run.extents[0].init, run.extents[1].init);
}

#[tokio::test]
async fn a_track_that_comes_back_goes_on_after_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::open(config(dir.path())).unwrap();
    let mut publisher = hub.publish(&name(), info(), arrival(0)).unwrap();
    publisher.tracks(tracks(), arrival(0));
    publish(&mut publisher, 0, 4);
    // The encoder changes, and announces its picture before its sound.
    let mut changed = tracks();
    if let media::CodecConfig::H264 { width, .. } = &mut changed[0].codec {
        *width = 320;
    }
    publisher.tracks(changed[..1].to_vec(), arrival(4000));
    publisher.tracks(changed, arrival(4000));
    for n in 100..250 {
        publisher.push(picture(n), arrival(n * 40)).unwrap();
        // From 85 ms before where the sound was.
        publisher.push(sound(n + 83), arrival(n * 40)).unwrap();
    }
    publisher.end(EndReason::Unpublished);
    let stream = hub.stream(&name()).unwrap();
    let extents = runs(&stream)[0].extents.clone();
    let indexes: Vec<_> = extents.iter().map(|e| stream.index(e.no).unwrap()).collect();
    let sounds = indexes.iter().filter_map(|i| i.track(TrackId::AUDIO)).flat_map(|t| &t.samples);
    let dts: Vec<_> = sounds.map(|s| s.dts).collect();
    assert_eq!(dts, (0..333).map(|n| sound(n).dts).collect::<Vec<_>>());
    // The files are the committer's, which may not have come to them yet.
    let run = runs(&stream).pop().unwrap();
    assert!(stream.wait_durable(run.id, run.closed_end).await);
    let io: Arc<dyn tape::log::Io> = Arc::new(tape::log::StdIo);
    let written = tape::log::Written::Nobody;
    let tape = dir.path().join("tape");
    let found = tape::log::verify_stream(&io, &tape, stream.id(), written, &mut |_| ()).unwrap();
    assert_eq!(found, vec![]);
}

#[tokio::test]
async fn sound_before_the_first_picture_belongs_to_its_segment() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::open(config(dir.path())).unwrap();
    let mut publisher = hub.publish(&name(), info(), arrival(0)).unwrap();
    publisher.tracks(tracks(), arrival(0));
    for n in 0..4 {
        publisher.push(sound(n), arrival(n * 21)).unwrap();
    }
    for n in 2..120 {
        publisher.push(picture(n - 2), arrival(n * 40)).unwrap();
        publisher.push(sound(n + 2), arrival(n * 40)).unwrap();
    }
    publisher.end(EndReason::Unpublished);
    let stream = hub.stream(&name()).unwrap();
    let extent = runs(&stream)[0].extents[0];
    let index = stream.index(extent.no).unwrap();
    let starts: Vec<usize> = (0..index.parts.len()).filter(|i| index.parts[*i].segment.starts).collect();
    let video = index.track(TrackId::VIDEO).unwrap();
    assert!(starts.iter().all(|i| video.samples_of(*i)[0].rap == media::Rap::Closed));
    assert_eq!(starts.len(), 3);
}

/// Lengths of the segments of a run on its main track, in milliseconds, and of its parts.
fn segment_and_part_ms(stream: &Arc<Stream>, track: TrackId) -> (Vec<i64>, Vec<i64>) {
    let (mut segments, mut parts) = (Vec::new(), Vec::new());
    for extent in runs(stream).iter().flat_map(|r| r.extents.clone()) {
        let index = stream.index(extent.no).unwrap();
        let t = index.track(track).unwrap();
        for (i, part) in index.parts.iter().enumerate() {
            let ticks: i64 = t.samples_of(i).iter().map(|s| i64::from(s.duration)).sum();
            let ms = ticks * 1000 / i64::from(t.timescale.hz());
            if part.segment.starts {
                segments.push(0);
            }
            *segments.last_mut().unwrap() += ms;
            parts.push(ms);
        }
    }
    (segments, parts)
}

#[tokio::test]
async fn sound_alone_and_pictures_that_are_all_key_frames_make_even_segments() {
    for track in [TrackId::AUDIO, TrackId::VIDEO] {
        let dir = tempfile::tempdir().unwrap();
        let hub = Hub::open(config(dir.path())).unwrap();
        let mut publisher = hub.publish(&name(), info(), arrival(0)).unwrap();
        publisher.tracks(tracks().into_iter().filter(|t| t.id == track).collect(), arrival(0));
        for n in 0..600 {
            let packet = match track {
                TrackId::AUDIO => sound(n),
                _ => media::Packet { rap: media::Rap::Closed, cts: 0, ..picture(n) },
            };
            publisher.push(packet, arrival(n * 21)).unwrap();
        }
        publisher.end(EndReason::Unpublished);
        let (mut segments, _) = segment_and_part_ms(&hub.stream(&name()).unwrap(), track);
        segments.pop();
        assert!(
            segments.len() > 4 && segments.iter().all(|ms| (1900..2100).contains(ms)),
            "{track:?} {segments:?}"
        );
    }
}

#[tokio::test]
async fn sound_that_stops_leaves_the_parts_of_the_pictures_as_long_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::open(config(dir.path())).unwrap();
    let mut publisher = hub.publish(&name(), info(), arrival(0)).unwrap();
    publisher.tracks(tracks(), arrival(0));
    publish(&mut publisher, 0, 4);
    for n in 100..250 {
        publisher.push(picture(n), arrival(n * 40)).unwrap();
    }
    publisher.end(EndReason::Unpublished);
    let (_, mut parts) = segment_and_part_ms(&hub.stream(&name()).unwrap(), TrackId::VIDEO);
    parts.pop();
    let short = parts.iter().filter(|ms| **ms < 400).count();
    assert!(parts.len() < 30 && short <= 6, "{parts:?}");
}

#[tokio::test]
async fn each_run_begins_after_the_one_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::open(config(dir.path())).unwrap();
    for start in [0, 20] {
        let mut publisher = hub.publish(&name(), info(), arrival(start * 1000)).unwrap();
        publisher.tracks(tracks(), arrival(start * 1000));
        for n in 0..100 {
            publisher.push(picture(n), arrival(start * 1000 + n * 40)).unwrap();
            publisher.push(sound(n), arrival(start * 1000 + n * 40)).unwrap();
        }
    }
    let found = runs(&hub.stream(&name()).unwrap());
    assert!(found[1].start > found[0].closed_end, "{:?}", found.iter().map(|r| (r.start, r.closed_end)));
    assert_eq!(found[1].start.0 % 1_000_000_000, found[0].start.0 % 1_000_000_000);
}

#[tokio::test]
async fn a_busy_stream_refuses_and_a_silent_one_is_taken_over_by_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::open(config(dir.path())).unwrap();
    let mut first = hub.publish(&name(), info(), arrival(0)).unwrap();
    first.tracks(tracks(), arrival(0));
    publish(&mut first, 0, 3);
    assert!(hub.publish(&name(), info(), arrival(4000)).is_err());
    let other = PublisherInfo { key: Some("other".into()), ..info() };
    assert!(hub.publish(&name(), other, arrival(60_000)).is_err());
    let second = hub.publish(&name(), info(), arrival(6000)).unwrap();
    assert!(first.push(picture(1000), arrival(6001)).is_err());
    assert!(first.removed().await.contains("took over"));
    drop(first);
    assert!(hub.stream(&name()).unwrap().kick("test"), "the second publisher is still there");
    drop(second);
}
