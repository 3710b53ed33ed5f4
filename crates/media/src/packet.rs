//! A packet: one encoded access unit with exact times.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::track::TrackId;

/// One encoded access unit. Cloning shares the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The track it belongs to.
    pub track: TrackId,
    /// Decode time in ticks of the track's timescale, strictly rising within a track.
    pub dts: i64,
    /// Presentation time minus decode time, in the same ticks. Negative values are legal.
    pub cts: i32,
    /// Whether a decoder can start here.
    pub rap: Rap,
    /// The access unit, in its own exact allocation so that keeping it keeps nothing else.
    pub data: Bytes,
}

impl Packet {
    /// Presentation time in ticks.
    pub const fn pts(&self) -> i64 {
        self.dts + self.cts as i64
    }
}

/// Random access: whether decoding can begin at a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rap {
    /// Needs earlier packets.
    #[default]
    None,
    /// Decoding can begin, and nothing after it refers to anything before it (IDR; every audio packet).
    Closed,
    /// Decoding can begin, but packets after it that are shown before it (leading pictures) may refer
    /// to earlier ones: an H.264 recovery point, an HEVC CRA.
    Open,
}

impl Rap {
    /// Whether decoding can begin here.
    pub const fn is_rap(self) -> bool {
        !matches!(self, Self::None)
    }
}
