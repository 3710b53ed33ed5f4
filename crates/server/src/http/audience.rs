//! Who watches by HLS. Nobody stays connected: a viewer is an address and a player that ask for a stream's growing
//! playlist again and again, and is gone when it has not asked for a while.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use http::header::{ORIGIN, USER_AGENT};
use tape::StreamId;

use crate::meter::Counter;

/// How long a viewer counts after its last request. Players ask once in a target duration, which is a key frame
/// interval: ten seconds at most in practice.
const SEEN_FOR: Duration = Duration::from_secs(15);
/// Viewers known at once, about 4 MiB; more are not counted.
const VIEWERS_MAX: usize = 65_536;

/// The viewers of all streams.
pub(crate) struct Audience {
    seen: Mutex<HashMap<(StreamId, u64), Duration>>,
    hasher: RandomState,
    uncounted: &'static Counter,
}

impl Audience {
    /// Nobody yet. `uncounted` counts requests of viewers beyond the limit.
    pub(crate) fn new(uncounted: &'static Counter) -> Self {
        Self { seen: Mutex::default(), hasher: RandomState::new(), uncounted }
    }

    /// Notes that a viewer asked at `now`.
    pub(crate) fn note(&self, stream: StreamId, peer: IpAddr, headers: &HeaderMap, now: Duration) {
        let key = (stream, self.hasher.hash_one((peer, headers.get(USER_AGENT), headers.get(ORIGIN))));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= VIEWERS_MAX && !seen.contains_key(&key) {
            seen.retain(|_, at| now.saturating_sub(*at) < SEEN_FOR);
            if seen.len() >= VIEWERS_MAX {
                return self.uncounted.add();
            }
        }
        seen.insert(key, now);
    }

    /// How many watch a stream at `now`.
    pub(crate) fn count(&self, stream: StreamId, now: Duration) -> u64 {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|((of, _), at)| *of == stream && now.saturating_sub(**at) < SEEN_FOR).count()
            as u64
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use http::HeaderValue;
    use uuid::Uuid;

    use super::*;

    fn player(name: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static(name))])
    }

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn viewers_are_told_apart_and_forgotten() {
        static UNCOUNTED: LazyLock<Counter> = LazyLock::new(Counter::default);
        let (audience, a, b) =
            (Audience::new(&UNCOUNTED), StreamId(Uuid::from_u128(1)), StreamId(Uuid::from_u128(2)));
        let here = IpAddr::from([127, 0, 0, 1]);
        for at in [0, 2, 4] {
            audience.note(a, here, &player("hls.js"), seconds(at));
        }
        audience.note(a, here, &player("VLC"), seconds(4));
        audience.note(a, IpAddr::from([10, 0, 0, 1]), &player("VLC"), seconds(10));
        audience.note(b, here, &player("VLC"), seconds(10));
        assert_eq!((audience.count(a, seconds(10)), audience.count(b, seconds(10))), (3, 1));
        assert_eq!((audience.count(a, seconds(20)), audience.count(a, seconds(25))), (1, 0));
    }

    #[test]
    fn a_full_house_forgets_who_left_and_then_counts_no_more() {
        static UNCOUNTED: LazyLock<Counter> = LazyLock::new(Counter::default);
        let (audience, a) = (Audience::new(&UNCOUNTED), StreamId(Uuid::from_u128(1)));
        let viewers = |from: u32, count: u32, at: u64| {
            for n in from..from + count {
                audience.note(a, IpAddr::from(n.to_be_bytes()), &player("VLC"), seconds(at));
            }
        };
        let full = u32::try_from(VIEWERS_MAX).unwrap();
        viewers(0, full, 0);
        viewers(full, 5, 20);
        assert_eq!((audience.count(a, seconds(20)), UNCOUNTED.get()), (5, 0));
        viewers(2 * full, full, 21);
        assert_eq!((audience.count(a, seconds(21)), UNCOUNTED.get()), (u64::from(full), 5));
    }
}
