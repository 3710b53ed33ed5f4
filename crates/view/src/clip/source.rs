//! What clips are planned and read from. One implementation serves: `tape::Stream`; the trait keeps the
//! planner testable on tables made up for the purpose. Nothing here decides anything.

use std::ops::Range;
use std::sync::Arc;

use media::{MediaTime, TrackConfig, WallTime};
use tape::{ExtentIndex, ExtentNo, Gap, InitId, Piece, ReadError, RunId, RunInfo, Stream, StreamId};

/// A recorded stream, read only. Methods mean what their namesakes of [`tape::Stream`] mean.
pub trait Source: Send + Sync {
    /// The stream's opaque identity.
    fn id(&self) -> StreamId;
    /// What the tape holds.
    fn window(&self) -> Option<Range<WallTime>>;
    /// The newest run and its edge.
    fn edge(&self) -> Option<(RunId, MediaTime, WallTime)>;
    /// Runs that overlap the range, oldest first, with the extents that do and one before.
    fn runs(&self, range: Range<WallTime>) -> Vec<RunInfo>;
    /// One run, with the extents that overlap a stretch of it and one before.
    fn run(&self, id: RunId, range: Range<MediaTime>) -> Option<RunInfo>;
    /// One run in its pieces: more than one where something was deleted out of its middle.
    fn pieces(&self, id: RunId, range: Range<MediaTime>) -> Vec<RunInfo> {
        self.run(id, range).into_iter().collect()
    }
    /// Stretches without media.
    fn gaps(&self, range: Range<WallTime>) -> Vec<Gap>;
    /// The tracks of an initialisation segment.
    fn tracks(&self, init: &InitId) -> Option<Arc<[TrackConfig]>>;
    /// The index of an extent. May block on a disk.
    fn index(&self, no: ExtentNo) -> Result<Arc<ExtentIndex>, ReadError>;
    /// Bytes of an extent, not copied.
    fn read(&self, no: ExtentNo, range: Range<u64>) -> Result<Vec<Piece>, ReadError>;
}

impl Source for Stream {
    fn id(&self) -> StreamId {
        Self::id(self)
    }
    fn window(&self) -> Option<Range<WallTime>> {
        Self::window(self)
    }
    fn edge(&self) -> Option<(RunId, MediaTime, WallTime)> {
        Self::edge(self)
    }
    fn runs(&self, range: Range<WallTime>) -> Vec<RunInfo> {
        Self::runs(self, range)
    }
    fn run(&self, id: RunId, range: Range<MediaTime>) -> Option<RunInfo> {
        Self::run(self, id, range)
    }
    fn pieces(&self, id: RunId, range: Range<MediaTime>) -> Vec<RunInfo> {
        Self::pieces(self, id, range)
    }
    fn gaps(&self, range: Range<WallTime>) -> Vec<Gap> {
        Self::gaps(self, range)
    }
    fn tracks(&self, init: &InitId) -> Option<Arc<[TrackConfig]>> {
        Self::tracks(self, init)
    }
    fn index(&self, no: ExtentNo) -> Result<Arc<ExtentIndex>, ReadError> {
        Self::index(self, no)
    }
    fn read(&self, no: ExtentNo, range: Range<u64>) -> Result<Vec<Piece>, ReadError> {
        Self::read(self, no, range)
    }
}

/// A recorded stream as the house itself reads it, to copy a clip out of it: nothing is held for a viewer.
#[derive(Debug)]
pub struct OwnNeeds(pub Arc<Stream>);

impl Source for OwnNeeds {
    fn id(&self) -> StreamId {
        self.0.id()
    }
    fn window(&self) -> Option<Range<WallTime>> {
        self.0.window()
    }
    fn edge(&self) -> Option<(RunId, MediaTime, WallTime)> {
        self.0.edge()
    }
    fn runs(&self, range: Range<WallTime>) -> Vec<RunInfo> {
        self.0.runs(range)
    }
    fn run(&self, id: RunId, range: Range<MediaTime>) -> Option<RunInfo> {
        self.0.run(id, range)
    }
    fn pieces(&self, id: RunId, range: Range<MediaTime>) -> Vec<RunInfo> {
        self.0.pieces(id, range)
    }
    fn gaps(&self, range: Range<WallTime>) -> Vec<Gap> {
        self.0.gaps(range)
    }
    fn tracks(&self, init: &InitId) -> Option<Arc<[TrackConfig]>> {
        self.0.tracks(init)
    }
    fn index(&self, no: ExtentNo) -> Result<Arc<ExtentIndex>, ReadError> {
        self.0.index(no)
    }
    fn read(&self, no: ExtentNo, range: Range<u64>) -> Result<Vec<Piece>, ReadError> {
        self.0.peek(no, range)
    }
}
