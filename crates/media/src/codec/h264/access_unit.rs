//! One access unit: brought to 4-byte lengths, its in-band parameter sets found, and whether decoding
//! can begin at it. Delimiters, filler, SEI and in-band parameter sets stay in the payload as they came:
//! the tape keeps what the encoder sent.

use bytes::Bytes;
use thiserror::Error;

use super::nal::{kind, nal_type};
use crate::codec::bits::{BitReader, rbsp};
use crate::codec::nal::{BadLength, LengthSize, canonical, framing, units};
use crate::packet::Rap;

/// Largest access unit accepted. Level 5.2 allows about 5 MiB for a coded picture at its minimum
/// compression ratio (ITU-T H.264 Table A-1); the rest is room for levels above and for filler.
pub const ACCESS_UNIT_BYTES_MAX: usize = 8 << 20;

/// Parameter sets looked at in one access unit; encoders send 2 to 4. More are left unread.
pub const SETS_PER_ACCESS_UNIT_MAX: usize = 64;

/// Bytes of a slice in which `first_mb_in_slice` and `slice_type` lie, emulation prevention included.
const SLICE_HEAD_BYTES: usize = 24;

/// Bytes of an SEI NAL unit searched for a recovery point, and of one message's payload read: encoders
/// put it before the bulky messages.
const SEI_BYTES_MAX: usize = 4096;

/// `payloadType` of a recovery point, ITU-T H.264 §D.1.8.
const RECOVERY_POINT: usize = 6;

/// Why an access unit is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AccessUnitError {
    /// No NAL unit in it.
    #[error("the access unit is empty")]
    Empty,
    /// Larger than [`ACCESS_UNIT_BYTES_MAX`].
    #[error("the access unit has {0} bytes; at most {ACCESS_UNIT_BYTES_MAX} are accepted")]
    TooLarge(usize),
    /// A NAL length that does not fit what is left, and no start code either.
    #[error("the NAL unit at byte {offset} claims {length} bytes where {left} are left")]
    Length {
        /// Where the length stands in the payload.
        offset: usize,
        /// What it says; 0 where the length itself is cut short.
        length: usize,
        /// What is left after it.
        left: usize,
    },
}

impl From<BadLength> for AccessUnitError {
    fn from(bad: BadLength) -> Self {
        Self::Length { offset: bad.offset, length: bad.length, left: bad.left }
    }
}

/// What the container says of an access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFlag {
    /// Marked as a key frame.
    Key,
    /// Not marked.
    Delta,
}

/// An access unit as packets carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessUnit {
    /// NAL units behind 4-byte lengths; shares the input's allocation where that had them already.
    pub data: Bytes,
    /// Whether decoding can begin here.
    pub rap: Rap,
    /// In-band SPS, PPS and SPS extensions in order, for [`super::ParameterSets::absorb`].
    pub sets: Vec<Bytes>,
}

/// Reads the payload of one access unit.
///
/// Random access is decided by the slices, not by the container alone:
/// - an IDR slice: [`Rap::Closed`], whatever the flag says;
/// - flagged as key, with a recovery point that takes effect at once and an I slice first:
///   [`Rap::Open`];
/// - flagged as key, without either, but all slices are I: [`Rap::Open`];
/// - anything else, gradual refresh included (its picture is whole only frames later): [`Rap::None`].
pub fn access_unit(
    payload: &Bytes,
    lengths: LengthSize,
    flag: KeyFlag,
) -> Result<AccessUnit, AccessUnitError> {
    if payload.len() > ACCESS_UNIT_BYTES_MAX {
        return Err(AccessUnitError::TooLarge(payload.len()));
    }
    let framing = framing(payload, lengths)?;
    let mut slices = Slices::default();
    let mut bytes = 0;
    let mut sets = Vec::new();
    for nal in units(payload, framing) {
        bytes += LengthSize::FOUR.bytes() + nal.len();
        slices.look(nal);
        let is_set = matches!(nal_type(nal), kind::SPS | kind::PPS | kind::SPS_EXT);
        if is_set && sets.len() < SETS_PER_ACCESS_UNIT_MAX {
            sets.push(Bytes::copy_from_slice(nal));
        }
    }
    if bytes == 0 {
        return Err(AccessUnitError::Empty);
    }
    let data = canonical(payload, framing, bytes);
    let rap = slices.rap(flag, || units(payload, framing).any(recovers_at_once));
    Ok(AccessUnit { data, rap, sets })
}

/// What the slices of an access unit are.
#[derive(Debug, Default)]
struct Slices {
    idr: bool,
    first_is_intra: bool,
    intra: usize,
    other: usize,
}

impl Slices {
    fn look(&mut self, nal: &[u8]) {
        match nal_type(nal) {
            kind::IDR => self.idr = true,
            kind::SLICE | kind::SLICE_A if is_intra(nal) => {
                self.first_is_intra |= self.intra + self.other == 0;
                self.intra += 1;
            }
            kind::SLICE | kind::SLICE_A => self.other += 1,
            _ => {}
        }
    }

    fn rap(&self, flag: KeyFlag, recovers_at_once: impl FnOnce() -> bool) -> Rap {
        let all_intra = self.intra > 0 && self.other == 0;
        match flag {
            _ if self.idr => Rap::Closed,
            KeyFlag::Key if all_intra || (self.first_is_intra && recovers_at_once()) => Rap::Open,
            KeyFlag::Key | KeyFlag::Delta => Rap::None,
        }
    }
}

/// Whether `slice_type` is I or SI (§7.4.3). A slice too damaged to tell is not.
fn is_intra(nal: &[u8]) -> bool {
    let head = &nal[1..nal.len().min(SLICE_HEAD_BYTES)];
    let raw = rbsp(head, SLICE_HEAD_BYTES);
    let mut bits = BitReader::new(&raw);
    let slice_type = bits.ue().and_then(|_first_mb| bits.ue());
    matches!(slice_type, Ok(2 | 4 | 7 | 9))
}

/// Whether a NAL unit is an SEI with a recovery point whose `recovery_frame_cnt` is 0 (§D.1.8): the
/// picture itself is whole, only those before it in output order may not be.
fn recovers_at_once(nal: &[u8]) -> bool {
    if nal_type(nal) != kind::SEI {
        return false;
    }
    let raw = rbsp(&nal[1..], SEI_BYTES_MAX);
    let mut rest = &raw[..];
    while let Some((payload_type, size, payload)) = sei_message(rest) {
        if payload_type == RECOVERY_POINT {
            return BitReader::new(payload).ue() == Ok(0);
        }
        let Some(next) = payload.get(size..) else { return false };
        rest = next;
    }
    false
}

/// Type, size and what follows of the next SEI message, §7.3.2.3.1; `None` at the trailing bits.
fn sei_message(raw: &[u8]) -> Option<(usize, usize, &[u8])> {
    if raw.len() < 3 {
        return None;
    }
    let (payload_type, rest) = sei_number(raw)?;
    let (size, payload) = sei_number(rest)?;
    Some((payload_type, size, payload))
}

/// A number written as 255s and a last byte below.
fn sei_number(raw: &[u8]) -> Option<(usize, &[u8])> {
    let full = raw.iter().take_while(|&&byte| byte == 255).count();
    let last = *raw.get(full)?;
    Some((full * 255 + usize::from(last), &raw[full + 1..]))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{hex, pps, slice, sps, with_codes, with_lengths};
    use super::*;
    use proptest::prelude::*;

    const IDR: u8 = 0x65;
    const REF: u8 = 0x41;

    fn read(nals: &[Vec<u8>], flag: KeyFlag) -> AccessUnit {
        access_unit(&Bytes::from(with_lengths(4, nals)), LengthSize::FOUR, flag).unwrap()
    }

    /// x264's recovery point SEI of an open GOP: count 0, exact match.
    fn recovery() -> Vec<u8> {
        hex("06 06 01 c4 80")
    }

    #[test]
    fn random_access_is_what_the_slices_say() {
        let (p, b, i) = (|| slice(REF, 0), || slice(1, 1), || slice(REF, 2));
        let cases = [
            (vec![slice(IDR, 7)], KeyFlag::Key, Rap::Closed),
            (vec![slice(IDR, 7)], KeyFlag::Delta, Rap::Closed),
            (vec![recovery(), i()], KeyFlag::Key, Rap::Open),
            (vec![recovery(), i()], KeyFlag::Delta, Rap::None),
            (vec![recovery(), i(), p()], KeyFlag::Key, Rap::Open),
            (vec![i(), slice(REF, 7)], KeyFlag::Key, Rap::Open),
            (vec![i(), p()], KeyFlag::Key, Rap::None),
            (vec![recovery(), p()], KeyFlag::Key, Rap::None),
            (vec![b()], KeyFlag::Key, Rap::None),
            (vec![recovery()], KeyFlag::Key, Rap::None),
            // Gradual refresh: the picture is whole 30 frames later (ue 30 = 000011111).
            (vec![hex("06 06 02 0f c0 80"), i(), p()], KeyFlag::Key, Rap::None),
        ];
        for (nals, flag, rap) in cases {
            assert_eq!(read(&nals, flag).rap, rap, "{nals:x?} {flag:?}");
        }
    }

    #[test]
    fn a_recovery_point_is_found_behind_other_messages() {
        // buffering_period-like message of 300 bytes, then the recovery point.
        let mut sei = vec![6, 5, 255, 45];
        sei.extend([0xaa; 300]);
        sei.extend([6, 1, 0xc4, 0x80]);
        assert_eq!(read(&[sei.clone(), slice(REF, 2), slice(REF, 0)], KeyFlag::Key).rap, Rap::Open);
        sei[3] = 200; // now the sizes do not add up
        assert_eq!(read(&[sei, slice(REF, 2), slice(REF, 0)], KeyFlag::Key).rap, Rap::None);
    }

    #[test]
    fn payloads_with_4_byte_lengths_are_shared_not_copied() {
        let payload = Bytes::from(with_lengths(4, &[hex("09f0"), slice(IDR, 7), vec![0x0c, 0xff, 0x80]]));
        let unit = access_unit(&payload, LengthSize::FOUR, KeyFlag::Key).unwrap();
        assert_eq!(unit.data.as_ptr(), payload.as_ptr());
        assert_eq!(unit.data, payload);
    }

    #[test]
    fn every_other_framing_is_brought_to_4_byte_lengths() {
        let nals = [hex("09f0"), sps(0, 4, 3), pps(0, 0), slice(IDR, 7)];
        let canonical = with_lengths(4, &nals);
        let short = LengthSize::from_minus_one(1);
        let padded = [&canonical[..6], &[0; 4], &canonical[6..], &[0; 3]].concat();
        let coded = with_codes(&nals);
        let wrapped = with_lengths(4, std::slice::from_ref(&coded));
        for (payload, lengths) in [
            (with_lengths(2, &nals), short),
            (coded.clone(), LengthSize::FOUR),
            (coded, short),
            (padded, LengthSize::FOUR),
            (wrapped, LengthSize::FOUR),
        ] {
            let unit = access_unit(&payload.into(), lengths, KeyFlag::Key).unwrap();
            assert_eq!(unit.data[..], canonical[..]);
            assert_eq!(unit.sets, [Bytes::from(sps(0, 4, 3)), Bytes::from(pps(0, 0))]);
            assert_eq!(unit.rap, Rap::Closed);
        }
    }

    #[test]
    fn empty_oversized_and_broken_units_are_refused() {
        let read = |payload: Vec<u8>| access_unit(&payload.into(), LengthSize::FOUR, KeyFlag::Key);
        assert_eq!(read(vec![]), Err(AccessUnitError::Empty));
        assert_eq!(read(vec![0; 9]), Err(AccessUnitError::Empty));
        let over = ACCESS_UNIT_BYTES_MAX + 1;
        assert_eq!(read(vec![0; over]), Err(AccessUnitError::TooLarge(over)));
        let bad = AccessUnitError::Length { offset: 6, length: 9, left: 2 };
        assert_eq!(read(hex("00000002 09f0 00000009 4101")), Err(bad));
    }

    #[test]
    fn parameter_sets_in_masses_are_left_unread() {
        let nals = vec![pps(0, 0); SETS_PER_ACCESS_UNIT_MAX + 9];
        assert_eq!(read(&nals, KeyFlag::Delta).sets.len(), SETS_PER_ACCESS_UNIT_MAX);
    }

    proptest! {
        #[test]
        fn what_comes_out_goes_in_again_unchanged(payload: Vec<u8>, size in 0u8..4, key: bool) {
            let flag = if key { KeyFlag::Key } else { KeyFlag::Delta };
            if let Ok(unit) = access_unit(&payload.into(), LengthSize::from_minus_one(size), flag) {
                let again = access_unit(&unit.data, LengthSize::FOUR, flag).unwrap();
                prop_assert_eq!(again.data.as_ptr(), unit.data.as_ptr());
                prop_assert_eq!(again, unit);
            }
        }
    }
}
