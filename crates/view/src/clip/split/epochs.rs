//! Where the codec configurations of a range change, and the tape as each set of them sees it: nothing but its own
//! extents, so that no cut, no pre-roll and no joint reaches into another's.

use std::ops::Range;
use std::sync::Arc;

use media::{MediaTime, TrackConfig, TrackKind, WallTime};
use tape::{ExtentIndex, ExtentInfo, ExtentNo, Gap, InitId, Piece, ReadError, RunId, RunInfo, StreamId};

use crate::clip::error::PlanError;
use crate::clip::placing::Bounds;
use crate::clip::planner::{self, Ask, ClipPlan};
use crate::clip::request::ClipOptions;
use crate::clip::source::Source;

/// What one set of configurations recorded without another between.
#[derive(Debug)]
pub(super) struct Epoch {
    /// Pictures and sound.
    pub(super) tracks: Vec<TrackConfig>,
    pieces: Vec<Share>,
}

/// Where among the epochs of a range one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Others follow: what it holds of a run that is over is all of it.
    Before,
    /// The range ends in it, and frames are shown after the run has ended by its decode times.
    Last,
}

/// A stretch of a run.
#[derive(Debug, Clone)]
struct Share {
    /// The run, or the piece of it that was asked for, with all extents that were.
    info: RunInfo,
    /// Its first extent, unless the run may have more of them before.
    first: Option<ExtentInfo>,
    /// Its last extent, unless the run may have more of them behind.
    last: Option<ExtentInfo>,
    /// What is asked of it.
    media: Range<MediaTime>,
}

/// The epochs of some runs, in order. What lies between two extents of equal configurations belongs together.
pub(super) fn of(source: &dyn Source, asks: &[Ask]) -> Result<Vec<Epoch>, PlanError> {
    let mut epochs: Vec<Epoch> = Vec::new();
    for ask in asks {
        let mut known: Option<Arc<[TrackConfig]>> = None;
        let mut stretches: Vec<(Vec<TrackConfig>, Range<usize>)> = Vec::new();
        for (number, extent) in ask.info.extents.iter().enumerate() {
            let tracks =
                source.tracks(&extent.init).ok_or(PlanError::Damaged("an extent's tracks are unknown"))?;
            let same = known.replace(Arc::clone(&tracks)).is_some_and(|known| Arc::ptr_eq(&known, &tracks));
            let timed: Vec<_> = tracks.iter().filter(|t| t.kind() != TrackKind::Data).cloned().collect();
            match stretches.last_mut().filter(|(before, _)| same || *before == timed) {
                Some((_, stretch)) => stretch.end = number + 1,
                None => stretches.push((timed, number..number + 1)),
            }
        }
        let count = ask.info.extents.len();
        for (tracks, stretch) in stretches {
            let extent = |at: usize| ask.info.extents.get(at).copied();
            let piece = Share {
                info: ask.info.clone(),
                first: extent(stretch.start).filter(|_| stretch.start > 0),
                last: extent(stretch.end - 1).filter(|_| stretch.end < count),
                media: ask.media.clone(),
            };
            match epochs.last_mut().filter(|epoch| epoch.tracks == tracks) {
                Some(epoch) => epoch.pieces.push(piece),
                None => epochs.push(Epoch { tracks, pieces: vec![piece] }),
            }
        }
    }
    Ok(epochs)
}

impl Epoch {
    /// The clip of what it recorded of a range.
    pub(super) fn plan(
        &self,
        source: &dyn Source,
        (requested, place): (&Range<WallTime>, Place),
        options: ClipOptions,
    ) -> Result<ClipPlan, PlanError> {
        let within = Within { source, pieces: &self.pieces };
        let asks = self.pieces.iter().map(|piece| {
            let info = piece.narrowed(piece.info.clone());
            // Where the range reaches beyond what there is, the neighbours' files and the archive's gaps tell it.
            let start = if piece.media.start <= info.start { MediaTime::MIN } else { piece.media.start };
            let over = piece.last.is_some() || (place == Place::Before && piece.ends_early(&info));
            let end = if over { MediaTime::MAX } else { piece.media.end };
            Ask { info, media: start..end }
        });
        let asks = asks.filter(|ask| !ask.info.extents.is_empty()).collect();
        planner::build(&within, requested.clone(), asks, options, Some(Bounds::default()))
    }
}

impl Share {
    fn holds(&self, extent: &ExtentInfo) -> bool {
        self.first.is_none_or(|first| extent.first_part >= first.first_part)
            && self.last.is_none_or(|last| extent.first_part <= last.first_part)
    }

    fn ends_early(&self, info: &RunInfo) -> bool {
        !info.live && self.media.end >= info.end
    }

    /// The run as if it were only this piece.
    fn narrowed(&self, mut info: RunInfo) -> RunInfo {
        info.extents.retain(|extent| self.holds(extent));
        if let Some(first) = self.first {
            info.start = first.start;
        }
        if let Some(last) = self.last {
            (info.end, info.closed_end, info.live) = (last.end, last.end, false);
        }
        info
    }
}

/// The tape of one epoch.
struct Within<'a> {
    source: &'a dyn Source,
    pieces: &'a [Share],
}

impl Within<'_> {
    /// What of a run, or of a piece of one, is of the epoch.
    fn narrowed(&self, info: RunInfo) -> Option<RunInfo> {
        let mut own = self.pieces.iter().filter(|piece| piece.info.id == info.id);
        own.find(|piece| info.extents.iter().any(|e| piece.holds(e))).map(|piece| piece.narrowed(info))
    }
}

impl Source for Within<'_> {
    fn id(&self) -> StreamId {
        self.source.id()
    }
    fn window(&self) -> Option<Range<WallTime>> {
        self.source.window()
    }
    fn edge(&self) -> Option<(RunId, MediaTime, WallTime)> {
        self.source.edge()
    }
    fn runs(&self, range: Range<WallTime>) -> Vec<RunInfo> {
        self.source.runs(range).into_iter().filter_map(|info| self.narrowed(info)).collect()
    }
    fn run(&self, id: RunId, range: Range<MediaTime>) -> Option<RunInfo> {
        self.narrowed(self.source.run(id, range)?)
    }
    fn gaps(&self, range: Range<WallTime>) -> Vec<Gap> {
        self.source.gaps(range)
    }
    fn tracks(&self, init: &InitId) -> Option<Arc<[TrackConfig]>> {
        self.source.tracks(init)
    }
    fn index(&self, no: ExtentNo) -> Result<Arc<ExtentIndex>, ReadError> {
        self.source.index(no)
    }
    fn read(&self, no: ExtentNo, range: Range<u64>) -> Result<Vec<Piece>, ReadError> {
        self.source.read(no, range)
    }
}
