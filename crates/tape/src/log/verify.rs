//! Checks that a stream's files are what they say: every part whole, decode times continuous, numbers rising, the
//! journal and the files of one mind.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use media::TrackId;

use super::io::Io;
use super::layout::Layout;
use super::scan::{ScannedExtent, scan};
use super::sidecar::decode_sidecar;
use crate::ids::{ExtentNo, InitId, PartNo, RunId, StreamId};
use crate::journal::{JournalError, Record, decode};

/// Something wrong with a stream's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The extent, when it is one's.
    pub extent: Option<ExtentNo>,
    /// What.
    pub what: String,
}

struct Verify<'a> {
    io: &'a Arc<dyn Io>,
    layout: Layout,
    findings: Vec<Finding>,
}

/// Checks one stream that nobody writes now. Extents that are not sealed may end torn; all else is a finding.
pub fn verify_stream(io: &Arc<dyn Io>, tape: &Path, id: StreamId) -> io::Result<Vec<Finding>> {
    let mut v = Verify { io, layout: Layout::new(tape, id), findings: Vec::new() };
    let records = v.journal()?;
    v.extents(id, &records)?;
    Ok(v.findings)
}

impl Verify<'_> {
    fn find(&mut self, extent: Option<ExtentNo>, what: impl Into<String>) {
        self.findings.push(Finding { extent, what: what.into() });
    }

    fn journal(&mut self) -> io::Result<Vec<Record>> {
        let file = self.io.open(&self.layout.journal())?;
        let mut bytes = vec![0; usize::try_from(file.len()?).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, 0)?;
        let (records, _, errors) = decode(&bytes);
        for error in errors.into_iter().filter(|e| !noted(e, &records)) {
            self.find(None, error.to_string());
        }
        if !matches!(records.first(), Some(Record::Stream { .. })) {
            self.find(None, "the journal does not begin with a stream record");
        }
        Ok(records)
    }

    fn extents(&mut self, id: StreamId, records: &[Record]) -> io::Result<()> {
        let mut told: BTreeMap<ExtentNo, (RunId, PartNo, InitId, Option<u64>)> = BTreeMap::new();
        let mut deleted: BTreeMap<ExtentNo, (RunId, PartNo, PartNo)> = BTreeMap::new();
        for record in records {
            match record {
                Record::Extent { extent, run, part, init, .. } => {
                    let before = told.insert(*extent, (*run, *part, *init, None));
                    before.iter().for_each(|_| self.find(Some(*extent), "the journal begins it twice"));
                }
                Record::Seal { extent, bytes, .. } => {
                    if let Some(e) = told.get_mut(extent) {
                        e.3 = Some(*bytes);
                    }
                }
                Record::Delete { extents, kept, .. } => {
                    for d in extents {
                        let Some((run, part, ..)) = told.remove(&d.extent) else { continue };
                        deleted.insert(d.extent, (run, part, d.part));
                    }
                    told.extend(kept.iter().map(|k| (k.extent, (k.run, k.part, k.init, Some(k.bytes)))));
                }
                _ => {}
            }
        }
        let names = self.io.list(self.layout.dir())?;
        let mut found: Vec<ExtentNo> = names.iter().filter_map(|n| Layout::extent_of(n)).collect();
        // A deletion unlinks files after its line.
        found.retain(|no| !deleted.contains_key(no));
        // Copies of what a deletion left have higher numbers than the extents after them.
        found.sort_by_key(|no| (told.get(no).map(|t| (t.0, t.1)), *no));
        let mut last: Option<(RunId, PartNo)> = None;
        let mut ends: BTreeMap<(RunId, u32, TrackId), i64> = BTreeMap::new();
        for no in found {
            let Some((run, part, init, sealed)) = told.get(&no).copied() else {
                self.find(Some(no), "the journal does not know it");
                continue;
            };
            let file = self.io.open(&self.layout.extent(no))?;
            let Some(scanned) = scan(&*file, no)? else {
                self.find(Some(no), "its head cannot be read");
                continue;
            };
            self.extent(no, &scanned, (id, run, part, init), sealed);
            let follows = |d: &(RunId, PartNo, PartNo)| d.0 == run && d.1 < part && part.0 <= d.2.0 + 1;
            if deleted.values().any(follows) {
                last = last.filter(|l| l.1 < part).map(|_| (RunId(0), PartNo(part.0 - 1)));
                ends.retain(|key, _| key.0 != run);
            }
            self.order(no, &scanned, run, &mut last);
            self.continuity(no, &scanned, run, &mut ends);
        }
        Ok(())
    }

    fn extent(
        &mut self,
        no: ExtentNo,
        s: &ScannedExtent,
        told: (StreamId, RunId, PartNo, InitId),
        sealed: Option<u64>,
    ) {
        let (id, run, part, init) = told;
        if InitId::of(&s.init) != init {
            self.find(Some(no), "its moov is not the one the journal tells");
        }
        if let Some(bytes) = sealed {
            if s.good_len != bytes {
                let why = s.problem.clone().unwrap_or_default();
                self.find(Some(no), format!("{} of {bytes} sealed bytes are whole: {why}", s.good_len));
            }
            self.sidecar(no, s, bytes);
        }
        for t in [&s.first, &s.last].into_iter().flatten() {
            if (t.stream, t.run) != (id, run) {
                self.find(Some(no), format!("part {} belongs to another stream or run", t.part));
            }
        }
        if s.first.as_ref().is_some_and(|t| t.part != part) {
            self.find(Some(no), format!("it does not begin with part {part}"));
        }
    }

    fn sidecar(&mut self, no: ExtentNo, s: &ScannedExtent, bytes: u64) {
        let Ok(file) = self.io.open(&self.layout.sidecar(no)) else { return };
        let mut side = vec![0; file.len().unwrap_or(0) as usize];
        let read = file.read_exact_at(&mut side, 0).is_ok();
        if read && decode_sidecar(&side, no, bytes).is_some_and(|i| i != s.index) {
            self.find(Some(no), "its cached index differs from its boxes");
        }
    }

    /// Part numbers rise by one within a run and rise over runs; segments are numbered likewise.
    fn order(&mut self, no: ExtentNo, s: &ScannedExtent, run: RunId, last: &mut Option<(RunId, PartNo)>) {
        let mut msn: Option<u64> = None;
        for p in &s.index.parts {
            match *last {
                Some((r, before)) if r == run && p.no != before.next() => {
                    self.find(Some(no), format!("part {} follows part {before}", p.no));
                }
                Some((_, before)) if p.no <= before => {
                    self.find(Some(no), format!("part number {} is used twice", p.no));
                }
                _ => {}
            }
            let expected = msn.map_or(p.segment.msn, |m| m + u64::from(p.segment.starts));
            if p.segment.msn != expected {
                self.find(Some(no), format!("part {} is of segment {}, not {expected}", p.no, p.segment.msn));
            }
            msn = Some(p.segment.msn);
            *last = Some((run, p.no));
        }
    }

    /// Decode times of a track go on without a hole over the parts and extents of an epoch. At a change of tracks
    /// the last duration is a guess, since no packet follows it.
    fn continuity(
        &mut self,
        no: ExtentNo,
        s: &ScannedExtent,
        run: RunId,
        ends: &mut BTreeMap<(RunId, u32, TrackId), i64>,
    ) {
        for (track, config) in s.index.tracks.iter().zip(s.tracks.iter()) {
            let data = config.kind() == media::TrackKind::Data;
            let key = (run, s.first.as_ref().map_or(0, |t| t.epoch), track.id);
            let mut end = ends.get(&key).copied();
            for sample in &track.samples {
                if end.is_some_and(|e| if data { sample.dts < e - 1 } else { sample.dts != e }) {
                    let text = format!("track {} jumps from {:?} to {}", track.id.0, end, sample.dts);
                    self.find(Some(no), text);
                }
                end = Some(sample.dts + i64::from(sample.duration));
            }
            if let Some(end) = end {
                ends.insert(key, end);
            }
        }
    }
}

/// Whether recovery has already told of this damage.
fn noted(error: &JournalError, records: &[Record]) -> bool {
    let JournalError::Damaged { at, end } = *error else { return false };
    records.contains(&Record::Damage { at: at as u64, end: end as u64 })
}
