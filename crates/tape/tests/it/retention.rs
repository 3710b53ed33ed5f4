//! What retention takes, what holds it back, and what is left.

use std::path::Path;
use std::sync::Arc;

use media::{MediaTime, StreamName, WallTime};
use tape::retention::{Budget, Cause, Rule};
use tape::{
    Durability, EndReason, ExtentNo, GapReason, Hub, Protection, PublisherInfo, SpanRecord, SplitAt, Stream,
    TapeConfig, Viewers,
};
use uuid::Uuid;

use crate::source::{arrival, picture, publish, sound, tracks};

const S: i64 = 1_000_000_000;
/// Wall time at which the source of the tests begins, and the media time of that instant.
const BEGIN: i64 = 1_700_000_000 * S;
const ORIGIN: i64 = 10 * S;

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

/// A minute in six extents, cut at 35 s, durable.
async fn a_minute(dir: &Path) -> (Arc<Hub>, Arc<Stream>) {
    let hub = Hub::open(config(dir)).unwrap();
    let name = StreamName::parse("live/cam1").unwrap();
    let info = PublisherInfo { protocol: "test", remote: "here".into(), key: None };
    let mut publisher = hub.publish(&name, info, arrival(0)).unwrap();
    publisher.tracks(tracks(), arrival(0));
    publish(&mut publisher, 0, 35);
    let stream = hub.stream(&name).unwrap();
    stream.split(SplitAt::Edge).await.unwrap();
    publish(&mut publisher, 35, 60);
    publisher.end(EndReason::Unpublished);
    let run = stream.runs(WallTime::MIN..WallTime::MAX).pop().unwrap();
    assert!(stream.wait_durable(run.id, run.closed_end).await);
    (hub, stream)
}

fn extents(stream: &Stream) -> Vec<u64> {
    let runs = stream.runs(WallTime::MIN..WallTime::MAX);
    runs.iter().flat_map(|r| r.extents.iter().map(|e| e.no.0)).collect()
}

fn span(stream: &Stream, from: i64, to: i64) -> SpanRecord {
    let run = stream.runs(WallTime::MIN..WallTime::MAX)[0].id;
    SpanRecord { run, start: MediaTime(ORIGIN + from * S), end: MediaTime(ORIGIN + to * S) }
}

fn wanted(from: u64, to: u64) -> Vec<ExtentNo> {
    (from..=to).map(ExtentNo).collect()
}

fn files(dir: &Path, stream: &Stream) -> Vec<String> {
    let folder = dir.join("tape").join(stream.id().to_string());
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.ends_with(".mp4"))
        .collect();
    names.sort();
    names
}

fn verified(dir: &Path, stream: &Stream) {
    let io: Arc<dyn tape::log::Io> = Arc::new(tape::log::StdIo);
    let found = tape::log::verify_stream(
        &io,
        &dir.join("tape"),
        stream.id(),
        tape::log::Written::Nobody,
        &mut |_| (),
    )
    .unwrap();
    assert_eq!(found, vec![]);
}

#[tokio::test]
async fn the_oldest_go_and_stay_gone_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, stream) = a_minute(dir.path()).await;
    let expired = stream.expire(&wanted(1, 2), Viewers::Keep).await.unwrap();
    assert_eq!((expired.extents, expired.vanished.len(), expired.changed.len()), (2, 0, 1));
    assert_eq!(extents(&stream), [3, 4, 5, 6]);
    let gaps = stream.gaps(WallTime(BEGIN)..WallTime(BEGIN + 30 * S));
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!((gaps[0].reason, gaps[0].start), (GapReason::Expired, WallTime(BEGIN)));
    assert_eq!(stream.window().unwrap().start, gaps[0].end);
    // Those who were told a name a moment ago still find it.
    assert!(stream.index(ExtentNo(1)).is_ok() && stream.read(ExtentNo(1), 0..100).is_ok());
    assert_eq!(files(dir.path(), &stream).len(), 6);
    assert!(stream.sweep(Viewers::Yield).unwrap() > 0);
    assert_eq!(files(dir.path(), &stream).len(), 4);
    assert!(stream.index(ExtentNo(1)).is_err());
    verified(dir.path(), &stream);
    let before = (stream.recordings(), stream.gaps(WallTime::MIN..WallTime::MAX));
    drop(stream);
    hub.close();
    drop(hub);

    let hub = Hub::open(config(dir.path())).unwrap();
    let stream = hub.stream(&StreamName::parse("live/cam1").unwrap()).unwrap();
    assert_eq!(extents(&stream), [3, 4, 5, 6]);
    assert_eq!((stream.recordings(), stream.gaps(WallTime::MIN..WallTime::MAX)), before);
}

#[tokio::test]
async fn a_start_ends_what_a_deletion_began() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, stream) = a_minute(dir.path()).await;
    stream.expire(&wanted(1, 6), Viewers::Keep).await.unwrap();
    assert_eq!(files(dir.path(), &stream).len(), 6);
    let id = stream.id();
    drop(stream);
    hub.close();
    drop(hub);

    let hub = Hub::open(config(dir.path())).unwrap();
    let stream = hub.stream(&StreamName::parse("live/cam1").unwrap()).unwrap();
    assert_eq!((stream.id(), files(dir.path(), &stream).len()), (id, 0));
    assert_eq!((stream.window(), stream.recordings().len()), (None, 0));
    // The numbers go on behind what is gone.
    let info = PublisherInfo { protocol: "test", remote: "here".into(), key: None };
    let mut publisher = hub.publish(stream.name(), info, arrival(0)).unwrap();
    publisher.tracks(tracks(), arrival(0));
    publish(&mut publisher, 0, 3);
    publisher.end(EndReason::Unpublished);
    let run = stream.runs(WallTime::MIN..WallTime::MAX).pop().unwrap();
    assert!(stream.wait_durable(run.id, run.closed_end).await);
    assert_eq!((run.id.0, run.extents[0].no), (2, ExtentNo(7)));
    let first = stream.index(run.extents[0].no).unwrap().parts[0];
    assert!(first.no.0 >= 120 && first.segment.msn >= 30 && first.segment.dsn == 1, "{first:?}");
    verified(dir.path(), &stream);
}

#[tokio::test]
async fn a_hole_cuts_a_run_into_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, stream) = a_minute(dir.path()).await;
    stream.expire(&wanted(3, 3), Viewers::Keep).await.unwrap();
    let runs = stream.runs(WallTime::MIN..WallTime::MAX);
    let shown: Vec<(u64, usize)> = runs.iter().map(|r| (r.id.0, r.extents.len())).collect();
    assert_eq!(shown, [(1, 2), (1, 3)]);
    assert_eq!(runs[0].ended, Some(EndReason::Gap(GapReason::Expired)));
    let gaps = stream.gaps(WallTime::MIN..WallTime::MAX);
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!((gaps[0].start, gaps[0].end), (runs[0].wall_end(), runs[1].wall_start()));
    assert_eq!(gaps[0].reason, GapReason::Expired);
    let found = |from: i64, to: i64| {
        let run = stream.run(runs[0].id, MediaTime(ORIGIN + from * S)..MediaTime(ORIGIN + to * S)).unwrap();
        run.start
    };
    assert_eq!((found(5, 6), found(45, 46)), (runs[0].start, runs[1].start));
    assert_eq!(stream.pieces(runs[0].id, MediaTime::MIN..MediaTime::MAX).len(), 2);
    assert_eq!(stream.recordings().len(), 2);
    drop(stream);
    hub.close();
    drop(hub);

    let hub = Hub::open(config(dir.path())).unwrap();
    let stream = hub.stream(&StreamName::parse("live/cam1").unwrap()).unwrap();
    assert_eq!(stream.pieces(runs[0].id, MediaTime::MIN..MediaTime::MAX).len(), 2);
    assert_eq!(stream.gaps(WallTime::MIN..WallTime::MAX), gaps);
    verified(dir.path(), &stream);
}

#[tokio::test]
async fn clips_and_protections_hold_what_they_need() {
    let dir = tempfile::tempdir().unwrap();
    let (_hub, stream) = a_minute(dir.path()).await;
    let (clip, kept) = (Uuid::from_u128(1), Uuid::from_u128(2));
    // The clip begins within reach of the leading pictures of the third extent, so that it needs the second too.
    stream.pin(clip, vec![span(&stream, 20, 25)], None).await.unwrap();
    let protection = Protection { spans: vec![span(&stream, 47, 49)], label: "evidence".into() };
    stream.protect(kept, protection.clone()).await.unwrap();
    stream.expire(&wanted(1, 6), Viewers::Yield).await.unwrap();
    assert_eq!(extents(&stream), [2, 3, 5]);
    let last = stream.runs(WallTime::MIN..WallTime::MAX).pop().unwrap();
    assert_eq!(
        (last.end, last.closed_end),
        (last.extents[0].end, last.extents[0].end),
        "the tape ends with it"
    );
    assert_eq!(stream.protections(), [(kept, protection)]);
    stream.unpin(clip).await.unwrap();
    assert!(stream.unprotect(kept).await.unwrap());
    let last = stream.expire(&wanted(1, 6), Viewers::Keep).await.unwrap();
    assert_eq!((last.extents, last.vanished.len()), (3, 2));
    assert_eq!(stream.window(), None);
}

#[tokio::test]
async fn what_is_being_read_stays_unless_space_is_short() {
    let dir = tempfile::tempdir().unwrap();
    let (_hub, stream) = a_minute(dir.path()).await;
    stream.read(ExtentNo(2), 0..100).unwrap();
    stream.expire(&wanted(1, 6), Viewers::Keep).await.unwrap();
    // What comes next for the reader, too.
    assert_eq!(extents(&stream), [2, 3, 4]);
    stream.expire(&wanted(1, 6), Viewers::Yield).await.unwrap();
    assert_eq!(extents(&stream), Vec::<u64>::new());
}

#[tokio::test]
async fn the_plan_asks_the_streams() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, stream) = a_minute(dir.path()).await;
    // The source lived years ago: everything that may go is old enough.
    let rule = |_: &StreamName| Rule { max_age_ns: Some(S), max_bytes: None };
    let plan = hub.plan_retention(&rule, Budget::default(), 4);
    assert_eq!(plan.expire.iter().map(|d| d.extent.0).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(plan.expire.iter().all(|d| d.cause == Cause::Age && d.stream == *stream.name()));
    assert_eq!(extents(&stream).len(), 6, "a plan takes nothing");
}

/// Parts that are shown, by number.
fn parts(stream: &Stream) -> Vec<u64> {
    let numbers = extents(stream).into_iter().map(|no| stream.index(ExtentNo(no)).unwrap());
    numbers.flat_map(|index| index.parts.iter().map(|p| p.no.0).collect::<Vec<_>>()).collect()
}

/// Every part as its bytes, read as viewers do.
fn contents(stream: &Stream, no: u64) -> Vec<(u64, Vec<u8>)> {
    let index = stream.index(ExtentNo(no)).unwrap();
    let read = |p: &tape::PartEntry| {
        let pieces = stream.read(ExtentNo(no), p.offset..p.offset + u64::from(p.len)).unwrap();
        let bytes = pieces.into_iter().flat_map(|piece| match piece {
            tape::Piece::Mem(bytes) => bytes.to_vec(),
            tape::Piece::File { file, range } => {
                let mut bytes = vec![0; (range.end - range.start) as usize];
                file.read_exact_at(&mut bytes, range.start).unwrap();
                bytes
            }
        });
        (p.no.0, bytes.collect())
    };
    index.parts.iter().map(read).collect()
}

#[tokio::test]
async fn a_range_is_erased_to_the_part_and_the_rest_stays_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, stream) = a_minute(dir.path()).await;
    let before: std::collections::BTreeMap<u64, Vec<u8>> =
        extents(&stream).into_iter().flat_map(|no| contents(&stream, no)).collect();
    let erased = stream.erase(&[span(&stream, 15, 27)]).await.unwrap();
    assert_eq!(erased.gone.len(), 2, "{erased:?}");
    let (from, to) = (erased.gone[0].start, erased.gone[1].end);
    assert!(from <= WallTime(BEGIN + 15 * S) && from > WallTime(BEGIN + 14 * S), "{erased:?}");
    assert!(to >= WallTime(BEGIN + 27 * S) && to <= WallTime(BEGIN + 30 * S), "{erased:?}");
    let runs = stream.runs(WallTime::MIN..WallTime::MAX);
    assert_eq!(runs.len(), 2);
    assert!(runs[0].wall_end() <= WallTime(BEGIN + 15 * S + 50_000_000));
    let entry = stream.index(runs[1].extents[0].no).unwrap().parts[0].segment;
    assert!(entry.starts && entry.independent);
    let gaps = stream.gaps(WallTime::MIN..WallTime::MAX);
    assert_eq!((gaps.len(), gaps[0].reason), (1, GapReason::Expired), "{gaps:?}");
    let shown = |stream: &Stream| {
        for no in extents(stream) {
            for (part, bytes) in contents(stream, no) {
                assert_eq!(bytes, before[&part], "part {part}");
            }
        }
        parts(stream)
    };
    let left = shown(&stream);
    assert!(left.len() < before.len() && left.is_sorted(), "{left:?}");
    stream.sweep(Viewers::Yield).unwrap();
    verified(dir.path(), &stream);
    drop(stream);
    hub.close();
    drop(hub);

    let hub = Hub::open(config(dir.path())).unwrap();
    let stream = hub.stream(&StreamName::parse("live/cam1").unwrap()).unwrap();
    assert_eq!(shown(&stream), left);
    assert_eq!(stream.gaps(WallTime::MIN..WallTime::MAX), gaps);
    verified(dir.path(), &stream);
}

#[tokio::test]
async fn what_is_held_is_not_erased_and_says_by_whom() {
    let dir = tempfile::tempdir().unwrap();
    let (_hub, stream) = a_minute(dir.path()).await;
    let (clip, kept) = (Uuid::from_u128(1), Uuid::from_u128(2));
    stream.pin(clip, vec![span(&stream, 16, 18)], None).await.unwrap();
    let protection = Protection { spans: vec![span(&stream, 50, 51)], label: String::new() };
    stream.protect(kept, protection).await.unwrap();
    let refused = |error| match error {
        tape::EraseError::Held { clips, protections } => (clips.len(), protections.len()),
        other => panic!("{other}"),
    };
    assert_eq!(refused(stream.erase(&[span(&stream, 15, 17)]).await.unwrap_err()), (1, 0));
    assert_eq!(refused(stream.erase(&[span(&stream, 50, 60)]).await.unwrap_err()), (0, 1));
    assert_eq!(extents(&stream), [1, 2, 3, 4, 5, 6]);
    // Once it is not held any more it goes, and what stays has new numbers.
    stream.unpin(clip).await.unwrap();
    stream.erase(&[span(&stream, 15, 17)]).await.unwrap();
    assert_eq!(extents(&stream), [1, 7, 8, 3, 4, 5, 6]);
}

#[tokio::test]
async fn times_that_the_clock_went_through_twice_are_both_there() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::open(config(dir.path())).unwrap();
    let name = StreamName::parse("live/cam1").unwrap();
    let info = PublisherInfo { protocol: "test", remote: "here".into(), key: None };
    let mut publisher = hub.publish(&name, info, arrival(0)).unwrap();
    publisher.tracks(tracks(), arrival(0));
    publish(&mut publisher, 0, 30);
    crate::source::publish_by(&mut publisher, 30..60, -20_000);
    let stream = hub.stream(&name).unwrap();
    let run = stream.runs(WallTime::MIN..WallTime::MAX).pop().unwrap();
    let seconds = |at: WallTime| (at.0 - BEGIN) as f64 / 1e9;
    let told: Vec<(f64, f64)> = run.stretches().iter().map(|s| (seconds(s.0), seconds(s.1))).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    let near = |a: f64, b: f64| (a - b).abs() < 0.1;
    assert!(near(told[0].0, 0.0) && near(told[0].1, 30.0) && near(told[1].0, 10.0), "{told:?}");
    let twice = WallTime(BEGIN + 15 * S)..WallTime(BEGIN + 20 * S);
    let spans = run.clock.spans(&twice, run.start..run.closed_end);
    assert_eq!(spans.len(), 2, "{spans:?}");
    assert_eq!(stream.runs(WallTime(BEGIN + 45 * S)..WallTime(BEGIN + 50 * S)).len(), 0);
    assert_eq!(stream.runs(WallTime(BEGIN + 38 * S)..WallTime(BEGIN + 39 * S)).len(), 1);
}

/// Publishes what is decoded in `[from, to)` milliseconds.
fn publish_ms(publisher: &mut tape::Publisher, ms: std::ops::Range<i64>) {
    let pictures = (0..).map(|n| (n * 40, picture(n))).take_while(|(at, _)| *at < ms.end);
    let sounds = (0..).map(|n| (n * 1024 / 48, sound(n))).take_while(|(at, _)| *at < ms.end);
    let mut all: Vec<_> = pictures.chain(sounds).filter(|(at, _)| *at >= ms.start).collect();
    all.sort_by_key(|(at, _)| *at);
    for (at, packet) in all {
        publisher.push(packet, arrival(at)).unwrap();
    }
}

#[tokio::test]
async fn a_recording_between_two_cuts_in_the_open_part_is_there_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::open(config(dir.path())).unwrap();
    let name = StreamName::parse("live/cam1").unwrap();
    let info = PublisherInfo { protocol: "test", remote: "here".into(), key: None };
    let mut publisher = hub.publish(&name, info, arrival(0)).unwrap();
    publisher.tracks(tracks(), arrival(0));
    // Twice 80 ms into a part that nothing has closed yet.
    publish_ms(&mut publisher, 0..3_080);
    let stream = hub.stream(&name).unwrap();
    let first = stream.split(SplitAt::Edge).await.unwrap();
    publish_ms(&mut publisher, 3_080..3_200);
    let second = stream.split(SplitAt::Edge).await.unwrap();
    assert_eq!(second.closed.asset, first.opened);
    let run = &stream.runs(WallTime::MIN..WallTime::MAX)[0];
    assert!(first.at >= run.closed_end, "both cuts lie behind all closed parts: {first:?} {run:?}");
    let told: Vec<Uuid> = stream.recordings().iter().map(|r| r.asset).collect();
    assert_eq!(told, [first.closed.asset, first.opened, second.opened]);
}
