//! A stream: one name, one tape, at most one publisher, any number of readers. Readers take snapshots and hold
//! nothing.

mod erase;
mod retention;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use media::{MediaTime, Packet, StreamName, TrackConfig, WallTime};
use thiserror::Error;
use tokio::sync::watch;
use uuid::Uuid;

use crate::gap::{Gap, GapReason};
use crate::hub::{LogEvent, Volume};
use crate::ids::{ExtentNo, InitId, PartNo, RunId, StreamId};
use crate::index::ExtentIndex;
use crate::journal::{AskedClip, EndReason, Record, SpanRecord};
use crate::live::Assembler;
use crate::log::{CommitSink, Fault, Layout, LogHandle, Op, Outcome};
use crate::publisher::{Arrival, PublishError, Publisher, PublisherInfo};
use crate::read::{LiveCursor, LiveItem, Piece, ReadError};
use crate::run::{ExtentInfo, RecordingSpan, RunInfo};
use crate::state::{Effects, Live, State};

pub use erase::{EraseError, Erased};
pub use retention::Expired;

/// A publisher with the same key may take over from one that has been silent this long.
const TAKEOVER_SILENCE: Duration = Duration::from_secs(2);
/// The open part of a publisher that sends nothing is closed after this long.
const FLUSH_AFTER: Duration = Duration::from_secs(1);
/// The run of a publisher that is connected and sends nothing ends after this long, at its last packet: what comes then
/// is on the wall clock anew. As long as a source's clock may jump before that is a new run
/// ([`media::time::FORWARD_MS_MAX`]); encoders on bad links stall for seconds, send what they held back, and lose
/// nothing. The connection is left alone.
pub const STALL_AFTER: Duration = Duration::from_secs(10);
/// The bit rate is measured over this long.
const RATE_OVER: Duration = Duration::from_secs(5);
/// Most bytes that wait for the volume; beyond it recording stops with a gap and live goes on.
pub(crate) const BACKLOG_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Where a recording is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplitAt {
    /// At the edge, every frame shown before which has been received, moved back to the picture on screen there.
    Edge,
    /// At the newest key frame received.
    Key,
}

/// A cut that was made and is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The run that was cut.
    pub run: RunId,
    /// The cut.
    pub at: MediaTime,
    /// Its wall time.
    pub wall: WallTime,
    /// The asset that ends here.
    pub closed: RecordingSpan,
    /// The asset that begins here.
    pub opened: Uuid,
}

/// Why a recording cannot be cut.
#[derive(Debug, Clone, Error)]
pub enum SplitError {
    /// Nobody publishes, or nothing has been recorded yet.
    #[error("{0} is not being recorded")]
    NotRecording(StreamName),
    /// Nothing was recorded since the last cut.
    #[error("nothing was recorded since the last cut")]
    Empty,
    /// The journal could not be written.
    #[error("the cut could not be recorded: {0}")]
    Log(#[from] Fault),
}

/// Facts about a stream for people.
#[derive(Debug, Clone)]
pub struct StreamStats {
    /// Who publishes, since when and with which tracks; `None` when offline.
    pub publisher: Option<(PublisherInfo, WallTime)>,
    /// Tracks of the publisher, or of the newest recording.
    pub tracks: Arc<[TrackConfig]>,
    /// Bits per second over the last seconds.
    pub bitrate: u64,
    /// Bytes of all extents.
    pub bytes: u64,
    /// Wall time up to which the newest run is durable.
    pub durable_until: Option<WallTime>,
    /// Bytes in the live ring that no file has yet.
    pub unwritten: u64,
    /// Packets dropped from the publisher for times that do not rise or tracks that are not announced.
    pub dropped: u64,
}

/// See the module. Always behind an `Arc`.
#[derive(Debug)]
pub struct Stream {
    id: StreamId,
    name: StreamName,
    created: WallTime,
    volume: Arc<Volume>,
    layout: Layout,
    log: Arc<LogHandle>,
    state: Mutex<State>,
    changes: watch::Sender<u64>,
    arrivals: watch::Sender<u64>,
    removals: watch::Sender<(u64, String)>,
    viewers: AtomicU64,
}

impl Stream {
    pub(crate) fn new(
        ids: (StreamId, StreamName, WallTime),
        volume: Arc<Volume>,
        log: Arc<LogHandle>,
        state: State,
    ) -> Arc<Self> {
        let layout = Layout::new(volume.tape_dir(), ids.0);
        let stream = Arc::new(Self {
            id: ids.0,
            name: ids.1,
            created: ids.2,
            volume,
            layout,
            log,
            state: Mutex::new(state),
            changes: watch::Sender::new(0),
            arrivals: watch::Sender::new(0),
            removals: watch::Sender::new((0, String::new())),
            viewers: AtomicU64::new(0),
        });
        let sink: Arc<dyn CommitSink> = stream.clone();
        stream.log.tell(Arc::downgrade(&sink));
        stream
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Its identity on disk.
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// Its name.
    pub fn name(&self) -> &StreamName {
        &self.name
    }

    /// When it was first published.
    pub fn created(&self) -> WallTime {
        self.created
    }

    /// Viewers now, over all protocols. Whoever serves one adds it and takes it away.
    pub fn viewers(&self) -> &AtomicU64 {
        &self.viewers
    }

    // ---- the timeline ----

    /// Runs that overlap a range, oldest first, each with the extents that overlap it and one before, for
    /// pre-roll.
    pub fn runs(&self, range: Range<WallTime>) -> Vec<RunInfo> {
        let state = self.lock();
        let infos = state.runs.iter().flat_map(|run| {
            let Some(clock) = run.clock.as_ref() else { return Vec::new() };
            let spans = clock.spans(&range, MediaTime::MIN..MediaTime::MAX);
            let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return Vec::new() };
            let mut infos = run.infos(|extents| overlapping(extents, &(first.start..last.end)));
            infos.retain(|info| spans.iter().any(|s| s.end > info.start && s.start < info.end));
            infos
        });
        infos.collect()
    }

    /// One run with its extents from media time `from` to `to`, and one before. Of a run in pieces, the first that
    /// reaches behind `from`, or the last.
    pub fn run(&self, id: RunId, range: Range<MediaTime>) -> Option<RunInfo> {
        let state = self.lock();
        let run = state.runs.iter().find(|r| r.id == id)?;
        let mut infos = run.infos(|extents| overlapping(extents, &range));
        let found = infos.iter().position(|info| info.end > range.start).or(infos.len().checked_sub(1))?;
        Some(infos.swap_remove(found))
    }

    /// The extent that holds a part of a run. One that retention took a moment ago is still there for those who know
    /// its name.
    pub fn extent_of(&self, run: RunId, part: PartNo) -> Option<ExtentNo> {
        let state = self.lock();
        let holds = |e: &ExtentInfo| e.first_part <= part && part <= e.last_part;
        let holder = |extents: &[ExtentInfo]| {
            let after = extents.partition_point(|e| e.first_part <= part);
            extents.get(after.checked_sub(1)?).filter(|e| holds(e)).map(|e| e.no)
        };
        if let Some(shown) = state.passing_runs().find(|r| r.id == run) {
            return holder(&shown.extents);
        }
        let shown = || holder(&state.runs.iter().rev().find(|r| r.id == run)?.extents);
        let doomed = || state.retained.doomed.iter().find(|d| d.run == run && holds(&d.extent));
        shown().or_else(|| doomed().map(|d| d.extent.no))
    }

    /// Wall time of the oldest media, and of the end of what can be read now.
    pub fn window(&self) -> Option<Range<WallTime>> {
        let state = self.lock();
        let mut infos =
            state.runs.iter().filter_map(|r| Some((r.clock.as_ref()?, r.extents.first()?.start, r)));
        let (clock, start, first) = infos.next()?;
        let (last_clock, _, last) = infos.next_back().unwrap_or((clock, start, first));
        Some(clock.wall(start)..last_clock.wall(last.closed_end))
    }

    /// Stretches without media that overlap a range: between runs, and up to now while somebody publishes and nothing
    /// is recorded.
    pub fn gaps(&self, range: Range<WallTime>) -> Vec<Gap> {
        let gaps = self.lock().gaps().into_iter();
        gaps.filter(|g| g.start < range.end && g.end > range.start).collect()
    }

    /// As [`Stream::runs`], and with them what is only in memory and on no tape: runs that are shown while nothing can
    /// be recorded. For the live edge; what is made of them is soon gone.
    pub fn shown_runs(&self, range: Range<WallTime>) -> Vec<RunInfo> {
        let mut runs = self.runs(range.clone());
        let overlaps = |r: &RunInfo| r.clock.wall(r.end) > range.start && r.wall_start() < range.end;
        runs.extend(self.lock().passing_runs().filter(overlaps));
        runs.sort_by_key(|r| r.id);
        runs
    }

    /// As [`Stream::window`], with what is only shown.
    pub fn shown_window(&self) -> Option<Range<WallTime>> {
        let recorded = self.window();
        let shown: Vec<_> = self.lock().passing_runs().map(|r| r.wall_start()..r.wall_end()).collect();
        let both = |a: Range<WallTime>, b: Range<WallTime>| a.start.min(b.start)..a.end.max(b.end);
        recorded.into_iter().chain(shown).reduce(both)
    }

    /// Why nothing is recorded although somebody publishes; `None` while all is well.
    pub fn halted(&self) -> Option<GapReason> {
        let state = self.lock();
        state.halted.filter(|_| state.live.is_some())
    }

    /// The newest run, and how far it has been received, in its own and in wall time.
    pub fn edge(&self) -> Option<(RunId, MediaTime, WallTime)> {
        let state = self.lock();
        let run = state.runs.iter().rev().find(|r| !r.extents.is_empty())?;
        let at = run.edge.max(run.closed_end);
        Some((run.id, at, run.clock.as_ref()?.wall(at)))
    }

    /// The tracks that an initialisation segment describes.
    pub fn tracks(&self, init: &InitId) -> Option<Arc<[TrackConfig]>> {
        self.lock().inits.get(init).map(|i| i.tracks.clone())
    }

    /// The bytes of an initialisation segment.
    pub fn init_segment(&self, init: &InitId) -> Option<Bytes> {
        self.lock().inits.get(init).map(|i| i.bytes.clone())
    }

    /// Recordings: every run, cut at its splits, oldest first.
    pub fn recordings(&self) -> Vec<RecordingSpan> {
        self.lock().runs.iter().flat_map(crate::state::RunState::recordings).collect()
    }

    /// What clips hold, by asset.
    pub fn pins(&self) -> Vec<(Uuid, Vec<SpanRecord>)> {
        self.lock().pins.iter().map(|(id, spans)| (*id, spans.clone())).collect()
    }

    /// A clip as it was asked for and what it shows, also once it holds nothing as it has a file of its own.
    pub fn clip(&self, asset: Uuid) -> Option<(Vec<SpanRecord>, AskedClip)> {
        self.lock().clips.get(&asset).cloned()
    }

    /// Facts for people. `now` is on the clock of [`Arrival::mono`].
    pub fn stats(&self, now: Duration) -> StreamStats {
        let state = self.lock();
        let newest = state.runs.iter().rev().find(|r| !r.extents.is_empty());
        let recorded =
            || newest.and_then(|r| state.inits.get(&r.extents.last()?.init)).map(|i| i.tracks.clone());
        let live = state.live.as_ref();
        let tracks = live.map(|l| l.tracks.clone()).filter(|t| !t.is_empty()).or_else(recorded);
        StreamStats {
            publisher: live.map(|l| (l.info.clone(), l.since.wall)),
            tracks: tracks.unwrap_or_else(|| Arc::new([])),
            bitrate: live.map_or(0, |l| bitrate(l, now)),
            bytes: state.runs.iter().flat_map(|r| &r.extents).map(|e| e.bytes).sum(),
            durable_until: state.runs.iter().rev().find_map(crate::state::RunState::wall_durable),
            unwritten: state.ring.unwritten_bytes(),
            dropped: live.map_or(0, |l| l.dropped + l.opening.dropped),
        }
    }

    // ---- reading ----

    /// The index of an extent: a snapshot of the growing one, the cached one of a sealed one. May read a file.
    pub fn index(&self, no: ExtentNo) -> Result<Arc<ExtentIndex>, ReadError> {
        let bytes = {
            let state = self.lock();
            if let Some(open) = state.open.as_ref().filter(|i| i.no == no) {
                return Ok(open.clone());
            }
            if let Some(shown) = state.passing_index(no) {
                return Ok(shown);
            }
            state.find_extent(no).map(|e| e.bytes).ok_or(ReadError::Gone(no))?
        };
        self.volume.index(self.id, &self.layout, no, bytes).map_err(|error| ReadError::Io { no, error })
    }

    /// Bytes of an extent: shared memory for parts that the ring still holds, file ranges for the rest. Opens the
    /// file when needed and reads nothing.
    ///
    /// Whoever is sent it is a viewer: the extent and the next ones are held for him for a moment.
    pub fn read(&self, no: ExtentNo, range: Range<u64>) -> Result<Vec<Piece>, ReadError> {
        self.lock().lease(no, self.volume.now());
        self.peek(no, range)
    }

    /// The same for the house's own needs: holds nothing.
    pub fn peek(&self, no: ExtentNo, range: Range<u64>) -> Result<Vec<Piece>, ReadError> {
        let mut pieces = Vec::new();
        let mut at = range.start;
        {
            let state = self.lock();
            for part in state.ring.parts().filter(|p| p.extent == no) {
                let end = part.offset + u64::from(part.index.len);
                if part.offset > at || end <= at || at >= range.end {
                    continue;
                }
                let to = range.end.min(end);
                let mem = part.slice(at - part.offset, to - part.offset);
                pieces.extend(mem.into_iter().map(Piece::Mem));
                at = to;
            }
        }
        if at == range.end {
            return Ok(pieces);
        }
        // Some of it has left the ring. What is in the file is the same bytes.
        let file = self.volume.file(self.id, &self.layout, no).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => ReadError::Gone(no),
            _ => ReadError::Io { no, error },
        })?;
        if at == range.start {
            return self.read_mixed(no, file, range);
        }
        pieces.push(Piece::File { file, range: at..range.end });
        Ok(pieces)
    }

    /// A file range up to the first part that only memory holds, then memory.
    fn read_mixed(
        &self,
        no: ExtentNo,
        file: Arc<dyn crate::FileIo>,
        range: Range<u64>,
    ) -> Result<Vec<Piece>, ReadError> {
        let state = self.lock();
        let mut unwritten = state.ring.unwritten().filter(|p| p.extent == no).peekable();
        let file_end = unwritten.peek().map_or(range.end, |p| p.offset.clamp(range.start, range.end));
        let mut pieces = vec![Piece::File { file, range: range.start..file_end }];
        for part in unwritten {
            let (from, to) =
                (part.offset.max(file_end), range.end.min(part.offset + u64::from(part.index.len)));
            if from < to {
                pieces.extend(part.slice(from - part.offset, to - part.offset).into_iter().map(Piece::Mem));
            }
        }
        pieces.retain(|p| !p.is_empty());
        Ok(pieces)
    }

    /// Rises whenever a part closes, a run begins or ends, or more becomes durable.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits until a run is durable up to `until`, or will never be. Says which.
    pub async fn wait_durable(&self, run: RunId, until: MediaTime) -> bool {
        let mut changes = self.changes();
        loop {
            changes.mark_unchanged();
            {
                let state = self.lock();
                match state.runs.iter().rev().find(|r| r.id == run) {
                    Some(r) if r.durable_end >= until => return true,
                    Some(r) if r.ended.is_some() && r.durable_end >= r.closed_end => {
                        return r.closed_end >= until;
                    }
                    Some(_) => {}
                    None => return false,
                }
            }
            if changes.changed().await.is_err() {
                return false;
            }
        }
    }

    /// A place at the live edge: the newest key frame, from which a viewer can begin at once.
    pub fn live_cursor(self: &Arc<Self>) -> LiveCursor {
        let next = self.lock().ring.newest_entry();
        LiveCursor::new(self.clone(), next, self.arrivals.subscribe())
    }

    pub(crate) fn live_item(&self, seq: u64) -> Option<LiveItem> {
        let state = self.lock();
        if state.ring.lost(seq) {
            let entry = state.ring.newest_entry();
            return Some(LiveItem::Skipped(entry.saturating_sub(seq)));
        }
        state.ring.packet(seq).cloned().map(LiveItem::Packet)
    }

    // ---- control ----

    /// Asks the publisher to leave. Gives whether there was one.
    pub fn kick(&self, reason: &str) -> bool {
        let mut effects = Effects::default();
        let token = {
            let mut state = self.lock();
            let Some(token) = state.live.as_ref().map(|l| l.token) else { return false };
            state.end_run(EndReason::Kicked, &mut effects);
            state.live = None;
            token
        };
        self.removals.send_replace((token, reason.to_owned()));
        self.act(effects);
        true
    }

    /// Cuts the recording. Durable when it returns.
    pub async fn split(&self, at: SplitAt) -> Result<Split, SplitError> {
        let split = {
            let mut state = self.lock();
            let state = &mut *state;
            let key = state.ring.newest_key();
            let run = state.runs.last_mut().filter(|r| r.ended.is_none() && !r.extents.is_empty());
            let run = run.ok_or_else(|| SplitError::NotRecording(self.name.clone()))?;
            let cut = match at {
                // Every picture up to there is known, so that a recording is what its two cuts tell and is never
                // without a picture.
                SplitAt::Edge => state.ring.shown_at(run.id, run.edge).unwrap_or(run.edge),
                SplitAt::Key => key.filter(|k| k.0 == run.id).map_or(run.edge, |k| k.1),
            };
            let open = run.recordings().pop().ok_or_else(|| SplitError::NotRecording(self.name.clone()))?;
            if cut <= open.start {
                return Err(SplitError::Empty);
            }
            let opened = Uuid::now_v7();
            run.splits.push((cut, opened));
            let wall = run.clock.as_ref().map_or(WallTime(0), |c| c.wall(cut));
            let closed = RecordingSpan { end: Some(cut), wall_end: wall, ..open };
            self.log.submit([Op::Journal(Record::Split { run: run.id, at: cut, asset: opened })]);
            Split { run: run.id, at: cut, wall, closed, opened }
        };
        self.log.barrier().await.unwrap_or(Ok(()))?;
        self.changed();
        let event = LogEvent::Split { stream: self.name.clone(), split: split.clone() };
        self.volume.tell(event);
        Ok(split)
    }

    /// Holds ranges for an asset. Durable when it returns.
    pub async fn pin(
        &self,
        asset: Uuid,
        spans: Vec<SpanRecord>,
        asked: Option<AskedClip>,
    ) -> Result<(), Fault> {
        {
            let mut state = self.lock();
            if spans.iter().any(|span| state.is_going(span)) {
                return Err(Fault::being_erased());
            }
            state.pins.insert(asset, spans.clone());
            if let Some(asked) = &asked {
                state.clips.insert(asset, (spans.clone(), asked.clone()));
            }
            self.log.submit([Op::Journal(Record::Pin { asset, spans, asked })]);
        }
        self.log.barrier().await.unwrap_or(Ok(()))
    }

    /// Lets an asset's ranges go. Durable when it returns.
    pub async fn unpin(&self, asset: Uuid) -> Result<(), Fault> {
        {
            let mut state = self.lock();
            if state.pins.remove(&asset).is_none() {
                return Ok(());
            }
            self.log.submit([Op::Journal(Record::Unpin { asset })]);
        }
        self.log.barrier().await.unwrap_or(Ok(()))
    }

    // ---- publishing ----

    pub(crate) fn removals(&self) -> watch::Receiver<(u64, String)> {
        self.removals.subscribe()
    }

    pub(crate) fn publish(
        self: &Arc<Self>,
        info: PublisherInfo,
        now: Arrival,
    ) -> Result<Publisher, PublishError> {
        let mut effects = Effects::default();
        let mut replaced = None;
        let token = {
            let mut state = self.lock();
            if let Some(live) = &state.live {
                let silent = now.mono.saturating_sub(live.last.mono);
                if live.info.key != info.key || silent < TAKEOVER_SILENCE {
                    return Err(PublishError::Busy {
                        name: self.name.clone(),
                        remote: live.info.remote.clone(),
                        since_ms: now.mono.saturating_sub(live.since.mono).as_millis(),
                        silent_ms: silent.as_millis(),
                    });
                }
                replaced = Some(live.token);
                state.end_run(EndReason::Takeover, &mut effects);
            }
            let token = state.next_token;
            state.next_token += 1;
            state.live = Some(Live::new(token, info, now));
            token
        };
        if let Some(old) = replaced {
            self.removals.send_replace((old, "another publisher with the same key took over".to_owned()));
        }
        self.act(effects);
        Ok(Publisher::new(self.clone(), token, now))
    }

    pub(crate) fn set_tracks(&self, token: u64, tracks: Vec<TrackConfig>) {
        let mut effects = Effects::default();
        {
            let mut state = self.lock();
            state.set_tracks(token, tracks, &mut effects);
        }
        self.act(effects);
    }

    /// Takes a packet; `false` when this publisher has been removed.
    pub(crate) fn push(&self, token: u64, packet: Packet, now: Arrival) -> bool {
        let mut effects = Effects::default();
        {
            let mut state = self.lock();
            if state.live.as_ref().is_none_or(|l| l.token != token) {
                return false;
            }
            let config = self.volume.assembler();
            let make = |counters, run, tracks| Assembler::new(config, (self.id, run), counters, tracks);
            state.push(packet, now, &make, &mut effects);
        }
        self.act(effects);
        self.arrivals.send_modify(|n| *n += 1);
        true
    }

    pub(crate) fn end_run(&self, token: u64, reason: EndReason) {
        let mut effects = Effects::default();
        {
            let mut state = self.lock();
            if state.live.as_ref().is_some_and(|l| l.token == token) {
                state.end_run(reason, &mut effects);
            }
        }
        self.act(effects);
    }

    pub(crate) fn unpublish(&self, token: u64, reason: EndReason) {
        let mut effects = Effects::default();
        {
            let mut state = self.lock();
            if state.live.as_ref().is_none_or(|l| l.token != token) {
                return;
            }
            state.end_run(reason, &mut effects);
            state.live = None;
        }
        effects.closed = true;
        self.act(effects);
    }

    /// Ends whatever is being published: the server stops.
    pub(crate) fn shut(&self) {
        let token = self.lock().live.as_ref().map(|l| l.token);
        if let Some(token) = token {
            self.unpublish(token, EndReason::Shutdown);
            self.removals.send_replace((token, "the server is shutting down".to_owned()));
        }
    }

    /// Ends the run of a publisher that has gone quiet for long.
    pub(crate) fn end_if_stalled(&self, now: Duration) {
        let mut effects = Effects::default();
        {
            let mut state = self.lock();
            let stalled = |live: &Live| now.saturating_sub(live.last.mono) >= STALL_AFTER;
            if !state.live.as_ref().is_some_and(|live| live.assembler.is_some() && stalled(live)) {
                return;
            }
            state.end_run(EndReason::Gap(GapReason::SourceStalled), &mut effects);
        }
        let (stream, seconds) = (&self.name, STALL_AFTER.as_secs());
        tracing::warn!(%stream, seconds, "the publisher is connected and sends nothing; its run has ended");
        self.act(effects);
    }

    /// Closes the open part of a publisher that has gone quiet.
    pub(crate) fn flush_if_quiet(&self, now: Duration) {
        let mut effects = Effects::default();
        {
            let mut state = self.lock();
            let quiet = state.live.as_ref().is_some_and(|l| now.saturating_sub(l.last.mono) >= FLUSH_AFTER);
            if !quiet {
                return;
            }
            let live = state.live.as_mut().expect("seen above");
            match live.assembler.as_mut().map(Assembler::flush) {
                Some(Ok(steps)) => state.apply(steps, &mut effects),
                Some(Err(error)) => tracing::error!(%error, stream = %self.name, "a part cannot be made"),
                None => {}
            }
        }
        self.act(effects);
    }

    /// What follows from a change of state, without the lock.
    fn act(&self, effects: Effects) {
        let told = effects.closed || effects.started.is_some();
        self.log.submit(effects.ops);
        for no in effects.cut {
            self.volume.forget_index(self.id, no);
        }
        for index in effects.sealed {
            self.volume.cache_index(self.id, index);
        }
        if let Some(run) = effects.started {
            self.volume.tell(LogEvent::RunStarted { stream: self.name.clone(), run });
        }
        for run in effects.ended {
            self.volume.tell(LogEvent::RunEnded { stream: self.name.clone(), run });
        }
        if told {
            self.changed();
        }
    }

    fn changed(&self) {
        self.changes.send_modify(|n| *n += 1);
    }
}

impl CommitSink for Stream {
    fn committed(&self, outcome: Outcome) {
        let mut effects = Effects { closed: true, ..Effects::default() };
        let (lost, resumed) = {
            let mut state = self.lock();
            let before = state.halted;
            let lost = state.committed(&outcome, &mut effects);
            (lost, before.filter(|_| state.halted.is_none()))
        };
        if let Some(reason) = resumed {
            let stream = &self.name;
            tracing::info!(%stream, %reason, "the volume takes media again; recording goes on at the next key frame");
        }
        if let (Some(reason), Some(fault)) = (lost, &outcome.fault) {
            let stream = &self.name;
            tracing::error!(event = "disk_fault", %stream, %reason, %fault, "recording stopped; live goes on, recording is tried again");
        }
        self.act(effects);
    }
}

/// The extents that a range overlaps, and the one before, for pre-roll.
fn overlapping(extents: &[ExtentInfo], range: &Range<MediaTime>) -> Range<usize> {
    let a = extents.partition_point(|e| e.end <= range.start).saturating_sub(1);
    let b = extents.partition_point(|e| e.start < range.end);
    a.min(b)..b
}

fn bitrate(live: &Live, now: Duration) -> u64 {
    let recent = live.rate.iter().filter(|(at, _)| now.saturating_sub(*at) <= RATE_OVER);
    let Some(&(from, _)) = live.rate.iter().find(|(at, _)| now.saturating_sub(*at) <= RATE_OVER) else {
        return 0;
    };
    let bytes: u64 = recent.skip(1).map(|(_, b)| b).sum();
    let over = live.rate.back().map_or(Duration::ZERO, |(at, _)| at.saturating_sub(from));
    if over.is_zero() { 0 } else { (bytes as f64 * 8.0 / over.as_secs_f64()) as u64 }
}
