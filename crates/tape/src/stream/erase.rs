//! Erasing ranges, because a person wants them gone. Whole extents go as they do by retention; of those that a range
//! cuts, the parts outside of it are copied first.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use media::WallTime;
use thiserror::Error;
use uuid::Uuid;

use super::Stream;
use crate::clock::WallMap;
use crate::hub::LogEvent;
use crate::ids::{ExtentNo, RunId};
use crate::journal::{KeptExtent, SpanRecord};
use crate::log::{Fault, Op, draft};
use crate::read::ReadError;
use crate::run::RecordingSpan;
use crate::state::{Gone, Holders, Touched, orders, without};

/// Why a range cannot be erased.
#[derive(Debug, Error)]
pub enum EraseError {
    /// Clips are views of it, or somebody protected it.
    #[error("the range is held by {} clip(s) and {} protection(s)", .clips.len(), .protections.len())]
    Held {
        /// The clips.
        clips: BTreeSet<Uuid>,
        /// The protections.
        protections: BTreeSet<Uuid>,
    },
    /// What stays of an extent cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What stays of an extent cannot be written.
    #[error("what stays of extent {extent} cannot be copied: {error}")]
    Copy {
        /// The extent.
        extent: ExtentNo,
        /// The system's words.
        error: std::io::Error,
    },
    /// The journal could not be written.
    #[error("the deletion could not be noted: {0}")]
    Log(#[from] Fault),
}

/// What was erased.
#[derive(Debug, Clone, Default)]
pub struct Erased {
    /// Wall times that are gone, rounded outward to whole parts, and behind the range to the next key frame that begins a
    /// segment.
    pub gone: Vec<Range<WallTime>>,
    /// Bytes of them.
    pub bytes: u64,
    /// Recordings of which nothing is left.
    pub vanished: Vec<Uuid>,
}

impl Stream {
    /// What holds ranges back from being erased, and which bytes would go; nothing is changed.
    pub fn erasable(&self, spans: &[SpanRecord]) -> Result<u64, EraseError> {
        let touched = self.lock().touched(spans, self.volume.now())?;
        Ok(touched.iter().map(|t| t.extent.bytes).sum())
    }

    /// Erases ranges of runs, as far as they are in closed extents. Durable when it returns, and not shown any more; the
    /// files go with [`Stream::sweep`]. Call it where reading and writing extents may block.
    pub async fn erase(&self, spans: &[SpanRecord]) -> Result<Erased, EraseError> {
        let touched = {
            let mut state = self.lock();
            let touched = state.touched(spans, self.volume.now())?;
            state.retained.going.extend(touched.iter().map(|t| t.extent.no));
            touched
        };
        if touched.is_empty() {
            return Ok(Erased::default());
        }
        let _going = Going { stream: self, touched: &touched };
        let kept = self.copy(&touched)?;
        let record = self.lock().erasure(&touched, kept.clone());
        self.log.submit([Op::Journal(record)]);
        if let Err(fault) = self.log.barrier().await.unwrap_or(Ok(())) {
            // The line may be there or not; a start finds out and needs the drafts.
            return Err(fault.into());
        }
        for k in &kept {
            let named = self.volume.name_draft(&self.layout, k.extent);
            named.map_err(|error| EraseError::Copy { extent: k.extent, error })?;
        }
        Ok(self.swap(&touched, &kept))
    }

    fn copy(&self, touched: &[Touched]) -> Result<Vec<KeptExtent>, EraseError> {
        let mut kept = Vec::new();
        for t in touched {
            let index = self.index(t.extent.no)?;
            // Two stretches at most stay of one.
            let mut number = self.lock().reserve_extents(2);
            let mut next = || {
                let no = number;
                number = no.next();
                no
            };
            for stay in orders(t, &index, &mut next) {
                let copied = draft(&*self.volume.io(), &self.layout, &index, &stay);
                kept.push(copied.map_err(|error| EraseError::Copy { extent: t.extent.no, error })?);
            }
        }
        // The names have to be there when the journal tells of them.
        let named = self.volume.io().sync_dir(self.layout.dir());
        named.map_err(|error| EraseError::Copy { extent: touched[0].extent.no, error })?;
        Ok(kept)
    }

    fn swap(&self, touched: &[Touched], kept: &[KeptExtent]) -> Erased {
        let (gone, clocks) = {
            let mut state = self.lock();
            let runs = state.runs.iter().filter_map(|r| Some((r.id, r.clock.clone()?)));
            let clocks: BTreeMap<RunId, WallMap> = runs.collect();
            let gone = state.erased(touched, kept, self.volume.now());
            for d in &mut state.retained.doomed {
                d.told |= touched.iter().any(|t| t.extent.no == d.extent.no);
            }
            (gone, clocks)
        };
        let Gone { doomed, vanished, changed, .. } = gone;
        self.changed();
        let ids = |r: Vec<RecordingSpan>| r.iter().map(|r| r.asset).collect::<Vec<Uuid>>();
        let (vanished, changed) = (ids(vanished), ids(changed));
        let (stream, told) = (self.name().clone(), vanished.clone());
        self.volume.tell(LogEvent::Expired { stream, vanished: told, changed });
        let before: u64 = doomed.iter().map(|d| d.extent.bytes).sum();
        let after: u64 = kept.iter().map(|k| k.bytes).sum();
        let ranges = doomed.iter().filter_map(|d| Some((d, clocks.get(&d.run)?)));
        let gone = ranges.flat_map(|(d, clock)| {
            let left = kept.iter().filter(|k| k.run == d.run).map(|k| k.facts.start..k.facts.end);
            let ranges = without(d.extent.start..d.extent.end, left);
            ranges.into_iter().map(|r| clock.wall(r.start)..clock.wall(r.end))
        });
        Erased { gone: gone.collect(), bytes: before.saturating_sub(after), vanished }
    }
}

/// Extents that nothing new may hold, until the erasure has ended in whatever way.
struct Going<'a> {
    stream: &'a Stream,
    touched: &'a [Touched],
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        let mut state = self.stream.lock();
        state.retained.going.retain(|no| !self.touched.iter().any(|t| t.extent.no == *no));
    }
}

impl From<Holders> for EraseError {
    fn from(holders: Holders) -> Self {
        Self::Held { clips: holders.clips, protections: holders.protections }
    }
}
