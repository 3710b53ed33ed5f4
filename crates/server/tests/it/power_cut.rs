//! The power goes: a file system of its own on a loop device is shut down under the running server, as
//! `EXT4_IOC_SHUTDOWN` does it, without a flush. After the journal's replay everything that the server had called
//! durable decodes. Where loop devices are not allowed the test says so and passes.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::crash::{Lineage, long, seeded};
use crate::server::TestServer;

/// An ext4 in a file, mounted; unmounted when dropped.
struct Volume {
    image: PathBuf,
    at: PathBuf,
    _dir: tempfile::TempDir,
}

/// Runs a command; its words when it fails.
fn run(program: &str, args: &[&str], path: &[&Path]) -> Result<(), String> {
    let out = Command::new(program).args(args).args(path).output().map_err(|e| format!("{program}: {e}"))?;
    let said = String::from_utf8_lossy(&out.stderr).trim().to_owned();
    if out.status.success() { Ok(()) } else { Err(format!("{program}: {said}")) }
}

impl Volume {
    fn make() -> Result<Self, String> {
        let dir = tempfile::Builder::new().prefix("tapeline-power-").tempdir().unwrap();
        let volume = Self { image: dir.path().join("image"), at: dir.path().join("mount"), _dir: dir };
        std::fs::create_dir(&volume.at).unwrap();
        std::fs::File::create(&volume.image).unwrap().set_len(128 << 20).unwrap();
        run("mkfs.ext4", &["-q"], &[&volume.image])?;
        volume.mount()?;
        Ok(volume)
    }

    fn mount(&self) -> Result<(), String> {
        run("mount", &["-t", "ext4", "-o", "loop"], &[&self.image, &self.at])
    }

    fn unmount(&self) -> Result<(), String> {
        run("umount", &[], &[&self.at])
    }

    /// From here on no byte reaches the device, not even one that was written and not synced.
    fn shut_down(&self) -> Result<(), String> {
        run("xfs_io", &["-x", "-c", "shutdown"], &[&self.at])
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Lazily: a server that outlives a failed test may still hold it.
        let _ = Command::new("umount").arg("-l").arg(&self.at).output();
    }
}

/// A volume that can be shut down and mounted again, or why there is none.
fn volume() -> Result<Volume, String> {
    let volume = Volume::make()?;
    volume.shut_down()?;
    volume.unmount()?;
    volume.mount()?;
    Ok(volume)
}

#[tokio::test]
async fn what_was_durable_survives_a_power_cut() {
    let volume = match volume() {
        Ok(volume) => volume,
        Err(why) => return println!("power cut: not tried, no loop mount here: {why}"),
    };
    let mut rng = seeded("power cut");
    let data = volume.at.join("data");
    std::fs::create_dir(&data).unwrap();
    run("sync", &["-f"], &[&data]).unwrap();
    let mut lineage = Lineage::new(&data);
    for _ in 0..if long() { 20 } else { 2 } {
        let stream = "live/cam1";
        let server = lineage.start().await;
        let publisher = lineage.publish(&server, stream).await;
        lineage.recorded(&server, stream).await;
        publisher.reaches(&lineage.source, rng.i64(700..4000)).await;
        let cut = async |s: &mut TestServer| {
            // Only what was reported before counts. A sync that is under way while the file system is shut down may
            // return success although its transaction is thrown away (Linux 6.18, by plain writes and fdatasync);
            // with real power nobody is left to be told.
            volume.shut_down().unwrap();
            s.kill9();
        };
        lineage.crash("power cut", stream, (server, publisher), cut).await;
        volume.unmount().unwrap();
        volume.mount().unwrap();
        lineage.note_extents();
    }
    let server = lineage.start().await;
    let publisher = lineage.publish(&server, "live/cam1").await;
    lineage.recorded(&server, "live/cam1").await;
    // What it cost is told and not judged: beside the open part it is what the disk had not synced yet.
    lineage.judge(&server).await;
    drop((publisher, server));
}
