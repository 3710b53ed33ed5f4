//! A journal of any bytes, and of any records behind right checksums.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| tape::fuzz::journal(bytes));
