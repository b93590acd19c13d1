//! The programs in the running kernel: each event is caused for real, and every field of it checked.
//! Needs the privileges that the agent needs; without them each test says that it is skipped.
//!
//! `HARK_EBPF_OBJECT` names an object to test instead of the committed one.

mod accounting;
mod audit;
mod capabilities;
mod death;
mod denied;
mod dns;
mod features;
mod filter;
mod latency;
mod listener;
mod oom;
mod own;
mod process;
mod restart;
mod signal;
mod stall;
mod tcp;
mod udp;
mod unprivileged;
mod wait;
mod warning;
