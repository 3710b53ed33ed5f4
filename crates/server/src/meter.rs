//! Counters and gauges of the process: one atomic each, grouped by concern, read by whoever exports them.
//! Counting never locks and never allocates.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that only rises.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub(crate) fn add(&self) {
        self.add_many(1);
    }

    /// `n` more.
    pub(crate) fn add_many(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The number now.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How many of something exist: each [`Held`] is one of them.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicU64);

impl Gauge {
    /// The number now.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// One more, unless there are already `limit`.
    pub(crate) fn enter(&'static self, limit: u64) -> Option<Held> {
        let more = |n: u64| (n < limit).then_some(n + 1);
        self.0.fetch_update(Relaxed, Relaxed, more).ok().map(|_| Held(self))
    }
}

/// One of what a [`Gauge`] counts; dropping it takes it away.
#[derive(Debug)]
pub(crate) struct Held(&'static Gauge);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

macro_rules! group {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(crate) struct $name {
            $($(#[$field_doc])* pub(crate) $field: $kind,)+
        }

        impl $name {
            /// Every number of the group with its name.
            pub(crate) fn read(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($field), self.$field.get()),)+]
            }
        }
    };
}

group! {
    /// The HTTP listener.
    Http {
        /// Connections that are open.
        connections: Gauge,
        /// Connections closed at once because `http.max_connections` were open.
        connections_refused: Counter,
        /// Connections closed because no byte moved for too long.
        connections_stalled: Counter,
        /// Requests answered.
        requests: Counter,
        /// Requests refused by the policy point.
        requests_refused: Counter,
        /// Requests that ended in a 5xx.
        requests_failed: Counter,
        /// Bodies cut off by a read error.
        bodies_broken: Counter,
        /// Bytes of media handed to connections.
        media_bytes: Counter,
        /// Requests of HLS viewers beyond the number that is counted.
        viewers_uncounted: Counter,
    }
}

group! {
    /// The RTMP listener.
    Rtmp {
        /// Connections that are open.
        connections: Gauge,
        /// Connections closed at once because `rtmp.max_connections` were open.
        connections_refused: Counter,
        /// Publishers refused by the policy point.
        publishes_refused: Counter,
        /// Publishers refused because the stream was taken.
        publishes_busy: Counter,
        /// Publishers that took over a silent one.
        takeovers: Counter,
        /// Connections ended by a protocol error.
        protocol_errors: Counter,
        /// Connections ended by a deadline: handshake, idle publisher, blocked player.
        timeouts: Counter,
        /// Damaged messages skipped without ending their connection.
        messages_skipped: Counter,
        /// Times a slow player was moved to the newest key frame.
        player_skips: Counter,
        /// Packets that slow players did not get.
        player_packets_skipped: Counter,
    }
}

group! {
    /// The catalog's follower.
    Catalogue {
        /// Events of the tape written to the catalog.
        events: Counter,
        /// Times the catalog refused an event and was caught up later.
        retries: Counter,
        /// Full comparisons of the catalog with the tape.
        reconciliations: Counter,
    }
}

group! {
    /// Retention.
    Retention {
        /// Extents that went.
        extents: Counter,
        /// Their bytes.
        bytes: Counter,
        /// Clips that got files of their own so that what they showed could go.
        clips_copied: Counter,
        /// Deletions that could not be noted and clips that could not be copied; tried again.
        failures: Counter,
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) http: Http,
    pub(crate) rtmp: Rtmp,
    pub(crate) catalogue: Catalogue,
    pub(crate) retention: Retention,
}

impl Meter {
    /// Every number with its name, for the log at the end and for exporters.
    pub(crate) fn read(&self) -> Vec<(String, u64)> {
        let groups = [
            ("http", self.http.read()),
            ("rtmp", self.rtmp.read()),
            ("catalogue", self.catalogue.read()),
            ("retention", self.retention.read()),
        ];
        let named = |(group, numbers): (&str, Vec<(&str, u64)>)| {
            numbers.into_iter().map(|(name, n)| (format!("{group}_{name}"), n)).collect::<Vec<_>>()
        };
        groups.into_iter().flat_map(named).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_lets_in_no_more_than_its_limit() {
        static GAUGE: Gauge = Gauge(AtomicU64::new(0));
        let first = GAUGE.enter(2).unwrap();
        let _second = GAUGE.enter(2).unwrap();
        assert!(GAUGE.enter(2).is_none());
        drop(first);
        assert!(GAUGE.enter(2).is_some());
        assert_eq!(GAUGE.get(), 1);
    }
}
