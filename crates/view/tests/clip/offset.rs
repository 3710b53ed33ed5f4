//! Picture and sound stay together: a source flashes and beeps at the same instants, and in a clip every flash
//! is as far from its beep as in the published file.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use fastrand::Rng;

use crate::making::make;
use crate::peers::{Picture, Shown, Sound, ffmpeg, ffmpeg_plays, gstreamer_plays};
use crate::published::{OPEN_GOP, Published, RATE, Sent, open_hub, publish};

/// Length of the source.
const SECONDS: i64 = 40;
/// Clips of it.
const CLIPS: usize = 20;
/// 24 frames at 24000/1001: when it flashes and beeps.
const PERIOD_NS: i64 = 1_001_000_000;
/// A flash and a beep of the same instant are nearer to each other than this.
const NEAR_NS: i64 = 400_000_000;
/// How far a clip may move sound against picture. FLV tells times in milliseconds, and the tape puts sound back on
/// its sample clock: 0.17 ms is what is measured. A frame is 41.7 ms.
const MOVED_NS_MAX: i64 = 1_000_000;
/// A beep begins where the sound is louder than this; it rises within a sample, and AAC smears it by some.
const LOUD: u16 = 8_000;

/// White for one frame in 24, and a tone that begins with it.
fn flash_and_beep(dir: &Path) -> (PathBuf, Published) {
    let path = dir.join("flash.flv");
    let picture = format!(
        "color=black:s=160x96:r=24000/1001:d={SECONDS},drawbox=c=white:t=fill:enable='not(mod(n\\,24))'"
    );
    let sound = format!("aevalsrc='0.8*cos(2*PI*1500*t)*lt(mod(t\\,1.001)\\,0.08)':s={RATE}:d={SECONDS}");
    let inputs = ["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &sound];
    let video =
        ["-c:v", "libx264", "-preset", "veryfast", "-x264-params", OPEN_GOP.x264, "-pix_fmt", "yuv420p"];
    let audio = ["-c:a", "aac", "-b:a", "128k", "-ac", "1", "-aac_pns", "0"];
    let output = ["-flvflags", "no_duration_filesize", "-y", path.to_str().unwrap()];
    ffmpeg(&[&inputs[..], &video, &audio, &output].concat());
    (path.clone(), Published::read(path))
}

/// What a player played, reduced to flashes and beeps.
struct Events {
    flashes: Vec<i64>,
    beeps: Vec<i64>,
}

impl Events {
    fn new((shown, sound): &(Vec<Shown>, Sound), white: &HashSet<Picture>) -> Self {
        let flashes = shown.iter().filter(|shown| white.contains(&shown.picture)).map(|shown| shown.at_ns);
        Self { flashes: flashes.collect(), beeps: beeps(sound) }
    }

    /// How far the beep of each flash is behind it. A flash at either end may lack its beep.
    fn offsets(&self) -> Vec<(i64, i64)> {
        let near =
            |flash: i64| self.beeps.iter().map(move |beep| beep - flash).find(|off| off.abs() < NEAR_NS);
        self.flashes.iter().filter_map(|flash| Some((*flash, near(*flash)?))).collect()
    }
}

/// When beeps begin.
fn beeps(sound: &Sound) -> Vec<i64> {
    let quiet = usize::try_from(RATE / 4).unwrap();
    let mut loud_at: Option<usize> = None;
    let mut beeps = Vec::new();
    for (at, _) in sound.samples.iter().enumerate().filter(|(_, s)| s.unsigned_abs() > LOUD) {
        // One that the clip begins with may have begun before.
        if at > quiet && loud_at.is_none_or(|before| at - before > quiet) {
            beeps.push(sound.at_ns(at));
        }
        loud_at = Some(at);
    }
    beeps
}

#[test]
fn flashes_and_beeps_stay_together() {
    let dir = tempfile::tempdir().unwrap();
    let (file, published) = flash_and_beep(dir.path());
    let played = ffmpeg_plays(&file);
    let (white, black): (Vec<_>, Vec<_>) =
        played.0.iter().enumerate().partition(|(number, _)| number % 24 == 0);
    let white: HashSet<_> = white.into_iter().map(|(_, shown)| shown.picture).collect();
    assert!(black.iter().all(|(_, shown)| !white.contains(&shown.picture)), "a flash is one frame in 24");
    let published_offsets = Events::new(&played, &white).offsets();
    assert!(published_offsets.len() + 2 >= usize::try_from(SECONDS).unwrap(), "{published_offsets:?}");

    let stream = publish(&open_hub(dir.path()), &published, 0);
    let sent = Sent::run(&published, 0);
    let mut random = Rng::with_seed(8);
    let mut moved = Vec::new();
    for round in 0..CLIPS {
        let start = sent.begins().plus_ns(random.i64(0..30_000_000_000));
        let range = start..start.plus_ns(random.i64(2_500_000_000..8_000_000_000));
        let clip = make(dir.path(), &format!("round {round}"), &range, &stream);
        for (player, played) in
            [("FFmpeg", ffmpeg_plays(&clip.file)), ("GStreamer", gstreamer_plays(&clip.file))]
        {
            let events = Events::new(&played, &white);
            let offsets = events.offsets();
            assert!(offsets.len() >= 2, "{player}, {}: {:?} {:?}", clip.what, events.flashes, events.beeps);
            for (flash, offset) in offsets {
                let at = clip.start.since_ns(sent.begins()) + flash;
                let same = published_offsets.iter().find(|(other, _)| (other - at).abs() < PERIOD_NS / 4);
                let (_, was) = same.unwrap_or_else(|| panic!("{player}, {}: a flash at {at} ns", clip.what));
                moved.push((offset - was, player, round));
            }
        }
    }
    let most = moved.iter().max_by_key(|(ns, ..)| ns.abs()).unwrap();
    assert!(most.0.abs() <= MOVED_NS_MAX, "{most:?} of {}", moved.len());
}
