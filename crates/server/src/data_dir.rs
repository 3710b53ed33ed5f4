//! The data directory: made if it is missing, known to be writable, and held by one server at a time.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use thiserror::Error;

/// Why the data directory cannot be used; one line that says what to do.
#[derive(Debug, Error)]
pub(crate) enum DataDirError {
    /// It cannot be made or written.
    #[error("cannot write the data directory {}: {error}; make it writable for this user or name another with --data DIR or TAPELINE_DATA", path.display())]
    Unwritable {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Another server has it.
    #[error("another tapeline uses the data directory {}; stop it or name another with --data DIR or TAPELINE_DATA", path.display())]
    Taken {
        /// The directory.
        path: PathBuf,
    },
}

/// Holds the data directory. The kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct DataDir {
    _lock: File,
}

impl DataDir {
    /// Takes the directory. Blocking.
    pub(crate) fn take(path: &Path) -> Result<Self, DataDirError> {
        let unwritable = |error| DataDirError::Unwritable { path: path.to_owned(), error };
        std::fs::create_dir_all(path).map_err(unwritable)?;
        let lock = OpenOptions::new().create(true).append(true).open(path.join("tapeline.lock"));
        let mut lock = lock.map_err(unwritable)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(DataDirError::Taken { path: path.to_owned() }),
            Err(error) => return Err(unwritable(error.into())),
        }
        // A full volume still takes the lock; it is the tape's reserve that has to cope with it.
        let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
        Ok(Self { _lock: lock })
    }
}

/// Whether a server has the directory. Changes nothing.
pub(crate) fn is_taken(path: &Path) -> bool {
    let Ok(lock) = File::open(path.join("tapeline.lock")) else { return false };
    flock(&lock, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/data");
        let held = DataDir::take(&path).unwrap();
        let refused = DataDir::take(&path).unwrap_err().to_string();
        assert!(refused.contains("--data DIR") && !refused.contains('\n'), "{refused}");
        drop(held);
        DataDir::take(&path).unwrap();
    }

    #[test]
    fn what_is_no_directory_is_refused_in_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let refused = DataDir::take(&file.join("data")).unwrap_err().to_string();
        assert!(refused.contains("TAPELINE_DATA") && !refused.contains('\n'), "{refused}");
    }
}
