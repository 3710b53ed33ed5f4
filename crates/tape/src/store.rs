//! Files of assets that are no views of a tape: clips that were asked for as files. Each is written whole or not
//! at all, is named by its opaque id, and never changes. Which assets there are is the catalog's knowledge.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;
use uuid::Uuid;

use crate::log::{FileIo, Io, StdIo};
use crate::plant::{Bug, planted};
use crate::read::Piece;

/// Bytes read and written at once; more gains nothing on a disk, and a task holds no more than this.
const CHUNK_BYTES: usize = 1 << 20;
/// The share of the volume that asset files leave free, and the most of it: recording needs it.
const RESERVE_SHARE: u64 = 64;
const RESERVE_BYTES_MAX: u64 = 256 << 20;
/// The folder under the data folder.
const FOLDER: &str = "assets";
/// How a file is called while it is written.
const UNFINISHED: &str = ".part";
const SUFFIX: &str = ".mp4";

/// Why a file cannot be written, read or removed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// It would take space that recording needs.
    #[error("the file needs {bytes} bytes and the volume has {free} to give; free some space and ask again")]
    Full {
        /// What it needs.
        bytes: u64,
        /// What the volume can give, the reserve aside.
        free: u64,
    },
    /// There is no such file.
    #[error("the file of asset {0} is gone")]
    Gone(Uuid),
    /// The pieces could not be told.
    #[error("what the file is made of cannot be read: {0}")]
    Pieces(String),
    /// The pieces were not as long as announced.
    #[error("the file was announced with {announced} bytes and has {written}")]
    Length {
        /// Bytes announced.
        announced: u64,
        /// Bytes there were.
        written: u64,
    },
    /// The volume failed.
    #[error("{path}: {error}")]
    Io {
        /// Which file.
        path: String,
        /// The system's words.
        error: std::io::Error,
    },
}

/// The asset files of a data folder.
#[derive(Debug)]
pub struct Store {
    io: Arc<dyn Io>,
    data: PathBuf,
}

impl Store {
    /// Opens the folder and removes what a crash left unfinished. Blocking.
    pub fn open(data: &Path) -> Result<Self, StoreError> {
        Self::open_on(Arc::new(StdIo), data)
    }

    pub(crate) fn open_on(io: Arc<dyn Io>, data: &Path) -> Result<Self, StoreError> {
        let store = Self { io, data: data.to_owned() };
        let folder = store.folder();
        store.io.create_dir(&folder).map_err(|e| failed(&folder, e))?;
        store.io.sync_dir(data).map_err(|e| failed(data, e))?;
        for name in store.io.list(&folder).map_err(|e| failed(&folder, e))? {
            if name.ends_with(UNFINISHED) {
                let path = folder.join(name);
                store.io.remove(&path).map_err(|e| failed(&path, e))?;
            }
        }
        Ok(store)
    }

    fn folder(&self) -> PathBuf {
        self.data.join(FOLDER)
    }

    fn path(&self, asset: Uuid) -> PathBuf {
        self.folder().join(file_name(asset))
    }

    /// Where an asset's file is, relative to the data folder.
    pub fn name(asset: Uuid) -> String {
        format!("{FOLDER}/{}", file_name(asset))
    }

    /// Every asset that has a file. Blocking.
    pub fn list(&self) -> Result<Vec<Uuid>, StoreError> {
        let folder = self.folder();
        let names = self.io.list(&folder).map_err(|e| failed(&folder, e))?;
        Ok(names.iter().filter_map(|n| Uuid::try_parse(n.strip_suffix(SUFFIX)?).ok()).collect())
    }

    /// Writes an asset's file of `bytes` bytes from its pieces, in place of one that may be there. Durable when it
    /// returns. After an error there is the one from before, or all of this one. Blocking, for as long as the copy takes.
    pub fn write<E: std::fmt::Display>(
        &self,
        asset: Uuid,
        bytes: u64,
        pieces: impl IntoIterator<Item = Result<Piece, E>>,
    ) -> Result<(), StoreError> {
        let free = self.free();
        if bytes > free {
            return Err(StoreError::Full { bytes, free });
        }
        let path = self.path(asset);
        let unfinished = self.folder().join(format!("{}{UNFINISHED}", file_name(asset)));
        let written = self.copy(&unfinished, bytes, pieces).and_then(|()| {
            self.io.rename(&unfinished, &path).map_err(|e| failed(&path, e))?;
            let folder = self.folder();
            if planted(Bug::SkipAssetDirSync) {
                return Ok(());
            }
            self.io.sync_dir(&folder).map_err(|e| failed(&folder, e))
        });
        if written.is_err() {
            // The next attempt or the next start removes what this cannot.
            let _ = self.io.remove(&unfinished);
        }
        written
    }

    fn copy<E: std::fmt::Display>(
        &self,
        path: &Path,
        bytes: u64,
        pieces: impl IntoIterator<Item = Result<Piece, E>>,
    ) -> Result<(), StoreError> {
        let left = self.io.remove(path).err().filter(|e| e.kind() != std::io::ErrorKind::NotFound);
        left.map_or(Ok(()), |e| Err(failed(path, e)))?;
        let file = self.io.create(path).map_err(|e| failed(path, e))?;
        let mut at = 0;
        for piece in pieces {
            match piece.map_err(|e| StoreError::Pieces(e.to_string()))? {
                Piece::Mem(chunk) => {
                    at += chunk.len() as u64;
                    file.write_at(std::slice::from_ref(&chunk), at - chunk.len() as u64)
                        .map_err(|e| failed(path, e))?;
                }
                Piece::File { file: from, range } => {
                    let mut next = range.start;
                    while next < range.end {
                        let chunk =
                            read(&*from, next, range.end).map_err(|e| StoreError::Pieces(e.to_string()))?;
                        let len = chunk.len() as u64;
                        file.write_at(&[chunk], at).map_err(|e| failed(path, e))?;
                        (at, next) = (at + len, next + len);
                    }
                }
            }
        }
        if at != bytes {
            return Err(StoreError::Length { announced: bytes, written: at });
        }
        if planted(Bug::SkipAssetSync) {
            return Ok(());
        }
        file.sync().map_err(|e| failed(path, e))
    }

    /// An asset's file, open, and its size. Blocking.
    pub fn read(&self, asset: Uuid) -> Result<(Arc<dyn FileIo>, u64), StoreError> {
        let path = self.path(asset);
        let file = self.io.open_read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => StoreError::Gone(asset),
            _ => failed(&path, error),
        })?;
        let bytes = file.len().map_err(|e| failed(&path, e))?;
        Ok((file, bytes))
    }

    /// Removes an asset's file; fine when there is none. Durable when it returns. Blocking.
    pub fn remove(&self, asset: Uuid) -> Result<(), StoreError> {
        let path = self.path(asset);
        match self.io.remove(&path) {
            // An earlier attempt may have removed it and failed to make that durable.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            removed => removed.map_err(|e| failed(&path, e))?,
        }
        let folder = self.folder();
        self.io.sync_dir(&folder).map_err(|e| failed(&folder, e))
    }

    /// Bytes that files may take. A volume that cannot be asked is tried.
    fn free(&self) -> u64 {
        let Ok(volume) = rustix::fs::statvfs(&self.data) else { return u64::MAX };
        let reserve =
            (volume.f_blocks.saturating_mul(volume.f_frsize) / RESERVE_SHARE).min(RESERVE_BYTES_MAX);
        volume.f_bavail.saturating_mul(volume.f_frsize).saturating_sub(reserve)
    }
}

fn file_name(asset: Uuid) -> String {
    format!("{}{SUFFIX}", asset.simple())
}

fn failed(path: &Path, error: std::io::Error) -> StoreError {
    StoreError::Io { path: path.display().to_string(), error }
}

/// The next chunk of a file.
fn read(file: &dyn FileIo, from: u64, end: u64) -> std::io::Result<Bytes> {
    let len = usize::try_from(end - from).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
    let mut chunk = vec![0; len];
    file.read_exact_at(&mut chunk, from)?;
    Ok(chunk.into())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    const ASSET: Uuid = Uuid::from_u128(7);

    fn pieces(list: Vec<Piece>) -> impl Iterator<Item = Result<Piece, Infallible>> {
        list.into_iter().map(Ok)
    }

    fn content(store: &Store) -> Vec<u8> {
        let (file, bytes) = store.read(ASSET).unwrap();
        let mut all = vec![0; usize::try_from(bytes).unwrap()];
        file.read_exact_at(&mut all, 0).unwrap();
        all
    }

    #[test]
    fn a_file_is_written_replaced_listed_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.write(ASSET, 5, pieces(vec![Piece::Mem(Bytes::from_static(b"hello"))])).unwrap();
        let (file, _) = store.read(ASSET).unwrap();
        let both = vec![Piece::File { file, range: 1..5 }, Piece::Mem(Bytes::from_static(b"!"))];
        store.write(ASSET, 5, pieces(both)).unwrap();
        assert_eq!(content(&store), b"ello!");
        assert_eq!(store.list().unwrap(), [ASSET]);
        assert!(dir.path().join(Store::name(ASSET)).is_file());
        store.remove(ASSET).unwrap();
        store.remove(ASSET).unwrap();
        assert!(matches!(store.read(ASSET), Err(StoreError::Gone(ASSET))));
    }

    #[test]
    fn a_file_that_fails_leaves_nothing_and_keeps_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.write(ASSET, 3, pieces(vec![Piece::Mem(Bytes::from_static(b"old"))])).unwrap();
        let short = store.write(ASSET, 9, pieces(vec![Piece::Mem(Bytes::from_static(b"new"))]));
        assert!(matches!(short, Err(StoreError::Length { announced: 9, written: 3 })), "{short:?}");
        let broken = store.write(ASSET, 9, [Err("no index")]);
        assert!(matches!(broken, Err(StoreError::Pieces(_))), "{broken:?}");
        assert_eq!(content(&store), b"old");
        assert!(matches!(store.write(ASSET, u64::MAX, pieces(vec![])), Err(StoreError::Full { .. })));
        assert_eq!(std::fs::read_dir(dir.path().join(FOLDER)).unwrap().count(), 1);
    }

    #[test]
    fn what_a_crash_left_is_removed_at_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.write(ASSET, 3, pieces(vec![Piece::Mem(Bytes::from_static(b"old"))])).unwrap();
        let left = dir.path().join(FOLDER).join(format!("{}{UNFINISHED}", file_name(Uuid::from_u128(8))));
        std::fs::write(&left, "half").unwrap();
        assert_eq!(store.list().unwrap(), [ASSET]);
        let store = Store::open(dir.path()).unwrap();
        assert!(!left.exists());
        assert_eq!(content(&store), b"old");
    }
}
