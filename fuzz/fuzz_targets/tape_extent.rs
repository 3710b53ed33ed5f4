//! An extent of any bytes, with the checksums of its parts put right.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| tape::fuzz::extent(bytes));
