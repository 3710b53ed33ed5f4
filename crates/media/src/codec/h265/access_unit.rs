//! One access unit: brought to 4-byte lengths, its in-band parameter sets found, and whether decoding can
//! begin at it. What else is in it stays as it came: the tape keeps what the encoder sent.

use bytes::Bytes;

use super::nal::{kind, nal_type};
use crate::codec::h264::{ACCESS_UNIT_BYTES_MAX, AccessUnitError, SETS_PER_ACCESS_UNIT_MAX};
use crate::codec::nal::{LengthSize, canonical, framing, units};
use crate::packet::Rap;

/// An access unit as packets carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessUnit {
    /// NAL units behind 4-byte lengths; shares the input's allocation where that had them already.
    pub data: Bytes,
    /// Whether decoding can begin here.
    pub rap: Rap,
    /// In-band VPS, SPS and PPS in order, for [`super::ParameterSets::absorb`].
    pub sets: Vec<Bytes>,
}

/// Reads the payload of one access unit.
///
/// Random access is what the slices say (ITU-T H.265 §7.4.2.2), whatever the container does:
/// - IDR, and BLA whose leading pictures can all be decoded or do not exist: [`Rap::Closed`];
/// - CRA, and BLA with leading pictures that cannot be decoded from here: [`Rap::Open`];
/// - anything else: [`Rap::None`].
pub fn access_unit(payload: &Bytes, lengths: LengthSize) -> Result<AccessUnit, AccessUnitError> {
    if payload.len() > ACCESS_UNIT_BYTES_MAX {
        return Err(AccessUnitError::TooLarge(payload.len()));
    }
    let framing = framing(payload, lengths)?;
    let (mut rap, mut bytes, mut sets) = (Rap::None, 0, Vec::new());
    for nal in units(payload, framing) {
        bytes += LengthSize::FOUR.bytes() + nal.len();
        match nal_type(nal) {
            kind::IDR_W_RADL | kind::IDR_N_LP | kind::BLA_W_RADL | kind::BLA_N_LP => rap = Rap::Closed,
            kind::CRA | kind::BLA_W_LP => rap = Rap::Open,
            kind::VPS | kind::SPS | kind::PPS if sets.len() < SETS_PER_ACCESS_UNIT_MAX => {
                sets.push(Bytes::copy_from_slice(nal));
            }
            _ => {}
        }
    }
    if bytes == 0 {
        return Err(AccessUnitError::Empty);
    }
    Ok(AccessUnit { data: canonical(payload, framing, bytes), rap, sets })
}

#[cfg(test)]
mod tests {
    use super::super::samples::{RECORDS, sets, slice};
    use super::*;
    use crate::codec::h264::samples::{hex, with_codes, with_lengths};
    use proptest::prelude::*;

    #[test]
    fn random_access_is_what_the_slices_say() {
        let rap = |kind| {
            let payload = with_lengths(4, &[hex("4601 50"), slice(kind)]);
            access_unit(&payload.into(), LengthSize::FOUR).unwrap().rap
        };
        assert_eq!([19, 20, 17, 18].map(rap), [Rap::Closed; 4]);
        assert_eq!([21, 16].map(rap), [Rap::Open; 2]);
        assert_eq!([0, 1, 8, 9, 22, 39].map(rap), [Rap::None; 6]);
    }

    #[test]
    fn every_framing_is_brought_to_4_byte_lengths_and_sets_are_found() {
        let [vps, sps, pps] = <[Vec<u8>; 3]>::try_from(sets(&hex(RECORDS[0].0))).unwrap();
        let nals = [vps.clone(), sps.clone(), pps.clone(), slice(19)];
        let canonical = Bytes::from(with_lengths(4, &nals));
        let two = LengthSize::from_minus_one(1);
        for (payload, lengths) in [(with_lengths(2, &nals), two), (with_codes(&nals), LengthSize::FOUR)] {
            let unit = access_unit(&payload.into(), lengths).unwrap();
            assert_eq!((unit.data, unit.rap), (canonical.clone(), Rap::Closed));
            assert_eq!(unit.sets, [&vps, &sps, &pps].map(|set| Bytes::from(set.clone())));
        }
        let unit = access_unit(&canonical, LengthSize::FOUR).unwrap();
        assert_eq!(unit.data.as_ptr(), canonical.as_ptr(), "shared, not copied");
    }

    #[test]
    fn empty_and_oversized_units_are_refused() {
        let read = |payload: Vec<u8>| access_unit(&payload.into(), LengthSize::FOUR);
        assert_eq!(read(vec![]), Err(AccessUnitError::Empty));
        let over = ACCESS_UNIT_BYTES_MAX + 1;
        assert_eq!(read(vec![0; over]), Err(AccessUnitError::TooLarge(over)));
    }

    proptest! {
        #[test]
        fn what_comes_out_goes_in_again_unchanged(payload: Vec<u8>, size in 0u8..4) {
            if let Ok(unit) = access_unit(&payload.into(), LengthSize::from_minus_one(size)) {
                let again = access_unit(&unit.data, LengthSize::FOUR).unwrap();
                prop_assert_eq!(again.data.as_ptr(), unit.data.as_ptr());
                prop_assert_eq!(again, unit);
            }
        }
    }
}
