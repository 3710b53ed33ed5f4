//! One stream's files, written. Applies operations in order; what they touched is synced by the committer.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::commit::Op;
use super::io::{FileIo, Io};
use super::layout::Layout;
use super::sidecar::encode_sidecar;
use crate::ids::{ExtentNo, PartNo};
use crate::index::ExtentIndex;
use crate::journal::{Record, SealFacts, encode};
use crate::part::Part;
use crate::plant::{Bug, planted};

/// Most bytes of journal lines that wait for a sync: hours of a failing volume.
const JOURNAL_TAIL_MAX: usize = 1 << 20;

/// What has to be synced before what was applied counts as durable.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    pub files: Vec<Arc<dyn FileIo>>,
    pub dir: bool,
}

#[derive(Debug)]
struct OpenFile {
    no: ExtentNo,
    file: Arc<dyn FileIo>,
    /// Bytes of whole parts.
    len: u64,
    /// Those of them that are synced.
    synced: u64,
    touched: bool,
}

/// The writer of one stream.
#[derive(Debug)]
pub(crate) struct StreamLog {
    io: Arc<dyn Io>,
    layout: Layout,
    /// `None` until a new stream's folder could be made.
    journal: Option<Arc<dyn FileIo>>,
    /// Bytes of all lines, those that wait included.
    journal_len: u64,
    /// Lines since the journal was last synced with success. After a failed sync the system may have forgotten them
    /// while it says otherwise, and after a failed write they are there in part: so they are written again.
    journal_tail: Vec<u8>,
    rewrite: bool,
    journal_touched: bool,
    dir_touched: bool,
    open: Option<OpenFile>,
    /// Extents up to this one have ended, the last of them maybe with an error: what was queued for it before that was
    /// known is let go.
    abandoned: ExtentNo,
    /// Files of extents sealed since the last sync.
    sealed: Vec<Arc<dyn FileIo>>,
    /// Seal lines of extents that are not synced yet, with the bytes that are, and of those that are. A line may reach
    /// the disk before its extent does, and a seal is believed: so it is written only after the extent is synced.
    unsynced_seals: Vec<(Record, u64)>,
    synced_seals: Vec<Record>,
    /// The extent that was given up in this round, and its synced bytes.
    given_up: Option<(ExtentNo, u64)>,
    /// Parts below this number are in their file.
    next_part: PartNo,
}

impl StreamLog {
    /// The log of a new stream. Its folder and journal are made with the first round of the committer, and again until
    /// they can be made: nobody waits for a volume to publish. The first record says whose it is.
    pub(crate) fn fresh(io: Arc<dyn Io>, layout: Layout, first: &Record) -> Self {
        let mut log = Self::made(io, layout, None, (0, PartNo(0)));
        log.rewrite = true;
        // Twice: nothing else tells whose the tape is, and one flipped bit must not cost all of it.
        for _ in 0..2 {
            log.remember(first).expect("the first line is short");
        }
        log
    }

    /// Goes on with a recovered stream: an intact journal of `journal_len` bytes and parts up to `next_part`.
    pub(crate) fn over(io: Arc<dyn Io>, layout: Layout, journal: Arc<dyn FileIo>, at: (u64, PartNo)) -> Self {
        Self::made(io, layout, Some(journal), at)
    }

    fn made(io: Arc<dyn Io>, layout: Layout, journal: Option<Arc<dyn FileIo>>, at: (u64, PartNo)) -> Self {
        Self {
            io,
            layout,
            journal,
            journal_len: at.0,
            journal_tail: Vec::new(),
            rewrite: false,
            journal_touched: false,
            dir_touched: false,
            open: None,
            abandoned: ExtentNo(0),
            sealed: Vec::new(),
            unsynced_seals: Vec::new(),
            synced_seals: Vec::new(),
            given_up: None,
            next_part: at.1,
        }
    }

    /// Parts below this number are in their file.
    pub(crate) fn next_part(&self) -> PartNo {
        self.next_part
    }

    /// Applies one operation. On an error the open extent ends at its last whole part.
    pub(crate) fn apply(&mut self, op: &Op) -> io::Result<()> {
        match op {
            Op::Journal(record) => self.append(record),
            Op::Create { no, init, record } => self.begin(*no, init, record),
            Op::Part(part) => self.part(part),
            Op::Seal { index } => {
                self.seal(index);
                Ok(())
            }
            Op::Ack(_) => Ok(()),
        }
    }

    /// Takes a line that is written with the next round that can write, after an error as well.
    pub(crate) fn remember(&mut self, record: &Record) -> io::Result<Bytes> {
        let line = Bytes::from(encode(record));
        if self.journal_tail.len() + line.len() > JOURNAL_TAIL_MAX {
            return Err(io::Error::other("the journal could not be written for too long"));
        }
        self.journal_tail.extend_from_slice(&line);
        self.journal_len += line.len() as u64;
        Ok(line)
    }

    fn append(&mut self, record: &Record) -> io::Result<()> {
        let at = self.journal_len;
        let line = self.remember(record)?;
        let Some(journal) = self.journal.as_ref().filter(|_| !self.rewrite) else { return Ok(()) };
        self.journal_touched = true;
        let written = journal.write_at(&[line], at);
        self.rewrite = written.is_err();
        if self.rewrite && planted(Bug::ForgetLines) {
            self.rewrite = false;
            self.journal_tail.truncate(self.journal_tail.len() - (self.journal_len - at) as usize);
            self.journal_len = at;
        }
        written
    }

    /// Notes what is not written because something before it failed: lines wait, media is let go.
    pub(crate) fn skip(&mut self, op: &Op) {
        match op {
            Op::Journal(record) if !planted(Bug::ForgetLines) => {
                if let Err(error) = self.remember(record) {
                    tracing::error!(%error, ?record, "a line of the journal is lost");
                }
                self.rewrite = true;
            }
            Op::Create { no, .. } => self.abandoned = *no,
            Op::Part(part) => self.abandoned = self.abandoned.max(part.extent),
            Op::Journal(_) | Op::Seal { .. } | Op::Ack(_) => {}
        }
    }

    /// Writes what the last rounds left: lines that could not be written or that a failed sync may have lost, and seals
    /// of synced extents.
    pub(crate) fn catch_up(&mut self) -> io::Result<()> {
        if self.rewrite {
            let journal = self.open_journal()?;
            let tail = Bytes::copy_from_slice(&self.journal_tail);
            self.journal_touched = true;
            journal.write_at(&[tail], self.journal_len - self.journal_tail.len() as u64)?;
            self.rewrite = false;
        }
        let mut outcome = Ok(());
        for record in std::mem::take(&mut self.synced_seals) {
            outcome = outcome.and(self.append(&record));
        }
        outcome
    }

    fn open_journal(&mut self) -> io::Result<Arc<dyn FileIo>> {
        if let Some(journal) = &self.journal {
            return Ok(journal.clone());
        }
        self.io.create_dir(self.layout.dir())?;
        let path = self.layout.journal();
        let made = match self.io.create(&path) {
            // An attempt that failed made it all the same; the folder has a name of its own, so it is ours.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => self.io.open(&path),
            made => made,
        }?;
        self.dir_touched = true;
        self.journal = Some(made.clone());
        Ok(made)
    }

    fn begin(&mut self, no: ExtentNo, init: &Bytes, record: &Record) -> io::Result<()> {
        // Until the file is there, its parts have nowhere to go.
        self.abandoned = no;
        let file = self.io.create(&self.layout.extent(no))?;
        self.dir_touched = !planted(Bug::SkipDirSync);
        if let Err(error) = file.write_at(std::slice::from_ref(init), 0) {
            let _ = self.io.remove(&self.layout.extent(no));
            return Err(error);
        }
        self.open = Some(OpenFile { no, file, len: init.len() as u64, synced: 0, touched: true });
        self.append(record)
    }

    fn part(&mut self, part: &Arc<Part>) -> io::Result<()> {
        let open = self.open.as_mut().filter(|o| o.no == part.extent && o.len == part.offset);
        if open.is_none() && part.extent <= self.abandoned {
            return Ok(());
        }
        let open = open.ok_or_else(|| io::Error::other("the part does not continue the open extent"))?;
        open.touched = true;
        if let Err(e) = open.file.write_at(&part.chunks, part.offset) {
            let _ = open.file.truncate(open.len);
            return Err(e);
        }
        open.len += u64::from(part.index.len);
        self.next_part = part.no().next();
        Ok(())
    }

    fn seal(&mut self, index: &ExtentIndex) {
        let Some(open) = self.open.take_if(|o| o.no == index.no) else { return };
        if open.touched && !planted(Bug::SealWithoutSync) {
            self.sealed.push(open.file);
        }
        self.write_sidecar(index, open.len);
        let (extent, bytes, facts) = (open.no, open.len, seal_facts(index));
        let line = Record::Seal { extent, bytes, facts, suspect: None };
        if planted(Bug::SealEarly) {
            let _ = self.append(&line);
            return;
        }
        self.unsynced_seals.push((line, open.synced));
    }

    /// Notes that everything taken by [`StreamLog::take_dirty`] is on the disk.
    pub(crate) fn synced(&mut self) {
        self.synced_seals.extend(self.unsynced_seals.drain(..).map(|(line, _)| line));
        self.given_up = None;
        if let Some(open) = &mut self.open {
            open.synced = open.len;
        }
        if !self.rewrite {
            self.journal_tail.clear();
        }
    }

    /// Notes that something taken by [`StreamLog::take_dirty`] may not be on the disk.
    pub(crate) fn not_synced(&mut self) {
        self.rewrite = !planted(Bug::TrustJournal);
        self.dir_touched = true;
        let sealed = self.unsynced_seals.drain(..).filter_map(|(line, synced)| match line {
            Record::Seal { extent, .. } => Some((extent, synced)),
            _ => None,
        });
        // The last line about an extent counts.
        for (extent, bytes) in sealed.chain(self.given_up.take()).collect::<Vec<_>>() {
            let suspect = Some("it could not be synced".to_owned());
            let _ = self.append(&Record::Seal { extent, bytes, facts: None, suspect });
        }
    }

    /// Whether seal lines wait to be written.
    pub(crate) fn has_seals(&self) -> bool {
        !self.synced_seals.is_empty()
    }

    /// Ends the open extent after an error, as far as that is possible. What cannot be noted now is found by
    /// the next recovery.
    pub(crate) fn abandon(&mut self, why: &io::Error) {
        if let Some(open) = self.open.take() {
            if open.touched {
                self.sealed.push(open.file);
            }
            self.given_up = Some((open.no, open.synced));
            let record = Record::Seal {
                extent: open.no,
                bytes: open.len,
                facts: None,
                suspect: Some(why.to_string()),
            };
            let _ = self.append(&record);
        }
    }

    /// The sidecar is a cache: failing to write it costs a scan later and nothing else.
    fn write_sidecar(&mut self, index: &ExtentIndex, bytes: u64) {
        let draft = self.layout.sidecar_draft(index.no);
        let write = || -> io::Result<()> {
            let file = self.io.create(&draft)?;
            file.write_at(&[encode_sidecar(index, bytes)], 0)?;
            self.io.rename(&draft, &self.layout.sidecar(index.no))
        };
        if let Err(error) = write() {
            let _ = self.io.remove(&draft);
            tracing::debug!(%error, extent = index.no.0, "the index of a sealed extent is not cached");
        }
    }

    /// What has to be synced since the last call.
    pub(crate) fn take_dirty(&mut self) -> Dirty {
        let mut dirty =
            Dirty { files: std::mem::take(&mut self.sealed), dir: std::mem::take(&mut self.dir_touched) };
        if let Some(open) = self.open.as_mut().filter(|o| o.touched) {
            open.touched = false;
            if !planted(Bug::SkipPartSync) {
                dirty.files.push(open.file.clone());
            }
        }
        if std::mem::take(&mut self.journal_touched) && !planted(Bug::SkipJournalSync) {
            dirty.files.extend(self.journal.clone());
        }
        dirty
    }

    /// Makes the folder's entries durable: its own and its name in the tape's folder.
    pub(crate) fn sync_dir(&self) -> io::Result<()> {
        self.io.sync_dir(self.layout.dir())?;
        match self.layout.dir().parent() {
            Some(parent) => self.io.sync_dir(parent),
            None => Ok(()),
        }
    }
}

/// The short form of an index for the journal; `None` while it is empty.
pub(crate) fn seal_facts(index: &ExtentIndex) -> Option<SealFacts> {
    let (start, end) = index.span()?;
    let (first, last) = (index.parts.first()?, index.parts.last()?);
    let entry = first.segment.starts && first.segment.independent;
    Some(SealFacts { start, end, part: last.no, msn: last.segment.msn, dsn: last.segment.dsn, entry })
}
