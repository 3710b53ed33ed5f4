//! Reading: bytes of extents wherever they are now, and packets of the live edge.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use crate::ids::ExtentNo;
use crate::live::LivePacket;
use crate::log::FileIo;
use crate::stream::Stream;

/// Why bytes or an index cannot be had.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The extent is gone or never was.
    #[error("extent {0} does not exist any more")]
    Gone(ExtentNo),
    /// The volume failed.
    #[error("extent {no}: {error}")]
    Io {
        /// Which extent.
        no: ExtentNo,
        /// The system's words.
        error: std::io::Error,
    },
}

/// A run of bytes, in memory or in a file. Reading a file piece may block.
#[derive(Debug, Clone)]
pub enum Piece {
    /// Shared memory.
    Mem(Bytes),
    /// A range of an open file, which stays readable as long as the piece lives.
    File {
        /// The file.
        file: Arc<dyn FileIo>,
        /// The bytes.
        range: Range<u64>,
    },
}

impl Piece {
    /// Bytes in it.
    pub fn len(&self) -> u64 {
        match self {
            Self::Mem(b) => b.len() as u64,
            Self::File { range, .. } => range.end - range.start,
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a live reader gets next.
#[derive(Debug, Clone)]
pub enum LiveItem {
    /// A packet.
    Packet(LivePacket),
    /// The reader was too slow: this many packets were skipped, and the next is a key frame.
    Skipped(u64),
}

/// A place at the live edge. Holds no packets: a slow reader costs nobody anything.
#[derive(Debug)]
pub struct LiveCursor {
    stream: Arc<Stream>,
    next: u64,
    arrivals: tokio::sync::watch::Receiver<u64>,
}

impl LiveCursor {
    pub(crate) fn new(stream: Arc<Stream>, next: u64, arrivals: tokio::sync::watch::Receiver<u64>) -> Self {
        Self { stream, next, arrivals }
    }

    /// What is there now, without waiting.
    pub fn try_next(&mut self) -> Option<LiveItem> {
        let item = self.stream.live_item(self.next)?;
        self.next = match &item {
            LiveItem::Packet(p) => p.seq + 1,
            LiveItem::Skipped(n) => self.next + n,
        };
        Some(item)
    }

    /// Waits for the next item. `None` once the stream itself is gone.
    pub async fn next(&mut self) -> Option<LiveItem> {
        loop {
            self.arrivals.mark_unchanged();
            if let Some(item) = self.try_next() {
                return Some(item);
            }
            self.arrivals.changed().await.ok()?;
        }
    }

    /// The stream read from.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }
}
