//! FFmpeg as publisher and as judge. Sources are drawn once and kept under `target/fixtures`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A publisher; dropping it kills it.
pub(crate) struct Publisher(Child);

impl Publisher {
    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// Stops its clock: the connection stays open and nothing comes.
    pub(crate) fn stop(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").arg(format!("-{name}")).arg(self.0.id().to_string()).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Publishes the source to an RTMP URL in real time, over and over.
pub(crate) fn publish(url: &str) -> Publisher {
    publish_file(&source(), &["-stream_loop", "-1"], url)
}

/// Publishes a file to an RTMP URL in real time; `options` are those of its reading.
pub(crate) fn publish_file(file: &Path, options: &[&str], url: &str) -> Publisher {
    let child = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-re"])
        .args(options)
        .arg("-i")
        .arg(file)
        .args(["-c", "copy", "-f", "flv"])
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("ffmpeg is installed");
    Publisher(child)
}

/// Ten seconds of [`draw`].
pub(crate) fn source() -> PathBuf {
    drawn_once("it-source-1.flv", |path| draw(path, 10))
}

/// A fixture, drawn where it is not there yet.
pub(crate) fn drawn_once(name: &str, draw: impl FnOnce(&Path)) -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/fixtures");
    let path = dir.join(name);
    if path.is_file() {
        return path;
    }
    std::fs::create_dir_all(&dir).unwrap();
    // Each process draws its own and the last rename wins: equal bytes, never a half file.
    let own = dir.join(format!("{}-{name}", std::process::id()));
    draw(&own);
    std::fs::rename(&own, &path).unwrap();
    path
}

/// Draws so many seconds of 320×180 H.264 at 25 fps with B-frames, a key frame each second, and AAC.
pub(crate) fn draw(path: &Path, seconds: u32) {
    let drawn = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-y"])
        .args(["-f", "lavfi", "-i", &format!("testsrc2=size=320x180:rate=25:duration={seconds}")])
        .args(["-f", "lavfi", "-i", &format!("sine=frequency=440:sample_rate=48000:duration={seconds}")])
        .args(["-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "2", "-b:v", "400k"])
        .args(["-c:a", "aac", "-b:a", "64k", "-ac", "2", "-f", "flv"])
        .arg(path)
        .status()
        .unwrap();
    assert!(drawn.success());
}

/// How many frames FFmpeg decodes of the first video track of a file or URL.
pub(crate) fn decoded_frames(input: &str) -> u64 {
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-select_streams", "v:0"])
        .args(["-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", input])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    text.trim()
        .trim_end_matches(',')
        .parse()
        .unwrap_or_else(|_| panic!("ffprobe of {input}: {text:?} {:?}", String::from_utf8_lossy(&out.stderr)))
}
