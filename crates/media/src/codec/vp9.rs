//! VP9 as far as a server must read it: the frame header, the decoder configuration and where decoding can
//! begin. Frames and superframes are carried as they come.
//!
//! A configuration record says neither width nor height, and many sources send none: it is the key frames
//! that configure, and what the record alone knows (level and colour) is taken from it.

use bytes::Bytes;
use shiguredo_mp4::bitstream::vp9::{Vp9FrameHeader, Vp9FrameSize, Vp9FrameType, parse_frame_header};
use thiserror::Error;

use crate::codec::h264::ACCESS_UNIT_BYTES_MAX;
use crate::packet::Rap;
use crate::track::CodecConfig;

/// Version 1 and no flags: how a `vpcC` box begins, and FFmpeg's sequence header with it.
const FULL_BOX: [u8; 4] = [1, 0, 0, 0];
/// Colour "unspecified", ISO/IEC 23091-2.
const UNSPECIFIED: u8 = 2;
/// Level × 10 by the most luma samples of a picture, VP9 levels table. Without a record the frame rate is not
/// known; the level that the size alone asks for is the least.
const LEVELS: [(u32, u8); 9] = [
    (36_864, 10),
    (73_728, 11),
    (122_880, 20),
    (245_760, 21),
    (552_960, 30),
    (983_040, 31),
    (2_228_224, 40),
    (8_912_896, 50),
    (u32::MAX, 60),
];

/// Why a configuration or a frame is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Vp9Error {
    /// The record is shorter than its fixed fields.
    #[error("the VP9 configuration record has {0} bytes; it needs 8")]
    Short(usize),
    /// The codec's data, which VP9 has none of.
    #[error("the VP9 configuration record holds {0} bytes of codec data; VP9 has none")]
    CodecData(u16),
    /// A frame header that does not parse.
    #[error("the VP9 frame header: {0}")]
    Frame(String),
    /// A picture that no sample entry can describe.
    #[error("a picture of {0}x{1} pixels; at most 65535 a side are supported")]
    Size(u32, u32),
    /// Chroma that the ISO binding has no word for.
    #[error("chroma sampling 4:4:0 cannot be described in MP4; send 4:2:0, 4:2:2 or 4:4:4")]
    Chroma,
    /// A frame larger than is accepted.
    #[error("the frame has {0} bytes; at most {ACCESS_UNIT_BYTES_MAX} are accepted")]
    TooLarge(usize),
}

/// What a `VPCodecConfigurationRecord` says that frames do not (VP Codec ISO Media File Format Binding §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    level: u8,
    /// Where chroma lies in 4:2:0: 0 between lines, 1 on them.
    chroma: u8,
    colour: [u8; 3],
}

impl Record {
    /// Reads a record, with or without the version of its box in front.
    pub fn parse(record: &[u8]) -> Result<Self, Vp9Error> {
        let fields = record.strip_prefix(&FULL_BOX).unwrap_or(record);
        let Some(&[_, level, packed, primaries, transfer, matrix, high, low]) = fields.first_chunk() else {
            return Err(Vp9Error::Short(record.len()));
        };
        match u16::from_be_bytes([high, low]) {
            0 => Ok(Self { level, chroma: packed >> 1 & 7, colour: [primaries, transfer, matrix] }),
            bytes => Err(Vp9Error::CodecData(bytes)),
        }
    }
}

/// A frame, or a superframe by its first one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Whether decoding can begin here: a key frame.
    pub rap: Rap,
    header: Vp9FrameHeader,
}

/// Reads the header of a packet.
pub fn frame(payload: &Bytes) -> Result<Frame, Vp9Error> {
    if payload.len() > ACCESS_UNIT_BYTES_MAX {
        return Err(Vp9Error::TooLarge(payload.len()));
    }
    let header = parse_frame_header(payload).map_err(|e| Vp9Error::Frame(e.to_string()))?;
    let rap = if header.frame_type == Vp9FrameType::Key { Rap::Closed } else { Rap::None };
    Ok(Frame { rap, header })
}

impl Frame {
    /// The canonical configuration from here on; `None` for any but a key frame.
    pub fn codec(&self, record: Option<Record>) -> Result<Option<CodecConfig>, Vp9Error> {
        let (Rap::Closed, Vp9FrameSize::Resolved { width, height }) = (self.rap, self.header.frame_size)
        else {
            return Ok(None);
        };
        let side = |side| u16::try_from(side).map_err(|_| Vp9Error::Size(width, height));
        let (narrow, low) = (side(width)?, side(height)?);
        let header = &self.header;
        let told = record.map(|record| record.chroma);
        let chroma = match (header.subsampling_x, header.subsampling_y) {
            (1, 1) => told.filter(|chroma| *chroma < 2).unwrap_or(1),
            (1, 0) => 2,
            (0, 0) => 3,
            _ => return Err(Vp9Error::Chroma),
        };
        let samples = width.saturating_mul(height);
        let least = LEVELS.iter().find(|(most, _)| samples <= *most).map_or(62, |(_, level)| *level);
        let level = record.map(|record| record.level).filter(|level| *level > 0).unwrap_or(least);
        let colour = record.map_or([UNSPECIFIED; 3], |record| record.colour);
        let packed = header.bit_depth << 4 | chroma << 1 | header.color_range & 1;
        let fields = [&FULL_BOX[..], &[header.profile, level, packed], &colour, &[0, 0]].concat();
        Ok(Some(CodecConfig::Vp9 { vpcc: fields.into(), width: narrow, height: low }))
    }
}

/// The `codecs` parameter, Binding §3, of a canonical `vpcC`: the mandatory fields, and the others where they
/// are not what is taken for granted.
pub fn rfc6381(vpcc: &[u8]) -> Option<String> {
    let &[profile, level, packed, primaries, transfer, matrix] = vpcc.get(4..)?.first_chunk()?;
    let (depth, chroma, range) = (packed >> 4, packed >> 1 & 7, packed & 1);
    let short = format!("vp09.{profile:02}.{level:02}.{depth:02}");
    if chroma < 2 && range == 0 {
        return Some(short);
    }
    Some(format!("{short}.{chroma:02}.{primaries:02}.{transfer:02}.{matrix:02}.{range:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::h264::samples::hex;
    use proptest::prelude::*;
    use shiguredo_mp4::{Decode as _, boxes::VpccBox};

    /// FFmpeg 9's sequence header and the beginning of libvpx's frames, 320x180.
    const RECORD: &str = "01000000000b820202020000";
    const KEY: &str = "824983420013f00b360638241c184a000b4050661f";
    const INTER: &str = "86004092f121400000887f91";

    fn codec(frame_digits: &str, record: Option<Record>) -> Result<Option<CodecConfig>, Vp9Error> {
        frame(&hex(frame_digits).into()).unwrap().codec(record)
    }

    #[test]
    fn a_key_frame_and_a_record_configure() {
        let record = Record::parse(&hex(RECORD)).unwrap();
        assert_eq!(Record::parse(&hex(RECORD)[4..]), Ok(record), "the box's version may be missing");
        let vpcc = Bytes::from(hex(RECORD));
        let told = CodecConfig::Vp9 { vpcc: vpcc.clone(), width: 320, height: 180 };
        assert_eq!(codec(KEY, Some(record)), Ok(Some(told)));
        assert_eq!(rfc6381(&vpcc).as_deref(), Some("vp09.00.11.08"));
        let boxed = [&(8 + 12u32).to_be_bytes()[..], b"vpcC", &vpcc].concat();
        assert_eq!(VpccBox::decode(&boxed).unwrap().0.level, 11);
        assert_eq!(codec(INTER, Some(record)), Ok(None));
        assert_eq!(frame(&hex(INTER).into()).unwrap().rap, Rap::None);
    }

    #[test]
    fn without_a_record_the_level_comes_from_the_size() {
        let vpcc = Bytes::from(hex("01000000000b820202020000"));
        assert_eq!(codec(KEY, None), Ok(Some(CodecConfig::Vp9 { vpcc, width: 320, height: 180 })));
    }

    #[test]
    fn full_range_is_spelled_out() {
        let vpcc = hex("01000000 0114a5 090e09 0000");
        assert_eq!(rfc6381(&vpcc).as_deref(), Some("vp09.01.20.10.02.09.14.09.01"));
    }

    #[test]
    fn what_is_broken_is_refused() {
        assert_eq!(Record::parse(&[1, 0, 0]), Err(Vp9Error::Short(3)));
        assert_eq!(Record::parse(&hex("01000000000b820202020001ff")), Err(Vp9Error::CodecData(1)));
        assert!(matches!(frame(&Bytes::from_static(&[0])), Err(Vp9Error::Frame(_))));
        assert!(matches!(frame(&Bytes::new()), Err(Vp9Error::Frame(_))));
    }

    proptest! {
        #[test]
        fn any_frame_is_read_or_refused(mut bytes: Vec<u8>, at in 0usize..21, to: u8, record: [u8; 8]) {
            let mut damaged = hex(KEY);
            damaged[at] = to;
            if let Some(first) = bytes.first_mut() { *first = *first & 0x3f | 0x80 }
            for bytes in [bytes, damaged] {
                let Ok(read) = frame(&bytes.into()) else { continue };
                let record = Record::parse(&record).ok();
                if let Ok(Some(codec)) = read.codec(record) {
                    let CodecConfig::Vp9 { vpcc, .. } = &codec else { panic!("not VP9") };
                    let again = Record::parse(vpcc).unwrap();
                    prop_assert_eq!(read.codec(Some(again)), Ok(Some(codec.clone())));
                }
            }
        }
    }
}
