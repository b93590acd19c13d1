//! Bytes that are no file of the log, or a damaged one, are read without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| hark_store::fuzz::read_log(bytes));
