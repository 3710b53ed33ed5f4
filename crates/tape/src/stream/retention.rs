//! Letting go of what retention or a person wants gone: first the journal says so and nobody is shown it any more, then,
//! a moment later, the files go. What readers are being sent meanwhile stays readable.

use std::time::Duration;

use media::{MediaTime, StreamName, WallTime};
use uuid::Uuid;

use super::Stream;
use crate::hub::LogEvent;
use crate::ids::{ExtentNo, PartNo, RunId};
use crate::journal::{Record, SpanRecord};
use crate::log::{Fault, Op, Protection};
use crate::plant::{Bug, planted};
use crate::retention::{Fetch, View};
use crate::run::{ExtentInfo, RunInfo};
use crate::state::{Gone, Held, Viewers};

/// The file of a deleted extent stays this long, for those who were told its name just before.
const GRACE: Duration = Duration::from_secs(10);

/// What went.
#[derive(Debug, Clone, Default)]
pub struct Expired {
    /// Extents.
    pub extents: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Recordings of which nothing is left.
    pub vanished: Vec<Uuid>,
    /// Recordings that lost a part.
    pub changed: Vec<Uuid>,
}

impl Stream {
    /// Lets extents go. Those that somebody holds stay, whatever the plan saw. Durable when it returns; the files go
    /// with [`Stream::sweep`].
    pub async fn expire(&self, wanted: &[ExtentNo], viewers: Viewers) -> Result<Expired, Fault> {
        let expired = {
            let mut state = self.lock();
            let now = self.volume.now();
            let Some(gone) = state.expire(wanted, viewers, now) else { return Ok(Expired::default()) };
            let Gone { record, doomed, vanished, changed } = gone;
            self.log.submit([Op::Journal(record)]);
            Expired {
                extents: doomed.len(),
                bytes: doomed.iter().map(|d| d.extent.bytes).sum(),
                vanished: vanished.iter().map(|r| r.asset).collect(),
                changed: changed.iter().map(|r| r.asset).collect(),
            }
        };
        self.changed();
        let told = self.tell_deletions().await;
        let (vanished, changed) = (expired.vanished.clone(), expired.changed.clone());
        self.volume.tell(LogEvent::Expired { stream: self.name().clone(), vanished, changed });
        told.map(|()| expired)
    }

    /// Waits until the journal's lines about deletions are durable. Those that could not be written are written again.
    async fn tell_deletions(&self) -> Result<(), Fault> {
        let waiting: Vec<ExtentNo> = {
            let state = self.lock();
            state.retained.doomed.iter().filter(|d| !d.told).map(|d| d.extent.no).collect()
        };
        if !planted(Bug::UnlinkEarly) {
            self.log.barrier().await.unwrap_or(Ok(()))?;
        }
        let mut state = self.lock();
        for doomed in state.retained.doomed.iter_mut().filter(|d| waiting.contains(&d.extent.no)) {
            doomed.told = true;
        }
        Ok(())
    }

    /// Unlinks what has been deleted for long enough, or at once where space is short. Gives the bytes. Blocking.
    pub fn sweep(&self, viewers: Viewers) -> std::io::Result<u64> {
        let now = self.volume.now();
        let ripe: Vec<ExtentInfo> = {
            let state = self.lock();
            let leased = |no| state.retained.leases.get(&no).is_some_and(|l| l.holds(now));
            let due = |since: Duration| now.saturating_sub(since) >= GRACE;
            let doomed = state.retained.doomed.iter().filter(|d| d.told);
            let ripe = doomed.filter(|d| viewers == Viewers::Yield || (due(d.since) && !leased(d.extent.no)));
            ripe.map(|d| d.extent).collect()
        };
        let mut bytes = 0;
        for extent in ripe {
            self.volume.unlink(self.id, &self.layout, extent.no)?;
            bytes += extent.bytes;
            self.lock().retained.doomed.retain(|d| d.extent.no != extent.no);
        }
        self.lock().retained.leases.retain(|_, lease| lease.holds(now));
        Ok(bytes)
    }

    /// Tries again to note deletions whose line failed. Gives whether all are noted.
    pub async fn retell_deletions(&self) -> bool {
        {
            let state = self.lock();
            let waiting: Vec<_> = state.retained.doomed.iter().filter(|d| !d.told).copied().collect();
            if waiting.is_empty() {
                return true;
            }
            let gone = waiting.iter().map(|d| (d.run, d.extent));
            self.log.submit([Op::Journal(state.deletion(gone, Vec::new()))]);
        }
        self.tell_deletions().await.is_ok()
    }

    /// Bytes whose files are still there although they are deleted.
    pub fn doomed_bytes(&self) -> u64 {
        self.lock().retained.doomed.iter().map(|d| d.extent.bytes).sum()
    }

    /// Protects ranges from every retention. Durable when it returns.
    pub async fn protect(&self, id: Uuid, protection: Protection) -> Result<(), Fault> {
        {
            let mut state = self.lock();
            let Protection { spans, label } = protection.clone();
            if spans.iter().any(|span| state.is_going(span)) {
                return Err(Fault::being_erased());
            }
            state.retained.protected.insert(id, protection);
            self.log.submit([Op::Journal(Record::Protect { id, spans, label })]);
        }
        self.log.barrier().await.unwrap_or(Ok(()))
    }

    /// Ends a protection. Gives whether there was one. Durable when it returns.
    pub async fn unprotect(&self, id: Uuid) -> Result<bool, Fault> {
        {
            let mut state = self.lock();
            if state.retained.protected.remove(&id).is_none() {
                return Ok(false);
            }
            self.log.submit([Op::Journal(Record::Unprotect { id })]);
        }
        self.log.barrier().await.unwrap_or(Ok(())).map(|()| true)
    }

    /// What is protected.
    pub fn protections(&self) -> Vec<(Uuid, Protection)> {
        self.lock().retained.protected.iter().map(|(id, p)| (*id, p.clone())).collect()
    }

    /// Wall times of a stretch of a run, as far as the tape has it.
    pub fn wall_of(&self, span: &SpanRecord) -> Option<std::ops::Range<WallTime>> {
        let run: RunInfo = self.run(span.run, span.start..span.start)?;
        Some(run.clock.wall(span.start)..run.clock.wall(span.end))
    }

    /// A run from media time `from` to `to` in its pieces, oldest first: more than one where something was deleted out
    /// of its middle. Each with the extents of the range and one before.
    pub fn pieces(&self, id: RunId, range: std::ops::Range<MediaTime>) -> Vec<RunInfo> {
        let state = self.lock();
        let Some(run) = state.runs.iter().find(|r| r.id == id) else { return Vec::new() };
        let mut infos = run.infos(|extents| super::overlapping(extents, &range));
        infos.retain(|info| info.end > range.start && info.start < range.end);
        infos
    }
}

impl Fetch for Stream {
    fn name(&self) -> &StreamName {
        Self::name(self)
    }

    fn bytes(&self) -> u64 {
        self.lock().runs.iter().flat_map(|r| &r.extents).map(|e| e.bytes).sum()
    }

    fn oldest(&self, from: PartNo, max: usize) -> Vec<View> {
        let state = self.lock();
        let extents = state.runs.iter().filter_map(|run| {
            let clock = run.clock.as_ref()?;
            let skip = run.extents.partition_point(|e| e.first_part < from);
            Some(run.extents[skip..].iter().filter(|e| e.start < e.end).map(move |e| View {
                no: e.no,
                first_part: e.first_part,
                start: clock.wall(e.start),
                end: clock.wall(e.end),
                bytes: e.bytes,
            }))
        });
        extents.flatten().take(max).collect()
    }

    fn held(&self, no: ExtentNo) -> Held {
        let now = self.volume.now();
        self.lock().held_by_number(no, now).unwrap_or(Held::Open)
    }
}
