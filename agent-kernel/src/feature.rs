//! The features of the kernel side, each of which is probed alone.

use std::fmt;
use std::str::FromStr;

/// Something that hark can hear from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// Executions, forks and ends of processes.
    Process,
    /// Who sent which signal to whom.
    Signal,
    /// Processes killed for want of memory.
    Oom,
    /// TCP connections: opened, accepted, closed, reset, segments sent again.
    Tcp,
    /// Changes of privileges, processes that take control of others, mounts, BPF programs and modules
    /// loaded.
    Audit,
    /// Failures of block devices, and how long they take, as a histogram by device and operation.
    BlockLatency,
    /// How long runnable threads wait for a CPU, as a histogram.
    RunqueueLatency,
    /// Lines of the kernel's own log.
    KernelLog,
    /// Capabilities that processes wanted to use and do not have.
    Capability,
    /// File systems that found themselves inconsistent.
    FsError,
    /// Threads that have waited for long and cannot be woken.
    Hang,
    /// Files at paths that are watched: opened, changed, removed.
    File,
    /// Queries for names (DNS), with what they asked and how long the answer took.
    Dns,
    /// Threads that wait while the kernel takes memory back, and how long, as a histogram.
    Reclaim,
    /// Threads that wait in the kernel: for a device, a lock, or a page of memory from a disk.
    OffCpu,
    /// UDP datagrams that do not arrive.
    Udp,
    /// System calls that fail, counted by command, call and error.
    SyscallError,
    /// Listening ports that turn connections away because their queue is full.
    ListenOverflow,
    /// Resources that threads wait for, as the kernel's pressure stall information tells.
    Pressure,
    /// The kernel programs' own diagnostics.
    Log,
}

/// The text names no feature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a kernel feature; known are: {known}", known = Feature::names())]
pub struct UnknownFeature(pub String);

impl Feature {
    /// Every one.
    pub const ALL: &[Self] = &[
        Self::Process,
        Self::Signal,
        Self::Oom,
        Self::Tcp,
        Self::Audit,
        Self::BlockLatency,
        Self::RunqueueLatency,
        Self::KernelLog,
        Self::Capability,
        Self::FsError,
        Self::Hang,
        Self::File,
        Self::Dns,
        Self::Reclaim,
        Self::OffCpu,
        Self::Udp,
        Self::SyscallError,
        Self::ListenOverflow,
        Self::Pressure,
        Self::Log,
    ];

    /// Its name in configuration and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Signal => "signal",
            Self::Oom => "oom",
            Self::Tcp => "tcp",
            Self::Audit => "audit",
            Self::BlockLatency => "block_latency",
            Self::RunqueueLatency => "runqueue_latency",
            Self::KernelLog => "kernel_log",
            Self::Capability => "capability",
            Self::FsError => "fs_error",
            Self::Hang => "hang",
            Self::File => "file",
            Self::Dns => "dns",
            Self::Reclaim => "reclaim",
            Self::OffCpu => "off_cpu",
            Self::Udp => "udp",
            Self::SyscallError => "syscall_error",
            Self::ListenOverflow => "listen_overflow",
            Self::Pressure => "pressure",
            Self::Log => "log",
        }
    }

    /// Whether it is on unless a configuration says otherwise. What costs time where nothing happens
    /// is not.
    pub const fn is_default(self) -> bool {
        !matches!(self, Self::SyscallError)
    }

    /// Whether kernel programs serve it alone; the others ask the kernel without any.
    pub const fn has_programs(self) -> bool {
        !matches!(self, Self::ListenOverflow | Self::Pressure | Self::Log)
    }

    /// What it gives, in a few words.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Process => "executions, forks and ends of processes",
            Self::Signal => "who sent which signal to whom",
            Self::Oom => "processes killed for want of memory",
            Self::Tcp => "TCP connections opened, accepted, closed and reset, segments sent again",
            Self::Audit => "privileges changed, processes traced, mounts, BPF programs and modules",
            Self::BlockLatency => "block devices: failures, slow requests, how long all take",
            Self::RunqueueLatency => "how long runnable threads wait for a CPU",
            Self::KernelLog => "lines of the kernel's own log",
            Self::Capability => "capabilities that processes wanted to use and do not have",
            Self::FsError => "ext4 file systems that found themselves inconsistent",
            Self::Hang => "threads that have waited for long and cannot be woken",
            Self::File => "files at paths that are watched: opened, changed, removed",
            Self::Dns => "queries for names, over UDP to port 53, and their answers",
            Self::Reclaim => "threads that wait while the kernel takes memory back",
            Self::OffCpu => "threads that wait for devices, locks, or memory from a disk",
            Self::Udp => "UDP datagrams that do not arrive: no room, or nobody there",
            Self::SyscallError => "system calls that fail, by command, call and error",
            Self::ListenOverflow => "listening ports whose queue of connections is full",
            Self::Pressure => "threads wait for long for a CPU, memory or disks",
            Self::Log => "the kernel programs' own diagnostics",
        }
    }

    fn names() -> String {
        Self::ALL
            .iter()
            .map(|f| f.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Feature {
    type Err = UnknownFeature;

    fn from_str(text: &str) -> Result<Self, UnknownFeature> {
        Self::ALL
            .iter()
            .copied()
            .find(|f| f.as_str() == text)
            .ok_or_else(|| UnknownFeature(text.to_owned()))
    }
}
