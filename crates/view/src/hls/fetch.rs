//! From the name of a segment or initialisation segment to where its bytes are.

use std::ops::Range;

use media::container::mp4::init_segment;
use media::{TrackConfig, TrackKind};
use tape::{ExtentIndex, InitId, Stream, TrackIndex};

use super::HlsError;
use super::name::SegmentName;
use crate::piece::Body;

/// The kinds of tracks that players are shown one of.
const MAIN_KINDS: [TrackKind; 3] = [TrackKind::Video, TrackKind::Audio, TrackKind::Data];

/// The bytes of a segment: its parts, one after the other. Checks that the name's checksum is that of the
/// parts, so that a name of before a crash never gives what was recorded after it.
///
/// May load an extent's index from disk.
pub fn segment(stream: &Stream, name: &SegmentName) -> Result<Body, HlsError> {
    let extent = stream.extent_of(name.run, name.first).ok_or(HlsError::Gone)?;
    let index = stream.index(extent)?;
    let parts = locate(&index, name).ok_or(HlsError::Gone)?;
    let mut pieces = Vec::new();
    for bytes in shown(&index, parts) {
        pieces.extend(stream.read(extent, bytes)?);
    }
    Ok(Body::new(pieces))
}

/// What of these parts players are sent: all of it, or, where tracks lie beside the main ones, the fragments of
/// the main ones alone. Their initialisation segment knows no others.
fn shown(index: &ExtentIndex, parts: Range<usize>) -> Vec<Range<u64>> {
    let main: Vec<&TrackIndex> = MAIN_KINDS
        .into_iter()
        .filter_map(|kind| index.tracks.iter().find(|track| track.kind == kind))
        .collect();
    let entries = &index.parts[parts.clone()];
    if main.len() == index.tracks.len() {
        let ends = entries.first().zip(entries.last());
        return ends.map(|(a, z)| a.offset..z.offset + u64::from(z.len)).into_iter().collect();
    }
    let fragments = parts.flat_map(|part| {
        let mut of_part: Vec<Range<u64>> = main
            .iter()
            .filter_map(|track| track.parts.get(part).filter(|part| part.count > 0))
            .map(|part| part.moof..part.moof + u64::from(part.moof_len))
            .collect();
        of_part.sort_by_key(|range| range.start);
        of_part
    });
    fragments.collect()
}

/// Which of an extent's parts a segment is.
fn locate(index: &ExtentIndex, name: &SegmentName) -> Option<Range<usize>> {
    let at = |no| index.parts.binary_search_by_key(&no, |p| p.no).ok();
    let (first, last) = (at(name.first)?, at(name.last)?);
    let whole = SegmentName::of(name.run, index.parts.get(first..=last)?) == Some(*name);
    whole.then_some(first..last + 1)
}

/// The bytes of an initialisation segment: of the main tracks, where there are others beside them.
pub fn init(stream: &Stream, id: &InitId) -> Result<Body, HlsError> {
    let tracks = stream.tracks(id).ok_or(HlsError::Gone)?;
    let main: Vec<TrackConfig> = TrackConfig::main_ones(&tracks).cloned().collect();
    if main.len() < tracks.len() {
        return Ok(Body::from_bytes(init_segment(&main)));
    }
    stream.init_segment(id).map(Body::from_bytes).ok_or(HlsError::Gone)
}
