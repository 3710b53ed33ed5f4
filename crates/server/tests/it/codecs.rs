//! Every codec from a publisher through the tape to players: HLS, a clip and RTMP play, decoded by FFmpeg old and
//! new and by GStreamer, and each picture compared with the source's own. The newest FFmpeg publishes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::ffmpeg::drawn_once;
use crate::server::{DEADLINE, TestServer, eventually};

/// Pictures of a fixture: five seconds at 25 a second.
const PICTURES: usize = 125;
/// Pictures from one key frame to the next.
const KEY_EACH: usize = 25;
/// Pictures of RTMP play that are looked at: of the source's five seconds those that a player gets for sure.
const PLAYED: usize = 50;
/// How long anything may take that takes as long as its source: five seconds, on a busy machine.
const REAL_TIME: Duration = Duration::from_secs(60);

/// One pair of codecs.
struct Case {
    name: &'static str,
    video: &'static [&'static str],
    audio: &'static [&'static str],
    /// What a player announces in `connect` for RTMP play.
    four_cc: &'static str,
    /// `(codec, codecs)` of the two tracks in REST.
    told: [(&'static str, &'static str); 2],
    /// Which decoder the distribution's FFmpeg is told to take.
    decoder: &'static [&'static str],
    /// GStreamer's elements from a parsed stream to raw pictures.
    gstreamer: &'static str,
}

const HEVC_AAC: Case = Case {
    name: "hevc-aac",
    video: &[
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-x265-params",
        "keyint=25:bframes=3:log-level=error",
    ],
    audio: &["-c:a", "aac", "-b:a", "64k"],
    four_cc: "hvc1",
    told: [("h265", "hvc1.1.6.L30.90"), ("aac", "mp4a.40.2")],
    decoder: &[],
    gstreamer: "h265parse ! avdec_h265",
};
const HEVC_OPEN_MP3: Case = Case {
    name: "hevc-open-mp3",
    video: &[
        "-pix_fmt",
        "yuv420p10le",
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-x265-params",
        "keyint=25:min-keyint=25:bframes=3:open-gop=1:scenecut=0:log-level=error",
    ],
    audio: &["-c:a", "libmp3lame", "-b:a", "64k"],
    four_cc: "hvc1",
    told: [("h265", "hvc1.2.4.L30.90"), ("mp3", "mp4a.6B")],
    decoder: &[],
    gstreamer: "h265parse ! avdec_h265",
};
const AV1_OPUS: Case = Case {
    name: "av1-opus",
    video: &["-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-g", "25"],
    audio: &["-c:a", "libopus", "-b:a", "64k"],
    four_cc: "av01,Opus",
    told: [("av1", "av01.0.00M.08"), ("opus", "opus")],
    // Its dav1d, unlike its libaom and the newest FFmpeg's dav1d, shows what an edit list hides.
    decoder: &["-c:v", "libaom-av1"],
    gstreamer: "av1parse ! av1dec",
};
const VP9_OPUS: Case = Case {
    name: "vp9-opus",
    video: &[
        "-c:v",
        "libvpx-vp9",
        "-deadline",
        "realtime",
        "-cpu-used",
        "8",
        "-g",
        "25",
        "-auto-alt-ref",
        "1",
    ],
    audio: &["-c:a", "libopus", "-b:a", "64k", "-frame_duration", "60"],
    four_cc: "vp09,Opus",
    told: [("vp9", "vp09.00.10.08"), ("opus", "opus")],
    decoder: &[],
    gstreamer: "vp9parse ! vp9dec",
};

/// The newest FFmpeg, which `scripts/setup test` brings.
fn newest() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/bin/ffmpeg-new");
    assert!(path.is_file(), "{} is missing: scripts/setup test", path.display());
    path
}

fn distribution() -> PathBuf {
    "ffmpeg".into()
}

impl Case {
    fn fixture(&self) -> PathBuf {
        drawn_once(&format!("it-codec-{}.mkv", self.name), |path| {
            let mut command = Command::new(newest());
            command
                .args(["-nostdin", "-loglevel", "error", "-y", "-f", "lavfi", "-i"])
                .args(["testsrc2=size=192x108:rate=25:duration=5", "-f", "lavfi", "-i"])
                .arg("sine=frequency=440:sample_rate=48000:duration=5")
                .args(self.video)
                .args(self.audio)
                .args(["-ac", "2", "-f", "matroska"])
                .arg(path);
            succeeded(command.output().unwrap());
        })
    }

    fn publish(&self, url: &str) -> Ended {
        let mut command = Command::new(newest());
        command.args(["-nostdin", "-loglevel", "error", "-re", "-i"]).arg(self.fixture());
        command.args(["-c", "copy", "-f", "flv", url]);
        Ended(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }
}

/// A process that ends by itself; dropping it kills it.
struct Ended(Child);

impl Ended {
    async fn wait(&mut self, what: &str) {
        let status = eventually(what, REAL_TIME, async || self.0.try_wait().unwrap()).await;
        assert!(status.success(), "{what}: {status}");
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn succeeded(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What an FFmpeg decodes of a file or URL: a hash of each picture, and the samples of sound.
fn decoded(ffmpeg: &Path, options: &[&str], input: &str) -> (Vec<String>, u64) {
    let mut command = Command::new(ffmpeg);
    command
        .args(["-nostdin", "-loglevel", "error", "-xerror"])
        .args(options)
        .args(["-i", input, "-map", "0:v:0", "-map", "0:a:0", "-fps_mode:v", "passthrough"])
        .args(["-c:v", "rawvideo", "-c:a", "pcm_s16le", "-f", "framemd5", "-"]);
    of_hashes(&succeeded(command.output().unwrap()))
}

fn of_hashes(text: &str) -> (Vec<String>, u64) {
    let (mut pictures, mut samples) = (Vec::new(), 0);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        match fields[0] {
            "0" => pictures.push(fields[5].to_owned()),
            _ => samples += fields[4].parse::<u64>().unwrap() / 4,
        }
    }
    (pictures, samples)
}

/// How many pictures GStreamer decodes of a file.
fn gstreamer_pictures(file: &Path, decoder: &str) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let pictures = dir.path().join("pictures");
    let pipeline = format!(
        "filesrc location={} ! qtdemux name=d d.video_0 ! queue ! {decoder} ! videoconvert ! videoscale ! \
         video/x-raw,format=GRAY8,width=16,height=8 ! filesink location={}",
        file.display(),
        pictures.display()
    );
    succeeded(Command::new("gst-launch-1.0").arg("-q").args(pipeline.split(' ')).output().unwrap());
    usize::try_from(std::fs::metadata(&pictures).unwrap().len()).unwrap() / 128
}

fn url_of(range: (&str, &str), suffix: &str) -> String {
    format!("/live/cam1.{suffix}?start={}&end={}", range.0, range.1)
}

/// A time in RFC 3339, so many milliseconds later on the same day.
fn later(text: &str, ms: i64) -> String {
    let at = crate::clips::epoch_ms(text) + ms;
    (at).to_string()
}

async fn check(case: Case) {
    let server = TestServer::start().await;
    let rtmp = server.rtmp_url("live/cam1");
    let mut publisher = case.publish(&rtmp);
    let live = server.live("live/cam1").await;
    is_described(&live, &case);
    let played = play(&case, &rtmp);
    let refused = Command::new(distribution())
        .args(["-nostdin", "-loglevel", "error", "-i", &rtmp, "-f", "null", "-"])
        .output()
        .unwrap();
    assert!(!refused.status.success());
    let words = format!("did not announce {}", &case.four_cc[..4]);
    server.log.wait(&words).await;
    publisher.wait("the publisher is done").await;
    let stream = eventually("the stream is offline", DEADLINE, async || {
        let stream = server.json("/api/v1/streams/live/cam1").await;
        (stream["state"] == "offline").then_some(stream)
    })
    .await;

    let fixture = case.fixture();
    let (source, _) = decoded(&newest(), &[], fixture.to_str().unwrap());
    assert_eq!(source.len(), PICTURES);
    let text = |key: &str| stream["tape"][key].as_str().unwrap().to_owned();
    let (start, end) = (text("start"), text("end"));
    whole(&server, &case, (&start, &end), &source).await;
    middle(&server, &case, &start, &source).await;
    let played =
        succeeded(tokio::task::spawn_blocking(move || played.wait_with_output().unwrap()).await.unwrap());
    let (played, _) = of_hashes(&played);
    let found = source.windows(PLAYED).position(|window| window == played);
    let first = found.unwrap_or_else(|| panic!("RTMP play: {} pictures, not in a row", played.len()));
    assert_eq!(first % KEY_EACH, 0, "it begins at a key frame");
}

/// RTMP play from a key frame on, by a player that announces the codec. It stays when the publisher leaves, as
/// publishers come back, and so is told how much to play.
fn play(case: &Case, url: &str) -> Child {
    Command::new(newest())
        .args(["-nostdin", "-loglevel", "error", "-rw_timeout", "20000000"])
        .args(["-rtmp_enhanced_codecs", case.four_cc, "-i", url])
        .args(["-map", "0:v:0", "-fps_mode:v", "passthrough", "-frames:v", &PLAYED.to_string()])
        .args(["-c:v", "rawvideo", "-f", "framemd5", "-"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn is_described(stream: &Value, case: &Case) {
    let tracks = stream["tracks"].as_array().unwrap();
    let told: Vec<_> = tracks.iter().map(|t| (t["codec"].as_str().unwrap(), t["codecs"].as_str())).collect();
    let expected = case.told.map(|(codec, codecs)| (codec, Some(codecs)));
    assert_eq!(told[..2], expected);
    assert_eq!((&tracks[0]["width"], &tracks[0]["height"]), (&192.into(), &108.into()));
    assert_eq!((&tracks[1]["sample_rate"], &tracks[1]["channels"]), (&48_000.into(), &2.into()));
}

/// All of the tape: every picture and all sound, whoever reads it.
async fn whole(server: &TestServer, case: &Case, range: (&str, &str), source: &[String]) {
    let hls = server.url(&url_of(range, "m3u8"));
    let clip = server.url(&url_of(range, "mp4"));
    for (ffmpeg, decoder) in [(distribution(), case.decoder), (newest(), &[])] {
        for input in [&hls, &clip] {
            let (pictures, samples) = decoded(&ffmpeg, decoder, input);
            assert_eq!(pictures.len(), PICTURES, "{} of {input}", ffmpeg.display());
            assert!(pictures == source, "{} of {input}: other pictures", ffmpeg.display());
            assert!((238_000..=244_000).contains(&samples), "{samples} samples of {input}");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("clip.mp4");
    let bytes = server.client.get(&clip).send().await.unwrap().bytes().await.unwrap();
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(gstreamer_pictures(&file, case.gstreamer), PICTURES, "GStreamer");
}

/// Two seconds that begin between key frames: just their pictures.
async fn middle(server: &TestServer, case: &Case, start: &str, source: &[String]) {
    let range = (later(start, 1_400), later(start, 3_400));
    let clip = server.url(&url_of((&range.0, &range.1), "mp4"));
    for (ffmpeg, decoder) in [(distribution(), case.decoder), (newest(), &[])] {
        let (pictures, samples) = decoded(&ffmpeg, decoder, &clip);
        let found = source.windows(pictures.len().max(1)).any(|window| window == pictures);
        assert!(found, "{} of {clip}: {} pictures, not in a row", ffmpeg.display(), pictures.len());
        assert_eq!(pictures.len(), 50, "{}: {} of {clip}", case.name, ffmpeg.display());
        assert!((95_000..=99_000).contains(&samples), "{samples} samples of {clip}");
    }
}

#[tokio::test]
async fn hevc_and_aac_go_through_whole() {
    check(HEVC_AAC).await;
}

#[tokio::test]
async fn hevc_of_ten_bits_with_open_gops_and_mp3_go_through_whole() {
    check(HEVC_OPEN_MP3).await;
}

#[tokio::test]
async fn av1_and_opus_go_through_whole() {
    check(AV1_OPUS).await;
}

#[tokio::test]
async fn vp9_and_opus_of_long_packets_go_through_whole() {
    check(VP9_OPUS).await;
}

/// A ladder of two pictures and two languages in one publish: all four are on the tape, and players are shown the
/// main ones.
#[tokio::test]
async fn several_tracks_are_recorded_and_the_main_ones_shown() {
    let server = TestServer::start().await;
    let source = drawn_once("it-codec-ladder.mkv", |path| {
        let mut command = Command::new(newest());
        command
            .args(["-nostdin", "-loglevel", "error", "-y", "-f", "lavfi", "-i"])
            .args(["testsrc2=size=192x108:rate=25:duration=4", "-f", "lavfi", "-i"])
            .args(["sine=frequency=440:sample_rate=48000:duration=4", "-filter_complex"])
            .args([
                "[0:v]split[a][b];[b]scale=96:54[c]",
                "-map",
                "[a]",
                "-map",
                "[c]",
                "-map",
                "1:a",
                "-map",
                "1:a",
            ])
            .args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-c:a", "aac", "-f", "matroska"])
            .arg(path);
        succeeded(command.output().unwrap());
    });
    let mut command = Command::new(newest());
    command.args(["-nostdin", "-loglevel", "error", "-re", "-i"]).arg(&source);
    command.args(["-map", "0", "-c", "copy", "-f", "flv", &server.rtmp_url("live/cam1")]);
    let mut publisher = Ended(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap());
    server.live("live/cam1").await;
    let stream = eventually("all four tracks are told", DEADLINE, async || {
        let stream = server.json("/api/v1/streams/live/cam1").await;
        (stream["tracks"].as_array()?.iter().filter(|t| t["kind"] != "data").count() == 4).then_some(stream)
    })
    .await;
    let told: Vec<_> =
        stream["tracks"].as_array().unwrap().iter().map(|t| (t["id"].clone(), t["width"].clone())).collect();
    for expected in [(1, 192.into()), (2, Value::Null), (4, 96.into()), (5, Value::Null)] {
        assert!(told.contains(&(expected.0.into(), expected.1.clone())), "{expected:?} of {told:?}");
    }
    publisher.wait("the publisher is done").await;
    let stream = eventually("the stream is offline", DEADLINE, async || {
        let stream = server.json("/api/v1/streams/live/cam1").await;
        (stream["state"] == "offline").then_some(stream)
    })
    .await;
    let range = (stream["tape"]["start"].as_str().unwrap(), stream["tape"]["end"].as_str().unwrap());
    let (main, _) = decoded(&newest(), &[], source.to_str().unwrap());
    for suffix in ["m3u8", "mp4"] {
        let input = server.url(&url_of(range, suffix));
        let listed = Command::new(distribution()).args(["-hide_banner", "-i", &input]).output().unwrap();
        let listed = String::from_utf8_lossy(&listed.stderr).into_owned();
        assert_eq!(
            (listed.matches("Video: ").count(), listed.matches("Audio: ").count()),
            (1, 1),
            "{listed}"
        );
        for ffmpeg in [distribution(), newest()] {
            assert!(decoded(&ffmpeg, &[], &input).0 == main, "{} of {input}", ffmpeg.display());
        }
    }
}
