//! What is shown while nothing can be recorded: runs whose parts are in the ring only. They begin where viewers are, at
//! the newest segment of the run that had to end, and end where recording goes on, so that live loses no frame. The
//! timeline knows nothing of them: it tells a gap.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use media::{MediaTime, Packet, TrackConfig, TrackKind, WallTime};
use uuid::Uuid;

use super::RunState;
use super::{Effects, MakeAssembler, State};
use crate::gap::{Gap, GapReason};
use crate::ids::{ExtentNo, InitId, PartNo, RunId};
use crate::index::ExtentIndex;
use crate::journal::{EndReason, Record};
use crate::log::Op;
use crate::part::Part;
use crate::publisher::Arrival;
use crate::run::{ExtentInfo, RunInfo};

/// Changes of the reason within gaps that are kept: one for each time a publisher came to a full disk or left one.
const MARKS_MAX: usize = 4096;

/// A run that is shown and not recorded. Each extent holds one segment and goes as a whole.
#[derive(Debug)]
pub(crate) struct Passing {
    pub run: RunState,
    /// One for each extent.
    indexes: VecDeque<Arc<ExtentIndex>>,
}

/// Where a segment begins: the first decode time of the track that makes the grid, and its number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SegmentStart {
    run: RunId,
    at: MediaTime,
    msn: u64,
}

/// From this wall time on there is no media for this reason, until the next run or the next mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GapMark {
    pub since: WallTime,
    pub reason: GapReason,
}

impl State {
    /// Whether what comes is shown and not recorded.
    pub(super) fn is_passing(&self) -> bool {
        self.passing.last().is_some_and(|p| p.run.ended.is_none())
    }

    /// Notes that recording has to stop. The newest segment is shown again from its start, in a run of its own.
    pub(super) fn halt(&mut self, reason: GapReason) {
        self.halted = Some(reason);
        if self.is_passing() {
            return;
        }
        let Some(live) = &mut self.live else { return };
        // One fault follows another before the next packet comes: what is to be shown again stays as it is.
        if live.assembler.take().is_none() && self.segment.is_none() {
            return;
        }
        live.deferred = None;
        let segment = self.segment.take().or_else(|| {
            // Nothing of the run was closed yet.
            let run = self.runs.last()?.id;
            Some(SegmentStart { run, at: self.ring.first_entry(run)?, msn: self.counters.msn })
        });
        let packets = segment.map(|s| self.ring.packets_from(s.run, s.at)).unwrap_or_default();
        // Pictures of another configuration cannot be shown under this one.
        let same = packets.iter().all(|p| p.tracks[..] == live.tracks[..]);
        self.replay = segment.filter(|_| same && !packets.is_empty());
    }

    /// Begins a run that is shown only, with what of the run before is still to be shown to viewers of segments.
    pub(super) fn begin_passing(&mut self, make: MakeAssembler<'_>, effects: &mut Effects) {
        let Some(reason) = self.halted else { return };
        let id = self.next_run;
        self.next_run = id.next();
        self.least_msn = self.least_msn.max(self.counters.msn);
        self.shift_after_all();
        let replay = self.replay.take();
        match replay {
            Some(replay) => self.counters.msn = replay.msn,
            None => self.ring.anew(id),
        }
        self.segment = None;
        self.counters.dsn += 1;
        self.counters.epoch += 1;
        let Some(live) = self.live.as_mut() else { return };
        let since = live.since.wall;
        let assembler = make(self.counters, id, live.tracks.to_vec());
        live.assembler = Some(assembler.with_an_extent_for_each_segment());
        let run = RunState::new(id, Uuid::nil());
        self.passing.push(Passing { run, indexes: VecDeque::new() });
        self.mark_gap(since, reason, effects);
        for live in replay.map(|r| self.ring.packets_from(r.run, r.at)).unwrap_or_default() {
            let packet = unshifted(live.packet, live.shift_s, &live.tracks);
            self.take_unseen(packet, live.arrived, effects);
        }
    }

    /// Ends the run that is only shown: recording goes on, or the publisher left.
    pub(super) fn end_passing(&mut self, effects: &mut Effects) {
        let Some(mut assembler) = self.live.as_mut().and_then(|l| l.assembler.take()) else { return };
        match assembler.end() {
            Ok(steps) => self.apply(steps, effects),
            Err(error) => tracing::error!(%error, "the last part of a run cannot be made"),
        }
        self.counters = assembler.counters();
        if let Some(p) = self.passing.last_mut() {
            let end = p.run.extents.last().map_or(p.run.closed_end, |e| e.end);
            (p.run.closed_end, p.run.edge) = (end, end);
            // Its end has no reason of its own that anybody is told.
            p.run.ended = Some(EndReason::Unpublished);
        }
        effects.closed = true;
        self.trim_passing();
    }

    pub(super) fn passing_extent(
        &mut self,
        no: ExtentNo,
        (bytes, tracks): (Bytes, Arc<[TrackConfig]>),
        (epoch, first_part): (u32, PartNo),
    ) {
        let init = InitId::of(&bytes);
        let init_len = u32::try_from(bytes.len()).expect("an init segment is small");
        let Some(p) = self.passing.last_mut() else { return };
        p.indexes.push_back(Arc::new(ExtentIndex::new(no, init_len, &tracks)));
        p.run.extents.push(ExtentInfo::begun(no, (init, init_len), (epoch, first_part)));
        self.know_init(init, bytes, tracks);
    }

    pub(super) fn passing_part(&mut self, part: Arc<Part>, effects: &mut Effects) {
        let Some(p) = self.passing.last_mut() else { return };
        let (index, extent) = (p.indexes.back_mut(), p.run.extents.last_mut());
        if let Some((index, extent)) = index.zip(extent).filter(|(i, _)| i.no == part.extent) {
            Arc::make_mut(index).push(&part.index);
            (extent.bytes, extent.last_part) = (index.end_offset(), part.no());
            (extent.start, extent.end) = index.span().unwrap_or((extent.start, extent.end));
        }
        p.run.closed_end = p.run.closed_end.max(part.complete_to);
        self.ring.push_loose(part);
        effects.closed = true;
        self.trim_passing();
    }

    pub(super) fn passing_seal(&mut self, no: ExtentNo) {
        let extents = self.passing.iter_mut().flat_map(|p| &mut p.run.extents);
        extents.filter(|e| e.no == no).for_each(|e| e.sealed = true);
    }

    /// Forgets extents that the ring no longer holds whole.
    pub(super) fn trim_passing(&mut self) {
        let first = self.ring.first_loose();
        for p in &mut self.passing {
            let gone = |i: &Arc<ExtentIndex>| {
                i.parts.first().is_some_and(|part| first.is_none_or(|first| part.no < first))
            };
            while p.indexes.front().is_some_and(gone) {
                p.indexes.pop_front();
                p.run.extents.remove(0);
            }
        }
        self.passing.retain(|p| p.run.ended.is_none() || !p.run.extents.is_empty());
    }

    /// The index of an extent that is only shown.
    pub(crate) fn passing_index(&self, no: ExtentNo) -> Option<Arc<ExtentIndex>> {
        self.passing.iter().flat_map(|p| &p.indexes).find(|i| i.no == no).cloned()
    }

    /// Notes where the newest segment begins, for the case that recording has to stop in it.
    pub(super) fn note_segment(&mut self, part: &Part, tracks: &[TrackConfig]) {
        if !part.index.segment.starts {
            return;
        }
        let of = |kind| tracks.iter().find(|t| t.kind() == kind);
        let main = of(TrackKind::Video).or_else(|| of(TrackKind::Audio));
        let first = main.and_then(|t| {
            let found = part.index.tracks.iter().find(|p| p.id == t.id)?;
            Some(t.timescale.media(found.samples.first()?.dts))
        });
        self.segment = first.map(|at| SegmentStart { run: part.run, at, msn: part.index.segment.msn });
    }

    /// What comes is missing for another reason than before, and no run tells of it.
    pub(super) fn mark_gap(&mut self, since: WallTime, reason: GapReason, effects: &mut Effects) {
        let ended =
            self.runs.iter().rev().find_map(|r| Some((r.infos(|_| 0..0).pop()?.wall_end(), r.ended?.gap())));
        let since = ended.map_or(since, |(end, _)| end.max(since));
        let marked = self.gap_marks.last().filter(|m| ended.is_none_or(|(end, _)| m.since >= end));
        let told = marked.map(|m| m.reason).or(ended.map(|(_, reason)| reason));
        if told == Some(reason) {
            return;
        }
        if self.gap_marks.len() >= MARKS_MAX {
            self.gap_marks.remove(0);
        }
        self.gap_marks.push(GapMark { since, reason });
        effects.ops.push(Op::Journal(Record::Gap { since, reason }));
    }

    /// Stretches without recorded media, oldest first: between runs, and now if somebody publishes and nothing is
    /// recorded.
    pub(crate) fn gaps(&self) -> Vec<Gap> {
        let runs: Vec<_> = self.runs.iter().flat_map(|r| r.infos(|_| 0..0)).collect();
        let mut bounds: Vec<(WallTime, WallTime, GapReason)> = runs
            .windows(2)
            .map(|w| (w[0].wall_end(), w[1].wall_start(), w[0].ended.unwrap_or(EndReason::Crash).gap()))
            .collect();
        if let (Some(reason), Some(live)) = (self.halted, &self.live) {
            let ended = runs.last().map(|r| (r.wall_end(), r.ended.map_or(reason, EndReason::gap)));
            let (start, reason) = ended.unwrap_or((live.since.wall, reason));
            bounds.push((start, live.last.wall, reason));
        }
        let mut out = Vec::new();
        for (mut start, end, mut reason) in bounds {
            let inside = start..end;
            for mark in self.gap_marks.iter().filter(|m| inside.contains(&m.since)) {
                out.push(Gap { start, end: mark.since, reason });
                (start, reason) = (mark.since, mark.reason);
            }
            out.push(Gap { start, end, reason });
        }
        crate::gap::with_removed(out.into_iter(), &self.retained.removed, &runs)
    }

    /// Runs that readers of the live edge see and nobody else, oldest first.
    pub(crate) fn passing_runs(&self) -> impl Iterator<Item = RunInfo> {
        self.passing.iter().flat_map(|p| p.run.infos(|all| 0..all.len()))
    }

    /// Takes a packet that viewers of packets have seen already.
    fn take_unseen(&mut self, packet: Packet, arrived: Arrival, effects: &mut Effects) {
        let Some(live) = self.live.as_mut() else { return };
        let packet = live.shifted(packet);
        let Some(Ok(Some(steps))) = live.assembler.as_mut().map(|a| a.push(packet, arrived)) else { return };
        self.apply(steps, effects);
    }
}

/// The packet as the source sent it.
fn unshifted(mut packet: Packet, shift_s: i64, tracks: &[TrackConfig]) -> Packet {
    let scale = tracks.iter().find(|t| t.id == packet.track).map_or(0, |t| i64::from(t.timescale.hz()));
    packet.dts = packet.dts.saturating_sub(shift_s.saturating_mul(scale));
    packet
}
