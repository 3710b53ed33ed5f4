//! AV1 as far as a server must read it: the sequence header, the decoder configuration and where decoding can
//! begin. Nothing but the framing of OBUs is ever rewritten.
//!
//! A packet is a temporal unit in the low-overhead format without temporal delimiters, as the AV1 Codec ISO
//! Media File Format Binding §2.4 wants it. Key frames carry their sequence header: one that a source left
//! out, because its configuration record has it, is put in front, as many decoders never see the record.

use bytes::{BufMut, Bytes, BytesMut};
use shiguredo_mp4::bitstream::av1::{
    Av1FrameHeaderPrefix, Av1SequenceHeader, decode_leb128, parse_frame_header_prefix, parse_sequence_header,
};
use thiserror::Error;

use crate::codec::h264::ACCESS_UNIT_BYTES_MAX;
use crate::packet::Rap;
use crate::track::CodecConfig;

/// Largest sequence header kept: with all 32 operating points it takes some 300 bytes.
pub const SEQUENCE_HEADER_BYTES_MAX: usize = 1024;
/// Bytes of an `av1C` before its OBUs, Binding §2.3.3.
const RECORD_BYTES: usize = 4;

/// `obu_type`, AV1 §6.2.2: the ones with a meaning here.
mod kind {
    pub(super) const SEQUENCE_HEADER: u8 = 1;
    pub(super) const TEMPORAL_DELIMITER: u8 = 2;
    pub(super) const FRAME_HEADER: u8 = 3;
    pub(super) const FRAME: u8 = 6;
    pub(super) const TILE_LIST: u8 = 8;
}

/// Why a configuration or a temporal unit is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Av1Error {
    /// The record is shorter than its fixed fields.
    #[error("the AV1 configuration record has {0} bytes; it needs 4")]
    Short(usize),
    /// Marker and version are not those of version 1.
    #[error("the AV1 configuration record begins with {0:#04x}; only version 1 (0x81) is known")]
    Version(u8),
    /// An OBU whose header or size makes no sense.
    #[error("the OBU at byte {0} is damaged or cut short")]
    Obu(usize),
    /// A large scale tile list, which no sample may hold (Binding §2.4).
    #[error("a tile list is not supported")]
    TileList,
    /// A sequence header that does not parse.
    #[error("the AV1 sequence header: {0}")]
    Sequence(String),
    /// A sequence header larger than [`SEQUENCE_HEADER_BYTES_MAX`].
    #[error("the AV1 sequence header has {0} bytes; at most {SEQUENCE_HEADER_BYTES_MAX} are kept")]
    TooLarge(usize),
    /// A picture that no sample entry can describe.
    #[error("a picture of {0}x{1} pixels; at most 65535 a side are supported")]
    Size(u32, u32),
    /// A temporal unit larger than is accepted.
    #[error("the temporal unit has {0} bytes; at most {ACCESS_UNIT_BYTES_MAX} are accepted")]
    UnitTooLarge(usize),
    /// No OBU but delimiters.
    #[error("the temporal unit is empty")]
    Empty,
}

/// One OBU of a run of them.
struct Obu<'a> {
    /// Where it stands.
    at: usize,
    kind: u8,
    /// Header and, where there is one, extension; without the size.
    header: &'a [u8],
    payload: &'a [u8],
    /// Whether it says its own size.
    sized: bool,
    /// Where the next begins.
    end: usize,
}

/// Walks OBUs, §5.3.1; the last one may leave its size out.
struct Obus<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Obus<'a> {
    type Item = Result<Obu<'a>, Av1Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let rest = self.bytes.get(at..).filter(|rest| !rest.is_empty())?;
        let obu = read_obu(rest, at);
        self.at = obu.as_ref().map_or(self.bytes.len(), |obu| obu.end);
        Some(obu.ok_or(Av1Error::Obu(at)))
    }
}

fn read_obu(rest: &[u8], at: usize) -> Option<Obu<'_>> {
    let first = rest[0];
    if first & 0x80 != 0 {
        return None;
    }
    let header = rest.get(..1 + usize::from(first >> 2 & 1))?;
    let sized = first & 2 != 0;
    let (length, from) = if sized {
        let (length, bytes) = decode_leb128(&rest[header.len()..]).ok()?;
        (length as usize, header.len() + bytes)
    } else {
        (rest.len() - header.len(), header.len())
    };
    let payload = rest.get(from..from.checked_add(length)?)?;
    Some(Obu { at, kind: first >> 3 & 15, header, payload, sized, end: at + from + length })
}

/// An OBU that says its size.
fn put_obu(out: &mut BytesMut, header: &[u8], payload: &[u8]) {
    out.put_u8(header[0] | 2);
    out.put_slice(&header[1..]);
    let mut length = payload.len();
    while length > 0x7f {
        out.put_u8((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.put_u8(length as u8);
    out.put_slice(payload);
}

/// A sequence header that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    payload: Bytes,
    read: Av1SequenceHeader,
}

impl Sequence {
    /// Reads the payload of a sequence header OBU.
    pub fn parse(payload: &[u8]) -> Result<Self, Av1Error> {
        if payload.len() > SEQUENCE_HEADER_BYTES_MAX {
            return Err(Av1Error::TooLarge(payload.len()));
        }
        // It ends in a one; the zeros behind that mean nothing (§5.3.4).
        let used = payload.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let payload = &payload[..used];
        let read = parse_sequence_header(payload).map_err(|e| Av1Error::Sequence(e.to_string()))?;
        if read.max_frame_width > 0xffff || read.max_frame_height > 0xffff {
            return Err(Av1Error::Size(read.max_frame_width, read.max_frame_height));
        }
        Ok(Self { payload: Bytes::copy_from_slice(payload), read })
    }

    fn put(&self, out: &mut BytesMut) {
        put_obu(out, &[kind::SEQUENCE_HEADER << 3], &self.payload);
    }

    /// The canonical configuration: all fields from the sequence header, which is its only OBU.
    pub fn codec(&self) -> CodecConfig {
        let read = &self.read;
        let mut record = BytesMut::with_capacity(64);
        record.put_slice(&[0x81, read.seq_profile << 5 | read.seq_level_idx_0]);
        record.put_u8(
            read.seq_tier_0 << 7
                | u8::from(read.high_bitdepth) << 6
                | u8::from(read.twelve_bit) << 5
                | u8::from(read.monochrome) << 4
                | read.chroma_subsampling_x << 3
                | read.chroma_subsampling_y << 2
                | read.chroma_sample_position,
        );
        record.put_u8(0);
        self.put(&mut record);
        // Both sides were checked to have 16 bits.
        let (width, height) = (read.max_frame_width as u16, read.max_frame_height as u16);
        CodecConfig::Av1 { av1c: record.freeze(), width, height }
    }
}

/// Reads an `AV1CodecConfigurationRecord` (Binding §2.3.3). `None` when it holds no sequence header: the one
/// in band decides.
pub fn configuration(record: &[u8]) -> Result<Option<Sequence>, Av1Error> {
    let Some((fixed, obus)) = record.split_at_checked(RECORD_BYTES) else {
        return Err(Av1Error::Short(record.len()));
    };
    if fixed[0] != 0x81 {
        return Err(Av1Error::Version(fixed[0]));
    }
    for obu in (Obus { bytes: obus, at: 0 }) {
        let obu = obu?;
        if obu.kind == kind::SEQUENCE_HEADER {
            return Sequence::parse(obu.payload).map(Some);
        }
    }
    Ok(None)
}

/// A temporal unit as packets carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemporalUnit {
    /// Its OBUs, each with its size, without delimiters; shares the input's allocation where that is so.
    pub data: Bytes,
    /// Whether decoding can begin here: a shown key frame is the first frame (Binding §2.4).
    pub rap: Rap,
    /// The sequence header in it that can be read.
    pub sequence: Option<Sequence>,
}

/// Reads a temporal unit, under the sequence header in force.
pub fn temporal_unit(payload: &Bytes, known: Option<&Sequence>) -> Result<TemporalUnit, Av1Error> {
    if payload.len() > ACCESS_UNIT_BYTES_MAX {
        return Err(Av1Error::UnitTooLarge(payload.len()));
    }
    let look = Look::at(payload, known)?;
    if look.from == payload.len() {
        return Err(Av1Error::Empty);
    }
    let rap = if look.key { Rap::Closed } else { Rap::None };
    let missing = known.filter(|_| look.key && !look.has_sequence);
    let data = match missing {
        None if look.canonical => payload.slice(look.from..),
        _ => rewrite(payload, missing),
    };
    Ok(TemporalUnit { data, rap, sequence: look.sequence })
}

/// What a walk over a temporal unit found.
struct Look {
    /// Where the first OBU that is no delimiter begins.
    from: usize,
    /// Whether all from there on stays as it is.
    canonical: bool,
    /// Whether the first frame is a shown key frame.
    key: bool,
    has_sequence: bool,
    sequence: Option<Sequence>,
}

impl Look {
    fn at(payload: &[u8], known: Option<&Sequence>) -> Result<Self, Av1Error> {
        let mut look =
            Self { from: payload.len(), canonical: true, key: false, has_sequence: false, sequence: None };
        let mut framed = false;
        for obu in (Obus { bytes: payload, at: 0 }) {
            let obu = obu?;
            match obu.kind {
                kind::TEMPORAL_DELIMITER => {
                    look.canonical &= look.from == payload.len();
                    continue;
                }
                kind::TILE_LIST => return Err(Av1Error::TileList),
                kind::SEQUENCE_HEADER => {
                    look.has_sequence |= !framed;
                    look.sequence = Sequence::parse(obu.payload).ok().or(look.sequence);
                }
                kind::FRAME_HEADER | kind::FRAME if !framed => {
                    framed = true;
                    let sequence = look.sequence.as_ref().or(known);
                    look.key = sequence.is_some_and(|sequence| begins_with_key(obu.payload, sequence));
                }
                _ => {}
            }
            look.from = look.from.min(obu.at);
            look.canonical &= obu.sized;
        }
        Ok(look)
    }
}

fn begins_with_key(frame: &[u8], sequence: &Sequence) -> bool {
    parse_frame_header_prefix(frame, &sequence.read).is_ok_and(|prefix: Av1FrameHeaderPrefix| prefix.is_rap())
}

fn rewrite(payload: &[u8], missing: Option<&Sequence>) -> Bytes {
    let mut out = BytesMut::with_capacity(payload.len() + 32);
    if let Some(sequence) = missing {
        sequence.put(&mut out);
    }
    let obus = Obus { bytes: payload, at: 0 }.map_while(Result::ok);
    for obu in obus.filter(|obu| obu.kind != kind::TEMPORAL_DELIMITER) {
        put_obu(&mut out, obu.header, obu.payload);
    }
    out.freeze()
}

/// The `codecs` parameter, Binding §5: profile, level and tier, bit depth.
pub fn rfc6381(av1c: &[u8]) -> Option<String> {
    let &[_, second, third] = av1c.first_chunk()?;
    let tier = if third & 0x80 == 0 { 'M' } else { 'H' };
    let depth = match third >> 5 & 3 {
        0 | 1 => 8,
        2 => 10,
        _ => 12,
    };
    Some(format!("av01.{}.{:02}{tier}.{depth:02}", second >> 5, second & 31))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::h264::samples::hex;
    use proptest::prelude::*;
    use shiguredo_mp4::{Decode as _, boxes::Av1cBox};

    /// SVT-AV1's record for 320x180, in FFmpeg 9, and the beginning of its first temporal unit.
    const RECORD: &str = "81000c000a0b0200000521e7f66017c002";
    const KEY: &str = "12000a0b0200000521e7f66257c8023204100086a5";

    fn av1c(codec: &CodecConfig) -> Bytes {
        match codec {
            CodecConfig::Av1 { av1c, .. } => av1c.clone(),
            other => panic!("not AV1: {other:?}"),
        }
    }

    fn known() -> Sequence {
        configuration(&hex(RECORD)).unwrap().unwrap()
    }

    fn unit(digits: &str, known: Option<&Sequence>) -> Result<TemporalUnit, Av1Error> {
        temporal_unit(&hex(digits).into(), known)
    }

    #[test]
    fn a_writers_own_record_is_canonical_already() {
        let codec = known().codec();
        assert_eq!(av1c(&codec)[..], hex(RECORD)[..]);
        assert!(matches!(codec, CodecConfig::Av1 { width: 320, height: 180, .. }));
        assert_eq!(rfc6381(&av1c(&codec)).as_deref(), Some("av01.0.00M.08"));
        let boxed = [&(8 + 17u32).to_be_bytes()[..], b"av1C", &hex(RECORD)].concat();
        let (read, _) = Av1cBox::decode(&boxed).unwrap();
        assert_eq!((read.seq_profile.get(), read.config_obus.len()), (0, 13));
    }

    #[test]
    fn padding_and_what_follows_the_sequence_header_make_no_difference() {
        // The size in two bytes, zeros behind the trailing bit, a metadata OBU.
        let padded = "81000c000a8d00020000 0521e7f66017c0020000 2a0101".replace(' ', "");
        assert_eq!(configuration(&hex(&padded)).unwrap().unwrap().codec(), known().codec());
        assert_eq!(configuration(&hex("81000c00")), Ok(None));
    }

    #[test]
    fn delimiters_go_and_a_key_frame_is_seen() {
        let read = unit(KEY, None).unwrap();
        assert_eq!((read.rap, &read.data[..]), (Rap::Closed, &hex(KEY)[2..]));
        assert_ne!(read.sequence.as_ref(), Some(&known()), "the encoder's own differ in a delay flag");
        // An inter frame: show_existing_frame 0, frame_type 1, show_frame 1.
        let inter = unit("120032033000ff", Some(&known())).unwrap();
        assert_eq!((inter.rap, inter.sequence, &inter.data[..]), (Rap::None, None, &hex("32033000ff")[..]));
        // A key frame that is not shown, and a frame that nothing says how to read.
        assert_eq!(unit("32030000ff", Some(&known())).unwrap().rap, Rap::None);
        assert_eq!(unit("32031000ff", None).unwrap().rap, Rap::None);
    }

    #[test]
    fn a_key_frame_without_its_sequence_header_gets_it() {
        let read = unit("120032031000ff", Some(&known())).unwrap();
        assert_eq!(
            (read.rap, &read.data[..]),
            (Rap::Closed, &hex("0a0b0200000521e7f66017c00232031000ff")[..])
        );
    }

    #[test]
    fn an_obu_without_its_size_gets_it_and_a_delimiter_in_between_goes() {
        let read = unit("32013012003030ff", Some(&known())).unwrap();
        assert_eq!(read.data[..], hex("320130320230ff")[..]);
    }

    #[test]
    fn what_is_broken_says_where() {
        assert_eq!(configuration(&[0x81, 0]), Err(Av1Error::Short(2)));
        assert_eq!(configuration(&[1, 0, 0, 0]), Err(Av1Error::Version(1)));
        assert_eq!(configuration(&hex("81000c000a0b02")), Err(Av1Error::Obu(0)));
        assert!(matches!(configuration(&hex("81000c000a01ff")), Err(Av1Error::Sequence(_))));
        // All of its bits are there, but not the one behind them.
        let endless = hex("81000c000a0b0200000521e70000000000");
        assert!(matches!(configuration(&endless), Err(Av1Error::Sequence(_))));
        assert_eq!(unit("1200", None), Err(Av1Error::Empty));
        assert_eq!(unit("", None), Err(Av1Error::Empty));
        assert_eq!(unit("3201303205", None), Err(Av1Error::Obu(3)));
        assert_eq!(unit("420130", None), Err(Av1Error::TileList));
    }

    proptest! {
        #[test]
        fn any_unit_is_read_or_refused_and_is_then_canonical(
            bytes in prop::collection::vec(prop_oneof![Just(0x12u8), Just(0x0a), Just(0x32), Just(0), any::<u8>()], 0..64),
        ) {
            let Ok(read) = temporal_unit(&bytes.into(), Some(&known())) else { return Ok(()) };
            let again = temporal_unit(&read.data, Some(&known())).unwrap();
            prop_assert_eq!(again.data.as_ptr(), read.data.as_ptr());
            prop_assert_eq!((again.rap, again.data), (read.rap, read.data));
        }

        #[test]
        fn the_canonical_form_of_a_canonical_form_is_itself(at in 0usize..17, to: u8, record: Vec<u8>) {
            let mut damaged = hex(RECORD);
            damaged[at] = to;
            for record in [damaged, record] {
                let Ok(Some(sequence)) = configuration(&record) else { continue };
                let again = configuration(&av1c(&sequence.codec())).unwrap().unwrap();
                prop_assert_eq!(again.codec(), sequence.codec());
            }
        }
    }
}
