//! AMF3 is read within its limits or refused at a byte it has, and what is read can be written and reads
//! back as the same; inside AMF0 it becomes a value that AMF0 can write.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::proto::amf::{amf0, amf3};

fuzz_target!(|bytes: &[u8]| {
    match amf3::decode(bytes) {
        Ok(values) => {
            let written = amf3::encode_all(&values).expect("what was read can be written");
            let again = amf3::decode(&written).expect("what was written can be read");
            // Bytes, for a number may be NaN.
            assert_eq!(amf3::encode_all(&again).as_ref(), Ok(&written));
        }
        Err(error) => assert!(error.offset <= bytes.len(), "{error}"),
    }
    let inside = [&[0x11], bytes].concat();
    if let Ok((value, read)) = amf0::decode_one(&inside) {
        assert!(read <= inside.len());
        let written = amf0::encode_all(&[value]).expect("what was converted can be written");
        assert_eq!(amf0::encode_all(&amf0::decode(&written).expect("and read")), Ok(written));
    }
});
