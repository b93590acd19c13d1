//! The privileged daemon of hark: collects, scores, groups and stores what a Linux host does.
#![forbid(unsafe_code)]

fn main() {}
