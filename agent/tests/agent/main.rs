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
mod durability;
mod errors;
mod ingest;
mod lifecycle;
mod observe;
mod repeated;
mod stream;
