//! AAC as far as a server must read it: the AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1) with SBR and
//! PS in all their explicit signallings, and ADTS headers. No sound is decoded.
//!
//! **The timescale of an audio track is the output sample rate**, so a packet lasts 1024 (960) ticks
//! and with SBR 2048 (1920): exact integers either way. The other exact choice for HE-AAC, the core's
//! rate, plays just as well in fragmented MP4: FFmpeg 5.1, GStreamer 1.22 and Chromium 156 (MSE) show
//! the same duration and the same instants for both. The output rate is taken because it is what
//! decoders hand out, so an edit can cut between any two samples that are heard, and because FFmpeg's
//! own muxer writes it. SBR that the configuration does not mention (implicit signalling) cannot be seen
//! from outside; such a track keeps the core's rate and 1024 ticks, which last as long.

mod adts;
mod asc;
mod silence;

pub use adts::{ADTS_HEADER_BYTES_MIN, AdtsHeader};
pub use asc::{Asc, AscError, Extension};
pub use silence::silent_access_unit;
