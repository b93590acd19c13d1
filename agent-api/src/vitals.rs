//! The host's vital signs, once a second: what a person looks at first.
//!
//! Bytes are bytes, times are seconds, shares are 0 to 1 and rates are a second, unless a name
//! says otherwise. What the kernel does not tell is absent or empty.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// One reading of the whole host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct Vitals {
    /// When it was read.
    pub time: Timestamp,
    /// Seconds since boot.
    pub uptime: f64,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// All CPUs together, as shares of the whole machine.
    pub cpu: CpuUse,
    /// Each online CPU, in order of its number.
    pub cpus: Vec<CpuUse>,
    /// Tasks.
    pub tasks: Tasks,
    /// Memory and swap.
    pub memory: Memory,
    /// Pressure stall information; absent where the kernel has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pressure: Option<Pressure>,
    /// Block devices, without partitions.
    pub disks: Vec<Disk>,
    /// Mounted file systems with storage behind them.
    pub filesystems: Vec<Filesystem>,
    /// Network interfaces.
    pub interfaces: Vec<Interface>,
    /// TCP, all interfaces.
    pub tcp: Tcp,
    /// The processes that use most, by CPU, then memory, then I/O; bounded.
    pub processes: Vec<ProcessUse>,
    /// The control groups that use most; bounded.
    pub cgroups: Vec<CgroupUse>,
}

/// Shares of CPU time since the last reading; they add up to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct CpuUse {
    /// In user programs, niced ones included.
    pub user: f64,
    /// In the kernel.
    pub system: f64,
    /// Serving interrupts, hard and soft.
    pub irq: f64,
    /// Taken by the hypervisor.
    pub steal: f64,
    /// Idle with I/O outstanding.
    pub iowait: f64,
    /// Idle.
    pub idle: f64,
}

impl CpuUse {
    /// The share that did work or was taken: all but idle and iowait.
    pub fn busy(&self) -> f64 {
        self.user + self.system + self.irq + self.steal
    }
}

/// Tasks of the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct Tasks {
    /// Processes.
    pub processes: u64,
    /// Threads.
    pub threads: u64,
    /// Runnable now.
    pub running: u64,
    /// In uninterruptible sleep now.
    pub blocked: u64,
    /// Created, a second.
    pub forks: f64,
    /// Context switches, a second.
    pub switches: f64,
}

/// Memory and swap, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct Memory {
    /// All of it.
    pub total: u64,
    /// What new programs could have without swapping.
    pub available: u64,
    /// Unused.
    pub free: u64,
    /// Block device buffers.
    pub buffers: u64,
    /// Page cache.
    pub cached: u64,
    /// Kernel slabs.
    pub slab: u64,
    /// Waiting to be written back.
    pub dirty: u64,
    /// Swap space.
    pub swap_total: u64,
    /// Unused swap space.
    pub swap_free: u64,
    /// Swapped in, bytes a second.
    pub swap_in: f64,
    /// Swapped out, bytes a second.
    pub swap_out: f64,
    /// Major page faults, a second.
    pub major_faults: f64,
    /// OOM kills since boot.
    pub oom_kills: u64,
}

/// Pressure stall information: shares of time in which tasks waited,
/// <https://docs.kernel.org/accounting/psi.html>.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct Pressure {
    /// Waiting for a CPU.
    pub cpu: Stall,
    /// Waiting for memory.
    pub memory: Stall,
    /// Waiting for I/O.
    pub io: Stall,
}

/// One resource's stalls since the last reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct Stall {
    /// Share of time in which some task waited.
    pub some: f64,
    /// Share of time in which all non-idle tasks waited.
    pub full: f64,
    /// The kernel's average of `some` over 10 s.
    pub some_avg10: f64,
    /// The kernel's average of `full` over 10 s.
    pub full_avg10: f64,
}

/// A block device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct Disk {
    /// Its kernel name, as in `sda`.
    pub device: String,
    /// Reads completed, a second.
    pub reads: f64,
    /// Writes completed, a second.
    pub writes: f64,
    /// Bytes read, a second.
    pub read_bytes: f64,
    /// Bytes written, a second.
    pub write_bytes: f64,
    /// Mean seconds a read took.
    pub read_latency: f64,
    /// Mean seconds a write took.
    pub write_latency: f64,
    /// Share of time with a request in flight.
    pub busy: f64,
    /// Mean number of requests in flight.
    pub queue: f64,
}

/// A mounted file system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct Filesystem {
    /// Device.
    pub device: String,
    /// Where it is mounted.
    pub mountpoint: String,
    /// Type, as in `ext4`.
    pub fstype: String,
    /// Size in bytes.
    pub size: u64,
    /// Bytes that unprivileged users can still have.
    pub available: u64,
    /// Inodes.
    pub files: u64,
    /// Free inodes.
    pub files_free: u64,
    /// Whether it is mounted read-only.
    pub read_only: bool,
}

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct Interface {
    /// Its name, as in `eth0`.
    pub device: String,
    /// Whether it is up.
    pub up: bool,
    /// Bytes received, a second.
    pub rx_bytes: f64,
    /// Bytes sent, a second.
    pub tx_bytes: f64,
    /// Packets received, a second.
    pub rx_packets: f64,
    /// Packets sent, a second.
    pub tx_packets: f64,
    /// Receive errors and drops, a second.
    pub rx_errors: f64,
    /// Send errors and drops, a second.
    pub tx_errors: f64,
}

/// TCP of the host, a second unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct Tcp {
    /// Connections established now.
    pub established: u64,
    /// Outgoing connections.
    pub active_opens: f64,
    /// Incoming connections.
    pub passive_opens: f64,
    /// Segments sent again.
    pub retransmits: f64,
    /// Resets sent.
    pub resets: f64,
    /// Connections that a full accept queue dropped.
    pub listen_drops: f64,
}

/// What one process uses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct ProcessUse {
    /// Process id.
    pub pid: u32,
    /// Parent's process id.
    pub ppid: u32,
    /// Real user id.
    pub uid: u32,
    /// Command name.
    pub comm: String,
    /// Scheduler state.
    pub state: ProcessState,
    /// CPUs used since the last reading: 1.5 is one and a half CPUs.
    pub cpu: f64,
    /// Resident memory in bytes.
    pub rss: u64,
    /// Bytes read from storage, a second; absent without the privilege to see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_bytes: Option<f64>,
    /// Bytes written to storage, a second; absent without the privilege to see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_bytes: Option<f64>,
    /// Threads.
    pub threads: u64,
    /// When it started, in seconds since boot.
    pub started: f64,
}

/// Scheduler state of a process: one letter, as in `ps` (`proc_pid_stat(5)`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProcessState(pub char);

impl fmt::Display for ProcessState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What one control group uses, all below it included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct CgroupUse {
    /// Its path below the hierarchy's root.
    pub path: String,
    /// CPUs used since the last reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// Share of time in which it was throttled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttled: Option<f64>,
    /// Bytes of memory charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Limit of memory in bytes, where one is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<u64>,
    /// OOM kills since it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oom_kills: Option<u64>,
    /// Processes or threads in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<u64>,
    /// Bytes read, a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_bytes: Option<f64>,
    /// Bytes written, a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_bytes: Option<f64>,
}
