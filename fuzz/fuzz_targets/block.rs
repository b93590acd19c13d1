//! Bytes that are no block, whatever their checksum says, are refused or read without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| hark_store::fuzz::read_block(bytes));
