//! The one cache of rendered blocks, bounded in bytes. Losing an entry costs the time to render it again,
//! never an answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tape::{ExtentInfo, ExtentNo, ReadError, RunInfo, Stream, StreamId};

use super::HlsError;
use super::block::{Block, Tail};

/// What the cache did so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheStats {
    /// Blocks found.
    pub hits: u64,
    /// Blocks rendered.
    pub misses: u64,
    /// Blocks dropped to stay within the budget.
    pub dropped: u64,
    /// Bytes held.
    pub bytes: usize,
}

/// What a block was rendered from: the extent's closed parts and whether more can follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    bytes: u64,
    tail: Tail,
}

type Key = (StreamId, ExtentNo);

#[derive(Debug, Default)]
struct Generation {
    blocks: HashMap<Key, (Version, Arc<Block>)>,
    bytes: usize,
}

/// Two generations of at most half the budget each. A block that is used moves to the young one; when that
/// is full, the old one is dropped and the young one grows old. What is used stays, at constant cost.
#[derive(Debug)]
pub(super) struct Cache {
    half: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    young: Generation,
    old: Generation,
    stats: CacheStats,
}

impl Cache {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { half: bytes_max / 2, inner: Mutex::default() }
    }

    /// A panic elsewhere cannot leave the maps half changed: they hold finished blocks only.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stats(&self) -> CacheStats {
        let inner = self.lock();
        CacheStats { bytes: inner.young.bytes + inner.old.bytes, ..inner.stats }
    }

    /// The blocks of these extents of a run, in order. Looked up under the lock, rendered outside it.
    pub(super) fn blocks(&self, stream: &Stream, run: &RunInfo) -> Result<Vec<Arc<Block>>, HlsError> {
        let id = stream.id();
        let found: Vec<Option<Arc<Block>>> = {
            let mut inner = self.lock();
            run.extents.iter().map(|e| inner.get((id, e.no), version(run, e), self.half)).collect()
        };
        let mut blocks = Vec::with_capacity(found.len());
        for (extent, found) in run.extents.iter().zip(found) {
            match found {
                Some(block) => blocks.push(block),
                None => blocks.extend(self.render(stream, run, extent)?),
            }
        }
        Ok(blocks)
    }

    /// `None` for an extent that was removed since the timeline was looked at.
    fn render(
        &self,
        stream: &Stream,
        run: &RunInfo,
        extent: &ExtentInfo,
    ) -> Result<Option<Arc<Block>>, HlsError> {
        let index = match stream.index(extent.no) {
            Ok(index) => index,
            Err(ReadError::Gone(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let version = version(run, extent);
        let block = Arc::new(Block::build(run, extent, &index, version.tail));
        let mut inner = self.lock();
        inner.stats.misses += 1;
        inner.put((stream.id(), extent.no), (version, block.clone()), self.half);
        Ok(Some(block))
    }
}

/// Only a live run's last extent is not sealed, and only its last segment may still grow.
fn version(run: &RunInfo, extent: &ExtentInfo) -> Version {
    let tail = if extent.sealed || run.segment_ended { Tail::Closed } else { Tail::Open };
    Version { bytes: extent.bytes, tail }
}

impl Inner {
    fn get(&mut self, key: Key, version: Version, half: usize) -> Option<Arc<Block>> {
        let block = if let Some((v, block)) = self.young.blocks.get(&key) {
            (*v == version).then(|| block.clone())?
        } else {
            let (v, block) = self.old.blocks.remove(&key)?;
            self.old.bytes -= block.weight();
            if v != version {
                return None;
            }
            self.put(key, (v, block.clone()), half);
            block
        };
        self.stats.hits += 1;
        Some(block)
    }

    fn put(&mut self, key: Key, entry: (Version, Arc<Block>), half: usize) {
        let weight = entry.1.weight();
        if weight > half {
            self.stats.dropped += 1;
            return;
        }
        if self.young.bytes + weight > half {
            self.stats.dropped += self.old.blocks.len() as u64;
            self.old = std::mem::take(&mut self.young);
        }
        self.young.bytes += weight;
        for replaced in [self.young.blocks.insert(key, entry)].into_iter().flatten() {
            self.young.bytes -= replaced.1.weight();
        }
        // A version that has been replaced must not come back when the generations turn.
        if let Some(stale) = self.old.blocks.remove(&key) {
            self.old.bytes -= stale.1.weight();
        }
    }
}
