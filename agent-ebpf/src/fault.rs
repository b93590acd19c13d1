//! What is told of faults of processes.

use bytemuck::{Pod, Zeroable};

use crate::{Header, Walk};

/// Room for the names of a [`Walk`].
pub const NAMES_LEN: usize = 1024;

/// A process did what the processor or the kernel does not let it: the signal's record follows.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct FaultRecord {
    /// The process.
    pub header: Header,
    /// Address of the instruction that did it; 0 where unknown.
    pub instruction: u64,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// Path of the file that is mapped at the instruction or, for SIGBUS, at the address that it wanted;
    /// of no length where there is none.
    pub file: Walk,
    /// Its names.
    pub names: [u8; NAMES_LEN],
}
