//! The segment grid: which parts begin a segment. Decided once, while recording, and recorded in the part,
//! so that a segment's number and bytes never depend on later configuration.

use media::MediaTime;

/// What the grid is made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GridConfig {
    /// A key frame at or past this begins a new segment.
    pub segment_ns: i64,
    /// No first segment is longer: sources with rarer key frames get segments that begin between them.
    pub first_max_ns: i64,
}

/// A key frame this much before the target still begins a segment: RTMP's millisecond timestamps make a
/// 2 s group of pictures 1 999 ms long every now and then.
const EARLY_NS: i64 = 50_000_000;
/// RFC 8216bis §4.4.3.1: a duration rounds to the nearest second, so a segment may be this much longer.
const ROUNDING_NS: i64 = 400_000_000;

/// The grid of one run.
#[derive(Debug, Clone)]
pub(crate) struct Grid {
    config: GridConfig,
    /// First DTS of the open segment's main track.
    start: Option<MediaTime>,
    /// EXT-X-TARGETDURATION in seconds, once the first segment has ended.
    target_s: Option<u32>,
}

impl Grid {
    /// The grid of a run that begins.
    pub(crate) fn new(config: GridConfig) -> Self {
        Self { config, start: None, target_s: None }
    }

    /// EXT-X-TARGETDURATION of the run; `None` until its first segment has ended.
    pub(crate) fn target_s(&self) -> Option<u32> {
        self.target_s
    }

    /// First decode time of the open segment's main track; `None` before the run's first segment.
    pub(crate) fn start(&self) -> Option<MediaTime> {
        self.start
    }

    /// Whether a segment that began at `start` may end with a random access point at `at`.
    pub(crate) fn reached(&self, start: MediaTime, at: MediaTime) -> bool {
        at.since_ns(start) >= self.config.segment_ns - EARLY_NS
    }

    /// Whether a part from `at` to `until` has to begin a segment although no key frame does.
    pub(crate) fn must_cut(&self, at: MediaTime, until: MediaTime) -> bool {
        self.start.is_none_or(|s| at > s && until.since_ns(s) > self.longest_ns())
    }

    fn longest_ns(&self) -> i64 {
        self.target_s.map_or(self.config.first_max_ns, |t| i64::from(t) * 1_000_000_000 + ROUNDING_NS)
    }

    /// Begins a segment at `at`, the end of the one before.
    pub(crate) fn begin(&mut self, at: MediaTime) {
        if let (Some(start), None) = (self.start, self.target_s) {
            self.target_s = Some(self.target_for(at.since_ns(start)));
        }
        self.start = Some(at);
    }

    fn target_for(&self, first_ns: i64) -> u32 {
        let longest = first_ns.max(self.config.segment_ns);
        u32::try_from(longest.saturating_sub(ROUNDING_NS).div_euclid(1_000_000_000) + 1).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        Grid::new(GridConfig { segment_ns: 2_000_000_000, first_max_ns: 10_000_000_000 })
    }

    fn s(ms: i64) -> MediaTime {
        MediaTime(ms * 1_000_000)
    }

    #[test]
    fn a_two_second_gop_gives_two_second_segments_and_target() {
        let mut g = grid();
        g.begin(s(10_000));
        assert!(!g.reached(s(10_000), s(11_000)));
        assert!(g.reached(s(10_000), s(11_999)));
        g.begin(s(12_000));
        assert_eq!(g.target_s(), Some(2));
        assert!(!g.must_cut(s(13_900), s(14_400)));
        assert!(g.must_cut(s(14_000), s(14_401)));
    }

    #[test]
    fn a_long_first_gop_fixes_the_target_for_the_run() {
        let mut g = grid();
        g.begin(s(0));
        assert!(!g.must_cut(s(8_000), s(8_500)));
        g.begin(s(8_340));
        assert_eq!(g.target_s(), Some(8));
        g.begin(s(10_340));
        assert_eq!(g.target_s(), Some(8));
    }
}
