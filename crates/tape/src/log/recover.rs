//! A stream's state from its files, after any kind of end. The journal and the extents are all there is to read;
//! what was being written when the process ended is cut back to the last whole part and the last whole line.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use media::{MediaTime, StreamName, TrackConfig, WallTime};
use thiserror::Error;
use uuid::Uuid;

use super::io::{FileIo, Io};
use super::layout::Layout;
use super::scan::{ScannedExtent, scan};
use super::sidecar::decode_sidecar;
use super::writer::{StreamLog, seal_facts};
use crate::clock::Anchor;
use crate::ids::{ExtentNo, InitId, PartNo, RunId, StreamId};
use crate::index::ExtentIndex;
use crate::journal::{
    DeletedExtent, EndReason, JournalError, KeptExtent, Record, SealFacts, SpanRecord, decode, encode,
};
use crate::live::Counters;
use crate::plant::{Bug, planted};
use crate::state::{Clips, GapMark, without};

/// Bytes at the journal's end that a recovery writes again: more than an hour of a failing volume leaves.
const REWRITE_BYTES: usize = 64 * 1024;

/// Why a stream cannot be opened.
#[derive(Debug, Error)]
pub enum RecoverError {
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// Which.
        path: String,
        /// The system's words.
        error: io::Error,
    },
    /// The journal's first line does not say whose it is.
    #[error("{path}: the journal does not begin with a stream record; restore it or remove the folder")]
    Nameless {
        /// The journal.
        path: String,
    },
}

/// An extent as recovery leaves it: sealed, with at least one whole part.
#[derive(Debug, Clone)]
pub(crate) struct RecoveredExtent {
    pub no: ExtentNo,
    pub run: RunId,
    pub epoch: u32,
    pub first_part: PartNo,
    pub init: InitId,
    pub bytes: u64,
    pub facts: SealFacts,
}

/// A run as the journal tells it.
#[derive(Debug, Clone)]
pub(crate) struct RecoveredRun {
    pub id: RunId,
    pub asset: Uuid,
    pub anchors: Vec<Anchor>,
    pub splits: Vec<(MediaTime, Uuid)>,
    pub end: Option<(MediaTime, EndReason)>,
    pub extents: Vec<RecoveredExtent>,
    /// What deleted extents held.
    pub removed: Vec<Range<MediaTime>>,
    pub target_s: Option<u32>,
}

/// Ranges that somebody holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// What it holds.
    pub spans: Vec<SpanRecord>,
    /// Why, in the words of who asked.
    pub label: String,
}

/// A stream ready to go on.
#[derive(Debug)]
pub(crate) struct RecoveredStream {
    pub id: StreamId,
    pub name: StreamName,
    pub created: WallTime,
    pub runs: Vec<RecoveredRun>,
    pub pins: BTreeMap<Uuid, Vec<SpanRecord>>,
    pub clips: Clips,
    pub gap_marks: Vec<GapMark>,
    pub protected: BTreeMap<Uuid, Protection>,
    pub inits: BTreeMap<InitId, (Bytes, Arc<[TrackConfig]>)>,
    pub counters: Counters,
    pub log: StreamLog,
    /// What was cut, adopted or found damaged, in words for the log.
    pub notes: Vec<String>,
}

/// What the journal says, before the extents are looked at.
#[derive(Default)]
struct Told {
    head: Option<(StreamId, StreamName, WallTime)>,
    /// How often it is told.
    heads: u32,
    runs: BTreeMap<RunId, RecoveredRun>,
    extents: BTreeMap<ExtentNo, ToldExtent>,
    pins: BTreeMap<Uuid, Vec<SpanRecord>>,
    clips: Clips,
    gap_marks: Vec<GapMark>,
    protected: BTreeMap<Uuid, Protection>,
    next_part: PartNo,
    /// Media and discontinuity sequence numbers that deletions say are passed.
    passed: (u64, u64),
    /// Damage of the journal that is already told.
    damage: Vec<(u64, u64)>,
}

#[derive(Clone)]
struct ToldExtent {
    run: RunId,
    epoch: u32,
    part: PartNo,
    init: InitId,
    seal: Option<(u64, Option<SealFacts>)>,
    deleted: Option<DeletedExtent>,
}

impl Told {
    fn read(records: Vec<Record>) -> Self {
        let mut told = Self::default();
        for record in records {
            told.note(record);
        }
        told
    }

    fn note(&mut self, record: Record) {
        match record {
            Record::Stream { id, name, created, .. } => {
                self.head = Some((id, name, created));
                self.heads += 1;
            }
            Record::Run { run, asset, part, .. } => {
                self.next_part = self.next_part.max(part);
                self.runs.insert(run, new_run(run, asset));
            }
            Record::Anchor { run, anchor } => self.with(run, |r| r.anchors.push(anchor)),
            Record::Extent { extent, run, epoch, part, init } => {
                self.next_part = self.next_part.max(part);
                self.extents.insert(extent, ToldExtent { run, epoch, part, init, seal: None, deleted: None });
            }
            Record::Seal { extent, bytes, facts, .. } => {
                if let Some(e) = self.extents.get_mut(&extent) {
                    e.seal = Some((bytes, facts));
                }
            }
            Record::End { run, end, reason } => self.with(run, |r| r.end = Some((end, reason))),
            Record::Split { run, at, asset } => self.with(run, |r| r.splits.push((at, asset))),
            Record::Pin { asset, spans, asked } => {
                if let Some(asked) = asked {
                    self.clips.insert(asset, (spans.clone(), asked));
                }
                self.pins.insert(asset, spans);
            }
            Record::Unpin { asset } => {
                self.pins.remove(&asset);
            }
            Record::Gap { since, reason } => self.gap_marks.push(GapMark { since, reason }),
            Record::Delete { extents, kept, msn, dsn } => {
                self.passed = (self.passed.0.max(msn), self.passed.1.max(dsn));
                self.note_deleted(&extents, kept);
            }
            Record::Protect { id, spans, label } => {
                self.protected.insert(id, Protection { spans, label });
            }
            Record::Unprotect { id } => {
                self.protected.remove(&id);
            }
            Record::Damage { at, end } => self.damage.push((at, end)),
        }
    }

    fn note_deleted(&mut self, extents: &[DeletedExtent], kept: Vec<KeptExtent>) {
        for deleted in extents {
            self.next_part = self.next_part.max(deleted.part.next());
            if let Some(e) = self.extents.get_mut(&deleted.extent) {
                e.deleted = Some(*deleted);
            }
        }
        for k in kept {
            let seal = Some((k.bytes, Some(k.facts)));
            let told =
                ToldExtent { run: k.run, epoch: k.epoch, part: k.part, init: k.init, seal, deleted: None };
            self.extents.insert(k.extent, told);
        }
    }

    /// Deleted extents, with what is remembered of them.
    fn deleted(&self) -> impl Iterator<Item = (&ToldExtent, DeletedExtent)> {
        self.extents.values().filter_map(|e| Some((e, e.deleted?)))
    }

    /// Whether deleted extents of a run held all parts of `[from, to)`.
    fn deletion_explains(&self, run: RunId, from: PartNo, to: PartNo) -> bool {
        let mut held: Vec<_> =
            self.deleted().filter(|(e, _)| e.run == run).map(|(e, deleted)| (e.part, deleted.part)).collect();
        held.sort_unstable();
        let reached =
            held.iter().fold(from, |at, &(first, last)| if first <= at { at.max(last.next()) } else { at });
        reached >= to
    }

    /// Whether a run can be shown: the journal tells of it and of its clock.
    fn knows_run(&self, run: RunId) -> bool {
        self.runs.get(&run).is_some_and(|r| !r.anchors.is_empty())
    }

    fn with(&mut self, run: RunId, f: impl FnOnce(&mut RecoveredRun)) {
        if let Some(r) = self.runs.get_mut(&run) {
            f(r);
        }
    }
}

fn new_run(id: RunId, asset: Uuid) -> RecoveredRun {
    RecoveredRun {
        id,
        asset,
        anchors: Vec::new(),
        splits: Vec::new(),
        end: None,
        extents: Vec::new(),
        removed: Vec::new(),
        target_s: None,
    }
}

/// Opens one stream's folder and brings it to a state that new runs can go on from.
pub(crate) fn recover(io: &Arc<dyn Io>, tape: &Path, id: StreamId) -> Result<RecoveredStream, RecoverError> {
    let layout = Layout::new(tape, id);
    let mut r = Recovery::open(io.clone(), layout)?;
    r.find_extents()?;
    r.end_runs()?;
    r.finish()
}

/// An extent read back, with its open file.
type Scanned = (ScannedExtent, Arc<dyn FileIo>);

struct Recovery {
    io: Arc<dyn Io>,
    layout: Layout,
    journal: Arc<dyn FileIo>,
    journal_len: u64,
    touched: Vec<Arc<dyn FileIo>>,
    told: Told,
    inits: BTreeMap<InitId, (Bytes, Arc<[TrackConfig]>)>,
    extents: Vec<RecoveredExtent>,
    highest: ExtentNo,
    notes: Vec<String>,
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> RecoverError {
    let path = path.display().to_string();
    move |error| RecoverError::Io { path, error }
}

impl Recovery {
    fn open(io: Arc<dyn Io>, layout: Layout) -> Result<Self, RecoverError> {
        let path = layout.journal();
        let journal = io.open(&path).map_err(at(&path))?;
        let len = journal.len().map_err(at(&path))?;
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        journal.read_exact_at(&mut bytes, 0).map_err(at(&path))?;
        let (records, good, errors) = decode(&bytes);
        let notes: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let mut touched = Vec::new();
        if good < bytes.len() && !planted(Bug::KeepTornJournal) {
            journal.truncate(good as u64).map_err(at(&path))?;
            touched.push(journal.clone());
        }
        // A sync that failed before the process ended may have left lines that can be read and are not on the disk;
        // written once more they are.
        let from = good.saturating_sub(REWRITE_BYTES);
        let tail = Bytes::copy_from_slice(&bytes[from..good]);
        journal.write_at(&[tail], from as u64).map_err(at(&path))?;
        touched.push(journal.clone());
        let journal_len = if planted(Bug::KeepTornJournal) { len } else { good as u64 };
        let told = Told::read(records);
        if told.head.is_none() {
            return Err(RecoverError::Nameless { path: path.display().to_string() });
        }
        let highest = ExtentNo(0);
        let (inits, extents) = (BTreeMap::new(), Vec::new());
        let mut r = Self { io, layout, journal, journal_len, touched, told, inits, extents, highest, notes };
        for error in errors {
            r.note_damage(&error)?;
        }
        if r.told.heads < 2 {
            r.append_head()?;
        }
        Ok(r)
    }

    /// Says once more whose the tape is: nothing but these lines does.
    fn append_head(&mut self) -> Result<(), RecoverError> {
        let Some((id, name, created)) = self.told.head.clone() else { return Ok(()) };
        self.append(&Record::Stream { format: 1, id, name, created })
    }

    fn note_damage(&mut self, error: &JournalError) -> Result<(), RecoverError> {
        let JournalError::Damaged { at, end } = *error else { return Ok(()) };
        let (at, end) = (at as u64, end as u64);
        if self.told.damage.contains(&(at, end)) {
            return Ok(());
        }
        self.append(&Record::Damage { at, end })
    }

    fn append(&mut self, record: &Record) -> Result<(), RecoverError> {
        let line = Bytes::from(encode(record));
        let len = line.len() as u64;
        let path = self.layout.journal();
        self.journal.write_at(&[line], self.journal_len).map_err(at(&path))?;
        self.journal_len += len;
        self.touched.push(self.journal.clone());
        Ok(())
    }

    fn find_extents(&mut self) -> Result<(), RecoverError> {
        let names = self.io.list(self.layout.dir()).map_err(at(self.layout.dir()))?;
        let mut found: Vec<ExtentNo> = names.iter().filter_map(|n| Layout::extent_of(n)).collect();
        found.sort_unstable();
        self.end_deletions(&names, &mut found)?;
        self.highest =
            found.iter().copied().chain(self.told.extents.keys().copied()).max().unwrap_or_default();
        for no in found {
            match self.told.extents.get(&no).cloned() {
                Some(told) if self.told.knows_run(told.run) => self.take_told(no, &told)?,
                known => self.adopt(no, known.is_some())?,
            }
        }
        Ok(())
    }

    /// Ends what a deletion had begun: names for the extents that take the place of others, unlinked files.
    fn end_deletions(&mut self, names: &[String], found: &mut Vec<ExtentNo>) -> Result<(), RecoverError> {
        let drafts: Vec<ExtentNo> = names.iter().filter_map(|n| Layout::draft_of(n)).collect();
        let deleted = |no: &ExtentNo| self.told.extents.get(no).is_some_and(|e| e.deleted.is_some());
        let gone: Vec<ExtentNo> = found.iter().copied().filter(|no| deleted(no)).collect();
        found.retain(|no| !deleted(no));
        if drafts.is_empty() && gone.is_empty() {
            return Ok(());
        }
        // What a line says is done only once the line cannot be lost any more: it may have been read from memory that
        // no sync had reached.
        let journal = self.layout.journal();
        self.journal.sync().map_err(at(&journal))?;
        for no in drafts {
            let draft = self.layout.extent_draft(no);
            if self.told.extents.get(&no).is_some_and(|e| e.deleted.is_none()) {
                self.io.rename(&draft, &self.layout.extent(no)).map_err(at(&draft))?;
                found.push(no);
            } else {
                self.io.remove(&draft).map_err(at(&draft))?;
            }
        }
        found.sort_unstable();
        found.dedup();
        self.io.sync_dir(self.layout.dir()).map_err(at(self.layout.dir()))?;
        for no in gone {
            let path = self.layout.extent(no);
            self.io.remove(&path).map_err(at(&path))?;
            // A cache without its extent costs nothing but its bytes.
            let _ = self.io.remove(&self.layout.sidecar(no));
        }
        Ok(())
    }

    fn take_told(&mut self, no: ExtentNo, told: &ToldExtent) -> Result<(), RecoverError> {
        if let Some((bytes, Some(facts))) = told.seal {
            self.extents.push(RecoveredExtent {
                no,
                run: told.run,
                epoch: told.epoch,
                first_part: told.part,
                init: told.init,
                bytes,
                facts,
            });
            return self.learn_init(no, told.init);
        }
        // Of an extent that could not be synced only what was by then is believed.
        let limit = told.seal.as_ref().map_or(u64::MAX, |(bytes, _)| *bytes);
        let Some((scanned, file)) = self.scan(no, limit)? else { return Ok(()) };
        self.keep(no, (told.run, told.epoch, told.part), &scanned, &*file)
    }

    /// An extent whose line, or its run's, was lost with the power. Its own trailers say what they said.
    fn adopt(&mut self, no: ExtentNo, told: bool) -> Result<(), RecoverError> {
        let Some((scanned, file)) = self.scan(no, u64::MAX)? else { return Ok(()) };
        let Some(first) = scanned.first.clone() else { return Ok(()) };
        self.notes
            .push(format!("the journal lacks lines of extent {no}; its own trailers say what they said"));
        let run = first.run;
        if !self.told.runs.contains_key(&run) {
            let (asset, since) = (Uuid::now_v7(), first.anchor.wall);
            let protocol = String::new();
            self.append(&Record::Run { run, asset, part: first.part, since, protocol })?;
            self.told.runs.insert(run, new_run(run, asset));
        }
        for anchor in scanned.anchors.clone() {
            if !self.told.runs[&run].anchors.contains(&anchor) {
                self.append(&Record::Anchor { run, anchor })?;
                self.told.with(run, |r| r.anchors.push(anchor));
            }
        }
        let (epoch, part, init) = (first.epoch, first.part, InitId::of(&scanned.init));
        if !told {
            self.append(&Record::Extent { extent: no, run, epoch, part, init })?;
        }
        self.keep(no, (run, epoch, part), &scanned, &*file)
    }

    fn scan(&mut self, no: ExtentNo, limit: u64) -> Result<Option<Scanned>, RecoverError> {
        let path = self.layout.extent(no);
        let file = self.io.open(&path).map_err(at(&path))?;
        let scanned = scan(&*file, no).map_err(at(&path))?.map(|s| s.up_to(limit));
        let scanned = scanned.filter(|s| s.first.is_some());
        if scanned.is_none() {
            self.notes.push(format!("extent {no} holds no whole part and is removed"));
            self.io.remove(&path).map_err(at(&path))?;
        }
        Ok(scanned.map(|s| (s, file)))
    }

    /// Cuts the torn tail and seals the extent.
    fn keep(
        &mut self,
        no: ExtentNo,
        ids: (RunId, u32, PartNo),
        scanned: &ScannedExtent,
        file: &dyn FileIo,
    ) -> Result<(), RecoverError> {
        let path = self.layout.extent(no);
        if scanned.good_len < scanned.file_len {
            let why = scanned.problem.as_deref().unwrap_or("torn tail");
            self.notes.push(format!(
                "extent {no} is cut to {} of {} bytes: {why}",
                scanned.good_len, scanned.file_len
            ));
            let short = u64::from(planted(Bug::TruncateShort));
            file.truncate(scanned.good_len - short).map_err(at(&path))?;
        }
        file.sync().map_err(at(&path))?;
        let facts = seal_facts(&scanned.index).expect("a scanned extent that is kept has a part");
        self.append(&Record::Seal {
            extent: no,
            bytes: scanned.good_len,
            facts: Some(facts),
            suspect: None,
        })?;
        let init = InitId::of(&scanned.init);
        self.inits.insert(init, (scanned.init.clone(), scanned.tracks.clone()));
        let (run, epoch, first_part) = ids;
        let target = scanned.last.as_ref().map(|t| t.target_s).filter(|t| *t > 0);
        self.told.with(run, |r| r.target_s = r.target_s.or(target));
        self.extents.push(RecoveredExtent {
            no,
            run,
            epoch,
            first_part,
            init,
            bytes: scanned.good_len,
            facts,
        });
        Ok(())
    }

    fn learn_init(&mut self, no: ExtentNo, init: InitId) -> Result<(), RecoverError> {
        if self.inits.contains_key(&init) {
            return Ok(());
        }
        let path = self.layout.extent(no);
        let file = self.io.open_read(&path).map_err(at(&path))?;
        let mut head = vec![0; 256 * 1024];
        let n = file.read_at(&mut head, 0).map_err(at(&path))?;
        match media::container::mp4::read_init(&head[..n]) {
            Ok((tracks, len)) => {
                self.inits.insert(init, (Bytes::copy_from_slice(&head[..len]), tracks.into()));
            }
            Err(error) => self.notes.push(format!("extent {no}: {error}")),
        }
        Ok(())
    }

    /// An extent that does not continue its run: the power took parts before it, and a run has no holes. None of it
    /// was acknowledged, as acknowledgement goes in order. The file stays under another name.
    fn set_aside(&mut self, e: &RecoveredExtent) -> Result<(), RecoverError> {
        self.notes.push(format!("extent {} does not continue run {} and is set aside", e.no, e.run));
        let path = self.layout.extent(e.no);
        self.io.rename(&path, &self.layout.aside(e.no)).map_err(at(&path))
    }

    /// Runs that have no end get one: the process ended before them.
    fn end_runs(&mut self) -> Result<(), RecoverError> {
        // Copies of what a deletion left have higher numbers than the extents after them.
        self.extents.sort_by_key(|e| (e.run, e.first_part));
        for e in std::mem::take(&mut self.extents) {
            let before = self.told.runs.get(&e.run).and_then(|r| r.extents.last()).map(|b| b.facts.part);
            let continues = |b: PartNo| {
                b.next() == e.first_part
                    || b < e.first_part && self.told.deletion_explains(e.run, b.next(), e.first_part)
            };
            if before.is_some_and(|b| !continues(b)) {
                self.set_aside(&e)?;
                continue;
            }
            self.told.with(e.run, |r| r.extents.push(e));
        }
        let removed: Vec<_> = self.told.deleted().map(|(e, d)| (e.run, d.start..d.end)).collect();
        for (run, range) in removed {
            self.told.with(run, |r| {
                // What was copied is still there.
                let left = r.extents.iter().map(|e| e.facts.start..e.facts.end);
                let gone = without(range, left);
                r.removed.extend(gone);
            });
        }
        let open: Vec<(RunId, MediaTime)> = self
            .told
            .runs
            .values()
            .filter(|r| r.end.is_none())
            .map(|r| (r.id, r.extents.last().map_or(MediaTime(0), |e| e.facts.end)))
            .collect();
        for (run, end) in open {
            self.append(&Record::End { run, end, reason: EndReason::Crash })?;
            self.told.with(run, |r| r.end = Some((end, EndReason::Crash)));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<RecoveredStream, RecoverError> {
        let path = self.layout.journal();
        if !self.touched.is_empty() {
            self.journal.sync().map_err(at(&path))?;
            self.io.sync_dir(self.layout.dir()).map_err(at(self.layout.dir()))?;
        }
        let (id, name, created) = self.told.head.take().expect("checked when the journal was read");
        let extents = || self.told.runs.values().flat_map(|r| &r.extents);
        let newest = extents().map(|e| e.facts).max_by_key(|f| f.part);
        let epochs = extents().map(|e| e.epoch).chain(self.told.deleted().map(|d| d.0.epoch));
        let counters = Counters {
            part: match newest {
                Some(f) if !planted(Bug::ReusePartNumbers) => self.told.next_part.max(f.part.next()),
                _ => self.told.next_part,
            },
            extent: if self.highest == ExtentNo(0) && extents().next().is_none() {
                ExtentNo(1)
            } else {
                self.highest.next()
            },
            msn: newest.map_or(0, |f| f.msn + 1).max(self.told.passed.0),
            dsn: newest.map_or(0, |f| f.dsn).max(self.told.passed.1),
            epoch: epochs.max().unwrap_or(0),
            init: None,
        };
        let log =
            StreamLog::over(self.io.clone(), self.layout, self.journal, (self.journal_len, counters.part));
        Ok(RecoveredStream {
            id,
            name,
            created,
            runs: self.told.runs.into_values().collect(),
            pins: self.told.pins,
            clips: self.told.clips,
            gap_marks: self.told.gap_marks,
            protected: self.told.protected,
            inits: self.inits,
            counters,
            log,
            notes: self.notes,
        })
    }
}

/// The index of a sealed extent: from its sidecar, else from itself.
pub(crate) fn load_index(io: &dyn Io, layout: &Layout, no: ExtentNo, bytes: u64) -> io::Result<ExtentIndex> {
    if let Ok(file) = io.open_read(&layout.sidecar(no)) {
        let mut side = vec![0; usize::try_from(file.len()?).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut side, 0)?;
        if let Some(index) = decode_sidecar(&side, no, bytes) {
            return Ok(index);
        }
    }
    let file = io.open_read(&layout.extent(no))?;
    let scanned = scan(&*file, no)?;
    scanned
        .map(|s| s.index)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the extent has no readable head"))
}
