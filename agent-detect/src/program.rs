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
/// Programs in a control group, or services that speak from it, from which on it says little: it is
/// a login, a whole container, or a host without groups for its services.
const CROWD: usize = 8;
const SERVICES: usize = 3;
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

/// Whether a unit or control group holds what has nothing to do with each other: a slice, a login,
/// a user's own manager. systemd's names are case-sensitive.
pub(crate) fn is_wide(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rsplit_once('.') {
        Some((_, "slice")) => true,
        Some((name, "scope")) => name == "init" || name.starts_with("session-"),
        Some((name, "service")) => name.starts_with("user@"),
        _ => false,
    }
}

/// Who lives in which control group.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Residents {
    groups: HashKeyed<u64, Group>,
}

/// Programs that were started in a group, and services whose lines came from it, hashed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Group {
    programs: Vec<u64>,
    services: Vec<u64>,
}

impl Residents {
    fn group(&mut self, event: &Event) -> Option<&mut Group> {
        let path = event.process.as_ref()?.cgroup.as_deref()?;
        if self.groups.len() >= MAX_GROUPS {
            self.groups.clear();
        }
        Some(self.groups.entry(xxh3_64(path.as_bytes())).or_default())
    }

    /// A program started.
    pub(crate) fn started(&mut self, event: &Event) {
        let Some(name) = name(event) else { return };
        if let Some(group) = self.group(event) {
            note(&mut group.programs, name, CROWD);
        }
    }

    /// A service said something.
    pub(crate) fn said(&mut self, event: &Event) {
        let Some(service) = event.service.as_deref() else {
            return;
        };
        if let Some(group) = self.group(event) {
            note(&mut group.services, service, SERVICES);
        }
    }

    /// Whether those in a control group have something to do with each other, as far as is known.
    pub(crate) fn is_one(&self, path: &str) -> bool {
        let group = self.groups.get(&xxh3_64(path.as_bytes()));
        let crowd =
            group.is_some_and(|g| g.programs.len() >= CROWD || g.services.len() >= SERVICES);
        path.len() > 1 && !crowd && !is_wide(path)
    }

    /// The process without the control group that it shares with a crowd.
    pub(crate) fn alone(&self, mut process: Process) -> Process {
        process.cgroup = process.cgroup.filter(|path| self.is_one(path));
        process
    }
}

fn note(names: &mut Vec<u64>, name: &str, most: usize) {
    let name = xxh3_64(name.as_bytes());
    if names.len() < most && !names.contains(&name) {
        names.push(name);
    }
}
