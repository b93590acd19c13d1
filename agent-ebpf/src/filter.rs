//! What the agent and the programs say to each other about who is heard, and how much.

use bytemuck::{Pod, Zeroable};

use crate::COMM_LEN;

/// Commands are ignored.
pub const IGNORE_COMMANDS: u32 = 1;
/// Users are ignored.
pub const IGNORE_UIDS: u32 = 2;
/// Control groups are ignored.
pub const IGNORE_CGROUPS: u32 = 4;

/// Entries of a list of what is ignored.
pub const IGNORED_MAX: u32 = 256;
/// Control groups that are ignored, those below the listed ones included.
pub const IGNORED_CGROUPS_MAX: u32 = 4_096;
/// Entries of the account of what was withheld.
pub const WITHHELD_MAX: u32 = 1_024;

/// What shares a budget: events of one kind about one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct RateKey {
    /// [`crate::Kind`] as a number.
    pub kind: u32,
    /// Command name, filled up with zeros.
    pub comm: [u8; COMM_LEN],
}

/// What events that were withheld are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct WithheldKey {
    /// [`crate::Kind`] as a number.
    pub kind: u32,
    /// The process: the parent for executions and ends of processes, the sender for signals.
    pub pid: u32,
    /// Command name of the process that the events were about.
    pub comm: [u8; COMM_LEN],
}

/// Bytes of a path that is watched, the final zero of a file's included.
pub const WATCH_PREFIX_MAX: usize = 64;
/// Paths that are watched.
pub const WATCHED_MAX: u32 = 256;
/// Files opened for reading are told.
pub const WATCH_READS: u32 = 1;
/// Files that are changed, or opened so that they may be, are told.
pub const WATCH_WRITES: u32 = 2;
