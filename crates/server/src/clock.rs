//! The process's two clocks: the wall clock, and the monotonic one that deadlines are measured with. Media is
//! stamped by the hub's own clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use media::WallTime;

/// The wall clock.
pub(crate) fn wall() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    WallTime(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// The monotonic clock, counted from the start of the process.
pub(crate) fn mono() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}
