//! A file system in memory with a page cache that can be lost: what was synced survives a power cut, of the rest
//! any sectors and any names may.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;

use super::{FaultAt, Hits};
use crate::log::{FileIo, Io, Space};

/// What a disk writes at once.
const SECTOR: usize = 512;
/// Bytes of the volume.
const CAPACITY: u64 = 64 << 20;
/// What it says its size is, so that the reserve is 8 KiB: some forty journal lines.
const RESERVE_OF: u64 = 512 * 1024;

/// Kinds of operations that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Site {
    /// Writing bytes.
    Write,
    /// Syncing a file.
    Sync,
    /// Syncing a folder.
    SyncDir,
    /// Creating a file or a folder.
    Create,
    /// Renaming.
    Rename,
    /// Truncating or removing.
    Cut,
    /// Inserting into the catalogue.
    Insert,
}

impl Site {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Write, Self::Sync, Self::SyncDir, Self::Create, Self::Rename, Self::Cut, Self::Insert];
}

#[derive(Debug, Clone, Default)]
struct Node {
    /// What readers see.
    cached: Vec<u8>,
    /// What the disk is known to hold.
    durable: Vec<u8>,
    /// Ranges written since the last sync; lengths may differ too.
    dirty: Vec<(usize, usize)>,
    /// A sync of it failed: what was not acknowledged by then may vanish later although it can be read now.
    tainted: bool,
}

#[derive(Debug)]
struct Disk {
    nodes: Vec<Node>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    rng: fastrand::Rng,
    /// Operations until the planned crash.
    crash_in: Option<(u64, FaultAt)>,
    down: bool,
    /// While set, operations fail this way with a probability of one in four.
    weather: Option<FaultAt>,
    /// Bytes that fit, and files.
    capacity: u64,
    files_max: usize,
    hits: Hits,
}

/// The simulated volume. Clones are the same volume.
#[derive(Debug, Clone)]
pub(crate) struct SimIo(Arc<Mutex<Disk>>);

#[derive(Debug)]
struct SimFile {
    disk: Arc<Mutex<Disk>>,
    node: usize,
}

fn down() -> io::Error {
    io::Error::other("the machine is down")
}

impl Disk {
    /// Whether an operation may go on, has to fail, or is the one that the crash hits.
    fn enter(&mut self, site: Site) -> io::Result<Option<FaultAt>> {
        if self.down {
            return Err(down());
        }
        if let Some((left, fault)) = &mut self.crash_in {
            if *left == 0 {
                let fault = *fault;
                self.down = true;
                *self.hits.0.entry((fault, site)).or_default() += 1;
                return Ok(Some(fault));
            }
            *left -= 1;
        }
        if let Some(fault) = self.weather
            && self.rng.u8(0..4) == 0
            && site != Site::Insert
        {
            *self.hits.0.entry((fault, site)).or_default() += 1;
            return Ok(Some(fault));
        }
        Ok(None)
    }

    fn error(fault: FaultAt) -> io::Error {
        match fault {
            FaultAt::Full => io::ErrorKind::StorageFull.into(),
            FaultAt::Error => io::Error::from_raw_os_error(5),
            FaultAt::Kill | FaultAt::PowerCut => down(),
        }
    }

    fn simple(&mut self, site: Site) -> io::Result<()> {
        match self.enter(site)? {
            // The operation itself may or may not have happened when the crash came.
            Some(FaultAt::Kill | FaultAt::PowerCut) if self.rng.bool() => Ok(()),
            Some(fault) => Err(Self::error(fault)),
            None => Ok(()),
        }
    }

    /// Bytes of all files that have a name.
    fn used(&self) -> u64 {
        let named: BTreeSet<usize> = self.names.values().copied().collect();
        named.iter().map(|n| self.nodes[*n].cached.len() as u64).sum()
    }

    /// Bytes that a file may grow by.
    fn room(&self) -> u64 {
        self.capacity.saturating_sub(self.used())
    }

    /// What the disk holds after the power went: synced bytes, and any sectors and names of the rest.
    fn lose_power(&mut self) {
        for i in 0..self.nodes.len() {
            let mut node = std::mem::take(&mut self.nodes[i]);
            let mut kept = node.durable.clone();
            for (from, to) in std::mem::take(&mut node.dirty) {
                let (mut at, to) = (from, to.min(node.cached.len()));
                while at < to {
                    let end = ((at / SECTOR + 1) * SECTOR).min(to);
                    if self.rng.bool() {
                        if kept.len() < end {
                            kept.resize(end, 0);
                        }
                        kept[at..end].copy_from_slice(&node.cached[at..end]);
                    }
                    at = end;
                }
            }
            self.nodes[i] =
                Node { cached: kept.clone(), durable: kept, dirty: Vec::new(), tainted: node.tainted };
        }
        let mut names = self.durable_names.clone();
        for (name, node) in &self.names {
            if self.durable_names.get(name) == Some(node) || self.rng.bool() {
                continue;
            }
            names.insert(name.clone(), *node);
            // A rename is one transaction of a file system's journal: a file is never without a name for it.
            names.retain(|old, n| n != node || old == name || self.names.contains_key(old));
        }
        for (name, node) in &self.durable_names {
            let renamed = self.names.values().any(|n| n == node);
            if !self.names.contains_key(name) && !renamed && self.rng.bool() {
                names.remove(name);
            }
        }
        self.names = names.clone();
        self.durable_names = names;
    }
}

impl SimIo {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Disk {
            nodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            rng: fastrand::Rng::with_seed(seed),
            crash_in: None,
            down: false,
            weather: None,
            capacity: CAPACITY,
            files_max: usize::MAX,
            hits: Hits::default(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().expect("the simulator is single-threaded")
    }

    /// Plans a crash after this many operations.
    pub(super) fn plan_crash(&self, after: u64, fault: FaultAt) {
        self.lock().crash_in = Some((after, fault));
    }

    pub(super) fn is_down(&self) -> bool {
        self.lock().down
    }

    pub(super) fn weather(&self, fault: Option<FaultAt>) {
        self.lock().weather = fault;
    }

    /// Lets the volume have no more room than for this many bytes and files beside those that are there.
    pub(super) fn fill(&self, bytes: u64, files: usize) {
        let mut disk = self.lock();
        disk.capacity = disk.used() + bytes;
        disk.files_max = disk.names.len() + files;
    }

    /// Gives the volume its size back.
    pub(super) fn empty(&self) {
        let mut disk = self.lock();
        (disk.capacity, disk.files_max) = (CAPACITY, usize::MAX);
    }

    /// A point outside the file system at which the machine may go down.
    pub(super) fn insert(&self) -> io::Result<()> {
        self.lock().simple(Site::Insert)
    }

    /// Whether a sync of this file ever failed.
    pub(super) fn tainted(&self, path: &Path) -> bool {
        let disk = self.lock();
        disk.names.get(path).is_some_and(|n| disk.nodes[*n].tainted)
    }

    /// Brings the machine up again after the planned crash.
    pub(super) fn reboot(&self) {
        let mut disk = self.lock();
        if let Some((_, FaultAt::PowerCut)) = disk.crash_in.take().filter(|_| disk.down) {
            disk.lose_power();
        }
        disk.down = false;
        disk.weather = None;
        (disk.capacity, disk.files_max) = (CAPACITY, usize::MAX);
    }

    pub(super) fn hits(&self) -> Hits {
        self.lock().hits.clone()
    }
}

impl FileIo for SimFile {
    fn write_at(&self, chunks: &[Bytes], offset: u64) -> io::Result<()> {
        let mut disk = self.disk.lock().expect("the simulator is single-threaded");
        let mut fault = disk.enter(Site::Write)?;
        let mut bytes: Vec<u8> = chunks.iter().flat_map(|c| c.iter().copied()).collect();
        let end = disk.nodes[self.node].cached.len().max(offset as usize + bytes.len());
        if (end - disk.nodes[self.node].cached.len()) as u64 > disk.room() {
            fault = fault.or(Some(FaultAt::Full));
        }
        if fault.is_some() {
            // A failed write may have written some of it.
            let fits =
                (disk.nodes[self.node].cached.len() as u64 + disk.room()).saturating_sub(offset) as usize;
            let kept = disk.rng.usize(0..=bytes.len()).min(fits);
            bytes.truncate(kept);
        }
        let (from, to) = (offset as usize, offset as usize + bytes.len());
        let node = &mut disk.nodes[self.node];
        if node.cached.len() < to {
            node.cached.resize(to, 0);
        }
        node.cached[from..to].copy_from_slice(&bytes);
        node.dirty.push((from, to));
        fault.map_or(Ok(()), |f| Err(Disk::error(f)))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let disk = self.disk.lock().expect("the simulator is single-threaded");
        if disk.down {
            return Err(down());
        }
        let cached = &disk.nodes[self.node].cached;
        let from = (offset as usize).min(cached.len());
        let n = buf.len().min(cached.len() - from);
        buf[..n].copy_from_slice(&cached[from..from + n]);
        Ok(n)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.lock().expect("the simulator is single-threaded").nodes[self.node].cached.len() as u64)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut disk = self.disk.lock().expect("the simulator is single-threaded");
        disk.simple(Site::Cut)?;
        let len = len as usize;
        let node = &mut disk.nodes[self.node];
        node.cached.resize(len, 0);
        node.dirty.retain(|d| d.0 < len);
        // The shorter length reaches the disk with the next sync; until then the old tail may come back.
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let mut disk = self.disk.lock().expect("the simulator is single-threaded");
        disk.simple(Site::Write)?;
        if len > disk.room() + disk.nodes[self.node].cached.len() as u64 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.nodes[self.node].cached.resize(len as usize, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.disk.lock().expect("the simulator is single-threaded");
        let fault = disk.enter(Site::Sync)?;
        if let Some(FaultAt::Full | FaultAt::Error) = fault {
            // The pages are marked clean although they were not written: a later sync will not write them.
            let node = &mut disk.nodes[self.node];
            node.dirty.clear();
            node.tainted = true;
            return Err(Disk::error(FaultAt::Error));
        }
        let finished = fault.is_none() || disk.rng.bool();
        if finished {
            let node = &mut disk.nodes[self.node];
            let dirty = std::mem::take(&mut node.dirty);
            node.durable.resize(node.cached.len(), 0);
            for (from, to) in dirty {
                let to = to.min(node.cached.len());
                if from < to {
                    node.durable[from..to].copy_from_slice(&node.cached[from..to]);
                }
            }
        }
        fault.map_or(Ok(()), |f| Err(Disk::error(f)))
    }
}

impl Io for SimIo {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        self.lock().simple(Site::Create)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn FileIo>> {
        let mut disk = self.lock();
        if disk.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        disk.simple(Site::Create)?;
        if disk.names.len() >= disk.files_max {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.nodes.push(Node::default());
        let node = disk.nodes.len() - 1;
        disk.names.insert(path.to_owned(), node);
        Ok(Arc::new(SimFile { disk: self.0.clone(), node }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn FileIo>> {
        let disk = self.lock();
        if disk.down {
            return Err(down());
        }
        let node = *disk.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(SimFile { disk: self.0.clone(), node }))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn FileIo>> {
        self.open(path)
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        let disk = self.lock();
        let files = disk.files_max.saturating_sub(disk.names.len()) as u64;
        Ok(Space { total: RESERVE_OF, free: disk.room(), files: Some(files) })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let disk = self.lock();
        if disk.down {
            return Err(down());
        }
        let below = disk.names.keys().filter_map(|p| p.strip_prefix(dir).ok());
        let mut names: Vec<String> = below
            .filter_map(|p| Some(p.components().next()?.as_os_str().to_string_lossy().into_owned()))
            .collect();
        names.dedup();
        Ok(names)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut disk = self.lock();
        disk.simple(Site::SyncDir)?;
        let fresh: Vec<_> = disk
            .names
            .iter()
            .filter(|(p, _)| p.parent() == Some(dir))
            .map(|(p, n)| (p.clone(), *n))
            .collect();
        disk.durable_names.retain(|p, _| p.parent() != Some(dir));
        disk.durable_names.extend(fresh);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.lock();
        disk.simple(Site::Rename)?;
        let node = disk.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        disk.names.insert(to.to_owned(), node);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.lock();
        disk.simple(Site::Cut)?;
        disk.names.remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}
