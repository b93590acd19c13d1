//! The vital signs of a Linux host, read from /proc, /sys and control groups.
//!
//! A [`Collector`] keeps its files open and its buffers warm; each [`Collector::collect`] gives one
//! [`Reading`]: the [`Vitals`] that people look at, and every number behind them as a [`Metric`] under
//! the name that Prometheus' `node_exporter` uses for it (`hark_*` for what `node_exporter` lacks).
//!
//! What the kernel does not tell is absent: an unreadable file is never an error, unless there is no
//! /proc at all. Counters are turned into rates by the monotonic clock; a counter that ran backwards
//! has no rate for one reading.
#![forbid(unsafe_code)]

mod cgroup;
mod cpu;
mod disk;
mod error;
mod files;
mod filesystem;
mod kept;
mod memory;
mod metric;
mod network;
mod options;
mod own;
mod pace;
mod pressure;
mod process;
mod protocols;
mod reading;
mod scan;
mod table;

pub use error::Error;
pub use hark_api::Vitals;
pub use metric::Metric;
pub use options::Options;
pub use reading::{Collector, Reading};
