//! Media playlists: the request, the text, and what an HTTP answer needs beside it.

use std::fmt::Write as _;
use std::ops::Range;

use bytes::Bytes;
use media::WallTime;
use tape::{InitId, Piece, Stream};

use super::block::{Block, Entry};
use super::name::init_name;
use super::select::{Growth, Holes, Listing, Slice};
use super::{HlsError, Playlists};
use crate::piece::Body;
use crate::query::{Clock, Container, GapPolicy, MediaQuery, Resolved, Skip};

/// EXT-X-SKIP needs version 9 (RFC 8216bis §8); everything else here is older.
const VERSION: u32 = 9;
/// CAN-SKIP-UNTIL in target durations; RFC 8216bis §4.4.3.8: at least six.
const SKIP_TARGETS: u32 = 6;
/// HOLD-BACK in target durations; RFC 8216bis §4.4.3.8: at least three.
pub(super) const HOLD_BACK_TARGETS: u32 = 3;
/// Most EXT-X-DISCONTINUITY tags in one place: numbers of runs of which nothing is left.
const DISCONTINUITIES_MAX: u64 = 16;
/// Most EXT-X-GAP segments that stand for lost media sequence numbers in one place, 12 h of 2 s segments.
/// Behind a longer hole a growing list begins anew.
const GAP_SEGMENTS_MAX: u64 = 21_600;
/// The URI of a gap. RFC 8216bis §4.4.4.7: clients do not fetch it.
const GAP_URI: &str = "gap.m4s";
/// A growing list changes once per segment; a second late is well within RFC 8216bis §6.2.2, and it lets one
/// fetch serve all viewers behind a cache.
const CACHE_GROWING: &str = "max-age=1";
/// A list that has ended changes only by retention.
const CACHE_ENDED: &str = "max-age=3600";

/// What a media playlist is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaRequest {
    /// Where the range begins.
    pub start: Option<WallTime>,
    /// Where it ends, exclusive; after `start`.
    pub end: Option<WallTime>,
    /// How late a list that grows is told, in nanoseconds.
    pub shift_ns: Option<i64>,
    /// What happens to gaps. In HLS they are discontinuities unless refused.
    pub gaps: GapPolicy,
    /// Whether a delta update is welcome.
    pub skip: Option<Skip>,
    /// The real time, which says whether a range is in the future.
    pub clock: WallTime,
}

impl MediaRequest {
    /// From a query and its resolved times; `clock` is the real time now.
    pub fn new(query: &MediaQuery, times: &Resolved, clock: WallTime) -> Result<Self, HlsError> {
        if query.container == Some(Container::Ts) {
            return Err(HlsError::Unsupported { parameter: "container", value: "ts" });
        }
        if query.clock == Some(Clock::Capture) {
            return Err(HlsError::Unsupported { parameter: "clock", value: "capture" });
        }
        let gaps = query.gaps.unwrap_or_default();
        // What would hold a gap is EXT-X-GAP: FFmpeg fetches its URI all the same, fails, and goes on behind it.
        if gaps == GapPolicy::Hold {
            return Err(HlsError::Unsupported { parameter: "gaps", value: gaps.as_str() });
        }
        let Resolved { start, end, shift_ns, .. } = *times;
        Ok(Self { start, end, shift_ns, gaps, skip: query.hls_skip, clock })
    }
}

/// The part of an asked range that lies outside the tape.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Missing {
    /// Asked for and already removed, or never recorded.
    pub before_tape: Option<Range<WallTime>>,
    /// Asked for and not there, as nobody publishes.
    pub after_tape: Option<Range<WallTime>>,
}

impl Missing {
    pub(super) fn of(tape: &Range<WallTime>, start: WallTime, end: Option<WallTime>) -> Self {
        Self {
            before_tape: (start < tape.start).then_some(start..tape.start),
            after_tape: end.filter(|end| *end > tape.end).map(|end| tape.end..end),
        }
    }

    /// Whether the tape holds all that was asked for.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A playlist and what an HTTP answer needs of it. The text is shared pieces of the cache.
#[derive(Debug, Clone)]
pub struct Playlist {
    chunks: Vec<Bytes>,
    len: u64,
    etag: String,
    ended: bool,
    missing: Missing,
}

impl Playlist {
    pub(super) fn of(chunks: Vec<Bytes>, mark: u64, growth: Growth, missing: Missing) -> Self {
        let len = chunks.iter().map(|c| c.len() as u64).sum();
        let crc = chunks.iter().fold(0, |crc, c| crc32c::crc32c_append(crc, c));
        let etag = format!("\"{mark}-{len:x}-{crc:08x}\"");
        Self { chunks, len, etag, ended: growth == Growth::Ended, missing }
    }

    /// A strong entity tag with its quotes: newest media sequence number, length and checksum. With the
    /// stream's id it is the key of a cache of compressed bodies.
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// Bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no text; never true.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// `Cache-Control` for anyone who may see it. An answer to a request that carried a credential needs
    /// `private` in front.
    pub fn cache_control(&self) -> &'static str {
        if self.ended { CACHE_ENDED } else { CACHE_GROWING }
    }

    /// Whether all of it is there.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// What was asked for and is not on the tape.
    pub fn missing(&self) -> &Missing {
        &self.missing
    }

    /// The text, without copying.
    pub fn body(&self) -> Body {
        Body::new(self.chunks.iter().cloned().map(Piece::Mem))
    }

    /// The text in one buffer, e.g. to be compressed.
    pub fn to_bytes(&self) -> Bytes {
        self.chunks.concat().into()
    }
}

impl Playlists {
    /// The media playlist of a stream.
    pub fn media(&self, stream: &Stream, request: &MediaRequest) -> Result<Playlist, HlsError> {
        Ok(media_playlist(self.listing(stream, request)?, request.skip))
    }
}

/// A stretch of a list whose text is at hand.
#[derive(Debug)]
enum Item<'a> {
    /// Entries of a block, behind the tags that they need.
    Lines { tags: String, block: &'a Block, entries: Range<usize> },
    /// Media sequence numbers that are lost.
    Gaps(u64),
}

impl Item<'_> {
    fn count(&self) -> u64 {
        match self {
            Self::Lines { entries, .. } => entries.len() as u64,
            Self::Gaps(count) => *count,
        }
    }
}

fn media_playlist(listing: Listing, skip: Option<Skip>) -> Playlist {
    let growing = listing.growth == Growth::Growing;
    let slices = match listing.holes {
        Holes::Filled => behind_last_tear(&listing.slices),
        Holes::Closed => &listing.slices[..],
    };
    let target_s = target_s(slices);
    let items = items(slices, listing.holes);
    let skipped = match skip {
        Some(_) if growing => skippable(&items, target_s),
        _ => 0,
    };
    let first = slices.first().and_then(|s| s.iter().next());
    let last_msn = slices.last().and_then(|s| s.iter().next_back()).map_or(0, |e| e.msn);
    let mut head = header(slices, first, target_s, &listing);
    if skipped > 0 {
        push(&mut head, format_args!("#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}\n"));
    }
    let mut chunks = vec![Bytes::from(head)];
    lines(&items, skipped, target_s, &mut chunks);
    if !growing {
        chunks.push(Bytes::from_static(b"#EXT-X-ENDLIST\n"));
    }
    Playlist::of(chunks, last_msn, listing.growth, listing.missing)
}

/// The text before the first segment.
fn header(slices: &[Slice], first: Option<&Entry>, target_s: u32, listing: &Listing) -> String {
    let mut head = format!("#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{target_s}\n");
    match listing.growth {
        Growth::Growing => {
            let (skip, hold) =
                (target_s.saturating_mul(SKIP_TARGETS), target_s.saturating_mul(HOLD_BACK_TARGETS));
            push(
                &mut head,
                format_args!("#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL={skip}.0,HOLD-BACK={hold}.0\n"),
            );
        }
        Growth::Ended => head.push_str("#EXT-X-PLAYLIST-TYPE:VOD\n"),
    }
    let (msn, dsn) = first.map_or((0, 0), |e| (e.msn, e.dsn));
    push(&mut head, format_args!("#EXT-X-MEDIA-SEQUENCE:{msn}\n#EXT-X-DISCONTINUITY-SEQUENCE:{dsn}\n"));
    if slices.iter().all(Slice::independent) {
        head.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    if let (Some(start), Some(first)) = (listing.start, first) {
        let offset_us = start.since_ns(first.start).div_euclid(1000).clamp(0, duration_us(slices));
        // Players begin a list that grows at its end unless they are told; one that has ended, at its start.
        if offset_us > 0 || listing.growth == Growth::Growing {
            let (s, us) = (offset_us / 1_000_000, offset_us % 1_000_000);
            push(&mut head, format_args!("#EXT-X-START:TIME-OFFSET={s}.{us:06},PRECISE=YES\n"));
        }
    }
    head
}

fn push(text: &mut String, args: std::fmt::Arguments<'_>) {
    text.write_fmt(args).expect("writing to a String does not fail");
}

/// The runs' target duration, the greatest of those listed. A segment that exceeds its run's (one picture
/// shown for a minute, without sound) raises it: RFC 8216bis §4.4.3.1 binds every EXTINF to it.
fn target_s(slices: &[Slice]) -> u32 {
    slices.iter().map(|s| s.block.target_s.max(s.block.longest_s)).max().unwrap_or(0).max(1)
}

fn duration_us(slices: &[Slice]) -> i64 {
    slices.iter().map(Slice::duration_us).sum()
}

/// How many media sequence numbers are lost between two neighbours.
fn hole(before: Option<&Entry>, after: &Entry) -> u64 {
    before.map_or(0, |b| after.msn.saturating_sub(b.msn.saturating_add(1)))
}

/// What follows the last hole that is too long to be filled.
fn behind_last_tear(slices: &[Slice]) -> &[Slice] {
    let mut before: Option<&Entry> = None;
    let mut from = 0;
    for (i, slice) in slices.iter().enumerate() {
        let Some(first) = slice.iter().next() else { continue };
        if hole(before, first) > GAP_SEGMENTS_MAX {
            from = i;
        }
        before = slice.iter().next_back();
    }
    &slices[from..]
}

/// The list as stretches with the tags between them.
fn items(slices: &[Slice], holes: Holes) -> Vec<Item<'_>> {
    let mut out = Vec::with_capacity(slices.len());
    let (mut before, mut init) = (None::<&Entry>, None::<InitId>);
    for slice in slices {
        for entries in stretches(slice) {
            let block = &*slice.block;
            let (first, last) = (&block.entries[entries.start], &block.entries[entries.end - 1]);
            let lost = hole(before, first);
            if lost > 0 && holes == Holes::Filled {
                out.push(Item::Gaps(lost));
            }
            let steps_max = if holes == Holes::Filled { DISCONTINUITIES_MAX } else { 1 };
            let steps = before.map_or(0, |b| first.dsn.saturating_sub(b.dsn).min(steps_max));
            let mut tags = "#EXT-X-DISCONTINUITY\n".repeat(steps as usize);
            if init != Some(block.init) {
                push(&mut tags, format_args!("#EXT-X-MAP:URI=\"{}\"\n", init_name(&block.init)));
            }
            (before, init) = (Some(last), Some(block.init));
            out.push(Item::Lines { tags, block, entries });
        }
    }
    out
}

/// The entries of a slice, cut where the media or discontinuity sequence does not simply go on.
fn stretches(slice: &Slice) -> Vec<Range<usize>> {
    let (all, range) = (&slice.block.entries, slice.entries.clone());
    let steady = |from: &Entry, to: &Entry, n: usize| {
        from.dsn == to.dsn && to.msn == from.msn.saturating_add(n as u64 - 1)
    };
    if range.is_empty() {
        return Vec::new();
    }
    if steady(&all[range.start], &all[range.end - 1], range.len()) {
        return vec![range];
    }
    let mut out = Vec::new();
    let mut from = range.start;
    for at in range.start + 1..=range.end {
        if at == range.end || !steady(&all[at - 1], &all[at], 2) {
            out.push(from..at);
            from = at;
        }
    }
    out
}

/// How many of the first segments a delta update leaves out: those wholly further from the end than
/// CAN-SKIP-UNTIL, RFC 8216bis §6.2.5.1.
fn skippable(items: &[Item<'_>], target_s: u32) -> u64 {
    let until_us = i64::from(target_s.saturating_mul(SKIP_TARGETS)) * 1_000_000;
    let target_us = i64::from(target_s) * 1_000_000;
    let (mut kept_us, mut kept) = (0i64, 0u64);
    for item in items.iter().rev() {
        let durations: Box<dyn Iterator<Item = i64>> = match item {
            Item::Lines { block, entries, .. } => {
                Box::new(block.entries[entries.clone()].iter().rev().map(|e| e.duration_us))
            }
            Item::Gaps(count) => Box::new((0..*count).map(|_| target_us)),
        };
        for us in durations {
            if kept_us >= until_us {
                return items.iter().map(Item::count).sum::<u64>() - kept;
            }
            kept_us = kept_us.saturating_add(us);
            kept += 1;
        }
    }
    0
}

/// Appends the text of all items but the first `skip` segments. EXT-X-SKIP stands for the tags of the
/// segments it replaces too, MAP and DISCONTINUITY included (RFC 8216bis §4.4.5.2).
fn lines(items: &[Item<'_>], skip: u64, target_s: u32, chunks: &mut Vec<Bytes>) {
    let mut left = skip;
    for item in items {
        let skipped = left.min(item.count());
        left -= skipped;
        if skipped == item.count() {
            continue;
        }
        match item {
            Item::Lines { tags, block, entries } => {
                if skipped == 0 && !tags.is_empty() {
                    chunks.push(Bytes::from(tags.clone()));
                }
                chunks.push(block.lines(entries.start + skipped as usize..entries.end));
            }
            Item::Gaps(count) => {
                let one = format!("#EXT-X-GAP\n#EXTINF:{target_s}.000000,\n{GAP_URI}\n");
                chunks.push(one.repeat((count - skipped) as usize).into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// A block of two-second segments `(msn, dsn)`; the lines of a segment are its number.
    fn block(init: u8, segments: &[(u64, u64)]) -> Arc<Block> {
        let mut text = String::new();
        let mut entries = Vec::new();
        for (msn, dsn) in segments {
            push(&mut text, format_args!("{msn}\n"));
            let start = WallTime::from_ms(*msn as i64 * 2000);
            entries.push(Entry {
                text_end: text.len() as u32,
                independent: *msn != 99,
                start,
                stop: start.plus_ns(2_000_000_000),
                duration_us: 2_000_000,
                bytes: 1,
                msn: *msn,
                dsn: *dsn,
            });
        }
        Arc::new(Block::of(init, 2, text, entries))
    }

    fn list(blocks: &[Arc<Block>], growth: Growth, skip: Option<Skip>) -> String {
        let slices = blocks.iter().map(|b| Slice { block: b.clone(), entries: 0..b.entries.len() }).collect();
        let holes = if growth == Growth::Growing { Holes::Filled } else { Holes::Closed };
        let listing = Listing { slices, growth, holes, start: None, missing: Missing::default() };
        String::from_utf8(media_playlist(listing, skip).to_bytes().to_vec()).unwrap()
    }

    fn after_head(text: &str) -> &str {
        text.split_once("#EXT-X-DISCONTINUITY-SEQUENCE:").unwrap().1.split_once('\n').unwrap().1
    }

    #[test]
    fn a_growing_list_from_its_first_line_to_its_last() {
        let text = list(
            &[block(1, &[(7, 3), (8, 3)]), block(1, &[(9, 4)]), block(2, &[(10, 5)])],
            Growth::Growing,
            None,
        );
        assert_eq!(
            text,
            "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n\
             #EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=12.0,HOLD-BACK=6.0\n\
             #EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-DISCONTINUITY-SEQUENCE:3\n#EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-MAP:URI=\"0101010101010101.init.mp4\"\n7\n8\n#EXT-X-DISCONTINUITY\n9\n\
             #EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"0202020202020202.init.mp4\"\n10\n"
        );
    }

    #[test]
    fn a_list_that_has_ended_says_so() {
        let text = list(&[block(1, &[(0, 0), (99, 0)])], Growth::Ended, Some(Skip::Segments));
        assert!(text.contains("#EXT-X-PLAYLIST-TYPE:VOD\n") && text.ends_with("0\n99\n#EXT-X-ENDLIST\n"));
        assert!(!text.contains("SERVER-CONTROL") && !text.contains("SKIP") && !text.contains("INDEPENDENT"));
    }

    #[test]
    fn a_delta_keeps_at_least_six_target_durations_and_drops_the_tags_of_what_it_skips() {
        let segments: Vec<(u64, u64)> = (0..10).map(|n| (n, n / 6)).collect();
        let blocks = [block(1, &segments[..4]), block(1, &segments[4..])];
        let text = list(&blocks, Growth::Growing, Some(Skip::SegmentsAndDateRanges));
        assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n"));
        let want = "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-SKIP:SKIPPED-SEGMENTS=4\n4\n5\n#EXT-X-DISCONTINUITY\n6\n7\n8\n9\n";
        assert_eq!(after_head(&text), want);
        let short = list(&blocks[1..], Growth::Growing, Some(Skip::Segments));
        assert!(!short.contains("EXT-X-SKIP"), "six segments are all within six target durations");
    }

    #[test]
    fn lost_numbers_are_gaps_while_a_list_grows_and_nothing_once_it_has_ended() {
        let torn = [block(1, &[(0, 0), (1, 0)]), block(1, &[(4, 3)])];
        let growing = list(&torn, Growth::Growing, None);
        let gap = "#EXT-X-GAP\n#EXTINF:2.000000,\ngap.m4s\n";
        let steps = "#EXT-X-DISCONTINUITY\n".repeat(3);
        assert!(growing.ends_with(&format!("0\n1\n{gap}{gap}{steps}4\n")), "{growing}");
        let ended = list(&torn, Growth::Ended, None);
        assert!(ended.ends_with("1\n#EXT-X-DISCONTINUITY\n4\n#EXT-X-ENDLIST\n"), "{ended}");

        let within = list(&[block(1, &[(0, 0), (3, 0), (4, 0)])], Growth::Growing, None);
        assert!(within.ends_with(&format!("0\n{gap}{gap}3\n4\n")), "{within}");
        let far = GAP_SEGMENTS_MAX + 2;
        let anew = list(&[block(1, &[(0, 0)]), block(2, &[(far, 7)])], Growth::Growing, None);
        assert!(anew.contains(&format!("MEDIA-SEQUENCE:{far}\n")) && !anew.contains("GAP"), "{anew}");
    }

    #[test]
    fn gaps_count_in_a_delta() {
        let torn = [block(1, &[(0, 0), (1, 0)]), block(1, &(8..12).map(|n| (n, 1)).collect::<Vec<_>>())];
        let delta = list(&torn, Growth::Growing, Some(Skip::Segments));
        let gap = "#EXT-X-GAP\n#EXTINF:2.000000,\ngap.m4s\n";
        let want = format!("#EXT-X-SKIP:SKIPPED-SEGMENTS=6\n{gap}{gap}#EXT-X-DISCONTINUITY\n8\n9\n10\n11\n");
        assert!(delta.ends_with(&want), "{delta}");
    }

    #[test]
    fn a_long_segment_raises_the_target() {
        let long = Block { longest_s: 9, ..Arc::try_unwrap(block(1, &[(0, 0)])).unwrap() };
        assert!(list(&[Arc::new(long)], Growth::Growing, None).contains("#EXT-X-TARGETDURATION:9\n"));
        let none = Block { longest_s: 0, target_s: 0, ..Arc::try_unwrap(block(1, &[(0, 0)])).unwrap() };
        assert!(list(&[Arc::new(none)], Growth::Growing, None).contains("#EXT-X-TARGETDURATION:1\n"));
    }

    #[test]
    fn the_etag_tells_texts_apart() {
        let etag = |blocks: &[Arc<Block>], growth: Growth| {
            let slices =
                blocks.iter().map(|b| Slice { block: b.clone(), entries: 0..b.entries.len() }).collect();
            let listing =
                Listing { slices, growth, holes: Holes::Filled, start: None, missing: Missing::default() };
            media_playlist(listing, None).etag().to_owned()
        };
        let (a, same, b) = ([block(1, &[(0, 0)])], [block(1, &[(0, 0)])], [block(2, &[(0, 0)])]);
        assert_eq!(etag(&a, Growth::Growing), etag(&same, Growth::Growing));
        assert_ne!(etag(&a, Growth::Growing), etag(&b, Growth::Growing));
        assert_ne!(etag(&a, Growth::Growing), etag(&a, Growth::Ended));
    }
}
