//! Multivariant playlists: one variant for now, its figures measured on the tape.

use std::fmt::Write as _;

use bytes::Bytes;
use media::{Picture, TrackConfig};
use tape::{InitId, Stream};

use super::playlist::{MediaRequest, Playlist};
use super::select::Slice;
use super::{HlsError, MEDIA_PLAYLIST, Playlists};
use crate::path::{Grant, MediaPath};
use crate::query::{MediaQuery, to_query};

/// Most of the newest blocks that figures are measured on: ten minutes of 60 s extents. A bit rate of last
/// week says little of what a player is about to fetch.
const MEASURED_BLOCKS_MAX: usize = 10;
/// Most initialisation segments whose codecs are told; a stream that changes more often tells the newest.
const INITS_MAX: usize = 16;
/// Nothing needs more than this: tags of the first versions only.
const VERSION: u32 = 6;
/// Query parameters that mean the same to the media playlist and therefore go on to it. The token does not:
/// children carry a grant in their path.
const CARRIED: [&str; 6] = ["start", "end", "delay", "gaps", "clock", "epochs"];

/// What a multivariant playlist is asked for.
#[derive(Debug, Clone)]
pub struct MasterRequest<'a> {
    /// What its media playlist will be asked for.
    pub media: MediaRequest,
    /// The path it was asked by: a view of a stream or of an asset.
    pub path: &'a MediaPath,
    /// Its query, with absolute times.
    pub query: &'a MediaQuery,
    /// The grant that children need in their path, made of the `?token=` of the request.
    pub added: Option<&'a Grant>,
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Rates {
    peak: u64,
    average: u64,
    /// Pictures per 1000 s.
    millifps: u64,
}

impl Playlists {
    /// The multivariant playlist of a stream, or of an asset that shows a range of it.
    pub fn master(&self, stream: &Stream, request: &MasterRequest<'_>) -> Result<Playlist, HlsError> {
        let listing = self.listing(stream, &request.media)?;
        let newest = &listing.slices[listing.slices.len().saturating_sub(MEASURED_BLOCKS_MAX)..];
        let tracks = track_sets(stream, &listing.slices);
        let child = request.path.child_reference(MEDIA_PLAYLIST, request.added).ok_or(HlsError::Gone)?;
        let carried =
            request.query.pairs().iter().filter(|(n, v)| CARRIED.contains(&n.as_str()) && !v.is_empty());
        let query = to_query(carried.map(|(n, v)| (n.as_str(), v.as_str())));
        let uri = if query.is_empty() { child } else { format!("{child}?{query}") };
        let text = render(measure(newest), &tracks, &uri);
        // Its figures move as long as segments come.
        let last = listing.slices.last().and_then(|s| s.iter().next_back()).map_or(0, |e| e.msn);
        Ok(Playlist::of(vec![Bytes::from(text)], last, listing.growth, listing.missing))
    }
}

/// The track sets that are listed, newest first.
fn track_sets(stream: &Stream, slices: &[Slice]) -> Vec<std::sync::Arc<[TrackConfig]>> {
    let mut inits: Vec<InitId> = Vec::new();
    for slice in slices.iter().rev() {
        if inits.len() < INITS_MAX && !inits.contains(&slice.block.init) {
            inits.push(slice.block.init);
        }
    }
    inits.iter().filter_map(|i| stream.tracks(i)).collect()
}

fn rate(bytes: u64, us: i64) -> u64 {
    let us = u128::try_from(us.max(1)).unwrap_or(1);
    u64::try_from((u128::from(bytes) * 8_000_000).div_ceil(us)).unwrap_or(u64::MAX)
}

/// Bit rates over segments: the peak of any that lasts at least half the target duration (RFC 8216bis
/// §4.4.6.2, which leaves shorter ones out), and the average.
fn measure(slices: &[Slice]) -> Rates {
    let (mut bytes, mut us, mut peak) = (0u64, 0i64, 0u64);
    for slice in slices {
        let least_us = i64::from(slice.block.target_s) * 500_000;
        for e in slice.iter() {
            (bytes, us) = (bytes.saturating_add(e.bytes), us.saturating_add(e.duration_us));
            if e.duration_us >= least_us {
                peak = peak.max(rate(e.bytes, e.duration_us));
            }
        }
    }
    let average = rate(bytes, us);
    let (pictures, pictures_us) =
        slices.iter().fold((0u64, 0i64), |(n, t), s| (n + s.block.pictures.0, t + s.block.pictures.1));
    let us = u128::try_from(pictures_us.max(1)).unwrap_or(1);
    let millifps = u64::try_from((u128::from(pictures) * 1_000_000_000 + us / 2) / us).unwrap_or(0);
    Rates { peak: peak.max(average), average, millifps }
}

fn render(rates: Rates, tracks: &[std::sync::Arc<[TrackConfig]>], uri: &str) -> String {
    let mut attributes =
        format!("BANDWIDTH={},AVERAGE-BANDWIDTH={}", rates.peak.max(1), rates.average.max(1));
    let codecs = codecs(tracks);
    let mut add = |args: std::fmt::Arguments<'_>| {
        attributes.write_fmt(args).expect("writing to a String does not fail");
    };
    if !codecs.is_empty() {
        add(format_args!(",CODECS=\"{}\"", codecs.join(",")));
    }
    let video = tracks.first().into_iter().flat_map(|t| t.iter()).find_map(resolution);
    if let Some((width, height)) = video {
        add(format_args!(",RESOLUTION={width}x{height}"));
        if rates.millifps > 0 {
            add(format_args!(",FRAME-RATE={}.{:03}", rates.millifps / 1000, rates.millifps % 1000));
        }
    }
    format!("#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-STREAM-INF:{attributes}\n{uri}\n")
}

/// One `codecs` entry per kind of sample entry, the newest: players make one decoder of each, and two entries
/// of a kind leave them to guess (hls.js passes both to MSE).
fn codecs(tracks: &[std::sync::Arc<[TrackConfig]>]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let kind = |codec: &str| codec.split('.').next().unwrap_or(codec).to_owned();
    let main = tracks.iter().flat_map(|tracks| TrackConfig::main_ones(tracks));
    for codec in main.filter_map(|t| t.codec.rfc6381()) {
        if !out.iter().any(|o| kind(o) == kind(&codec)) {
            out.push(codec);
        }
    }
    out
}

/// The size a track is shown at: RESOLUTION counts square pixels.
fn resolution(track: &TrackConfig) -> Option<(u64, u16)> {
    let Picture { width, height, sar: (num, den) } = track.codec.picture()?;
    let (width, num, den) = (u64::from(width), u64::from(num), u64::from(den));
    Some((if num > 0 && den > 0 { (width * num + den / 2) / den } else { width }, height))
}
