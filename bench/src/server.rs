//! The release binary under measurement: started on free loopback ports, asked over its sockets, ended by its
//! process id. Publishers are FFmpeg, which copies a drawn file.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::http::Connection;

/// What is measured; the workspace's root is where a bench is started.
pub(crate) const BINARY: &str = "target/release/tapeline";
/// What publishers send: 1280×720 at 25 frames/s and 2.6 Mbit/s, a key frame every 2 s, and sound.
pub(crate) const FILM: &str = "target/demo/demo.flv";
/// How long a start may take, and a stream until it is live.
const PATIENCE: Duration = Duration::from_secs(20);
/// The pause between two looks.
const LOOK: Duration = Duration::from_millis(5);
/// Ticks of `/proc/PID/stat` in a second: `USER_HZ`, 100 on every Linux.
const TICKS: f64 = 100.0;

/// A child that is killed when it is dropped.
pub(crate) struct Ended(pub(crate) Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running server.
pub(crate) struct Server {
    child: Ended,
    /// Where it answers.
    pub(crate) http: SocketAddr,
    rtmp: SocketAddr,
}

impl Server {
    /// Starts it on a data folder, and waits until it answers.
    pub(crate) fn start(data: &Path) -> Result<Self> {
        let mut command = Command::new(BINARY);
        for (name, _) in std::env::vars_os().filter(|(n, _)| n.to_string_lossy().starts_with("TAPELINE_")) {
            command.env_remove(name);
        }
        command
            .env("TAPELINE_HTTP__LISTEN", "127.0.0.1:0")
            .env("TAPELINE_RTMP__LISTEN", "127.0.0.1:0")
            .args(["serve", "--data"])
            .arg(data)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = Ended(command.spawn().context("the server does not start")?);
        let mut log = BufReader::new(child.0.stderr.take().context("its log is a pipe")?).lines();
        let http = listening(&mut log, "http listening")?;
        let rtmp = listening(&mut log, "rtmp listening")?;
        std::thread::spawn(move || log.for_each(drop));
        let server = Self { child, http, rtmp };
        server.wait("/healthz", |_| true)?;
        Ok(server)
    }

    /// Waits until a path answers 200 with a body as wanted.
    pub(crate) fn wait(&self, path: &str, wanted: impl Fn(&str) -> bool) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = Connection::open(self.http)?.get(path, "")?;
            if answer.status == 200 && answer.text().is_ok_and(&wanted) {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("{path}: {} after {PATIENCE:?}", answer.status);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Publishes the film over and over, in real time, and waits until it is live.
    pub(crate) fn publish(&self, name: &str) -> Result<Ended> {
        let publisher = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "quiet", "-re", "-stream_loop", "-1", "-i", FILM])
            .args(["-c", "copy", "-f", "flv", &format!("rtmp://{}/{name}", self.rtmp)])
            .stdin(Stdio::null())
            .spawn()
            .context("ffmpeg does not start")?;
        let publisher = Ended(publisher);
        self.wait_live(name)?;
        Ok(publisher)
    }

    fn wait_live(&self, name: &str) -> Result<()> {
        self.wait_known(name)?;
        self.wait(&format!("/api/v1/streams/{name}"), |body| body.contains("\"state\":\"live\""))
    }

    fn wait_known(&self, name: &str) -> Result<()> {
        self.wait("/api/v1/streams", |body| body.contains(&format!("\"stream\":\"{}\"", last(name))))
    }

    /// Processor seconds it has used so far, of user and kernel.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds(self.child.0.id())
    }
}

fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Processor seconds of a process, its threads included.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name may hold spaces; what follows its parenthesis does not. Fields 14 and 15, counted from 1.
    let fields: Vec<&str> = stat.rsplit(')').next().context("no name")?.split_whitespace().collect();
    let ticks = |at: usize| -> Result<f64> { Ok(fields.get(at).context("a short line")?.parse()?) };
    Ok((ticks(11)? + ticks(12)?) / TICKS)
}

fn listening(log: &mut impl Iterator<Item = std::io::Result<String>>, what: &str) -> Result<SocketAddr> {
    let mut said = String::new();
    for line in log {
        let line = line?;
        if let Some(address) = line
            .contains(what)
            .then(|| line.split_whitespace().find_map(|word| word.strip_prefix("address=")))
            .flatten()
        {
            return Ok(address.parse()?);
        }
        said = line;
    }
    bail!("the server ended before {what}: {said}")
}
