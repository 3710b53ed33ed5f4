//! Parameter sets and the decoder configuration made of them. The configuration is canonical: it is written
//! from the parameter sets alone, so that whoever sent them, however often and in whatever order, equal sets
//! give equal bytes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::{BufMut, Bytes, BytesMut};

use super::error::H265Error;
use super::nal::{HEADER_BYTES, kind, nal_type};
use super::sps::Sps;
use crate::codec::bits::{BitReader, rbsp};
use crate::codec::h264::{PARAMETER_SET_BYTES_MAX, PARAMETER_SETS_BYTES_MAX};
use crate::codec::nal::{Framing, LengthSize, starts_with_code, trimmed, units};
use crate::track::CodecConfig;

/// The kinds of sets that configure a decoder, in the order in which they are written.
const KINDS: [u8; 3] = [kind::VPS, kind::SPS, kind::PPS];
/// Bytes of a record before its arrays.
const FIXED_BYTES: usize = 22;
/// Raw bytes of a picture parameter set in which both its numbers lie.
const PPS_HEAD_BYTES: usize = 16;

/// A configuration as a source sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the lengths in front of the source's NAL units.
    pub length_size: LengthSize,
    /// Its parameter sets.
    pub sets: ParameterSets,
}

impl Header {
    /// Reads an `HEVCDecoderConfigurationRecord` (ISO/IEC 14496-15 §8.3.3.1), or parameter sets behind start
    /// codes, which some encoders send in its place. SEI messages in it are left out.
    pub fn parse(record: &[u8]) -> Result<Self, H265Error> {
        let mut sets = ParameterSets::default();
        if starts_with_code(record) {
            for nal in units(record, Framing::StartCodes) {
                sets.absorb(nal)?;
            }
            return Ok(Self { length_size: LengthSize::FOUR, sets });
        }
        let mut fields = Fields { record, at: 0 };
        match fields.byte()? {
            // Encoders from before the standard was done write 0.
            0 | 1 => {}
            version => return Err(H265Error::Version(version)),
        }
        fields.take(FIXED_BYTES - 2)?; // the SPS says all of it again
        let length_size = LengthSize::from_minus_one(fields.byte()?);
        for _ in 0..fields.byte()? {
            fields.byte()?; // completeness and type: each unit says its own
            for _ in 0..fields.length()? {
                let length = usize::from(fields.length()?);
                sets.absorb(fields.take(length)?)?;
            }
        }
        Ok(Self { length_size, sets })
    }
}

struct Fields<'a> {
    record: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], H265Error> {
        let field = self.record[self.at..].get(..count).ok_or(H265Error::Short(self.record.len()))?;
        self.at += count;
        Ok(field)
    }

    fn byte(&mut self) -> Result<u8, H265Error> {
        Ok(self.take(1)?[0])
    }

    fn length(&mut self) -> Result<u16, H265Error> {
        Ok(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }
}

/// A decoder's parameter sets by kind and number: a later set with a number replaces an earlier one, as it
/// does in a decoder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParameterSets {
    sets: BTreeMap<(u8, u8), Bytes>,
}

/// What taking in a parameter set did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absorbed {
    /// The same set was there already, or the NAL unit is no parameter set.
    Nothing,
    /// A set is new or different.
    Change,
}

impl ParameterSets {
    /// Whether there is no set at all.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// Takes in a VPS, SPS or PPS NAL unit of the base layer; others are passed over. On an error nothing
    /// has changed.
    pub fn absorb(&mut self, nal: &[u8]) -> Result<Absorbed, H265Error> {
        let nal = trimmed(nal);
        let kind = nal_type(nal);
        let id = match kind {
            kind::VPS => nal.get(HEADER_BYTES).ok_or(H265Error::Missing("VPS"))? >> 4,
            kind::SPS => Sps::parse(nal)?.id,
            kind::PPS => PpsHead::parse(nal)?.id,
            _ => return Ok(Absorbed::Nothing),
        };
        let old = self.sets.get(&(kind, id));
        if old.is_some_and(|old| old == nal) {
            return Ok(Absorbed::Nothing);
        }
        if nal.len() > PARAMETER_SET_BYTES_MAX {
            return Err(H265Error::TooLarge { bytes: nal.len(), max: PARAMETER_SET_BYTES_MAX });
        }
        let all: usize = self.sets.values().map(Bytes::len).sum();
        let bytes = all - old.map_or(0, Bytes::len) + nal.len();
        if bytes > PARAMETER_SETS_BYTES_MAX {
            return Err(H265Error::TooLarge { bytes, max: PARAMETER_SETS_BYTES_MAX });
        }
        self.sets.insert((kind, id), Bytes::copy_from_slice(nal));
        Ok(Absorbed::Change)
    }

    fn of(&self, kind: u8) -> impl Iterator<Item = &Bytes> {
        self.sets.range((kind, 0)..=(kind, u8::MAX)).map(|(_, set)| set)
    }

    /// The SPS that pictures use: the one the first PPS names, else the first.
    pub fn active_sps(&self) -> Result<Sps, H265Error> {
        let first = self.of(kind::PPS).next().ok_or(H265Error::Missing("PPS"))?;
        let named = self.sets.get(&(kind::SPS, PpsHead::parse(first)?.sps));
        let sps = named.or_else(|| self.of(kind::SPS).next()).ok_or(H265Error::Missing("SPS"))?;
        Sps::parse(sps)
    }

    /// The canonical configuration: 4-byte lengths, each set once, by kind and number, and all other fields
    /// from the SPS or unspecified.
    pub fn codec(&self) -> Result<CodecConfig, H265Error> {
        let sps = self.active_sps()?;
        self.of(kind::VPS).next().ok_or(H265Error::Missing("VPS"))?;
        Ok(CodecConfig::H265 {
            hvcc: self.record(&sps),
            width: sps.width,
            height: sps.height,
            sar: (sps.sar.0.into(), sps.sar.1.into()),
        })
    }

    fn record(&self, sps: &Sps) -> Bytes {
        let mut record = BytesMut::with_capacity(256);
        record.put_u8(1);
        record.put_slice(&sps.profile);
        // Reserved bits are ones. Segmentation, parallelism and frame rate: unspecified.
        record.put_slice(&[0xf0, 0, 0xfc, 0xfc | sps.chroma_format]);
        record.put_slice(&[0xf8 | sps.luma_depth_minus8, 0xf8 | sps.chroma_depth_minus8, 0, 0]);
        record.put_u8(sps.temporal_layers << 3 | u8::from(sps.temporal_nesting) << 2 | 3);
        record.put_u8(KINDS.len() as u8);
        for kind in KINDS {
            let count = u16::try_from(self.of(kind).count()).expect("numbers have 8 bits");
            record.put_u8(0x80 | kind);
            record.put_u16(count);
            for set in self.of(kind) {
                record.put_u16(u16::try_from(set.len()).expect("at most PARAMETER_SET_BYTES_MAX"));
                record.put_slice(set);
            }
        }
        record.freeze()
    }
}

/// The numbers at the head of a picture parameter set, §7.3.2.3.1.
struct PpsHead {
    id: u8,
    sps: u8,
}

impl PpsHead {
    fn parse(nal: &[u8]) -> Result<Self, H265Error> {
        let raw = rbsp(nal.get(HEADER_BYTES..).unwrap_or_default(), PPS_HEAD_BYTES);
        let mut bits = BitReader::new(&raw);
        let mut number = |field, max: u8| {
            let value = bits.ue()?;
            let fits = u8::try_from(value).ok().filter(|id| *id <= max);
            fits.ok_or(H265Error::Field { field, value, max: max.into() })
        };
        Ok(Self { id: number("pps_pic_parameter_set_id", 63)?, sps: number("pps_seq_parameter_set_id", 15)? })
    }
}

/// The parameter sets of a canonical `hvcC` as NAL units behind 4-byte lengths; `None` when it is cut short.
pub fn parameter_sets(hvcc: &[u8]) -> Option<Bytes> {
    let mut out = BytesMut::new();
    let mut rest = hvcc.get(FIXED_BYTES + 1..)?;
    for _ in 0..*hvcc.get(FIXED_BYTES)? {
        let count = u16::from_be_bytes([*rest.get(1)?, *rest.get(2)?]);
        rest = &rest[3..];
        for _ in 0..count {
            let length = u16::from_be_bytes([*rest.first()?, *rest.get(1)?]);
            let set = rest.get(2..2 + usize::from(length))?;
            out.put_u32(length.into());
            out.put_slice(set);
            rest = &rest[2 + set.len()..];
        }
    }
    Some(out.freeze())
}

/// The `codecs` parameter, ISO/IEC 14496-15 §E.3: profile space and profile, compatibility flags with their
/// bits reversed, tier and level, constraints without their trailing zero bytes.
pub fn rfc6381(hvcc: &[u8]) -> Option<String> {
    let general: &[u8; 12] = hvcc.get(1..)?.first_chunk()?;
    let [first, flags @ ..] = general;
    let space = ["", "A", "B", "C"][usize::from(first >> 6)];
    let compatibility = u32::from_be_bytes(*flags.first_chunk()?).reverse_bits();
    let tier = if first & 0x20 == 0 { 'L' } else { 'H' };
    let mut out = format!("hvc1.{space}{}.{compatibility:X}.{tier}{}", first & 0x1f, general[11]);
    let constraints = &general[5..11];
    let used = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    for byte in &constraints[..used] {
        write!(out, ".{byte:X}").expect("writing to a String does not fail");
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::super::samples::{RECORDS, sets};
    use super::*;
    use crate::codec::h264::samples::{hex, with_codes, with_lengths};
    use proptest::prelude::*;
    use shiguredo_mp4::{Decode as _, boxes::HvccBox};

    fn hvcc(codec: &CodecConfig) -> &Bytes {
        match codec {
            CodecConfig::H265 { hvcc, .. } => hvcc,
            other => panic!("not H.265: {other:?}"),
        }
    }

    #[test]
    fn a_writers_own_record_is_canonical_already() {
        for (digits, width, height, sar) in RECORDS {
            let header = Header::parse(&hex(digits)).unwrap();
            assert_eq!(header.length_size, LengthSize::FOUR);
            let hvcc = Bytes::from(hex(digits));
            assert_eq!(header.sets.codec(), Ok(CodecConfig::H265 { hvcc, width, height, sar }));
        }
    }

    #[test]
    fn order_repeats_other_units_and_start_codes_make_no_difference() {
        let record = hex(RECORDS[0].0);
        let codec = Header::parse(&record).unwrap().sets.codec().unwrap();
        let [vps, sps, pps] = <[Vec<u8>; 3]>::try_from(sets(&record)).unwrap();
        let sei = hex("4e01 0501 aa80");
        let units = [sei, pps, sps.clone(), sps, vps];
        let coded = Header::parse(&with_codes(&units)).unwrap();
        assert_eq!(coded.sets.codec(), Ok(codec.clone()));
        // One array of all, not complete, behind version 0 with 2-byte lengths.
        let mut odd = [&[0][..], &record[1..21], &[0x0d, 1, 0x20, 0, 5]].concat();
        for unit in &units {
            odd.extend((unit.len() as u16).to_be_bytes());
            odd.extend(unit);
        }
        let odd = Header::parse(&odd).unwrap();
        assert_eq!((odd.length_size.bytes(), odd.sets.codec()), (2, Ok(codec)));
    }

    #[test]
    fn the_box_reads_back_through_another_reader() {
        let record = hex(RECORDS[1].0);
        let boxed = [&(record.len() as u32 + 8).to_be_bytes(), &b"hvcC"[..], &record].concat();
        let (read, used) = HvccBox::decode(&boxed).unwrap();
        assert_eq!((used, read.nalu_arrays.len()), (boxed.len(), 3));
        assert_eq!((read.chroma_format_idc.get(), read.bit_depth_luma_minus8.get()), (1, 2));
        assert_eq!(parameter_sets(&record).unwrap()[..], with_lengths(4, &sets(&record)));
    }

    #[test]
    fn codec_strings_are_those_of_other_writers() {
        let told = RECORDS.map(|(digits, ..)| rfc6381(&hex(digits)).unwrap());
        let expected = [
            "hvc1.1.6.L120.90",
            "hvc1.2.4.L63.90",
            "hvc1.4.10.L90.9D.8",
            "hvc1.4.10.L60.9E.8",
            "hvc1.1.6.L60.90",
            "hvc1.1.6.L186.80",
        ];
        assert_eq!(told, expected);
        assert_eq!(rfc6381(&[1, 0x61]), None);
        let high = hex("01 a1 60000000 000000000000 5d");
        assert_eq!(rfc6381(&high).as_deref(), Some("hvc1.B1.6.H93"));
    }

    #[test]
    fn a_new_set_changes_the_configuration_and_an_old_one_does_not() {
        let mut all = Header::parse(&hex(RECORDS[0].0)).unwrap().sets;
        let before = all.codec().unwrap();
        for set in sets(&hex(RECORDS[0].0)) {
            assert_eq!(all.absorb(&[&set[..], &[0, 0]].concat()), Ok(Absorbed::Nothing));
        }
        assert_eq!(all.absorb(&[0x26, 1, 0xaf]), Ok(Absorbed::Nothing));
        // An SPS of another layer is another decoder's.
        let mut layered = sets(&hex(RECORDS[4].0))[1].clone();
        layered[1] |= 8;
        assert_eq!(all.absorb(&layered), Ok(Absorbed::Nothing));
        assert_eq!(all.codec().unwrap(), before);
        assert_eq!(all.absorb(&sets(&hex(RECORDS[4].0))[1]), Ok(Absorbed::Change));
        assert!(matches!(all.codec(), Ok(CodecConfig::H265 { width: 322, .. })));
    }

    #[test]
    fn broken_records_say_what_is_wrong() {
        let good = hex(RECORDS[0].0);
        assert_eq!(Header::parse(&[2]), Err(H265Error::Version(2)));
        for end in (0..good.len()).filter(|end| *end != 0) {
            assert_eq!(Header::parse(&good[..end]), Err(H265Error::Short(end)), "{end}");
        }
        let none = Header::parse(&[&good[..22], &[0]].concat()).unwrap();
        assert!(none.sets.is_empty());
        assert_eq!(none.sets.codec(), Err(H265Error::Missing("PPS")));
        let [_, sps, pps] = <[Vec<u8>; 3]>::try_from(sets(&good)).unwrap();
        let no_vps = Header::parse(&with_codes(&[sps, pps.clone()])).unwrap();
        assert_eq!(no_vps.sets.codec(), Err(H265Error::Missing("VPS")));
        let no_sps = Header::parse(&with_codes(&[pps])).unwrap();
        assert_eq!(no_sps.sets.codec(), Err(H265Error::Missing("SPS")));
    }

    #[test]
    fn sets_in_masses_are_bounded() {
        let mut all = ParameterSets::default();
        let huge = [&[0x44, 1, 0xc0][..], &vec![0xff; PARAMETER_SET_BYTES_MAX]].concat();
        assert!(matches!(all.absorb(&huge), Err(H265Error::TooLarge { .. })));
        for id in 0..16u8 {
            drop(all.absorb(&[&[0x40, 1, id << 4][..], &vec![0xff; 8000]].concat()));
        }
        assert!(all.sets.values().map(Bytes::len).sum::<usize>() <= PARAMETER_SETS_BYTES_MAX);
        assert_eq!(all.sets.len(), 8);
    }

    proptest! {
        #[test]
        fn the_canonical_form_of_a_canonical_form_is_itself(record: Vec<u8>, which in 0usize..6, at in 0usize..130, to: u8) {
            let mut damaged = hex(RECORDS[which].0);
            let at = at % damaged.len();
            damaged[at] = to;
            for record in [record, damaged] {
                let Ok(header) = Header::parse(&record) else { continue };
                let Ok(codec) = header.sets.codec() else { continue };
                let again = Header::parse(hvcc(&codec)).unwrap();
                prop_assert_eq!(again.length_size, LengthSize::FOUR);
                prop_assert_eq!(again.sets.codec(), Ok(codec));
            }
        }
    }
}
