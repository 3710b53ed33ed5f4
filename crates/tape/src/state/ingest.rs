//! Packets and track changes from the publisher into the run.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use media::{Packet, TrackConfig, TrackKind};

use super::{Effects, Joint, Live, MakeAssembler, State};
use crate::gap::GapReason;
use crate::journal::EndReason;
use crate::live::{LivePacket, Opening};
use crate::publisher::{Arrival, PublisherInfo};
use crate::stream::BACKLOG_BYTES_MAX;

/// Most packets that wait for a key frame to bring their track in: ten seconds of sound.
const DEFERRED_MAX: usize = 512;
/// Stretches that the bit rate is measured over, and their length.
const RATE_SLOTS: usize = 12;
const RATE_SLOT: Duration = Duration::from_millis(500);

impl Live {
    pub(crate) fn new(token: u64, info: PublisherInfo, now: Arrival) -> Self {
        Self {
            token,
            info,
            since: now,
            last: now,
            tracks: Arc::new([]),
            opening: Opening::default(),
            assembler: None,
            deferred: None,
            shift_s: 0,
            dropped: 0,
            rate: VecDeque::new(),
        }
    }

    fn count(&mut self, bytes: u64, now: Duration) {
        match self.rate.back_mut().filter(|(at, _)| now.saturating_sub(*at) < RATE_SLOT) {
            Some((_, sum)) => *sum += bytes,
            None => {
                self.rate.push_back((now, bytes));
                if self.rate.len() > RATE_SLOTS {
                    self.rate.pop_front();
                }
            }
        }
    }

    /// The packet on the run's timeline.
    pub(super) fn shifted(&self, mut packet: Packet) -> Packet {
        let scale =
            self.tracks.iter().find(|t| t.id == packet.track).map_or(0, |t| i64::from(t.timescale.hz()));
        packet.dts = packet.dts.saturating_add(self.shift_s.saturating_mul(scale));
        packet
    }

    /// Whether players can begin at the packet: a key frame of the main pictures, which the others go along with.
    fn is_entry(&self, packet: &Packet) -> bool {
        let main = self.tracks.iter().find(|t| t.kind() == TrackKind::Video);
        packet.rap.is_rap() && main.is_none_or(|main| main.id == packet.track)
    }
}

impl State {
    /// Takes the announced tracks. A change that leaves the pictures as they are waits for the next key frame, so
    /// that no segment begins between two; a change of the pictures takes effect at once.
    pub(crate) fn set_tracks(&mut self, token: u64, mut tracks: Vec<TrackConfig>, effects: &mut Effects) {
        let Some(live) = self.live.as_mut().filter(|l| l.token == token) else { return };
        tracks.sort_by_key(|t| t.id);
        if live.tracks[..] == tracks[..] {
            return;
        }
        let video = |set: &[TrackConfig]| set.iter().find(|t| t.kind() == TrackKind::Video).cloned();
        let same_video = video(&live.tracks).is_some() && video(&live.tracks) == video(&tracks);
        live.tracks = tracks.into();
        if live.assembler.is_none() {
            return;
        }
        if same_video {
            live.deferred.get_or_insert_default();
        } else {
            self.change_tracks(effects);
        }
    }

    fn change_tracks(&mut self, effects: &mut Effects) {
        let Some(live) = self.live.as_mut() else { return };
        let held = live.deferred.take().map(|d| d.held).unwrap_or_default();
        let tracks = live.tracks.to_vec();
        match live.assembler.as_mut().map(|a| a.change_tracks(tracks)) {
            Some(Ok(steps)) => self.apply(steps, effects),
            Some(Err(error)) => self.give_up(&error.to_string(), effects),
            None => {}
        }
        for (packet, arrived) in held {
            self.take(packet, arrived, effects);
        }
    }

    /// Takes a packet of the publisher that is in place.
    pub(crate) fn push(
        &mut self,
        packet: Packet,
        now: Arrival,
        make: MakeAssembler<'_>,
        effects: &mut Effects,
    ) {
        let Some(live) = self.live.as_mut() else { return };
        live.last = now;
        live.count(packet.data.len() as u64, now.mono);
        let mut joint = Joint::Anew;
        if live.assembler.is_some() {
            let entry = live.is_entry(&packet);
            if !(entry && self.halted.is_none() && self.is_passing()) {
                return self.push_into_run(packet, now, effects);
            }
            // Recording goes on with this key frame; all before it has been shown.
            self.end_passing(effects);
            joint = Joint::Seamless;
        } else if self.halted.is_some() && self.replay.is_some() {
            self.begin_passing(make, effects);
            return self.push_into_run(packet, now, effects);
        }
        let Some(live) = self.live.as_mut() else { return };
        let tracks = live.tracks.clone();
        live.opening.push(packet, &tracks, now);
        if live.opening.ready(&tracks, now.mono) {
            let held: Vec<_> = live.opening.release().collect();
            match self.halted {
                Some(_) => self.begin_passing(make, effects),
                None => self.begin_run(joint, make, effects),
            }
            for (packet, arrived) in held {
                self.push_into_run(packet, arrived, effects);
            }
        }
    }

    fn push_into_run(&mut self, packet: Packet, now: Arrival, effects: &mut Effects) {
        let Some(live) = self.live.as_mut() else { return };
        if let Some(deferred) = &mut live.deferred {
            let assembler = live.assembler.as_ref();
            let unchanged = |t: &TrackConfig| assembler.is_some_and(|a| a.tracks().any(|o| o == t));
            let placed = live.tracks.iter().any(|t| t.id == packet.track && unchanged(t));
            let full = deferred.held.len() >= DEFERRED_MAX;
            if !placed && !full {
                deferred.held.push((packet, now));
                return;
            }
            if full || live.is_entry(&packet) {
                self.change_tracks(effects);
            }
        }
        self.take(packet, now, effects);
        if effects.closed && !self.is_passing() && self.ring.unwritten_bytes() > BACKLOG_BYTES_MAX {
            self.finish_run(EndReason::Gap(GapReason::Backlog), effects);
            self.halt(GapReason::Backlog);
        }
    }

    fn take(&mut self, packet: Packet, now: Arrival, effects: &mut Effects) {
        let Some(live) = self.live.as_mut() else { return };
        let packet = live.shifted(packet);
        let Some(assembler) = live.assembler.as_mut() else { return };
        let sample = assembler.next_sample(packet.track).unwrap_or(0);
        match assembler.push(packet.clone(), now) {
            Ok(Some(steps)) => {
                self.show(&packet, sample, now);
                self.apply(steps, effects);
            }
            Ok(None) => live.dropped += 1,
            Err(error) => self.give_up(&error.to_string(), effects),
        }
    }

    /// Puts a packet before live viewers.
    fn show(&mut self, packet: &Packet, sample: u64, arrived: Arrival) {
        let Some(live) = self.live.as_ref() else { return };
        let Some(scale) = live.tracks.iter().find(|t| t.id == packet.track).map(|t| t.timescale) else {
            return;
        };
        let shift_s = live.shift_s;
        let (tracks, entry) = (live.tracks.clone(), live.is_entry(packet));
        let run = self.run().id;
        let live = LivePacket {
            seq: 0,
            run,
            sample,
            at: scale.media(packet.dts),
            entry,
            tracks,
            shift_s,
            arrived,
            packet: packet.clone(),
        };
        self.ring.push_packet(live);
    }

    /// A part cannot be made of what the source sent: the run ends and another begins.
    fn give_up(&mut self, error: &str, effects: &mut Effects) {
        tracing::error!(%error, "a part cannot be made; a new run begins");
        if let Some(live) = self.live.as_mut() {
            live.deferred = None;
        }
        self.end_run(EndReason::Gap(GapReason::SourceJump), effects);
    }
}
