//! Packets of one run into parts. A part closes when the packet that would exceed it arrives; a sample whose
//! duration is not known then (its successor has not come) goes into the next part, so that every recorded
//! duration is exact.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media::container::mp4::{FragmentError, init_segment};
use media::{MediaTime, Packet, TrackConfig, TrackKind, WallTime};

use crate::clock::{Anchor, Steering, delay};
use crate::grid::{Grid, GridConfig};
use crate::ids::{ExtentNo, InitId, PartNo, RunId, StreamId};
use crate::part::{Part, PartSource, PartTrack, encode};
use crate::publisher::Arrival;
use crate::trailer::{SegmentMark, Trailer};

/// A track that has sent nothing for this long no longer holds back the edge.
const SILENT_NS: i64 = 2_000_000_000;

/// How many times its length a part may wait for the picture after its key frame.
const HEADLESS_PARTS: i64 = 4;

/// What the assembler is made by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AssemblerConfig {
    pub part_ns: i64,
    pub extent_ns: i64,
    /// An extent ends with the first segment that ends after this long.
    pub rotate_ns: i64,
    pub extent_bytes_max: u64,
    pub grid: GridConfig,
}

/// Numbers that go on over the runs of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counters {
    pub part: PartNo,
    pub extent: ExtentNo,
    /// Of the next segment.
    pub msn: u64,
    /// Of the newest segment.
    pub dsn: u64,
    pub epoch: u32,
    /// The init of the newest extent of this run; a change is a discontinuity.
    pub init: Option<InitId>,
}

/// What the assembler asks of the log, in order.
#[derive(Debug)]
pub(crate) enum Step {
    Extent { no: ExtentNo, init: Bytes, tracks: Arc<[TrackConfig]>, epoch: u32, first_part: PartNo },
    Part(Arc<Part>),
    Seal(ExtentNo),
    Anchor(Anchor),
}

#[derive(Debug)]
struct Pending {
    config: TrackConfig,
    packets: VecDeque<Packet>,
    /// Samples of this track in closed parts of this run.
    closed: u64,
    last_dts: Option<i64>,
    last_duration: u32,
}

/// A track that a change took out of the set, for the case that it comes back.
#[derive(Debug, Clone, Copy)]
struct Gone {
    id: media::TrackId,
    closed: u64,
    last: Option<MediaTime>,
}

impl Pending {
    fn new(config: TrackConfig) -> Self {
        let last_duration =
            config.codec.sound().map_or(config.timescale.hz() / 25, |sound| u32::from(sound.frame_samples));
        Self { config, packets: VecDeque::new(), closed: 0, last_dts: None, last_duration }
    }

    fn media(&self, ticks: i64) -> MediaTime {
        self.config.timescale.media(ticks)
    }

    /// The first decode time that no closed part holds.
    fn next(&self) -> Option<MediaTime> {
        let open = self.packets.front().map(|p| p.dts);
        let ticks = open.or(self.last_dts.map(|d| d + i64::from(self.last_duration)))?;
        Some(self.media(ticks))
    }

    fn newest(&self) -> Option<MediaTime> {
        self.last_dts.map(|d| self.media(d))
    }

    /// Takes the packets whose duration is known; `next_dts` is that of the packet about to come.
    fn take_closable(&mut self, next_dts: Option<i64>, end: Ending) -> Vec<(Packet, u32)> {
        let data = self.config.kind() == TrackKind::Data;
        let keep = usize::from(next_dts.is_none() && end == Ending::Goes && !data);
        let take = self.packets.len().saturating_sub(keep);
        let mut out = Vec::with_capacity(take);
        for _ in 0..take {
            let packet = self.packets.pop_front().expect("counted above");
            let next = self.packets.front().map(|p| p.dts).or(next_dts);
            let duration = match next.map(|n| u32::try_from(n - packet.dts)) {
                Some(Ok(d)) => d,
                _ => self.last_duration,
            };
            self.last_duration = duration;
            out.push((packet, duration));
        }
        self.closed += out.len() as u64;
        out
    }
}

/// Packets of a track that go into a part: the track, the number of the first one in the run, their durations.
type Taken = (usize, u64, Vec<(Packet, u32)>);

/// Whether a track goes on after the part that closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Goes,
    Ends,
}

#[derive(Debug)]
struct OpenExtent {
    no: ExtentNo,
    start: MediaTime,
    end_offset: u64,
}

/// Why the next part begins a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SegmentStart {
    independent: bool,
}

/// The state of one run.
#[derive(Debug)]
pub(crate) struct Assembler {
    config: AssemblerConfig,
    stream: StreamId,
    run: RunId,
    counters: Counters,
    tracks: Vec<Pending>,
    /// At most one for each number a track may have.
    gone: Vec<Gone>,
    extent: Option<OpenExtent>,
    grid: Grid,
    starts: Option<SegmentStart>,
    part_start: Option<MediaTime>,
    steering: Option<Steering>,
    /// Least delay before the first part closes.
    least: Option<i64>,
    /// When the newest packet arrived.
    received: Arrival,
}

impl Assembler {
    /// Begins a run with a fixed set of tracks, in the order of `moov`.
    pub(crate) fn new(
        config: AssemblerConfig,
        ids: (StreamId, RunId),
        counters: Counters,
        tracks: Vec<TrackConfig>,
    ) -> Self {
        Self {
            config,
            stream: ids.0,
            run: ids.1,
            counters,
            tracks: tracks.into_iter().map(Pending::new).collect(),
            gone: Vec::new(),
            extent: None,
            grid: Grid::new(config.grid),
            starts: Some(SegmentStart { independent: true }),
            part_start: None,
            steering: None,
            least: None,
            received: Arrival { mono: Duration::ZERO, wall: WallTime::MIN },
        }
    }

    /// As of a run whose extents are let go one after the other: each holds one segment.
    pub(crate) fn with_an_extent_for_each_segment(mut self) -> Self {
        self.config.rotate_ns = 0;
        self
    }

    /// The numbers to go on with after this run.
    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    /// Leaves out `count` extent numbers, for others to use. Gives the first.
    pub(crate) fn reserve_extents(&mut self, count: u64) -> ExtentNo {
        let first = self.counters.extent;
        self.counters.extent = ExtentNo(first.0 + count);
        first
    }

    /// The run's EXT-X-TARGETDURATION, once known.
    pub(crate) fn target_s(&self) -> Option<u32> {
        self.grid.target_s()
    }

    /// The tracks in force.
    pub(crate) fn tracks(&self) -> impl Iterator<Item = &TrackConfig> {
        self.tracks.iter().map(|t| &t.config)
    }

    /// Number within the run of the sample that a packet of this track pushed next would be.
    pub(crate) fn next_sample(&self, track: media::TrackId) -> Option<u64> {
        let t = self.tracks.iter().find(|t| t.config.id == track)?;
        Some(t.closed + t.packets.len() as u64)
    }

    /// The newest instant before which every frame of every live track has come; `None` before the first.
    pub(crate) fn edge(&self) -> Option<MediaTime> {
        self.least_of(Pending::newest)
    }

    fn complete_to(&self) -> Option<MediaTime> {
        self.least_of(Pending::next)
    }

    fn least_of(&self, at: impl Fn(&Pending) -> Option<MediaTime>) -> Option<MediaTime> {
        let timed = || self.tracks.iter().filter(|t| t.config.kind() != TrackKind::Data);
        let newest = timed().filter_map(Pending::newest).max()?;
        timed().filter(|t| t.newest().is_some_and(|n| newest.since_ns(n) < SILENT_NS)).filter_map(at).min()
    }

    /// Takes a packet that arrived `now`. `None` for a track that is not in the set or a decode time
    /// that does not rise: the packet is dropped.
    pub(crate) fn push(&mut self, packet: Packet, now: Arrival) -> Result<Option<Vec<Step>>, FragmentError> {
        let Some(i) = self.tracks.iter().position(|t| t.config.id == packet.track) else { return Ok(None) };
        if packet.dts < 0 || self.tracks[i].last_dts.is_some_and(|d| packet.dts <= d) {
            return Ok(None);
        }
        let at = self.tracks[i].media(packet.dts);
        let mut steps = Vec::new();
        if self.part_start.is_some() {
            if packet.rap.is_rap() && self.begins_segment(i, at) {
                self.close(Some((i, packet.dts)), Ending::Goes, &mut steps)?;
                self.starts = Some(SegmentStart { independent: true });
            } else if self.due(i, at) {
                self.close(Some((i, packet.dts)), Ending::Goes, &mut steps)?;
            }
        }
        if self.tracks[i].config.kind() != TrackKind::Data {
            self.note_arrival(at, now, &mut steps);
        }
        self.received = now;
        let start = self.part_start.get_or_insert(at);
        *start = (*start).min(at);
        self.tracks[i].last_dts = Some(packet.dts);
        self.tracks[i].packets.push_back(packet);
        Ok(Some(steps))
    }

    /// Whether a random access point of this track begins a new segment. Where the open part begins one anyway, that
    /// one counts from its first picture: sound and data a little before the first key frame belong to its segment.
    fn begins_segment(&self, track: usize, at: MediaTime) -> bool {
        let t = &self.tracks[track];
        let open = match self.starts {
            Some(_) => t.packets.front().map(|p| t.media(p.dts)),
            None => self.grid.start(),
        };
        track == self.main() && open.is_some_and(|start| self.grid.reached(start, at))
    }

    /// Whether the newest closed part is the last of its segment.
    pub(crate) fn segment_ended(&self) -> bool {
        self.starts.is_some()
    }

    fn note_arrival(&mut self, at: MediaTime, now: Arrival, steps: &mut Vec<Step>) {
        match &mut self.steering {
            Some(steering) => steps.extend(steering.arrived(at, now).map(Step::Anchor)),
            None => {
                let late = delay(at, now);
                self.least = Some(self.least.map_or(late, |l| l.min(late)));
            }
        }
    }

    /// The track whose key frames make the grid: pictures if there are any, else sound.
    fn main(&self) -> usize {
        let of = |kind| self.tracks.iter().position(|t| t.config.kind() == kind);
        of(TrackKind::Video).or_else(|| of(TrackKind::Audio)).unwrap_or(0)
    }

    /// Whether a packet at `at` would exceed the part. The main track looks one frame ahead, so that its
    /// packets close the parts and all parts hold the same number of frames.
    fn due(&self, track: usize, at: MediaTime) -> bool {
        let Some(start) = self.part_start else { return false };
        let (t, main) = (&self.tracks[track], self.main());
        let ahead = if track == main { t.media(i64::from(t.last_duration)).0 } else { 0 };
        let long = at.since_ns(start).saturating_add(ahead);
        // A segment's first part has its key frame in it, whose duration only the next picture tells.
        let headless = self.starts.is_some() && track != main && self.tracks[main].packets.len() == 1;
        let limit = if headless { HEADLESS_PARTS * self.config.part_ns } else { self.config.part_ns };
        long > limit
    }

    /// Closes the open part now, leaving what has no known duration: called when nothing arrives.
    pub(crate) fn flush(&mut self) -> Result<Vec<Step>, FragmentError> {
        let mut steps = Vec::new();
        if self.part_start.is_some() {
            self.close(None, Ending::Goes, &mut steps)?;
        }
        Ok(steps)
    }

    /// Ends the run: everything goes into a last part and the extent is sealed.
    pub(crate) fn end(&mut self) -> Result<Vec<Step>, FragmentError> {
        let mut steps = Vec::new();
        if self.part_start.is_some() {
            self.close(None, Ending::Ends, &mut steps)?;
        }
        self.seal(&mut steps);
        Ok(steps)
    }

    /// Goes on with another set of tracks in a new extent and a new segment. Tracks of the new set that are
    /// unchanged keep their open samples; the others are completed.
    pub(crate) fn change_tracks(&mut self, tracks: Vec<TrackConfig>) -> Result<Vec<Step>, FragmentError> {
        let mut steps = Vec::new();
        self.close(None, Ending::Ends, &mut steps)?;
        self.seal(&mut steps);
        self.counters.epoch += 1;
        self.counters.dsn += 1;
        for old in std::mem::take(&mut self.tracks) {
            self.gone.retain(|gone| gone.id != old.config.id);
            self.gone.push(Gone { id: old.config.id, closed: old.closed, last: old.newest() });
        }
        self.tracks = tracks.into_iter().map(Pending::new).collect();
        for track in &mut self.tracks {
            if let Some(before) = self.gone.iter().find(|gone| gone.id == track.config.id) {
                track.closed = before.closed;
                track.last_dts = before.last.map(|at| track.config.timescale.ticks_ceil(at));
            }
        }
        self.starts = Some(SegmentStart { independent: true });
        Ok(steps)
    }

    fn seal(&mut self, steps: &mut Vec<Step>) {
        if let Some(extent) = self.extent.take() {
            steps.push(Step::Seal(extent.no));
        }
    }

    /// Closes the open part. `next` is the packet about to come: its track and decode time.
    fn close(
        &mut self,
        next: Option<(usize, i64)>,
        end: Ending,
        steps: &mut Vec<Step>,
    ) -> Result<(), FragmentError> {
        let Some(start) = self.part_start else { return Ok(()) };
        let taken: Vec<_> = (0..self.tracks.len())
            .map(|i| {
                let next_dts = next.filter(|n| n.0 == i).map(|n| n.1);
                let first = self.tracks[i].closed;
                (i, first, self.tracks[i].take_closable(next_dts, end))
            })
            .filter(|(_, _, packets)| !packets.is_empty())
            .collect();
        if taken.is_empty() {
            return Ok(());
        }
        self.begin_clock(start, steps);
        let until = self.complete_to_after(next).unwrap_or(start);
        let (from, to) = self.main_span(&taken).unwrap_or((start, until));
        let segment = self.segment_for(start, from..to);
        self.place_extent(start, segment, steps);
        let part = self.encode_part(taken, segment, until)?;
        steps.push(Step::Part(Arc::new(part)));
        self.part_start = self.next_part_start(next);
        Ok(())
    }

    /// Where the next part begins: with what is left of this one, unless that is the last sample of a track that has
    /// stopped, which must not make every following part look too long.
    fn next_part_start(&self, next: Option<(usize, i64)>) -> Option<MediaTime> {
        let left = self.tracks.iter().filter_map(|t| Some(t.media(t.packets.front()?.dts))).min();
        let coming = next.map(|(i, dts)| self.tracks[i].media(dts));
        match (left, coming) {
            (Some(l), Some(c)) if c.since_ns(l) > self.config.part_ns / 2 => Some(c),
            (left, _) => left,
        }
    }

    /// As [`Assembler::complete_to`] with the packet about to come counted.
    fn complete_to_after(&self, next: Option<(usize, i64)>) -> Option<MediaTime> {
        let coming = next.map(|(i, dts)| self.tracks[i].media(dts));
        match (self.complete_to(), coming) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn begin_clock(&mut self, start: MediaTime, steps: &mut Vec<Step>) {
        if self.steering.is_none() {
            let least = self.least.unwrap_or_else(|| delay(start, self.received));
            let steering = Steering::new(start, least, self.received);
            steps.push(Step::Anchor(steering.map().last()));
            self.steering = Some(steering);
        }
    }

    /// What a part spans on the track that makes the grid; other tracks may run a little before or behind it.
    fn main_span(&self, taken: &[Taken]) -> Option<(MediaTime, MediaTime)> {
        let main = self.main();
        let (i, _, packets) = taken.iter().find(|t| t.0 == main)?;
        let ((first, _), (last, duration)) = (packets.first()?, packets.last()?);
        let track = &self.tracks[*i];
        Some((track.media(first.dts), track.media(last.dts + i64::from(*duration))))
    }

    fn segment_for(&mut self, start: MediaTime, main: Range<MediaTime>) -> SegmentMark {
        let overdue = self.extent.as_ref().is_some_and(|e| self.full(e, start, 2 * self.config.extent_ns));
        if self.starts.is_none() && (overdue || self.grid.must_cut(main.start, main.end)) {
            self.starts = Some(SegmentStart { independent: false });
        }
        let starts = self.starts.take();
        if starts.is_some() {
            self.grid.begin(main.start);
            self.counters.msn += 1;
        }
        SegmentMark {
            starts: starts.is_some(),
            independent: starts.is_some_and(|s| s.independent),
            msn: self.counters.msn - 1,
            dsn: self.counters.dsn,
        }
    }

    /// Whether an extent has lasted so long, or may not grow.
    fn full(&self, extent: &OpenExtent, now: MediaTime, longest_ns: i64) -> bool {
        let long = now.since_ns(extent.start) >= longest_ns;
        long || extent.end_offset >= self.config.extent_bytes_max
    }

    /// Rotates the extent where a segment begins and the open one is long enough.
    fn place_extent(&mut self, start: MediaTime, segment: SegmentMark, steps: &mut Vec<Step>) {
        let rotate = self.extent.as_ref().is_some_and(|e| self.full(e, start, self.config.rotate_ns));
        if segment.starts && rotate {
            self.seal(steps);
        }
        if self.extent.is_some() {
            return;
        }
        let tracks: Arc<[TrackConfig]> = self.tracks.iter().map(|t| t.config.clone()).collect();
        let init = init_segment(&tracks);
        let no = self.counters.extent;
        self.counters.extent = no.next();
        self.counters.init = Some(InitId::of(&init));
        self.extent = Some(OpenExtent { no, start, end_offset: init.len() as u64 });
        let (epoch, first_part) = (self.counters.epoch, self.counters.part);
        steps.push(Step::Extent { no, init, tracks, epoch, first_part });
    }

    fn encode_part(
        &mut self,
        taken: Vec<Taken>,
        segment: SegmentMark,
        until: MediaTime,
    ) -> Result<Part, FragmentError> {
        let anchor = self.steering.as_ref().expect("begun before the first part").map().last();
        let trailer = Trailer {
            stream: self.stream,
            run: self.run,
            epoch: self.counters.epoch,
            init: self.counters.init.expect("set with the extent"),
            part: self.counters.part,
            segment,
            received: self.received.wall,
            anchor,
            capture: None,
            target_s: self.grid.target_s().unwrap_or(0),
            tracks: Vec::new(),
            raps: Vec::new(),
        };
        let tracks = taken
            .into_iter()
            .map(|(i, first_in_run, packets)| PartTrack {
                config: &self.tracks[i].config,
                first_in_run,
                packets,
            })
            .collect();
        let (index, chunks) = encode(PartSource { tracks, trailer })?;
        self.counters.part = self.counters.part.next();
        let extent = self.extent.as_mut().expect("placed above");
        let offset = extent.end_offset;
        extent.end_offset += u64::from(index.len);
        Ok(Part { run: self.run, extent: extent.no, offset, index, complete_to: until, chunks })
    }
}
