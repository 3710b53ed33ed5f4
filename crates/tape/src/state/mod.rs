//! The mutable heart of a stream, behind one lock that is held for moments: steps of the assembler become
//! operations for the log, entries of the timeline and parts of the ring. No I/O here.

mod erase;
mod ingest;
mod passing;
mod retain;
mod runs;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media::{MediaTime, Packet, TrackConfig};
use uuid::Uuid;

use crate::clock::WallMap;
use crate::gap::GapReason;
use crate::ids::{ExtentNo, InitId, PartNo, RunId};
use crate::index::ExtentIndex;
use crate::journal::{AskedClip, EndReason, Record, SpanRecord};
use crate::live::{Assembler, Counters, Opening, Ring, Step};
use crate::log::{Op, Outcome, RecoveredStream, Room};
use crate::part::Part;
use crate::publisher::{Arrival, PublisherInfo};
use crate::run::ExtentInfo;
use crate::stream::BACKLOG_BYTES_MAX;

pub(crate) use erase::{Holders, Touched, orders};
pub(crate) use passing::GapMark;
use passing::{Passing, SegmentStart};
pub use retain::Viewers;
pub(crate) use retain::{Gone, Held, Retained, without};
pub(crate) use runs::RunState;

const NS_PER_S: i64 = 1_000_000_000;

/// Makes the assembler of a run.
pub(crate) type MakeAssembler<'a> = &'a dyn Fn(Counters, RunId, Vec<TrackConfig>) -> Assembler;

/// Who publishes now, and how far it got.
#[derive(Debug)]
pub(crate) struct Live {
    /// Tells this publisher from an earlier one of the same stream.
    pub token: u64,
    pub info: PublisherInfo,
    pub since: Arrival,
    pub last: Arrival,
    pub tracks: Arc<[TrackConfig]>,
    pub opening: Opening,
    pub assembler: Option<Assembler>,
    /// A change of tracks that waits for the next key frame, with the packets that need it.
    pub deferred: Option<Deferred>,
    /// Whole seconds that the run's timeline lies after the source's.
    pub shift_s: i64,
    /// Packets that were dropped for a decode time that does not rise or an unknown track.
    pub dropped: u64,
    /// Bytes received in each of the last stretches, for the bit rate.
    pub rate: VecDeque<(Duration, u64)>,
}

/// Packets of tracks that the open extent has no place for.
#[derive(Debug, Default)]
pub(crate) struct Deferred {
    pub held: Vec<(Packet, Arrival)>,
}

/// Clips as they were asked for, with what they show; those too that have a file by now and hold nothing.
pub(crate) type Clips = BTreeMap<Uuid, (Vec<SpanRecord>, AskedClip)>;

/// A known initialisation segment.
#[derive(Debug, Clone)]
pub(crate) struct Init {
    pub bytes: Bytes,
    pub tracks: Arc<[TrackConfig]>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct State {
    pub runs: Vec<RunState>,
    pub next_run: RunId,
    pub counters: Counters,
    pub live: Option<Live>,
    pub next_token: u64,
    pub ring: Ring,
    pub open: Option<Arc<ExtentIndex>>,
    pub inits: HashMap<InitId, Init>,
    pub pins: BTreeMap<Uuid, Vec<SpanRecord>>,
    pub clips: Clips,
    pub retained: Retained,
    /// Parts that are closed and not durable yet.
    pub undurable: VecDeque<(PartNo, RunId, MediaTime)>,
    /// Why nothing is recorded although somebody may publish.
    pub halted: Option<GapReason>,
    /// Runs that are shown and not recorded, as long as the ring has something of them.
    passing: Vec<Passing>,
    /// Changes of the reason within gaps.
    pub gap_marks: Vec<GapMark>,
    /// Where the newest segment begins, and the one from which a run that is only shown begins.
    segment: Option<SegmentStart>,
    replay: Option<SegmentStart>,
    /// No recorded segment has a lower number than this.
    least_msn: u64,
}

impl State {
    /// The state of a stream that has no tape yet.
    pub(crate) fn new(ring: Ring) -> Self {
        Self {
            runs: Vec::new(),
            next_run: RunId(1),
            counters: Counters { part: PartNo(0), extent: ExtentNo(1), msn: 0, dsn: 0, epoch: 0, init: None },
            live: None,
            next_token: 1,
            ring,
            open: None,
            inits: HashMap::new(),
            pins: BTreeMap::new(),
            clips: Clips::new(),
            retained: Retained::default(),
            undurable: VecDeque::new(),
            halted: None,
            passing: Vec::new(),
            gap_marks: Vec::new(),
            segment: None,
            replay: None,
            least_msn: 0,
        }
    }

    /// The state of a stream as its files tell it.
    pub(crate) fn recovered(found: &mut RecoveredStream, ring: Ring) -> Self {
        let inits = std::mem::take(&mut found.inits).into_iter();
        let runs = std::mem::take(&mut found.runs);
        Self {
            next_run: runs.iter().map(|r| r.id).max().map_or(RunId(1), RunId::next),
            retained: Retained::recovered(&runs, std::mem::take(&mut found.protected)),
            runs: runs.iter().filter_map(RunState::recovered).collect(),
            counters: found.counters,
            inits: inits.map(|(id, (bytes, tracks))| (id, Init { bytes, tracks })).collect(),
            pins: std::mem::take(&mut found.pins),
            clips: std::mem::take(&mut found.clips),
            gap_marks: std::mem::take(&mut found.gap_marks),
            ..Self::new(ring)
        }
    }
}

/// How a run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joint {
    /// With the frame that follows the last one shown.
    Seamless,
    /// After whatever there was before.
    Anew,
}

/// What the caller does once the lock is released.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub ops: Vec<Op>,
    /// The first part of this run was closed.
    pub started: Option<RunId>,
    pub ended: Vec<RunId>,
    /// Indexes of extents sealed, for the cache.
    pub sealed: Vec<Arc<ExtentIndex>>,
    /// Extents that turned out to be shorter than their cached index says.
    pub cut: Vec<ExtentNo>,
    /// Readers have something new to see.
    pub closed: bool,
}

impl State {
    /// Begins a run with the announced tracks.
    fn begin_run(&mut self, joint: Joint, make: MakeAssembler<'_>, effects: &mut Effects) {
        let id = self.next_run;
        self.next_run = id.next();
        if self.counters.part > PartNo(0) {
            self.counters.dsn += 1;
        }
        self.counters.epoch += 1;
        self.counters.msn = self.counters.msn.max(self.least_msn);
        self.segment = None;
        if joint == Joint::Anew {
            self.ring.anew(id);
        }
        let asset = Uuid::now_v7();
        self.shift_after_all();
        let live = self.live.as_mut().expect("only a publisher begins runs");
        let record = Record::Run {
            run: id,
            asset,
            part: self.counters.part,
            since: live.since.wall,
            protocol: live.info.protocol.to_owned(),
        };
        live.assembler = Some(make(self.counters, id, live.tracks.to_vec()));
        // What waited for a key frame of the run before has no place in this one.
        live.deferred = None;
        self.runs.push(RunState::new(id, asset));
        effects.ops.push(Op::Journal(record));
    }

    /// Players stumble over decode times that begin anew: each run's timeline goes on after the ones before.
    fn shift_after_all(&mut self) {
        let shown = self.passing.iter().map(|p| &p.run);
        let end = self.runs.iter().chain(shown).map(|r| r.closed_end.0).max().unwrap_or(0).max(0);
        if let Some(live) = &mut self.live {
            live.shift_s = (end / NS_PER_S + 1) * i64::from(end > 0);
        }
    }

    /// Applies what the assembler decided.
    pub(crate) fn apply(&mut self, steps: Vec<Step>, effects: &mut Effects) {
        for step in steps {
            match step {
                Step::Extent { no, init, tracks, epoch, first_part } => {
                    self.extent(no, init, tracks, (epoch, first_part), effects);
                }
                Step::Part(part) => self.part(part, effects),
                Step::Seal(no) => self.seal(no, effects),
                Step::Anchor(anchor) => {
                    let run = self.run();
                    match &mut run.clock {
                        Some(clock) => clock.push(anchor),
                        None => run.clock = Some(WallMap::new(anchor)),
                    }
                    let run = run.id;
                    if !self.is_passing() {
                        effects.ops.push(Op::Journal(Record::Anchor { run, anchor }));
                    }
                }
            }
        }
        if let Some(assembler) = self.live.as_ref().and_then(|l| l.assembler.as_ref()) {
            let (edge, target) = (assembler.edge(), assembler.target_s());
            let segment_ended = assembler.segment_ended();
            self.counters = assembler.counters();
            let run = self.run();
            run.segment_ended = segment_ended;
            run.edge = edge.map_or(run.edge, |e| e.max(run.edge));
            run.target_s = target;
            self.ring.target(target.unwrap_or(0));
        }
    }

    /// The run that steps come from.
    fn run(&mut self) -> &mut RunState {
        let shown = self.passing.last_mut().map(|p| &mut p.run).filter(|r| r.ended.is_none());
        shown.or(self.runs.last_mut()).expect("steps come from a run that has begun")
    }

    fn extent(
        &mut self,
        no: ExtentNo,
        bytes: Bytes,
        tracks: Arc<[TrackConfig]>,
        ids: (u32, PartNo),
        effects: &mut Effects,
    ) {
        if self.is_passing() {
            return self.passing_extent(no, (bytes, tracks), ids);
        }
        let init = InitId::of(&bytes);
        let init_len = u32::try_from(bytes.len()).expect("an init segment is small");
        self.open = Some(Arc::new(ExtentIndex::new(no, init_len, &tracks)));
        let (epoch, part) = ids;
        let run = self.run();
        run.extents.push(ExtentInfo::begun(no, (init, init_len), ids));
        let record = Record::Extent { extent: no, run: run.id, epoch, part, init };
        self.know_init(init, bytes.clone(), tracks);
        effects.ops.push(Op::Create { no, init: bytes, record });
    }

    fn know_init(&mut self, init: InitId, bytes: Bytes, tracks: Arc<[TrackConfig]>) {
        self.inits.entry(init).or_insert(Init { bytes, tracks });
    }

    fn part(&mut self, part: Arc<Part>, effects: &mut Effects) {
        if let Some(tracks) = self.live.as_ref().map(|l| l.tracks.clone()) {
            self.note_segment(&part, &tracks);
        }
        if self.is_passing() {
            return self.passing_part(part, effects);
        }
        let open = self.open.as_mut().expect("an extent is open before its parts");
        Arc::make_mut(open).push(&part.index);
        let (span, bytes) = (open.span(), open.end_offset());
        let run = self.runs.last_mut().expect("steps come from a run that has begun");
        if run.closed_end == MediaTime::MIN {
            effects.started = Some(run.id);
        }
        let extent = run.extents.last_mut().expect("pushed with the extent");
        extent.bytes = bytes;
        if part.no() == extent.first_part {
            extent.entry = part.index.segment.starts && part.index.segment.independent;
        }
        extent.last_part = part.no();
        if let Some((start, end)) = span {
            (extent.start, extent.end) = (start, end);
        }
        run.closed_end = run.closed_end.max(part.complete_to);
        self.undurable.push_back((part.no(), run.id, part.complete_to));
        self.ring.push_part(part.clone());
        self.ring.age_loose(part.complete_to);
        self.trim_passing();
        effects.ops.push(Op::Part(part));
        effects.closed = true;
    }

    fn seal(&mut self, no: ExtentNo, effects: &mut Effects) {
        self.passing_seal(no);
        let Some(index) = self.open.take_if(|i| i.no == no) else { return };
        if let Some(extent) =
            self.runs.iter_mut().rev().flat_map(|r| r.extents.iter_mut().rev()).find(|e| e.no == no)
        {
            extent.sealed = true;
        }
        effects.sealed.push(index.clone());
        effects.ops.push(Op::Seal { index });
    }

    /// Ends the live run, leaving the publisher in place.
    pub(crate) fn end_run(&mut self, reason: EndReason, effects: &mut Effects) {
        if self.is_passing() {
            self.end_passing(effects);
            let left = self.live.as_ref().filter(|_| self.halted.is_some()).map(|l| l.last.wall);
            if let Some(since) = left.filter(|_| reason.gap() == GapReason::Offline) {
                self.mark_gap(since, GapReason::Offline, effects);
            }
        } else {
            self.finish_run(reason, effects);
        }
        (self.segment, self.replay) = (None, None);
    }

    fn finish_run(&mut self, reason: EndReason, effects: &mut Effects) {
        let Some(mut assembler) = self.live.as_mut().and_then(|l| l.assembler.take()) else { return };
        match assembler.end() {
            Ok(steps) => self.apply(steps, effects),
            Err(error) => tracing::error!(%error, "the last part of a run cannot be made"),
        }
        self.counters = assembler.counters();
        let run = self.run();
        // All frames are in closed parts now.
        let end = run.extents.last().map_or(run.closed_end, |e| e.end);
        (run.closed_end, run.edge) = (end, end);
        run.ended = Some(reason);
        let id = run.id;
        if let Some(last) = self.undurable.back_mut().filter(|u| u.1 == id) {
            last.2 = end;
        }
        effects.ops.push(Op::Journal(Record::End { run: id, end, reason }));
        effects.ended.push(id);
        effects.closed = true;
        if self.runs.last().is_some_and(|r| r.extents.is_empty()) {
            self.runs.pop();
        }
    }

    /// The runs that have ended, and why.
    #[cfg(feature = "sim")]
    pub(crate) fn ends(&self) -> Vec<(RunId, EndReason)> {
        self.runs.iter().filter_map(|r| Some((r.id, r.ended?))).collect()
    }

    /// Notes how the log went. Gives the reason when recording had to stop.
    pub(crate) fn committed(&mut self, outcome: &Outcome, effects: &mut Effects) -> Option<GapReason> {
        self.ring.written(outcome.written);
        while let Some(&(part, run, end)) = self.undurable.front().filter(|u| u.0 < outcome.durable) {
            debug_assert!(part < outcome.durable);
            if let Some(run) = self.runs.iter_mut().rev().find(|r| r.id == run) {
                run.durable_end = run.durable_end.max(end);
            }
            self.undurable.pop_front();
        }
        let Some(fault) = &outcome.fault else {
            if outcome.room == Room::Some && self.ring.unwritten_bytes() <= BACKLOG_BYTES_MAX / 2 {
                self.halted = None;
            }
            return None;
        };
        let (reason, known) = (fault.gap(), self.halted);
        self.lose(outcome.durable, reason, effects);
        (known != Some(reason)).then_some(reason)
    }

    /// Parts from `from` on will never be durable: their runs end before them.
    fn lose(&mut self, from: PartNo, reason: GapReason, effects: &mut Effects) {
        self.ring.drop_parts(from);
        self.undurable.clear();
        self.halt(reason);
        let kept = self.open.take().map(|open| open.before(from));
        for run in
            self.runs.iter_mut().rev().take_while(|r| r.ended.is_none() || r.durable_end < r.closed_end)
        {
            run.extents.retain(|e| e.first_part < from);
            let last = run.extents.last().map(|e| e.no);
            let kept = kept.as_ref().filter(|i| Some(i.no) == last);
            if let Some((_, end)) = kept.and_then(ExtentIndex::span) {
                // No frame comes after those of the last part.
                run.durable_end = end;
            }
            if run.ended.is_none() {
                run.ended = Some(EndReason::Gap(reason));
                let (run, end, reason) = (run.id, run.durable_end, EndReason::Gap(reason));
                effects.ops.push(Op::Journal(Record::End { run, end, reason }));
            }
            effects.ended.push(run.id);
            (run.closed_end, run.edge) = (run.durable_end, run.durable_end);
            let Some(last) = run.extents.last_mut() else { continue };
            (last.end, last.sealed) = (last.end.min(run.durable_end), true);
            last.last_part = last.last_part.min(PartNo(from.0.saturating_sub(1)));
            match kept {
                Some(index) => {
                    last.bytes = index.end_offset();
                    effects.sealed.push(Arc::new(index.clone()));
                }
                None => effects.cut.push(last.no),
            }
        }
        effects.closed = true;
        let before = self.runs.len();
        self.runs.retain(|r| !r.extents.is_empty());
        if let Some(since) = self.live.as_ref().map(|l| l.since.wall).filter(|_| self.runs.len() < before) {
            self.mark_gap(since, reason, effects);
        }
    }
}
