//! Calls that fail, and waits that are long.

/// A thread waited while the kernel took memory back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reclaim {
    /// How long, in nanoseconds.
    pub duration: u64,
    /// Pages that were taken back.
    pub pages: u64,
    /// What was short of memory: `host`, or `cgroup` where the control group was at its limit.
    pub scope: &'static str,
}

/// System calls of a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyscallFailures {
    /// Which, and how often since they were told last.
    pub failed: crate::SyscallError,
    /// Over how long, in nanoseconds.
    pub duration: u64,
}

/// A listening port turned connections away because its queue was full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenOverflow {
    /// The address and port.
    pub local: std::net::SocketAddr,
    /// How many attempts were turned away since the last event about it.
    pub refused: u32,
    /// Connections that wait to be accepted.
    pub queued: u32,
    /// How many may wait (the backlog of `listen(2)`).
    pub limit: u32,
}

/// Threads waited for long for a resource.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PressureStall {
    /// `cpu`, `memory` or `io`.
    pub resource: &'static str,
    /// Share of the last ten seconds in which some thread waited, in percent.
    pub share: f64,
    /// How long some thread waited since the last event about it, or the start: nanoseconds.
    pub waited: u64,
    /// How long ago that event was, in nanoseconds; absent for the first.
    pub since: Option<u64>,
}

/// The threads of a process waited for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongWaits {
    /// For what.
    pub resource: crate::Resource,
    /// How often.
    pub count: u64,
    /// How long, together, in nanoseconds.
    pub waited: u64,
    /// In how long, in nanoseconds.
    pub duration: u64,
}

/// A block device took long for a request. The event's process issued it: a thread of the kernel, where
/// that writes on behalf of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowRequest {
    /// The device's kernel name, as in `sda`.
    pub device: String,
    /// `read`, `write`, `flush`, `discard` or `other`.
    pub operation: &'static str,
    /// Where, in units of 512 bytes.
    pub sector: u64,
    /// How many bytes it was about.
    pub bytes: u32,
    /// How long, in nanoseconds.
    pub duration: u64,
}
