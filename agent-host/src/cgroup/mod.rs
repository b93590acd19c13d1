//! Control groups, v1, v2, or both at once as systemd's hybrid mode has them:
//! <https://docs.kernel.org/admin-guide/cgroup-v2.html> and `cgroup-v1/`.
//!
//! The trees are walked now and then ([`tree`]); the groups found are read each time ([`files`]).

mod files;
mod tree;

use std::path::Path;
use std::time::{Duration, Instant};

use hark_api::vitals::CgroupUse;

use crate::Metric;
use crate::pace::Pace;
use crate::table::{Family, Table, counter, gauge};
use files::Numbers;
use tree::Trees;

/// New groups are looked for this often.
const WALK_INTERVAL: Duration = Duration::from_secs(5);

static FAMILIES: [Family; 8] = [
    counter(
        "hark_cgroup_cpu_seconds_total",
        "CPU time of the control group.",
    ),
    counter(
        "hark_cgroup_throttled_seconds_total",
        "Time in which the control group was held back by its CPU limit.",
    ),
    gauge(
        "hark_cgroup_memory_bytes",
        "Memory charged to the control group.",
    ),
    gauge(
        "hark_cgroup_memory_limit_bytes",
        "Memory limit of the control group.",
    ),
    counter(
        "hark_cgroup_oom_kills_total",
        "Processes of the control group killed for memory.",
    ),
    gauge(
        "hark_cgroup_pids",
        "Processes and threads in the control group.",
    ),
    counter(
        "hark_cgroup_read_bytes_total",
        "Bytes the control group read from block devices.",
    ),
    counter(
        "hark_cgroup_written_bytes_total",
        "Bytes the control group wrote to block devices.",
    ),
];

/// Control groups.
#[derive(Debug)]
pub(crate) struct Cgroups {
    limit: usize,
    pace: Pace,
    walked: Option<Instant>,
    trees: Trees,
    read: Option<Instant>,
    /// What was read last, in the order of the groups.
    seen: Vec<Seen>,
    table: Table,
}

/// One group as it was read.
#[derive(Debug)]
struct Seen {
    path: String,
    numbers: Numbers,
    /// The growth a second of each number since the reading before.
    rates: [Option<f64>; FAMILIES.len()],
}

impl Seen {
    fn usage(&self) -> CgroupUse {
        let Numbers {
            memory,
            memory_limit,
            oom_kills,
            pids,
            ..
        } = self.numbers;
        let [cpu, throttled, _, _, _, _, read_bytes, write_bytes] = self.rates;
        CgroupUse {
            path: self.path.clone(),
            cpu,
            throttled,
            memory,
            memory_limit,
            oom_kills,
            pids,
            read_bytes,
            write_bytes,
        }
    }
}

impl Cgroups {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            pace: Pace::default(),
            walked: None,
            trees: Trees::default(),
            read: None,
            seen: Vec::new(),
            table: Table::new(&FAMILIES, &["cgroup"], limit),
        }
    }

    /// The control groups, those that use most CPU, then memory, first. Where a reading costs too
    /// much to be made each time, those of the last one.
    pub(crate) fn update(
        &mut self,
        root: &Path,
        now: Instant,
        buffer: &mut Vec<u8>,
    ) -> Vec<CgroupUse> {
        if self.pace.is_due(now) {
            let mut pace = std::mem::take(&mut self.pace);
            pace.run(now, || self.pass(root, now, buffer));
            self.pace = pace;
        }
        self.set_metrics();
        let mut shown: Vec<_> = self.seen.iter().map(Seen::usage).collect();
        shown.sort_by(|a, b| {
            let cpu = |g: &CgroupUse| g.cpu.unwrap_or(0.0);
            cpu(b)
                .total_cmp(&cpu(a))
                .then_with(|| b.memory.cmp(&a.memory))
        });
        shown
    }

    fn pass(&mut self, root: &Path, now: Instant, buffer: &mut Vec<u8>) {
        if self
            .walked
            .is_none_or(|walked| now.duration_since(walked) >= WALK_INTERVAL)
        {
            self.walked = Some(now);
            self.trees = Trees::find(root, self.limit, buffer);
        }
        let interval = self.read.map(|read| now.duration_since(read).as_secs_f64());
        self.read = Some(now);
        let before = std::mem::take(&mut self.seen);
        for (index, group) in self.trees.groups.iter().enumerate() {
            let numbers = files::read(&self.trees, group, buffer);
            // Removed since the walk.
            if numbers.is_empty() {
                continue;
            }
            // The groups stand in one order from walk to walk, so it is mostly at the same place.
            let old = before
                .get(index)
                .filter(|old| old.path == group.path)
                .or_else(|| before.iter().find(|old| old.path == group.path));
            let rates = match (old, interval) {
                (Some(old), Some(interval)) => numbers.rates(&old.numbers, interval),
                _ => [None; FAMILIES.len()],
            };
            self.seen.push(Seen {
                path: group.path.clone(),
                numbers,
                rates,
            });
        }
    }

    fn set_metrics(&mut self) {
        for seen in &self.seen {
            let Some(row) = self.table.row(&[&seen.path]) else {
                continue;
            };
            for (family, (value, rate)) in seen
                .numbers
                .values()
                .into_iter()
                .zip(seen.rates)
                .enumerate()
            {
                if let Some(value) = value {
                    row.put(family, value, rate);
                }
            }
        }
    }

    /// Hands all values out; gives the number of groups that had no place.
    pub(crate) fn emit(&mut self, out: &mut Vec<Metric>) -> u64 {
        self.table.emit(out) + self.trees.omitted
    }
}
