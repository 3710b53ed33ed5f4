//! A part trailer of any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| tape::fuzz::trailer(bytes));
