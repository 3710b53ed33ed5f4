//! Real file systems that fill up, freeze and turn read-only under the running server: live goes on, the timeline tells
//! the gap, recording goes on when the volume does. Where mounts are not allowed the test says so and passes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::ffmpeg;
use crate::server::{DEADLINE, Setup, TestServer, eventually};

/// P5: a gap is told a second after the fault can be noticed, which is when the next part is written, or, without
/// inodes, the next extent.
const TOLD: Duration = Duration::from_millis(1500);
const EXTENT: Duration = Duration::from_secs(4);
/// P5: recording goes on this soon after the volume takes writes again.
const RESUMED: Duration = Duration::from_secs(5);

/// A volume that can be made to fail; unmounted when dropped.
struct Volume {
    at: PathBuf,
    image: Option<PathBuf>,
    _dir: tempfile::TempDir,
}

fn run(program: &str, args: &[&str], paths: &[&Path]) -> Result<(), String> {
    let out = Command::new(program).args(args).args(paths).output().map_err(|e| format!("{program}: {e}"))?;
    let said = String::from_utf8_lossy(&out.stderr).trim().to_owned();
    if out.status.success() { Ok(()) } else { Err(format!("{program}: {said}")) }
}

impl Volume {
    fn dir() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::Builder::new().prefix("tapeline-disks-").tempdir().unwrap();
        let at = dir.path().join("mount");
        std::fs::create_dir(&at).unwrap();
        (dir, at)
    }

    /// Memory with a limit of bytes and files.
    fn tmpfs(options: &str) -> Result<Self, String> {
        let (dir, at) = Self::dir();
        run("mount", &["-t", "tmpfs", "-o", options, "tmpfs"], &[&at])?;
        Ok(Self { at, image: None, _dir: dir })
    }

    /// An ext4 of so many MB on a loop device.
    fn ext4(megabytes: u64) -> Result<Self, String> {
        let (dir, at) = Self::dir();
        let image = dir.path().join("image");
        std::fs::File::create(&image).unwrap().set_len(megabytes << 20).unwrap();
        run("mkfs.ext4", &["-q"], &[&image])?;
        run("mount", &["-t", "ext4", "-o", "loop"], &[&image, &at])?;
        Ok(Self { at, image: Some(image), _dir: dir })
    }

    fn data(&self) -> PathBuf {
        self.at.join("data")
    }

    fn filler(&self) -> PathBuf {
        self.at.join("filler")
    }

    /// Another program takes all that is left.
    fn fill(&self) {
        let zeros = vec![0; 1 << 16];
        let mut file = std::fs::File::options().create(true).append(true).open(self.filler()).unwrap();
        while std::io::Write::write(&mut file, &zeros).is_ok_and(|n| n > 0) {}
    }

    fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    fn inodes(&self) -> PathBuf {
        self.at.join("many")
    }

    fn fill_inodes(&self) {
        std::fs::create_dir_all(self.inodes()).unwrap();
        let mut n = 0;
        while std::fs::File::create(self.inodes().join(format!("{n}"))).is_ok() {
            n += 1;
        }
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Lazily: a server that outlives a failed test may still hold it.
        let _ = Command::new("umount").arg("-l").arg(&self.at).output();
        drop(self.image.take());
    }
}

async fn start(volume: &Volume) -> TestServer {
    Setup::new()
        .env("TAPELINE_TAPE__EXTENT_S", "4")
        .env("TAPELINE_HLS__SEGMENT_MS", "1000")
        .env("TAPELINE_LOG__LEVEL", "info")
        .env("TAPELINE_RETENTION__MIN_FREE", "0")
        .data(&volume.data())
        .start()
        .await
}

async fn timeline(server: &TestServer) -> Value {
    server.json("/api/v1/streams/live/cam1/timeline").await
}

/// The reason of the gap that lasts now, behind so many runs.
async fn gap(server: &TestServer, runs: usize) -> Option<String> {
    let told = timeline(server).await;
    let live = told["runs"].as_array()?.iter().any(|r| r["live"] == true);
    let ended = told["runs"].as_array()?.len() >= runs;
    let gap = told["gaps"].as_array()?.last()?;
    (!live && ended).then(|| gap["reason"].as_str().map(str::to_owned))?
}

/// Newest segment of the live playlist.
async fn newest(server: &TestServer) -> Option<u64> {
    let answer = server.get("/live/cam1/-/media.m3u8").await;
    let text = answer.text().await.ok()?;
    let first: u64 = text.lines().find_map(|l| l.strip_prefix("#EXT-X-MEDIA-SEQUENCE:"))?.parse().ok()?;
    Some(first + text.lines().filter(|l| l.ends_with(".m4s")).count() as u64)
}

/// What FFmpeg sees of the live stream over RTMP meanwhile: timestamps of its pictures.
struct Watcher {
    child: std::process::Child,
    log: PathBuf,
    _dir: tempfile::TempDir,
}

impl Watcher {
    fn start(server: &TestServer) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("frames");
        let child = Command::new("ffmpeg")
            .args(["-nostdin", "-loglevel", "error", "-y", "-i", &server.rtmp_url("live/cam1")])
            .args(["-map", "0:v", "-c", "copy", "-f", "framecrc", "-flush_packets", "1"])
            .arg(&log)
            .spawn()
            .unwrap();
        Self { child, log, _dir: dir }
    }

    /// Checksums of the pictures that came.
    fn pictures(&self) -> Vec<String> {
        pictures(&std::fs::read_to_string(&self.log).unwrap_or_default())
    }

    /// That every picture that came is the one that follows the one before it in the source, which is played over and
    /// over.
    fn nothing_was_dropped(&self) {
        let mut crc = Command::new("ffmpeg");
        crc.args(["-nostdin", "-loglevel", "error", "-i"]).arg(ffmpeg::source());
        let out = crc.args(["-map", "0:v", "-c", "copy", "-f", "framecrc", "-"]).output().unwrap();
        let source = pictures(&String::from_utf8(out.stdout).unwrap());
        let follows: HashMap<&String, &String> = source.iter().zip(source.iter().cycle().skip(1)).collect();
        let came = self.pictures();
        let torn = came.windows(2).position(|w| follows.get(&w[0]) != Some(&&w[1]));
        assert_eq!(torn, None, "of {} pictures", came.len());
    }
}

fn pictures(framecrc: &str) -> Vec<String> {
    let lines = framecrc.lines().filter(|l| l.starts_with('0'));
    lines.filter_map(|l| Some(l.split(',').nth(5)?.trim().to_owned())).collect()
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One fault under a server that records and is watched, from its beginning to its end.
async fn survives(volume: &Volume, told_within: Duration, begin: impl FnOnce(), end: impl FnOnce()) {
    let reason = "disk_full";
    let server = start(volume).await;
    let _publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    let watcher = Watcher::start(&server);
    eventually("pictures are watched", DEADLINE, async || (watcher.pictures().len() > 25).then_some(()))
        .await;
    let before = newest(&server).await.unwrap_or(0);
    begin();
    let begun = Instant::now();
    let told = eventually("the gap is told", DEADLINE, async || gap(&server, 1).await).await;
    let told_after = begun.elapsed();
    assert_eq!(told, reason);
    let ask = json!({"start": "-1s", "end": "now", "title": "On a full disk"});
    let (status, body) = server.post("/api/v1/streams/live/cam1/clips", &ask).await;
    assert_eq!(status, 201, "journal and database can be written: {body}");
    eventually("live segments go on", DEADLINE, async || newest(&server).await.filter(|n| *n >= before + 4))
        .await;
    end();
    let ended = Instant::now();
    eventually("recording goes on", DEADLINE, async || {
        let told = timeline(&server).await;
        told["runs"].as_array()?.last().filter(|r| r["live"] == true).map(|_| ())
    })
    .await;
    let resumed_after = ended.elapsed();
    println!("{reason}: told after {told_after:?}, recorded {resumed_after:?} after its end");
    assert!(told_after <= told_within, "told after {told_after:?}");
    assert!(resumed_after <= RESUMED, "recording goes on after {resumed_after:?}");
    let told = timeline(&server).await;
    assert_eq!(told["gaps"].as_array().unwrap().last().unwrap()["reason"], reason, "{told}");
    watcher.nothing_was_dropped();
    let probe = server.get("/live/cam1/-/media.m3u8").await.text().await.unwrap();
    let newest = probe.lines().rev().find(|l| l.ends_with(".m4s")).unwrap();
    assert_eq!(server.get(&format!("/live/cam1/-/{newest}")).await.status(), 200);
}

#[tokio::test]
async fn a_volume_of_12_mb_records_fills_up_and_records_again() {
    let volume = match Volume::tmpfs("size=12m") {
        Ok(volume) => volume,
        Err(why) => return println!("full disk: not tried, no mounts here: {why}"),
    };
    survives(&volume, TOLD, || volume.fill(), || volume.free()).await;
}

#[tokio::test]
async fn a_full_ext4_stops_the_recording_and_nothing_else() {
    let volume = match Volume::ext4(48) {
        Ok(volume) => volume,
        Err(why) => return println!("full ext4: not tried, no loop mounts here: {why}"),
    };
    survives(&volume, TOLD, || volume.fill(), || volume.free()).await;
}

#[tokio::test]
async fn a_volume_without_inodes_stops_the_recording_and_nothing_else() {
    let volume = match Volume::tmpfs("size=64m,nr_inodes=120") {
        Ok(volume) => volume,
        Err(why) => return println!("full inodes: not tried, no mounts here: {why}"),
    };
    let free = || std::fs::remove_dir_all(volume.inodes()).unwrap();
    survives(&volume, TOLD + EXTENT, || volume.fill_inodes(), free).await;
}

#[tokio::test]
async fn a_device_that_fails_stops_the_recording_and_nothing_else() {
    let volume = match Volume::ext4(48) {
        Ok(volume) => volume,
        Err(why) => return println!("failing device: not tried, no loop mounts here: {why}"),
    };
    let server = start(&volume).await;
    let _publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    let watcher = Watcher::start(&server);
    eventually("pictures are watched", DEADLINE, async || (watcher.pictures().len() > 25).then_some(()))
        .await;
    let before = newest(&server).await.unwrap_or(0);
    if let Err(why) = run("xfs_io", &["-x", "-c", "shutdown"], &[&volume.at]) {
        return println!("failing device: not tried: {why}");
    }
    let told = eventually("the gap is told", DEADLINE, async || gap(&server, 1).await).await;
    assert_eq!(told, "disk_error");
    eventually("live segments go on", DEADLINE, async || newest(&server).await.filter(|n| *n >= before + 6))
        .await;
    watcher.nothing_was_dropped();
}

#[tokio::test]
async fn a_volume_that_freezes_for_seconds_costs_nothing() {
    let volume = match Volume::ext4(48) {
        Ok(volume) => volume,
        Err(why) => return println!("freeze: not tried, no loop mounts here: {why}"),
    };
    let server = start(&volume).await;
    let _publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    let watcher = Watcher::start(&server);
    eventually("pictures are watched", DEADLINE, async || (watcher.pictures().len() > 25).then_some(()))
        .await;
    let before = newest(&server).await.unwrap_or(0);
    if let Err(why) = run("fsfreeze", &["--freeze"], &[&volume.at]) {
        return println!("freeze: not tried: {why}");
    }
    let thawed = Thaw(&volume.at);
    eventually("live segments go on", DEADLINE, async || newest(&server).await.filter(|n| *n >= before + 4))
        .await;
    let _other = ffmpeg::publish(&server.rtmp_url("live/cam2"));
    eventually("another stream begins meanwhile", DEADLINE, async || {
        let answer = server.get("/api/v1/streams/live/cam2").await;
        (answer.status() == 200).then_some(())
    })
    .await;
    let behind = server.json("/api/v1/streams/live/cam1").await["tape"]["durable_until"].clone();
    drop(thawed);
    eventually("durable_until goes on", DEADLINE, async || {
        let now = server.json("/api/v1/streams/live/cam1").await["tape"]["durable_until"].clone();
        (now != behind).then_some(())
    })
    .await;
    let told = timeline(&server).await;
    assert_eq!(
        (told["runs"].as_array().unwrap().len(), told["gaps"].as_array().unwrap().len()),
        (1, 0),
        "{told}"
    );
    watcher.nothing_was_dropped();
    assert!(server.log.find("the disk is slow").is_some(), "the stretched tick is told");
}

/// Lets a frozen volume go on, whatever became of the test.
struct Thaw<'a>(&'a Path);

impl Drop for Thaw<'_> {
    fn drop(&mut self) {
        let _ = Command::new("fsfreeze").arg("--unfreeze").arg(self.0).output();
    }
}
