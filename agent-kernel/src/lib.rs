//! Loads hark's kernel programs and decodes what they report.
//!
//! [`Kernel::start`] loads and attaches what works on this kernel, each [`Feature`] alone, and hands
//! decoded [`KernelEvent`]s to a callback. [`probe`] says what would work.

mod error;
mod event;
mod feature;
mod kernel;
mod latency;
mod options;
mod process;

pub use error::Error;
pub use event::{
    ConnectOutcome, Data, Ends, Exec, Exit, ExitStatus, Fork, KernelEvent, OomKill, Owner, Sender,
    Signal, SignalResult, TcpAccept, TcpClose, TcpConnect, TcpReset, TcpRetransmit,
};
pub use feature::{Feature, UnknownFeature};
pub use kernel::{Counters, Fact, Kernel, Probe, probe};
pub use latency::{BlockLatency, Histogram, LatencyTables};
pub use options::Options;
pub use process::Processes;
