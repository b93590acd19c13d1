//! Tests of the agent as its users meet it: the real program, on real sockets, with a real store.
//!
//! Those that need root say so and pass without it having tested anything.

// Tests build small texts; how fast does not matter.
#![allow(clippy::format_collect, clippy::format_push_string)]

mod harness;

mod access;
mod backtest;
mod care;
mod cli;
mod crash;
mod durability;
mod errors;
mod full_disk;
mod ingest;
mod io_errors;
mod lifecycle;
mod load;
mod observe;
mod repeated;
mod stream;
