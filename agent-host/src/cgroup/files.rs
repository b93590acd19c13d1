//! What the files of one control group say.

use super::tree::{Controller, Group, Trees};
use crate::kept::read_once;
use crate::scan::{first, lines, number, value_of, words};
use crate::table::rate;

/// v1 writes "no limit" as the largest number of pages that fits: anything near it is none.
const NO_LIMIT: u64 = 1 << 62;

/// The counters of one group, as they stand.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Numbers {
    /// Seconds.
    pub(super) cpu: Option<f64>,
    /// Seconds.
    pub(super) throttled: Option<f64>,
    pub(super) memory: Option<u64>,
    pub(super) memory_limit: Option<u64>,
    pub(super) oom_kills: Option<u64>,
    pub(super) pids: Option<u64>,
    pub(super) read_bytes: Option<u64>,
    pub(super) write_bytes: Option<u64>,
}

impl Numbers {
    /// Whether nothing could be read.
    pub(super) fn is_empty(&self) -> bool {
        *self
            == Self {
                memory_limit: self.memory_limit,
                ..Self::default()
            }
    }

    /// All of them, in the order of the metrics' families.
    pub(super) fn values(&self) -> [Option<f64>; 8] {
        let whole = |n: Option<u64>| n.map(|n| n as f64);
        [
            self.cpu,
            self.throttled,
            whole(self.memory),
            whole(self.memory_limit),
            whole(self.oom_kills),
            whole(self.pids),
            whole(self.read_bytes),
            whole(self.write_bytes),
        ]
    }

    /// The growth a second of each since older numbers, `interval` seconds ago.
    pub(super) fn rates(&self, old: &Self, interval: f64) -> [Option<f64>; 8] {
        let mut rates = [None; 8];
        for ((slot, old), now) in rates.iter_mut().zip(old.values()).zip(self.values()) {
            *slot = old.zip(now).and_then(|(old, now)| rate(old, now, interval));
        }
        rates
    }
}

/// Reads the files of a group: v2's first, then v1's for what v2 does not tell.
pub(super) fn read(trees: &Trees, group: &Group, buffer: &mut Vec<u8>) -> Numbers {
    let mut numbers = Numbers {
        memory_limit: group.memory_limit,
        ..Numbers::default()
    };
    if group.is_in(Controller::Unified) {
        unified(trees, group, buffer, &mut numbers);
    }
    let mut get = |tree, name, parse: fn(&[u8]) -> Option<u64>| {
        let path = trees.file(tree, group, name)?;
        read_once(&path, buffer).ok().and_then(parse)
    };
    if numbers.cpu.is_none() {
        let nanos = get(Controller::CpuAcct, "cpuacct.usage", first);
        numbers.cpu = nanos.map(|n| n as f64 / 1e9);
    }
    if numbers.throttled.is_none() {
        let nanos = get(Controller::Cpu, "cpu.stat", |t| {
            value_of(t, b"throttled_time")
        });
        numbers.throttled = nanos.map(|n| n as f64 / 1e9);
    }
    if numbers.memory.is_none() {
        numbers.memory = get(Controller::Memory, "memory.usage_in_bytes", first);
        numbers.oom_kills = get(Controller::Memory, "memory.oom_control", |t| {
            value_of(t, b"oom_kill")
        });
    }
    if numbers.pids.is_none() {
        numbers.pids = get(Controller::Pids, "pids.current", first);
    }
    if numbers.read_bytes.is_none()
        && let Some(path) = trees.file(
            Controller::BlkIo,
            group,
            "blkio.throttle.io_service_bytes_recursive",
        )
        && let Ok(text) = read_once(&path, buffer)
    {
        (numbers.read_bytes, numbers.write_bytes) = v1_io(text);
    }
    numbers
}

fn unified(trees: &Trees, group: &Group, buffer: &mut Vec<u8>, numbers: &mut Numbers) {
    let mut with = |name: &str, take: &mut dyn FnMut(&[u8])| {
        if let Some(path) = trees.file(Controller::Unified, group, name)
            && let Ok(text) = read_once(&path, buffer)
        {
            take(text);
        }
    };
    with("cpu.stat", &mut |text| {
        let seconds = |key| value_of(text, key).map(|micros| micros as f64 / 1e6);
        numbers.cpu = seconds(b"usage_usec");
        numbers.throttled = seconds(b"throttled_usec");
    });
    with("memory.current", &mut |text| numbers.memory = first(text));
    // Only where the controller is on: a group without it has none of its files.
    if numbers.memory.is_some() {
        with("memory.events", &mut |text| {
            numbers.oom_kills = value_of(text, b"oom_kill");
        });
    }
    with("pids.current", &mut |text| numbers.pids = first(text));
    with("io.stat", &mut |text| {
        let (read, written) = v2_io(text);
        (numbers.read_bytes, numbers.write_bytes) = (Some(read), Some(written));
    });
}

/// The limit of a group, where it has one.
pub(super) fn memory_limit(trees: &Trees, group: &Group, buffer: &mut Vec<u8>) -> Option<u64> {
    let files = [
        (Controller::Unified, "memory.max"),
        (Controller::Memory, "memory.limit_in_bytes"),
    ];
    files.into_iter().find_map(|(tree, name)| {
        let path = trees.file(tree, group, name)?;
        // v2 writes `max` where there is none, which is no number.
        first(read_once(&path, buffer).ok()?).filter(|limit| *limit < NO_LIMIT)
    })
}

/// `8:0 rbytes=1 wbytes=2 rios=3 …`, a line a device: bytes read and written.
fn v2_io(text: &[u8]) -> (u64, u64) {
    let mut sums = (0_u64, 0_u64);
    for word in lines(text).flat_map(words) {
        if let Some(bytes) = word.strip_prefix(b"rbytes=").and_then(number) {
            sums.0 = sums.0.saturating_add(bytes);
        } else if let Some(bytes) = word.strip_prefix(b"wbytes=").and_then(number) {
            sums.1 = sums.1.saturating_add(bytes);
        }
    }
    sums
}

/// `8:0 Read 1`, a line a device and operation: bytes read and written.
fn v1_io(text: &[u8]) -> (Option<u64>, Option<u64>) {
    let mut sums = (None, None);
    for line in lines(text) {
        let mut words = words(line).skip(1);
        let slot = match words.next() {
            Some(b"Read") => &mut sums.0,
            Some(b"Write") => &mut sums.1,
            _ => continue,
        };
        if let Some(bytes) = words.next().and_then(number) {
            *slot = Some(slot.unwrap_or(0_u64).saturating_add(bytes));
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use proptest::prelude::*;

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Trees) {
        let root = tempfile::tempdir().expect("tempdir");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("mkdir");
            fs::write(path, text).expect("write");
        }
        let trees = Trees::find(root.path(), 10, &mut Vec::new());
        (root, trees)
    }

    #[test]
    fn v2_groups_are_read() {
        let (_root, trees) = tree(&[
            ("cgroup.controllers", "cpu memory"),
            (
                "a/cpu.stat",
                "usage_usec 1500000\nuser_usec 1\nthrottled_usec 500000\n",
            ),
            ("a/memory.current", "4096\n"),
            ("a/memory.max", "8192\n"),
            ("a/memory.events", "oom 3\noom_kill 2\n"),
            ("a/pids.current", "3\n"),
            (
                "a/io.stat",
                "8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=1 wbytes=2\n",
            ),
            ("b/memory.max", "max\n"),
            ("b/memory.current", "1\n"),
        ]);
        let numbers = read(&trees, &trees.groups[0], &mut Vec::new());
        assert_eq!(
            numbers,
            Numbers {
                cpu: Some(1.5),
                throttled: Some(0.5),
                memory: Some(4096),
                memory_limit: Some(8192),
                oom_kills: Some(2),
                pids: Some(3),
                read_bytes: Some(11),
                write_bytes: Some(22),
            }
        );
        assert_eq!(trees.groups[1].memory_limit, None);
        let later = Numbers {
            cpu: Some(2.5),
            read_bytes: Some(31),
            ..numbers.clone()
        };
        let rates = later.rates(&numbers, 2.0);
        assert_eq!(
            (rates[0], rates[1], rates[6]),
            (Some(0.5), Some(0.0), Some(10.0))
        );
        assert_eq!(numbers.rates(&later, 2.0)[0], None);
    }

    #[test]
    fn v1_groups_are_read_from_their_trees() {
        let (_root, trees) = tree(&[
            ("cpu/tasks", ""),
            ("cpuacct/tasks", ""),
            ("memory/tasks", ""),
            ("blkio/tasks", ""),
            ("pids/tasks", ""),
            ("cpuacct/a/cpuacct.usage", "1500000000\n"),
            ("cpu/a/cpu.stat", "nr_periods 1\nthrottled_time 250000000\n"),
            ("memory/a/memory.usage_in_bytes", "4096\n"),
            ("memory/a/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/a/memory.oom_control", "under_oom 0\noom_kill 1\n"),
            (
                "blkio/a/blkio.throttle.io_service_bytes_recursive",
                "8:0 Read 5\n8:0 Write 6\n8:16 Read 1\nTotal 12\n",
            ),
            ("pids/a/pids.current", "7\n"),
        ]);
        let numbers = read(&trees, &trees.groups[0], &mut Vec::new());
        assert_eq!(
            numbers,
            Numbers {
                cpu: Some(1.5),
                throttled: Some(0.25),
                memory: Some(4096),
                memory_limit: None,
                oom_kills: Some(1),
                pids: Some(7),
                read_bytes: Some(6),
                write_bytes: Some(6),
            }
        );
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in any::<Vec<u8>>(), lines in "([0-9]:0 (Read|rbytes=)? ?[0-9]{0,21}\n)*") {
            for text in [text.as_slice(), lines.as_bytes()] {
                v1_io(text);
                v2_io(text);
            }
        }
    }
}
