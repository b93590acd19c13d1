//! What is told of calls that fail and of waits that are long.

use bytemuck::{Pod, Zeroable};

use crate::{BlockKey, COMM_LEN, Header, Task};

/// Entries of the account of system calls that failed.
pub const SYSCALL_ERRORS_MAX: u32 = 2_048;

/// What system calls that failed are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SyscallErrorKey {
    /// Command name, filled up with zeros.
    pub comm: [u8; COMM_LEN],
    /// Number of the call, on this architecture.
    pub call: u32,
    /// The error, as `errno`.
    pub error: u32,
}

/// The host was short of memory.
pub const RECLAIM_HOST: u32 = 0;
/// The control group of the process was at its limit.
pub const RECLAIM_CGROUP: u32 = 1;

/// A thread waited while the kernel took memory back.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct ReclaimRecord {
    /// The process.
    pub header: Header,
    /// How long.
    pub nanos: u64,
    /// Pages that were taken back.
    pub pages: u64,
    /// `RECLAIM_*`.
    pub scope: u32,
    /// Keeps the size a multiple of 8.
    pub reserved: u32,
}

/// Entries of the account of long waits.
pub const WAITS_MAX: u32 = 4_096;

/// Runnable, for a CPU.
pub const WAIT_CPU: u32 = 0;
/// In the kernel, for a device or a lock, where no signal wakes the thread.
pub const WAIT_KERNEL: u32 = 1;
/// For a page of memory to come from a disk. All of these are counted, and not the long ones alone.
pub const WAIT_PAGE: u32 = 2;

/// What long waits are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct WaitKey {
    /// Process id.
    pub pid: u32,
    /// `WAIT_*`.
    pub resource: u32,
}

/// A process's waits.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Waits {
    /// The thread that waited first.
    pub task: Task,
    /// How many.
    pub count: u64,
    /// How long, together.
    pub nanos: u64,
}

/// A request took long.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct SlowRequestRecord {
    /// The process that issued it: a thread of the kernel, where that writes on behalf of others.
    pub header: Header,
    /// How long, from issue to completion.
    pub nanos: u64,
    /// Where on the device, in units of 512 bytes.
    pub sector: u64,
    /// Length in bytes.
    pub bytes: u32,
    /// Device and operation.
    pub key: BlockKey,
}
