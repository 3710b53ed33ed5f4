//! What is done to a tape that nobody uses: its caches are made anew.

use std::io;
use std::path::Path;
use std::sync::Arc;

use media::StreamName;

use super::io::Io;
use super::layout::Layout;
use super::scan::scan;
use super::sidecar::encode_sidecar;
use super::verify::Progress;
use crate::ids::StreamId;
use crate::journal::{Record, decode};

/// Bytes of a journal in which its name has to stand.
const HEAD_BYTES: u64 = 64 * 1024;

/// The streams of a tape, by name, with the bytes of their extents. One without a readable name is named by its folder.
pub fn streams(io: &Arc<dyn Io>, tape: &Path) -> io::Result<Vec<(StreamId, String, u64)>> {
    let mut found = Vec::new();
    for id in io.list(tape)?.iter().filter_map(|n| Layout::stream_of(n)) {
        let layout = Layout::new(tape, id);
        let name = name(io, &layout).map_or_else(|_| id.to_string(), |name| name.to_string());
        let mut bytes = 0;
        for no in io.list(layout.dir())?.iter().filter_map(|n| Layout::extent_of(n)) {
            bytes += io.open_read(&layout.extent(no)).and_then(|f| f.len()).unwrap_or(0);
        }
        found.push((id, name, bytes));
    }
    found.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(found)
}

fn name(io: &Arc<dyn Io>, layout: &Layout) -> io::Result<StreamName> {
    let file = io.open_read(&layout.journal())?;
    let mut head = vec![0; usize::try_from(file.len()?.min(HEAD_BYTES)).unwrap_or(0)];
    file.read_exact_at(&mut head, 0)?;
    let (records, ..) = decode(&head);
    let name =
        records.into_iter().find_map(|r| if let Record::Stream { name, .. } = r { Some(name) } else { None });
    name.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Makes every cached index of a stream anew from its extent. Gives extents and segments.
pub fn rebuild_indexes(
    io: &Arc<dyn Io>,
    tape: &Path,
    id: StreamId,
    progress: Progress<'_>,
) -> io::Result<(u64, u64)> {
    let layout = Layout::new(tape, id);
    let names = io.list(layout.dir())?;
    for name in names.iter().filter(|n| n.ends_with(".idx") || n.ends_with(".idx.new")) {
        io.remove(&layout.dir().join(name))?;
    }
    let (mut extents, mut segments) = (0, 0);
    for no in names.iter().filter_map(|n| Layout::extent_of(n)) {
        let file = io.open_read(&layout.extent(no))?;
        progress(file.len()?);
        // A damaged one has no cached index that hides it.
        let Some(scanned) = scan(&*file, no)?.filter(|s| s.problem.is_none()) else { continue };
        let draft = layout.sidecar_draft(no);
        io.create(&draft)?.write_at(&[encode_sidecar(&scanned.index, scanned.good_len)], 0)?;
        io.rename(&draft, &layout.sidecar(no))?;
        extents += 1;
        segments += scanned.index.parts.iter().filter(|p| p.segment.starts).count() as u64;
    }
    Ok((extents, segments))
}
