//! From the name of a segment or initialisation segment to where its bytes are.

use tape::{ExtentIndex, InitId, Stream};

use super::HlsError;
use super::name::SegmentName;
use crate::piece::Body;

/// The bytes of a segment: its parts, one after the other. Checks that the name's checksum is that of the
/// parts, so that a name of before a crash never gives what was recorded after it.
///
/// May load an extent's index from disk.
pub fn segment(stream: &Stream, name: &SegmentName) -> Result<Body, HlsError> {
    let extent = stream.extent_of(name.run, name.first).ok_or(HlsError::Gone)?;
    let index = stream.index(extent)?;
    let bytes = locate(&index, name).ok_or(HlsError::Gone)?;
    Ok(Body::new(stream.read(extent, bytes)?))
}

/// Where the parts of a segment lie in their extent's file.
fn locate(index: &ExtentIndex, name: &SegmentName) -> Option<std::ops::Range<u64>> {
    let at = |no| index.parts.binary_search_by_key(&no, |p| p.no).ok();
    let parts = index.parts.get(at(name.first)?..=at(name.last)?)?;
    let (first, last) = (parts.first()?, parts.last()?);
    let whole = SegmentName::of(name.run, parts) == Some(*name);
    whole.then(|| first.offset..last.offset + u64::from(last.len))
}

/// The bytes of an initialisation segment.
pub fn init(stream: &Stream, id: &InitId) -> Result<Body, HlsError> {
    stream.init_segment(id).map(Body::from_bytes).ok_or(HlsError::Gone)
}
