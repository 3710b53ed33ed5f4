//! The mutable heart of a stream, behind one lock that is held for moments: steps of the assembler become
//! operations for the log, entries of the timeline and parts of the ring. No I/O here.

mod erase;
mod ingest;
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
use crate::journal::{EndReason, Record, SpanRecord};
use crate::live::{Assembler, Counters, Opening, Ring, Step};
use crate::log::{Op, Outcome, RecoveredStream};
use crate::part::Part;
use crate::publisher::{Arrival, PublisherInfo};
use crate::run::ExtentInfo;

pub(crate) use erase::{Holders, Touched, orders};
pub use retain::Viewers;
pub(crate) use retain::{Gone, Held, Retained, without};
pub(crate) use runs::RunState;

const NS_PER_S: i64 = 1_000_000_000;
/// After a failure of the volume, recording is tried again this much later.
const RETRY_AFTER: Duration = Duration::from_secs(1);

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
    /// No new run begins before this instant.
    pub not_before: Duration,
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
    pub retained: Retained,
    /// Parts that are closed and not durable yet.
    pub undurable: VecDeque<(PartNo, RunId, MediaTime)>,
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
            retained: Retained::default(),
            undurable: VecDeque::new(),
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
            ..Self::new(ring)
        }
    }
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
    /// Readers have something new to see.
    pub closed: bool,
}

impl State {
    /// Begins a run with the announced tracks.
    fn begin_run(&mut self, make: MakeAssembler<'_>, effects: &mut Effects) {
        let id = self.next_run;
        self.next_run = id.next();
        if self.counters.part > PartNo(0) {
            self.counters.dsn += 1;
        }
        self.counters.epoch += 1;
        let asset = Uuid::now_v7();
        let live = self.live.as_mut().expect("only a publisher begins runs");
        let record = Record::Run {
            run: id,
            asset,
            part: self.counters.part,
            since: live.since.wall,
            protocol: live.info.protocol.to_owned(),
        };
        // Players stumble over decode times that begin anew: each run's timeline goes on after the one before.
        let end = self.runs.iter().map(|r| r.closed_end.0).max().unwrap_or(0).max(0);
        live.shift_s = (end / NS_PER_S + 1) * i64::from(end > 0);
        live.assembler = Some(make(self.counters, id, live.tracks.to_vec()));
        self.runs.push(RunState::new(id, asset));
        effects.ops.push(Op::Journal(record));
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
                    effects.ops.push(Op::Journal(Record::Anchor { run, anchor }));
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
        }
    }

    fn run(&mut self) -> &mut RunState {
        self.runs.last_mut().expect("steps come from a run that has begun")
    }

    fn extent(
        &mut self,
        no: ExtentNo,
        bytes: Bytes,
        tracks: Arc<[TrackConfig]>,
        ids: (u32, PartNo),
        effects: &mut Effects,
    ) {
        let init = InitId::of(&bytes);
        let init_len = u32::try_from(bytes.len()).expect("an init segment is small");
        self.open = Some(Arc::new(ExtentIndex::new(no, init_len, &tracks)));
        self.inits.entry(init).or_insert_with(|| Init { bytes: bytes.clone(), tracks });
        let (epoch, part) = ids;
        let run = self.run();
        run.extents.push(ExtentInfo {
            no,
            init,
            epoch,
            first_part: part,
            last_part: PartNo(part.0.saturating_sub(1)),
            start: MediaTime::MAX,
            end: MediaTime::MIN,
            bytes: u64::from(init_len),
            sealed: false,
            entry: false,
        });
        let record = Record::Extent { extent: no, run: run.id, epoch, part, init };
        effects.ops.push(Op::Create { no, init: bytes, record });
    }

    fn part(&mut self, part: Arc<Part>, effects: &mut Effects) {
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
        effects.ops.push(Op::Part(part));
        effects.closed = true;
    }

    fn seal(&mut self, no: ExtentNo, effects: &mut Effects) {
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

    /// Notes how the log went. Gives the reason when recording had to stop.
    pub(crate) fn committed(
        &mut self,
        outcome: &Outcome,
        now: Duration,
        effects: &mut Effects,
    ) -> Option<GapReason> {
        self.ring.written(outcome.written);
        while let Some(&(part, run, end)) = self.undurable.front().filter(|u| u.0 < outcome.durable) {
            debug_assert!(part < outcome.durable);
            if let Some(run) = self.runs.iter_mut().rev().find(|r| r.id == run) {
                run.durable_end = run.durable_end.max(end);
            }
            self.undurable.pop_front();
        }
        let fault = outcome.fault.as_ref()?;
        self.lose(outcome.durable, fault.gap(), now, effects);
        Some(fault.gap())
    }

    /// Parts from `from` on will never be durable: the run ends before them.
    fn lose(&mut self, from: PartNo, reason: GapReason, now: Duration, effects: &mut Effects) {
        self.ring.drop_parts(from);
        self.undurable.clear();
        if let Some(live) = &mut self.live {
            live.assembler = None;
            live.not_before = now + RETRY_AFTER;
        }
        let Some(run) = self.runs.last_mut() else { return };
        run.extents.retain(|e| e.first_part < from);
        if run.ended.is_none() {
            run.ended = Some(EndReason::Gap(reason));
            let (run, end, reason) = (run.id, run.durable_end, EndReason::Gap(reason));
            effects.ops.push(Op::Journal(Record::End { run, end, reason }));
            effects.ended.push(run);
        }
        (run.closed_end, run.edge) = (run.durable_end, run.durable_end);
        let (end, id) = (run.durable_end, run.id);
        if let Some(last) = run.extents.last_mut() {
            last.end = last.end.min(end);
            last.last_part = last.last_part.min(PartNo(from.0.saturating_sub(1)));
            last.sealed = true;
            if let Some(index) = self.open.take().filter(|i| i.no == last.no) {
                let kept = index.before(from);
                last.bytes = kept.end_offset();
                effects.sealed.push(Arc::new(kept));
            }
        }
        self.open = None;
        effects.closed = true;
        if self.runs.last().is_some_and(|r| r.id == id && r.extents.is_empty()) {
            self.runs.pop();
        }
    }
}
