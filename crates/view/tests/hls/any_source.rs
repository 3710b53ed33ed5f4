//! Whatever a source does, all playlists ever given agree with each other and with the tape.

use std::collections::BTreeMap;

use media::WallTime;
use proptest::prelude::*;
use tape::Stream;
use view::hls::{Child, HlsConfig, HlsError, MediaRequest, Playlists, init, segment};
use view::path::ChildName;
use view::query::{GapPolicy, Skip};

use crate::model::{List, Listed};
use crate::source::{BFrames, Run, World, read};

/// What players were told so far.
#[derive(Default)]
struct Told {
    segments: BTreeMap<u64, Listed>,
    last: Option<List>,
}

fn request(world: &World, start: Option<WallTime>, end: Option<WallTime>) -> MediaRequest {
    MediaRequest { start, end, shift_ns: None, gaps: GapPolicy::Collapse, skip: None, clock: world.wall() }
}

fn fetch(playlists: &Playlists, world: &World, request: &MediaRequest) -> Result<List, HlsError> {
    let playlist = playlists.media(&world.stream(), request)?;
    let text = playlist.to_bytes();
    assert_eq!(playlist.len(), text.len() as u64);
    assert_eq!(read(&playlist.body()), text);
    let list = List::parse(std::str::from_utf8(&text).unwrap());
    list.check();
    Ok(list)
}

impl Told {
    /// Every segment is what it was said to be before.
    fn agree(&mut self, list: &List) {
        for s in &list.segments {
            match self.segments.insert(s.msn, s.clone()) {
                Some(before) => assert_eq!(&before, s),
                None => assert!(!s.gap, "nothing was lost here"),
            }
        }
    }

    fn look(&mut self, playlists: &Playlists, world: &World) {
        let live = request(world, None, None);
        let list = match fetch(playlists, world, &live) {
            Ok(list) => list,
            Err(HlsError::NotYet { .. }) => return assert!(self.segments.is_empty()),
            Err(other) => panic!("{other}"),
        };
        self.agree(&list);
        assert!(!list.ended && !list.vod);
        if let Some(older) = self.last.take() {
            let delta =
                fetch(playlists, world, &MediaRequest { skip: Some(Skip::Segments), ..live }).unwrap();
            let kept: i64 = delta.segments.iter().map(|s| s.us).sum();
            assert!(delta.skipped == 0 || kept as f64 >= delta.skip_until.unwrap() * 1e6);
            let behind_first = kept - delta.segments[0].us;
            assert!(delta.skipped == 0 || (behind_first as f64) < delta.skip_until.unwrap() * 1e6);
            if older.segments.last().unwrap().msn + 1 >= delta.segments[0].msn {
                assert_eq!(delta.applied_to(&older), list);
            }
        }
        self.ranges(playlists, world, &list);
        self.last = Some(list);
    }

    /// Lists with times say the same of the same segments.
    fn ranges(&mut self, playlists: &Playlists, world: &World, live: &List) {
        let middle = &live.segments[live.segments.len() / 2];
        // A little into it: where times are rounded to milliseconds, neighbours overlap by one or two.
        let date = WallTime::from_ms(middle.date_ms.unwrap() + 4);
        let growing = fetch(playlists, world, &request(world, Some(date), None)).unwrap();
        // Reordered pictures of neighbours may be shown in turn where a segment begins, so that they overlap.
        let overlapping = 2;
        assert!(growing.segments[..=overlapping.min(growing.segments.len() - 1)].contains(middle));
        assert_eq!(growing.segments.last(), live.segments.last());
        let offset = (date.ms() - growing.segments[0].date_ms.unwrap()) as f64 / 1000.0;
        assert!((growing.start.unwrap() - offset).abs() < 0.001_001, "{:?}", growing.start);
        let end = date.plus_ns(1_000_000);
        let vod = fetch(playlists, world, &request(world, Some(date), Some(end))).unwrap();
        assert!(vod.ended && vod.segments.iter().any(|s| s == middle));
        assert!(
            vod.segments.len() <= 2 + overlapping,
            "{} segments overlap one millisecond",
            vod.segments.len()
        );
        self.agree(&growing);
        self.agree(&vod);
    }
}

/// Dates and durations of neighbours in a run agree within `slack_ms`, and parts follow each other.
fn check_neighbours(list: &List, slack_ms: i64) {
    for pair in list.segments.windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        assert_eq!(a.msn + 1, b.msn);
        let parts = |s: &Listed| match Child::parse(&ChildName::parse(&s.uri).unwrap()) {
            Some(Child::Segment(name)) => name,
            other => panic!("{other:?}"),
        };
        let (name, next) = (parts(a), parts(b));
        assert_eq!(name.last.next(), next.first, "no part is left out");
        assert_eq!(a.dsn == b.dsn, name.run == next.run);
        if a.dsn == b.dsn {
            let distance = b.date_ms.unwrap() - a.date_ms.unwrap();
            assert!((distance - a.us / 1000).abs() <= slack_ms, "{a:?} {b:?}");
        }
    }
}

/// The tracks of a body's fragments in order, and its first decode time per track.
fn fragments(body: &[u8]) -> Vec<(u32, u64)> {
    let (mut at, mut out) = (0, Vec::new());
    while at < body.len() {
        let len = u32::from_be_bytes(body[at..at + 4].try_into().unwrap()) as usize;
        let kind = &body[at + 4..at + 8];
        assert!([&b"moof"[..], b"mdat", b"uuid"].contains(&kind), "{kind:?}");
        if kind == b"moof" {
            let find = |name: &[u8]| at + body[at..at + len].windows(4).position(|w| w == name).unwrap();
            let (tfhd, tfdt) = (find(b"tfhd"), find(b"tfdt"));
            let id = u32::from_be_bytes(body[tfhd + 8..tfhd + 12].try_into().unwrap());
            out.push((id, u64::from_be_bytes(body[tfdt + 8..tfdt + 16].try_into().unwrap())));
        }
        at += len;
    }
    assert_eq!(at, body.len(), "a segment is whole boxes");
    out
}

/// Every listed segment can be fetched, and video goes on where the one before it ended.
fn check_bodies(stream: &Stream, list: &List, tick: i64) {
    let mut expected: Option<(u64, u64)> = None;
    for s in &list.segments {
        let Some(Child::Segment(name)) = Child::parse(&ChildName::parse(&s.uri).unwrap()) else { panic!() };
        let body = segment(stream, &name).unwrap();
        let bytes = read(&body);
        assert_eq!(body.len(), bytes.len() as u64);
        let half = body.slice(bytes.len() as u64 / 2..u64::MAX);
        assert_eq!(read(&half), bytes[bytes.len() / 2..]);
        let video = fragments(&bytes).into_iter().find(|f| f.0 == 1).map(|f| f.1);
        if let (Some((dsn, at)), Some(video)) = (expected, video)
            && dsn == s.dsn
        {
            let (got, want) = (video as i64 * 100 / 9, at as i64 * 100 / 9);
            assert!((got - want).abs() <= tick * 100 / 9 / 30 + 2, "{got} {want}");
        }
        expected = video.map(|v| (s.dsn, v + (s.us as u64 * 9).div_ceil(100)));
        let Some(Child::Init(id)) = Child::parse(&ChildName::parse(s.map.as_ref().unwrap()).unwrap()) else {
            panic!()
        };
        assert_eq!(&read(&init(stream, &id).unwrap())[4..8], b"ftyp");
    }
}

fn runs() -> impl Strategy<Value = Vec<(Run, bool)>> {
    let tick = prop_oneof![Just(0i64), Just(3000), Just(3600), Just(3754), Just(1500), Just(18_000)];
    let b_frames = prop_oneof![Just(BFrames::No), Just(BFrames::Yes), Just(BFrames::RoughlyYes)];
    let audio = prop_oneof![Just(0i64), Just(44_100), Just(48_000)];
    let gops = proptest::collection::vec(2i64..140, 1..4);
    let run = (tick, gops, b_frames, audio, 1_000i64..25_000, 100i64..8_000, any::<bool>());
    let run = run.prop_filter_map(
        "something to publish",
        |(tick, gops, b_frames, audio_hz, ms, pause_ms, restart)| {
            (tick + audio_hz > 0).then_some((Run { tick, gops, b_frames, audio_hz, ms, pause_ms }, restart))
        },
    );
    proptest::collection::vec(run, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn all_playlists_agree(runs in runs()) {
        let mut world = World::new();
        // Room for a few blocks only: what is evicted has to come back the same.
        let playlists = Playlists::new(HlsConfig { cache_bytes: 8_000, ..HlsConfig::default() });
        let mut told = Told::default();
        for (run, restart) in &runs {
            world.publish(run, |w| told.look(&playlists, w));
            if *restart {
                world.restart();
                told.look(&playlists, &world);
            }
        }
        let slack_ms = runs.iter().map(|(r, _)| 3 * r.tick / 90).max().unwrap_or(0) + 23;
        if let Some(list) = &told.last {
            check_neighbours(list, slack_ms);
            let tick = runs.iter().map(|(r, _)| r.tick).max().unwrap_or(0);
            check_bodies(&world.stream(), list, tick);
            prop_assert_eq!(told.segments.len(), list.segments.len());
        }
    }
}
