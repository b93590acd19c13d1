//! Loads hark's kernel programs and decodes what they report.
//!
//! [`Kernel::start`] loads and attaches what works on this kernel, each [`Feature`] alone, and hands
//! decoded [`KernelEvent`]s to a callback. [`probe`] says what would work.
//!
//! What flows: ring buffer → `reader` → `decode`, which keeps the process `table` → [`KernelEvent`]
//! → the callback.
#![forbid(unsafe_code)]

mod backlog;
mod btf;
mod cgroup;
mod clock;
mod datagram;
mod decode;
mod diagnostics;
mod dns;
mod error;
mod event;
mod explain;
mod failure;
mod feature;
mod filter;
mod id;
mod kernel;
mod latency;
mod layout;
mod listeners;
mod loader;
mod lockdown;
mod narrate;
mod object;
mod options;
mod pressure;
mod probe;
mod process;
mod procfs;
mod programs;
mod raw;
mod reader;
mod table;
mod tracefs;
mod waits;
mod watch;
mod withheld;

pub use btf::{Btf, BtfError};
pub use error::Error;
pub use event::{
    BlockError, BpfLoad, CapabilityDenied, Cause, ConnectOutcome, Data, Dns, Ends, Exec, Exit,
    ExitStatus, Fault, FileAccess, FileOperation, Fork, FsError, HungThread, Identity, KernelEvent,
    KernelLine, ListenOverflow, LongWaits, Module, Mount, OomKill, Owner, PressureStall, Privilege,
    Ptrace, Reclaim, Sender, Signal, SignalResult, SlowRequest, SyscallFailures, TcpAccept,
    TcpClose, TcpConnect, TcpReset, TcpRetransmit, UdpDrop, UdpError, Withheld,
};
pub use failure::{SyscallError, SyscallErrors};
pub use feature::{Feature, UnknownFeature};
pub use filter::{Budgets, Filter, IGNORE_MAX, Ignore, WATCH_MAX, WATCH_PATH_MAX, Watch};
pub use kernel::{Counters, Kernel};
pub use latency::{BlockLatency, Histogram, LatencyTables};
pub use options::Options;
pub use pressure::Pressure;
pub use probe::{Fact, Probe, probe};
pub use process::Processes;
pub use raw::RawReceipt;
pub use waits::{Resource, Wait, WaitLimits};
