//! The chores of hark: build-ebpf, bench, release.
#![forbid(unsafe_code)]

fn main() {}
