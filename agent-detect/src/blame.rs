//! Which process uses more of a resource than it used to.

use std::collections::HashMap;

use hark_api::vitals::ProcessUse;
use hark_api::{Process, Vitals};
use serde::{Deserialize, Serialize};

/// What processes compete for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    Cpu,
    Memory,
    Io,
}

impl Resource {
    /// The resource that a series is about, by its metric's name.
    pub(crate) fn of(metric: &str) -> Option<Self> {
        let has = |words: &[&str]| words.iter().any(|w| metric.contains(w));
        if has(&[
            "pressure_cpu",
            "pressure_waiting_cpu",
            "_cpu_",
            "load",
            "procs_running",
            "context_switch",
            "schedstat",
            "runqueue",
        ]) {
            Some(Self::Cpu)
        } else if has(&[
            "disk",
            "pressure_io",
            "_io_",
            "filesystem",
            "block",
            "procs_blocked",
            "cgroup_read",
            "cgroup_written",
        ]) {
            Some(Self::Io)
        } else if has(&["memory", "swap", "vmstat", "pgmajfault", "oom"]) {
            Some(Self::Memory)
        } else {
            None
        }
    }
}

/// What each command usually uses; slow means, in CPUs, bytes and bytes a second.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Usual {
    cpu: f64,
    rss: f64,
    io: f64,
    last: u64,
}

/// What processes usually use and what they use now.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Blame {
    usual: HashMap<String, Usual>,
    #[serde(skip)]
    now: Vec<ProcessUse>,
    readings: u64,
}

const MAX_COMMANDS: usize = 2048;
/// Readings that the mean remembers.
const MEMORY: f64 = 600.0;

fn io(p: &ProcessUse) -> f64 {
    p.read_bytes.unwrap_or(0.0) + p.write_bytes.unwrap_or(0.0)
}

impl Blame {
    pub(crate) fn push(&mut self, vitals: &Vitals) {
        self.readings += 1;
        let a = 1.0 / (self.readings as f64).min(MEMORY);
        for p in &vitals.processes {
            if self.usual.len() >= MAX_COMMANDS && !self.usual.contains_key(&p.comm) {
                let old = self.readings.saturating_sub(MEMORY as u64);
                self.usual.retain(|_, u| u.last > old);
                if self.usual.len() >= MAX_COMMANDS {
                    continue;
                }
            }
            let usual = self.usual.entry(p.comm.clone()).or_default();
            usual.cpu += a * (p.cpu - usual.cpu);
            usual.rss += a * (p.rss as f64 - usual.rss);
            usual.io += a * (io(p) - usual.io);
            usual.last = self.readings;
        }
        self.now.clone_from(&vitals.processes);
    }

    /// The process that is most above its usual use.
    pub(crate) fn culprit(&self, resource: Resource) -> Option<Process> {
        let excess = |p: &ProcessUse| {
            let usual = self.usual.get(&p.comm);
            match resource {
                Resource::Cpu => p.cpu - usual.map_or(0.0, |u| u.cpu),
                Resource::Memory => p.rss as f64 - usual.map_or(0.0, |u| u.rss),
                Resource::Io => io(p) - usual.map_or(0.0, |u| u.io),
            }
        };
        let floor = match resource {
            Resource::Cpu => 0.1,
            Resource::Memory | Resource::Io => 1_048_576.0,
        };
        let p = self
            .now
            .iter()
            .max_by(|a, b| excess(a).total_cmp(&excess(b)))?;
        (excess(p) >= floor).then(|| Process {
            pid: p.pid,
            ppid: Some(p.ppid),
            uid: Some(p.uid),
            comm: p.comm.clone(),
            ..Process::default()
        })
    }
}
