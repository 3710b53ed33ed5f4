//! Parameter sets and the decoder configuration made of them. The configuration is canonical: it is
//! written from the parameter sets alone, so that whoever sent them, however often and in whatever
//! order, equal sets give equal bytes.

use std::collections::BTreeMap;

use bytes::Bytes;
use thiserror::Error;

use super::nal::{kind, nal_type};
use super::sps::Sps;
use crate::codec::bits::{BitError, BitReader, rbsp};
use crate::codec::nal::{Framing, LengthSize, starts_with_code, trimmed, units};
use crate::track::CodecConfig;

/// Largest parameter set kept. Real ones are 10 to 100 bytes; full scaling matrices take 1 KiB and a
/// slice group map of a 1080p picture 4 KiB.
pub const PARAMETER_SET_BYTES_MAX: usize = 16 * 1024;

/// Most bytes of parameter sets in one configuration: it is repeated in every extent's `moov`.
pub const PARAMETER_SETS_BYTES_MAX: usize = 64 * 1024;

/// Sequence parameter sets that fit the record's 5-bit count.
const SPS_RECORD_MAX: u8 = 31;

/// Picture parameter sets, and SPS extensions, that fit the record's 8-bit counts.
const PPS_RECORD_MAX: u8 = 255;

/// Raw bytes of a picture parameter set in which both its numbers lie (two codes of at most 63 bits).
const PPS_HEAD_BYTES: usize = 16;

/// Why a decoder configuration or a parameter set is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum H264Error {
    /// The record ends early.
    #[error("the AVC configuration record ends at byte {0}, inside a field")]
    Short(usize),
    /// Neither a record of version 1 nor start codes.
    #[error("the AVC configuration record has version {0}; only 1 is known")]
    Version(u8),
    /// Nothing to configure a decoder with.
    #[error("the AVC configuration has no {0}; the encoder must send one before pictures")]
    Missing(&'static str),
    /// A NAL unit of another type where a parameter set belongs.
    #[error("NAL unit type {found} where an {what} belongs")]
    NotA {
        /// The set that was expected.
        what: &'static str,
        /// The type found.
        found: u8,
    },
    /// A field outside the range the standard gives it.
    #[error("{field} is {value}; the standard allows at most {max}")]
    Field {
        /// The field's name in ITU-T H.264.
        field: &'static str,
        /// Its value.
        value: u32,
        /// The largest legal value.
        max: u32,
    },
    /// Cropping leaves nothing, or the picture does not fit 16 bits.
    #[error("a picture side of {coded} pixels with {cropped} cropped is not between 1 and 65535")]
    Size {
        /// Coded pixels of the side.
        coded: u64,
        /// Pixels cropped from it.
        cropped: u64,
    },
    /// A set, or all of them together, is larger than is kept.
    #[error("parameter sets take {bytes} bytes; at most {max} are kept")]
    TooLarge {
        /// The size found.
        bytes: usize,
        /// The limit it broke.
        max: usize,
    },
    /// A parameter set ends inside a field.
    #[error("a parameter set is damaged: {0}")]
    Bits(#[from] BitError),
}

/// A decoder configuration as a source sends it: how long its NAL lengths are, and its parameter sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the length before each NAL unit of the source's packets.
    pub length_size: LengthSize,
    /// The parameter sets, possibly none: some encoders send them in band only.
    pub sets: ParameterSets,
}

impl Header {
    /// Reads an `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 §5.3.3.1), or parameter sets behind
    /// start codes, which some encoders send in its place.
    pub fn parse(record: &[u8]) -> Result<Self, H264Error> {
        if starts_with_code(record) {
            let mut sets = ParameterSets::default();
            for nal in units(record, Framing::StartCodes) {
                sets.absorb(nal)?;
            }
            return Ok(Self { length_size: LengthSize::FOUR, sets });
        }
        let mut fields = Fields { record, at: 0 };
        match fields.byte()? {
            1 => {}
            version => return Err(H264Error::Version(version)),
        }
        let profile = fields.byte()?;
        fields.take(2)?; // compatibility and level: the SPS says them again
        let length_size = LengthSize::from_minus_one(fields.byte()?);
        let mut sets = ParameterSets::default();
        for _ in 0..fields.byte()? & 0x1f {
            sets.absorb_as("SPS", kind::SPS, fields.set()?)?;
        }
        for _ in 0..fields.byte()? {
            sets.absorb_as("PPS", kind::PPS, fields.set()?)?;
        }
        // Everything in the extension but the SPS extensions is said by the SPS. Many writers leave it
        // out, and what follows the sets is never worth refusing a stream for.
        if extended(profile) && fields.take(3).is_ok() {
            for _ in 0..fields.byte().unwrap_or(0) {
                let Ok(extension) = fields.set() else { break };
                sets.absorb_as("SPS extension", kind::SPS_EXT, extension)?;
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
    fn take(&mut self, count: usize) -> Result<&'a [u8], H264Error> {
        let field = self.record[self.at..].get(..count).ok_or(H264Error::Short(self.record.len()))?;
        self.at += count;
        Ok(field)
    }

    fn byte(&mut self) -> Result<u8, H264Error> {
        Ok(self.take(1)?[0])
    }

    fn set(&mut self) -> Result<&'a [u8], H264Error> {
        let length = u16::from_be_bytes([self.byte()?, self.byte()?]);
        self.take(usize::from(length))
    }
}

/// Whether the record of a profile carries chroma format and bit depths, ISO/IEC 14496-15 §5.3.3.1.2.
fn extended(profile: u8) -> bool {
    !matches!(profile, 66 | 77 | 88)
}

/// A decoder's parameter sets by number: a later set with a number replaces an earlier one, as it does
/// in a decoder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParameterSets {
    sps: BTreeMap<u8, Bytes>,
    pps: BTreeMap<u8, Bytes>,
    extensions: BTreeMap<u8, Bytes>,
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
        self.sps.is_empty() && self.pps.is_empty()
    }

    /// Takes in an SPS, PPS or SPS extension NAL unit; others are passed over. On an error nothing has
    /// changed.
    pub fn absorb(&mut self, nal: &[u8]) -> Result<Absorbed, H264Error> {
        let nal = trimmed(nal);
        let (sets, id) = match nal_type(nal) {
            kind::SPS => (&self.sps, Sps::parse(nal)?.id),
            kind::PPS => (&self.pps, PpsHead::parse(nal)?.id),
            kind::SPS_EXT => (&self.extensions, extension_id(nal)?),
            _ => return Ok(Absorbed::Nothing),
        };
        let old = sets.get(&id);
        if old.is_some_and(|old| old == nal) {
            return Ok(Absorbed::Nothing);
        }
        if nal.len() > PARAMETER_SET_BYTES_MAX {
            return Err(H264Error::TooLarge { bytes: nal.len(), max: PARAMETER_SET_BYTES_MAX });
        }
        let bytes = self.bytes() - old.map_or(0, Bytes::len) + nal.len();
        if bytes > PARAMETER_SETS_BYTES_MAX {
            return Err(H264Error::TooLarge { bytes, max: PARAMETER_SETS_BYTES_MAX });
        }
        let sets = match nal_type(nal) {
            kind::SPS => &mut self.sps,
            kind::PPS => &mut self.pps,
            _ => &mut self.extensions,
        };
        sets.insert(id, Bytes::copy_from_slice(nal));
        Ok(Absorbed::Change)
    }

    fn absorb_as(&mut self, what: &'static str, expected: u8, nal: &[u8]) -> Result<(), H264Error> {
        match nal_type(nal) {
            // An empty set is a writer's slip that configures nothing.
            _ if nal.is_empty() => Ok(()),
            found if found != expected => Err(H264Error::NotA { what, found }),
            _ => self.absorb(nal).map(drop),
        }
    }

    fn bytes(&self) -> usize {
        let all = self.sps.values().chain(self.pps.values()).chain(self.extensions.values());
        all.map(Bytes::len).sum()
    }

    /// The SPS that pictures use: the one the first PPS names, else the first.
    pub fn active_sps(&self) -> Result<Sps, H264Error> {
        let first = self.pps.values().next().ok_or(H264Error::Missing("PPS"))?;
        let named = self.sps.get(&PpsHead::parse(first)?.sps);
        let sps = named.or_else(|| self.sps.values().next()).ok_or(H264Error::Missing("SPS"))?;
        Sps::parse(sps)
    }

    /// The canonical configuration: 4-byte lengths, each set once and in the order of its number, and
    /// profile, level and extension fields from the SPS.
    pub fn codec(&self) -> Result<CodecConfig, H264Error> {
        let sps = self.active_sps()?;
        Ok(CodecConfig::H264 {
            avcc: self.record(&sps),
            width: sps.width,
            height: sps.height,
            sar: (sps.sar.0.into(), sps.sar.1.into()),
        })
    }

    fn record(&self, sps: &Sps) -> Bytes {
        // Reserved bits are ones: 6 before the length size, 3 before the number of SPS.
        let mut record = vec![1, sps.profile, sps.constraints, sps.level, 0xfc | 3];
        put_sets(&mut record, 0xe0, SPS_RECORD_MAX, &self.sps);
        put_sets(&mut record, 0, PPS_RECORD_MAX, &self.pps);
        if extended(sps.profile) {
            record.extend([
                0xfc | sps.chroma_format,
                0xf8 | sps.luma_depth_minus8,
                0xf8 | sps.chroma_depth_minus8,
            ]);
            put_sets(&mut record, 0, PPS_RECORD_MAX, &self.extensions);
        }
        record.into()
    }
}

/// A count with reserved bits above it, then each set behind its length.
fn put_sets(record: &mut Vec<u8>, reserved: u8, max: u8, sets: &BTreeMap<u8, Bytes>) {
    let count = u8::try_from(sets.len()).unwrap_or(u8::MAX).min(max);
    record.push(reserved | count);
    for set in sets.values().take(usize::from(count)) {
        let length = u16::try_from(set.len()).expect("a set is at most PARAMETER_SET_BYTES_MAX long");
        record.extend(length.to_be_bytes());
        record.extend_from_slice(set);
    }
}

/// The numbers at the head of a picture parameter set, §7.3.2.2.
struct PpsHead {
    id: u8,
    sps: u8,
}

impl PpsHead {
    fn parse(nal: &[u8]) -> Result<Self, H264Error> {
        let raw = rbsp(nal.get(1..).unwrap_or_default(), PPS_HEAD_BYTES);
        let mut bits = BitReader::new(&raw);
        let id = bounded(bits.ue()?, "pic_parameter_set_id", 255)?;
        let sps = bounded(bits.ue()?, "seq_parameter_set_id", 31)?;
        Ok(Self { id, sps })
    }
}

/// `seq_parameter_set_id` of a sequence parameter set extension, §7.3.2.1.2.
fn extension_id(nal: &[u8]) -> Result<u8, H264Error> {
    let raw = rbsp(nal.get(1..).unwrap_or_default(), PPS_HEAD_BYTES);
    bounded(BitReader::new(&raw).ue()?, "seq_parameter_set_id", 31)
}

fn bounded(value: u32, field: &'static str, max: u8) -> Result<u8, H264Error> {
    u8::try_from(value).ok().filter(|&id| id <= max).ok_or(H264Error::Field { field, value, max: max.into() })
}

#[cfg(test)]
mod tests {
    use super::super::samples::{RECORDS, hex, pps, record, sps, with_codes};
    use super::*;
    use proptest::prelude::*;
    use shiguredo_mp4::{Decode as _, boxes::AvccBox};

    fn avcc(codec: &CodecConfig) -> &Bytes {
        match codec {
            CodecConfig::H264 { avcc, .. } => avcc,
            other => panic!("not H.264: {other:?}"),
        }
    }

    #[test]
    fn a_writers_own_record_is_canonical_already() {
        for (digits, width, height, sar) in RECORDS {
            let header = Header::parse(&hex(digits)).unwrap();
            assert_eq!(header.length_size, LengthSize::FOUR);
            let avcc = Bytes::from(hex(digits));
            assert_eq!(header.sets.codec(), Ok(CodecConfig::H264 { avcc, width, height, sar }));
        }
    }

    #[test]
    fn short_lengths_repeats_and_order_make_no_difference() {
        let one = record(4, &[sps(0, 4, 3), sps(1, 8, 6)], &[pps(0, 1), pps(1, 0)]);
        let other =
            record(2, &[sps(1, 8, 6), sps(0, 4, 3), sps(1, 8, 6)], &[pps(1, 0), pps(0, 1), pps(0, 1)]);
        let (one, other) = (Header::parse(&one).unwrap(), Header::parse(&other).unwrap());
        assert_eq!((one.length_size.bytes(), other.length_size.bytes()), (4, 2));
        assert_eq!(one.sets, other.sets);
        let codec = one.sets.codec().unwrap();
        assert!(
            matches!(codec, CodecConfig::H264 { width: 128, height: 96, .. }),
            "the SPS that the first PPS names"
        );
        assert_eq!(codec, other.sets.codec().unwrap());
        assert_eq!(avcc(&codec)[4], 0xff);
    }

    #[test]
    fn start_codes_in_place_of_a_record_are_read() {
        let header = Header::parse(&with_codes(&[sps(0, 4, 3), pps(0, 0)])).unwrap();
        assert_eq!(header, Header::parse(&record(4, &[sps(0, 4, 3)], &[pps(0, 0)])).unwrap());
    }

    #[test]
    fn a_missing_extension_is_written_and_a_present_one_kept() {
        let whole = hex(RECORDS[0].0);
        let cut = &whole[..whole.len() - 4];
        let codec = Header::parse(cut).unwrap().sets.codec().unwrap();
        assert_eq!(avcc(&codec)[..], whole[..]);
        // An SPS extension survives.
        let extension = hex("6d ba 40");
        let with_extension = [&whole[..whole.len() - 1], &[1, 0, 3], &extension].concat();
        let codec = Header::parse(&with_extension).unwrap().sets.codec().unwrap();
        assert_eq!(avcc(&codec)[..], with_extension[..]);
    }

    #[test]
    fn the_box_reads_back_through_another_reader() {
        let sets = Header::parse(&hex(RECORDS[3].0)).unwrap().sets;
        let codec = sets.codec().unwrap();
        let body = avcc(&codec);
        let boxed = [&(body.len() as u32 + 8).to_be_bytes(), &b"avcC"[..], body].concat();
        let (read, used) = AvccBox::decode(&boxed).unwrap();
        assert_eq!((used, read.sps_list.len(), read.pps_list.len()), (boxed.len(), 1, 1));
        assert_eq!((read.chroma_format.unwrap().get(), read.bit_depth_luma_minus8.unwrap().get()), (3, 2));
    }

    #[test]
    fn a_new_set_changes_the_configuration_and_an_old_one_does_not() {
        let mut sets = Header::parse(&record(4, &[sps(0, 4, 3)], &[pps(0, 0)])).unwrap().sets;
        let before = sets.codec().unwrap();
        assert_eq!(sets.absorb(&[&sps(0, 4, 3)[..], &[0, 0]].concat()), Ok(Absorbed::Nothing));
        assert_eq!(sets.absorb(&[0x65, 0x88]), Ok(Absorbed::Nothing));
        assert_eq!(sets.codec().unwrap(), before);
        assert_eq!(sets.absorb(&sps(0, 40, 30)), Ok(Absorbed::Change));
        assert!(matches!(sets.codec(), Ok(CodecConfig::H264 { width: 640, height: 480, .. })));
    }

    #[test]
    fn broken_records_say_what_is_wrong() {
        let good = record(4, &[sps(0, 4, 3)], &[pps(0, 0)]);
        assert_eq!(Header::parse(&[]), Err(H264Error::Short(0)));
        assert_eq!(Header::parse(&[2]), Err(H264Error::Version(2)));
        for end in 1..good.len() {
            assert_eq!(Header::parse(&good[..end]), Err(H264Error::Short(end)), "{end}");
        }
        assert_eq!(
            Header::parse(&record(4, &[pps(0, 0)], &[])),
            Err(H264Error::NotA { what: "SPS", found: 8 })
        );
        let none = Header::parse(&record(4, &[], &[])).unwrap();
        assert!(none.sets.is_empty());
        assert_eq!(none.sets.codec(), Err(H264Error::Missing("PPS")));
    }

    #[test]
    fn sets_in_masses_are_bounded() {
        let mut sets = ParameterSets::default();
        let huge = [pps(0, 0), vec![0xff; PARAMETER_SET_BYTES_MAX]].concat();
        assert!(matches!(sets.absorb(&huge), Err(H264Error::TooLarge { .. })));
        for id in 0..=255 {
            drop(sets.absorb(&[pps(id, 0), vec![0xff; 1000]].concat()));
        }
        assert!(sets.bytes() <= PARAMETER_SETS_BYTES_MAX && sets.pps.len() > 60);
        let mut many = ParameterSets::default();
        for id in 0..32 {
            assert_eq!(many.absorb(&sps(id, 4, 3)), Ok(Absorbed::Change));
        }
        many.absorb(&pps(0, 0)).unwrap();
        let codec = many.codec().unwrap();
        assert_eq!(Header::parse(avcc(&codec)).unwrap().sets.sps.len(), 31);
    }

    proptest! {
        #[test]
        fn the_canonical_form_of_a_canonical_form_is_itself(record: Vec<u8>, at in 0usize..48, to: u8) {
            let mut damaged = hex(RECORDS[0].0);
            damaged[at] = to;
            for record in [record, damaged] {
                let Ok(header) = Header::parse(&record) else { continue };
                let Ok(codec) = header.sets.codec() else { continue };
                let again = Header::parse(avcc(&codec)).unwrap();
                prop_assert_eq!(again.length_size, LengthSize::FOUR);
                prop_assert_eq!(again.sets.codec(), Ok(codec));
            }
        }
    }
}
