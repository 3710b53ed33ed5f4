//! Any range of any source: exactly the wanted frames are shown, at exactly the right times, and sound goes
//! with them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use media::{Rap, Timescale, WallTime};
use proptest::prelude::*;

use super::made::{
    AUDIO, FRAME, Made, MadeRun, MadeTape, RATE, VIDEO, audio_config, bytes_of, identify, scale, video_config,
};
use super::parsed::{File, Track, bytes};
use super::source::{Pictures, sound};
use crate::clip::{ClipBody, ClipOptions, ClipPlan, GapPolicy, PlanError, Source, plan, plan_spans};

/// A frame: its run and its pts.
type Frame = (u64, i64);

/// What must be shown of a range, found frame by frame.
fn wanted(tape: &MadeTape, range: &Range<WallTime>) -> Vec<Frame> {
    let mut out: Vec<Frame> = Vec::new();
    for (info, source) in tape.runs.iter().zip(&tape.sources) {
        let video = || source.samples.iter().filter(|s| s.kind == VIDEO);
        let mut pts: Vec<i64> = video().map(Made::pts).collect();
        pts.sort_unstable();
        let wall = |pts| info.clock.wall(Timescale::VIDEO.media(pts));
        let in_range: Vec<i64> = pts.into_iter().filter(|p| range.contains(&wall(*p))).collect();
        let raps: Vec<i64> = video().filter(|s| s.rap != Rap::None).map(Made::pts).collect();
        let from = match in_range.first() {
            Some(first) if out.is_empty() => raps.iter().rev().find(|r| *r <= first).or(raps.first()),
            Some(first) => raps.iter().find(|r| *r >= first),
            None => None,
        };
        out.extend(
            in_range.into_iter().filter(|p| from.is_some_and(|from| p >= from)).map(|p| (info.id.0, p)),
        );
    }
    out
}

/// Frames shown by a file, in order, with their clip times.
fn shown(tape: &MadeTape, file: &File, track: &Track) -> Vec<(Frame, i64)> {
    let pts: BTreeMap<(u64, i64), i64> = tape
        .runs
        .iter()
        .zip(&tape.sources)
        .flat_map(|(r, s)| s.samples.iter().filter(|s| s.kind == VIDEO).map(|s| ((r.id.0, s.dts), s.pts())))
        .collect();
    let end = track.media_time + i64::try_from(track.duration).unwrap();
    let mut out = Vec::new();
    for s in track.samples.iter().filter(|s| (track.media_time..end).contains(&s.pts)) {
        let (run, kind, dts) = identify(file.data(s));
        assert_eq!(kind, VIDEO);
        out.push(((run, pts[&(run, dts)]), s.pts - track.media_time + i64::try_from(track.empty).unwrap()));
    }
    out.sort_by_key(|(_, at)| *at);
    out
}

/// Clip time, in 90 kHz ticks, at which each run's stretch begins, and what it begins with there.
fn origins(plan: &ClipPlan) -> BTreeMap<u64, (i64, i64)> {
    let tick = |media| Timescale::VIDEO.ticks_ceil(media);
    let mut at = 0;
    let origin = |span: &crate::clip::ClipSpan| {
        let origin = (at, tick(span.start));
        at += tick(span.end) - tick(span.start);
        (span.run.0, origin)
    };
    plan.spans.spans.iter().map(origin).collect()
}

fn assert_track_is_sound(track: &Track) {
    for pair in track.samples.windows(2) {
        assert!(pair[0].dts < pair[1].dts, "decode times rise");
    }
    assert!(track.samples.iter().all(|s| s.pts >= s.dts && s.duration > 0));
    assert!(track.samples[0].sync);
    let shown = Timescale::VIDEO.rescale(i64::try_from(track.duration).unwrap(), scale(track.kind));
    assert!(i64::try_from(track.media_duration).unwrap() >= shown - 1, "decode times span what is shown");
}

fn assert_pictures(tape: &MadeTape, plan: &ClipPlan, file: &File, want: &[Frame]) {
    let track = file.track(VIDEO).unwrap();
    assert_track_is_sound(track);
    let shown = shown(tape, file, track);
    let frames: Vec<Frame> = shown.iter().map(|(frame, _)| *frame).collect();
    assert_eq!(frames, want, "{}", plan.dump());
    let origins = origins(plan);
    for ((run, pts), at) in shown {
        let (begins, first) = origins[&run];
        assert_eq!(at, begins + pts - first, "frame {pts} of run {run}\n{}", plan.dump());
    }
    // Hidden frames before the edit keep their order, for decoders that sort by time.
    let hidden = track.samples.iter().filter(|s| s.pts < track.media_time);
    let pts = |(run, _, dts): (u64, _, i64)| {
        let samples = &tape.sources[usize::try_from(run).unwrap()].samples;
        samples.iter().find(|s| s.kind == VIDEO && s.dts == dts).unwrap().pts()
    };
    let mut hidden: Vec<_> = hidden.map(|s| (s.pts, pts(identify(file.data(s))))).collect();
    hidden.sort_unstable();
    assert!(hidden.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 < w[1].1), "{}", plan.dump());
}

fn assert_sound(tape: &MadeTape, plan: &ClipPlan, file: &File) {
    let Some(track) = file.track(AUDIO) else { return };
    assert_track_is_sound(track);
    let to_audio = |ticks| Timescale::VIDEO.rescale(ticks, scale(AUDIO));
    let empty = to_audio(i64::try_from(track.empty).unwrap());
    let origins = origins(plan);
    let mut heard: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    for s in &track.samples {
        let (run, kind, dts) = identify(file.data(s));
        assert_eq!(kind, AUDIO);
        let (begins, first) = origins[&run];
        let at = s.pts - track.media_time + empty;
        let want = to_audio(begins) + dts - to_audio(first);
        assert!((at - want).abs() <= 1, "sound {dts} of run {run} at {at}, not {want}\n{}", plan.dump());
        heard.entry(run).or_default().push(dts);
    }
    let last = plan.spans.spans.len() - 1;
    for (number, span) in plan.spans.spans.iter().enumerate() {
        let tick = |media| to_audio(Timescale::VIDEO.ticks_ceil(media));
        let (from, to) = (tick(span.start), tick(span.end));
        // At a joint, the nearest frame; at the clip's edges, every frame that sounds.
        let (before, after) =
            (if number == 0 { FRAME } else { FRAME / 2 }, if number == last { 0 } else { FRAME / 2 });
        let source = &tape.sources[usize::try_from(span.run.0).unwrap()].samples;
        let must = source.iter().filter(|s| s.kind == AUDIO && s.dts > from - before && s.dts < to - after);
        let got = heard.remove(&span.run.0).unwrap_or_default();
        assert!(
            must.clone().all(|s| got.contains(&s.dts)),
            "sound of run {} is whole\n{}",
            span.run,
            plan.dump()
        );
        let early = got.iter().filter(|dts| **dts <= from - before).count();
        assert!(early <= usize::from(number == 0), "one frame of pre-roll\n{}", plan.dump());
        assert!(got.iter().all(|dts| *dts < to), "{}", plan.dump());
    }
}

/// With gaps held, everything is shown and heard where the wall clock was.
fn check_held(tape: MadeTape, range: Range<WallTime>) {
    let tape = Arc::new(tape);
    let source: Arc<dyn Source> = tape.clone();
    let want = wanted(&tape, &range);
    let options = ClipOptions { gaps: GapPolicy::Hold, ..ClipOptions::default() };
    let made = match plan(&*source, range.clone(), options) {
        Ok(made) => made,
        Err(PlanError::Outside { .. }) if want.is_empty() => return,
        Err(error) => panic!("{error:?} for {want:?}"),
    };
    let again =
        plan_spans(&*source, &made.spans, made.options).unwrap_or_else(|e| panic!("{e:?} {}", made.dump()));
    assert_eq!((again.etag(), again.gaps.len()), (made.etag(), made.gaps.len()), "{}", made.dump());
    assert!(made.end.since_ns(made.start).abs_diff(made.duration_ns) <= 2 * TICK_NS, "{}", made.dump());
    let file = File::new(again, source);
    let duration = Timescale::VIDEO.media(i64::try_from(file.duration).unwrap()).0;
    assert!(duration.abs_diff(made.duration_ns) <= 2 * TICK_NS, "{duration} ns\n{}", made.dump());
    if let Some(track) = file.track(VIDEO) {
        assert_track_is_sound(track);
        let shown = shown(&tape, &file, track);
        assert_eq!(shown.iter().map(|(frame, _)| *frame).collect::<Vec<_>>(), want, "{}", made.dump());
        for ((run, pts), at) in shown {
            let clock = &tape.runs[usize::try_from(run).unwrap()].clock;
            let wall = clock.wall(Timescale::VIDEO.media(pts)).since_ns(made.start);
            let off = Timescale::VIDEO.media(at).0 - wall;
            assert!(off.unsigned_abs() <= 2 * TICK_NS, "{off} ns off at {at}\n{}", made.dump());
        }
        assert!(
            track.empty + track.duration + 1 >= file.duration || made.spans.end.is_none(),
            "held to the end"
        );
    }
    if let Some(track) = file.track(AUDIO) {
        assert_held_sound(&tape, &made, &file, track);
    }
}

/// Two roundings of a tick of 90 kHz.
const TICK_NS: u64 = 11_112;

/// Silence stands wherever no sound was recorded, and sound is where it was, to the sample.
fn assert_held_sound(tape: &MadeTape, plan: &ClipPlan, file: &File, track: &Track) {
    assert_track_is_sound(track);
    let scale = scale(AUDIO);
    let empty = Timescale::VIDEO.rescale(i64::try_from(track.empty).unwrap(), scale);
    let silent = media::codec::aac::silent_access_unit(&[0x11, 0x88]).unwrap();
    let (mut counted, mut first) = (0, None);
    for s in &track.samples {
        let at = s.pts - track.media_time + empty;
        let off = at - *first.get_or_insert(at) - counted;
        assert!(off.abs() <= FRAME + 64, "{off} samples off by counting, at {at}\n{}", plan.dump());
        counted += FRAME;
        if file.data(s) == silent {
            continue;
        }
        let (run, _, dts) = identify(file.data(s));
        let clock = &tape.runs[usize::try_from(run).unwrap()].clock;
        let wall = clock.wall(scale.media(dts)).since_ns(plan.start);
        let off = scale.media(at).0 - wall;
        // A sample, and two roundings of pictures' ticks.
        assert!(off.abs() <= 20_834 + 23_000, "sound {dts} of run {run} is {off} ns off\n{}", plan.dump());
    }
}

/// Plans a range, reads the file and compares everything.
fn check(tape: MadeTape, range: Range<WallTime>, cuts: &[Range<u64>]) {
    let tape = Arc::new(tape);
    let source: Arc<dyn Source> = tape.clone();
    let want = wanted(&tape, &range);
    let made = match plan(&*source, range.clone(), ClipOptions::default()) {
        Ok(made) => made,
        Err(PlanError::Outside { .. }) if want.is_empty() => return,
        Err(error) => panic!("{error:?} for {want:?}"),
    };
    let again =
        plan_spans(&*source, &made.spans, made.options).unwrap_or_else(|e| panic!("{e:?} {}", made.dump()));
    assert_eq!((again.etag(), &again.spans), (made.etag(), &made.spans), "{}\n{}", made.dump(), again.dump());
    if want.is_empty() {
        assert_eq!(made.tracks.len(), 1, "sound alone\n{}", made.dump());
        return;
    }
    let file = File::new(again, source.clone());
    assert_pictures(&tape, &made, &file, &want);
    assert_sound(&tape, &made, &file);
    assert_eq!(made.bytes(), file.bytes.len() as u64);
    let body = ClipBody::new(Arc::new(made), source);
    for cut in cuts {
        let len = file.bytes.len() as u64;
        let (a, b) = (cut.start % (len + 1), cut.end % (len + 1));
        let (a, b) = (a.min(b), a.max(b));
        let at = |offset: u64| usize::try_from(offset).unwrap();
        assert!(bytes(&body, a..b) == file.bytes[at(a)..at(b)], "bytes {a}..{b}");
    }
}

fn pictures() -> impl Strategy<Value = Pictures> {
    let durations = prop_oneof![
        Just(vec![3600]),
        Just(vec![3003]),
        Just(vec![3780, 3690, 3780]),
        prop::collection::vec(900i64..20_000, 1..6)
    ];
    (1usize..120, 1usize..40, 0usize..4, any::<bool>(), durations).prop_map(
        |(frames, gop, bframes, open, durations)| Pictures { frames, gop, bframes, open, durations },
    )
}

/// A run: pictures, sound (frames, offset), nanoseconds of parts and of extents.
type Run = (Pictures, (usize, i64), i64, i64);

fn run() -> impl Strategy<Value = Run> {
    let sounds = (0usize..250, -3000i64..60_000);
    (pictures(), sounds, 100_000_000i64..900_000_000, 700_000_000i64..4_000_000_000)
}

/// Runs one after the other, so far apart.
fn recorded(runs: Vec<Run>, gap_ns: i64) -> MadeTape {
    let mut tape = MadeTape::default();
    let mut wall = 1_700_000_000_000_000_000;
    for (pictures, (frames, offset), part_ns, extent_ns) in runs {
        let samples = [pictures.samples(), sound(frames, offset)].concat();
        let tracks = vec![(0, vec![video_config(0), audio_config(2)])];
        tape.record(MadeRun { wall: WallTime(wall), samples, part_ns, extent_ns, tracks, live: None });
        wall = tape.runs.last().unwrap().wall_end().0 + gap_ns;
    }
    tape
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_range_of_every_source_is_exact(
        runs in prop::collection::vec(run(), 1..4),
        start in -2_000_000_000i64..20_000_000_000,
        length in 1i64..15_000_000_000,
        cuts in prop::collection::vec((any::<u64>(), any::<u64>()), 8),
    ) {
        let tape = recorded(runs, 1_234_567_891);
        let start = WallTime(1_700_000_000_000_000_000 + start);
        let cuts: Vec<_> = cuts.into_iter().map(|(a, b)| a..b).collect();
        check(tape, start..start.plus_ns(length), &cuts);
    }

    #[test]
    fn every_held_gap_keeps_the_wall_clock(
        runs in prop::collection::vec(run(), 1..4),
        gap in 1_500_000_000i64..9_000_000_000,
        start in -2_000_000_000i64..20_000_000_000,
        length in 1i64..25_000_000_000,
    ) {
        let start = WallTime(1_700_000_000_000_000_000 + start);
        check_held(recorded(runs, gap), start..start.plus_ns(length));
    }
}

/// A change of an index: which sample or part, which field, to what.
fn damage() -> impl Strategy<Value = (usize, usize, u8, i64)> {
    let values =
        prop_oneof![any::<i64>(), -5i64..5, Just(i64::MAX), Just(i64::MIN), Just(i64::from(u32::MAX))];
    (any::<usize>(), any::<usize>(), 0u8..9, values)
}

fn damaged(index: &mut tape::ExtentIndex, (track, at, field, value): (usize, usize, u8, i64)) {
    let tracks = index.tracks.len();
    let track = &mut index.tracks[track % tracks];
    let (samples, parts) = (track.samples.len().max(1), track.parts.len().max(1));
    if let Some(s) = track.samples.get_mut(at % samples) {
        match field {
            0 => s.dts = value,
            1 => s.cts = value as i32,
            2 => s.size = value as u32,
            3 => s.duration = value as u32,
            4 => s.rap = Rap::Open,
            _ => {}
        }
    }
    if let Some(p) = track.parts.get_mut(at % parts) {
        match field {
            5 => p.first_sample = value as u32,
            6 => p.count = value as u32,
            7 => p.data = value as u64,
            8 => track.samples.truncate(at % samples),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_index_is_never_a_panic(
        (pictures, (frames, offset), part_ns, extent_ns) in run(),
        before in prop::collection::vec((any::<u64>(), damage()), 0..3),
        after in prop::collection::vec((any::<u64>(), damage()), 0..3),
        start in 0i64..8_000_000_000,
        length in 1i64..8_000_000_000,
    ) {
        let wall = 1_700_000_000_000_000_000;
        let samples = [pictures.samples(), sound(frames, offset)].concat();
        let tracks = vec![(0, vec![video_config(0), audio_config(2)])];
        let run = MadeRun { wall: WallTime(wall), samples, part_ns, extent_ns, tracks, live: None };
        let tape = || {
            let mut tape = MadeTape::default();
            tape.record(run.clone());
            let extents = tape.runs[0].extents.len() as u64;
            before.iter().for_each(|(no, how)| tape.rig(no % extents, |index| damaged(index, *how)));
            tape
        };
        let range = WallTime(wall + start)..WallTime(wall + start + length);
        if let Ok(plan) = plan(&tape(), range, ClipOptions::default()) {
            let mut later = tape();
            let extents = later.runs[0].extents.len() as u64;
            after.iter().for_each(|(no, how)| later.rig(no % extents, |index| damaged(index, *how)));
            let len = plan.bytes();
            let mut served = 0;
            let mut pieces = ClipBody::new(Arc::new(plan), Arc::new(later)).pieces(0..u64::MAX);
            let broken = pieces.find_map(|piece| piece.map(|p| served += p.len()).err());
            prop_assert!(broken.is_some() || served == len, "whole, or an error");
        }
    }
}

#[test]
fn bytes_tell_their_sample() {
    let made = Made { kind: AUDIO, dts: -5, cts: 0, rap: Rap::Closed, size: 30 };
    assert_eq!(identify(&bytes_of(3, &made)), (3, AUDIO, -5));
    assert_eq!(RATE, 48_000);
}
