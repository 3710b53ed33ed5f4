//! The box that ends a part: the ground facts that a fragmented MP4 has no place for, and the checksum that
//! makes a part whole. `docs/format.md` is its specification.

use bytes::{BufMut, BytesMut};
use media::{MediaTime, Rap, TrackId, WallTime};
use thiserror::Error;
use uuid::Uuid;

use crate::clock::Anchor;
use crate::ids::{InitId, PartNo, RunId, StreamId};

/// The `usertype` of the box, ISO/IEC 14496-12 §11.1.
pub(crate) const TRAILER_UUID: [u8; 16] =
    [0x7a, 0x9c, 0x51, 0x0e, 0x74, 0x61, 0x4b, 0x70, 0xa5, 0x65, 0x6c, 0x69, 0x6e, 0x65, 0x00, 0x01];
/// The layout below. A reader refuses versions it does not know.
const VERSION: u8 = 1;
/// Bytes before the per-track entries, box header included.
const FIXED_LEN: usize = 8 + 16 + 4 + 16 + 8 + 4 + 8 + 8 + 8 + 8 + 8 + 20 + 8 + 4 + 2;
const TRACK_LEN: usize = 1 + 8 + 4;
const RAP_LEN: usize = 1 + 4 + 1;
/// The part's length and its checksum, at the very end.
const TAIL_LEN: usize = 8;

/// Which segment a part belongs to: recorded, so that it never depends on today's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentMark {
    /// The part begins its segment.
    pub starts: bool,
    /// The segment begins with a random access point of the main track.
    pub independent: bool,
    /// Media sequence number, rising over runs and restarts.
    pub msn: u64,
    /// Discontinuity sequence number.
    pub dsn: u64,
}

/// The facts of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trailer {
    /// Whose part it is.
    pub stream: StreamId,
    /// Its run.
    pub run: RunId,
    /// The epoch of the codec configuration, counted within the stream.
    pub epoch: u32,
    /// The `ftyp` and `moov` of its extent, which no checksum covers.
    pub init: InitId,
    /// Its number.
    pub part: PartNo,
    /// Its segment.
    pub segment: SegmentMark,
    /// When its last packet arrived.
    pub received: WallTime,
    /// The piece of the wall map that held when it was closed.
    pub anchor: Anchor,
    /// The source's own clock at the part's start, where it states one.
    pub capture: Option<WallTime>,
    /// EXT-X-TARGETDURATION of the run in seconds; 0 while not yet fixed.
    pub target_s: u32,
    /// Per track with samples in the part: id, number of its first sample in the run, count.
    pub tracks: Vec<(TrackId, u64, u32)>,
    /// Random access points of tracks where not every sample is one: track, index in the part, type.
    pub raps: Vec<(TrackId, u32, Rap)>,
}

/// Why a trailer cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum TrailerError {
    /// Not a trailer at all.
    #[error("the box is not a part trailer")]
    Foreign,
    /// A version this reader does not know.
    #[error("part trailer version {0} is newer than this program")]
    Version(u8),
    /// Lengths inside it do not add up.
    #[error("the part trailer is malformed")]
    Malformed,
}

fn flags(t: &Trailer) -> u8 {
    u8::from(t.segment.starts) | (u8::from(t.segment.independent) << 1) | (u8::from(t.capture.is_some()) << 2)
}

impl Trailer {
    /// Where the hash of the head lies in the box.
    #[cfg(feature = "fuzz")]
    pub(crate) const INIT_AT: usize = 56;

    /// Appends the box to `out`. `body` is what precedes it in the part: its length and its CRC32C.
    pub(crate) fn write(&self, out: &mut BytesMut, body: (u64, u32)) {
        let at = out.len();
        let len = self.len();
        out.reserve(len);
        out.put_u32(u32::try_from(len).expect("a part has few tracks and few random access points"));
        out.put_slice(b"uuid");
        out.put_slice(&TRAILER_UUID);
        out.put_slice(&[VERSION, flags(self), 0, 0]);
        out.put_slice(self.stream.0.as_bytes());
        out.put_u64(self.run.0);
        out.put_u32(self.epoch);
        out.put_slice(&self.init.0);
        out.put_u64(self.part.0);
        out.put_u64(self.segment.msn);
        out.put_u64(self.segment.dsn);
        out.put_i64(self.received.0);
        out.put_i64(self.anchor.media.0);
        out.put_i64(self.anchor.wall.0);
        out.put_i32(self.anchor.ppb);
        out.put_i64(self.capture.map_or(0, |c| c.0));
        out.put_u32(self.target_s);
        out.put_u8(u8::try_from(self.tracks.len()).expect("at most 255 tracks"));
        out.put_u8(u8::try_from(self.raps.len()).expect("capped by the assembler"));
        for (id, first, count) in &self.tracks {
            out.put_u8(id.0);
            out.put_u64(*first);
            out.put_u32(*count);
        }
        for (id, index, rap) in &self.raps {
            out.put_u8(id.0);
            out.put_u32(*index);
            out.put_u8(rap_code(*rap));
        }
        out.put_u32(u32::try_from(body.0 + len as u64).expect("a part is far below 4 GiB"));
        let crc = crc32c::crc32c_append(body.1, &out[at..]);
        out.put_u32(crc);
    }

    /// Bytes of the box.
    pub(crate) fn len(&self) -> usize {
        FIXED_LEN + self.tracks.len() * TRACK_LEN + self.raps.len() * RAP_LEN + TAIL_LEN
    }

    /// Reads the box in `bytes`, which is exactly the box. Gives the trailer, the length of its part and the
    /// CRC32C the part must have up to the checksum.
    pub(crate) fn read(bytes: &[u8]) -> Result<(Self, u32, u32), TrailerError> {
        let mut r = Cursor { bytes, at: 4 };
        if r.take::<4>()? != *b"uuid" || r.take::<16>()? != TRAILER_UUID {
            return Err(TrailerError::Foreign);
        }
        let [version, flags, _, _] = r.take::<4>()?;
        if version != VERSION {
            return Err(TrailerError::Version(version));
        }
        let stream = StreamId(Uuid::from_bytes(r.take::<16>()?));
        let (run, epoch) = (RunId(r.u64()?), r.u32()?);
        let (init, part) = (InitId(r.take::<8>()?), PartNo(r.u64()?));
        let (msn, dsn) = (r.u64()?, r.u64()?);
        let segment = SegmentMark { starts: flags & 1 != 0, independent: flags & 2 != 0, msn, dsn };
        let received = WallTime(r.i64()?);
        let anchor = Anchor {
            media: MediaTime(r.i64()?),
            wall: WallTime(r.i64()?),
            ppb: i32::from_be_bytes(r.take::<4>()?),
        };
        let capture = Some(WallTime(r.i64()?)).filter(|_| flags & 4 != 0);
        let target_s = r.u32()?;
        let [track_count, rap_count] = r.take::<2>()?;
        let mut tracks = Vec::with_capacity(usize::from(track_count));
        for _ in 0..track_count {
            tracks.push((TrackId(r.take::<1>()?[0]), r.u64()?, r.u32()?));
        }
        let mut raps = Vec::with_capacity(usize::from(rap_count));
        for _ in 0..rap_count {
            raps.push((TrackId(r.take::<1>()?[0]), r.u32()?, rap_from(r.take::<1>()?[0])?));
        }
        let (part_len, crc) = (r.u32()?, r.u32()?);
        if r.at != bytes.len() {
            return Err(TrailerError::Malformed);
        }
        let t = Self {
            stream,
            run,
            epoch,
            init,
            part,
            segment,
            received,
            anchor,
            capture,
            target_s,
            tracks,
            raps,
        };
        Ok((t, part_len, crc))
    }
}

fn rap_code(rap: Rap) -> u8 {
    match rap {
        Rap::None => 0,
        Rap::Closed => 1,
        Rap::Open => 2,
    }
}

fn rap_from(code: u8) -> Result<Rap, TrailerError> {
    match code {
        0 => Ok(Rap::None),
        1 => Ok(Rap::Closed),
        2 => Ok(Rap::Open),
        _ => Err(TrailerError::Malformed),
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], TrailerError> {
        let slice = self.bytes.get(self.at..self.at + N).ok_or(TrailerError::Malformed)?;
        self.at += N;
        Ok(slice.try_into().expect("the slice has N bytes"))
    }

    fn u32(&mut self) -> Result<u32, TrailerError> {
        self.take::<4>().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, TrailerError> {
        self.take::<8>().map(u64::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64, TrailerError> {
        self.take::<8>().map(i64::from_be_bytes)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn sample() -> Trailer {
        Trailer {
            stream: StreamId(Uuid::from_u128(7)),
            run: RunId(3),
            epoch: 1,
            init: InitId([7; 8]),
            part: PartNo(99),
            segment: SegmentMark { starts: true, independent: false, msn: 12, dsn: 2 },
            received: WallTime(1_700_000_000_000_000_000),
            anchor: Anchor { media: MediaTime(-5), wall: WallTime(8), ppb: -400 },
            capture: Some(WallTime(44)),
            target_s: 2,
            tracks: vec![(TrackId::VIDEO, 1000, 12), (TrackId::AUDIO, 2000, 23)],
            raps: vec![(TrackId::VIDEO, 0, Rap::Closed), (TrackId::VIDEO, 7, Rap::Open)],
        }
    }

    #[test]
    fn a_trailer_reads_back_and_its_crc_covers_the_part() {
        let body = b"moof and mdat";
        let mut out = BytesMut::from(&body[..]);
        sample().write(&mut out, (body.len() as u64, crc32c::crc32c(body)));
        assert_eq!(out.len(), body.len() + sample().len());
        let (back, len, crc) = Trailer::read(&out[body.len()..]).unwrap();
        assert_eq!((back, len as usize), (sample(), out.len()));
        assert_eq!(crc, crc32c::crc32c(&out[..out.len() - 4]));
    }

    proptest! {
        #[test]
        fn a_damaged_trailer_is_an_error_or_another_trailer(at in 0usize..250, with in 1u8..) {
            let mut out = BytesMut::new();
            sample().write(&mut out, (0, 0));
            let at = at % out.len();
            out[at] ^= with;
            if let Ok((_, len, crc)) = Trailer::read(&out) {
                let intact = len as usize == out.len() && crc == crc32c::crc32c(&out[..out.len() - 4]);
                prop_assert!(!intact, "a flipped byte at {} must show", at);
            }
        }
    }
}
