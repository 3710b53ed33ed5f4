//! What must be true of a stream after any crash, kept beside the code under test.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::fs::SimIo;
use crate::ids::{PartNo, RunId};
use crate::journal::{EndReason, KeptExtent};
use crate::log::{Io, Layout, load_index, verify_stream};
use crate::part::Part;
use crate::run::ExtentInfo;
use crate::state::State;

/// The promises made about one stream.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// Every part that was ever closed, by run and number: its checksum over all bytes.
    closed: BTreeMap<(RunId, PartNo), u32>,
    /// Those that were acknowledged as durable.
    durable: BTreeSet<(RunId, PartNo)>,
    waiting: Vec<(RunId, PartNo)>,
    /// Parts that were refused: they may show up after a recovery and vanish after the next.
    doubtful: BTreeSet<(RunId, PartNo)>,
    /// Assets whose journal line was acknowledged.
    kept: BTreeSet<Uuid>,
    /// Runs whose end was written before an acknowledged line, and why they ended.
    ends: BTreeMap<RunId, EndReason>,
    let_go: BTreeSet<Uuid>,
    /// What clips show: extents by run, first and last part.
    pinned: BTreeMap<Uuid, Vec<(RunId, PartNo, PartNo)>>,
    /// Parts that retention has taken: they may be there until the deletion is durable.
    deleted: BTreeSet<(RunId, PartNo)>,
}

impl Oracle {
    pub(super) fn closed(&mut self, part: &Part) {
        let crc = part.chunks.iter().fold(0, |crc, c| crc32c::crc32c_append(crc, c));
        self.closed.insert((part.run, part.no()), crc);
        self.waiting.push((part.run, part.no()));
    }

    pub(super) fn durable(&mut self, below: PartNo) {
        let (now, later) = std::mem::take(&mut self.waiting).into_iter().partition(|w| w.1 < below);
        self.waiting = later;
        let now: Vec<_> = now;
        self.durable.extend(now);
    }

    /// Parts that wait will never be acknowledged: the log failed or the machine went down.
    pub(super) fn lost(&mut self) {
        self.doubtful.extend(self.waiting.drain(..));
    }

    /// Extents are being deleted.
    pub(super) fn deleting(&mut self, extents: &[(RunId, ExtentInfo)]) {
        for (run, e) in extents {
            let held = |p: &&(RunId, PartNo)| p.0 == *run && (e.first_part..=e.last_part).contains(&p.1);
            self.deleted
                .extend(self.durable.iter().chain(&self.doubtful).filter(held).copied().collect::<Vec<_>>());
        }
    }

    /// Extents are being erased, and these parts of them copied.
    pub(super) fn erasing(&mut self, extents: &[(RunId, ExtentInfo)], kept: &[KeptExtent]) {
        let before = self.deleted.clone();
        self.deleting(extents);
        let stays =
            |p: &(RunId, PartNo)| kept.iter().any(|k| k.run == p.0 && (k.part..=k.facts.part).contains(&p.1));
        self.deleted.retain(|p| before.contains(p) || !stays(p));
    }

    /// A clip shows these extents.
    pub(super) fn pinned(&mut self, asset: Uuid, extents: Vec<(RunId, PartNo, PartNo)>) {
        self.pinned.insert(asset, extents);
    }

    pub(super) fn kept(&mut self, asset: Uuid) {
        if !self.let_go.contains(&asset) {
            self.kept.insert(asset);
        }
    }

    /// An asset may be there or not from now on.
    pub(super) fn let_go(&mut self, asset: &Uuid) {
        self.kept.remove(asset);
        self.let_go.insert(*asset);
    }

    pub(super) fn keeps(&self, asset: Uuid) -> bool {
        self.kept.contains(&asset)
    }

    pub(super) fn ends(&mut self, ends: Vec<(RunId, EndReason)>) {
        self.ends.extend(ends);
    }

    /// The stream's folder is gone: fine as long as nothing of it was acknowledged.
    pub(super) fn nothing_was_promised(&self) -> Result<(), String> {
        match self.durable.is_empty() && self.kept.is_empty() {
            true => Ok(()),
            false => Err("a stream with acknowledged parts is gone".to_owned()),
        }
    }

    /// Checks a recovered stream: its files, and what it shows of them. Of an extent whose sync failed only what was
    /// acknowledged before has to be there.
    pub(super) fn check(
        &mut self,
        sim: &SimIo,
        tape: &Path,
        id: crate::StreamId,
        state: &State,
    ) -> Result<(), String> {
        let io: Arc<dyn Io> = Arc::new(sim.clone());
        let layout = Layout::new(tape, id);
        let findings = verify_stream(&io, tape, id, crate::log::Written::Nobody, &mut |_| ())
            .map_err(|e| format!("verify: {e}"))?;
        let tainted = state.runs.iter().flat_map(|r| &r.extents).any(|e| sim.tainted(&layout.extent(e.no)));
        let ground = |f: &&crate::log::Finding| f.file.extension().is_none_or(|e| e != "idx");
        // Cached indexes are not synced.
        if let Some(f) = findings.iter().find(ground).filter(|_| !tainted) {
            return Err(format!("verify: {f:?}"));
        }
        let shown = self.shown(sim, &layout, state)?;
        if let Some(lost) = self.durable.iter().find(|p| !shown.contains(p) && !self.deleted.contains(p)) {
            return Err(format!("acknowledged part {lost:?} is lost"));
        }
        for (asset, extents) in self.pinned.iter().filter(|(asset, _)| self.kept.contains(asset)) {
            let holds = |p: &&(RunId, PartNo)| {
                extents.iter().any(|(run, first, last)| p.0 == *run && (*first..=*last).contains(&p.1))
            };
            if let Some(lost) = self.durable.iter().filter(holds).find(|p| !shown.contains(p)) {
                return Err(format!("part {lost:?} of clip {asset} is lost"));
            }
        }
        if let Some(&(_, newest)) = shown.iter().max_by_key(|p| p.1)
            && state.counters.part <= newest
        {
            return Err(format!("part numbers go on at {} after {newest}", state.counters.part));
        }
        let assets: BTreeSet<Uuid> = state
            .runs
            .iter()
            .flat_map(|r| r.splits.iter().map(|s| s.1))
            .chain(state.pins.keys().copied())
            .collect();
        if let Some(lost) = self.kept.iter().find(|a| !assets.contains(a)) {
            return Err(format!("acknowledged journal line for {lost} is lost"));
        }
        let end = |run: &RunId| state.runs.iter().find(|r| r.id == *run).and_then(|r| r.ended);
        if let Some((run, reason)) =
            self.ends.iter().find(|(id, reason)| end(id).is_some_and(|e| e != **reason))
        {
            return Err(format!(
                "run {run} ended for {reason:?} and is told to have ended for {:?}",
                end(run)
            ));
        }
        self.deleted.retain(|p| !shown.contains(p));
        self.durable.retain(|p| !self.deleted.contains(p));
        // What came back from a sound disk is as good as acknowledged from now on.
        self.durable.extend(shown.into_iter().filter(|p| !self.doubtful.contains(p)));
        Ok(())
    }

    /// The parts that the timeline shows, each read back from its file.
    fn shown(
        &self,
        sim: &SimIo,
        layout: &Layout,
        state: &State,
    ) -> Result<BTreeSet<(RunId, PartNo)>, String> {
        let mut shown = BTreeSet::new();
        for (run, extent) in state.runs.iter().flat_map(|r| r.extents.iter().map(move |e| (r.id, e))) {
            let path = layout.extent(extent.no);
            let tainted = sim.tainted(&path);
            let index = match load_index(sim, layout, extent.no, extent.bytes) {
                Err(_) if tainted => continue,
                other => other.map_err(|e| format!("index: {e}"))?,
            };
            let file = sim.open(&path).map_err(|e| format!("extent {}: {e}", extent.no))?;
            for part in &index.parts {
                let mut bytes = vec![0; part.len as usize];
                let read = file.read_exact_at(&mut bytes, part.offset);
                let intact = self.closed.get(&(run, part.no)) == Some(&crc32c::crc32c(&bytes));
                match read {
                    Ok(()) if intact => shown.insert((run, part.no)),
                    _ if tainted => continue,
                    Ok(()) => return Err(format!("part {} of run {run} is not what was recorded", part.no)),
                    Err(e) => return Err(format!("part {} of run {run}: {e}", part.no)),
                };
            }
        }
        Ok(shown)
    }
}
