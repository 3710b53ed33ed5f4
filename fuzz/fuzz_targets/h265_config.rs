//! A decoder configuration is read or refused; its canonical form is a configuration with 4-byte lengths
//! whose canonical form is itself, and an access unit under it comes out in one form.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use media::CodecConfig;
use media::codec::h264::LengthSize;
use media::codec::h265::{Header, Sps, access_unit, parameter_sets, rfc6381};

fuzz_target!(|input: (&[u8], &[u8])| {
    let (record, payload) = input;
    if let Ok(sps) = Sps::parse(record) {
        assert!(sps.width > 0 && sps.height > 0 && sps.sar.0 > 0 && sps.sar.1 > 0);
    }
    let Ok(header) = Header::parse(record) else { return };
    if let Ok(unit) = access_unit(&Bytes::copy_from_slice(payload), header.length_size) {
        let again = access_unit(&unit.data, LengthSize::FOUR).expect("canonical units are read");
        assert_eq!(again.data.as_ptr(), unit.data.as_ptr());
        assert_eq!(again, unit);
        let mut sets = header.sets.clone();
        unit.sets.iter().for_each(|set| drop(sets.absorb(set)));
        drop(sets.codec());
    }
    let Ok(codec) = header.sets.codec() else { return };
    let CodecConfig::H265 { hvcc, .. } = &codec else { panic!("not H.265: {codec:?}") };
    assert!(rfc6381(hvcc).is_some() && parameter_sets(hvcc).is_some());
    let again = Header::parse(hvcc).expect("the canonical form is a record");
    assert_eq!(again.length_size, LengthSize::FOUR);
    assert_eq!(again.sets.codec(), Ok(codec));
});
