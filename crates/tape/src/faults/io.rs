//! The system's file system, made to fail on demand.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use bytes::Bytes;

use crate::log::{FileIo, Io, Space, StdIo};

/// What is wrong with the volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    Nothing,
    /// No room for media.
    Full,
    /// Writes fail.
    ReadOnly,
    /// Syncs fail, writes do not.
    NoSync,
    /// Writes and syncs do not return.
    Frozen,
}

#[derive(Debug)]
struct Switch {
    wrong: Mutex<Wrong>,
    turned: Condvar,
}

/// See the module. Clones are one volume.
#[derive(Debug, Clone)]
pub(super) struct FaultIo(Arc<Switch>);

#[derive(Debug)]
struct FaultFile {
    file: Arc<dyn FileIo>,
    switch: Arc<Switch>,
    media: bool,
}

const RESERVE: u64 = 4096;

impl FaultIo {
    pub(super) fn new() -> Self {
        Self(Arc::new(Switch { wrong: Mutex::new(Wrong::Nothing), turned: Condvar::new() }))
    }

    pub(super) fn turn(&self, wrong: Wrong) {
        *self.0.wrong.lock().unwrap() = wrong;
        self.0.turned.notify_all();
    }

    fn file(&self, path: &Path, file: Arc<dyn FileIo>) -> Arc<dyn FileIo> {
        let media = path.extension().is_some_and(|e| e == "mp4");
        Arc::new(FaultFile { file, switch: self.0.clone(), media })
    }
}

impl Switch {
    /// Waits while the volume is frozen, then says what is wrong.
    fn pass(&self) -> Wrong {
        let wrong = self.turned.wait_while(self.wrong.lock().unwrap(), |w| *w == Wrong::Frozen).unwrap();
        *wrong
    }

    fn write(&self, media: bool) -> io::Result<()> {
        match self.pass() {
            // Lines fit into what the reserve gave back, media does not.
            Wrong::Full if media => Err(io::ErrorKind::StorageFull.into()),
            Wrong::ReadOnly => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
            _ => Ok(()),
        }
    }
}

impl FileIo for FaultFile {
    fn write_at(&self, chunks: &[Bytes], offset: u64) -> io::Result<()> {
        self.switch.write(self.media)?;
        self.file.write_at(chunks, offset)
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn truncate(&self, len: u64) -> io::Result<()> {
        self.switch.write(false)?;
        self.file.truncate(len)
    }
    fn allocate(&self, len: u64) -> io::Result<()> {
        self.switch.write(true)?;
        self.file.allocate(len)
    }
    fn sync(&self) -> io::Result<()> {
        match self.switch.pass() {
            Wrong::NoSync | Wrong::ReadOnly => Err(io::Error::from_raw_os_error(5)),
            _ => self.file.sync(),
        }
    }
}

impl Io for FaultIo {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.write(false)?;
        StdIo.create_dir(dir)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn FileIo>> {
        self.0.write(path.extension().is_some_and(|e| e == "mp4"))?;
        Ok(self.file(path, StdIo.create(path)?))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn FileIo>> {
        Ok(self.file(path, StdIo.open(path)?))
    }
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn FileIo>> {
        StdIo.open_read(path)
    }
    fn space(&self, _: &Path) -> io::Result<Space> {
        let free = if *self.0.wrong.lock().unwrap() == Wrong::Full { 0 } else { 1 << 30 };
        Ok(Space { total: RESERVE * 64, free, files: None })
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        StdIo.list(dir)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        StdIo.sync_dir(dir)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.write(false)?;
        StdIo.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.write(false)?;
        StdIo.remove(path)
    }
}
