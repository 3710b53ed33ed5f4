//! How far a long command is: a bar on a terminal, a line now and then elsewhere. On standard error, so that what is
//! found can be piped.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::say_error;

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    done: u64,
    total: u64,
    told: Instant,
}

impl Progress {
    /// Of so many bytes.
    pub(super) fn new(total: u64) -> Self {
        let style =
            ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(total).with_style(style));
        Self { bar, done: 0, total, told: Instant::now() }
    }

    /// What is being done.
    pub(super) fn about(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.to_owned());
        }
    }

    /// So many bytes more.
    pub(super) fn add(&mut self, bytes: u64) {
        self.done += bytes;
        match &self.bar {
            Some(bar) => bar.inc(bytes),
            None if self.told.elapsed() >= LINE_EVERY => {
                self.told = Instant::now();
                say_error(&format!("{} of {} MB", self.done >> 20, self.total >> 20));
            }
            None => {}
        }
    }

    /// Ends it; what is printed from now on stands below.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
