//! The first moments of a run: packets wait here until the tracks are known and the pictures can begin.
//! Encoders send their headers one after the other, and an extent holds one fixed set of tracks.

use std::collections::VecDeque;
use std::time::Duration;

use media::{Packet, TrackConfig, TrackId, TrackKind};

use crate::publisher::Arrival;

/// How long a second track is waited for. Encoders send both headers within one round trip.
const WAIT: Duration = Duration::from_millis(300);
/// Most packets held: 300 ms hold some 30; a stream that begins far from a key frame keeps its newest
/// sound only.
const HELD_MAX: usize = 256;

/// Packets of a run that has not begun.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    since: Option<Duration>,
    held: VecDeque<(Packet, Arrival)>,
    /// Pictures before the first random access point, and sound past the limit.
    pub dropped: u64,
}

impl Opening {
    /// Takes a packet. Pictures that cannot be decoded yet are dropped and counted.
    pub(crate) fn push(&mut self, packet: Packet, tracks: &[TrackConfig], now: Arrival) {
        self.since.get_or_insert(now.mono);
        if is_video(&packet, tracks) && !packet.rap.is_rap() && !self.has_picture_of(packet.track) {
            self.dropped += 1;
            return;
        }
        if self.held.len() == HELD_MAX {
            self.held.pop_front();
            self.dropped += 1;
        }
        self.held.push_back((packet, now));
    }

    /// Whether the run can begin with these tracks.
    pub(crate) fn ready(&self, tracks: &[TrackConfig], now: Duration) -> bool {
        let has = |kind| tracks.iter().any(|t| t.kind() == kind);
        let complete = has(TrackKind::Video) && has(TrackKind::Audio);
        let waited = self.since.is_some_and(|s| now.saturating_sub(s) >= WAIT);
        let timed = has(TrackKind::Video) || has(TrackKind::Audio);
        timed && (complete || waited) && (!has(TrackKind::Video) || self.has_picture(tracks))
    }

    /// Whether a picture of the main track has come.
    fn has_picture(&self, tracks: &[TrackConfig]) -> bool {
        let main = tracks.iter().find(|t| t.kind() == TrackKind::Video);
        main.is_some_and(|main| self.has_picture_of(main.id))
    }

    fn has_picture_of(&self, track: TrackId) -> bool {
        self.held.iter().any(|(p, _)| p.track == track)
    }

    /// Ends the wait and gives what was held, in order of arrival.
    pub(crate) fn release(&mut self) -> impl Iterator<Item = (Packet, Arrival)> + use<> {
        self.since = None;
        std::mem::take(&mut self.held).into_iter()
    }
}

fn is_video(packet: &Packet, tracks: &[TrackConfig]) -> bool {
    tracks.iter().any(|t| t.id == packet.track && t.kind() == TrackKind::Video)
}
