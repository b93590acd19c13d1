//! The processes of the host, for everybody who asks.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hark_api::Process;

use crate::cgroup::Hierarchy;
use crate::clock;
use crate::procfs;
use crate::table::Table;

/// The processes of the host, as the kernel's events tell them. A handle: clones share one table.
#[derive(Clone, Debug)]
pub struct Processes {
    table: Arc<RwLock<Table>>,
    /// Whether events keep the table; otherwise /proc is read when somebody asks.
    kept: bool,
}

impl Processes {
    pub(crate) fn new(max: usize, kept: bool) -> Self {
        let table = Table::new(max, Hierarchy::find());
        Self {
            table: Arc::new(RwLock::new(table)),
            kept,
        }
    }

    /// Whether events keep the table.
    pub(crate) fn are_kept(&self) -> bool {
        self.kept
    }

    /// How many were not remembered because the table was full.
    pub(crate) fn overflowed(&self) -> u64 {
        self.read().overflowed
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process with this id, running or ended within the last minute.
    pub fn get(&self, pid: u32) -> Option<Process> {
        if self.kept
            && let Some(entry) = self.read().entry(pid)
        {
            return Some(entry.process(pid));
        }
        // Not told yet, or never: what /proc says is kept until an event says otherwise.
        let mut table = self.write();
        if self.kept {
            table.find(pid)
        } else {
            Some(procfs::read(pid, table.cgroups())?.process(pid))
        }
    }

    /// All running processes, by id.
    pub fn snapshot(&self) -> Vec<Process> {
        if !self.kept {
            let mut table = self.write();
            table.clear();
            table.resync(clock::since_boot());
        }
        let mut all: Vec<Process> = self
            .read()
            .entries()
            .filter(|(_, entry)| entry.ended.is_none())
            .map(|(pid, entry)| entry.process(pid))
            .collect();
        all.sort_unstable_by_key(|process| process.pid);
        all
    }

    /// A process and its ancestors, itself first.
    pub fn ancestry(&self, pid: u32) -> Vec<Process> {
        let mut line: Vec<Process> = Vec::new();
        let mut next = Some(pid);
        while let Some(pid) = next.filter(|pid| *pid != 0)
            // Ids are used again: a process is never its own ancestor.
            && line.iter().all(|process| process.pid != pid)
            && let Some(process) = self.get(pid)
        {
            next = process.ppid;
            line.push(process);
        }
        line
    }
}
