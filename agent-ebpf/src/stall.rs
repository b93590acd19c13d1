//! What is told of calls that fail and of waits that are long.

use bytemuck::{Pod, Zeroable};

use crate::{COMM_LEN, Header};

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
