//! The log on standard error: one line an event, for people by default and as JSON on request, its level
//! changeable while the server runs. A panic becomes one line of it too. What is logged is decided where it
//! happens; secrets never reach it (see `http::redact`).

use std::sync::{Mutex, PoisonError};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry, reload};

use crate::clock;
use crate::config::{Log, LogFormat, LogLevel};

/// Changes the level of the running log.
#[derive(Clone)]
pub(crate) struct LogHandle(reload::Handle<LevelFilter, Registry>);

impl LogHandle {
    /// From now on, events of this level and above.
    pub(crate) fn set(&self, level: LogLevel) {
        // The only error is that the subscriber is gone, and then nobody reads the log.
        let _ = self.0.modify(|filter| *filter = filter_of(level));
    }
}

/// Starts the log of the process.
pub(crate) fn start(log: Log) -> LogHandle {
    let (filter, handle) = reload::Layer::new(filter_of(log.level));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let lines = match log.format {
        LogFormat::Human => lines.with_ansi(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    // A second start in one process (it happens in tests only) keeps the first log.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    std::panic::set_hook(Box::new(panicked));
    LogHandle(handle)
}

/// Lines of one kind a second: enough to see what goes on, few enough that strangers who knock a thousand times a
/// second fill no disk.
const LINES_PER_SECOND: u64 = 20;

/// Bounds how often strangers can make the log speak. What is not said is counted and told with the next line.
#[derive(Debug, Default)]
pub(crate) struct Budget(Mutex<Spent>);

#[derive(Debug, Default)]
struct Spent {
    second: u64,
    lines: u64,
    unsaid: u64,
}

impl Budget {
    /// Whether a line may be written now; if so, how many were not since the last.
    pub(crate) fn say(&self) -> Option<u64> {
        self.at(clock::mono().as_secs())
    }

    fn at(&self, second: u64) -> Option<u64> {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.second != second {
            (spent.second, spent.lines) = (second, 0);
        }
        if spent.lines >= LINES_PER_SECOND {
            spent.unsaid += 1;
            return None;
        }
        spent.lines += 1;
        Some(std::mem::take(&mut spent.unsaid))
    }
}

fn filter_of(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

fn panicked(info: &std::panic::PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    tracing::error!(%place, thread = thread.name().unwrap_or("?"), "a bug ended one task: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_budget_are_counted_and_told_later() {
        let budget = Budget::default();
        assert_eq!((0..LINES_PER_SECOND).filter_map(|_| budget.at(1)).sum::<u64>(), 0);
        assert_eq!((budget.at(1), budget.at(1), budget.at(2), budget.at(2)), (None, None, Some(2), Some(0)));
    }
}
