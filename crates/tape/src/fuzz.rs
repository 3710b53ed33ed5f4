//! What the fuzzer reaches of the readers of the tape's files. Each takes any bytes, mends the checksums, behind which
//! the fuzzer would never get, and asserts what must hold of whatever was read.

use std::io;

use bytes::{Bytes, BytesMut};

use crate::ids::{ExtentNo, InitId};
use crate::index::ExtentIndex;
use crate::journal;
use crate::log::FileIo;
use crate::log::scan::{ScannedExtent, scan, trailer_of};
use crate::log::sidecar::{decode_sidecar, encode_sidecar};
use crate::trailer::Trailer;

const EXTENT: ExtentNo = ExtentNo(1);

/// A part trailer is refused, or is what its own bytes say when it is written again.
pub fn trailer(bytes: &[u8]) {
    let Ok((read, part_len, _)) = Trailer::read(bytes) else { return };
    let Some(body) = part_len.checked_sub(u32::try_from(read.len()).expect("a trailer is small")) else {
        return;
    };
    let mut again = BytesMut::new();
    read.write(&mut again, (u64::from(body), 0));
    assert_eq!(again.len(), bytes.len());
    let (told, len, _) = Trailer::read(&again).expect("what is written can be read");
    assert_eq!((told, len), (read, part_len));
}

/// A journal's records come back from their own lines, its damage is told in order, and its intact part is intact.
pub fn journal(bytes: &[u8]) {
    raw_journal(bytes);
    let lines =
        bytes.split(|b| *b == b'\n').map(|json| format!("{:08x} ", crc32c::crc32c(json)).into_bytes());
    let jsons = bytes.split(|b| *b == b'\n');
    raw_journal(
        &lines.zip(jsons).flat_map(|(crc, json)| [&crc[..], json, b"\n"].concat()).collect::<Vec<_>>(),
    );
}

fn raw_journal(bytes: &[u8]) {
    let (records, len, errors) = journal::decode(bytes);
    assert!(len <= bytes.len());
    let mut next = 0;
    for error in &errors {
        let (at, end) = match *error {
            journal::JournalError::Damaged { at, end } => (at, end),
            journal::JournalError::Torn { at } => (at, bytes.len()),
        };
        assert!(next <= at && at < end && end <= bytes.len(), "{errors:?}");
        next = end;
    }
    assert_eq!(journal::decode(&bytes[..len]).0, records, "the intact part holds all of them");
    let lines: Vec<u8> = records.iter().flat_map(journal::encode).collect();
    assert_eq!(journal::decode(&lines), (records, lines.len(), Vec::new()));
}

/// A cached index is refused, or is the same when it is written and read again.
pub fn sidecar(bytes: &[u8]) {
    let sealed = [bytes, &crc32c::crc32c(bytes).to_be_bytes()].concat();
    for len in [1000, 0] {
        if let Some(index) = decode_sidecar(&sealed, EXTENT, len) {
            index_holds(&index, len);
        }
    }
}

fn index_holds(index: &ExtentIndex, len: u64) {
    assert_eq!(decode_sidecar(&encode_sidecar(index, len), index.no, len).as_ref(), Some(index));
    for track in &index.tracks {
        let counted: u32 = track.parts.iter().map(|p| p.count).sum();
        assert_eq!((track.parts.len(), track.samples.len()), (index.parts.len(), counted as usize));
    }
}

/// An extent is read up to where it is whole: that much of it alone reads the same, without a complaint.
pub fn extent(bytes: &[u8]) {
    let mended = Memory(mend(bytes));
    let Some(found) = read(&mended) else { return };
    let good = usize::try_from(found.good_len).expect("it is in memory");
    assert!(good <= mended.0.len() && found.problem.is_some() == (good < mended.0.len()));
    let mut offset = u64::from(found.index.init_len);
    for part in &found.index.parts {
        assert_eq!(part.offset, offset);
        offset += u64::from(part.len);
    }
    assert_eq!(offset, found.good_len);
    index_holds(&found.index, found.good_len);
    let again = read(&Memory(mended.0.slice(..good))).expect("its head is whole");
    assert_eq!((again.index, again.problem), (found.index, None));
}

fn read(file: &Memory) -> Option<ScannedExtent> {
    scan(file, EXTENT).expect("memory does not fail")
}

/// Puts right the checksum of each part and what each says about the head, as far as there are parts.
fn mend(bytes: &[u8]) -> Bytes {
    let mut out = bytes.to_vec();
    let Ok((_, head)) = media::container::mp4::read_init(&out) else { return out.into() };
    let init = InitId::of(&out[..head]);
    let mut at = head;
    while let Some((trailer, end)) = trailer_of(&Memory(Bytes::copy_from_slice(&out)), at as u64) {
        let (trailer, end) = (trailer as usize, end as usize);
        if end - trailer < Trailer::INIT_AT + 12 {
            break;
        }
        out[trailer + Trailer::INIT_AT..][..8].copy_from_slice(&init.0);
        let crc = crc32c::crc32c(&out[at..end - 4]);
        out[end - 4..end].copy_from_slice(&crc.to_be_bytes());
        at = end;
    }
    out.into()
}

/// A file that is all there and takes nothing.
#[derive(Debug)]
struct Memory(Bytes);

impl FileIo for Memory {
    fn write_at(&self, _: &[Bytes], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let len = buf.len().min(self.0.len() - from);
        buf[..len].copy_from_slice(&self.0[from..from + len]);
        Ok(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn truncate(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
