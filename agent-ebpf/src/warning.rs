//! Records of what should not happen, or only where it is known.

use bytemuck::{Pod, Zeroable};

use crate::{Header, TEXT_LEN};

/// How many bytes of a line of the kernel's log are told, the final zero included.
pub const LINE_LEN: usize = 256;

/// The kernel wrote a line to its log.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct LineRecord {
    /// No process.
    pub header: Header,
    /// The line, ended by a zero.
    pub text: [u8; LINE_LEN],
}

/// A process wanted to use a capability that it does not have.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct CapabilityRecord {
    /// The process.
    pub header: Header,
    /// Its number, as in `linux/capability.h`.
    pub capability: u32,
    /// Keeps the size a multiple of 8.
    pub reserved: u32,
}

/// A file system found itself inconsistent.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct FsErrorRecord {
    /// The process that used it.
    pub header: Header,
    /// The kernel's `dev_t`: 12 bits of major number, 20 of minor.
    pub device: u32,
    /// Line of the kernel's source.
    pub line: u32,
    /// Function of the kernel that found it.
    pub function: [u8; 48],
}

/// A thread has waited for long, and cannot be woken.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct HangRecord {
    /// The kernel thread that looks for such; not the one that hangs.
    pub header: Header,
    /// Id of the thread that hangs.
    pub thread: u32,
    /// Keeps the size a multiple of 8.
    pub reserved: u32,
}

/// Opened for reading.
pub const FILE_READ: u32 = 0;
/// Opened so that it may be changed.
pub const FILE_WRITE: u32 = 1;
/// Removed.
pub const FILE_DELETE: u32 = 2;
/// Given another name, or replaced by another.
pub const FILE_RENAME: u32 = 3;
/// Cut, or given another mode or owner.
pub const FILE_CHANGE: u32 = 4;

/// A process did something to a file that is watched.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct FileRecord {
    /// The process.
    pub header: Header,
    /// What the call answered: below 0 is an error.
    pub result: i64,
    /// Flags of an opening.
    pub flags: u64,
    /// `FILE_*`.
    pub operation: u32,
    /// Keeps the size a multiple of 8.
    pub reserved: u32,
    /// The path as it was given, ended by a zero.
    pub path: [u8; TEXT_LEN],
}
