//! What is answered to which question: ranges in and out of the tape, windows, changes of the tracks, restarts.

use media::{Rap, TrackId, WallTime};
use tape::{GapReason, Stream};
use view::hls::{
    Child, HlsConfig, HlsError, MasterRequest, MediaRequest, Playlist, Playlists, SegmentName, init, segment,
};
use view::path::{ChildName, Ext, Grant, MediaPath};
use view::query::{GapPolicy, MediaQuery, Skip, format_wall};

use crate::model::List;
use crate::source::{BFrames, Run, T0_MS, World, picture, read, video};

fn playlists() -> Playlists {
    Playlists::new(HlsConfig::default())
}

/// Milliseconds since the beginning of the test as wall time.
fn at(ms: i64) -> WallTime {
    WallTime::from_ms(T0_MS + ms)
}

fn request(world: &World, start: Option<i64>, end: Option<i64>) -> MediaRequest {
    let gaps = GapPolicy::Collapse;
    let (start, end) = (start.map(at), end.map(at));
    MediaRequest { start, end, shift_ns: None, gaps, skip: None, clock: world.wall() }
}

fn ask(world: &World, start: Option<i64>, end: Option<i64>) -> Result<Playlist, HlsError> {
    playlists().media(&world.stream(), &request(world, start, end))
}

fn list(playlist: &Playlist) -> List {
    let list = List::parse(std::str::from_utf8(&playlist.to_bytes()).unwrap());
    list.check();
    list
}

fn msns(list: &List) -> Vec<u64> {
    list.segments.iter().map(|s| s.msn).collect()
}

/// Pictures are shown 80 ms after they are decoded: two-second segments begin at 80 ms, 2080 ms, ….
fn plain(ms: i64) -> Run {
    Run { ms, b_frames: BFrames::No, ..Run::default() }
}

#[test]
fn the_text_of_a_live_playlist() {
    let mut world = World::new();
    let _publisher = world.publish_open(&Run { ms: 5_000, ..Run::default() }, |_| {});
    let text = String::from_utf8(ask(&world, None, None).unwrap().to_bytes().to_vec()).unwrap();
    // Payloads of a part hold the stream's random identity: its checksum differs from run to run.
    let masked: String = text
        .split_inclusive('\n')
        .map(|l| match l.strip_suffix(".m4s\n") {
            Some(name) => format!("{}\n", name.rsplit_once('.').unwrap().0),
            None => l.to_owned(),
        })
        .collect();
    assert_eq!(
        masked,
        "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n\
         #EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=12.0,HOLD-BACK=6.0\n\
         #EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-MAP:URI=\"e668970ae800eab3.init.mp4\"\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.040Z\n#EXTINF:2.000000,\n1.0-4\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:07.040Z\n#EXTINF:2.000000,\n1.5-9\n"
    );
}

#[test]
fn before_the_first_segment_players_are_asked_to_come_back() {
    let mut world = World::new();
    let mut publisher = world.publisher();
    let not_yet =
        |world: &World| matches!(ask(world, None, None), Err(HlsError::NotYet { retry_after_s: 1 }));
    assert!(not_yet(&world));
    publisher.tracks(vec![video(640)], world.now());
    for n in 0..40 {
        world.ms = n * 40;
        let rap = if n == 0 { Rap::Closed } else { Rap::None };
        publisher.push(picture(n * 3600, 0, rap), world.now()).unwrap();
    }
    assert!(world.stream().window().is_some() && not_yet(&world));
    assert!(matches!(ask(&world, Some(100), None), Err(HlsError::NotYet { retry_after_s: 1 })));
    drop(publisher);
    assert_eq!(msns(&list(&ask(&world, None, None).unwrap())), [0]);
}

#[test]
fn a_segment_is_listed_as_soon_as_the_next_begins() {
    let (mut world, playlists) = (World::new(), playlists());
    let mut publisher = world.publisher();
    publisher.tracks(vec![video(640)], world.now());
    for n in 0..=250 {
        world.ms = n * 40;
        let rap = if n % 50 == 0 { Rap::Closed } else { Rap::None };
        publisher.push(picture(n * 3600, 0, rap), world.now()).unwrap();
        // The key frame of the next segment has come: this one can no longer grow.
        let listed = playlists.media(&world.stream(), &request(&world, None, None));
        assert_eq!(listed.map_or(0, |p| list(&p).segments.len() as i64), n / 50, "picture {n}");
    }
}

#[test]
fn a_publisher_that_came_and_went_leaves_nothing() {
    let world = World::new();
    drop(world.publisher());
    assert!(matches!(ask(&world, None, None), Err(HlsError::NoTape)));
    assert!(matches!(ask(&world, Some(0), Some(1)), Err(HlsError::NoTape)));
}

#[test]
fn ranges_in_and_out_of_the_tape() {
    let mut world = World::new();
    world.ms = 10_000;
    world.publish(&Run { pause_ms: 600_000, ..plain(20_000) }, |_| {});

    let inside = list(&ask(&world, Some(13_000), Some(17_000)).unwrap());
    assert_eq!((msns(&inside), inside.ended, inside.start), (vec![1, 2, 3], true, Some(1.0)));
    let edges = list(&ask(&world, Some(12_000), Some(14_000)).unwrap());
    assert_eq!((msns(&edges), edges.start), (vec![1], None), "a range is half open");

    let early = ask(&world, Some(0), Some(12_000)).unwrap();
    assert_eq!(msns(&list(&early)), [0]);
    assert_eq!(early.missing().before_tape, Some(at(0)..at(10_000)));
    assert_eq!(early.missing().after_tape, None);
    let late = ask(&world, Some(29_000), Some(60_000)).unwrap();
    assert_eq!((msns(&list(&late)), list(&late).ended), (vec![9], true));
    assert_eq!(late.missing().after_tape, Some(at(30_000)..at(60_000)));
    assert_eq!(late.cache_control(), "max-age=3600");
    let all = list(&ask(&world, None, Some(60_000)).unwrap());
    assert_eq!(msns(&all), (0..10).collect::<Vec<_>>());

    let tape = at(10_000)..at(30_000);
    for (start, end) in [(0, 10_000), (30_000, 31_000), (0, 1)] {
        match ask(&world, Some(start), Some(end)) {
            Err(HlsError::Outside { tape: told }) => assert_eq!(told, tape),
            other => panic!("{start}..{end}: {other:?}"),
        }
    }
    assert!(matches!(ask(&world, Some(40_000), None), Err(HlsError::Outside { .. })));
    let ages = Playlists::new(HlsConfig::default());
    let (first, last) = (Some(WallTime::MIN), Some(WallTime::MAX));
    for (start, end) in [(first, Some(WallTime(0))), (first, None), (last, None), (first, last)] {
        let request = MediaRequest { start, end, ..request(&world, None, None) };
        assert!(ages.media(&world.stream(), &request).is_err() || end.is_none(), "{start:?} {end:?}");
    }
    let future = world.ms + 5_500;
    assert!(matches!(ask(&world, Some(0), Some(future)), Err(HlsError::NotYet { retry_after_s: 6 })));
    assert!(matches!(ask(&world, Some(future), None), Err(HlsError::NotYet { retry_after_s: 6 })));
}

#[test]
fn a_list_of_a_range_that_ends_now_grows_until_it_is_whole() {
    let mut world = World::new();
    let mut publisher = world.publish_open(&plain(13_000), |_| {});
    let end = world.stream().edge().unwrap().2.ms() - T0_MS;
    let ahead = ask(&world, Some(0), Some(world.ms + 10_000)).unwrap_err();
    assert!(matches!(ahead, HlsError::NotYet { retry_after_s: 11 }), "{ahead:?}");

    let growing = ask(&world, Some(5_000), Some(end)).unwrap();
    let before = list(&growing);
    assert!(!before.ended && !before.vod && growing.cache_control() == "max-age=1");
    assert_eq!(msns(&before), [2, 3, 4, 5]);

    for n in 325..380 {
        world.ms = n * 40;
        let rap = if n % 50 == 0 { Rap::Closed } else { Rap::None };
        publisher.push(picture(n * 3600, 0, rap), world.now()).unwrap();
    }
    let whole = list(&ask(&world, Some(5_000), Some(end)).unwrap());
    assert!(whole.ended && whole.vod);
    assert_eq!(msns(&whole), [2, 3, 4, 5, 6]);
    assert_eq!(whole.segments[..4], before.segments[..]);
}

#[test]
fn start_alone_grows_into_live_and_begins_playback_there() {
    let mut world = World::new();
    let publisher = world.publish_open(&plain(13_000), |_| {});
    let growing = list(&ask(&world, Some(5_250), None).unwrap());
    assert_eq!((msns(&growing), growing.ended, growing.start), (vec![2, 3, 4, 5], false, Some(1.25)));
    assert_eq!(growing.start, Some(1.25));
    // Closer to the edge than the newest complete segment: that one stands in, so that the list is not empty.
    let close = list(&ask(&world, Some(12_500), None).unwrap());
    assert_eq!((msns(&close), close.start), (vec![5], Some(2.0)));
    assert!(matches!(ask(&world, Some(14_000), None), Err(HlsError::NotYet { retry_after_s: 2 })));
    let old = ask(&world, Some(-60_000), None).unwrap();
    assert_eq!(old.missing().before_tape, Some(at(-60_000)..at(0)));
    assert_eq!(list(&old).start, Some(0.0));
    drop(publisher);
    assert!(!list(&ask(&world, Some(5_250), None).unwrap()).ended, "the publisher may return");
}

#[test]
fn a_delayed_playlist_begins_and_grows_late() {
    let mut world = World::new();
    let mut publisher = world.publish_open(&Run { audio_hz: 0, ..plain(43_000) }, |_| {});
    let edge = world.stream().edge().unwrap().2;
    let query = MediaQuery::parse("delay=30s&x=1").unwrap();
    let to = query.resolve(Ext::M3u8, edge).unwrap().redirect.unwrap();
    assert_eq!(to, format!("start={}&delay=30s&x=1", format_wall(WallTime::from_ms(edge.ms() - 30_000))));
    let again = MediaQuery::parse(&to).unwrap();
    let fetch = |world: &World| {
        let times = again.resolve(Ext::M3u8, world.stream().edge().unwrap().2).unwrap();
        assert_eq!(times.redirect, None);
        let request = MediaRequest::new(&again, &times, world.wall()).unwrap();
        list(&playlists().media(&world.stream(), &request).unwrap())
    };
    // Whether a player begins at EXT-X-START or the hold-back of 6 s before the end, it is 30 s late.
    let first = fetch(&world);
    assert_eq!((msns(&first), first.start, first.ended), (vec![6, 7, 8], Some(0.96), false));
    for n in 1075..1176 {
        world.ms = n * 40;
        let rap = if n % 50 == 0 { Rap::Closed } else { Rap::None };
        publisher.push(picture(n * 3600, 0, rap), world.now()).unwrap();
    }
    assert_eq!(msns(&fetch(&world)), [6, 7, 8, 9, 10]);
    // What was recorded before it ended is told to its end.
    drop(publisher);
    world.ms += 60_000;
    assert_eq!(msns(&fetch(&world)), (6..24).collect::<Vec<_>>());
    // With less on the tape than the delay, its first segment waits for the rest.
    let short = MediaQuery::parse("start=1&delay=1h").unwrap();
    let times = short.resolve(Ext::M3u8, edge).unwrap();
    let request = MediaRequest::new(&short, &times, world.wall()).unwrap();
    assert_eq!(msns(&list(&playlists().media(&world.stream(), &request).unwrap())), [0]);
}

#[test]
fn gaps_are_discontinuities_unless_refused() {
    let mut world = World::new();
    world.publish(&plain(10_000), |_| {});
    world.publish(&plain(10_000), |_| {});
    let both = list(&ask(&world, Some(7_000), Some(18_000)).unwrap());
    assert_eq!(msns(&both), [3, 4, 5, 6]);
    assert_eq!(both.segments.iter().map(|s| s.dsn).collect::<Vec<_>>(), [0, 0, 1, 1]);

    let refuse = |start: i64, end: i64| {
        let request = MediaRequest { gaps: GapPolicy::Fail, ..request(&world, Some(start), Some(end)) };
        playlists().media(&world.stream(), &request)
    };
    match refuse(7_000, 18_000) {
        Err(HlsError::Gaps { gaps, missing }) => {
            assert_eq!((gaps.len(), gaps[0].reason, missing.is_none()), (1, GapReason::Offline, true));
        }
        other => panic!("{other:?}"),
    }
    assert!(
        matches!(refuse(-1, 8_000), Err(HlsError::Gaps { missing, .. }) if missing.before_tape.is_some())
    );
    assert!(refuse(1_000, 8_000).is_ok());
    assert!(
        matches!(ask(&world, Some(11_000), Some(14_000)), Err(HlsError::Outside { .. })),
        "within the gap"
    );
}

#[test]
fn the_window_moves_and_delta_updates_move_with_it() {
    let mut world = World::new();
    let playlists = Playlists::new(HlsConfig { window_ns: 30_000_000_000, ..HlsConfig::default() });
    let mut last: Option<List> = None;
    let mut deltas = 0;
    let _publisher = world.publish_open(&plain(90_000), |world| {
        let live = request(world, None, None);
        let Ok(full) = playlists.media(&world.stream(), &live) else { return };
        let full = list(&full);
        let delta = playlists.media(&world.stream(), &MediaRequest { skip: Some(Skip::Segments), ..live });
        let delta = List::parse(std::str::from_utf8(&delta.unwrap().to_bytes()).unwrap());
        if let Some(last) = &last {
            deltas += u64::from(delta.skipped > 0);
            assert_eq!(delta.applied_to(last), full);
        }
        let listed_ms = full.segments.iter().map(|s| s.us).sum::<i64>() / 1000;
        assert!(world.ms < 34_000 || (28_000..=32_000).contains(&listed_ms), "{listed_ms}");
        last = Some(full);
    });
    let last = last.unwrap();
    assert!(last.msn > 20 && deltas > 20, "{} {deltas}", last.msn);
}

#[test]
fn a_change_of_the_tracks_is_a_discontinuity_with_a_new_map() {
    let mut world = World::new();
    let mut publisher = world.publisher();
    for n in 0..500 {
        world.ms = n * 40;
        if n % 200 == 0 {
            publisher.tracks(vec![video(if n == 200 { 320 } else { 640 })], world.now());
        }
        let rap = if n % 50 == 0 { Rap::Closed } else { Rap::None };
        publisher.push(picture(n * 3600, 0, rap), world.now()).unwrap();
    }
    drop(publisher);
    let list = list(&ask(&world, None, None).unwrap());
    assert_eq!(list.segments.iter().map(|s| s.dsn).collect::<Vec<_>>(), [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]);
    let map = |i: usize| list.segments[i].map.clone().unwrap();
    assert_eq!((map(0) == map(9), map(0) == map(5)), (true, false));
    assert!(list.segments.iter().all(|s| s.us == 2_000_000));
}

#[test]
fn a_restart_changes_no_line_that_players_have_seen() {
    let mut world = World::new();
    world.publish(&plain(25_000), |_| {});
    let before = ask(&world, None, None).unwrap();
    world.restart();
    let after = ask(&world, None, None).unwrap();
    assert_eq!(before.etag(), after.etag());
    assert_eq!(before.to_bytes(), after.to_bytes());
    world.publish(&plain(5_000), |_| {});
    let (before, after) = (list(&before), list(&ask(&world, None, None).unwrap()));
    assert_eq!(after.segments[..before.segments.len()], before.segments[..]);
    assert_eq!(msns(&after), (0..16).collect::<Vec<_>>());
    assert_eq!(after.segments[13].dsn, 1);
}

fn name_of(list: &List, i: usize) -> SegmentName {
    match Child::parse(&ChildName::parse(&list.segments[i].uri).unwrap()) {
        Some(Child::Segment(name)) => name,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_name_that_is_not_the_recorded_one_gives_nothing() {
    let mut world = World::new();
    world.publish(&plain(25_000), |_| {});
    let (stream, listed) = (world.stream(), list(&ask(&world, None, None).unwrap()));
    let name = name_of(&listed, 3);
    assert!(segment(&stream, &name).is_ok());
    let gone = |name: SegmentName| matches!(segment(&stream, &name), Err(HlsError::Gone));
    assert!(gone(SegmentName { hash: name.hash ^ 1, ..name }));
    assert!(gone(SegmentName { run: tape::RunId(9), ..name }));
    assert!(gone(SegmentName { last: tape::PartNo(10_000), ..name }));
    assert!(gone(SegmentName { first: tape::PartNo(10_000), last: tape::PartNo(10_001), ..name }));
    assert!(gone(SegmentName { first: name.last, last: name.first, ..name }));
    assert!(gone(SegmentName { last: name_of(&listed, 8).last, ..name }), "over an extent");
    assert!(matches!(init(&stream, &tape::InitId([7; 8])), Err(HlsError::Gone)));
}

#[test]
fn a_segment_is_the_same_bytes_from_memory_and_from_disk() {
    let mut world = World::new();
    let publisher = world.publish_open(&plain(25_000), |_| {});
    let listed = list(&ask(&world, None, None).unwrap());
    let bytes = |stream: &Stream| -> Vec<Vec<u8>> {
        (0..listed.segments.len()).map(|i| read(&segment(stream, &name_of(&listed, i)).unwrap())).collect()
    };
    let live = bytes(&world.stream());
    drop(publisher);
    world.restart();
    assert_eq!(bytes(&world.stream()), live);
}

fn master(world: &World, path: &str, query: &str, added: Option<&str>) -> String {
    let path = MediaPath::parse(path).unwrap();
    let query = MediaQuery::parse(query).unwrap();
    let times = query.resolve(Ext::M3u8, world.wall()).unwrap();
    let added = added.map(|g| Grant::parse(g).unwrap());
    let media = MediaRequest::new(&query, &times, world.wall()).unwrap();
    let request = MasterRequest { media, path: &path, query: &query, added: added.as_ref() };
    let playlist = playlists().master(&world.stream(), &request).unwrap();
    String::from_utf8(playlist.to_bytes().to_vec()).unwrap()
}

/// The attributes of the one variant, and its URI.
fn variant(text: &str) -> (&str, &str) {
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["#EXTM3U", "#EXT-X-VERSION:6"]);
    assert_eq!(lines.len(), 4);
    (lines[2].strip_prefix("#EXT-X-STREAM-INF:").unwrap(), lines[3])
}

#[test]
fn the_master_tells_what_is_on_the_tape() {
    let shown = |run: Run| {
        let mut world = World::new();
        world.publish(&run, |_| {});
        let text = master(&world, "/live/cam1.m3u8", "", None);
        let (attributes, uri) = variant(&text);
        assert_eq!(uri, "cam1/-/media.m3u8");
        let rates = attributes.split_once(",CODECS").unwrap();
        let number = |s: &str| s.split_once('=').unwrap().1.parse::<u64>().unwrap();
        let (peak, average) = rates.0.split_once(',').unwrap();
        assert!(number(peak) >= number(average) && number(average) > 0, "{attributes}");
        (number(average), format!("CODECS{}", rates.1))
    };
    let (both, text) = shown(plain(20_000));
    assert_eq!(text, "CODECS=\"avc1.42c01e,mp4a.40.2\",RESOLUTION=640x360,FRAME-RATE=25.000");
    let (pictures, text) = shown(Run { audio_hz: 0, tick: 3754, ..plain(20_000) });
    assert_eq!(text, "CODECS=\"avc1.42c01e\",RESOLUTION=640x360,FRAME-RATE=23.974");
    let (sound, text) = shown(Run { tick: 0, ..plain(20_000) });
    assert_eq!(text, "CODECS=\"mp4a.40.2\"");
    assert!(both > pictures && pictures > sound, "{both} {pictures} {sound}");
}

#[test]
fn the_master_hands_times_and_grants_on() {
    let mut world = World::new();
    world.publish(&plain(20_000), |_| {});
    let uri = |path: &str, query: &str, added: Option<&str>| {
        variant(&master(&world, path, query, added)).1.to_owned()
    };
    let (start, end) = (format_wall(at(1_000)), format_wall(at(5_000)));
    let query = format!("utm=1&start={start}&token=secret&end={end}&gaps=collapse&download=1&_HLS_skip=YES");
    let want = format!("cam1/-/media.m3u8?start={start}&end={end}&gaps=collapse");
    assert_eq!(uri("/live/cam1.m3u8", &query, None), want);
    assert_eq!(uri("/~g1/live/cam1.m3u8", &query, Some("g2")), want);
    assert_eq!(uri("/live/cam1.m3u8", &query, Some("g2")), format!("../~g2/live/{want}"));
    assert_eq!(uri("/assets/77.m3u8", "", None), "77/-/media.m3u8");
}

#[test]
fn what_is_not_offered_is_said() {
    let unsupported = |query: &str| {
        let query = MediaQuery::parse(query).unwrap();
        MediaRequest::new(&query, &query.resolve(Ext::M3u8, at(0)).unwrap(), at(0)).unwrap_err().to_string()
    };
    assert_eq!(unsupported("container=ts"), "container=ts is not available for HLS; leave it out");
    assert_eq!(unsupported("clock=capture"), "clock=capture is not available for HLS; leave it out");
    assert_eq!(unsupported("gaps=hold"), "gaps=hold is not available for HLS; leave it out");
}

#[test]
fn what_is_evicted_is_rendered_again_and_what_is_used_stays() {
    let mut world = World::new();
    world.publish(&plain(60_000), |_| {});
    let stream = world.stream();
    let live = request(&world, None, None);
    let roomy = playlists();
    let first = roomy.media(&stream, &live).unwrap();
    let cold = roomy.stats();
    assert!(cold.misses >= 6 && cold.hits == 0 && cold.bytes > 0);
    assert_eq!(roomy.media(&stream, &live).unwrap().etag(), first.etag());
    let warm = roomy.stats();
    assert_eq!((warm.misses, warm.hits, warm.dropped), (cold.misses, cold.misses, 0));

    let tight = Playlists::new(HlsConfig { cache_bytes: cold.bytes / 2, ..HlsConfig::default() });
    for _ in 0..5 {
        assert_eq!(tight.media(&stream, &live).unwrap().etag(), first.etag());
        assert!(tight.stats().bytes <= cold.bytes / 2);
    }
    assert!(tight.stats().dropped > 0);
    let none = Playlists::new(HlsConfig { cache_bytes: 0, ..HlsConfig::default() });
    assert_eq!(none.media(&stream, &live).unwrap().etag(), first.etag());
    assert_eq!(none.stats().bytes, 0);
}

#[test]
fn tracks_without_pictures_or_sound_are_whole_segments() {
    for run in [Run { tick: 0, ..plain(12_000) }, Run { audio_hz: 0, ..plain(12_000) }] {
        let mut world = World::new();
        world.publish(&run, |_| {});
        let list = list(&ask(&world, None, None).unwrap());
        let total: i64 = list.segments.iter().map(|s| s.us).sum();
        assert!((11_950_000..=12_000_000).contains(&total), "{total}");
        let id = if run.tick == 0 { TrackId::AUDIO } else { TrackId::VIDEO };
        let stream = world.stream();
        let Some(Child::Init(map)) =
            Child::parse(&ChildName::parse(list.segments[0].map.as_ref().unwrap()).unwrap())
        else {
            panic!()
        };
        assert_eq!(stream.tracks(&map).unwrap().iter().map(|t| t.id).collect::<Vec<_>>(), [id]);
    }
}
