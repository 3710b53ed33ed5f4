//! The cached index of a sealed extent, in one small file beside it. A reader that does not like it reads the
//! extent instead, so the layout may change with [`VERSION`].

use bytes::{BufMut, Bytes, BytesMut};
use media::{Rap, Timescale, TrackId, TrackKind, WallTime};

use crate::ids::{ExtentNo, PartNo};
use crate::index::{ExtentIndex, PartEntry, Sample, TrackIndex, TrackPart};
use crate::trailer::SegmentMark;

const MAGIC: &[u8; 4] = b"TLIX";
const VERSION: u8 = 1;

/// The file of an index; `bytes` is the length of the extent it belongs to.
pub(crate) fn encode_sidecar(index: &ExtentIndex, bytes: u64) -> Bytes {
    let mut out =
        BytesMut::with_capacity(64 + index.tracks.iter().map(|t| t.samples.len() * 6).sum::<usize>());
    out.put_slice(MAGIC);
    out.put_u8(VERSION);
    put(&mut out, index.no.0);
    put(&mut out, bytes);
    put(&mut out, u64::from(index.init_len));
    put(&mut out, index.parts.len() as u64);
    for p in &index.parts {
        put(&mut out, p.no.0);
        put(&mut out, u64::from(p.len));
        out.put_u8(u8::from(p.segment.starts) | (u8::from(p.segment.independent) << 1));
        put(&mut out, p.segment.msn);
        put(&mut out, p.segment.dsn);
        out.put_i64(p.received.0);
        out.put_u32(p.crc);
    }
    put(&mut out, index.tracks.len() as u64);
    for t in &index.tracks {
        put_track(&mut out, t, &index.parts);
    }
    let crc = crc32c::crc32c(&out);
    out.put_u32(crc);
    out.freeze()
}

fn put_track(out: &mut BytesMut, t: &TrackIndex, parts: &[PartEntry]) {
    out.put_u8(t.id.0);
    out.put_u8(match t.kind {
        TrackKind::Video => 0,
        TrackKind::Audio => 1,
        TrackKind::Data => 2,
    });
    put(out, u64::from(t.timescale.hz()));
    for (p, entry) in t.parts.iter().zip(parts) {
        put(out, u64::from(p.count));
        put(out, p.moof - entry.offset);
        put(out, u64::from(p.moof_len));
        put(out, p.data - entry.offset);
        // Decode times are continuous within a part and usually over parts too.
        put(out, zigzag(t.samples.get(p.first_sample as usize).filter(|_| p.count > 0).map_or(0, |s| s.dts)));
    }
    let (mut duration, mut cts) = (0i64, 0i64);
    for s in &t.samples {
        let rap = match s.rap {
            Rap::None => 0,
            Rap::Closed => 1,
            Rap::Open => 2,
        };
        put(out, (u64::from(s.size) << 2) | rap);
        put(out, zigzag(i64::from(s.duration) - duration));
        put(out, zigzag(i64::from(s.cts) - cts));
        (duration, cts) = (i64::from(s.duration), i64::from(s.cts));
    }
}

fn put(out: &mut BytesMut, mut v: u64) {
    while v >= 0x80 {
        out.put_u8((v as u8) | 0x80);
        v >>= 7;
    }
    out.put_u8(v as u8);
}

const fn zigzag(v: i64) -> u64 {
    ((v << 1) ^ (v >> 63)) as u64
}

const fn unzigzag(v: u64) -> i64 {
    ((v >> 1) as i64) ^ -((v & 1) as i64)
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn var(&mut self) -> Option<u64> {
        let mut v = 0u64;
        for shift in (0..64).step_by(7) {
            let b = self.byte()?;
            v |= u64::from(b & 0x7f) << shift;
            if b < 0x80 {
                return Some(v);
            }
        }
        None
    }

    fn var32(&mut self) -> Option<u32> {
        u32::try_from(self.var()?).ok()
    }

    /// A count of things that take at least one byte each.
    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.var()?).ok().filter(|n| *n <= self.0.len())
    }
}

/// Reads the file of extent `no`, which has `bytes` bytes; `None` when it is another's, damaged, or of another
/// version.
pub(crate) fn decode_sidecar(file: &[u8], no: ExtentNo, bytes: u64) -> Option<ExtentIndex> {
    let (body, crc) = file.split_last_chunk::<4>()?;
    if u32::from_be_bytes(*crc) != crc32c::crc32c(body) {
        return None;
    }
    let mut r = Reader(body);
    if r.fixed::<4>()? != *MAGIC || r.byte()? != VERSION || r.var()? != no.0 || r.var()? != bytes {
        return None;
    }
    let init_len = r.var32()?;
    let mut offset = u64::from(init_len);
    let mut parts = Vec::with_capacity(r.0.len().min(1024));
    for _ in 0..r.count()? {
        let part = read_part(&mut r, offset)?;
        offset += u64::from(part.len);
        parts.push(part);
    }
    let tracks = (0..r.count()?).map(|_| read_track(&mut r, &parts)).collect::<Option<Vec<_>>>()?;
    Some(ExtentIndex { no, init_len, parts, tracks })
}

fn read_part(r: &mut Reader<'_>, offset: u64) -> Option<PartEntry> {
    let (no, len, flags) = (PartNo(r.var()?), r.var32()?, r.byte()?);
    let (msn, dsn) = (r.var()?, r.var()?);
    let segment = SegmentMark { starts: flags & 1 != 0, independent: flags & 2 != 0, msn, dsn };
    let received = WallTime(i64::from_be_bytes(r.fixed()?));
    let crc = u32::from_be_bytes(r.fixed()?);
    Some(PartEntry { no, offset, len, segment, received, crc })
}

fn read_track(r: &mut Reader<'_>, entries: &[PartEntry]) -> Option<TrackIndex> {
    let id = TrackId(r.byte()?);
    let kind = match r.byte()? {
        0 => TrackKind::Video,
        1 => TrackKind::Audio,
        2 => TrackKind::Data,
        _ => return None,
    };
    let timescale = Timescale::new(r.var32()?)?;
    let mut parts = Vec::with_capacity(entries.len());
    let mut first_dts = Vec::with_capacity(entries.len());
    let mut first_sample = 0u32;
    for entry in entries {
        let count = r.var32()?;
        let moof = entry.offset.checked_add(r.var()?)?;
        let moof_len = r.var32()?;
        let data = entry.offset.checked_add(r.var()?)?;
        parts.push(TrackPart { first_sample, count, moof, moof_len, data });
        first_dts.push(unzigzag(r.var()?));
        first_sample = first_sample.checked_add(count)?;
    }
    if first_sample as usize > r.0.len() {
        return None;
    }
    let mut samples = Vec::with_capacity(first_sample as usize);
    let (mut duration, mut cts) = (0i64, 0i64);
    for (p, first) in parts.iter().zip(first_dts) {
        let mut dts = first;
        for _ in 0..p.count {
            let size = r.var()?;
            duration = duration.checked_add(unzigzag(r.var()?))?;
            cts = cts.checked_add(unzigzag(r.var()?))?;
            let rap = match size & 3 {
                0 => Rap::None,
                1 => Rap::Closed,
                _ => Rap::Open,
            };
            let size = u32::try_from(size >> 2).ok()?;
            let sample = Sample {
                dts,
                duration: u32::try_from(duration).ok()?,
                size,
                cts: i32::try_from(cts).ok()?,
                rap,
            };
            dts = dts.checked_add(duration)?;
            samples.push(sample);
        }
    }
    Some(TrackIndex { id, timescale, kind, parts, samples })
}
