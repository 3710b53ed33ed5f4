//! The newest packets and parts of a stream in memory. Packets serve live viewers, parts serve every view
//! of the edge and stay until they are written. Payloads are shared between the two.

use std::collections::VecDeque;
use std::sync::Arc;

use media::{MediaTime, Packet, TrackConfig, TrackKind};

use crate::ids::{PartNo, RunId};
use crate::part::Part;
use crate::publisher::Arrival;

/// A picture that came longer ago than this does not pull a cut to it: the slowest rate at which clips are cut
/// at pictures.
const SHOWN_NS_MAX: i64 = 1_000_000_000;

/// A packet as live readers get it.
#[derive(Debug, Clone)]
pub struct LivePacket {
    /// Order of arrival within the stream; rises by one.
    pub seq: u64,
    /// Its run.
    pub run: RunId,
    /// Its number among its track's samples in the run: where it stands in the parts.
    pub sample: u64,
    /// Decode time on the run's timeline.
    pub at: MediaTime,
    /// A key frame of the main track: where a viewer can begin.
    pub entry: bool,
    /// The tracks in force, so that a reader sees a change of headers where it happens.
    pub tracks: Arc<[TrackConfig]>,
    /// Whole seconds that the run's timeline lies after the source's.
    pub shift_s: i64,
    /// When it came.
    pub arrived: Arrival,
    /// The packet.
    pub packet: Packet,
}

impl LivePacket {
    /// Whether two packets have the same tracks: no header lies between them.
    pub fn same_tracks(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.tracks, &other.tracks)
    }
}

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RingLimits {
    /// Most bytes of payload, parts that are not written yet aside.
    pub bytes_max: u64,
    /// At least this much media, within the bytes.
    pub keep_ns: i64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Ring {
    limits: RingLimits,
    packets: VecDeque<LivePacket>,
    packet_bytes: u64,
    next_seq: u64,
    parts: VecDeque<Arc<Part>>,
    part_bytes: u64,
    /// Parts below this number are in their file.
    written: PartNo,
    /// Parts that are in no file and never will be.
    loose: VecDeque<Arc<Part>>,
    loose_bytes: u64,
    /// EXT-X-TARGETDURATION in ns.
    target_ns: i64,
    /// The oldest run that goes on into the newest without a frame between them.
    since_run: RunId,
    entries: [MediaTime; 2],
}

impl Ring {
    pub(crate) fn new(limits: RingLimits, written: PartNo) -> Self {
        Self {
            limits,
            packets: VecDeque::new(),
            packet_bytes: 0,
            next_seq: 0,
            parts: VecDeque::new(),
            part_bytes: 0,
            written,
            loose: VecDeque::new(),
            loose_bytes: 0,
            target_ns: 0,
            since_run: RunId(0),
            entries: [MediaTime::MIN; 2],
        }
    }

    /// Media kept: four targets, and two groups of pictures.
    fn keep_ns(&self) -> i64 {
        let gop = self.entries[1].since_ns(self.entries[0]).clamp(0, 60_000_000_000);
        self.limits.keep_ns.max(2 * gop).max(4 * self.target_ns)
    }

    /// The same for parts that are in no file: segments go as a whole, and four of them are to be there.
    fn keep_loose_ns(&self) -> i64 {
        self.keep_ns().saturating_add(self.target_ns.max(self.limits.keep_ns / 4))
    }

    /// Notes the target duration of segments.
    pub(crate) fn target(&mut self, seconds: u32) {
        self.target_ns = i64::from(seconds) * 1_000_000_000;
    }

    /// Notes that a run begins with its next packet that does not go on where the one before ended.
    pub(crate) fn anew(&mut self, run: RunId) {
        self.since_run = run;
    }

    pub(crate) fn push_packet(&mut self, mut live: LivePacket) {
        live.seq = self.next_seq;
        self.next_seq += 1;
        if live.entry {
            self.entries =
                [self.entries[1].max(MediaTime(live.at.0.saturating_sub(60_000_000_000))), live.at];
        }
        self.packet_bytes += live.packet.data.len() as u64;
        let newest = (live.run, live.at, live.arrived.mono);
        self.packets.push_back(live);
        let keep = self.keep_ns();
        while let Some(front) = self.packets.front() {
            // Timelines of two runs have nothing in common.
            let age_ns = match front.run == newest.0 {
                true => newest.1.since_ns(front.at),
                false => {
                    i64::try_from(newest.2.saturating_sub(front.arrived.mono).as_nanos()).unwrap_or(i64::MAX)
                }
            };
            let old = front.run < self.since_run.min(newest.0) || age_ns > keep;
            if !(old || self.packet_bytes > self.limits.bytes_max) || self.packets.len() == 1 {
                break;
            }
            self.packet_bytes -= front.packet.data.len() as u64;
            self.packets.pop_front();
        }
    }

    /// The packet with this number, or the oldest kept one after it.
    pub(crate) fn packet(&self, seq: u64) -> Option<&LivePacket> {
        let first = self.packets.front()?.seq;
        self.packets.get(usize::try_from(seq.saturating_sub(first)).ok()?)
    }

    /// Whether the packet with this number has already been let go.
    pub(crate) fn lost(&self, seq: u64) -> bool {
        seq < self.packets.front().map_or(self.next_seq, |p| p.seq)
    }

    /// The newest packet where a viewer can begin; after the newest packet when there is none.
    pub(crate) fn newest_entry(&self) -> u64 {
        self.packets.iter().rev().find(|p| p.entry).map_or(self.next_seq, |p| p.seq)
    }

    /// Run and decode time of the newest key frame.
    pub(crate) fn newest_key(&self) -> Option<(RunId, MediaTime)> {
        let found = self.packets.iter().rev().find(|p| p.entry)?;
        let scale = found.tracks.iter().find(|t| t.id == found.packet.track)?.timescale;
        Some((found.run, scale.media(found.packet.pts())))
    }

    /// When the picture on screen at an instant of a run was shown first. `None` without one that is kept, or
    /// where the last one was long before and there is only sound since.
    pub(crate) fn shown_at(&self, run: RunId, at: MediaTime) -> Option<MediaTime> {
        let pictures = self.packets.iter().filter(|p| p.run == run).filter_map(|p| {
            let track = p.tracks.iter().find(|t| t.kind() == TrackKind::Video)?;
            (track.id == p.packet.track).then(|| track.timescale.media(p.packet.pts()))
        });
        pictures.filter(|shown| *shown <= at).max().filter(|shown| at.since_ns(*shown) <= SHOWN_NS_MAX)
    }

    pub(crate) fn push_part(&mut self, part: Arc<Part>) {
        self.part_bytes += u64::from(part.index.len);
        self.parts.push_back(part);
        self.trim_parts();
    }

    /// Notes that parts below `next` are in their file.
    pub(crate) fn written(&mut self, next: PartNo) {
        self.written = self.written.max(next);
        self.trim_parts();
    }

    fn trim_parts(&mut self) {
        let Some(newest) = self.parts.back().map(|p| (p.run, p.complete_to)) else { return };
        let keep = self.keep_ns();
        while let Some(front) = self.parts.front() {
            let old = front.run != newest.0 || newest.1.since_ns(front.complete_to) > keep;
            if front.no() >= self.written || !(old || self.part_bytes > self.limits.bytes_max) {
                break;
            }
            self.part_bytes -= u64::from(front.index.len);
            self.parts.pop_front();
        }
    }

    /// Parts that are not in their file yet, oldest first.
    pub(crate) fn unwritten(&self) -> impl Iterator<Item = &Arc<Part>> {
        let from = self.parts.partition_point(|p| p.no() < self.written);
        self.parts.iter().skip(from)
    }

    /// Bytes of parts that are not in their file yet.
    pub(crate) fn unwritten_bytes(&self) -> u64 {
        self.unwritten().map(|p| u64::from(p.index.len)).sum()
    }

    /// Forgets parts from `from` on: they will never be written.
    pub(crate) fn drop_parts(&mut self, from: PartNo) {
        while self.parts.back().is_some_and(|p| p.no() >= from) {
            let part = self.parts.pop_back().expect("just seen");
            self.part_bytes -= u64::from(part.index.len);
        }
    }

    /// The parts in memory, those of each extent oldest first.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Arc<Part>> {
        self.parts.iter().chain(&self.loose)
    }

    /// Takes a part that will never be written.
    pub(crate) fn push_loose(&mut self, part: Arc<Part>) {
        self.loose_bytes += u64::from(part.index.len);
        let newest = part.complete_to;
        self.loose.push_back(part);
        let keep = self.keep_loose_ns();
        while let Some(front) = self.loose.front().filter(|_| self.loose.len() > 1) {
            if newest.since_ns(front.complete_to) <= keep && self.loose_bytes <= self.limits.bytes_max {
                break;
            }
            self.loose_bytes -= u64::from(front.index.len);
            self.loose.pop_front();
        }
    }

    /// Lets parts go that will never be written and have been shown for long enough.
    pub(crate) fn age_loose(&mut self, newest: MediaTime) {
        let keep = self.keep_loose_ns();
        while self.loose.front().is_some_and(|f| newest.since_ns(f.complete_to) > keep) {
            let part = self.loose.pop_front().expect("just seen");
            self.loose_bytes -= u64::from(part.index.len);
        }
    }

    /// The oldest part in memory that will never be written.
    pub(crate) fn first_loose(&self) -> Option<PartNo> {
        self.loose.front().map(|p| p.no())
    }

    /// Decode time of the first key frame of a run that is kept.
    pub(crate) fn first_entry(&self, run: RunId) -> Option<MediaTime> {
        self.packets.iter().find(|p| p.run == run && p.entry).map(|p| p.at)
    }

    /// The packets from the key frame of a run at a decode time on, with the sound around it; none if it has gone.
    pub(crate) fn packets_from(&self, run: RunId, at: MediaTime) -> Vec<LivePacket> {
        let found = self.packets.iter().position(|p| p.run == run && p.entry && p.at == at);
        let Some(first) = found else { return Vec::new() };
        let heard = |p: &&LivePacket| p.run == run && p.at >= at;
        let before = self.packets.iter().take(first).filter(heard);
        before.chain(self.packets.iter().skip(first)).cloned().collect()
    }
}
