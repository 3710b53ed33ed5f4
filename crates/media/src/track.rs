//! What a track is: its identity, timescale and codec configuration. The configuration is canonical:
//! two headers that configure a decoder alike compare equal, so that a repeated header is no change.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::codec::{av1, h265, opus, vp9};
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

    /// The track that a source numbers so, beside its main one (0): its video track *n* is 2*n* + 2, its audio
    /// track *n* 2*n* + 3. `None` for data, and for more than [`FURTHER_TRACKS_MAX`] of a kind.
    pub fn numbered(kind: TrackKind, number: u8) -> Option<Self> {
        let further = (number <= FURTHER_TRACKS_MAX).then_some(number)?;
        match (kind, further) {
            (TrackKind::Video, 0) => Some(Self::VIDEO),
            (TrackKind::Audio, 0) => Some(Self::AUDIO),
            (TrackKind::Video, n) => Some(Self(2 * n + 2)),
            (TrackKind::Audio, n) => Some(Self(2 * n + 3)),
            (TrackKind::Data, _) => None,
        }
    }
}

/// Most tracks of a kind beside the main one: a ladder of renditions or a handful of languages.
pub const FURTHER_TRACKS_MAX: u8 = 7;

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
    /// Of several tracks the main ones, which players are shown: the first of each kind.
    pub fn main_ones(tracks: &[Self]) -> impl Iterator<Item = &Self> {
        let first = |kind| tracks.iter().find(move |track| track.kind() == kind);
        [first(TrackKind::Video), first(TrackKind::Audio), first(TrackKind::Data)].into_iter().flatten()
    }

    /// What the track carries.
    pub fn kind(&self) -> TrackKind {
        match self.codec {
            CodecConfig::H264 { .. }
            | CodecConfig::H265 { .. }
            | CodecConfig::Av1 { .. }
            | CodecConfig::Vp9 { .. } => TrackKind::Video,
            CodecConfig::Aac { .. } | CodecConfig::Opus { .. } | CodecConfig::Mp3 { .. } => TrackKind::Audio,
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
    /// H.265. Packets are access units of 4-byte length-prefixed NAL units.
    H265 {
        /// The body of an `hvcC` box, ISO/IEC 14496-15 §8.3.3.1, always with 4-byte lengths.
        hvcc: Bytes,
        /// Luma width in pixels after cropping.
        width: u16,
        /// Luma height in pixels after cropping.
        height: u16,
        /// Sample aspect ratio, horizontal : vertical; (1, 1) when the stream does not say.
        sar: (u32, u32),
    },
    /// AV1. Packets are temporal units of sized OBUs without delimiters.
    Av1 {
        /// The body of an `av1C` box, whose only OBU is the sequence header.
        av1c: Bytes,
        /// Largest width of a picture in pixels.
        width: u16,
        /// Largest height of a picture in pixels.
        height: u16,
    },
    /// VP9. Packets are frames or superframes.
    Vp9 {
        /// The body of a `vpcC` box, its version and flags included.
        vpcc: Bytes,
        /// Width of key frames in pixels.
        width: u16,
        /// Height of key frames in pixels.
        height: u16,
    },
    /// Opus. Packets are Opus packets; the timescale is 48 kHz.
    Opus {
        /// The body of a `dOps` box.
        dops: Bytes,
        /// Output channels.
        channels: u8,
        /// Samples at 48 kHz of the track's first packet. Later ones may last longer or shorter.
        frame_samples: u16,
    },
    /// MP3. Packets are frames of MPEG audio layer III.
    Mp3 {
        /// Sample rate in Hz.
        sample_rate: u32,
        /// Channels.
        channels: u8,
        /// Samples in one frame: 1152 or 576.
        frame_samples: u16,
    },
    /// AMF0-encoded script data, one message a packet: the handler's name, then its values.
    Amf0,
}

/// What a video configuration says of its pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// Sample aspect ratio, horizontal : vertical; both above zero where a stream says so.
    pub sar: (u32, u32),
}

/// What an audio configuration says of its sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sound {
    /// Output sample rate in Hz.
    pub sample_rate: u32,
    /// Output channels.
    pub channels: u8,
    /// Samples of the track's timescale in one packet; for Opus in the first.
    pub frame_samples: u16,
}

impl CodecConfig {
    /// The pictures of a video configuration; `None` for others.
    pub fn picture(&self) -> Option<Picture> {
        match *self {
            Self::H264 { width, height, sar, .. } | Self::H265 { width, height, sar, .. } => {
                Some(Picture { width, height, sar })
            }
            Self::Av1 { width, height, .. } | Self::Vp9 { width, height, .. } => {
                Some(Picture { width, height, sar: (1, 1) })
            }
            Self::Aac { .. } | Self::Opus { .. } | Self::Mp3 { .. } | Self::Amf0 => None,
        }
    }

    /// The sound of an audio configuration; `None` for others.
    pub fn sound(&self) -> Option<Sound> {
        match *self {
            Self::Aac { sample_rate, channels, frame_samples, .. }
            | Self::Mp3 { sample_rate, channels, frame_samples } => {
                Some(Sound { sample_rate, channels, frame_samples })
            }
            Self::Opus { channels, frame_samples, .. } => {
                Some(Sound { sample_rate: opus::SAMPLE_RATE, channels, frame_samples })
            }
            Self::H264 { .. } | Self::H265 { .. } | Self::Av1 { .. } | Self::Vp9 { .. } | Self::Amf0 => None,
        }
    }

    /// Packets that a decoder must be given before its sound is right, and that are not heard: one primes
    /// AAC-LC, two SBR (ISO/IEC 14496-3 and 14496-24 Annex B); one frame of MP3 holds the bits that the next
    /// one begins with; Opus wants 80 ms (RFC 7845 §4.6).
    pub fn priming_packets(&self) -> u16 {
        match self {
            Self::Aac { object_type: 5 | 29, .. } => 2,
            Self::Opus { frame_samples, .. } => OPUS_PRIMING_SAMPLES.div_ceil((*frame_samples).max(1)),
            _ => 1,
        }
    }

    /// The name shown to people and given by the API: `h264 h265 av1 vp9 aac opus mp3 amf0`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::H264 { .. } => "h264",
            Self::H265 { .. } => "h265",
            Self::Av1 { .. } => "av1",
            Self::Vp9 { .. } => "vp9",
            Self::Aac { .. } => "aac",
            Self::Opus { .. } => "opus",
            Self::Mp3 { .. } => "mp3",
            Self::Amf0 => "amf0",
        }
    }

    /// The `codecs` parameter of RFC 6381; `None` for data.
    pub fn rfc6381(&self) -> Option<String> {
        let short = |family: &str| family.to_owned();
        match self {
            Self::H264 { avcc, .. } if avcc.len() >= 4 => {
                Some(format!("avc1.{:02x}{:02x}{:02x}", avcc[1], avcc[2], avcc[3]))
            }
            Self::H264 { .. } => Some(short("avc1")),
            Self::H265 { hvcc, .. } => Some(h265::rfc6381(hvcc).unwrap_or_else(|| short("hvc1"))),
            Self::Av1 { av1c, .. } => Some(av1::rfc6381(av1c).unwrap_or_else(|| short("av01"))),
            Self::Vp9 { vpcc, .. } => Some(vp9::rfc6381(vpcc).unwrap_or_else(|| short("vp09"))),
            Self::Aac { object_type, .. } => Some(format!("mp4a.40.{object_type}")),
            Self::Opus { .. } => Some(short("opus")),
            // The object type that the sample entry states: MPEG-1 audio. `mp4a.40.34` would want another
            // entry; players know both.
            Self::Mp3 { .. } => Some(short("mp4a.6B")),
            Self::Amf0 => None,
        }
    }
}

/// 80 ms at 48 kHz.
const OPUS_PRIMING_SAMPLES: u16 = 3_840;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_beside_the_main_ones_have_numbers_of_their_own() {
        use TrackKind::{Audio, Data, Video};
        assert_eq!(TrackId::numbered(Video, 0), Some(TrackId::VIDEO));
        assert_eq!(TrackId::numbered(Audio, 0), Some(TrackId::AUDIO));
        let numbers = [(Video, 1), (Audio, 1), (Video, 2), (Audio, 7)].map(|(k, n)| TrackId::numbered(k, n));
        assert_eq!(numbers, [4, 5, 6, 17].map(|id| Some(TrackId(id))));
        assert_eq!([(Video, 8), (Audio, 255), (Data, 1)].map(|(k, n)| TrackId::numbered(k, n)), [None; 3]);
    }
}
