//! Archives of made-up tapes: which files there are, what each holds, and their bytes by any range.

use std::ops::Range;
use std::sync::Arc;

use media::{TrackConfig, WallTime};
use proptest::prelude::*;
use tape::Piece;

use super::cases::{SECOND, WALL, plain, range, run, tape};
use super::made::{AUDIO, MadeRun, MadeTape, VIDEO, audio_config, identify, video_config};
use super::parsed::File;
use crate::clip::{
    ClipBody, ClipOptions, GapPolicy, PlanError, SplitBody, SplitPlan, plan_split, plan_split_spans,
};

fn both(variant: u8, object: u8) -> Vec<TrackConfig> {
    vec![video_config(variant), audio_config(object)]
}

/// Two runs of eight seconds each, ten seconds apart, with extents of two seconds.
fn changing(first: Vec<(usize, Vec<TrackConfig>)>, second: Vec<(usize, Vec<TrackConfig>)>) -> Arc<MadeTape> {
    let second = MadeRun { wall: WallTime(WALL + 18 * SECOND), tracks: second, ..run(plain(8)) };
    tape([MadeRun { tracks: first, ..run(plain(8)) }, second])
}

fn split(tape: &Arc<MadeTape>, range: Range<WallTime>) -> SplitPlan {
    let plan = plan_split(&**tape, range, ClipOptions::default(), "cam").unwrap();
    let again = plan_split_spans(&**tape, &plan.spans, plan.options, "cam").unwrap();
    assert_eq!((again.etag(), again.bytes()), (plan.etag(), plan.bytes()), "{:?}", plan.spans);
    plan
}

fn bytes(body: &SplitBody, range: Range<u64>) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in body.pieces(range) {
        match piece.unwrap() {
            Piece::Mem(bytes) => out.extend_from_slice(&bytes),
            Piece::File { .. } => panic!("an archive is read to be summed"),
        }
    }
    out
}

#[test]
fn each_file_is_the_clip_of_its_own_configuration() {
    // The sound's configuration changes at 4 s, the picture's at 6 s; the second run goes on with the first's.
    let tape = changing(
        vec![(0, both(1, 2)), (2, both(1, 5)), (3, both(2, 5))],
        vec![(0, both(2, 5)), (1, both(1, 2))],
    );
    let plan = split(&tape, range(500, 25_000));
    let told: Vec<_> = plan.files.iter().map(|f| (f.plan.start, f.plan.end, f.plan.tracks.len())).collect();
    let at = |from, to| (range(from, 0).start, range(to, 0).start, 2);
    assert_eq!(told, [at(520, 4000), at(4000, 6000), at(6000, 20_000), at(20_000, 25_000)]);
    assert_eq!(plan.gaps.len(), 1, "{:?}", plan.gaps);
    assert_eq!(plan.files[2].plan.gaps, plan.gaps, "both runs of it are in one file");
    assert_eq!(plan.files[0].name, "cam_001_2023-11-14T22-13-20.520Z_h264-640x360_aac.mp4");
    let source: Arc<MadeTape> = tape.clone();
    for (number, file) in plan.files.iter().enumerate() {
        let body = ClipBody::new(file.plan.clone(), source.clone());
        let parsed = File::parse(super::parsed::bytes(&body, 0..u64::MAX));
        assert_eq!(&parsed.track(VIDEO).unwrap().entry, b"avc1", "file {number}");
        let sound = parsed.track(AUDIO).unwrap();
        // A frame that sounds over the change is the former one's.
        assert!(sound.empty <= 1920, "sound begins with the picture");
        for track in parsed.tracks.values() {
            let runs = track.samples.iter().map(|s| identify(parsed.data(s)).0);
            assert!(runs.max().unwrap() <= 1);
        }
    }
}

#[test]
fn what_is_missing_is_told_of_the_archive() {
    let tape = changing(vec![(0, both(1, 2)), (2, both(2, 2))], vec![(0, both(1, 2))]);
    let plan = split(&tape, range(-1000, 30_000));
    let told: Vec<_> =
        plan.gaps.iter().map(|g| (g.end.since_ns(g.start) / SECOND, g.reason.to_string())).collect();
    let want = [(1, "before_tape"), (10, "source_stalled"), (4, "after_tape")];
    assert_eq!(told, want.map(|(s, why)| (s, why.to_owned())));
    let refused = ClipOptions { gaps: GapPolicy::Fail, ..ClipOptions::default() };
    match plan_split(&*tape, range(1000, 20_000), refused, "cam") {
        Err(PlanError::Gaps { gaps }) => assert_eq!(gaps.len(), 1),
        other => panic!("{other:?}"),
    }
    assert!(plan_split(&*tape, range(1000, 8000), refused, "cam").unwrap().gaps.is_empty());
    assert!(matches!(
        plan_split(&*tape, range(10_000, 11_000), refused, "cam"),
        Err(PlanError::Outside { .. })
    ));
}

#[test]
fn a_conflict_names_the_way_out_of_it() {
    let tape = changing(vec![(0, both(1, 2)), (2, both(1, 5))], vec![(0, both(1, 2))]);
    let error = crate::clip::plan(&*tape, range(500, 7000), ClipOptions::default()).unwrap_err();
    assert!(error.to_string().contains("epochs=split"), "{error}");
    assert_eq!(split(&tape, range(500, 7000)).files.len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_the_same_bytes(cuts in prop::collection::vec((any::<u64>(), any::<u64>()), 6)) {
        let tape = changing(vec![(0, both(1, 2)), (2, both(2, 2))], vec![(0, both(1, 5))]);
        let body = |plan: SplitPlan| SplitBody::new(Arc::new(plan), tape.clone());
        let plan = split(&tape, range(500, 22_000));
        let len = plan.bytes();
        let whole = bytes(&body(plan), 0..u64::MAX);
        prop_assert_eq!(whole.len() as u64, len);
        for (a, b) in cuts {
            let (a, b) = (a % (len + 1), b % (len + 1));
            let (a, b) = (a.min(b), a.max(b));
            // Each of a fresh plan, whose sums nobody has taken.
            let part = bytes(&body(split(&tape, range(500, 22_000))), a..b);
            let at = |offset: u64| usize::try_from(offset).unwrap();
            prop_assert!(part == whole[at(a)..at(b)], "bytes {}..{}", a, b);
        }
    }
}
