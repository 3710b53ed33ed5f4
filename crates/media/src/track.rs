//! What a track is: its identity, timescale and codec configuration. The configuration is canonical:
//! two headers that configure a decoder alike compare equal, so that a repeated header is no change.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::time::Timescale;

/// A track's number inside its stream; also its `track_ID` in every file written for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrackId(pub u8);

impl TrackId {
    /// The main video track.
    pub const VIDEO: Self = Self(1);
    /// The main audio track.
    pub const AUDIO: Self = Self(2);
    /// The timed-data track (`onMetaData`, `onCuePoint`, …).
    pub const DATA: Self = Self(3);
}

/// What a track carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackKind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Timed data that is neither.
    Data,
}

/// A track as it is from one packet on: everything `moov` is made of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TrackConfig {
    /// The track's number.
    pub id: TrackId,
    /// Ticks per second of this track's DTS, CTS and durations.
    pub timescale: Timescale,
    /// How its packets are decoded.
    pub codec: CodecConfig,
}

impl TrackConfig {
    /// What the track carries.
    pub fn kind(&self) -> TrackKind {
        match self.codec {
            CodecConfig::H264 { .. } => TrackKind::Video,
            CodecConfig::Aac { .. } => TrackKind::Audio,
            CodecConfig::Amf0 => TrackKind::Data,
        }
    }
}

/// A decoder's configuration, with the few facts of it that others ask for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CodecConfig {
    /// H.264. Packets are access units of 4-byte length-prefixed NAL units.
    H264 {
        /// The body of an `avcC` box, ISO/IEC 14496-15 §5.3.3.1, always with 4-byte lengths.
        avcc: Bytes,
        /// Luma width in pixels after cropping.
        width: u16,
        /// Luma height in pixels after cropping.
        height: u16,
        /// Sample aspect ratio, horizontal : vertical; (1, 1) when the stream does not say.
        sar: (u32, u32),
    },
    /// AAC. Packets are raw access units without ADTS.
    Aac {
        /// The AudioSpecificConfig, ISO/IEC 14496-3 §1.6.2.1.
        asc: Bytes,
        /// Audio object type as signalled: 2 LC, 5 SBR (HE-AAC), 29 PS (HE-AAC v2).
        object_type: u8,
        /// Output sample rate in Hz (with SBR, the extension's).
        sample_rate: u32,
        /// Output channels.
        channels: u8,
        /// Samples of the track's timescale in one access unit (1024 or 960; 2048 or 1920 with SBR at
        /// the output rate).
        frame_samples: u16,
    },
    /// AMF0-encoded script data, one message a packet: the handler's name, then its values.
    Amf0,
}

impl CodecConfig {
    /// The name shown to people and given by the API: `h264`, `aac`, `amf0`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::H264 { .. } => "h264",
            Self::Aac { .. } => "aac",
            Self::Amf0 => "amf0",
        }
    }

    /// The `codecs` parameter of RFC 6381; `None` for data.
    pub fn rfc6381(&self) -> Option<String> {
        match self {
            Self::H264 { avcc, .. } if avcc.len() >= 4 => {
                Some(format!("avc1.{:02x}{:02x}{:02x}", avcc[1], avcc[2], avcc[3]))
            }
            Self::H264 { .. } => Some("avc1".to_owned()),
            Self::Aac { object_type, .. } => Some(format!("mp4a.40.{object_type}")),
            Self::Amf0 => None,
        }
    }
}
