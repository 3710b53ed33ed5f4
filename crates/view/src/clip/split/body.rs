//! The bytes of an archive, lazily: any range of them. A file's checksum is taken from its bytes as they pass; where a
//! range begins behind them, they are read once more for it.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use crc32fast::Hasher;
use tape::Piece;

use super::SplitPlan;
use super::zip::What;
use crate::clip::body::{BodyError, ClipBody, Pieces};
use crate::clip::source::Source;

/// Bytes of a file read at once.
const READ_BYTES: u64 = 256 << 10;

/// The bytes of a plan. Cheap to clone; one serves any number of requests.
#[derive(Clone)]
pub struct SplitBody {
    plan: Arc<SplitPlan>,
    source: Arc<dyn Source>,
}

impl SplitBody {
    /// The bytes of `plan`, which was made from this source.
    pub fn new(plan: Arc<SplitPlan>, source: Arc<dyn Source>) -> Self {
        Self { plan, source }
    }

    /// The bytes of a range, cut at the end of the archive. Each step may block on a disk; the one that gives a
    /// checksum nobody has taken yet reads a whole file.
    pub fn pieces(&self, range: Range<u64>) -> SplitPieces {
        let end = range.end.min(self.plan.bytes());
        SplitPieces { body: self.clone(), at: range.start, end, file: None, sum: None }
    }

    fn file(&self, number: usize, range: Range<u64>) -> Pieces {
        ClipBody::new(Arc::clone(&self.plan.files[number].plan), Arc::clone(&self.source)).pieces(range)
    }

    /// The checksum of a file, read where nobody has.
    fn crc(&self, number: usize) -> Result<u32, BodyError> {
        let file = &self.plan.files[number];
        if let Some(crc) = file.crc.get() {
            return Ok(*crc);
        }
        let mut hasher = Hasher::new();
        for piece in self.file(number, 0..file.plan.bytes()) {
            let mut piece = piece?;
            while !piece.is_empty() {
                hasher.update(&take(&mut piece)?);
            }
        }
        Ok(*file.crc.get_or_init(|| hasher.finalize()))
    }
}

/// The first bytes of a piece, which then begins behind them.
fn take(piece: &mut Piece) -> Result<Bytes, BodyError> {
    match piece {
        Piece::Mem(bytes) => Ok(std::mem::take(bytes)),
        Piece::File { file, range } => {
            let len = (range.end - range.start).min(READ_BYTES);
            let mut buffer = vec![0; usize::try_from(len).expect("at most a few hundred kB")];
            file.read_exact_at(&mut buffer, range.start).map_err(BodyError::File)?;
            range.start += len;
            Ok(buffer.into())
        }
    }
}

/// A file of the archive while it passes.
struct Passing {
    number: usize,
    pieces: Pieces,
    piece: Piece,
}

/// The pieces of a range, in order, all in memory. After an error there are no more.
pub struct SplitPieces {
    body: SplitBody,
    at: u64,
    end: u64,
    file: Option<Passing>,
    /// The checksum so far of the file that passes, if it passes from its beginning.
    sum: Option<Hasher>,
}

impl Iterator for SplitPieces {
    type Item = Result<Piece, BodyError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let (what, place) = self.body.plan.archive.find(self.at)?;
        let given = self.step(what, &place);
        match &given {
            Ok(bytes) => self.at += bytes.len() as u64,
            Err(_) => self.end = self.at,
        }
        Some(given.map(Piece::Mem))
    }
}

impl SplitPieces {
    fn step(&mut self, what: What, place: &Range<u64>) -> Result<Bytes, BodyError> {
        let plan = Arc::clone(&self.body.plan);
        let whole = match what {
            What::File(number) => return self.pass(number, place),
            What::Local(number) => plan.archive.local(number),
            What::Descriptor(number) => plan.archive.descriptor(number, self.body.crc(number)?),
            What::Directory => {
                let sums: Result<Vec<_>, _> = (0..plan.files.len()).map(|n| self.body.crc(n)).collect();
                let sums = sums?;
                plan.archive.directory(|number| sums[number])
            }
        };
        let index = |offset: u64| usize::try_from(offset - place.start).expect("within bytes in memory");
        Ok(whole.slice(index(self.at)..index(self.end.min(place.end))))
    }

    /// The next bytes of a file.
    fn pass(&mut self, number: usize, place: &Range<u64>) -> Result<Bytes, BodyError> {
        let end = self.end.min(place.end);
        if self.file.as_ref().is_none_or(|file| file.number != number) {
            let pieces = self.body.file(number, self.at - place.start..end - place.start);
            self.sum = (self.at == place.start).then(Hasher::new);
            self.file = Some(Passing { number, pieces, piece: Piece::Mem(Bytes::new()) });
        }
        let passing = self.file.as_mut().expect("opened above");
        while passing.piece.is_empty() {
            let file = &self.body.plan.files[number].plan;
            let no = file.extents().next();
            let ended = || BodyError::Changed(no.unwrap_or(tape::ExtentNo(0)));
            passing.piece = passing.pieces.next().ok_or_else(ended)??;
        }
        let bytes = take(&mut passing.piece)?;
        if let Some(sum) = &mut self.sum {
            sum.update(&bytes);
            if self.at + bytes.len() as u64 == place.end {
                let crc = self.sum.take().map(Hasher::finalize);
                crc.map(|crc| self.body.plan.files[number].crc.get_or_init(|| crc));
            }
        }
        Ok(bytes)
    }
}
