//! The log on standard error: one line an event, for people by default and as JSON on request, its level
//! changeable while the server runs. A panic becomes one line of it too. What is logged is decided where it
//! happens; secrets never reach it (see `http::redact`).

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry, reload};

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
