//! A cached index of any bytes behind a right checksum.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| tape::fuzz::sidecar(bytes));
