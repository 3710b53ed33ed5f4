//! What the crash tests share: a source whose every frame is known, a publisher that notes each packet it sent, a
//! data directory that outlives its servers, and the judgement of what came back. How a crash is made is theirs.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::clips::epoch_ms;
use crate::server::{DEADLINE, Setup, TestServer};

/// Wall times of the REST are whole milliseconds and the run's clock is slewed by up to 500 ppm: over the ten
/// seconds of a round at most this much between two of them.
const ROUNDING_MS: i64 = 7;
/// `[tape] extent_s`: the least that is taken, so that rounds are short.
pub(crate) const EXTENT_S: i64 = 4;
/// How often a condition is looked at that decides the instant of a crash.
const LOOK: Duration = Duration::from_millis(2);

/// Like [`crate::server::eventually`], looking often: what follows has to come right after.
pub(crate) async fn at_once<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(Instant::now() < until, "{what}: not within {DEADLINE:?}");
        tokio::time::sleep(LOOK).await;
    }
}

/// The seed of a test: `TAPELINE_SEED`, else a new one; printed, so that a failure can be had again.
pub(crate) fn seeded(what: &str) -> fastrand::Rng {
    let seed = std::env::var("TAPELINE_SEED").map_or_else(|_| fastrand::u64(..), |s| s.parse().unwrap());
    println!("{what}: TAPELINE_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

/// Whether the long form was asked for.
pub(crate) fn long() -> bool {
    std::env::var("TAPELINE_LONG").is_ok_and(|v| v == "1")
}

/// 30 s of H.264 with B-frames, a key frame each second, and AAC; no two pictures are alike.
pub(crate) struct Source {
    path: PathBuf,
    /// Number of a picture, in order of presentation, by its hash.
    number: HashMap<String, usize>,
    /// Numbers of the pictures in decode order.
    decode_order: Vec<usize>,
    /// Presentation times by number, in ms after the first decode time of all.
    pts: Vec<i64>,
    /// Decode times in decode order, in ms after the first of all.
    video_dts: Vec<i64>,
    audio_dts: Vec<i64>,
    /// Hashes of the sound's packets.
    audio: Vec<String>,
}

impl Source {
    pub(crate) fn get() -> Self {
        let path = draw();
        let listed = Command::new("ffprobe")
            .args(["-v", "error", "-show_entries", "packet=codec_type,pts,dts", "-of", "csv=p=0"])
            .arg(&path)
            .output()
            .unwrap();
        let (mut video, mut audio_dts) = (Vec::new(), Vec::new());
        for line in String::from_utf8(listed.stdout).unwrap().lines() {
            let field: Vec<&str> = line.split(',').collect();
            let (pts, dts): (i64, i64) = (field[1].parse().unwrap(), field[2].parse().unwrap());
            match field[0] {
                "video" => video.push((dts, pts)),
                _ => audio_dts.push(dts),
            }
        }
        video.sort_unstable();
        audio_dts.sort_unstable();
        let base = video[0].0.min(audio_dts[0]);
        let mut pts: Vec<i64> = video.iter().map(|v| v.1).collect();
        pts.sort_unstable();
        let decode_order: Vec<usize> = video.iter().map(|v| pts.binary_search(&v.1).unwrap()).collect();
        assert!(decode_order.windows(2).any(|w| w[0] > w[1]), "the source has B-frames");
        let whole = decode(path.to_str().unwrap());
        let number: HashMap<String, usize> = whole.video.iter().cloned().zip(0..).collect();
        assert_eq!(
            (number.len(), whole.audio.len()),
            (pts.len(), audio_dts.len()),
            "no two pictures are alike"
        );
        Self {
            path,
            number,
            decode_order,
            pts: pts.iter().map(|t| t - base).collect(),
            video_dts: video.iter().map(|v| v.0 - base).collect(),
            audio_dts: audio_dts.iter().map(|t| t - base).collect(),
            audio: whole.audio,
        }
    }

    /// Pictures that are wholly before an instant of the run.
    fn shown_before(&self, ms: i64) -> usize {
        self.pts.partition_point(|t| t + ROUNDING_MS <= ms)
    }

    /// Packets of sound that are wholly before an instant of the run.
    fn heard_before(&self, ms: i64) -> usize {
        self.audio_dts.partition_point(|t| t + ROUNDING_MS <= ms).saturating_sub(1)
    }

    /// The numbers of decoded pictures.
    ///
    /// # Panics
    /// On a picture that was never published.
    fn numbers(&self, what: &str, got: &Decoded) -> Vec<usize> {
        let number = |h| *self.number.get(h).unwrap_or_else(|| panic!("{what}: a picture nobody published"));
        got.video.iter().map(number).collect()
    }

    /// That decoded media is the beginning of what was published: the first packets of each track in decode order.
    fn check_beginning(&self, what: &str, got: &Decoded) {
        let shown = self.numbers(what, got);
        let mut expected = self.decode_order[..shown.len()].to_vec();
        expected.sort_unstable();
        assert_eq!(shown, expected, "{what}: pictures are missing or doubled");
        assert_eq!(got.audio, self.audio[..got.audio.len()], "{what}: sound is missing or doubled");
    }

    /// That every picture and sound before `until_ms` of the run is there.
    fn check_until(&self, what: &str, got: &Decoded, until_ms: i64) {
        let shown = self.numbers(what, got);
        let whole = shown.iter().zip(0..).take_while(|(n, i)| **n == *i).count();
        let wanted = self.shown_before(until_ms);
        assert!(
            whole >= wanted,
            "{what}: {wanted} pictures before {until_ms} ms were durable, here are {shown:?}"
        );
        let heard = self.heard_before(until_ms);
        assert!(
            got.audio.len() >= heard,
            "{what}: {heard} packets of sound were durable, here {}",
            got.audio.len()
        );
    }

    /// Media time in ms that was sent and is not among what came back.
    fn lost_ms(&self, sent: &Sent, got: &Decoded) -> i64 {
        let lost = |dts: &[i64], sent: usize, kept: usize| {
            let end = |n: usize| dts[n.min(dts.len() - 1)];
            end(sent) - end(kept.min(sent))
        };
        lost(&self.video_dts, sent.video, got.video.len()).max(lost(
            &self.audio_dts,
            sent.audio,
            got.audio.len(),
        ))
    }
}

fn draw() -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/fixtures");
    let path = dir.join("crash-source-1.flv");
    if path.is_file() {
        return path;
    }
    std::fs::create_dir_all(&dir).unwrap();
    // Each process draws its own and the last rename wins: equal bytes, never a half file.
    let own = dir.join(format!("crash-source-{}.tmp", std::process::id()));
    let drawn = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-y"])
        .args(["-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=30"])
        .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=30"])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-threads", "1", "-g", "25", "-sc_threshold", "0"])
        .args(["-bf", "2", "-b:v", "200k", "-c:a", "aac", "-b:a", "48k", "-f", "flv"])
        .arg(&own)
        .status()
        .unwrap();
    assert!(drawn.success());
    std::fs::rename(&own, &path).unwrap();
    path
}

/// Hashes of what FFmpeg made of an input: pictures in order of presentation, packets of sound.
pub(crate) struct Decoded {
    pub(crate) video: Vec<String>,
    pub(crate) audio: Vec<String>,
}

/// Decodes all of an input.
///
/// # Panics
/// When FFmpeg has anything to complain about.
pub(crate) fn decode(input: &str) -> Decoded {
    let out = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-xerror", "-err_detect", "explode", "-i", input])
        .args(["-map", "0:v:0", "-map", "0:a:0?", "-map", "0:a:0?", "-fps_mode", "passthrough"])
        // Sound twice: its packets as they are, and decoded, for the errors.
        .args(["-c:v", "rawvideo", "-c:a:0", "copy", "-c:a:1", "pcm_s16le", "-f", "framemd5", "-"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && said.is_empty(), "ffmpeg on {input}: {} {said}", out.status);
    let mut got = Decoded { video: Vec::new(), audio: Vec::new() };
    for line in String::from_utf8(out.stdout).unwrap().lines().filter(|l| !l.starts_with('#')) {
        let mut field = line.split(',').map(str::trim);
        match field.next() {
            Some("0") => got.video.push(field.next_back().unwrap().to_owned()),
            Some("1") => got.audio.push(field.next_back().unwrap().to_owned()),
            _ => {}
        }
    }
    got
}

/// Packets that a publisher had handed to its connection.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sent {
    video: usize,
    audio: usize,
}

/// FFmpeg publishing the source in real time; beside the connection it writes a line for every packet it sent.
pub(crate) struct Publisher {
    child: Child,
    log: PathBuf,
}

impl Publisher {
    pub(crate) fn start(source: &Source, url: &str, log: PathBuf) -> Self {
        let child = Command::new("ffmpeg")
            .args(["-nostdin", "-loglevel", "error", "-y", "-re", "-i"])
            .arg(&source.path)
            .args(["-map", "0:v", "-map", "0:a", "-c", "copy", "-f", "flv", url])
            .args(["-map", "0:v", "-map", "0:a", "-c", "copy", "-f", "framecrc", "-flush_packets", "1"])
            .arg(&log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("ffmpeg is installed");
        Self { child, log }
    }

    pub(crate) fn sent(&self) -> Sent {
        let mut sent = Sent::default();
        for line in std::fs::read_to_string(&self.log).unwrap_or_default().lines() {
            match line.as_bytes().first() {
                Some(b'0') => sent.video += 1,
                Some(b'1') => sent.audio += 1,
                _ => {}
            }
        }
        sent
    }

    /// Waits until it has sent all sound before an instant.
    pub(crate) async fn reaches(&self, source: &Source, ms: i64) {
        let wanted = source.audio_dts.partition_point(|t| *t < ms);
        at_once(&format!("the publisher has sent {ms} ms"), async || {
            (self.sent().audio >= wanted).then_some(())
        })
        .await;
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What was known of a run when its server was ended.
pub(crate) struct Crash {
    /// How the crash was made, for messages.
    pub(crate) what: String,
    stream: String,
    /// When the run began, if it could be read already.
    start: Option<i64>,
    /// `tape.durable_until` as reported before the crash.
    durable: Option<i64>,
    sent: Sent,
    extents: Vec<PathBuf>,
}

/// One data directory through many servers.
pub(crate) struct Lineage {
    pub(crate) source: Source,
    pub(crate) data: PathBuf,
    scratch: tempfile::TempDir,
    crashes: Vec<Crash>,
    known: BTreeSet<PathBuf>,
    /// From the start of a process: until it answers, and until a new publish can be read.
    opened: Vec<Duration>,
    recording: Vec<Duration>,
    begun: Instant,
}

impl Lineage {
    pub(crate) fn new(data: &Path) -> Self {
        Self {
            source: Source::get(),
            data: data.to_owned(),
            scratch: tempfile::tempdir().unwrap(),
            crashes: Vec::new(),
            known: BTreeSet::new(),
            opened: Vec::new(),
            recording: Vec::new(),
            begun: Instant::now(),
        }
    }

    /// Starts a server on the directory. Its tape must be open within 2 s.
    pub(crate) async fn start(&mut self) -> TestServer {
        self.begun = Instant::now();
        let server = Setup::new()
            .env("TAPELINE_TAPE__EXTENT_S", &EXTENT_S.to_string())
            .env("TAPELINE_HLS__SEGMENT_MS", "1000")
            .env("TAPELINE_LOG__LEVEL", "info")
            .data(&self.data)
            .start()
            .await;
        self.opened.push(self.begun.elapsed());
        assert!(self.begun.elapsed() < Duration::from_secs(2), "open after {:?}", self.begun.elapsed());
        server
    }

    /// Starts a publisher; it is accepted when this returns.
    pub(crate) async fn publish(&self, server: &TestServer, stream: &str) -> Publisher {
        let log = self.scratch.path().join(format!("sent-{}", self.crashes.len()));
        let publisher = Publisher::start(&self.source, &server.rtmp_url(stream), log);
        at_once("the publisher came", async || server.log.find("publisher came")).await;
        publisher
    }

    /// Waits until the new run can be read.
    pub(crate) async fn recorded(&mut self, server: &TestServer, stream: &str) {
        at_once("the first part of a new run can be read", async || live_run(server, stream).await).await;
        self.recording.push(self.begun.elapsed());
    }

    /// Notes what is known, ends the server by `crash`, and the publisher after it.
    pub(crate) async fn crash(
        &mut self,
        what: &str,
        stream: &str,
        (mut server, publisher): (TestServer, Publisher),
        crash: impl AsyncFnOnce(&mut TestServer),
    ) {
        let start = live_run(&server, stream).await;
        let before = durable_until(&server, stream).await;
        let earlier = self.crashes.iter().filter(|c| c.stream == stream).filter_map(|c| c.durable).max();
        assert!(before >= earlier, "durable_until was {earlier:?} before a restart and is {before:?}");
        let sent = publisher.sent();
        crash(&mut server).await;
        drop(server);
        drop(publisher);
        let what = format!("round {} ({what}, {stream})", self.crashes.len());
        let extents = Vec::new();
        self.crashes.push(Crash { what, stream: stream.to_owned(), start, durable: before, sent, extents });
        self.note_extents();
    }

    /// Files that were not there before belong to the run of the last crash. To be called again when the disk has
    /// come back with others.
    pub(crate) fn note_extents(&mut self) {
        let all: BTreeSet<PathBuf> = extents(&self.data).into_iter().collect();
        let last = self.crashes.last_mut().unwrap();
        self.known.retain(|f| !last.extents.contains(f));
        last.extents = all.difference(&self.known).cloned().collect();
        self.known = all;
    }

    /// Judges every crash, on a server that runs on the directory. Gives the media in ms that each one cost,
    /// the least first.
    pub(crate) async fn judge(&self, server: &TestServer) -> Vec<i64> {
        let mut losses = Vec::new();
        for crash in &self.crashes {
            losses.push(self.judge_one(server, crash).await);
        }
        losses.sort_unstable();
        println!("lost at the end of each run: {losses:?} ms");
        println!("open after {:?}", self.opened);
        println!("a new publish can be read after {:?}", self.recording);
        losses
    }

    async fn judge_one(&self, server: &TestServer, crash: &Crash) -> i64 {
        let what = &crash.what;
        let mut got = Decoded { video: Vec::new(), audio: Vec::new() };
        // Recovery removes files that hold no whole part.
        for file in crash.extents.iter().filter(|f| f.is_file()) {
            let one = decode(file.to_str().unwrap());
            got.video.extend(one.video);
            got.audio.extend(one.audio);
        }
        self.source.check_beginning(what, &got);
        // A stream whose first publish was cut off in its first instants may never have come to be.
        let known = crash.durable.is_some() || !got.video.is_empty();
        let path = format!("/api/v1/streams/{}/timeline", crash.stream);
        let timeline = if known { server.json(&path).await } else { Value::Null };
        let runs = timeline["runs"].as_array().cloned().unwrap_or_default();
        if let Some(durable) = crash.durable {
            let holds = |r: &&Value| ms(&r["start"]) <= durable && durable <= ms(&r["end"]) + ROUNDING_MS;
            assert!(runs.iter().any(|r| holds(&r)), "{what}: durable until {durable} is in no run: {runs:?}");
        }
        if let Some(start) = crash.start {
            let run = runs.iter().find(|r| ms(&r["start"]) == start);
            let until = crash.durable.map_or(0, |d| (d - start).max(0));
            match run {
                Some(run) => self.judge_run(server, crash, run, until).await,
                None => assert_eq!(until, 0, "{what}: the run of {start} is gone: {runs:?}"),
            }
            self.source.check_until(&format!("{what}, extents"), &got, until);
        }
        let lost = self.source.lost_ms(&crash.sent, &got);
        let (files, came) = (crash.extents.len(), got.video.len());
        let durable = crash.durable.zip(crash.start).map_or(0, |(d, s)| self.source.shown_before(d - s));
        println!(
            "{what}: {} pictures sent, {durable} called durable, {came} came back in {files} files, {lost} ms lost",
            crash.sent.video
        );
        lost
    }

    /// The run as players get it: by playlist up to what was durable, and its recording as a file.
    async fn judge_run(&self, server: &TestServer, crash: &Crash, run: &Value, until: i64) {
        if until == 0 {
            return;
        }
        let (name, start) = (&crash.stream, run["start"].as_str().unwrap());
        let end = ms(&run["start"]) + until;
        let listed = decode(&server.url(&format!("/{name}.m3u8?start={start}&end={end}")));
        self.source.check_until(&format!("{}, playlist", crash.what), &listed, until);
        let assets = server.json(&format!("/api/v1/assets?kind=recording&stream={name}&limit=200")).await;
        let items = assets["items"].as_array().unwrap();
        let asset = items
            .iter()
            .find(|a| a["start"] == run["start"])
            .unwrap_or_else(|| panic!("no asset of {run}: {assets}"));
        assert_eq!(asset["status"], "ready", "{asset}");
        let file = decode(&server.url(asset["url"].as_str().unwrap()));
        self.source.check_until(&format!("{}, recording", crash.what), &file, until);
    }
}

impl Drop for Lineage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- journals");
            for dir in folders(&self.data) {
                let journal = std::fs::read_to_string(dir.join("journal")).unwrap_or_default();
                eprintln!("{}\n{journal}", dir.display());
            }
            extents(&self.data).iter().for_each(|f| eprintln!("{}", f.display()));
        }
    }
}

/// Milliseconds since 1970 of a time in JSON.
pub(crate) fn ms(time: &Value) -> i64 {
    epoch_ms(time.as_str().unwrap_or_else(|| panic!("no time: {time}")))
}

/// `tape.durable_until` of a stream, as REST tells it.
pub(crate) async fn durable_until(server: &TestServer, stream: &str) -> Option<i64> {
    let answer = server.get(&format!("/api/v1/streams/{stream}")).await;
    let told: Value = answer.json().await.ok()?;
    told["tape"]["durable_until"].as_str().map(epoch_ms)
}

/// When the run that is being recorded began, once a part of it can be read.
async fn live_run(server: &TestServer, stream: &str) -> Option<i64> {
    let answer = server.get(&format!("/api/v1/streams/{stream}/timeline")).await;
    let told: Value = answer.json().await.ok()?;
    let run = told["runs"].as_array()?.last()?;
    (run["live"] == true).then(|| ms(&run["start"]))
}

/// The folders of the streams.
fn folders(data: &Path) -> Vec<PathBuf> {
    let Ok(list) = std::fs::read_dir(data.join("tape")) else { return Vec::new() };
    list.map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect()
}

/// All extents, oldest first within a stream.
pub(crate) fn extents(data: &Path) -> Vec<PathBuf> {
    let files =
        folders(data).into_iter().flat_map(|d| std::fs::read_dir(d).unwrap().map(|e| e.unwrap().path()));
    let mut found: Vec<PathBuf> = files.filter(|p| p.extension().is_some_and(|e| e == "mp4")).collect();
    found.sort_unstable();
    found
}

/// Files that recovery took out of their run.
pub(crate) fn set_aside(data: &Path) -> Vec<PathBuf> {
    let files =
        folders(data).into_iter().flat_map(|d| std::fs::read_dir(d).unwrap().map(|e| e.unwrap().path()));
    files.filter(|p| p.extension().is_some_and(|e| e == "aside")).collect()
}
