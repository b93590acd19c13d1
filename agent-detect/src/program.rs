//! Programs: what they are called, and who lives with whom in a control group.

use hark_api::{Event, Process};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::template::HashKeyed;

/// Programs that run others' texts: what they run says more than they do.
const INTERPRETERS: [&str; 14] = [
    "ash", "bash", "busybox", "dash", "java", "ksh", "node", "perl", "php", "python", "ruby", "sh",
    "tclsh", "zsh",
];
/// Programs in a control group from which on it says little: it is a login or a whole container.
const CROWD: usize = 8;
/// Most control groups that are remembered.
const MAX_GROUPS: usize = 4096;

/// Whether a program of this name, which may end with a version, runs others' texts.
pub(crate) fn is_interpreter(name: &str) -> bool {
    let versionless = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    INTERPRETERS.contains(&versionless)
}

/// The program that an event is about: its path, or its command name where that is all there is or
/// where the program is an interpreter.
pub(crate) fn name(event: &Event) -> Option<&str> {
    let process = event.process.as_ref()?;
    let exe = process.exe.as_deref();
    let telling = exe.filter(|exe| !is_interpreter(exe.rsplit('/').next().unwrap_or(exe)));
    Some(telling.unwrap_or(&process.comm)).filter(|p| !p.is_empty())
}

/// Which programs were started in which control group.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Residents {
    groups: HashKeyed<Vec<u64>>,
}

impl Residents {
    /// A program started.
    pub(crate) fn started(&mut self, event: &Event) {
        let Some(group) = event.process.as_ref().and_then(|p| p.cgroup.as_deref()) else {
            return;
        };
        let Some(name) = name(event) else { return };
        if self.groups.len() >= MAX_GROUPS {
            self.groups.clear();
        }
        let programs = self.groups.entry(xxh3_64(group.as_bytes())).or_default();
        let program = xxh3_64(name.as_bytes());
        if programs.len() < CROWD && !programs.contains(&program) {
            programs.push(program);
        }
    }

    /// The process without the control group that it shares with a crowd.
    pub(crate) fn alone(&self, mut process: Process) -> Process {
        let group = process.cgroup.as_deref().map(|g| xxh3_64(g.as_bytes()));
        let programs = group.and_then(|g| self.groups.get(&g));
        if programs.is_some_and(|p| p.len() >= CROWD) {
            process.cgroup = None;
        }
        process
    }
}
