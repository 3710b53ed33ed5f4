//! What the committer of a volume counts: how long its rounds take, what waits, what failed. Counting never locks.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::commit::FaultKind;

/// Upper ends of the buckets of round times, in seconds: from a fast SSD's sync to a disk that hangs.
pub const ROUND_SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct CommitMeter {
    queued: AtomicU64,
    /// One bucket for each of [`ROUND_SECONDS`], one for what takes longer.
    rounds: [AtomicU64; ROUND_SECONDS.len() + 1],
    round_us: AtomicU64,
    faults_full: AtomicU64,
    faults_device: AtomicU64,
}

/// The counters of a volume's committer, as of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitFigures {
    /// Operations that wait for a round.
    pub queued: u64,
    /// Rounds (writing and syncing what all streams had queued) by the time they took: one count for each of
    /// [`ROUND_SECONDS`], and one for longer ones.
    pub rounds: [u64; ROUND_SECONDS.len() + 1],
    /// Time of all rounds together.
    pub round_time: Duration,
    /// Batches of streams that failed for want of space.
    pub faults_full: u64,
    /// Batches of streams that failed for another reason.
    pub faults_device: u64,
}

impl CommitMeter {
    pub(crate) fn queued(&self, ops: usize) {
        self.queued.fetch_add(ops as u64, Relaxed);
    }

    pub(crate) fn taken(&self, ops: usize) {
        self.queued.fetch_sub(ops as u64, Relaxed);
    }

    pub(crate) fn round(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = ROUND_SECONDS.iter().position(|end| seconds <= *end).unwrap_or(ROUND_SECONDS.len());
        self.rounds[bucket].fetch_add(1, Relaxed);
        self.round_us.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn fault(&self, kind: FaultKind) {
        match kind {
            FaultKind::Full => self.faults_full.fetch_add(1, Relaxed),
            FaultKind::Device => self.faults_device.fetch_add(1, Relaxed),
        };
    }

    pub(crate) fn figures(&self) -> CommitFigures {
        CommitFigures {
            queued: self.queued.load(Relaxed),
            rounds: std::array::from_fn(|bucket| self.rounds[bucket].load(Relaxed)),
            round_time: Duration::from_micros(self.round_us.load(Relaxed)),
            faults_full: self.faults_full.load(Relaxed),
            faults_device: self.faults_device.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_fall_into_the_bucket_that_ends_at_or_after_them() {
        let meter = CommitMeter::default();
        for us in [1_000, 1_001, 30_000_000, 30_000_001] {
            meter.round(Duration::from_micros(us));
        }
        let figures = meter.figures();
        assert_eq!(
            (figures.rounds[0], figures.rounds[1], figures.rounds[13], figures.rounds[14]),
            (1, 1, 1, 1)
        );
        assert_eq!(figures.round_time, Duration::from_micros(60_002_002));
    }
}
