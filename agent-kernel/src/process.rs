//! The table of processes.

use std::sync::Arc;

use hark_api::Process;

/// The processes of the host, as the kernel's events tell them. A handle: clones share one table.
#[derive(Clone, Debug, Default)]
pub struct Processes {
    _table: Arc<()>,
}

impl Processes {
    /// The process with this id, running or ended within the last minute.
    pub fn get(&self, _pid: u32) -> Option<Process> {
        None
    }

    /// All running processes, by id.
    pub fn snapshot(&self) -> Vec<Process> {
        Vec::new()
    }

    /// A process and its ancestors, itself first.
    pub fn ancestry(&self, _pid: u32) -> Vec<Process> {
        Vec::new()
    }
}
