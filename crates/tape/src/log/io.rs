//! The few file operations that the log needs, behind a trait, and their implementation by the system.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

/// Threads that sync files of one batch side by side: the file system merges their journal commits, and more
/// than this gained nothing on ext4.
const SYNC_THREADS: usize = 8;

/// An open file. All operations are positioned; there is no shared cursor.
pub trait FileIo: Send + Sync + Debug {
    /// Writes all chunks one after the other from `offset` on.
    fn write_at(&self, chunks: &[Bytes], offset: u64) -> io::Result<()>;
    /// Reads up to `buf.len()` bytes; fewer only at the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Bytes in the file.
    fn len(&self) -> io::Result<u64>;
    /// Whether there is nothing in the file.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Cuts the file to `len` bytes.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Makes the file's bytes and length durable.
    fn sync(&self) -> io::Result<()>;
    /// Makes the file `len` bytes long and gives it the space for them. `Unsupported` where a file system cannot.
    fn allocate(&self, len: u64) -> io::Result<()> {
        let _ = len;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Fills `buf` or fails.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        match self.read_at(buf, offset)? {
            n if n == buf.len() => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// What is left of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes of the volume.
    pub total: u64,
    /// Bytes that this process may still take.
    pub free: u64,
    /// Files that may still be made; `None` where the file system does not count them.
    pub files: Option<u64>,
}

/// A file system.
pub trait Io: Send + Sync + Debug {
    /// Creates a folder and its parents; fine when it exists.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Creates a file that must not exist, for reading and writing.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn FileIo>>;
    /// Opens an existing file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn FileIo>>;
    /// Opens an existing file for reading only: that works on a volume that takes no writes, and does not wait for one
    /// that is frozen.
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn FileIo>>;
    /// What is left of the volume of a folder.
    fn space(&self, dir: &Path) -> io::Result<Space>;
    /// File and folder names in a folder, in any order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes the folder's entries durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Renames a file, replacing the target.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Syncs all files, and gives each one's result in the same order.
    fn sync_all(&self, files: &[Arc<dyn FileIo>]) -> Vec<io::Result<()>> {
        files.iter().map(|f| f.sync()).collect()
    }
}

/// The operating system's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct StdIo;

#[derive(Debug)]
struct StdFile(File);

impl FileIo for StdFile {
    fn write_at(&self, chunks: &[Bytes], mut offset: u64) -> io::Result<()> {
        let mut slices: Vec<io::IoSlice<'_>> =
            chunks.iter().filter(|c| !c.is_empty()).map(|c| io::IoSlice::new(c)).collect();
        let mut rest = &mut slices[..];
        while !rest.is_empty() {
            let batch = rest.len().min(1024); // IOV_MAX on Linux
            let n = match rustix::io::pwritev(&self.0, &rest[..batch], offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => n,
                Err(rustix::io::Errno::INTR) => continue,
                Err(e) => return Err(e.into()),
            };
            offset += n as u64;
            io::IoSlice::advance_slices(&mut rest, n);
        }
        Ok(())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            match self.0.read_at(&mut buf[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let all = rustix::fs::fallocate(&self.0, rustix::fs::FallocateFlags::empty(), 0, len);
        all.map_err(|e| match e {
            rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS => io::ErrorKind::Unsupported.into(),
            e => e.into(),
        })
    }
}

impl Io for StdIo {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn FileIo>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Ok(Arc::new(StdFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn FileIo>> {
        Ok(Arc::new(StdFile(OpenOptions::new().read(true).write(true).open(path)?)))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn FileIo>> {
        Ok(Arc::new(StdFile(File::open(path)?)))
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        let v = rustix::fs::statvfs(dir)?;
        Ok(Space {
            total: v.f_blocks.saturating_mul(v.f_frsize),
            free: v.f_bavail.saturating_mul(v.f_frsize),
            files: (v.f_files > 0).then_some(v.f_favail),
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let names = fs::read_dir(dir)?.map(|e| Ok(e?.file_name().to_string_lossy().into_owned()));
        names.collect()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_all(&self, files: &[Arc<dyn FileIo>]) -> Vec<io::Result<()>> {
        if files.len() < 2 {
            return files.iter().map(|f| f.sync()).collect();
        }
        let share = files.len().div_ceil(SYNC_THREADS);
        std::thread::scope(|scope| {
            let threads: Vec<_> = files
                .chunks(share)
                .map(|some| scope.spawn(move || some.iter().map(|f| f.sync()).collect::<Vec<_>>()))
                .collect();
            threads.into_iter().flat_map(|t| t.join().expect("a sync does not panic")).collect()
        })
    }
}
