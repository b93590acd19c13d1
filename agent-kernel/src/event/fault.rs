//! Where a process made a fault.

/// A process did what the processor or the kernel does not let it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// Address of the instruction that did it; 0 where unknown.
    pub instruction: u64,
    /// The file that is mapped at the instruction or, for SIGBUS, at the address that it wanted: its path,
    /// as the process's root sees it, and the place in it in bytes. Absent where no file is mapped there,
    /// or its path could not be told.
    pub file: Option<(String, u64)>,
}
