//! Counters and gauges of the process: one atomic each, grouped by concern, read by whoever exports them.
//! Counting never locks and never allocates.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use control::access::{RefusalKind, Void};

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

/// Upper ends of the buckets of answer times, in seconds: from a cached playlist to one that is held.
const ANSWER_SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0];

/// How long something took, counted in buckets.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    /// One for each of [`ANSWER_SECONDS`], one for what takes longer.
    buckets: [AtomicU64; ANSWER_SECONDS.len() + 1],
    sum_us: AtomicU64,
}

impl Timer {
    /// It took this long.
    pub(crate) fn took(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let bucket = ANSWER_SECONDS.iter().position(|end| seconds <= *end).unwrap_or(ANSWER_SECONDS.len());
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    fn get(&self) -> Reading {
        let counts = self.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect();
        let sum = Duration::from_micros(self.sum_us.load(Relaxed)).as_secs_f64();
        Reading::Histogram { ends: &ANSWER_SECONDS, counts, sum }
    }
}

/// What a meter shows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reading {
    /// Only rises.
    Counter(u64),
    /// Rises and falls.
    Gauge(f64),
    /// How many were within each upper end, and all of them together.
    Histogram {
        /// Upper ends of the buckets.
        ends: &'static [f64],
        /// How many fell into each, and how many beyond the last.
        counts: Vec<u64>,
        /// The sum of all values.
        sum: f64,
    },
}

/// A number with its name and what it means.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    /// `http_requests`.
    pub(crate) name: String,
    /// A label and its value, where figures of one name are told apart by one.
    pub(crate) label: Option<(&'static str, &'static str)>,
    /// One line.
    pub(crate) help: &'static str,
    /// The number.
    pub(crate) reading: Reading,
}

macro_rules! group {
    ($(#[$doc:meta])* $name:ident ($prefix:literal) { $($(#[doc = $help:literal])+ $field:ident: $kind:ident $(as $family:literal $label:literal = $value:literal)?,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(crate) struct $name {
            $($(#[doc = $help])+ pub(crate) $field: $kind,)+
        }

        impl $name {
            /// Every number of the group.
            pub(crate) fn figures(&self) -> Vec<Figure> {
                vec![$({
                    let figure = Figure {
                        name: concat!($prefix, "_", stringify!($field)).to_owned(),
                        label: None,
                        help: concat!($($help),+).trim_ascii_start(),
                        reading: self.$field.reading(),
                    };
                    $(let figure = Figure { name: concat!($prefix, "_", $family).to_owned(), label: Some(($label, $value)), ..figure };)?
                    figure
                },)+]
            }
        }
    };
}

impl Counter {
    fn reading(&self) -> Reading {
        Reading::Counter(self.get())
    }
}

impl Gauge {
    fn reading(&self) -> Reading {
        Reading::Gauge(self.get() as f64)
    }
}

impl Timer {
    fn reading(&self) -> Reading {
        self.get()
    }
}

group! {
    /// The HTTP listener.
    Http ("http") {
        /// Connections that are open.
        connections: Gauge,
        /// Connections closed at once because `http.max_connections` were open.
        connections_refused: Counter,
        /// Connections closed because no byte moved for too long.
        connections_stalled: Counter,
        /// TLS handshakes that failed or did not end.
        tls_failed: Counter,
        /// Answers, by the class of their status.
        answers_1xx: Counter as "answers" "class" = "1xx",
        /// Answers, by the class of their status.
        answers_2xx: Counter as "answers" "class" = "2xx",
        /// Answers, by the class of their status.
        answers_3xx: Counter as "answers" "class" = "3xx",
        /// Answers, by the class of their status.
        answers_4xx: Counter as "answers" "class" = "4xx",
        /// Answers, by the class of their status.
        answers_5xx: Counter as "answers" "class" = "5xx",
        /// Seconds from a request's head to its answer's head; bodies are not in it.
        answer_seconds: Timer,
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
    Rtmp ("rtmp") {
        /// Connections that are open.
        connections: Gauge,
        /// Connections closed at once because `rtmp.max_connections` were open.
        connections_refused: Counter,
        /// TLS handshakes that failed or did not end.
        tls_failed: Counter,
        /// Connections that publish.
        publishers: Gauge,
        /// Connections that play.
        players: Gauge,
        /// Bytes received.
        received_bytes: Counter,
        /// Bytes that sockets took.
        sent_bytes: Counter,
        /// Packets of media taken from publishers.
        packets: Counter,
        /// Publishers refused by the policy point, or with a name that is none.
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
    /// The policy point, whatever protocol asked.
    Access ("access") {
        /// Refusals of the policy point, by the type of their problem.
        refused_without_token: Counter as "refused" "type" = "token-required",
        /// Refusals of the policy point, by the type of their problem.
        refused_token_invalid: Counter as "refused" "type" = "token-invalid",
        /// Refusals of the policy point, by the type of their problem.
        refused_token_not_yet_valid: Counter as "refused" "type" = "token-not-yet-valid",
        /// Refusals of the policy point, by the type of their problem.
        refused_token_expired: Counter as "refused" "type" = "token-expired",
        /// Refusals of the policy point, by the type of their problem.
        refused_token_insufficient: Counter as "refused" "type" = "token-insufficient",
        /// Connections ended because the credential that they rest on was revoked or ran out.
        cut_off: Counter,
    }
}

impl Access {
    /// The counter of one kind of refusal.
    pub(crate) fn refused(&self, kind: &RefusalKind) -> &Counter {
        match kind {
            RefusalKind::TokenRequired => &self.refused_without_token,
            RefusalKind::TokenVoid(Void::NotYet) => &self.refused_token_not_yet_valid,
            RefusalKind::TokenVoid(_) => &self.refused_token_invalid,
            RefusalKind::TokenExpired => &self.refused_token_expired,
            RefusalKind::TokenInsufficient | RefusalKind::TokenElsewhere => &self.refused_token_insufficient,
        }
    }
}

group! {
    /// The catalog's follower.
    Catalogue ("catalogue") {
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
    Retention ("retention") {
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
    pub(crate) access: Access,
    pub(crate) catalogue: Catalogue,
    pub(crate) retention: Retention,
}

impl Meter {
    /// Every number, for the log at the end and for exporters.
    pub(crate) fn figures(&self) -> Vec<Figure> {
        let groups = [
            self.http.figures(),
            self.rtmp.figures(),
            self.access.figures(),
            self.catalogue.figures(),
            self.retention.figures(),
        ];
        groups.into_iter().flatten().collect()
    }
}

impl Http {
    /// The counter of answers with a status.
    pub(crate) fn answers(&self, status: http::StatusCode) -> &Counter {
        match status.as_u16() {
            ..200 => &self.answers_1xx,
            200..300 => &self.answers_2xx,
            300..400 => &self.answers_3xx,
            400..500 => &self.answers_4xx,
            500.. => &self.answers_5xx,
        }
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
