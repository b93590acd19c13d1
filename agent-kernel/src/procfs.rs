//! Processes as /proc tells them: at the start, and when an event came too early or was lost.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use hark_ebpf::{COMM_LEN, Task};

use crate::cgroup::Cgroups;
use crate::table::Entry;

/// Whether process ids here are those that the kernel programs tell: those of the initial pid namespace.
pub(crate) fn ids_are_the_hosts() -> bool {
    /// Inode of that namespace, `PROC_PID_INIT_INO` of the kernel.
    const INITIAL: &str = "pid:[4026531836]";
    std::fs::read_link("/proc/self/ns/pid").is_ok_and(|found| found == Path::new(INITIAL))
}

/// The agent's process id as the kernel programs tell it; 0 where it cannot be known.
pub(crate) fn own_pid() -> u32 {
    if ids_are_the_hosts() {
        std::process::id()
    } else {
        0
    }
}

/// Ids of all processes.
pub(crate) fn pids() -> BTreeSet<u32> {
    let Ok(directory) = std::fs::read_dir("/proc") else {
        return BTreeSet::new();
    };
    directory
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// The executable's path; absent for kernel threads, and where it may not be seen.
pub(crate) fn exe(pid: u32) -> Option<Arc<str>> {
    let path = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    Some(path.to_string_lossy().into())
}

/// A running process.
pub(crate) fn read(pid: u32, cgroups: &mut Cgroups) -> Option<Entry> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let (comm, state, ppid) = parse_stat(&stat)?;
    if matches!(state, 'Z' | 'X') {
        return None; // it has ended, and waits to be noticed
    }
    Some(Entry {
        ppid,
        uid: uid(pid)?,
        comm,
        exe: exe(pid),
        cgroup: cgroups.of_process(pid),
        ended: None,
    })
}

/// A running process, in the kernel side's words. Group and control group are not looked for.
pub(crate) fn task(pid: u32) -> Option<Task> {
    let name = std::fs::read(format!("/proc/{pid}/comm")).ok()?;
    let name = name.strip_suffix(b"\n").unwrap_or(&name);
    let mut comm = [0; COMM_LEN];
    for (to, from) in comm.iter_mut().zip(name) {
        *to = *from;
    }
    Some(Task {
        pid,
        tid: pid,
        uid: uid(pid)?,
        gid: 0,
        cgroup: 0,
        comm,
    })
}

/// The process that a thread belongs to.
pub(crate) fn process_of(tid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok())
}

fn uid(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| {
        line.strip_prefix("Uid:")?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    })
}

/// Name, state and parent from the text of a `/proc/PID/stat`. The name may hold anything,
/// parentheses included: it ends at the last one.
fn parse_stat(stat: &[u8]) -> Option<(Box<str>, char, u32)> {
    let open = stat.iter().position(|b| *b == b'(')?;
    let close = stat.iter().rposition(|b| *b == b')')?;
    let comm = String::from_utf8_lossy(stat.get(open + 1..close)?).into();
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    let mut words = rest.split_whitespace();
    let state = words.next()?.chars().next()?;
    Some((comm, state, words.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::Hierarchy;

    #[test]
    fn names_with_parentheses_are_read() {
        let stat = b"12 (a) b (c) S 1 12 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 9";
        let (comm, state, ppid) = parse_stat(stat).expect("a stat line");
        assert_eq!((&*comm, state, ppid), ("a) b (c", 'S', 1));
        assert!(parse_stat(b"12 (a").is_none());
    }

    #[test]
    fn this_process_is_found() {
        let pid = std::process::id();
        assert!(pids().contains(&pid));
        let entry = read(pid, &mut Cgroups::seed(Hierarchy::find())).expect("this process");
        let exe = std::env::current_exe().expect("exe");
        assert_eq!(entry.exe.as_deref(), exe.to_str());
        assert_eq!(entry.ppid, std::os::unix::process::parent_id());
    }
}
