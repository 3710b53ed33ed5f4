//! Space that media never takes, so that the journal and the database can be written on a volume that is full: a
//! file that holds it while there is room, and lets go of it when there is none. While it is let go no media is
//! written; it is taken back before recording goes on.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::io::{Io, Space};
use crate::plant::{Bug, planted};

/// The folder under the data folder.
const FOLDER: &str = "reserve";
/// The file in it that holds space.
const FILE: &str = "space";
/// Its size: this share of the volume, and no more than that. A volume of 12 MB must still record.
const SHARE: u64 = 64;
const BYTES_MAX: u64 = 16 << 20;
/// Empty files that hold entries in the table of files, for a volume that runs out of those first.
const FILES: u64 = 8;

/// See the module.
#[derive(Debug)]
pub(crate) struct Reserve {
    io: Arc<dyn Io>,
    data: PathBuf,
    bytes: u64,
    hold: Hold,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// The space is held by the file.
    Held,
    /// The file system cannot hold space: media keeps off it by asking what is left.
    Counted,
    /// It is let go: journal and database have it.
    Released,
}

impl Reserve {
    /// The reserve of a data folder, taken if there is room for it.
    pub(crate) fn open(io: Arc<dyn Io>, data: &Path) -> Self {
        let bytes = io.space(data).map_or(0, |s| (s.total / SHARE).min(BYTES_MAX));
        let mut reserve = Self { io, data: data.to_owned(), bytes, hold: Hold::Released };
        if reserve.stands() {
            reserve.hold = Hold::Held;
        } else if reserve.space().is_none_or(|s| s.free >= reserve.bytes.saturating_add(reserve.slack())) {
            reserve.take();
        }
        reserve
    }

    fn path(&self, name: &str) -> PathBuf {
        self.data.join(FOLDER).join(name)
    }

    fn space(&self) -> Option<Space> {
        self.io.space(&self.data).ok()
    }

    /// Bytes that media leaves beside the reserve, for a write of the database between two looks.
    fn slack(&self) -> u64 {
        self.bytes / 4
    }

    /// Whether the file of an earlier process holds all of it.
    fn stands(&self) -> bool {
        let len = self.io.open_read(&self.path(FILE)).and_then(|f| f.len());
        self.bytes > 0 && len.is_ok_and(|len| len == self.bytes)
    }

    /// Whether media may be written at all.
    pub(crate) fn is_held(&self) -> bool {
        self.hold != Hold::Released
    }

    /// Whether so many bytes of media may be written now.
    pub(crate) fn admits(&self, media: u64) -> bool {
        let floor = match self.hold {
            Hold::Released => return planted(Bug::MediaInReserve),
            Hold::Held => 0,
            Hold::Counted => self.bytes,
        };
        let least = media.saturating_add(floor).saturating_add(self.slack());
        // A volume that cannot be asked is tried.
        self.space().is_none_or(|s| s.free >= least)
    }

    /// Lets the space go to journal and database.
    pub(crate) fn release(&mut self) {
        let before = std::mem::replace(&mut self.hold, Hold::Released);
        if before != Hold::Held || planted(Bug::KeepReserve) {
            return;
        }
        if let Err(error) = self.io.open(&self.path(FILE)).and_then(|f| f.truncate(0)) {
            tracing::warn!(%error, "the space that is kept for the journal and the database cannot be freed");
        }
        for n in 0..FILES {
            // One that is not there frees nothing.
            let _ = self.io.remove(&self.path(&n.to_string()));
        }
    }

    /// Takes the space back if there is enough again, with room to record. Gives whether media may be written.
    pub(crate) fn take_back(&mut self) -> bool {
        if self.hold == Hold::Released && !planted(Bug::StayFull) {
            let enough = |s: Space| {
                s.free >= self.bytes.saturating_mul(2).saturating_add(self.slack())
                    && s.files.is_none_or(|files| files >= 4 * FILES)
            };
            if self.space().is_none_or(enough) {
                self.take();
            }
        }
        self.is_held()
    }

    fn take(&mut self) {
        self.hold = match self.hold_space() {
            Ok(()) => Hold::Held,
            Err(e) if e.kind() == io::ErrorKind::Unsupported => Hold::Counted,
            Err(error) => {
                tracing::debug!(%error, "the space for the journal and the database cannot be taken yet");
                // What was taken of it is let go again.
                self.hold = Hold::Held;
                self.release();
                Hold::Released
            }
        };
    }

    fn hold_space(&self) -> io::Result<()> {
        self.io.create_dir(&self.data.join(FOLDER))?;
        if self.bytes > 0 {
            self.make(FILE)?.allocate(self.bytes)?;
        }
        (0..FILES).try_for_each(|n| self.make(&n.to_string()).map(drop))
    }

    fn make(&self, name: &str) -> io::Result<Arc<dyn super::FileIo>> {
        let path = self.path(name);
        match self.io.create(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => self.io.open(&path),
            made => made,
        }
    }
}

/// Gives journal and database the space that is kept for them if the volume of a data folder is full: before the
/// database is opened, which has to write.
pub fn make_room(data: &Path) {
    let mut reserve = Reserve {
        bytes: super::StdIo.space(data).map_or(0, |s| (s.total / SHARE).min(BYTES_MAX)),
        io: Arc::new(super::StdIo),
        data: data.to_owned(),
        hold: Hold::Held,
    };
    if reserve.stands() && !reserve.admits(0) {
        reserve.release();
    }
}

#[cfg(test)]
mod tests {
    use super::super::StdIo;
    use super::*;

    #[test]
    fn space_is_held_let_go_and_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let io: Arc<dyn Io> = Arc::new(StdIo);
        let mut reserve = Reserve::open(io.clone(), dir.path());
        let file = dir.path().join(FOLDER).join(FILE);
        assert!(reserve.is_held() && reserve.admits(1));
        assert_eq!(file.metadata().unwrap().len(), BYTES_MAX, "this machine's disk is larger than 1 GiB");
        assert!(!reserve.admits(u64::MAX), "more than there is");
        reserve.release();
        assert_eq!(file.metadata().unwrap().len(), 0);
        assert!(!reserve.admits(1), "no media while it is let go");
        assert!(!Reserve { io: io.clone(), data: dir.path().into(), ..reserve }.stands());
        let mut reserve = Reserve::open(io.clone(), dir.path());
        assert!(reserve.take_back() && reserve.admits(1));
        assert!(Reserve::open(io, dir.path()).stands(), "the next process finds it");
    }
}
