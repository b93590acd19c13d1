//! The terminal console and command-line client of hark.
#![forbid(unsafe_code)]

fn main() {}
