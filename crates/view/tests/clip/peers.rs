//! The players that run as commands: what they show of a file and when, and what they play. A missing tool
//! fails the test. The browser has a file of its own.

use std::path::Path;
use std::process::Command;

use crate::published::RATE;

/// Width of all pictures here.
pub(crate) const WIDTH: usize = 160;
/// Height of all pictures here.
pub(crate) const HEIGHT: usize = 96;

/// What tells pictures apart: the first half of the SHA-256 of a picture's planes, as decoded.
pub(crate) type Picture = u128;

/// A picture that a player showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    /// When, on the player's timeline.
    pub(crate) at_ns: i64,
    pub(crate) picture: Picture,
}

/// What a player played of the first channel.
#[derive(Debug, Default)]
pub(crate) struct Sound {
    pub(crate) samples: Vec<i16>,
    /// Where decoded frames begin in `samples`, and when they sound on the same timeline.
    frames: Vec<(usize, i64)>,
}

impl Sound {
    /// When a sample sounds, or the last one has; silence ends when it begins.
    pub(crate) fn at_ns(&self, sample: usize) -> i64 {
        let after = self.frames.partition_point(|(first, _)| *first <= sample);
        let Some((first, at_ns)) = after.checked_sub(1).map(|frame| self.frames[frame]) else { return 0 };
        at_ns + i64::try_from(sample - first).unwrap() * 1_000_000_000 / i64::from(RATE)
    }

    /// Between which frames there is silence, or sound over sound: when, and how much time lies between them.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (i64, i64)> {
        let ends = |frames: &[(usize, i64)]| {
            let [(first, at_ns), (next, next_ns)] = frames else { unreachable!("windows of two") };
            let length = i64::try_from(next - first).unwrap() * 1_000_000_000 / i64::from(RATE);
            (*next_ns, next_ns - at_ns - length)
        };
        self.frames.windows(2).map(ends)
    }

    /// The first sample that sounds at an instant or later.
    pub(crate) fn sample_at(&self, at_ns: i64) -> usize {
        let frame = self.frames.partition_point(|(_, at)| *at <= at_ns).saturating_sub(1);
        let (first, at) = self.frames[frame];
        let into = (at_ns - at).max(0) * i64::from(RATE) / 1_000_000_000;
        (first + usize::try_from(into).unwrap()).min(self.samples.len())
    }
}

/// What is asked of FFmpeg.
const PICTURES: &[&str] = &[
    "-map",
    "0:v",
    "-autoscale",
    "0",
    "-fps_mode",
    "passthrough",
    "-enc_time_base",
    "-1",
    "-f",
    "framehash",
];
const SAMPLES: &[&str] = &["-map", "0:a", "-ac", "1", "-f", "s16le"];
const SAMPLE_TIMES: &[&str] = &["-map", "0:a", "-ac", "1", "-f", "framehash"];

/// Runs a tool for at most a minute and gives its standard output.
pub(crate) fn tool(name: &str, args: &[&str]) -> Vec<u8> {
    let out = Command::new("timeout").args(["60", name]).args(args).output();
    let out = out.unwrap_or_else(|e| panic!("timeout (coreutils) is needed for this test: {e}"));
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{name} {args:?} ({}): {said}", out.status);
    out.stdout
}

/// Runs FFmpeg.
pub(crate) fn ffmpeg(args: &[&str]) -> Vec<u8> {
    tool("ffmpeg", &[&["-v", "error", "-nostdin"], args].concat())
}

/// The digest of a picture as tools print it.
pub(crate) fn picture(hex: &str) -> Picture {
    Picture::from_str_radix(&hex[..32], 16).unwrap()
}

/// Decodes a file once for several outputs; what each of them holds.
fn ffmpeg_decodes<const N: usize>(file: &Path, outputs: [&[&str]; N]) -> [Vec<u8>; N] {
    let paths: [_; N] = std::array::from_fn(|n| file.with_extension(format!("{n}.decoded")));
    let mut args = vec!["-copyts", "-y", "-i", file.to_str().unwrap()];
    for (output, path) in outputs.iter().zip(&paths) {
        args.extend(*output);
        args.push(path.to_str().unwrap());
    }
    ffmpeg(&args);
    paths.map(|path| {
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        bytes
    })
}

/// Times in nanoseconds, bytes and digests of a `framehash`.
fn hashed(text: &[u8]) -> Vec<(i64, usize, &str)> {
    let text = std::str::from_utf8(text).unwrap();
    let base = text.lines().find_map(|line| line.strip_prefix("#tb 0: ")).unwrap();
    let (numerator, denominator) = base.split_once('/').unwrap();
    let (numerator, denominator): (i64, i64) = (numerator.parse().unwrap(), denominator.parse().unwrap());
    let lines = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let fields: Vec<_> = line.split(',').map(str::trim).collect();
        let [_, _, pts, _, bytes, hex] = fields[..] else { panic!("{line}") };
        let pts: i64 = pts.parse().unwrap();
        (pts * numerator * 1_000_000_000 / denominator, bytes.parse().unwrap(), hex)
    });
    lines.collect()
}

fn shown(text: &[u8]) -> Vec<Shown> {
    hashed(text).into_iter().map(|(at_ns, _, hex)| Shown { at_ns, picture: picture(hex) }).collect()
}

fn samples(raw: &[u8]) -> Vec<i16> {
    raw.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
}

fn sound(raw: &[u8], times: &[u8]) -> Sound {
    let mut first = 0;
    let frames = hashed(times).into_iter().map(|(at_ns, bytes, _)| {
        let frame = (first, at_ns);
        first += bytes / 2;
        frame
    });
    Sound { frames: frames.collect(), samples: samples(raw) }
}

/// Every picture that FFmpeg shows, and all that it plays.
pub(crate) fn ffmpeg_plays(file: &Path) -> (Vec<Shown>, Sound) {
    let [pictures, samples, times] = ffmpeg_decodes(file, [PICTURES, SAMPLES, SAMPLE_TIMES]);
    (shown(&pictures), sound(&samples, &times))
}

/// Every picture that FFmpeg shows.
pub(crate) fn ffmpeg_pictures(file: &Path) -> Vec<Shown> {
    let [pictures] = ffmpeg_decodes(file, [PICTURES]);
    shown(&pictures)
}

/// The picture that FFmpeg shows when it seeks to a time.
pub(crate) fn ffmpeg_seeks(file: &Path, at_ms: i64) -> Picture {
    let at = format!("{}.{:03}", at_ms / 1000, at_ms % 1000);
    let input = ["-ss", &at, "-i", file.to_str().unwrap()];
    let output = ["-map", "0:v", "-autoscale", "0", "-frames:v", "1", "-f", "framehash", "-"];
    let text = ffmpeg(&[&input[..], &output].concat());
    hashed(&text).first().map(|(_, _, hex)| picture(hex)).unwrap()
}

/// Width, height and pixel aspect of each frame that FFmpeg shows of a file.
pub(crate) fn ffmpeg_sizes(file: &Path) -> Vec<String> {
    let entries = ["-v", "error", "-select_streams", "v:0", "-show_entries"];
    let what = ["frame=width,height,sample_aspect_ratio", "-of", "csv=p=0", file.to_str().unwrap()];
    let said = tool("ffprobe", &[&entries[..], &what].concat());
    // Side data of a frame are lines of their own, without fields that were asked for.
    let lines = std::str::from_utf8(&said).unwrap().lines().map(|line| line.trim_end_matches(','));
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// The sound that FFmpeg plays.
pub(crate) fn ffmpeg_sound(file: &Path) -> Sound {
    let [samples, times] = ffmpeg_decodes(file, [SAMPLES, SAMPLE_TIMES]);
    sound(&samples, &times)
}

/// Of GStreamer's output: nanoseconds of `1:02:03.456789012`.
fn gstreamer_ns(text: &str) -> i64 {
    let (hms, fraction) = text.split_once('.').unwrap();
    let seconds = hms.split(':').fold(0, |sum, n| sum * 60 + n.parse::<i64>().unwrap());
    seconds * 1_000_000_000 + fraction.parse::<i64>().unwrap()
}

/// Every picture that GStreamer shows.
pub(crate) fn gstreamer_pictures(file: &Path) -> Vec<Shown> {
    let from = format!("location={}", file.display());
    let source = ["-q", "filesrc", &from, "!", "qtdemux", "name=d", "d.video_0", "!", "queue", "!"];
    let decode = ["h264parse", "!", "avdec_h264", "!", "video/x-raw,format=I420", "!"];
    // On the timeline of the clip, as a sink shows it, and not on the one of the file.
    let sink = ["identity", "single-segment=true", "!", "checksumsink", "hash=sha256", "sync=false"];
    let said = tool("gst-launch-1.0", &[&source[..], &decode, &sink].concat());
    let lines = std::str::from_utf8(&said).unwrap().lines().filter_map(|line| line.split_once(' '));
    lines.map(|(time, hex)| Shown { at_ns: gstreamer_ns(time), picture: picture(hex) }).collect()
}

/// The sound that GStreamer plays.
pub(crate) fn gstreamer_sound(file: &Path) -> Sound {
    let raw = file.with_extension("raw");
    let (from, to) = (format!("location={}", file.display()), format!("location={}", raw.display()));
    let source = ["-v", "filesrc", &from, "!", "qtdemux", "name=d", "d.audio_0", "!", "queue", "!"];
    let decode =
        ["aacparse", "!", "avdec_aac", "!", "audioconvert", "!", "audio/x-raw,format=S16LE,channels=1", "!"];
    let sink = ["identity", "single-segment=true", "!", "identity", "silent=false", "!", "filesink", &to];
    let said = tool("gst-launch-1.0", &[&source[..], &decode, &sink].concat());
    let mut first = 0;
    // chain   ******* (identity1:sink) (2048 bytes, dts: none, pts: 0:00:00.008000000, duration: …
    let frames = std::str::from_utf8(&said).unwrap().lines().filter_map(|line| {
        let (before, after) = line.split_once(" bytes, dts: ")?;
        let bytes: usize = before.rsplit('(').next()?.parse().ok()?;
        let frame = (first, gstreamer_ns(after.split_once("pts: ")?.1.split(',').next()?));
        first += bytes / 2;
        Some(frame)
    });
    let frames = frames.collect();
    let sound = Sound { samples: samples(&std::fs::read(&raw).unwrap()), frames };
    std::fs::remove_file(raw).unwrap();
    sound
}

/// Every picture that GStreamer shows, and all that it plays.
pub(crate) fn gstreamer_plays(file: &Path) -> (Vec<Shown>, Sound) {
    (gstreamer_pictures(file), gstreamer_sound(file))
}
