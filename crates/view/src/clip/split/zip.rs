//! A ZIP archive of stored files whose sizes are known and whose checksums are not yet: APPNOTE 6.3.10. Every length
//! and offset follows from names and sizes, so that an archive has a `Content-Length` and can be asked for by ranges;
//! a checksum stands behind its file in a data descriptor (§4.3.9) and in the directory at the end.

use bytes::{BufMut, Bytes, BytesMut};
use media::WallTime;

use crate::query::format_wall;

const LOCAL: u32 = 0x0403_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;

/// §4.4.4: a data descriptor follows (bit 3), names are UTF-8 (bit 11).
const FLAGS: u16 = 1 << 3 | 1 << 11;
/// §4.4.3: 2.0 for what is here, 4.5 for ZIP64.
const VERSION: u16 = 20;
const VERSION_64: u16 = 45;
/// §4.5.3.
const EXTRA_64: u16 = 1;
/// A number that stands in ZIP64's fields instead.
const ELSEWHERE: u32 = u32::MAX;

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// At most 65 535 bytes of UTF-8.
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) modified: WallTime,
}

impl Entry {
    fn is_large(&self) -> bool {
        self.size >= u64::from(ELSEWHERE)
    }

    fn local(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u32_le(LOCAL);
        self.common(&mut out, self.version(), 0);
        let extra = if self.is_large() { extra_64(&[self.size, self.size]) } else { Bytes::new() };
        // Sizes stand in the descriptor; of a large file in the ZIP64 field too, which says how long those there are.
        let sizes = if self.is_large() { ELSEWHERE } else { 0 };
        out.put_u32_le(sizes);
        out.put_u32_le(sizes);
        self.tail(&mut out, &extra);
        out.put_slice(self.name.as_bytes());
        out.put(extra);
        out.freeze()
    }

    fn descriptor_len(&self) -> u64 {
        if self.is_large() { 24 } else { 16 }
    }

    fn descriptor(&self, crc: u32) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u32_le(DESCRIPTOR);
        out.put_u32_le(crc);
        for _ in 0..2 {
            if self.is_large() { out.put_u64_le(self.size) } else { out.put_u32_le(low(self.size)) }
        }
        out.freeze()
    }

    fn central(&self, offset: u64, crc: u32, out: &mut BytesMut) {
        let far = offset >= u64::from(ELSEWHERE);
        let mut told = Vec::new();
        if self.is_large() {
            told.extend([self.size, self.size]);
        }
        if far {
            told.push(offset);
        }
        let extra = if told.is_empty() { Bytes::new() } else { extra_64(&told) };
        let version = if told.is_empty() { VERSION } else { VERSION_64 };
        out.put_u32_le(CENTRAL);
        out.put_u16_le(version);
        self.common(out, version, crc);
        out.put_u32_le(low(self.size));
        out.put_u32_le(low(self.size));
        self.tail(out, &extra);
        out.put_u16_le(0); // comment
        out.put_u16_le(0); // disk
        out.put_u16_le(0); // internal attributes
        out.put_u32_le(0); // external attributes
        out.put_u32_le(low(offset));
        out.put_slice(self.name.as_bytes());
        out.put(extra);
    }

    fn version(&self) -> u16 {
        if self.is_large() { VERSION_64 } else { VERSION }
    }

    /// Version to extract, flags, method 0 (stored), time, date, checksum.
    fn common(&self, out: &mut BytesMut, version: u16, crc: u32) {
        let (date, time) = dos_time(self.modified);
        out.put_u16_le(version);
        out.put_u16_le(FLAGS);
        out.put_u16_le(0);
        out.put_u16_le(time);
        out.put_u16_le(date);
        out.put_u32_le(crc);
    }

    /// Lengths of name and extra field.
    fn tail(&self, out: &mut BytesMut, extra: &Bytes) {
        out.put_u16_le(u16::try_from(self.name.len()).expect("names are short"));
        out.put_u16_le(u16::try_from(extra.len()).expect("at most three numbers"));
    }
}

fn low(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(ELSEWHERE)
}

fn extra_64(numbers: &[u64]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u16_le(EXTRA_64);
    out.put_u16_le(u16::try_from(8 * numbers.len()).expect("at most three numbers"));
    numbers.iter().for_each(|n| out.put_u64_le(*n));
    out.freeze()
}

/// Date and time of §4.4.6, in UTC; the first day there is for times that have none.
fn dos_time(at: WallTime) -> (u16, u16) {
    let text = format_wall(WallTime::from_ms(at.ms()));
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u16>().ok();
    let read = || {
        let year = number(0..4)?.checked_sub(1980).filter(|y| *y < 128)?;
        let date = year << 9 | number(5..7)? << 5 | number(8..10)?;
        Some((date, number(11..13)? << 11 | number(14..16)? << 5 | (number(17..19)? / 2)))
    };
    read().unwrap_or((1 << 5 | 1, 0))
}

/// What stands at a place of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// The header before a file.
    Local(usize),
    /// A file.
    File(usize),
    /// The checksum behind it.
    Descriptor(usize),
    /// The directory of all.
    Directory,
}

/// An archive's places, each known by its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Archive {
    entries: Vec<Entry>,
    places: Vec<(u64, What)>,
}

impl Archive {
    pub(super) fn new(entries: Vec<Entry>) -> Self {
        let mut archive = Self { entries, places: Vec::new() };
        let mut at = 0;
        let mut place = |len: u64, what| {
            at += len;
            (at, what)
        };
        for (number, entry) in archive.entries.iter().enumerate() {
            archive.places.push(place(entry.local().len() as u64, What::Local(number)));
            archive.places.push(place(entry.size, What::File(number)));
            archive.places.push(place(entry.descriptor_len(), What::Descriptor(number)));
        }
        let directory = archive.directory(|_| 0).len() as u64;
        archive.places.push(place(directory, What::Directory));
        archive
    }

    /// Bytes of all.
    pub(super) fn len(&self) -> u64 {
        self.places.last().map_or(0, |place| place.0)
    }

    /// What stands at an offset, from where to where.
    pub(super) fn find(&self, offset: u64) -> Option<(What, std::ops::Range<u64>)> {
        let at = self.places.partition_point(|place| place.0 <= offset);
        let (end, what) = *self.places.get(at)?;
        Some((what, at.checked_sub(1).map_or(0, |before| self.places[before].0)..end))
    }

    /// The header before a file.
    pub(super) fn local(&self, number: usize) -> Bytes {
        self.entries[number].local()
    }

    /// What stands behind a file.
    pub(super) fn descriptor(&self, number: usize, crc: u32) -> Bytes {
        self.entries[number].descriptor(crc)
    }

    /// The directory and the end of it, §4.3.12 to §4.3.16.
    pub(super) fn directory(&self, crc: impl Fn(usize) -> u32) -> Bytes {
        let mut out = BytesMut::new();
        let mut begin = 0;
        for (number, entry) in self.entries.iter().enumerate() {
            entry.central(begin, crc(number), &mut out);
            begin += entry.local().len() as u64 + entry.size + entry.descriptor_len();
        }
        let (count, size) = (self.entries.len() as u64, out.len() as u64);
        let many = u16::try_from(count).ok().filter(|n| *n < u16::MAX);
        if many.is_none() || begin >= u64::from(ELSEWHERE) || size >= u64::from(ELSEWHERE) {
            out.put_u32_le(END_64);
            out.put_u64_le(44); // bytes of this record behind here
            out.put_u16_le(VERSION_64);
            out.put_u16_le(VERSION_64);
            out.put_u64_le(0); // both disks
            [count, count, size, begin].iter().for_each(|n| out.put_u64_le(*n));
            out.put_u32_le(LOCATOR_64);
            out.put_u32_le(0);
            out.put_u64_le(begin + size);
            out.put_u32_le(1);
        }
        out.put_u32_le(END);
        out.put_u32_le(0); // both disks
        out.put_u16_le(many.unwrap_or(u16::MAX));
        out.put_u16_le(many.unwrap_or(u16::MAX));
        out.put_u32_le(low(size));
        out.put_u32_le(low(begin));
        out.put_u16_le(0); // comment
        out.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, size: u64) -> Entry {
        Entry { name: name.to_owned(), size, modified: WallTime::from_ms(1_767_323_045_678) }
    }

    #[test]
    fn places_follow_one_another() {
        let archive = Archive::new(vec![entry("a", 5), entry("bc", 0)]);
        let mut at = 0;
        let mut seen = Vec::new();
        while let Some((what, range)) = archive.find(at) {
            assert_eq!(range.start, at);
            seen.push((what, range.end - range.start));
            at = range.end;
        }
        use What::{Descriptor, Directory, File, Local};
        assert_eq!(
            seen,
            [
                (Local(0), 31),
                (File(0), 5),
                (Descriptor(0), 16),
                (Local(1), 32),
                (Descriptor(1), 16),
                (Directory, 46 + 1 + 46 + 2 + 22)
            ]
        );
        assert_eq!((at, archive.find(at)), (archive.len(), None));
    }

    #[test]
    fn files_past_4_gib_use_zip64() {
        let large = u64::from(u32::MAX) + 10;
        let archive = Archive::new(vec![entry("a", large), entry("b", 7)]);
        assert_eq!(archive.local(0).len(), 30 + 1 + 20);
        assert_eq!(archive.descriptor(0, 1).len(), 24);
        let directory = archive.directory(|_| 0);
        // Sizes of the first, the offset of the second, and the ZIP64 end.
        assert_eq!(directory.len(), (46 + 1 + 20) + (46 + 1 + 12) + 56 + 20 + 22);
        assert_eq!(directory.slice(46 + 1..46 + 5), extra_64(&[large, large]).slice(..4));
        let last = directory.len() - 22;
        assert_eq!(directory[last + 16..last + 20], u32::MAX.to_le_bytes());
    }

    #[test]
    fn times_are_those_of_the_recording() {
        // 2026-01-02T03:04:05Z, to two seconds.
        assert_eq!(
            dos_time(WallTime::from_ms(1_767_323_045_678)),
            (46 << 9 | 1 << 5 | 2, 3 << 11 | 4 << 5 | 2)
        );
        assert_eq!(dos_time(WallTime::from_ms(0)), (33, 0));
    }
}
