//! The history of one seed: a few streams on one volume, publishing, cutting, committing, crashing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use media::{StreamName, WallTime};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::fs::SimIo;
use super::oracle::Oracle;
use super::source::Source;
use super::{FaultAt, Hits};
use crate::gap::GapReason;
use crate::grid::GridConfig;
use crate::ids::{ExtentNo, PartNo, RunId, StreamId};
use crate::journal::{EndReason, KeptExtent, Record, SpanRecord};
use crate::live::{Assembler, AssemblerConfig, Ring, RingLimits};
use crate::log::{
    Disk, Durability, Fault, Io, Layout, Op, RecoverError, Reserve, Share, StreamLog, commit, draft,
    load_index, recover,
};
use crate::plant::{Bug, planted};
use crate::publisher::{Arrival, PublisherInfo};
use crate::run::ExtentInfo;
use crate::state::{Effects, Live, State, Touched, Viewers, orders};

const STREAMS_MAX: usize = 3;
const STEPS: usize = 60;
const DATA: &str = "/data";
/// Small figures, so that a short history crosses every boundary.
const CONFIG: AssemblerConfig = AssemblerConfig {
    part_ns: 500_000_000,
    extent_ns: 4_000_000_000,
    rotate_ns: 4_000_000_000,
    extent_bytes_max: 200_000,
    grid: GridConfig { segment_ns: 2_000_000_000, first_max_ns: 3_000_000_000 },
};

struct Tape {
    id: StreamId,
    name: StreamName,
    /// `None` while the folder could not be made.
    log: Option<StreamLog>,
    durable: PartNo,
    state: State,
    queue: Vec<Op>,
    asked: Vec<(Uuid, oneshot::Receiver<Result<(), Fault>>)>,
    /// Deletions whose files go once they are durable.
    unlinking: Vec<(Uuid, Vec<ExtentNo>)>,
    /// An erasure whose copies are written and whose line is not durable yet.
    erasing: Vec<(Uuid, Vec<Touched>, Vec<KeptExtent>)>,
    source: Option<Source>,
    oracle: Oracle,
}

impl Tape {
    /// Whether the committer has something to do for it, or tries again.
    fn waits(&self) -> bool {
        !self.queue.is_empty() || self.state.halted.is_some()
    }
}

pub(super) struct World {
    rng: fastrand::Rng,
    sim: SimIo,
    disk: Disk,
    dir: PathBuf,
    tapes: Vec<Tape>,
    clock_ms: i64,
}

fn ring(written: PartNo) -> Ring {
    Ring::new(RingLimits { bytes_max: 50_000, keep_ns: 4_000_000_000 }, written)
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let sim = SimIo::new(rng.u64(..));
        let io: Arc<dyn Io> = Arc::new(sim.clone());
        let tapes = (0..rng.usize(1..=STREAMS_MAX)).map(|i| Tape {
            id: StreamId(Uuid::from_u128(u128::from(rng.u64(..)) + 1)),
            name: StreamName::parse(&format!("sim/{i}")).expect("a plain name"),
            log: None,
            durable: PartNo(0),
            state: State::new(ring(PartNo(0))),
            queue: Vec::new(),
            asked: Vec::new(),
            unlinking: Vec::new(),
            erasing: Vec::new(),
            source: None,
            oracle: Oracle::default(),
        });
        let tapes = tapes.collect();
        let durability = if rng.u8(0..8) == 0 { Durability::Extent } else { Durability::Part };
        let reserve = Reserve::open(io.clone(), Path::new(DATA));
        Self {
            sim,
            disk: Disk { io, durability, reserve },
            dir: PathBuf::from("/tape"),
            tapes,
            clock_ms: 0,
            rng,
        }
    }

    fn now(&self) -> Arrival {
        Arrival {
            mono: Duration::from_millis(self.clock_ms as u64),
            wall: WallTime::from_ms(1_700_000_000_000 + self.clock_ms),
        }
    }

    /// Lives through the history, with a crash and a recovery every now and then.
    pub(super) fn live(mut self) -> Result<Hits, String> {
        for _ in 0..3 {
            let fault = if self.rng.bool() { FaultAt::Kill } else { FaultAt::PowerCut };
            self.sim.plan_crash(self.rng.u64(1..160), fault);
            for _ in 0..STEPS {
                if self.sim.is_down() {
                    break;
                }
                self.step()?;
            }
            self.crash(fault)?;
        }
        Ok(self.sim.hits())
    }

    fn step(&mut self) -> Result<(), String> {
        let i = self.rng.usize(0..self.tapes.len());
        match self.rng.u8(0..32) {
            0..14 => self.push(i),
            14..22 => self.commit(),
            24 => self.cut(i),
            25 => drop(self.pin(i)),
            22 => self.expire(i),
            23 => self.erase(i),
            26 => self.unpublish(i),
            27 => self.change(i),
            28 => self.jump(i),
            29 if self.rng.u8(0..4) == 0 => return self.full_volume(),
            29 => self.weather(),
            30 => self.clock_ms += self.rng.i64(0..3000),
            _ => self.flush(i),
        }
        Ok(())
    }

    /// Other programs, or the recording, fill the volume, and some of it is freed again. Meanwhile the journal can be
    /// written, and afterwards recording goes on.
    fn full_volume(&mut self) -> Result<(), String> {
        self.sim.weather(None);
        // What was let go a moment ago and is not taken back yet keeps nothing.
        if !self.disk.reserve.take_back() {
            return Ok(());
        }
        self.sim.fill(self.rng.u64(0..40_000), self.rng.usize(0..6));
        for _ in 0..self.rng.usize(1..12) {
            let i = self.rng.usize(0..self.tapes.len());
            self.push(i);
            if self.rng.bool() {
                self.commit();
            }
        }
        for _ in 0..3 {
            self.commit_all();
        }
        let asked: Vec<Uuid> = (0..self.tapes.len()).filter_map(|i| self.pin(i)).collect();
        let ends: Vec<_> = self.tapes.iter().map(|t| t.state.ends()).collect();
        self.commit_all();
        if self.sim.is_down() {
            return Ok(());
        }
        if let Some(left) = asked.iter().find(|a| !self.tapes.iter().any(|t| t.oracle.keeps(**a))) {
            return Err(format!("on a full volume the journal line for {left} could not be written"));
        }
        for (tape, ends) in self.tapes.iter_mut().zip(ends).filter(|(t, _)| t.log.is_some()) {
            tape.oracle.ends(ends);
        }
        self.sim.empty();
        for _ in 0..3 {
            self.commit_all();
        }
        match self.tapes.iter().find(|t| t.state.halted.is_some()).filter(|_| !self.sim.is_down()) {
            Some(tape) => Err(format!("{} does not record although there is space again", tape.name)),
            None => Ok(()),
        }
    }

    fn weather(&mut self) {
        let weather = match self.rng.u8(0..4) {
            0 => Some(FaultAt::Full),
            1 => Some(FaultAt::Error),
            _ => None,
        };
        self.sim.weather(weather);
    }

    /// Publishes half a second to two seconds, beginning if nobody does.
    fn push(&mut self, i: usize) {
        self.ensure(i);
        let now = self.now();
        let seed = self.rng.u64(..);
        let until = self.clock_ms + self.rng.i64(300..2000);
        let tape = &mut self.tapes[i];
        let mut effects = Effects::default();
        if tape.source.is_none() {
            let source = Source::new(seed);
            let info = PublisherInfo { protocol: "sim", remote: String::new(), key: None };
            tape.state.live = Some(Live::new(1, info, now));
            tape.state.set_tracks(1, source.tracks.clone(), &mut effects);
            tape.source = Some(source);
        }
        let source = tape.source.as_mut().expect("set above");
        let id = tape.id;
        let make = move |counters, run, tracks| Assembler::new(CONFIG, (id, run), counters, tracks);
        let first = source.next();
        let offset = now.mono.as_millis() as i64 - first.1;
        let mut next = first;
        loop {
            let ms = next.1 + offset;
            let at = Arrival {
                mono: Duration::from_millis(ms.max(0) as u64),
                wall: WallTime::from_ms(1_700_000_000_000 + ms),
            };
            tape.state.push(next.0, at, &make, &mut effects);
            if ms >= until {
                break;
            }
            next = source.next();
        }
        self.clock_ms = until;
        self.take(i, effects);
    }

    /// Begins the stream's tape, as the first publish does.
    fn ensure(&mut self, i: usize) {
        let created = self.now().wall;
        let tape = &mut self.tapes[i];
        if tape.log.is_some() {
            return;
        }
        let record = Record::Stream { format: 1, id: tape.id, name: tape.name.clone(), created };
        let layout = Layout::new(&self.dir, tape.id);
        tape.log = Some(StreamLog::fresh(self.disk.io.clone(), layout, &record));
    }

    fn take(&mut self, i: usize, effects: Effects) {
        let tape = &mut self.tapes[i];
        for op in &effects.ops {
            if let Op::Part(part) = op {
                tape.oracle.closed(part);
            }
        }
        tape.queue.extend(effects.ops);
        if effects.started.is_some() {
            // The catalogue's row; losing it is mended from the tape.
            let _ = self.sim.insert();
        }
    }

    fn with_live(&mut self, i: usize, f: impl FnOnce(&mut State, &mut Effects)) {
        let mut effects = Effects::default();
        f(&mut self.tapes[i].state, &mut effects);
        self.take(i, effects);
    }

    fn unpublish(&mut self, i: usize) {
        self.with_live(i, |state, effects| state.end_run(EndReason::Unpublished, effects));
        let tape = &mut self.tapes[i];
        (tape.state.live, tape.source) = (None, None);
    }

    fn jump(&mut self, i: usize) {
        self.with_live(i, |state, effects| state.end_run(EndReason::Gap(GapReason::SourceJump), effects));
    }

    fn change(&mut self, i: usize) {
        let Some(tracks) = self.tapes[i].source.as_mut().map(Source::change) else { return };
        self.with_live(i, |state, effects| state.set_tracks(1, tracks, effects));
    }

    fn flush(&mut self, i: usize) {
        self.with_live(i, |state, effects| {
            let steps = state.live.as_mut().and_then(|l| l.assembler.as_mut()).map(Assembler::flush);
            if let Some(Ok(steps)) = steps {
                state.apply(steps, effects);
            }
        });
    }

    fn cut(&mut self, i: usize) {
        let asset = Uuid::from_u128(u128::from(self.rng.u64(..)));
        let tape = &mut self.tapes[i];
        let Some(run) = tape.state.runs.last_mut().filter(|r| r.ended.is_none() && !r.extents.is_empty())
        else {
            return;
        };
        run.splits.push((run.edge, asset));
        let record = Record::Split { run: run.id, at: run.edge, asset };
        self.ask(i, asset, record);
    }

    /// A clip of a random stretch of a random run.
    fn pin(&mut self, i: usize) -> Option<Uuid> {
        let asset = Uuid::from_u128(u128::from(self.rng.u64(..)));
        let tape = &mut self.tapes[i];
        if tape.log.is_none() || tape.state.runs.is_empty() {
            return None;
        }
        let run = &tape.state.runs[self.rng.usize(0..tape.state.runs.len())];
        // What is not durable yet may be lost, and its clip with it.
        let durable: Vec<&ExtentInfo> = run.extents.iter().filter(|e| e.last_part < tape.durable).collect();
        let (Some(first), Some(last)) = (durable.first(), durable.last()) else { return None };
        let length = last.end.since_ns(first.start);
        if length <= 0 {
            return None;
        }
        let start = first.start.plus_ns(self.rng.i64(0..length));
        let end = start.plus_ns(self.rng.i64(1..3_000_000_000)).min(last.end);
        let spans = vec![SpanRecord { run: run.id, start, end }];
        if tape.state.is_going(&spans[0]) {
            return None;
        }
        let holds = |e: &&&ExtentInfo| e.end > start && e.start < end;
        let parts = durable.iter().filter(holds).map(|e| (run.id, e.first_part, e.last_part)).collect();
        tape.oracle.pinned(asset, parts);
        tape.state.pins.insert(asset, spans.clone());
        self.ask(i, asset, Record::Pin { asset, spans, asked: None });
        Some(asset)
    }

    /// Retention takes the oldest extents, as far as nobody holds them.
    fn expire(&mut self, i: usize) {
        let now = self.now().mono;
        let count = self.rng.usize(1..4);
        let tape = &mut self.tapes[i];
        let extents = tape.state.runs.iter().flat_map(|r| &r.extents);
        let wanted: Vec<ExtentNo> = extents.take(count).map(|e| e.no).collect();
        let splits: Vec<(RunId, Uuid)> =
            tape.state.runs.iter().flat_map(|r| r.splits.iter().map(|s| (r.id, s.1))).collect();
        let Some(gone) = tape.state.expire(&wanted, Viewers::Keep, now) else { return };
        // A run of which nothing is left takes its cuts along, and what is left may yet be lost by a bad disk.
        let touched = splits.iter().filter(|(run, _)| gone.doomed.iter().any(|d| d.run == *run));
        touched.for_each(|(_, asset)| tape.oracle.let_go(asset));
        let extents: Vec<_> = gone.doomed.iter().map(|d| (d.run, d.extent)).collect();
        tape.oracle.deleting(&extents);
        let asset = Uuid::from_u128(u128::from(self.rng.u64(..)));
        tape.unlinking.push((asset, extents.iter().map(|e| e.1.no).collect()));
        self.ask(i, asset, gone.record);
        if planted(Bug::UnlinkEarly) {
            self.unlink(i, asset);
        }
    }

    /// A person erases a random stretch of a random run.
    fn erase(&mut self, i: usize) {
        let now = self.now().mono;
        let tape = &mut self.tapes[i];
        if tape.log.is_none() || tape.state.runs.is_empty() || !tape.erasing.is_empty() {
            return;
        }
        let run = &tape.state.runs[self.rng.usize(0..tape.state.runs.len())];
        let (Some(first), Some(last)) = (run.extents.first(), run.extents.last()) else { return };
        let length = last.end.since_ns(first.start);
        if length <= 0 {
            return;
        }
        let start = first.start.plus_ns(self.rng.i64(0..length));
        let end = start.plus_ns(self.rng.i64(1..6_000_000_000));
        let Ok(touched) = tape.state.touched(&[SpanRecord { run: run.id, start, end }], now) else { return };
        tape.state.retained.going.extend(touched.iter().map(|t| t.extent.no));
        let layout = Layout::new(&self.dir, tape.id);
        let Some(kept) = copies(&*self.disk.io, &layout, &mut tape.state, &touched) else { return };
        if touched.is_empty()
            || (!planted(Bug::SkipCopyDirSync) && self.disk.io.sync_dir(layout.dir()).is_err())
        {
            return;
        }
        tape.oracle.erasing(&touched.iter().map(|t| (t.run, t.extent)).collect::<Vec<_>>(), &kept);
        let splits = tape.state.runs.iter().filter(|r| r.id == touched[0].run).flat_map(|r| &r.splits);
        splits.for_each(|(_, asset)| tape.oracle.let_go(asset));
        let asset = Uuid::from_u128(u128::from(self.rng.u64(..)));
        let record = tape.state.erasure(&touched, kept.clone());
        tape.erasing.push((asset, touched, kept));
        self.ask(i, asset, record);
    }

    /// An erasure is durable: copies get their names, what they are of goes.
    fn swap(&mut self, i: usize, asset: Uuid) {
        let now = self.now().mono;
        let tape = &mut self.tapes[i];
        let Some(at) = tape.erasing.iter().position(|e| e.0 == asset) else { return };
        let (_, touched, kept) = tape.erasing.swap_remove(at);
        let layout = Layout::new(&self.dir, tape.id);
        for k in &kept {
            if self.disk.io.rename(&layout.extent_draft(k.extent), &layout.extent(k.extent)).is_err() {
                return;
            }
        }
        if self.disk.io.sync_dir(layout.dir()).is_err() {
            return;
        }
        tape.state.erased(&touched, &kept, now);
        for t in &touched {
            let _ = self.disk.io.remove(&layout.extent(t.extent.no));
            let _ = self.disk.io.remove(&layout.sidecar(t.extent.no));
        }
    }

    /// A deletion is durable: the files go.
    fn unlink(&mut self, i: usize, asset: Uuid) {
        let tape = &mut self.tapes[i];
        let Some(at) = tape.unlinking.iter().position(|u| u.0 == asset) else { return };
        let (_, extents) = tape.unlinking.swap_remove(at);
        let layout = Layout::new(&self.dir, tape.id);
        for no in extents {
            // What an error or a crash leaves, recovery unlinks.
            let _ = self.disk.io.remove(&layout.extent(no));
            let _ = self.disk.io.remove(&layout.sidecar(no));
        }
    }

    fn ask(&mut self, i: usize, asset: Uuid, record: Record) {
        let tape = &mut self.tapes[i];
        let (ask, answer) = oneshot::channel();
        tape.queue.extend([Op::Journal(record), Op::Ack(ask)]);
        tape.asked.push((asset, answer));
    }

    /// One round of the committer over some of the streams: the others' disks are slow.
    fn commit(&mut self) {
        let all = self.rng.bool();
        let picked = (0..self.tapes.len()).filter(|_| all || self.rng.bool()).collect();
        self.commit_some(picked);
    }

    fn commit_all(&mut self) {
        self.commit_some((0..self.tapes.len()).collect());
    }

    fn commit_some(&mut self, picked: Vec<usize>) {
        let mut outcomes = Vec::new();
        let mut chosen: Vec<(usize, &mut Tape)> = self
            .tapes
            .iter_mut()
            .enumerate()
            .filter(|(i, t)| picked.contains(i) && t.log.is_some() && t.waits())
            .collect();
        let numbers: Vec<usize> = chosen.iter().map(|c| c.0).collect();
        let mut shares: Vec<Share<'_>> = chosen
            .iter_mut()
            .map(|(_, t)| Share {
                durable: t.durable,
                ops: std::mem::take(&mut t.queue),
                log: t.log.as_mut().expect("filtered above"),
            })
            .collect();
        commit(&mut self.disk, &mut shares, &mut |s, outcome| outcomes.push((s, outcome)));
        for (s, outcome) in outcomes {
            let i = numbers[s];
            let tape = &mut self.tapes[i];
            tape.durable = outcome.durable;
            tape.oracle.durable(outcome.durable);
            if outcome.fault.is_some() {
                tape.oracle.lost();
            }
            self.with_live(i, |state, effects| {
                state.committed(&outcome, effects);
            });
        }
        for i in 0..self.tapes.len() {
            self.hear(i);
        }
    }

    /// What the log has answered by now.
    fn hear(&mut self, i: usize) {
        let tape = &mut self.tapes[i];
        let (mut deleted, mut erased) = (Vec::new(), Vec::new());
        tape.asked.retain_mut(|(asset, answer)| match answer.try_recv() {
            Ok(Ok(())) if tape.unlinking.iter().any(|u| u.0 == *asset) => {
                deleted.push(*asset);
                false
            }
            Ok(Ok(())) if tape.erasing.iter().any(|e| e.0 == *asset) => {
                erased.push(*asset);
                false
            }
            Ok(Ok(())) => {
                tape.oracle.kept(*asset);
                false
            }
            Err(oneshot::error::TryRecvError::Empty) => true,
            _ => false,
        });
        deleted.into_iter().for_each(|asset| self.unlink(i, asset));
        erased.into_iter().for_each(|asset| self.swap(i, asset));
    }

    /// The machine goes down, comes up, and every stream is recovered, maybe with another crash on the way.
    fn crash(&mut self, fault: FaultAt) -> Result<(), String> {
        if !self.sim.is_down() {
            // Nothing reached the planned operation: it ends here, between two.
            self.sim.plan_crash(0, fault);
            let _ = self.sim.insert();
        }
        self.sim.reboot();
        if self.rng.u8(0..3) == 0 {
            self.sim.plan_crash(self.rng.u64(0..8), fault);
            for tape in &self.tapes {
                let _ = recover(&self.disk.io, &self.dir, tape.id);
            }
            self.sim.reboot();
        }
        self.sim.plan_crash(u64::MAX, fault);
        self.disk.reserve = Reserve::open(self.disk.io.clone(), Path::new(DATA));
        for i in 0..self.tapes.len() {
            self.recover(i)?;
        }
        Ok(())
    }

    fn recover(&mut self, i: usize) -> Result<(), String> {
        let tape = &mut self.tapes[i];
        (tape.log, tape.source, tape.queue, tape.asked) = (None, None, Vec::new(), Vec::new());
        tape.unlinking.clear();
        tape.erasing.clear();
        tape.oracle.lost();
        let found = match recover(&self.disk.io, &self.dir, tape.id) {
            Ok(found) => Some(found),
            Err(RecoverError::Nameless { .. }) => None,
            Err(RecoverError::Io { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(format!("recovery: {e}")),
        };
        let Some(mut found) = found else {
            tape.state = State::new(ring(PartNo(0)));
            tape.durable = PartNo(0);
            tape.id = StreamId(Uuid::from_u128(tape.id.0.as_u128() + 1));
            return tape.oracle.nothing_was_promised();
        };
        tape.durable = found.counters.part;
        tape.state = State::recovered(&mut found, ring(tape.durable));
        tape.log = Some(found.log);
        tape.oracle.check(&self.sim, &self.dir, tape.id, &tape.state)
    }
}

/// Copies of what stays of extents that are being erased; `None` where the disk does not let them.
fn copies(io: &dyn Io, layout: &Layout, state: &mut State, touched: &[Touched]) -> Option<Vec<KeptExtent>> {
    let mut kept = Vec::new();
    for t in touched {
        let mut number = state.reserve_extents(2);
        let index = load_index(io, layout, t.extent.no, t.extent.bytes).ok()?;
        let mut next = || {
            let no = number;
            number = no.next();
            no
        };
        for stay in orders(t, &index, &mut next) {
            kept.push(draft(io, layout, &index, &stay).ok()?);
        }
    }
    Some(kept)
}
