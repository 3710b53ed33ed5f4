//! The players: what they show of a file, as hashes of pictures and as sound. A missing tool fails the test.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::process::Command;

/// Size of all pictures here.
pub(crate) const WIDTH: usize = 160;
/// Height of all pictures here.
pub(crate) const HEIGHT: usize = 96;

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

fn pictures(raw: &[u8]) -> Vec<u64> {
    let frame = WIDTH * HEIGHT * 3 / 2;
    assert_eq!(raw.len() % frame, 0, "whole frames");
    let hash = |picture: &[u8]| {
        let mut hasher = DefaultHasher::new();
        picture.hash(&mut hasher);
        hasher.finish()
    };
    raw.chunks_exact(frame).map(hash).collect()
}

/// Every picture that FFmpeg shows.
pub(crate) fn ffmpeg_pictures(file: &Path) -> Vec<u64> {
    let file = file.to_str().unwrap();
    pictures(&ffmpeg(&["-i", file, "-map", "0:v", "-fps_mode", "passthrough", "-f", "rawvideo", "-"]))
}

/// Every picture that GStreamer shows.
pub(crate) fn gstreamer_pictures(file: &Path) -> Vec<u64> {
    let out = file.with_extension("yuv");
    let (from, to) = (format!("location={}", file.display()), format!("location={}", out.display()));
    let source = ["-q", "filesrc", &from, "!", "qtdemux", "name=d", "d.video_0", "!", "queue", "!"];
    let decode = ["h264parse", "!", "avdec_h264", "!", "video/x-raw,format=I420", "!", "filesink", &to];
    tool("gst-launch-1.0", &[&source[..], &decode].concat());
    let shown = pictures(&std::fs::read(&out).unwrap());
    std::fs::remove_file(out).unwrap();
    shown
}

/// The sound that FFmpeg plays of the first channel.
pub(crate) fn ffmpeg_sound(file: &Path) -> Vec<i16> {
    let file = file.to_str().unwrap();
    let raw = ffmpeg(&["-i", file, "-map", "0:a", "-f", "s16le", "-"]);
    raw.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
}
