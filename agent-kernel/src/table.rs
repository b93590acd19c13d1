//! The table of processes, as the thread that reads the kernel's events keeps it.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use hark_api::Process;
use hark_ebpf::Task;

use crate::cgroup::{Cgroup, Cgroups, Hierarchy};
use crate::event::Fault;
use crate::id::ById;
use crate::procfs;

/// How long an ended process is remembered, for events that come late.
const MEMORY: u64 = 60_000_000_000;

/// What is known of a process.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) ppid: u32,
    pub(crate) uid: u32,
    pub(crate) comm: Box<str>,
    pub(crate) exe: Option<Arc<str>>,
    pub(crate) cgroup: Option<Arc<Cgroup>>,
    /// Nanoseconds since boot, once it has ended.
    pub(crate) ended: Option<u64>,
}

impl Entry {
    /// In the words that all sources share.
    pub(crate) fn process(&self, pid: u32) -> Process {
        self.named(pid, self.comm.to_string())
    }

    /// The same by another command name.
    fn named(&self, pid: u32, comm: String) -> Process {
        Process {
            pid,
            tid: None,
            ppid: Some(self.ppid),
            uid: Some(self.uid),
            comm,
            exe: self.exe.as_deref().map(str::to_owned),
            cgroup: self.cgroup.as_ref().map(|c| c.path.clone()),
            unit: self.cgroup.as_ref().and_then(|c| c.unit.clone()),
            container: self.cgroup.as_ref().and_then(|c| c.container.clone()),
        }
    }
}

/// Faults that are kept.
const MAX_FAULTS: usize = 16;

/// The processes by id; bounded.
#[derive(Debug)]
pub(crate) struct Table {
    entries: HashMap<u32, Entry, ById>,
    /// Ended ones, the earliest first: when, and which.
    ended: VecDeque<(u64, u32)>,
    cgroups: Cgroups,
    max: usize,
    /// Faults of threads, whose signals are told next; the earliest first.
    faults: VecDeque<(u32, Fault)>,
    /// How many could not be remembered because the table was full of running ones.
    pub(crate) overflowed: u64,
}

fn comm(task: &Task) -> Cow<'_, str> {
    let end = task
        .comm
        .iter()
        .position(|b| *b == 0)
        .unwrap_or(task.comm.len());
    String::from_utf8_lossy(&task.comm[..end])
}

impl Table {
    /// An empty table for at most `max` processes, ended ones included.
    pub(crate) fn new(max: usize, hierarchy: Hierarchy) -> Self {
        Self {
            entries: HashMap::default(),
            ended: VecDeque::new(),
            cgroups: Cgroups::seed(hierarchy),
            max: max.max(1),
            faults: VecDeque::new(),
            overflowed: 0,
        }
    }

    /// Keeps a thread's fault for the event of its signal. That may never come: a budget may hold it back.
    pub(crate) fn note_fault(&mut self, tid: u32, fault: Fault) {
        if self.faults.len() >= MAX_FAULTS {
            self.faults.pop_front();
        }
        self.faults.push_back((tid, fault));
    }

    /// The last fault of a thread, once.
    pub(crate) fn take_fault(&mut self, tid: u32) -> Option<Fault> {
        let index = self.faults.iter().rposition(|(t, _)| *t == tid)?;
        self.faults.remove(index).map(|(_, fault)| fault)
    }

    /// The control groups.
    pub(crate) fn cgroups(&mut self) -> &mut Cgroups {
        &mut self.cgroups
    }

    /// Forgets all processes: what no events keep is not true for long.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.ended.clear();
    }

    /// The process with this id, running or just ended.
    pub(crate) fn entry(&self, pid: u32) -> Option<&Entry> {
        self.entries.get(&pid)
    }

    /// All that are remembered, running ones and ended ones.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (u32, &Entry)> {
        self.entries.iter().map(|(pid, entry)| (*pid, entry))
    }

    /// The process with this id, from the table or else from /proc.
    pub(crate) fn find(&mut self, pid: u32) -> Option<Process> {
        if let Some(entry) = self.entries.get(&pid) {
            return Some(entry.process(pid));
        }
        let entry = procfs::read(pid, &mut self.cgroups)?;
        let process = entry.process(pid);
        self.insert(pid, entry);
        Some(process)
    }

    /// A process as the kernel told it now, with what is known besides.
    pub(crate) fn describe(&mut self, task: &Task) -> Process {
        let comm = comm(task);
        let cgroup = if task.cgroup == 0 {
            None
        } else {
            self.cgroups.get(task.cgroup, task.pid)
        };
        if !self.entries.contains_key(&task.pid)
            && let Some(entry) = procfs::read(task.pid, &mut self.cgroups)
        {
            self.insert(task.pid, entry);
        }
        let Some(entry) = self.entries.get_mut(&task.pid) else {
            return Process {
                pid: task.pid,
                tid: Some(task.tid),
                uid: Some(task.uid),
                comm: comm.into_owned(),
                cgroup: cgroup.as_ref().map(|c| c.path.clone()),
                unit: cgroup.as_ref().and_then(|c| c.unit.clone()),
                container: cgroup.as_ref().and_then(|c| c.container.clone()),
                ..Process::default()
            };
        };
        // What changes without an event of its own.
        entry.uid = task.uid;
        if cgroup.is_some() {
            entry.cgroup = cgroup;
        }
        if task.tid == task.pid && *entry.comm != *comm {
            entry.comm = comm.as_ref().into();
        }
        let mut process = entry.named(task.pid, comm.into_owned());
        process.tid = Some(task.tid);
        process
    }

    /// A process was created.
    pub(crate) fn forked(&mut self, task: &Task, child: u32, parent: u32) {
        let cgroup = self.cgroups.get(task.cgroup, task.pid);
        let of_parent = self.entries.get(&task.pid);
        let entry = Entry {
            ppid: parent,
            uid: task.uid,
            comm: comm(task).as_ref().into(),
            exe: of_parent.and_then(|e| e.exe.clone()),
            cgroup: cgroup.or_else(|| of_parent.and_then(|e| e.cgroup.clone())),
            ended: None,
        };
        self.insert(child, entry);
    }

    /// A program was executed.
    pub(crate) fn executed(&mut self, task: &Task, parent: u32, exe: Option<String>) {
        let entry = Entry {
            ppid: parent,
            uid: task.uid,
            comm: comm(task).as_ref().into(),
            exe: exe.map(Arc::from).or_else(|| procfs::exe(task.pid)),
            cgroup: self.cgroups.get(task.cgroup, task.pid),
            ended: None,
        };
        self.insert(task.pid, entry);
    }

    /// A process ended.
    pub(crate) fn ended(&mut self, pid: u32, time: u64) {
        if let Some(entry) = self.entries.get_mut(&pid)
            && entry.ended.is_none()
        {
            entry.ended = Some(time);
            self.ended.push_back((time, pid));
        }
        // Children get a new parent; the kernel does not tell which, and it is asked when needed.
        while let Some((when, _)) = self.ended.front()
            && time.saturating_sub(*when) > MEMORY
        {
            self.forget_oldest();
        }
    }

    /// Reads all running processes from /proc: at the start, and after events were lost.
    pub(crate) fn resync(&mut self, now: u64) {
        let running = procfs::pids();
        let gone: Vec<u32> = self
            .entries
            .iter()
            .filter(|(pid, entry)| entry.ended.is_none() && !running.contains(pid))
            .map(|(pid, _)| *pid)
            .collect();
        for pid in gone {
            self.ended(pid, now);
        }
        for pid in running {
            if self
                .entries
                .get(&pid)
                .is_none_or(|entry| entry.ended.is_some())
                && let Some(entry) = procfs::read(pid, &mut self.cgroups)
            {
                self.insert(pid, entry);
            }
        }
    }

    fn insert(&mut self, pid: u32, entry: Entry) {
        while self.entries.len() >= self.max && !self.entries.contains_key(&pid) {
            if self.ended.is_empty() {
                self.overflowed += 1;
                return;
            }
            self.forget_oldest();
        }
        self.entries.insert(pid, entry);
    }

    fn forget_oldest(&mut self) {
        if let Some((when, pid)) = self.ended.pop_front()
            // The id may belong to another process by now.
            && self.entries.get(&pid).is_some_and(|entry| entry.ended == Some(when))
        {
            self.entries.remove(&pid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(max: usize) -> Table {
        Table::new(
            max,
            Hierarchy {
                v1: false,
                id: 0,
                mount: None,
            },
        )
    }

    /// Ids that no process has: the kernel's limit is 2^22.
    const FIRST: u32 = 1 << 23;

    fn task(pid: u32, name: &str) -> Task {
        let mut comm = [0; 16];
        comm[..name.len()].copy_from_slice(name.as_bytes());
        Task {
            pid,
            tid: pid,
            uid: 7,
            gid: 7,
            cgroup: 0,
            comm,
        }
    }

    #[test]
    fn a_life_is_followed() {
        let mut table = table(100);
        table.executed(&task(FIRST, "parent"), 1, Some("/bin/parent".to_owned()));
        table.forked(&task(FIRST, "parent"), FIRST + 1, FIRST);
        let child = table.entry(FIRST + 1).expect("a child").process(FIRST + 1);
        assert_eq!(
            (child.ppid, child.exe.as_deref()),
            (Some(FIRST), Some("/bin/parent"))
        );
        table.executed(
            &task(FIRST + 1, "child"),
            FIRST,
            Some("/bin/child".to_owned()),
        );
        table.ended(FIRST + 1, 30);
        let child = table.entry(FIRST + 1).expect("still remembered");
        assert_eq!((&*child.comm, child.ended), ("child", Some(30)));
        table.executed(&task(FIRST + 2, "x"), 1, Some("/x".to_owned()));
        table.ended(FIRST + 2, 31 + MEMORY);
        assert!(table.entry(FIRST + 1).is_none(), "forgotten after a minute");
    }

    #[test]
    fn a_full_table_forgets_ended_processes_and_never_running_ones() {
        let mut table = table(2);
        table.executed(&task(FIRST, "a"), 1, Some("/a".to_owned()));
        table.executed(&task(FIRST + 1, "b"), 1, Some("/b".to_owned()));
        table.executed(&task(FIRST + 2, "c"), 1, Some("/c".to_owned()));
        assert_eq!((table.entries().count(), table.overflowed), (2, 1));
        table.ended(FIRST, 4);
        table.executed(&task(FIRST + 2, "c"), 1, Some("/c".to_owned()));
        assert!(table.entry(FIRST).is_none());
        assert!(table.entry(FIRST + 1).is_some() && table.entry(FIRST + 2).is_some());
    }

    #[test]
    fn a_reused_id_is_not_forgotten_for_its_former_owner() {
        let mut table = table(100);
        table.executed(&task(FIRST, "old"), 1, Some("/old".to_owned()));
        table.ended(FIRST, 2);
        table.executed(&task(FIRST, "new"), 1, Some("/new".to_owned()));
        table.executed(&task(FIRST + 1, "x"), 1, Some("/x".to_owned()));
        table.ended(FIRST + 1, 3 + MEMORY);
        assert_eq!(&*table.entry(FIRST).expect("the new one").comm, "new");
    }
}
