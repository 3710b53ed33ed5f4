//! An AudioSpecificConfig is read or refused; its canonical form reads as the same, and its packets last
//! a whole number of ticks that is the core's time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::codec::aac::{AdtsHeader, Asc};

fuzz_target!(|bytes: &[u8]| {
    if let Some(header) = AdtsHeader::parse(bytes) {
        assert!(header.header_bytes <= header.frame_bytes && header.frame_bytes < 1 << 13);
    }
    let Ok(asc) = Asc::parse(bytes) else { return };
    assert!(asc.bytes.len() <= bytes.len() && asc.channels() > 0);
    let core = u64::from(asc.core_samples) * u64::from(asc.sample_rate());
    assert_eq!(u64::from(asc.frame_samples()) * u64::from(asc.core_rate), core);
    let again = Asc::parse(&asc.bytes).expect("the canonical form is an AudioSpecificConfig");
    assert_eq!(again, asc);
    assert_eq!(again.codec(), asc.codec());
});
