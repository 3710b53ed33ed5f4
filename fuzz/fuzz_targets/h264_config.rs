//! A decoder configuration is read or refused; its canonical form is a configuration with 4-byte lengths
//! whose canonical form is itself, and taking its sets in again changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::CodecConfig;
use media::codec::h264::{Absorbed, Header, LengthSize, PARAMETER_SETS_BYTES_MAX, Sps};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(sps) = Sps::parse(bytes) {
        assert!(sps.width > 0 && sps.height > 0 && sps.sar.0 > 0 && sps.sar.1 > 0);
    }
    let Ok(header) = Header::parse(bytes) else { return };
    let mut sets = header.sets.clone();
    assert!(sets.absorb(bytes) != Ok(Absorbed::Change) || sets != header.sets);
    let Ok(codec) = header.sets.codec() else { return };
    let CodecConfig::H264 { avcc, .. } = &codec else { panic!("not H.264: {codec:?}") };
    // Two bytes of length a set, and the fixed fields.
    assert!(avcc.len() <= PARAMETER_SETS_BYTES_MAX + 2 * (32 + 256 + 32) + 11);
    let again = Header::parse(avcc).expect("the canonical form is a record");
    assert_eq!(again.length_size, LengthSize::FOUR);
    assert_eq!(again.sets.codec(), Ok(codec));
});
