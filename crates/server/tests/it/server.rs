//! The server under test: one release binary with its own data directory and ports, ended by its process id.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest wait for anything that should take milliseconds: the machine may be busy with other tests.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The binary: `TAPELINE_BIN`, else the release build of this checkout.
pub(crate) fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("TAPELINE_BIN") {
        return path.into();
    }
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    let path = target.join("release/tapeline");
    assert!(path.is_file(), "{} is missing: cargo build --release -p tapeline", path.display());
    path
}

/// A command of the binary that sees none of this process's settings.
pub(crate) fn command() -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TAPELINE_") {
            command.env_remove(name);
        }
    }
    command
}

/// Polls until `probe` gives something.
///
/// # Panics
/// After `deadline`, naming `what`.
pub(crate) async fn eventually<T>(
    what: &str,
    deadline: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> T {
    let until = Instant::now() + deadline;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(Instant::now() < until, "{what}: not within {deadline:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How a server is started.
pub(crate) struct Setup {
    command: Command,
    program: Option<PathBuf>,
    data: Option<PathBuf>,
}

impl Setup {
    /// Defaults: loopback, free ports, a fresh data directory.
    pub(crate) fn new() -> Self {
        let mut command = command();
        command
            .env("TAPELINE_HTTP__LISTEN", "127.0.0.1:0")
            .env("TAPELINE_RTMP__LISTEN", "127.0.0.1:0")
            .env("TAPELINE_LOG__LEVEL", "debug");
        Self { command, program: None, data: None }
    }

    /// With a setting from the environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// With another binary.
    pub(crate) fn binary(mut self, path: &Path) -> Self {
        self.program = Some(path.to_owned());
        self
    }

    /// With a data directory that already exists.
    pub(crate) fn data(mut self, dir: &Path) -> Self {
        self.data = Some(dir.to_owned());
        self
    }

    /// With more arguments after `serve --data DIR`.
    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    /// Starts it and waits until it answers.
    pub(crate) async fn start(self) -> TestServer {
        let fresh = tempfile::Builder::new().prefix("tapeline-it-").tempdir().unwrap();
        let data = self.data.unwrap_or_else(|| fresh.path().to_owned());
        let extra: Vec<_> = self.command.get_args().map(ToOwned::to_owned).collect();
        let mut command =
            Command::new(self.program.as_deref().map_or(self.command.get_program(), Path::as_os_str));
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.arg("serve").arg("--data").arg(&data).args(extra);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Lines::follow(child.stderr.take().unwrap());
        let out = Lines::follow(child.stdout.take().unwrap());
        let mut server = TestServer {
            http: SocketAddr::from(([127, 0, 0, 1], 0)),
            rtmp: SocketAddr::from(([127, 0, 0, 1], 0)),
            child,
            data,
            log,
            out,
            client: reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap(),
            _fresh: fresh,
        };
        server.http = server.listening("http").await;
        server.rtmp = server.listening("rtmp").await;
        eventually("/healthz answers 200", DEADLINE, async || {
            let answer = server.client.get(server.url("/healthz")).send().await.ok()?;
            (answer.status() == 200).then_some(())
        })
        .await;
        server
    }
}

/// A running server. Dropping it kills it.
pub(crate) struct TestServer {
    pub(crate) http: SocketAddr,
    pub(crate) rtmp: SocketAddr,
    pub(crate) data: PathBuf,
    pub(crate) client: reqwest::Client,
    /// What it logs, on standard error.
    pub(crate) log: Lines,
    /// What it prints, on standard output.
    pub(crate) out: Lines,
    child: Child,
    _fresh: tempfile::TempDir,
}

impl TestServer {
    /// Started with defaults.
    pub(crate) async fn start() -> Self {
        Setup::new().start().await
    }

    /// An HTTP URL of it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http)
    }

    /// An RTMP URL of it: `rtmp_url("live/cam1")`.
    pub(crate) fn rtmp_url(&self, name: &str) -> String {
        format!("rtmp://{}/{name}", self.rtmp)
    }

    /// GET; redirects are not followed.
    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    /// GET of something that must be 200 and JSON.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// POST of JSON: status and body.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.client.post(self.url(path)).json(body).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    /// GET of something that must be a problem: status and body.
    pub(crate) async fn problem(&self, path: &str) -> (u16, Value) {
        read_problem(self.get(path).await).await
    }

    /// Waits until a stream is live and has readable media.
    pub(crate) async fn live(&self, name: &str) -> Value {
        eventually(&format!("{name} is live with media"), DEADLINE, async || {
            let answer = self.get(&format!("/api/v1/streams/{name}")).await;
            let stream: Value = answer.json().await.ok()?;
            (stream["state"] == "live" && stream["tape"]["end"].is_string()).then_some(stream)
        })
        .await
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in KiB, from `/proc`.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Open file descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill9(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends it a signal by name: `TERM`, `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self, deadline: Duration) -> ExitStatus {
        let until = Instant::now() + deadline;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                Instant::now() < until,
                "the server did not end within {deadline:?}: {:?}",
                self.log.all()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Where it says that it listens for something: `http`, `rtmps`.
    pub(crate) async fn listening(&mut self, what: &str) -> SocketAddr {
        let until = Instant::now() + DEADLINE;
        loop {
            let found = self.log.find(&format!("{what} listening")).and_then(|line| {
                let json: Option<Value> = serde_json::from_str(&line).ok();
                let of_json = json.and_then(|line| line["address"].as_str()?.parse().ok());
                let words = line.split_whitespace().find_map(|w| w.strip_prefix("address="));
                of_json.or_else(|| words.and_then(|a| a.parse().ok()))
            });
            if let Some(address) = found {
                return address;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the server ended with {status}: {:?}", self.log.all());
            }
            assert!(Instant::now() < until, "no {what} listener: {:?}", self.log.all());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log.all();
            eprintln!("--- the server's log, last 60 lines");
            log.iter().skip(log.len().saturating_sub(60)).for_each(|line| eprintln!("{line}"));
        }
    }
}

/// Reads a problem and checks that it is one.
pub(crate) async fn read_problem(answer: reqwest::Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    let kind = answer.headers().get("content-type").map(|v| v.to_str().unwrap().to_owned());
    let text = answer.text().await.unwrap();
    assert_eq!(kind.as_deref(), Some("application/problem+json"), "{status}: {text}");
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body["status"], status, "{text}");
    assert!(body["type"].as_str().is_some_and(|t| t.starts_with("/problems/")), "{text}");
    assert!(body["title"].as_str().is_some_and(|t| !t.is_empty()), "{text}");
    assert!(body["detail"].as_str().is_some_and(|t| !t.is_empty()), "{text}");
    (status, body)
}

/// The lines of a pipe, as they come.
#[derive(Clone)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn follow(pipe: impl std::io::Read + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                kept.lock().unwrap().push(line);
            }
        });
        Self(lines)
    }

    /// Everything so far.
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// The first line that contains a text.
    pub(crate) fn find(&self, text: &str) -> Option<String> {
        self.0.lock().unwrap().iter().find(|l| l.contains(text)).cloned()
    }

    /// Waits for a line that contains a text.
    pub(crate) async fn wait(&self, text: &str) -> String {
        eventually(&format!("a line with {text:?}"), DEADLINE, async || self.find(text)).await
    }
}
