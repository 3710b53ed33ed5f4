//! Headless Chromium as a player: it is sent to a page that plays clips and tells what it showed.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::loopback::Loopback;
use crate::peers::{Shown, picture};

/// How long one clip may take: those that are shown last four seconds, and the slowest pass takes eight times that.
const CLIP_MAX: Duration = Duration::from_secs(90);

const FLAGS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
];

/// A browser that ends with the test.
struct Browser(Child);

impl Browser {
    fn open(profile: &Path, url: &str) -> Self {
        let name = std::env::var("CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
        let option = format!("--user-data-dir={}", profile.display());
        let mut browser = Command::new(&name);
        browser.args(FLAGS).args([&option, url]);
        // One that is killed leaves its sockets behind; they go with the profile.
        browser.env("TMPDIR", profile);
        browser.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(browser.spawn().unwrap_or_else(|e| panic!("{name} is needed for this test: {e}")))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Every picture that Chromium shows of each file.
pub(crate) fn chromium_pictures(files: &[&Path]) -> Vec<Vec<Shown>> {
    told(files, "")
        .into_iter()
        .map(|pictures| pictures.into_iter().map(|(shown, _)| shown).collect())
        .collect()
}

/// Every picture that Chromium shows of a file, and how wide and high it is on screen.
pub(crate) fn chromium_shows(file: &Path) -> Vec<(Shown, (u32, u32))> {
    told(&[file], "").concat()
}

/// The pictures that Chromium shows when it seeks to these milliseconds of a file.
pub(crate) fn chromium_seeks(file: &Path, times_ms: &[i64]) -> Vec<Shown> {
    let times: Vec<_> = times_ms.iter().map(|ms| format!("{}.{:03}", ms / 1000, ms % 1000)).collect();
    told(&[file], &format!("&seek={}", times.join(",")))
        .concat()
        .into_iter()
        .map(|(shown, _)| shown)
        .collect()
}

/// What the page tells of each file.
fn told(files: &[&Path], query: &str) -> Vec<Vec<(Shown, (u32, u32))>> {
    let profile = tempfile::tempdir().unwrap();
    let server = Loopback::serve(include_str!("chromium.html"), files);
    let _browser = Browser::open(profile.path(), &server.url(&format!("/?clips={}{query}", files.len())));
    let told = files.iter().enumerate().map(|(number, file)| {
        let (path, said) = server.told(CLIP_MAX);
        assert_eq!(path, format!("/{number}"), "clips are played in order");
        said.lines().map(|line| shown(line, file)).collect()
    });
    told.collect()
}

fn shown(line: &str, file: &Path) -> (Shown, (u32, u32)) {
    let fields: Vec<_> = line.split(' ').collect();
    let time: i64 = fields[0].parse().unwrap_or_else(|_| panic!("Chromium, {}: {line}", file.display()));
    let (width, height) = fields[2].split_once('x').unwrap();
    let size = (width.parse().unwrap(), height.parse().unwrap());
    (Shown { at_ns: time * 1000, picture: picture(fields[1]) }, size)
}
