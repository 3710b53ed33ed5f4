//! Names of the objects under `/-/`: the media playlist, segments and initialisation segments. A segment's
//! name says which parts it is made of and carries a checksum of them, so that a name means the same bytes
//! for ever: after a crash the last segment that players fetched may come back shorter, under another name.

use std::fmt;
use std::str::FromStr;

use tape::{InitId, PartEntry, PartNo, RunId};

use crate::path::ChildName;

/// The media playlist.
pub const MEDIA_PLAYLIST: &str = "media.m3u8";
const SEGMENT_SUFFIX: &str = ".m4s";
const INIT_SUFFIX: &str = ".init.mp4";
const INIT_DIGITS: usize = 16;

/// `{run}.{first}-{last}.{hash}.m4s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SegmentName {
    /// The run.
    pub run: RunId,
    /// Its first part.
    pub first: PartNo,
    /// Its last part, inclusive.
    pub last: PartNo,
    /// CRC32C over the recorded checksums of its parts, each as four big-endian bytes.
    pub hash: u32,
}

impl SegmentName {
    /// The name of the segment made of these parts; `None` for no parts.
    pub fn of(run: RunId, parts: &[PartEntry]) -> Option<Self> {
        let (first, last) = (parts.first()?.no, parts.last()?.no);
        let hash = parts.iter().fold(0, |crc, p| crc32c::crc32c_append(crc, &p.crc.to_be_bytes()));
        Some(Self { run, first, last, hash })
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}-{}.{:08x}{SEGMENT_SUFFIX}", self.run.0, self.first.0, self.last.0, self.hash)
    }
}

/// Not a segment's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotASegment;

impl FromStr for SegmentName {
    type Err = NotASegment;

    fn from_str(text: &str) -> Result<Self, NotASegment> {
        let read = || {
            let mut fields = text.strip_suffix(SEGMENT_SUFFIX)?.split('.');
            let (run, parts, hash) = (fields.next()?, fields.next()?, fields.next()?);
            let (first, last) = parts.split_once('-')?;
            Some(Self {
                run: RunId(run.parse().ok()?),
                first: PartNo(first.parse().ok()?),
                last: PartNo(last.parse().ok()?),
                hash: u32::from_str_radix(hash, 16).ok()?,
            })
        };
        // One spelling per segment: caches key on the URL.
        read().filter(|name| name.to_string() == text && name.first <= name.last).ok_or(NotASegment)
    }
}

/// The name of an initialisation segment.
pub(super) fn init_name(id: &InitId) -> String {
    format!("{id}{INIT_SUFFIX}")
}

fn parse_init(text: &str) -> Option<InitId> {
    let digits = text.strip_suffix(INIT_SUFFIX)?;
    let hex = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    digits.parse().ok().filter(|_| hex && digits.len() == INIT_DIGITS)
}

/// What a child of an HLS view is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Child {
    /// The media playlist.
    Media,
    /// A segment.
    Segment(SegmentName),
    /// An initialisation segment.
    Init(InitId),
}

impl Child {
    /// Reads a name; `None` when it names no object of an HLS view (404).
    pub fn parse(name: &ChildName) -> Option<Self> {
        let name = name.as_str();
        if name == MEDIA_PLAYLIST {
            return Some(Self::Media);
        }
        name.parse().ok().map(Self::Segment).or_else(|| parse_init(name).map(Self::Init))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn child(name: &str) -> Option<Child> {
        Child::parse(&ChildName::parse(name).unwrap())
    }

    #[test]
    fn children_have_one_spelling_each() {
        assert_eq!(child("media.m3u8"), Some(Child::Media));
        let name = SegmentName { run: RunId(3), first: PartNo(10), last: PartNo(13), hash: 0xab };
        assert_eq!(name.to_string(), "3.10-13.000000ab.m4s");
        assert_eq!(child("3.10-13.000000ab.m4s"), Some(Child::Segment(name)));
        assert!(matches!(child("00ff00ff00ff00ff.init.mp4"), Some(Child::Init(_))));
        for none in [
            "3.10-13.ab.m4s",
            "03.10-13.000000ab.m4s",
            "3.13-10.000000ab.m4s",
            "3.10-13.000000AB.m4s",
            "3.10.m4s",
            "3.10-13.000000ab.x.m4s",
            "3.99999999999999999999-13.000000ab.m4s",
            "ff.init.mp4",
            "00FF00ff00ff00ff.init.mp4",
            "index.m3u8",
        ] {
            assert_eq!(child(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn a_name_reads_back(run: u64, first: u64, more in 0u64..1000, hash: u32) {
            let last = PartNo(first.saturating_add(more));
            let name = SegmentName { run: RunId(run), first: PartNo(first), last, hash };
            prop_assert_eq!(child(&name.to_string()), Some(Child::Segment(name)));
        }
    }
}
