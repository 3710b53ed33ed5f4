//! The physical limits that figures stand beside: what the plainest program needs for the same bytes on the same
//! machine, in the same run. Nothing of Tapeline is used here.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::fs::{Advice, fadvise};

use crate::figures::Samples;

/// Read and written at once.
const CHUNK: usize = 256 << 10;
/// What a row of a database or a line of a journal costs at least.
const BLOCK: [u8; 4096] = [7; 4096];
/// How often the sink syncs its files: as often as the tape commits a part.
const SYNC_EVERY: Duration = Duration::from_millis(500);

/// A file on the measured volume that is written and synced in turn with what is measured, so that both meet the
/// same noise.
pub(crate) struct Disk {
    file: File,
    at: u64,
    piece: Vec<u8>,
    /// What it took.
    pub(crate) samples: Samples,
}

impl Disk {
    /// Writes 4 KiB into a file that has its size already: the cheapest write that survives a power cut.
    pub(crate) fn overwritten(dir: &Path, times: usize) -> Result<Self> {
        let disk = Self::appended(dir, BLOCK.len())?;
        disk.file.write_all_at(&BLOCK.repeat(times), 0)?;
        disk.file.sync_all()?;
        Ok(disk)
    }

    /// Lets a file grow by so many bytes.
    pub(crate) fn appended(dir: &Path, bytes: usize) -> Result<Self> {
        let path = dir.join("disk");
        let file = File::create(&path)?;
        // It goes when it is closed.
        std::fs::remove_file(path)?;
        Ok(Self { file, at: 0, piece: vec![7; bytes], samples: Samples::default() })
    }

    /// Writes once and waits for the disk.
    pub(crate) fn write(&mut self) -> Result<()> {
        let begun = Instant::now();
        self.file.write_all_at(&self.piece, self.at)?;
        self.file.sync_data()?;
        self.samples.push(begun.elapsed());
        self.at += self.piece.len() as u64;
        Ok(())
    }
}

/// Takes files out of the page cache. They have been synced, so nothing is dirty.
pub(crate) fn forget(files: &[PathBuf]) -> Result<()> {
    files.iter().try_for_each(|path| Ok(fadvise(&File::open(path)?, 0, None, Advice::DontNeed)?))
}

/// A server of plain bytes: `GET /N` answers with the first N bytes of a file, `GET /N/more` after it has read
/// other files from end to end.
pub(crate) fn plain(file: &Path, more: Vec<PathBuf>) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let (file, more) = (file.to_owned(), Arc::new(more));
    std::thread::spawn(move || {
        for peer in listener.incoming().map_while(std::io::Result::ok) {
            let (file, more) = (file.clone(), Arc::clone(&more));
            // A peer that leaves ends its thread.
            std::thread::spawn(move || serve(&peer, &file, &more));
        }
    });
    Ok(address)
}

fn serve(peer: &TcpStream, file: &Path, more: &[PathBuf]) -> Result<()> {
    peer.set_nodelay(true)?;
    let mut requests = BufReader::new(peer).lines();
    while let Some(first) = requests.next() {
        for line in requests.by_ref() {
            if line?.is_empty() {
                break;
            }
        }
        let first = first?;
        let path = first.split(' ').nth(1).context("no path")?.trim_start_matches('/');
        let (length, rest) = path.split_once('/').unwrap_or((path, ""));
        if rest == "more" {
            more.iter().try_for_each(|path| std::fs::read(path).map(drop))?;
        }
        send(peer, &File::open(file)?, length.parse()?)?;
    }
    Ok(())
}

fn send(mut peer: &TcpStream, file: &File, length: usize) -> Result<()> {
    write!(peer, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")?;
    let mut buffer = vec![0; CHUNK];
    let mut at = 0;
    while at < length {
        let got = file.read_at(&mut buffer[..CHUNK.min(length - at)], at as u64)?;
        ensure!(got > 0, "the file is shorter than {length}");
        peer.write_all(&buffer[..got])?;
        at += got;
    }
    Ok(())
}

/// What a program does that keeps bytes and knows nothing of them: takes `files` connections, writes each to a
/// file, syncs the files. Prints its port first, and ends with its standard input.
pub(crate) fn sink(dir: &Path, files: usize) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    let mut kept = Vec::new();
    for number in 0..files {
        let file = Arc::new(File::create(dir.join(number.to_string()))?);
        kept.push(Arc::clone(&file));
        let (mut peer, _) = listener.accept()?;
        std::thread::spawn(move || {
            let mut buffer = vec![0; CHUNK];
            while let Ok(got) = peer.read(&mut buffer)
                && got > 0
                && (&*file).write_all(&buffer[..got]).is_ok()
            {}
        });
    }
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(SYNC_EVERY);
            for file in &kept {
                let _ = file.sync_data();
            }
        }
    });
    let _ = std::io::stdin().read(&mut [0]);
    Ok(())
}
