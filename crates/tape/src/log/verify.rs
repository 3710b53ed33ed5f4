//! Checks that a stream's files are what they say: every part whole, decode times continuous, numbers rising, the
//! journal and the files of one mind.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use media::TrackId;
use serde::Serialize;

use super::io::Io;
use super::layout::Layout;
use super::scan::{ScannedExtent, scan};
use super::sidecar::decode_sidecar;
use crate::ids::{ExtentNo, InitId, PartNo, RunId, StreamId};
use crate::journal::{JournalError, Record, decode};

/// Something wrong with a stream's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// Where in it, in bytes; `None` where it is about all of it.
    pub offset: Option<u64>,
    /// What.
    pub what: String,
    /// What to do.
    pub next: &'static str,
}

/// Whether a server writes to the folder meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Nobody does: what is not explained is wrong.
    Nobody,
    /// A server does: the newest may be half there.
    Now,
}

/// Told of each extent that was looked at, with its bytes.
pub type Progress<'a> = &'a mut dyn FnMut(u64);

const NEXT_PART: &str =
    "the part is lost, what is before and behind it is not; restore the file from a copy if there is one";
const NEXT_HEAD: &str =
    "restore the file from a copy; its first bytes are those of another extent of the same tracks";
const NEXT_JOURNAL: &str = "the next start goes on without what stood there and tells what the extents know";
const NEXT_CACHE: &str = "delete the file: it is made again from its extent; `tapeline rebuild` does so";
const NEXT_MISSING: &str = "restore the file from a copy; without it the timeline has a hole";
const NEXT_REPORT: &str = "this is a defect, please report it";

struct Verify<'a> {
    io: &'a Arc<dyn Io>,
    layout: Layout,
    written: Written,
    findings: Vec<Finding>,
}

/// Run, first and last part of an extent that was deleted.
type Deleted = (RunId, PartNo, PartNo);

/// What the journal tells of an extent.
#[derive(Debug, Clone, Copy)]
struct Told {
    run: RunId,
    part: PartNo,
    init: InitId,
    /// Its bytes once it is sealed.
    sealed: Option<u64>,
    /// Whether the seal was written after a sync.
    sure: bool,
}

/// Checks one stream. Extents that are not sealed may end torn; all else is a finding.
pub fn verify_stream(
    io: &Arc<dyn Io>,
    tape: &Path,
    id: StreamId,
    written: Written,
    progress: Progress<'_>,
) -> io::Result<Vec<Finding>> {
    let mut v = Verify { io, layout: Layout::new(tape, id), written, findings: Vec::new() };
    // Files first: what is made after this look is not known to the journal that is read then, and not missed.
    let names = v.io.list(v.layout.dir())?;
    let records = v.journal()?;
    v.extents(id, (&names, &records), progress)?;
    Ok(v.findings)
}

impl Verify<'_> {
    fn find(&mut self, no: ExtentNo, at: Option<u64>, (what, next): (impl Into<String>, &'static str)) {
        self.findings.push(Finding { file: self.layout.extent(no), offset: at, what: what.into(), next });
    }

    fn journal(&mut self) -> io::Result<Vec<Record>> {
        let file = self.io.open_read(&self.layout.journal())?;
        let mut bytes = vec![0; usize::try_from(file.len()?).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, 0)?;
        let (records, _, errors) = decode(&bytes);
        for error in errors.into_iter().filter(|e| !noted(e, &records)) {
            let at = match error {
                // Its newest line may be being written.
                JournalError::Torn { .. } if self.written == Written::Now => continue,
                JournalError::Torn { at } | JournalError::Damaged { at, .. } => at as u64,
            };
            self.in_journal(Some(at), error.to_string());
        }
        if !matches!(records.first(), Some(Record::Stream { .. })) {
            self.in_journal(Some(0), "the journal does not begin with a stream record".to_owned());
        }
        Ok(records)
    }

    fn in_journal(&mut self, offset: Option<u64>, what: String) {
        self.findings.push(Finding { file: self.layout.journal(), offset, what, next: NEXT_JOURNAL });
    }

    fn extents(
        &mut self,
        id: StreamId,
        (names, records): (&[String], &[Record]),
        progress: Progress<'_>,
    ) -> io::Result<()> {
        let (told, deleted) = self.told(records);
        let mut found: Vec<ExtentNo> = names.iter().filter_map(|n| Layout::extent_of(n)).collect();
        // A deletion unlinks files after its line.
        found.retain(|no| !deleted.contains_key(no));
        for no in told.iter().filter(|t| t.1.sure && !found.contains(t.0)).map(|t| *t.0).collect::<Vec<_>>() {
            // Recovery sets aside what does not continue its run. What was made since the look is there.
            let aside = self.layout.aside(no).file_name().map(|n| n.to_string_lossy().into_owned());
            let aside = aside.is_some_and(|aside| names.contains(&aside));
            if !aside && self.io.open_read(&self.layout.extent(no)).is_err() {
                self.find(no, None, ("the journal tells of it and it is not there", NEXT_MISSING));
            }
        }
        // Copies of what a deletion left have higher numbers than the extents after them.
        found.sort_by_key(|no| (told.get(no).map(|t| (t.run, t.part)), *no));
        let mut last: Option<(RunId, PartNo)> = None;
        let mut ends: BTreeMap<(RunId, u32, TrackId), i64> = BTreeMap::new();
        let newest = told.keys().max().copied().unwrap_or_default();
        for no in found {
            let Some(t) = told.get(&no).copied() else {
                if self.written == Written::Nobody || no < newest {
                    self.find(no, None, ("the journal does not know it", NEXT_JOURNAL));
                }
                continue;
            };
            let file = match self.io.open_read(&self.layout.extent(no)) {
                // Retention took it meanwhile.
                Err(e) if e.kind() == io::ErrorKind::NotFound && self.written == Written::Now => continue,
                other => other?,
            };
            progress(file.len()?);
            let Some(scanned) = scan(&*file, no)? else {
                if t.sealed.is_some() || self.written == Written::Nobody {
                    self.find(no, Some(0), ("its head cannot be read", NEXT_HEAD));
                }
                continue;
            };
            self.extent(no, &scanned, id, t);
            let follows = |d: &(RunId, PartNo, PartNo)| d.0 == t.run && d.1 < t.part && t.part.0 <= d.2.0 + 1;
            if deleted.values().any(follows) {
                last = last.filter(|l| l.1 < t.part).map(|_| (RunId(0), PartNo(t.part.0 - 1)));
                ends.retain(|key, _| key.0 != t.run);
            }
            self.order(no, &scanned, t.run, &mut last);
            self.continuity(no, &scanned, t.run, &mut ends);
        }
        Ok(())
    }

    /// Extents that the journal tells of, and those of them that were deleted: run, first and last part.
    fn told(&mut self, records: &[Record]) -> (BTreeMap<ExtentNo, Told>, BTreeMap<ExtentNo, Deleted>) {
        let mut told: BTreeMap<ExtentNo, Told> = BTreeMap::new();
        let mut deleted = BTreeMap::new();
        for record in records {
            match record {
                Record::Extent { extent, run, part, init, .. } => {
                    let new = Told { run: *run, part: *part, init: *init, sealed: None, sure: false };
                    if told.insert(*extent, new).is_some() {
                        self.find(*extent, None, ("the journal begins it twice", NEXT_REPORT));
                    }
                }
                Record::Seal { extent, bytes, facts, .. } => {
                    if let Some(e) = told.get_mut(extent) {
                        (e.sealed, e.sure) = (Some(*bytes), facts.is_some());
                    }
                }
                Record::Delete { extents, kept, .. } => {
                    for d in extents {
                        let Some(t) = told.remove(&d.extent) else { continue };
                        deleted.insert(d.extent, (t.run, t.part, d.part));
                    }
                    for k in kept {
                        let copy = Told {
                            run: k.run,
                            part: k.part,
                            init: k.init,
                            sealed: Some(k.bytes),
                            sure: true,
                        };
                        told.insert(k.extent, copy);
                    }
                }
                _ => {}
            }
        }
        (told, deleted)
    }

    fn extent(&mut self, no: ExtentNo, s: &ScannedExtent, id: StreamId, told: Told) {
        if InitId::of(&s.init) != told.init {
            self.find(no, Some(0), ("its moov is not the one the journal tells", NEXT_HEAD));
        }
        if let Some(bytes) = told.sealed {
            if s.good_len != bytes {
                let why = s.problem.clone().unwrap_or_default();
                let what = format!("{} of {bytes} sealed bytes are whole: {why}", s.good_len);
                self.find(no, Some(s.good_len), (what, NEXT_PART));
            }
            self.sidecar(no, s, bytes);
        } else if let (Some(why), Written::Nobody) = (&s.problem, self.written) {
            let what = format!("it ends at byte {}: {why}", s.good_len);
            self.find(no, Some(s.good_len), (what, "the next start cuts it there and goes on"));
        }
        for t in [&s.first, &s.last].into_iter().flatten() {
            if (t.stream, t.run) != (id, told.run) {
                let what = format!("part {} belongs to another stream or run", t.part);
                self.find(no, None, (what, NEXT_REPORT));
            }
        }
        if s.first.as_ref().is_some_and(|t| t.part != told.part) {
            let what = format!("it does not begin with part {}", told.part);
            self.find(no, Some(u64::from(s.index.init_len)), (what, NEXT_PART));
        }
    }

    fn sidecar(&mut self, no: ExtentNo, s: &ScannedExtent, bytes: u64) {
        let path = self.layout.sidecar(no);
        let Ok(file) = self.io.open_read(&path) else { return };
        let mut side = vec![0; file.len().unwrap_or(0) as usize];
        let read = file.read_exact_at(&mut side, 0).is_ok();
        let what = match decode_sidecar(&side, no, bytes).filter(|_| read) {
            // What the extent lost, its cached index still tells.
            Some(index) if index == s.index || s.good_len != bytes => return,
            Some(_) => "the cached index differs from the boxes of its extent",
            None => "the cached index is damaged and not used",
        };
        self.findings.push(Finding { file: path, offset: None, what: what.to_owned(), next: NEXT_CACHE });
    }

    /// Part numbers rise by one within a run and rise over runs; segments are numbered likewise.
    fn order(&mut self, no: ExtentNo, s: &ScannedExtent, run: RunId, last: &mut Option<(RunId, PartNo)>) {
        let mut msn: Option<u64> = None;
        for p in &s.index.parts {
            match *last {
                Some((r, before)) if r == run && p.no != before.next() => {
                    let what = format!("part {} follows part {before}", p.no);
                    self.find(no, Some(p.offset), (what, NEXT_PART));
                }
                Some((_, before)) if p.no <= before => {
                    let what = format!("part number {} is used twice", p.no);
                    self.find(no, Some(p.offset), (what, NEXT_REPORT));
                }
                _ => {}
            }
            let expected = msn.map_or(p.segment.msn, |m| m + u64::from(p.segment.starts));
            if p.segment.msn != expected {
                let what = format!("part {} is of segment {}, not {expected}", p.no, p.segment.msn);
                self.find(no, Some(p.offset), (what, NEXT_REPORT));
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
                    self.find(no, None, (text, NEXT_PART));
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
