//! Opus as far as a server must read it: the identification header (RFC 7845 §5.1) and how long a packet lasts
//! (RFC 6716 §3.1). No sound is decoded.
//!
//! A track's timescale is 48 kHz whatever the encoder was given: it is what decoders hand out and what the
//! Encapsulation of Opus in ISO Base Media File Format §4.3 wants. The header says nothing of how long packets
//! are; the first one does.

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::track::CodecConfig;

/// Ticks per second of every Opus track.
pub const SAMPLE_RATE: u32 = 48_000;
/// Largest packet accepted: 48 frames of at most 1275 bytes (RFC 6716 §3.4), and room for their lengths, in
/// each of 8 streams.
pub const PACKET_BYTES_MAX: usize = 8 * 48 * 1277;
/// Most samples of a packet: 120 ms.
const PACKET_SAMPLES_MAX: u16 = 5_760;
/// How a header begins.
const MAGIC: &[u8; 8] = b"OpusHead";
/// Fields of a header behind its magic and of a `dOps` body before the channel mapping.
const FIXED_BYTES: usize = 11;

/// Why a header or a packet is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpusError {
    /// It does not begin with `OpusHead`.
    #[error("the Opus header does not begin with \"OpusHead\"")]
    Magic,
    /// It ends early.
    #[error("the Opus header ends at byte {0}, inside a field")]
    Short(usize),
    /// A version whose layout is not known.
    #[error("the Opus header has version {0}; only 0 to 15 are known")]
    Version(u8),
    /// A channel count or mapping that makes no sense.
    #[error("the Opus header maps {channels} channels of family {family}, which is not possible")]
    Mapping {
        /// Output channels.
        channels: u8,
        /// Mapping family.
        family: u8,
    },
    /// A packet without a byte, or without the count its first byte promises.
    #[error("the Opus packet is cut short")]
    Packet,
    /// A packet of no time or of more than 120 ms.
    #[error("the Opus packet lasts {0} samples; 1 to 5760 are possible")]
    Duration(u32),
    /// More than a packet can have.
    #[error("the Opus packet has {0} bytes; at most {PACKET_BYTES_MAX} are accepted")]
    TooLarge(usize),
}

/// An identification header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    channels: u8,
    /// The body of a `dOps` box: the same fields in network order, version 0.
    dops: Bytes,
}

impl Header {
    /// Reads an identification header; what follows it is passed over.
    pub fn parse(header: &[u8]) -> Result<Self, OpusError> {
        let body = header.strip_prefix(MAGIC).ok_or(OpusError::Magic)?;
        let short = || OpusError::Short(header.len());
        let &[version, channels, skip_low, skip_high, r0, r1, r2, r3, gain_low, gain_high, family] =
            body.first_chunk().ok_or_else(short)?;
        if version > 15 {
            return Err(OpusError::Version(version));
        }
        let mapping = body[FIXED_BYTES..].get(..mapping_bytes(channels, family)).ok_or_else(short)?;
        let mut dops = BytesMut::with_capacity(FIXED_BYTES + mapping.len());
        dops.put_slice(&[0, channels, skip_high, skip_low, r3, r2, r1, r0, gain_high, gain_low, family]);
        dops.put_slice(mapping);
        Self::from_dops(&dops)
    }

    /// Reads the body of a `dOps` box.
    pub fn from_dops(dops: &[u8]) -> Result<Self, OpusError> {
        let short = || OpusError::Short(dops.len());
        let fixed: &[u8; FIXED_BYTES] = dops.first_chunk().ok_or_else(short)?;
        let (version, channels, family) = (fixed[0], fixed[1], fixed[10]);
        if version != 0 {
            return Err(OpusError::Version(version));
        }
        let mapping = dops[FIXED_BYTES..].get(..mapping_bytes(channels, family)).ok_or_else(short)?;
        if !possible(channels, family, mapping) {
            return Err(OpusError::Mapping { channels, family });
        }
        let all = &dops[..FIXED_BYTES + mapping.len()];
        Ok(Self { channels, dops: Bytes::copy_from_slice(all) })
    }

    /// The track's configuration, its packets lasting this many samples.
    pub fn codec(&self, frame_samples: u16) -> CodecConfig {
        CodecConfig::Opus { dops: self.dops.clone(), channels: self.channels, frame_samples }
    }

    /// The header again, as sources and players exchange it: version 1, little-endian.
    pub fn to_bytes(&self) -> Bytes {
        let d = &self.dops;
        let mut out = BytesMut::with_capacity(MAGIC.len() + d.len());
        out.put_slice(MAGIC);
        out.put_slice(&[1, d[1], d[3], d[2], d[7], d[6], d[5], d[4], d[9], d[8], d[10]]);
        out.put_slice(&d[FIXED_BYTES..]);
        out.freeze()
    }
}

/// Stream counts and a number for each channel; family 0 has none (RFC 7845 §5.1.1).
fn mapping_bytes(channels: u8, family: u8) -> usize {
    if family == 0 { 0 } else { 2 + usize::from(channels) }
}

fn possible(channels: u8, family: u8, mapping: &[u8]) -> bool {
    match (family, mapping) {
        (0, _) => matches!(channels, 1 | 2),
        (_, [streams, coupled, ..]) => {
            channels > 0
                && *streams > 0
                && coupled <= streams
                && u16::from(*streams) + u16::from(*coupled) <= 255
        }
        _ => false,
    }
}

/// Samples at 48 kHz that a packet lasts, by its table of contents (RFC 6716 §3.1 and §3.2).
pub fn packet_samples(packet: &[u8]) -> Result<u16, OpusError> {
    if packet.len() > PACKET_BYTES_MAX {
        return Err(OpusError::TooLarge(packet.len()));
    }
    let toc = *packet.first().ok_or(OpusError::Packet)?;
    let frame: u32 = match toc >> 3 {
        silk @ 0..=11 => [480, 960, 1920, 2880][usize::from(silk & 3)],
        hybrid @ 12..=15 => [480, 960][usize::from(hybrid & 1)],
        celt => [120, 240, 480, 960][usize::from(celt & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1).ok_or(OpusError::Packet)? & 0x3f),
    };
    let samples = frame * frames;
    let fits = u16::try_from(samples).ok().filter(|samples| (1..=PACKET_SAMPLES_MAX).contains(samples));
    fits.ok_or(OpusError::Duration(samples))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::h264::samples::hex;
    use proptest::prelude::*;
    use shiguredo_mp4::{Decode as _, boxes::DopsBox};

    /// libopus in FFmpeg 9: mono, 312 samples to skip, 48 kHz.
    const HEADER: &str = "4f70757348656164 01 01 3801 80bb0000 0000 00";

    #[test]
    fn a_header_becomes_a_dops_and_comes_back() {
        let header = Header::parse(&hex(HEADER)).unwrap();
        let dops = Bytes::from(hex("00 01 0138 0000bb80 0000 00"));
        assert_eq!(
            header.codec(960),
            CodecConfig::Opus { dops: dops.clone(), channels: 1, frame_samples: 960 }
        );
        assert_eq!(header.to_bytes()[..], hex(HEADER)[..]);
        assert_eq!(Header::from_dops(&dops), Ok(header));
        let boxed = [&(8 + 11u32).to_be_bytes()[..], b"dOps", &dops].concat();
        assert_eq!(DopsBox::decode(&boxed).unwrap().0.pre_skip, 312);
    }

    #[test]
    fn surround_keeps_its_mapping_and_nonsense_is_refused() {
        let surround = hex("4f70757348656164 01 06 3801 80bb0000 0000 01 0402 000401020305 ff");
        let header = Header::parse(&surround).unwrap();
        assert_eq!(header.to_bytes()[..], surround[..surround.len() - 1]);
        assert_eq!(Header::parse(&surround[..surround.len() - 2]), Err(OpusError::Short(26)));
        let with = |at: usize, to: u8| {
            let mut header = surround.clone();
            header[at] = to;
            Header::parse(&header)
        };
        assert_eq!(with(0, b'o'), Err(OpusError::Magic));
        assert_eq!(with(8, 16), Err(OpusError::Version(16)));
        assert_eq!(with(18, 0), Err(OpusError::Mapping { channels: 6, family: 0 }));
        assert_eq!(with(19, 0), Err(OpusError::Mapping { channels: 6, family: 1 }));
        assert_eq!(with(20, 5), Err(OpusError::Mapping { channels: 6, family: 1 }));
    }

    #[test]
    fn packets_last_what_their_first_byte_says() {
        let cases: [(&[u8], u16); 8] = [
            (&[0xf8], 960),
            (&[0xf9], 1920),
            (&[0xe0], 120),
            (&[0x18], 2880),
            (&[0x78], 960),
            (&[0x60], 480),
            (&[0xfb, 0x06], 5760),
            (&[0xe3, 0x81], 120),
        ];
        for (packet, samples) in cases {
            assert_eq!(packet_samples(packet), Ok(samples), "{packet:?}");
        }
        assert_eq!(packet_samples(&[]), Err(OpusError::Packet));
        assert_eq!(packet_samples(&[0xfb]), Err(OpusError::Packet));
        assert_eq!(packet_samples(&[0xfb, 0]), Err(OpusError::Duration(0)));
        assert_eq!(packet_samples(&[0x1b, 3]), Err(OpusError::Duration(8640)));
    }

    proptest! {
        #[test]
        fn any_header_is_refused_or_comes_back(rest: Vec<u8>) {
            let bytes = [&MAGIC[..], &rest].concat();
            let Ok(header) = Header::parse(&bytes) else { return Ok(()) };
            prop_assert_eq!(Header::parse(&header.to_bytes()), Ok(header));
        }
    }
}
