//! The sample index of an extent: where every part and every sample is and when it is shown. A cache: it
//! can always be read back from the extent's own boxes.

use media::{MediaTime, Rap, Timescale, TrackConfig, TrackId, TrackKind, WallTime};

use crate::ids::{ExtentNo, PartNo};
use crate::trailer::SegmentMark;

/// One sample, in its track's ticks on the run's timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Decode time.
    pub dts: i64,
    /// Ticks to the next sample's decode time.
    pub duration: u32,
    /// Bytes.
    pub size: u32,
    /// Presentation minus decode time.
    pub cts: i32,
    /// Whether decoding can begin here.
    pub rap: Rap,
}

impl Sample {
    /// Presentation time.
    pub const fn pts(&self) -> i64 {
        self.dts + self.cts as i64
    }
}

/// One part of an extent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartEntry {
    /// Its number.
    pub no: PartNo,
    /// Where it begins in the extent's file.
    pub offset: u64,
    /// Its bytes, trailer included.
    pub len: u32,
    /// Its segment.
    pub segment: SegmentMark,
    /// When its last packet arrived.
    pub received: WallTime,
    /// Its checksum, as recorded at its end.
    pub crc: u32,
}

/// The samples of one track in one part. They are contiguous in the file from `data` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackPart {
    /// Index of the first one in [`TrackIndex::samples`].
    pub first_sample: u32,
    /// How many; may be zero, and then the other fields mean nothing.
    pub count: u32,
    /// Where the track's `moof` begins in the file.
    pub moof: u64,
    /// Bytes of `moof` and `mdat` together.
    pub moof_len: u32,
    /// Where the first sample's bytes begin in the file.
    pub data: u64,
}

/// One track of an extent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackIndex {
    /// Its number.
    pub id: TrackId,
    /// Ticks per second of its samples.
    pub timescale: Timescale,
    /// What it carries.
    pub kind: TrackKind,
    /// One entry per part of the extent, in the same order.
    pub parts: Vec<TrackPart>,
    /// Decode order.
    pub samples: Vec<Sample>,
}

impl TrackIndex {
    /// The samples of the part at an index of [`ExtentIndex::parts`].
    pub fn samples_of(&self, part: usize) -> &[Sample] {
        let p = self.parts[part];
        &self.samples[p.first_sample as usize..(p.first_sample + p.count) as usize]
    }
}

/// An immutable snapshot of what an extent holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtentIndex {
    /// Its number.
    pub no: ExtentNo,
    /// Bytes of `ftyp` and `moov` at its start.
    pub init_len: u32,
    /// In order.
    pub parts: Vec<PartEntry>,
    /// In the order of `moov`.
    pub tracks: Vec<TrackIndex>,
}

/// What one part adds to an index; offsets are relative to the part's first byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartIndex {
    /// Its number.
    pub no: PartNo,
    /// Its bytes, trailer included.
    pub len: u32,
    /// Its segment.
    pub segment: SegmentMark,
    /// When its last packet arrived.
    pub received: WallTime,
    /// Its checksum.
    pub crc: u32,
    /// Tracks with samples in it.
    pub tracks: Vec<PartTrackIndex>,
}

/// One track of a [`PartIndex`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartTrackIndex {
    /// Its number.
    pub id: TrackId,
    /// Number of its first sample within the run.
    pub first_in_run: u64,
    /// Where its `moof` begins.
    pub moof: u32,
    /// Bytes of `moof` and `mdat` together.
    pub moof_len: u32,
    /// Where its first sample's bytes begin.
    pub data: u32,
    /// Its samples.
    pub samples: Vec<Sample>,
}

impl ExtentIndex {
    /// The index of an extent that has no part yet.
    pub fn new(no: ExtentNo, init_len: u32, tracks: &[TrackConfig]) -> Self {
        let track = |t: &TrackConfig| TrackIndex {
            id: t.id,
            timescale: t.timescale,
            kind: t.kind(),
            parts: Vec::new(),
            samples: Vec::new(),
        };
        Self { no, init_len, parts: Vec::new(), tracks: tracks.iter().map(track).collect() }
    }

    /// The track with this number.
    pub fn track(&self, id: TrackId) -> Option<&TrackIndex> {
        self.tracks.iter().find(|t| t.id == id)
    }

    /// Where the next part would begin; the length of the file.
    pub fn end_offset(&self) -> u64 {
        self.parts.last().map_or(u64::from(self.init_len), |p| p.offset + u64::from(p.len))
    }

    /// Appends a part.
    pub fn push(&mut self, part: &PartIndex) {
        let offset = self.end_offset();
        self.parts.push(PartEntry {
            no: part.no,
            offset,
            len: part.len,
            segment: part.segment,
            received: part.received,
            crc: part.crc,
        });
        for track in &mut self.tracks {
            let first_sample = u32::try_from(track.samples.len()).expect("an extent is bounded in bytes");
            let Some(p) = part.tracks.iter().find(|p| p.id == track.id) else {
                track.parts.push(TrackPart {
                    first_sample,
                    count: 0,
                    moof: offset,
                    moof_len: 0,
                    data: offset,
                });
                continue;
            };
            track.samples.extend_from_slice(&p.samples);
            track.parts.push(TrackPart {
                first_sample,
                count: u32::try_from(p.samples.len()).expect("a part is bounded"),
                moof: offset + u64::from(p.moof),
                moof_len: p.moof_len,
                data: offset + u64::from(p.data),
            });
        }
    }

    /// The decode times the extent spans: the earliest first DTS and the latest end of a sample over all
    /// tracks but data. `None` while it is empty.
    pub fn span(&self) -> Option<(MediaTime, MediaTime)> {
        let timed = self.tracks.iter().filter(|t| t.kind != TrackKind::Data || self.tracks.len() == 1);
        timed
            .filter_map(|t| {
                let (first, last) = (t.samples.first()?, t.samples.last()?);
                let end = last.dts + i64::from(last.duration);
                Some((t.timescale.media(first.dts), t.timescale.media(end)))
            })
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// The index with only the parts before `part`.
    #[must_use]
    pub fn before(&self, part: PartNo) -> Self {
        let keep = self.parts.partition_point(|p| p.no < part);
        let mut out = self.clone();
        out.parts.truncate(keep);
        for track in &mut out.tracks {
            track.parts.truncate(keep);
            let samples = track.parts.last().map_or(0, |p| p.first_sample + p.count);
            track.samples.truncate(samples as usize);
        }
        out
    }

    /// Rough bytes of memory, for the cache's budget.
    pub fn weight(&self) -> usize {
        let tracks: usize = self
            .tracks
            .iter()
            .map(|t| t.samples.len() * size_of::<Sample>() + t.parts.len() * size_of::<TrackPart>())
            .sum();
        size_of::<Self>() + tracks + self.parts.len() * size_of::<PartEntry>()
    }
}
