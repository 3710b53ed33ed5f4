//! An access unit is read or refused; what comes out has 4-byte lengths that add up, goes in again
//! unchanged and without a copy, and its parameter sets are among its units.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use media::codec::h264::{Header, KeyFlag, ParameterSets, SETS_PER_ACCESS_UNIT_MAX, access_unit};

fuzz_target!(|input: (u8, bool, &[u8])| {
    let (size, key, payload) = input;
    // A record without sets says how long the lengths are.
    let record = [1, 66, 0, 30, 0xfc | size, 0xe0, 0];
    let lengths = Header::parse(&record).expect("a record without sets is legal").length_size;
    let flag = if key { KeyFlag::Key } else { KeyFlag::Delta };
    let Ok(unit) = access_unit(&Bytes::copy_from_slice(payload), lengths, flag) else { return };
    let units = units(&unit.data);
    assert!(unit.sets.len() <= SETS_PER_ACCESS_UNIT_MAX);
    assert!(unit.sets.iter().all(|set| units.contains(&&set[..])));
    let mut sets = ParameterSets::default();
    unit.sets.iter().for_each(|set| drop(sets.absorb(set)));
    drop(sets.codec());

    let four = media::codec::h264::LengthSize::FOUR;
    let again = access_unit(&unit.data, four, flag).expect("canonical units are read");
    assert_eq!(again.data.as_ptr(), unit.data.as_ptr());
    assert_eq!(again, unit);
});

fn units(mut data: &[u8]) -> Vec<&[u8]> {
    let mut units = Vec::new();
    while let Some((length, rest)) = data.split_first_chunk() {
        let (unit, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        assert!(!unit.is_empty());
        units.push(unit);
        data = rest;
    }
    assert!(data.is_empty(), "the lengths add up");
    units
}
