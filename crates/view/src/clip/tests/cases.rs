//! One case each: what is late, early, missing, changed, too much or damaged.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use media::{MediaTime, Rap, TrackConfig, WallTime};
use sha2::{Digest, Sha256};

use super::made::{
    AUDIO, FRAME, Made, MadeRun, MadeTape, RATE, RUN_START_NS, VIDEO, audio_config, video_config,
};
use super::parsed::File;
use super::source::{Pictures, sound};
use crate::clip::layout::Slice;
use crate::clip::pass::Counted;
use crate::clip::take::ExtentTake;
use crate::clip::{
    Accuracy, BodyError, CLIP_NS_MAX, ClipBody, ClipGapReason, ClipOptions, ClipPlan, ClipSpan, ClipSpans,
    EXTENTS_MAX, GapPolicy, PlanError, Source, plan, plan_spans, spans,
};

pub(super) const WALL: i64 = 1_700_000_000_000_000_000;
pub(super) const SECOND: i64 = 1_000_000_000;

pub(super) fn run(samples: Vec<Made>) -> MadeRun {
    MadeRun {
        wall: WallTime(WALL),
        samples,
        part_ns: SECOND / 2,
        extent_ns: 2 * SECOND,
        tracks: vec![(0, vec![video_config(0), audio_config(2)])],
        live: None,
    }
}

pub(super) fn tape(runs: impl IntoIterator<Item = MadeRun>) -> Arc<MadeTape> {
    let mut tape = MadeTape::default();
    runs.into_iter().for_each(|run| tape.record(run));
    Arc::new(tape)
}

/// `seconds` of plain pictures and sound.
pub(super) fn plain(seconds: usize) -> Vec<Made> {
    [Pictures::plain(seconds * 25).samples(), sound(seconds * 48_000 / 1024, 0)].concat()
}

pub(super) fn range(from_ms: i64, to_ms: i64) -> Range<WallTime> {
    WallTime(WALL + from_ms * 1_000_000)..WallTime(WALL + to_ms * 1_000_000)
}

fn made(tape: &Arc<MadeTape>, range: Range<WallTime>) -> ClipPlan {
    plan(&**tape, range, ClipOptions::default()).unwrap()
}

fn file(tape: &Arc<MadeTape>, plan: ClipPlan) -> File {
    File::new(plan, tape.clone())
}

fn with(gaps: GapPolicy) -> ClipOptions {
    ClipOptions { gaps, ..ClipOptions::default() }
}

#[test]
fn a_plan_and_its_layout_are_pinned() {
    let samples = Pictures { frames: 60, gop: 10, bframes: 1, open: true, durations: vec![3600] }.samples();
    let tape = tape([run([samples, sound(120, 100)].concat())]);
    let plan = made(&tape, range(890, 2110));
    let (etag, dump) = (plan.etag().to_owned(), plan.dump());
    let bytes = file(&tape, plan).bytes;
    let digest: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    insta::assert_snapshot!(dump);
    // Equal tags promise equal bytes for ever: if the second line changes, FORMAT_VERSION must, and with it
    // the first.
    insta::assert_snapshot!(format!("{etag}\n{digest}"));
}

#[test]
fn sound_alone_is_cut_to_the_sample() {
    let mut run = run(sound(500, 0));
    run.tracks = vec![(0, vec![audio_config(2)])];
    let tape = tape([run]);
    let plan = made(&tape, range(1000, 2500));
    assert_eq!((plan.start, plan.end), (range(1000, 2500).start, range(1000, 2500).end));
    let file = file(&tape, plan);
    let track = file.track(AUDIO).unwrap();
    assert_eq!((track.empty, track.duration), (0, 135_000));
    // 48 000 samples in: frame 46 begins at 47 104, one frame of pre-roll is before it.
    assert_eq!(track.media_time, FRAME + 48_000 - 47_104);
    assert_eq!(track.samples.len(), 1 + (1 + (120_000 - 47_104) / 1024) as usize);
}

#[test]
fn sbr_is_primed_by_two_frames() {
    let mut run = run(sound(500, 0));
    run.tracks = vec![(0, vec![audio_config(5)])];
    let tape = tape([run]);
    let file = file(&tape, made(&tape, range(1000, 2500)));
    assert_eq!(file.track(AUDIO).unwrap().media_time, 2 * FRAME + 48_000 - 47_104);
    let roll = file.bytes.windows(4).position(|w| w == b"sgpd").unwrap();
    assert_eq!(&file.bytes[roll + 8..roll + 22], b"roll\0\0\0\x02\0\0\0\x01\xff\xfe");
}

#[test]
fn sound_that_begins_late_follows_an_empty_edit() {
    let tape = tape([run([Pictures::plain(100).samples(), sound(90, 24_000)].concat())]);
    let file = file(&tape, made(&tape, range(0, 2000)));
    let track = file.track(AUDIO).unwrap();
    assert_eq!((track.empty, track.media_time, track.duration), (45_000, 0, 135_000));
    assert_eq!(file.track(VIDEO).unwrap().duration, 180_000);
}

#[test]
fn pictures_that_begin_much_later_do_not_cost_the_sound_before_them() {
    let shift = |s: Made| Made { dts: s.dts + 3 * 90_000, ..s };
    let pictures = Pictures::plain(50).samples().into_iter().map(shift).collect();
    let tape = tape([run([pictures, sound(230, 0)].concat())]);
    let plan = made(&tape, range(500, 4500));
    assert_eq!((plan.start, plan.end), (range(500, 0).start, range(4520, 0).start));
    let file = file(&tape, plan);
    let track = file.track(VIDEO).unwrap();
    assert_eq!((track.empty, track.duration), (225_000, 136_800));
    assert_eq!(file.track(AUDIO).unwrap().duration, 361_800);
}

#[test]
fn sound_that_goes_on_much_longer_is_kept() {
    let tape = tape([run([Pictures::plain(50).samples(), sound(230, 0)].concat())]);
    let plan = made(&tape, range(520, 4500));
    assert_eq!(plan.end, range(0, 4500).end);
    let file = file(&tape, plan);
    assert_eq!(file.track(VIDEO).unwrap().duration, 133_200);
    assert_eq!(file.track(AUDIO).unwrap().duration, 358_200);
}

#[test]
fn a_tape_without_sound_has_one_track() {
    let mut run = run(Pictures::plain(100).samples());
    run.tracks = vec![(0, vec![video_config(0)])];
    let tape = tape([run]);
    let plan = made(&tape, range(1010, 3000));
    assert_eq!(plan.tracks.len(), 1);
    assert_eq!(file(&tape, plan).duration, 180_000 - 3600);
}

#[test]
fn adjacent_ranges_meet() {
    let tape = tape([run(plain(6))]);
    let [a, b] = [range(1013, 2345), range(2345, 4321)].map(|r| made(&tape, r));
    assert_eq!(a.end, b.start);
    assert_eq!(a.spans.spans[0].end, b.spans.spans[0].start);
}

#[test]
fn whole_gops_hide_nothing() {
    let pictures = Pictures { frames: 100, gop: 10, bframes: 2, open: true, durations: vec![3600] };
    let tape = tape([run([pictures.samples(), sound(180, 0)].concat())]);
    let options = ClipOptions { accuracy: Accuracy::Gop, ..ClipOptions::default() };
    for from in [100, 890, 1210, 1450] {
        let want = range(from, from + 700);
        let plan = plan(&*tape, want.clone(), options).unwrap();
        // Less than a frame later, where a GOP begins with the first frame of the range.
        assert!(plan.start < want.start.plus_ns(40_000_000) && plan.end >= want.end, "{}", plan.dump());
        let again = plan_spans(&*tape, &plan.spans, options).unwrap();
        assert_eq!(again.etag(), plan.etag());
        let file = file(&tape, plan);
        let track = file.track(VIDEO).unwrap();
        let end = track.media_time + track.duration as i64;
        assert!(track.samples.iter().all(|s| (track.media_time..end).contains(&s.pts)));
    }
}

/// A run whose extents change their tracks.
fn changing(tracks: Vec<(usize, Vec<TrackConfig>)>) -> Arc<MadeTape> {
    let mut run = run(plain(8));
    run.tracks = tracks;
    tape([run])
}

#[test]
fn several_h264_configurations_travel_with_their_key_frames() {
    let both = |variant| vec![video_config(variant), audio_config(2)];
    let tape = changing(vec![(0, both(1)), (2, both(2)), (3, both(1))]);
    let plan = made(&tape, range(500, 7900));
    let told: Vec<_> = plan.epochs.iter().map(|epoch| (epoch.start, epoch.tracks.clone())).collect();
    let at = |ms, variant| (range(ms, 0).start, both(variant));
    assert_eq!(told, [at(500 + 20, 1), at(4000, 2), at(6000, 1)]);
    let file = file(&tape, plan);
    let track = file.track(VIDEO).unwrap();
    assert_eq!(&track.entry, b"avc3");
    let sets = |variant| [0, 0, 0, 5, 0x67, 0x4d, 0, 0x1f, variant, 0, 0, 0, 3, 0x68, 0xee, variant];
    let mut keys = 0;
    for s in &track.samples {
        let data = file.data(s);
        if data[0] == b'v' {
            continue;
        }
        let dts = super::made::identify(&data[16..]).2;
        let extent = (dts * SECOND / 90_000 - RUN_START_NS) / (2 * SECOND);
        assert_eq!(data[..16], sets(if extent == 2 { 2 } else { 1 }), "extent {extent}");
        keys += 1;
    }
    assert_eq!(keys, 8);
}

#[test]
fn one_configuration_needs_no_sets_in_band() {
    let tape = tape([run(plain(4))]);
    assert_eq!(&file(&tape, made(&tape, range(500, 3000))).track(VIDEO).unwrap().entry, b"avc1");
}

#[test]
fn a_change_of_the_sound_is_a_conflict_only_where_it_is_inside() {
    let both = |object| vec![video_config(0), audio_config(object)];
    let tape = changing(vec![(0, both(2)), (2, both(5))]);
    match plan(&*tape, range(500, 7900), ClipOptions::default()) {
        Err(PlanError::EpochConflict { at, .. }) => assert_eq!(at, range(4000, 0).start),
        other => panic!("{other:?}"),
    }
    assert_eq!(made(&tape, range(500, 3500)).tracks.len(), 2);
    assert_eq!(made(&tape, range(4500, 7500)).tracks.len(), 2);
}

#[test]
fn a_track_that_appears_later_is_no_conflict() {
    let video = vec![video_config(0)];
    let tape = changing(vec![(0, video), (1, vec![video_config(0), audio_config(2)])]);
    let file = file(&tape, made(&tape, range(500, 7000)));
    let sound = file.track(AUDIO).unwrap();
    assert!((130_000..140_000).contains(&sound.empty), "{}", sound.empty);
}

fn two_runs() -> Arc<MadeTape> {
    let second = MadeRun { wall: WallTime(WALL + 10 * SECOND), ..run(plain(4)) };
    tape([run(plain(4)), second])
}

#[test]
fn gaps_are_told_with_their_reasons() {
    let tape = two_runs();
    let plan = made(&tape, range(-1000, 20_000));
    let told: Vec<_> = plan.gaps.iter().map(|g| (g.start, g.end, g.reason.to_string())).collect();
    let ms = |ms| range(ms, 0).start;
    assert_eq!(told[0], (ms(-1000), ms(0), "before_tape".to_owned()));
    assert_eq!((told[1].1, told[1].2.as_str()), (ms(10_000), "source_stalled"));
    assert_eq!((told[2].1, told[2].2.as_str()), (ms(20_000), "after_tape"));
    assert_eq!(told.len(), 3);
    assert_eq!(plan.spans.spans.len(), 2);
    assert!(plan.duration_ns <= 8 * SECOND);
    match super::super::plan(&*tape, range(1000, 12_000), with(GapPolicy::Fail)) {
        Err(PlanError::Gaps { gaps }) => {
            assert!(matches!(gaps[..], [g] if matches!(g.reason, ClipGapReason::Tape(_))))
        }
        other => panic!("{other:?}"),
    }
    assert!(super::super::plan(&*tape, range(1000, 3000), with(GapPolicy::Fail)).unwrap().gaps.is_empty());
}

#[test]
fn a_held_range_lasts_as_long_as_it_was_asked_for() {
    let tape = two_runs();
    let held = |range| plan(&*tape, range, with(GapPolicy::Hold)).unwrap();
    let plan = held(range(-1000, 20_000));
    assert_eq!((plan.start, plan.end), (range(-1000, 0).start, range(20_000, 0).start));
    assert_eq!((plan.duration_ns, plan.gaps.len()), (21 * SECOND, 3));
    let stored = spans(&*tape, range(-1000, 20_000), GapPolicy::Hold).unwrap();
    assert_eq!((stored.start, stored.end), (plan.spans.start, plan.spans.end));
    let again = plan_spans(&*tape, &stored, with(GapPolicy::Hold)).unwrap();
    assert_eq!((again.etag(), &again.gaps), (plan.etag(), &plan.gaps));
    let read = file(&tape, plan);
    for kind in [VIDEO, AUDIO] {
        let track = read.track(kind).unwrap();
        assert_eq!((track.empty, track.duration), (90_000, 20 * 90_000), "{kind:?}");
    }
    // Nothing to hold: the same file but for its tag, which tells what was asked.
    let whole = [GapPolicy::Hold, GapPolicy::Collapse]
        .map(|g| super::super::plan(&*tape, range(1000, 3000), with(g)).unwrap());
    assert_ne!(whole[0].etag(), whole[1].etag());
    let [a, b] = whole.map(|plan| file(&tape, plan).bytes);
    assert!(a == b);
}

#[test]
fn what_cannot_be_held_is_said() {
    let late = MadeRun { wall: WallTime(WALL + 7 * 3600 * SECOND), ..run(plain(4)) };
    let far = tape([run(plain(4)), late]);
    match plan(&*far, range(0, 7 * 3_600_000 + 3000), with(GapPolicy::Hold)) {
        Err(PlanError::GapTooLong { seconds: 25_196, limit_s: 21_600 }) => {}
        other => panic!("{other:?}"),
    }
    let mut sbr = audio_config(5);
    if let media::CodecConfig::Aac { asc, .. } = &mut sbr.codec {
        *asc = bytes::Bytes::from_static(&[0x2b, 0x09, 0x88, 0x00]);
    }
    let sbr = |wall| MadeRun {
        tracks: vec![(0, vec![video_config(0), sbr.clone()])],
        wall: WallTime(wall),
        ..run(plain(4))
    };
    let tape = tape([sbr(WALL), sbr(WALL + 10 * SECOND)]);
    let held = |range| plan(&*tape, range, with(GapPolicy::Hold));
    assert!(matches!(held(range(0, 12_000)), Err(PlanError::NotBuilt(what)) if what.contains("AAC-LC")));
    assert!(held(range(0, 3000)).is_ok(), "nothing to be silent in");
}

#[test]
fn a_range_that_ends_in_a_gap_ends_with_the_run() {
    let plan = made(&two_runs(), range(1000, 8000));
    assert_eq!((plan.spans.spans.len(), plan.gaps.len()), (1, 1));
    assert_eq!(plan.gaps[0].end, range(8000, 0).start);
}

#[test]
fn ranges_with_nothing_in_them_say_what_there_is() {
    let tape = two_runs();
    for nothing in [range(-5000, -1000), range(5000, 9000), range(60_000, 70_000)] {
        match plan(&*tape, nothing, ClipOptions::default()) {
            Err(PlanError::Outside { tape: Some(window) }) => assert_eq!(window.start, range(0, 0).start),
            other => panic!("{other:?}"),
        }
    }
    let backwards = range(3000, 3000);
    assert!(matches!(plan(&*tape, backwards, ClipOptions::default()), Err(PlanError::EmptyRange)));
}

#[test]
fn half_a_day_is_the_limit() {
    let frame = |n| Made { kind: AUDIO, dts: n * i64::from(RATE) * 60, cts: 0, rap: Rap::Closed, size: 10 };
    let mut long = run((0..13 * 60).map(frame).collect());
    long.tracks = vec![(0, vec![audio_config(2)])];
    (long.part_ns, long.extent_ns) = (60 * SECOND, 3600 * SECOND);
    let tape = tape([long]);
    let end = CLIP_NS_MAX / 1_000_000;
    match plan(&*tape, range(0, end + 1000), ClipOptions::default()) {
        Err(PlanError::TooLong { seconds, limit_s: 43_200 }) => assert_eq!(seconds, 43_201),
        other => panic!("{other:?}"),
    }
    assert!(plan(&*tape, range(0, end), ClipOptions::default()).is_ok());
}

/// A live run of `seconds`, of which `closed_ms` can be read.
fn live(seconds: usize, closed_ms: i64) -> Arc<MadeTape> {
    let closed = Some(MediaTime(RUN_START_NS + closed_ms * 1_000_000));
    tape([MadeRun { live: closed, ..run(plain(seconds)) }])
}

#[test]
fn what_can_still_change_is_not_planned_yet() {
    // Frames come every 40 ms: the first at or after 3.99 s is at 4 s.
    for (closed, to) in [(4000, 4500), (4000, 3990), (3990, 3990)] {
        match plan(&*live(6, closed), range(1000, to), ClipOptions::default()) {
            Err(PlanError::NotYet { available }) => assert_eq!(available, range(closed, 0).start),
            other => panic!("{closed} {to}: {other:?}"),
        }
    }
    let early = made(&live(6, 4001), range(1000, 3990));
    let late = made(&tape([run(plain(6))]), range(1000, 3990));
    assert_eq!(early.end, range(4000, 0).start);
    assert_eq!((early.etag(), early.bytes()), (late.etag(), late.bytes()), "the same for ever");
}

#[test]
fn a_stalled_picture_does_not_hold_the_end_back_for_ever() {
    let tape = tape([MadeRun {
        live: Some(MediaTime(RUN_START_NS + 5 * SECOND)),
        ..run([Pictures::plain(50).samples(), sound(240, 0)].concat())
    }]);
    let plan = made(&tape, range(1000, 3990));
    assert_eq!(plan.end, range(3990, 0).start);
}

#[test]
fn an_open_end_is_the_newest_boundary_that_is_fixed() {
    let whole = ClipSpan { run: tape::RunId(0), start: MediaTime::MIN, end: MediaTime::MAX };
    let whole = ClipSpans { spans: vec![whole], ..ClipSpans::default() };
    let plan = plan_spans(&*live(6, 4030), &whole, ClipOptions::default()).unwrap();
    assert_eq!((plan.start, plan.end), (range(0, 0).start, range(4000, 0).start));
    assert!(plan.gaps.is_empty());
    let over = plan_spans(&*tape([run(plain(6))]), &whole, ClipOptions::default()).unwrap();
    assert_eq!((over.end, over.gaps.len()), (range(6000, 0).start, 0));
}

#[test]
fn spans_of_a_range_reach_the_edge_and_plan_to_the_same_clip() {
    let tape = live(6, 4001);
    let unsnapped = spans(&*tape, range(1010, 9000), GapPolicy::Collapse).unwrap();
    assert_eq!(unsnapped.spans[0].end, MediaTime(RUN_START_NS + 4001 * 1_000_000));
    assert!(matches!(plan_spans(&*tape, &unsnapped, ClipOptions::default()), Err(PlanError::NotYet { .. })));
    let unsnapped = spans(&*tape, range(1010, 3210), GapPolicy::Collapse).unwrap();
    let from_spans = plan_spans(&*tape, &unsnapped, ClipOptions::default()).unwrap();
    assert_eq!(from_spans.etag(), made(&tape, range(1010, 3210)).etag());
    assert!(matches!(
        spans(&*tape, range(-9000, -8000), GapPolicy::Collapse),
        Err(PlanError::Outside { .. })
    ));
}

#[test]
fn clips_that_differ_have_different_tags() {
    let tape = tape([run(plain(6))]);
    let gop = ClipOptions { accuracy: Accuracy::Gop, ..ClipOptions::default() };
    let tags = [
        made(&tape, range(1000, 2000)),
        made(&tape, range(1040, 2000)),
        made(&tape, range(1000, 2040)),
        plan(&*tape, range(1000, 2000), gop).unwrap(),
        plan(&*tape, range(1000, 2000), with(GapPolicy::Fail)).unwrap(),
    ]
    .map(|p| p.etag().to_owned());
    let distinct: std::collections::BTreeSet<_> = tags.iter().collect();
    assert_eq!(distinct.len(), tags.len());
    assert_eq!(made(&tape, range(990, 1990)).etag(), tags[0], "snapped to the same frames");
}

#[test]
fn endless_preroll_is_refused() {
    let pictures = Pictures { frames: 70_000, gop: 1_000_000, bframes: 0, open: false, durations: vec![90] };
    let mut run = run(pictures.samples());
    run.tracks = vec![(0, vec![video_config(0)])];
    let tape = tape([run]);
    assert!(matches!(
        plan(&*tape, range(69_000, 69_500), ClipOptions::default()),
        Err(PlanError::NoKeyFrame { .. })
    ));
}

#[test]
fn a_damaged_index_is_an_error() {
    let mut rigged = MadeTape::default();
    rigged.record(run(plain(6)));
    rigged.rig(1, |index| index.tracks[0].samples.swap(3, 4));
    let damaged = plan(&rigged, range(1000, 5000), ClipOptions::default());
    assert!(matches!(damaged, Err(PlanError::Damaged("decode times do not rise"))), "{damaged:?}");
    rigged.rig(1, |index| index.tracks[0].samples[0].dts = i64::MIN);
    let damaged = plan(&rigged, range(1000, 5000), ClipOptions::default());
    assert!(matches!(damaged, Err(PlanError::Damaged("a decode time is absurd"))), "{damaged:?}");
}

#[test]
fn a_tape_that_changed_ends_the_body() {
    let plan = Arc::new(made(&tape([run(plain(6))]), range(1000, 5000)));
    for (rig, what) in [(0u32, "a sample of another size"), (1, "a sample less")] {
        let mut changed = MadeTape::default();
        changed.record(run(plain(6)));
        changed.rig(1, |index| match rig {
            0 => index.tracks[0].samples[7].size += 1,
            _ => index.tracks[0].samples.truncate(40),
        });
        let source: Arc<dyn Source> = Arc::new(changed);
        let mut pieces = ClipBody::new(plan.clone(), source).pieces(0..u64::MAX);
        let error = pieces.find_map(Result::err);
        assert!(matches!(error, Some(BodyError::Changed(_))), "{what}: {error:?}");
        assert!(pieces.next().is_none());
    }
}

#[test]
fn an_index_is_read_once_to_plan_and_once_per_table_to_serve() {
    let tape = tape([MadeRun { extent_ns: SECOND, ..run(plain(120)) }]);
    let plan = made(&tape, range(500, 119_500));
    let extents = plan.extents().count();
    let to_plan = tape.loads.swap(0, Ordering::Relaxed);
    // Both ends of the range are looked for beside the one pass: 20 s of reordering each.
    assert!((120..=120 + 2 * 40 + 20).contains(&to_plan), "{to_plan} loads for {extents} extents");
    file(&tape, plan);
    let to_serve = tape.loads.load(Ordering::Relaxed);
    // Six tables of the picture, four of the sound, the media.
    assert!(to_serve <= 11 * extents, "{to_serve} loads for {extents} extents");
}

#[test]
fn a_plan_at_its_limits_is_small() {
    // Six tables of the picture, four of the sound, the media.
    let per_extent = size_of::<ExtentTake>() + 11 * size_of::<Slice>();
    assert!(per_extent * EXTENTS_MAX < 6 << 20, "{per_extent} bytes per extent");
    let counted = size_of::<Counted>() + size_of::<tape::ExtentInfo>();
    assert!((per_extent + counted) * EXTENTS_MAX < 8 << 20, "{counted} bytes per extent while planning");
}

#[test]
fn spans_and_gaps_are_stored_as_plain_json() {
    let spans = ClipSpans {
        spans: vec![ClipSpan { run: tape::RunId(3), start: MediaTime(-5), end: MediaTime::MAX }],
        ..ClipSpans::default()
    };
    let json = serde_json::to_string(&spans).unwrap();
    assert_eq!(json, r#"{"spans":[{"run":3,"start":-5,"end":9223372036854775807}]}"#);
    assert_eq!(serde_json::from_str::<ClipSpans>(&json).unwrap(), spans);
    for (reason, word) in [
        (ClipGapReason::BeforeTape, "\"before_tape\""),
        (ClipGapReason::Tape(tape::GapReason::DiskFull), "\"disk_full\""),
    ] {
        assert_eq!(serde_json::to_string(&reason).unwrap(), word);
        assert_eq!(serde_json::from_str::<ClipGapReason>(word).unwrap(), reason);
    }
}
