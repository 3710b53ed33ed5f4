//! HLS over fragmented MP4 (RFC 8216bis): multivariant and media playlists, segments and initialisation
//! segments, computed from a stream's recorded segment grid.
//!
//! Playlists are text made of facts that never change once recorded, so that any number of requests and
//! servers agree: media and discontinuity sequence, target duration and segment bounds are read from the
//! tape, never derived from today's configuration. No file data is read to make one.
//!
//! What a media playlist lists depends on its time query alone:
//!
//! | query | lists | ends |
//! |---|---|---|
//! | none | the DVR window: the newest [`HlsConfig::window_ns`] of wall time, at most [`WINDOW_SEGMENTS_MAX`] | never |
//! | `start` | everything from the segment on screen at `start`, growing; playback begins at `start` | at [`LISTED_SEGMENTS_MAX`] |
//! | `start`, `delay` | the same, told late: up to the hold-back (three target durations) after now less `delay` | the same |
//! | `start`, `end` | every segment that overlaps the range | once all of it is recorded |
//!
//! `delay` alone is redirected to the `start` that lies that far behind the edge ([`crate::query`]). Players that know
//! EXT-X-START begin there; others begin the hold-back before the end of the list, which is the same place.
//!
//! A live playlist has no `EXT-X-ENDLIST` even while nobody publishes: the stream may return, and the same
//! list then goes on behind a discontinuity. Players keep polling it meanwhile. A list with `start` never
//! drops a segment while the tape holds it, but it has no `EXT-X-PLAYLIST-TYPE:EVENT`, which would forbid
//! retention to drop one.
//!
//! The segment that is still being received is not listed; low latency will add it as partial segments.

mod block;
mod cache;
mod error;
mod fetch;
mod grid;
mod master;
mod name;
mod playlist;
mod select;

pub use cache::CacheStats;
pub use error::HlsError;
pub use fetch::{init, segment};
pub use master::MasterRequest;
pub use name::{Child, MEDIA_PLAYLIST, SegmentName};
pub use playlist::{MediaRequest, Missing, Playlist};

use cache::Cache;

/// Most segments in a playlist without a time query: 12 h of 2 s segments, some 2 MB of text. Players
/// without delta updates (FFmpeg, VLC, televisions) fetch all of it every few seconds.
pub const WINDOW_SEGMENTS_MAX: usize = 21_600;
/// Most segments in a playlist with `start`: two days of 2 s segments. A list without `end` ends there, so
/// that it neither grows without bound nor begins elsewhere than asked.
pub const LISTED_SEGMENTS_MAX: usize = 86_400;

/// Media type of playlists, RFC 8216bis §10.
pub const PLAYLIST_TYPE: &str = "application/vnd.apple.mpegurl";
/// Media type of segments and initialisation segments, RFC 6381's for what they hold; players do not look.
pub const SEGMENT_TYPE: &str = "video/mp4";
/// `Cache-Control` of segments and initialisation segments: their names are made of their content.
pub const IMMUTABLE: &str = "max-age=31536000, immutable";

/// What playlists are made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HlsConfig {
    /// The DVR window of a playlist without a time query, in nanoseconds of wall time.
    pub window_ns: i64,
    /// Memory for rendered parts of playlists, over all streams. A segment takes some 160 bytes: the default
    /// holds 200 000, the 2 h windows of 55 streams.
    pub cache_bytes: usize,
}

impl Default for HlsConfig {
    fn default() -> Self {
        Self { window_ns: 2 * 3_600 * 1_000_000_000, cache_bytes: 32 << 20 }
    }
}

/// Makes playlists. One per server: it caches what it rendered, within [`HlsConfig::cache_bytes`].
///
/// Its calls may load an extent's index from disk: not for a thread that must not block.
#[derive(Debug)]
pub struct Playlists {
    config: HlsConfig,
    cache: Cache,
}

impl Playlists {
    /// With an empty cache.
    pub fn new(config: HlsConfig) -> Self {
        Self { config, cache: Cache::new(config.cache_bytes) }
    }

    /// What the cache did so far.
    pub fn stats(&self) -> CacheStats {
        self.cache.stats()
    }
}
