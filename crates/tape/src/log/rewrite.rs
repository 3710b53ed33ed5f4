//! Copies of those parts of an extent that stay when others of it are erased. A copy is written beside, complete and
//! synced, under a draft's name; it gets its own once the journal tells of it.

use std::io;
use std::ops::Range;

use bytes::Bytes;

use super::io::{FileIo, Io};
use super::layout::Layout;
use super::sidecar::encode_sidecar;
use super::writer::seal_facts;
use crate::ids::{ExtentNo, InitId, RunId};
use crate::index::ExtentIndex;
use crate::journal::KeptExtent;

/// Bytes copied at once.
const CHUNK: u64 = 1 << 20;

/// A stretch of an extent that stays.
#[derive(Debug, Clone)]
pub(crate) struct Stay {
    pub run: RunId,
    pub epoch: u32,
    pub init: InitId,
    /// Of the parts in the index.
    pub parts: Range<usize>,
    /// What the copy is called.
    pub no: ExtentNo,
}

/// Writes the draft of a copy. `old` is the index of the extent copied from.
pub(crate) fn draft(io: &dyn Io, layout: &Layout, old: &ExtentIndex, stay: &Stay) -> io::Result<KeptExtent> {
    let source = io.open(&layout.extent(old.no))?;
    let path = layout.extent_draft(stay.no);
    let file = io.create(&path)?;
    let first = &old.parts[stay.parts.start];
    let last = &old.parts[stay.parts.end - 1];
    let init_len = u64::from(old.init_len);
    let written = copy(&*source, &*file, 0..init_len, 0).and_then(|()| {
        copy(&*source, &*file, first.offset..last.offset + u64::from(last.len), init_len)?;
        file.sync()
    });
    if let Err(error) = written {
        let _ = io.remove(&path);
        return Err(error);
    }
    let index = part_of(old, stay);
    let facts = seal_facts(&index).ok_or(io::ErrorKind::InvalidData)?;
    let bytes = index.end_offset();
    write_sidecar(io, layout, &index, bytes);
    Ok(KeptExtent {
        extent: stay.no,
        run: stay.run,
        epoch: stay.epoch,
        part: first.no,
        init: stay.init,
        bytes,
        facts,
    })
}

fn copy(from: &dyn FileIo, to: &dyn FileIo, range: Range<u64>, at: u64) -> io::Result<()> {
    let mut done = range.start;
    while done < range.end {
        let mut chunk = vec![0; CHUNK.min(range.end - done) as usize];
        from.read_exact_at(&mut chunk, done)?;
        let length = chunk.len() as u64;
        to.write_at(&[Bytes::from(chunk)], at + done - range.start)?;
        done += length;
    }
    Ok(())
}

/// The sidecar is a cache: failing to write it costs a scan later and nothing else.
fn write_sidecar(io: &dyn Io, layout: &Layout, index: &ExtentIndex, bytes: u64) {
    let draft = layout.sidecar_draft(index.no);
    let written = io.create(&draft).and_then(|file| {
        file.write_at(&[encode_sidecar(index, bytes)], 0)?;
        io.rename(&draft, &layout.sidecar(index.no))
    });
    if let Err(error) = written {
        tracing::debug!(%error, extent = index.no.0, "the index of a copied extent is not cached");
    }
}

/// The index of the copy.
fn part_of(old: &ExtentIndex, stay: &Stay) -> ExtentIndex {
    let moved = old.parts[stay.parts.start].offset - u64::from(old.init_len);
    let mut index = ExtentIndex { no: stay.no, ..old.clone() };
    index.parts = old.parts[stay.parts.clone()].to_vec();
    index.parts.iter_mut().for_each(|p| p.offset -= moved);
    for track in &mut index.tracks {
        track.parts = track.parts[stay.parts.clone()].to_vec();
        let from = track.parts.first().map_or(0, |p| p.first_sample);
        let to = track.parts.last().map_or(0, |p| p.first_sample + p.count);
        track.samples = track.samples[from as usize..to as usize].to_vec();
        for part in &mut track.parts {
            part.first_sample -= from;
            part.moof -= moved;
            part.data -= moved;
        }
    }
    index
}
