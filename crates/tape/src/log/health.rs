//! How the volume does, for whoever watches: written by the committer, read by anyone.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How the volume does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskHealth {
    /// Least time between two syncs; zero while the disk keeps up.
    pub tick: Duration,
    /// How long the newest sync took.
    pub last_sync: Duration,
    /// How long the write or sync that is under way has taken by now; zero while there is none.
    pub busy: Duration,
    /// Writes and syncs together.
    pub rounds: u64,
    /// Streams' batches that failed.
    pub failures: u64,
    /// Whether media is written. If not, the volume is full: the journal and the database have the space that is kept
    /// for them.
    pub takes_media: bool,
}

#[derive(Debug)]
pub(crate) struct Health(Mutex<(DiskHealth, Option<Instant>)>);

impl Default for Health {
    fn default() -> Self {
        let zero = Duration::ZERO;
        let first =
            DiskHealth { tick: zero, last_sync: zero, busy: zero, rounds: 0, failures: 0, takes_media: true };
        Self(Mutex::new((first, None)))
    }
}

impl Health {
    fn lock(&self) -> MutexGuard<'_, (DiskHealth, Option<Instant>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, now: Instant) {
        self.lock().1 = Some(now);
    }

    pub(super) fn end(&self, took: Duration, tick: Duration, takes_media: bool) {
        let (health, busy) = &mut *self.lock();
        (health.last_sync, health.tick, health.takes_media) = (took, tick, takes_media);
        health.rounds += 1;
        *busy = None;
    }

    pub(super) fn failed(&self) {
        self.lock().0.failures += 1;
    }

    /// How it does now.
    pub(crate) fn read(&self) -> DiskHealth {
        let (health, busy) = *self.lock();
        DiskHealth { busy: busy.map_or(Duration::ZERO, |since| since.elapsed()), ..health }
    }
}
