//! Pictures that carry their own number, and players that tell which numbers they showed and when. What a
//! number has to be is decided by the tests.
//!
//! A picture is sixteen bars of black and white, most significant bit first; its lower half is its upper half
//! inverted, so that a picture that is blended, torn or wrongly decoded does not read as another number.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::ffmpeg;
use crate::server::eventually;

/// Pictures a second.
pub(crate) const RATE: u32 = 25;
/// How long a picture stands, in milliseconds.
pub(crate) const PICTURE_MS: f64 = 40.0;
/// Bits of a number: bars across.
const BARS: usize = 16;
/// A picture as the players hand it over: one grey byte for each bar, above and below.
const PICTURE_BYTES: usize = 2 * BARS;
/// A header of the GStreamer Data Protocol 1.0.
const GDP_HEADER_BYTES: usize = 62;

/// Draws so many seconds of numbered pictures with B-frames, a key frame each two seconds, and AAC; once.
pub(crate) fn source(seconds: u32) -> PathBuf {
    ffmpeg::drawn_once(&format!("barcode-{seconds}s-1.flv"), |path| draw(path, seconds, 0, "320:180"))
}

/// Draws numbered pictures of a size, the first of which carries `first`.
pub(crate) fn draw(path: &Path, seconds: u32, first: u32, size: &str) {
    let bars = format!(
        "nullsrc=size={BARS}x2:rate={RATE}:duration={seconds},format=gray,\
         geq=lum='if(eq(Y,mod(floor((N+{first})/pow(2,{}-X)),2)),16,235)',\
         scale={size}:flags=neighbor,setsar=1,format=yuv420p",
        BARS - 1
    );
    let drawn = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-y", "-f", "lavfi", "-i", &bars])
        .args(["-f", "lavfi", "-i"])
        .arg(format!("sine=frequency=440:sample_rate=48000:duration={seconds}"))
        .args(["-c:v", "libx264", "-preset", "veryfast", "-g", "50", "-sc_threshold", "0"])
        .args(["-bf", "2", "-x264-params", "b-adapt=0", "-b:v", "300k"])
        .args(["-c:a", "aac", "-b:a", "64k", "-ac", "2", "-f", "flv"])
        .arg(path)
        .status()
        .unwrap();
    assert!(drawn.success());
}

/// A picture that a player showed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Shown {
    /// What it carries.
    pub(crate) number: u32,
    /// When it is shown, in milliseconds of the player's own time.
    pub(crate) at_ms: f64,
}

/// Reads a picture.
///
/// # Panics
/// When it is no number.
fn number_of(picture: &[u8]) -> u32 {
    let (above, below) = picture.split_at(BARS);
    above.iter().zip(below).fold(0, |number, (&above, &below)| {
        let bit = match (above, below) {
            (192.., ..64) => 1,
            (..64, 192..) => 0,
            _ => panic!("no number: {picture:?}"),
        };
        number * 2 + bit
    })
}

/// A player at work. Dropping it ends it.
pub(crate) struct Player {
    child: Child,
    tool: Tool,
    pictures: PathBuf,
    log: PathBuf,
}

#[derive(Debug, Clone, Copy)]
enum Tool {
    Ffmpeg,
    GStreamer,
}

impl Player {
    /// FFmpeg on a URL; `options` are its demuxer's.
    pub(crate) fn ffmpeg(dir: &Path, name: &str, url: &str, options: &[&str]) -> Self {
        let pictures = dir.join(format!("{name}.gray"));
        let mut command = Command::new("ffmpeg");
        // `showinfo` tells the time of each picture, for raw pictures have none.
        command
            .args(["-nostdin", "-nostats", "-loglevel", "info", "-y", "-copyts"])
            .args(options)
            .args(["-i", url, "-map", "0:v", "-fps_mode", "passthrough"])
            .args(["-vf", "showinfo@whole,scale=16:2:flags=area,format=gray,showinfo"])
            .args(["-flush_packets", "1", "-f", "rawvideo"])
            .arg(&pictures);
        Self::spawn(command, Tool::Ffmpeg, pictures)
    }

    /// GStreamer on a URL; `demuxer` takes apart what comes from there.
    pub(crate) fn gstreamer(dir: &Path, name: &str, url: &str, demuxer: &str) -> Self {
        let pictures = dir.join(format!("{name}.gdp"));
        let decoder = "h264parse ! avdec_h264 ! videoconvert ! videoscale method=nearest-neighbour";
        let mut command = Command::new("gst-launch-1.0");
        command
            .args(["-q", "souphttpsrc", &format!("location={url}"), "!"])
            .args(demuxer.split(' '))
            .arg("!")
            .args(decoder.split(' '))
            .args(["!", "video/x-raw,format=GRAY8,width=16,height=2", "!", "gdppay", "!"])
            .args(["filesink", "buffer-mode=unbuffered", &format!("location={}", pictures.display())]);
        Self::spawn(command, Tool::GStreamer, pictures)
    }

    fn spawn(mut command: Command, tool: Tool, pictures: PathBuf) -> Self {
        let log = pictures.with_added_extension("log");
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap_or_else(|e| panic!("{tool:?} is installed: {e}"));
        Self { child, tool, pictures, log }
    }

    /// What it has shown so far.
    pub(crate) fn shown(&self) -> Vec<Shown> {
        // Neither file is there before the first picture.
        let pictures = std::fs::read(&self.pictures).unwrap_or_default();
        match self.tool {
            Tool::Ffmpeg => {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                let times = log.lines().filter(|l| l.contains("Parsed_showinfo")).filter_map(|line| {
                    let after = line.split_once("pts_time:")?.1;
                    after.split(' ').next()?.parse::<f64>().ok()
                });
                let numbers = pictures.chunks_exact(PICTURE_BYTES).map(number_of);
                numbers.zip(times).map(|(number, s)| Shown { number, at_ms: s * 1000.0 }).collect()
            }
            Tool::GStreamer => of_data_protocol(&pictures),
        }
    }

    /// How wide and high each picture was that FFmpeg has shown so far.
    pub(crate) fn sizes(&self) -> Vec<String> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let size = |line: &str| Some(line.split_once(" s:")?.1.split(' ').next()?.to_owned());
        log.lines().filter(|l| l.contains("showinfo@whole")).filter_map(size).collect()
    }

    /// Waits until it has shown so many pictures; `seen` hears of the newest as they come.
    ///
    /// # Panics
    /// When it ends before, or needs longer than `deadline`.
    pub(crate) async fn has_shown(
        &mut self,
        pictures: usize,
        deadline: Duration,
        mut seen: impl FnMut(Shown),
    ) -> Vec<Shown> {
        let (name, mut size) = (self.pictures.display().to_string(), 0);
        eventually(&format!("{name} has {pictures} pictures"), deadline, async || {
            let ended = self.child.try_wait().unwrap();
            let now = std::fs::metadata(&self.pictures).map_or(0, |m| m.len());
            if now == size && ended.is_none() {
                return None;
            }
            size = now;
            let shown = self.shown();
            shown.last().copied().map(&mut seen);
            assert!(ended.is_none() || shown.len() >= pictures, "{name} ended: {}", self.said(shown.len()));
            (shown.len() >= pictures).then_some(shown)
        })
        .await
    }

    /// Waits until it has ended by itself: everything that it showed.
    ///
    /// # Panics
    /// When it fails, or needs longer than `deadline`.
    pub(crate) async fn ended(&mut self, deadline: Duration) -> Vec<Shown> {
        let name = self.pictures.display().to_string();
        let status =
            eventually(&format!("{name} ends"), deadline, async || self.child.try_wait().unwrap()).await;
        let shown = self.shown();
        assert!(status.success(), "{name}: {}", self.said(shown.len()));
        shown
    }

    fn said(&self, pictures: usize) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().filter(|l| !l.contains("showinfo")).collect();
        format!("{pictures} pictures\n{}", lines[lines.len().saturating_sub(20)..].join("\n"))
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The pictures among whole packets of the GStreamer Data Protocol: type, length and time of each are in its
/// header, big-endian.
fn of_data_protocol(mut bytes: &[u8]) -> Vec<Shown> {
    const BUFFER: u16 = 1;
    let mut shown = Vec::new();
    while let Some((header, rest)) = bytes.split_at_checked(GDP_HEADER_BYTES) {
        let kind = u16::from_be_bytes(header[4..6].try_into().unwrap());
        let length = u32::from_be_bytes(header[6..10].try_into().unwrap());
        let at_ns = u64::from_be_bytes(header[10..18].try_into().unwrap());
        let Some((payload, rest)) = rest.split_at_checked(length as usize) else { break };
        bytes = rest;
        if kind == BUFFER {
            shown.push(Shown { number: number_of(payload), at_ms: at_ns as f64 / 1e6 });
        }
    }
    shown
}
