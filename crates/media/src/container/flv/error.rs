//! Why a tag, and with it usually its connection, is refused.

use thiserror::Error;

use super::tag::TagKind;
use crate::codec::aac::AscError;
use crate::codec::av1::Av1Error;
use crate::codec::h264::H264Error;
use crate::codec::h265::H265Error;
use crate::codec::opus::OpusError;
use crate::codec::vp9::Vp9Error;

/// A tag that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TagError {
    /// It ends inside its own header.
    #[error("{what} of {bytes} bytes is cut short")]
    Short {
        /// The kind of tag.
        what: &'static str,
        /// Its size in bytes.
        bytes: usize,
    },
    /// A codec or a form of tag that is not carried here.
    #[error("{0} is not supported; publish H.264, H.265, AV1 or VP9 video and AAC, Opus or MP3 audio")]
    Unsupported(String),
    /// A packet type that the codec does not have.
    #[error("{codec} packet type {found} is not defined")]
    PacketType {
        /// The codec of the tag.
        codec: &'static str,
        /// The type found.
        found: u8,
    },
    /// A video configuration that cannot be used.
    #[error("H.264 sequence header: {0}")]
    H264(#[from] H264Error),
    /// A video configuration that cannot be used.
    #[error("H.265 sequence header: {0}")]
    H265(#[from] H265Error),
    /// A video configuration that cannot be used.
    #[error("AV1 sequence header: {0}")]
    Av1(#[from] Av1Error),
    /// A video configuration that cannot be used.
    #[error("VP9 sequence header: {0}")]
    Vp9(#[from] Vp9Error),
    /// An audio configuration that cannot be used.
    #[error("Opus sequence header: {0}")]
    Opus(#[from] OpusError),
    /// More tracks than one tag is read for.
    #[error("a tag of more than {0} tracks; send fewer at a time")]
    Tracks(usize),
    /// More modifiers than one tag is read for.
    #[error("a tag with more than {0} modifiers in front")]
    Modifiers(usize),
    /// A way of packing tracks that is not defined.
    #[error("multitrack type {0} is not defined")]
    Multitrack(u8),
    /// An audio configuration that cannot be used.
    #[error("AAC sequence header: {0}")]
    Aac(#[from] AscError),
}

/// Why input was refused. Nothing of the tag has had an effect; what comes after may be given all the
/// same.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FlvError {
    /// A tag that cannot be read.
    #[error("{kind} tag at {timestamp_ms} ms: {cause}")]
    Tag {
        /// Video, audio or script.
        kind: TagKind,
        /// The tag's timestamp.
        timestamp_ms: u32,
        /// What is wrong with it.
        cause: TagError,
    },
    /// More than [`super::QUEUED_MAX`] results wait to be polled.
    #[error("results are not polled; poll until none is left before the next input")]
    NotPolled,
}
