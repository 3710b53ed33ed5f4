//! Bodies of media: pieces of memory and of files, read off the async threads, one chunk being sent and one
//! being read. A request holds no more than that however long its body is, and a client that goes away frees
//! it at once. What the pieces are is the view's business.

use std::collections::VecDeque;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tape::{FileIo, Piece};
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::meter::Meter;

/// Bytes read at once. Measured: 256 KiB costs 0.45 CPU s/GB, 64 KiB 0.65, 1 MiB no less than 256 KiB.
const CHUNK_BYTES: usize = 256 << 10;
/// Pieces in memory from this size on are passed through; smaller ones are copied beside their neighbours,
/// because a write of its own costs more than the copy.
const PASS_BYTES: usize = 32 << 10;
/// Chunk buffers kept for reuse: 16 MiB.
const SPARE_BUFFERS_MAX: usize = 64;
/// Reads at once, over all requests. A stalled disk then holds these threads and no others.
const READS_MAX: usize = 16;

/// Where pieces come from: lazy, and blocking as it may load indexes.
pub(crate) type Pieces = Box<dyn Iterator<Item = Result<Piece, BodyError>> + Send>;

/// Why a body breaks off. The client sees a short body; the log says this.
#[derive(Debug, Error)]
pub(crate) enum BodyError {
    /// The view could not say where the next bytes are.
    #[error("{0}")]
    Plan(String),
    /// A file could not be read.
    #[error("a file of the tape cannot be read at byte {at}: {error}")]
    File {
        /// Where.
        at: u64,
        /// What the system said.
        error: std::io::Error,
    },
    /// The pieces were fewer than the size that was announced.
    #[error("the body ended {missing} bytes early")]
    Short {
        /// How many.
        missing: u64,
    },
    /// The reading task died.
    #[error("the reading task ended: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// Reads for all bodies: the bound on reads at once and the spare buffers.
#[derive(Clone)]
pub(crate) struct Readers {
    permits: Arc<Semaphore>,
    spare: Arc<Mutex<Vec<Box<[u8]>>>>,
    meter: &'static Meter,
}

impl Readers {
    /// For one process.
    pub(crate) fn new(meter: &'static Meter) -> Self {
        Self { permits: Arc::new(Semaphore::new(READS_MAX)), spare: Arc::default(), meter }
    }

    /// Runs something that blocks on the disk, within the bound on reads at once.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BodyError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        Ok(done.await?)
    }

    /// The body of `size` bytes that the pieces make.
    pub(crate) fn body(&self, pieces: Pieces, size: u64) -> MediaBody {
        let reader = Reader { pieces, file: None, readers: self.clone() };
        let reading = (size > 0).then(|| reader.start());
        MediaBody { ready: VecDeque::new(), reading, remaining: size, meter: self.meter }
    }

    fn buffer(&self) -> Box<[u8]> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| vec![0; CHUNK_BYTES].into_boxed_slice())
    }
}

/// A filled buffer that goes back to the spares when the last slice of it is dropped.
struct Chunk {
    data: Box<[u8]>,
    filled: usize,
    spare: Arc<Mutex<Vec<Box<[u8]>>>>,
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.data[..self.filled]
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE_BUFFERS_MAX {
            spare.push(std::mem::take(&mut self.data));
        }
    }
}

/// What is left to read of a body.
struct Reader {
    pieces: Pieces,
    file: Option<(Arc<dyn FileIo>, Range<u64>)>,
    readers: Readers,
}

type Batch = (Reader, Result<Vec<Bytes>, BodyError>);
type Reading = Pin<Box<dyn Future<Output = Result<Batch, BodyError>> + Send>>;

impl Reader {
    fn start(mut self) -> Reading {
        let readers = self.readers.clone();
        Box::pin(async move {
            readers
                .blocking(move || {
                    let batch = self.batch();
                    (self, batch)
                })
                .await
        })
    }

    /// The next chunk: one buffer of small pieces and file reads, after it possibly one piece of memory as
    /// it is. Empty at the end.
    fn batch(&mut self) -> Result<Vec<Bytes>, BodyError> {
        let mut buffer = self.readers.buffer();
        let mut filled = 0;
        let mut passed = None;
        while filled < buffer.len() {
            if let Some((file, range)) = &mut self.file {
                filled += read_some(file.as_ref(), range, &mut buffer[filled..])?;
                if range.is_empty() {
                    self.file = None;
                }
                continue;
            }
            match self.pieces.next().transpose()? {
                None => break,
                Some(Piece::File { file, range }) if !range.is_empty() => self.file = Some((file, range)),
                Some(Piece::File { .. }) => {}
                Some(Piece::Mem(bytes))
                    if bytes.len() >= PASS_BYTES || bytes.len() > buffer.len() - filled =>
                {
                    passed = Some(bytes);
                    break;
                }
                Some(Piece::Mem(bytes)) => {
                    buffer[filled..filled + bytes.len()].copy_from_slice(&bytes);
                    filled += bytes.len();
                }
            }
        }
        let chunk = Chunk { data: buffer, filled, spare: Arc::clone(&self.readers.spare) };
        let chunk = (filled > 0).then(|| Bytes::from_owner(chunk));
        Ok(chunk.into_iter().chain(passed).collect())
    }
}

/// Reads the beginning of a range into a buffer and moves the range's start past it.
fn read_some(file: &dyn FileIo, range: &mut Range<u64>, buffer: &mut [u8]) -> Result<usize, BodyError> {
    let left = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    let n = left.min(buffer.len());
    file.read_exact_at(&mut buffer[..n], range.start)
        .map_err(|error| BodyError::File { at: range.start, error })?;
    range.start += n as u64;
    Ok(n)
}

/// A body of known size, streamed.
pub(crate) struct MediaBody {
    ready: VecDeque<Bytes>,
    reading: Option<Reading>,
    remaining: u64,
    meter: &'static Meter,
}

impl MediaBody {
    /// The next bytes, of which one more read is under way.
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        while self.ready.is_empty() {
            let Some(reading) = &mut self.reading else { return Poll::Ready(Ok(None)) };
            let (reader, batch) = ready!(reading.as_mut().poll(cx))?;
            self.reading = None;
            let batch = batch?;
            let len: u64 = batch.iter().map(|b| b.len() as u64).sum();
            self.ready.extend(batch);
            if len == 0 {
                return Poll::Ready(Ok(None));
            }
            if len < self.remaining {
                let mut next = reader.start();
                // Polled once so that the read begins now and not when the socket has taken this chunk.
                match next.as_mut().poll(cx) {
                    Poll::Pending => self.reading = Some(next),
                    Poll::Ready(done) => self.reading = Some(Box::pin(std::future::ready(done))),
                }
            }
        }
        Poll::Ready(Ok(self.ready.pop_front()))
    }
}

impl http_body::Body for MediaBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.remaining == 0 {
            return Poll::Ready(None);
        }
        let failed = |error: BodyError| {
            this.meter.http.bodies_broken.add();
            tracing::error!(%error, "a body broke off; the client has a short file");
            Poll::Ready(Some(Err(error)))
        };
        match ready!(this.poll_bytes(cx)) {
            Ok(Some(mut bytes)) => {
                // More than was announced would corrupt the connection; hyper checks it too.
                bytes.truncate(usize::try_from(this.remaining).unwrap_or(usize::MAX));
                this.remaining -= bytes.len() as u64;
                this.meter.http.media_bytes.add_many(bytes.len() as u64);
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Ok(None) => {
                let missing = std::mem::take(&mut this.remaining);
                failed(BodyError::Short { missing })
            }
            Err(error) => {
                this.remaining = 0;
                failed(error)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    /// A file of bytes that follow from their place.
    #[derive(Debug)]
    struct Numbers;

    const LEN: u64 = 10 << 20;

    fn byte_at(at: u64) -> u8 {
        (at % 251) as u8
    }

    impl FileIo for Numbers {
        fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<usize> {
            let n = buf.len().min(usize::try_from(LEN.saturating_sub(offset)).unwrap());
            buf[..n].iter_mut().zip(offset..).for_each(|(b, at)| *b = byte_at(at));
            Ok(n)
        }

        fn len(&self) -> std::io::Result<u64> {
            Ok(LEN)
        }

        fn write_at(&self, _: &[Bytes], _: u64) -> std::io::Result<()> {
            Err(std::io::ErrorKind::ReadOnlyFilesystem.into())
        }

        fn truncate(&self, _: u64) -> std::io::Result<()> {
            Err(std::io::ErrorKind::ReadOnlyFilesystem.into())
        }

        fn sync(&self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn readers() -> Readers {
        Readers::new(Box::leak(Box::default()))
    }

    fn file(range: Range<u64>) -> Piece {
        Piece::File { file: Arc::new(Numbers), range }
    }

    async fn collect(pieces: Vec<Piece>, size: u64) -> Result<Vec<u8>, BodyError> {
        let body = readers().body(Box::new(pieces.into_iter().map(Ok)), size);
        body.collect().await.map(|b| b.to_bytes().to_vec())
    }

    #[tokio::test]
    async fn pieces_of_every_kind_come_in_order() {
        let pieces = vec![
            Piece::Mem(Bytes::from_static(b"head")),
            file(5..5),
            file(0..1_000_000),
            Piece::Mem(Bytes::new()),
            Piece::Mem(vec![7; 100_000].into()),
            file(3..10),
        ];
        let mut want = b"head".to_vec();
        want.extend((0..1_000_000).map(byte_at));
        want.extend([7; 100_000]);
        want.extend((3..10).map(byte_at));
        assert_eq!(collect(pieces, want.len() as u64).await.unwrap(), want);
    }

    #[tokio::test]
    async fn a_body_is_never_longer_than_announced_and_a_short_one_is_an_error() {
        assert_eq!(collect(vec![file(0..100)], 10).await.unwrap().len(), 10);
        assert!(matches!(collect(vec![file(0..100)], 101).await, Err(BodyError::Short { missing: 1 })));
        let broken = collect(vec![file(0..10), file(20 << 20..21 << 20)], 2 << 20).await;
        assert!(matches!(broken, Err(BodyError::File { .. })), "{broken:?}");
    }

    #[tokio::test]
    async fn an_endless_file_is_read_no_further_than_its_client() {
        let counted = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let count = Arc::clone(&counted);
        let pieces = (0..).map(move |_| {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Ok(file(0..CHUNK_BYTES as u64))
        });
        let mut body = readers().body(Box::new(pieces), u64::MAX);
        for _ in 0..10 {
            body.frame().await.unwrap().unwrap();
        }
        drop(body);
        assert!(counted.load(std::sync::atomic::Ordering::SeqCst) <= 12);
    }
}
