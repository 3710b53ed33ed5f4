//! The writing end of a stream. One publisher at a time; each takes packets, never waits, and never learns of
//! viewers.

use std::sync::Arc;
use std::time::Duration;

use media::{Packet, StreamName, TrackConfig, WallTime};
use thiserror::Error;

use crate::gap::GapReason;
use crate::journal::EndReason;
use crate::stream::Stream;

/// When something arrived, by two clocks: waiting is measured on the first, people read the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Since an arbitrary instant that is the same for the whole process. Never steps.
    pub mono: Duration,
    /// As the system's clock says.
    pub wall: WallTime,
}

/// Who publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublisherInfo {
    /// `rtmp`, ….
    pub protocol: &'static str,
    /// Address of the peer, for people.
    pub remote: String,
    /// What a take-over compares: the key or token it published with.
    pub key: Option<String>,
}

/// Why publishing is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PublishError {
    /// Somebody publishes this stream.
    #[error(
        "{name} is being published by {remote} since {since_ms} ms; its last packet came {silent_ms} ms ago"
    )]
    Busy {
        /// The stream.
        name: StreamName,
        /// The other publisher's address.
        remote: String,
        /// How long it has been there.
        since_ms: u128,
        /// How long it has been silent.
        silent_ms: u128,
    },
}

/// Why a packet was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PushError {
    /// This publisher was replaced or asked to leave: its connection should close.
    #[error("the publisher was removed: {0}")]
    Removed(String),
}

/// The writing end of a stream. Dropping it ends the run as disconnected.
#[derive(Debug)]
pub struct Publisher {
    stream: Arc<Stream>,
    token: u64,
    removed: tokio::sync::watch::Receiver<(u64, String)>,
    last: Arrival,
    ended: bool,
}

impl Publisher {
    pub(crate) fn new(stream: Arc<Stream>, token: u64, now: Arrival) -> Self {
        let removed = stream.removals();
        Self { stream, token, removed, last: now, ended: false }
    }

    /// The stream published.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Announces the tracks, or changes them in mid-stream. The same set again is no change.
    pub fn tracks(&mut self, tracks: Vec<TrackConfig>, now: Arrival) {
        self.last = now;
        self.stream.set_tracks(self.token, tracks);
    }

    /// Takes a packet. Never blocks on the volume or on viewers.
    pub fn push(&mut self, packet: Packet, now: Arrival) -> Result<(), PushError> {
        self.last = now;
        if self.stream.push(self.token, packet, now) {
            return Ok(());
        }
        Err(PushError::Removed(self.removed.borrow().1.clone()))
    }

    /// Ends the run and begins another with the next packets: the source's time has jumped. Tracks are announced
    /// again by the caller.
    pub fn next_run(&mut self, reason: GapReason, now: Arrival) {
        self.last = now;
        self.stream.end_run(self.token, EndReason::Gap(reason));
    }

    /// Waits until this publisher is removed and says why; pending for ever otherwise.
    pub async fn removed(&self) -> String {
        let mut removed = self.removed.clone();
        let token = self.token;
        let found = removed.wait_for(|(t, _)| *t >= token).await.map(|f| f.1.clone());
        match found {
            Ok(why) => why,
            Err(_) => std::future::pending().await,
        }
    }

    /// Ends the run.
    pub fn end(mut self, reason: EndReason) {
        self.ended = true;
        self.stream.unpublish(self.token, reason);
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        if !self.ended {
            self.stream.unpublish(self.token, EndReason::Disconnected);
        }
    }
}
