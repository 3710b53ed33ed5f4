//! What of a stream may go, what holds it, and what is left of it once it went. Which extents are wanted gone is
//! decided in [`crate::retention`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::time::Duration;

use media::{MediaTime, WallTime};
use uuid::Uuid;

use super::State;
use super::runs::clock_of;
use crate::ids::{ExtentNo, RunId};
use crate::journal::{DeletedExtent, KeptExtent, Record, SpanRecord};
use crate::log::{Protection, RecoveredRun};
use crate::plant::{Bug, planted};
use crate::run::{ExtentInfo, RecordingSpan};

/// Leading pictures refer back: a range that begins within this of an extent's begin may need the extent before.
const LEADING_NS: i64 = 1_000_000_000;
/// Pictures may be decoded this much after they are shown, by their source's odd clock.
const LATE_NS: i64 = 200_000_000;
/// Stretches of removed media that are this close are one: the tracks of neighbours end at different instants.
const GLUE_NS: i64 = 100_000_000;
/// Stretches of removed media that are remembered apart; the two oldest become one beyond it.
const REMOVED_MAX: usize = 4_096;

/// Who holds an extent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Held {
    /// Nobody: it may go.
    Free,
    /// It is being written, or is not durable yet.
    Open,
    /// Somebody protected it.
    Protected,
    /// Viewers are being sent it.
    Leased,
    /// Clips are views of it.
    Clips(Vec<Uuid>),
}

/// Whether what viewers are being sent may go too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewers {
    /// It stays.
    Keep,
    /// It goes: there is no other space.
    Yield,
}

/// Extents that are not shown any more.
#[derive(Debug)]
pub(crate) struct Gone {
    /// What the journal has to say before their files may go.
    pub record: Record,
    pub doomed: Vec<Doomed>,
    /// Recordings of which nothing is left.
    pub vanished: Vec<RecordingSpan>,
    /// Recordings that lost a part.
    pub changed: Vec<RecordingSpan>,
}

/// An extent that is not shown any more and whose file is still there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doomed {
    pub run: RunId,
    pub extent: ExtentInfo,
    pub since: Duration,
    /// The journal says that it goes.
    pub told: bool,
}

/// How long an extent is held for those who read it, after they did.
const LEASE: Duration = Duration::from_secs(20);
/// How long readers may hold an extent in all, one after the other.
const LEASE_MAX: Duration = Duration::from_secs(15 * 60);
/// Extents after the one that is read which are held with it: two minutes of it, as extents usually are.
const LEASE_AHEAD: usize = 2;

/// Somebody is being sent an extent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lease {
    since: Duration,
    until: Duration,
}

impl Lease {
    /// Whether it still counts.
    pub(crate) fn holds(&self, now: Duration) -> bool {
        now < self.until && now.saturating_sub(self.since) < LEASE_MAX
    }
}

/// What protects and what has gone.
#[derive(Debug, Default)]
pub(crate) struct Retained {
    pub protected: BTreeMap<Uuid, Protection>,
    pub leases: HashMap<ExtentNo, Lease>,
    pub doomed: Vec<Doomed>,
    /// Extents that are being erased: nothing new may hold them.
    pub going: BTreeSet<ExtentNo>,
    /// Wall times whose media was removed, in order.
    pub removed: Vec<Range<WallTime>>,
}

impl Retained {
    /// What deletions told by the journal have taken.
    pub(crate) fn recovered(runs: &[RecoveredRun], protected: BTreeMap<Uuid, Protection>) -> Self {
        let mut retained = Self { protected, ..Self::default() };
        for run in runs {
            let Some(clock) = clock_of(run) else { continue };
            run.removed.iter().for_each(|r| retained.remember(clock.wall(r.start)..clock.wall(r.end)));
        }
        retained
    }

    /// Remembers that a stretch of media has gone.
    pub(crate) fn remember(&mut self, range: Range<WallTime>) {
        if range.start >= range.end {
            return;
        }
        let at = self.removed.partition_point(|r| r.end.plus_ns(GLUE_NS) < range.start);
        let touched = self.removed[at..].iter().take_while(|r| r.start <= range.end.plus_ns(GLUE_NS)).count();
        let merged =
            self.removed[at..at + touched].iter().fold(range, |a, b| a.start.min(b.start)..a.end.max(b.end));
        self.removed.splice(at..at + touched, [merged]);
        if self.removed.len() > REMOVED_MAX {
            let first = self.removed[0].start..self.removed[1].end;
            self.removed.splice(0..2, [first]);
        }
    }
}

impl State {
    /// Who holds an extent of a run, most binding first.
    pub(crate) fn held(&self, run: usize, extent: usize, now: Duration) -> Held {
        let (run, e) = (&self.runs[run], &self.runs[run].extents[extent]);
        let after = run.extents.get(extent + 1);
        if !e.sealed || self.undurable.front().is_some_and(|u| u.0 <= e.last_part) {
            return Held::Open;
        }
        let holds =
            |spans: &[SpanRecord]| spans.iter().filter(|s| s.run == run.id).any(|s| span_needs(s, e, after));
        if self.retained.protected.values().any(|p| holds(&p.spans)) {
            return Held::Protected;
        }
        let pins = self.pins.iter().filter(|(_, spans)| holds(spans) && !planted(Bug::ForgetPins));
        let clips: Vec<Uuid> = pins.map(|(asset, _)| *asset).collect();
        match self.retained.leases.get(&e.no) {
            _ if !clips.is_empty() => Held::Clips(clips),
            Some(lease) if lease.holds(now) => Held::Leased,
            _ => Held::Free,
        }
    }

    /// Who holds an extent; `None` where it is not shown.
    pub(crate) fn held_by_number(&self, no: ExtentNo, now: Duration) -> Option<Held> {
        let at = |r: &super::RunState| r.extents.iter().position(|e| e.no == no);
        let (run, extent) = self.runs.iter().enumerate().find_map(|(i, r)| Some((i, at(r)?)))?;
        Some(self.held(run, extent, now))
    }

    /// Notes that an extent is read: it and those after it are held for the reader.
    pub(crate) fn lease(&mut self, no: ExtentNo, now: Duration) {
        let until = now + LEASE;
        // Readers come back for each segment; the table is looked through once for many of them.
        if self.retained.leases.get(&no).is_some_and(|l| l.until.saturating_sub(now) > LEASE * 3 / 4) {
            return;
        }
        let at = |r: &super::RunState| r.extents.iter().rposition(|e| e.no == no).map(|i| (r.id, i));
        let Some((run, from)) = self.runs.iter().rev().find_map(at) else { return };
        let Some(run) = self.runs.iter().find(|r| r.id == run) else { return };
        for e in run.extents[from..].iter().take(1 + LEASE_AHEAD) {
            let lease = self.retained.leases.entry(e.no).or_insert(Lease { since: now, until });
            if now >= lease.until {
                lease.since = now;
            }
            lease.until = until;
        }
    }

    /// Lets extents go that nobody holds, whatever is wanted. `None` where that is none.
    pub(crate) fn expire(&mut self, wanted: &[ExtentNo], viewers: Viewers, now: Duration) -> Option<Gone> {
        let may_go = |no: &ExtentNo| match self.held_by_number(*no, now) {
            Some(Held::Free) => true,
            Some(Held::Leased) => viewers == Viewers::Yield,
            _ => false,
        };
        let gone: BTreeSet<ExtentNo> = wanted.iter().copied().filter(may_go).collect();
        if gone.is_empty() {
            return None;
        }
        Some(self.doom(&gone, &[], now))
    }

    /// What the journal says of extents that go, and of the copies that stay.
    pub(crate) fn deletion(
        &self,
        gone: impl Iterator<Item = (RunId, ExtentInfo)>,
        kept: Vec<KeptExtent>,
    ) -> Record {
        let told =
            gone.map(|(_, e)| DeletedExtent { extent: e.no, part: e.last_part, start: e.start, end: e.end });
        Record::Delete { extents: told.collect(), msn: self.counters.msn, dsn: self.counters.dsn, kept }
    }

    /// Takes extents out of what is shown.
    pub(super) fn doom(&mut self, gone: &BTreeSet<ExtentNo>, kept: &[KeptExtent], now: Duration) -> Gone {
        let (mut doomed, mut vanished, mut changed) = (Vec::new(), Vec::new(), Vec::new());
        for run in &mut self.runs {
            let taken: Vec<ExtentInfo> =
                run.extents.iter().filter(|e| gone.contains(&e.no)).copied().collect();
            if taken.is_empty() {
                continue;
            }
            let before = run.recordings();
            run.extents.retain(|e| !gone.contains(&e.no));
            run.extents.extend(kept.iter().filter(|k| k.run == run.id).map(shown));
            run.extents.sort_by_key(|e| e.first_part);
            run.find_holes();
            if let (Some(last), Some(_)) = (run.extents.last(), run.ended) {
                (run.edge, run.closed_end, run.durable_end) = (last.end, last.end, last.end);
            }
            let left = run.recordings();
            let is_left = |r: &RecordingSpan| left.iter().any(|l| l.asset == r.asset);
            let lost_some = |r: &RecordingSpan| {
                taken.iter().any(|e| e.end > r.start && r.end.is_none_or(|end| e.start < end))
            };
            changed.extend(before.iter().filter(|r| is_left(r) && lost_some(r)).cloned());
            vanished.extend(before.into_iter().filter(|r| !is_left(r)));
            for extent in taken {
                if let Some(clock) = &run.clock {
                    let left = kept.iter().filter(|k| k.run == run.id).map(|k| k.facts.start..k.facts.end);
                    for gone in without(extent.start..extent.end, left) {
                        self.retained.remember(clock.wall(gone.start)..clock.wall(gone.end));
                    }
                }
                doomed.push(Doomed { run: run.id, extent, since: now, told: false });
            }
        }
        self.runs.retain(|r| !r.extents.is_empty() || r.ended.is_none());
        self.retained.doomed.extend(&doomed);
        let record = self.deletion(doomed.iter().map(|d| (d.run, d.extent)), kept.to_vec());
        Gone { record, doomed, vanished, changed }
    }

    /// An extent that is shown, or was a moment ago.
    pub(crate) fn find_extent(&self, no: ExtentNo) -> Option<&ExtentInfo> {
        let shown = self.runs.iter().rev().flat_map(|r| r.extents.iter().rev());
        shown.chain(self.retained.doomed.iter().map(|d| &d.extent)).find(|e| e.no == no)
    }
}

/// Whether a view of a span reads an extent; `after` is the one after it in the run.
fn span_needs(span: &SpanRecord, e: &ExtentInfo, after: Option<&ExtentInfo>) -> bool {
    if e.end > span.start && e.start < span.end.plus_ns(LATE_NS) {
        return true;
    }
    // Decoding begins at a key frame, which may lie in the extent before the one in which the span begins.
    let Some(next) = after.filter(|n| e.end <= span.start && n.start < span.end) else { return false };
    !next.entry || span.start < next.start.plus_ns(LEADING_NS)
}

/// A copy as an extent of its run.
fn shown(kept: &KeptExtent) -> ExtentInfo {
    ExtentInfo {
        no: kept.extent,
        init: kept.init,
        epoch: kept.epoch,
        first_part: kept.part,
        last_part: kept.facts.part,
        start: kept.facts.start,
        end: kept.facts.end,
        bytes: kept.bytes,
        sealed: true,
        entry: kept.facts.entry,
    }
}

/// A range without others, which are in order.
pub(crate) fn without(
    range: Range<MediaTime>,
    others: impl Iterator<Item = Range<MediaTime>>,
) -> Vec<Range<MediaTime>> {
    let (mut at, mut left) = (range.start, Vec::new());
    for other in others.filter(|o| o.end > range.start && o.start < range.end) {
        left.push(at..other.start);
        at = at.max(other.end);
    }
    left.push(at..range.end);
    left.retain(|r| r.start < r.end);
    left
}
