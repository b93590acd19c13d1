//! Latencies that the kernel side counts in histograms.

use std::collections::HashMap;

use aya::maps::{MapData, PerCpuArray, PerCpuHashMap};
use hark_ebpf::{BUCKETS, BlockKey, FIRST_BOUND_LOG2, RECLAIM_CGROUP, RECLAIM_HOST};

/// All latency histograms, counted since the start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LatencyTables {
    /// From issue to completion of block requests, by device and operation.
    pub block: Vec<BlockLatency>,
    /// From runnable to running, all threads and CPUs.
    pub runqueue: Option<Histogram>,
    /// Waits while the kernel took memory back, by what was short of it: `host` or `cgroup`.
    pub reclaim: Vec<(&'static str, Histogram)>,
    /// Sleeps of threads in the kernel where no signal wakes them: for a device, a lock or a page of memory.
    pub off_cpu: Option<Histogram>,
    /// Of these, those for a page of memory to come from a disk.
    pub page_fault: Option<Histogram>,
    /// By CPU, in order: how many threads waited for it, and how long together, in seconds.
    pub runqueue_by_cpu: Vec<(u64, f64)>,
}

/// How long a device takes for an operation.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockLatency {
    /// The device's kernel name, as in `sda`; `MAJOR:MINOR` where it has gone.
    pub device: String,
    /// `read`, `write`, `flush`, `discard` or `other`.
    pub operation: &'static str,
    /// How long.
    pub histogram: Histogram,
}

/// A histogram with buckets of powers of two, in the form that Prometheus takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// For each upper bound in seconds, how many took at most that long: cumulative, rising bounds,
    /// the last one infinite.
    pub buckets: Vec<(f64, u64)>,
    /// How many there were.
    pub count: u64,
    /// How long all took together, in seconds.
    pub sum: f64,
}

/// A [`hark_ebpf::Histogram`], as its map holds it.
type Words = [u64; BUCKETS + 1];

/// The maps that the histograms are in.
pub(crate) struct Tables {
    pub(crate) block: Option<PerCpuHashMap<MapData, [u32; 3], Words>>,
    pub(crate) runqueue: Option<PerCpuArray<MapData, Words>>,
    pub(crate) reclaim: Option<PerCpuArray<MapData, Words>>,
    pub(crate) off_cpu: Option<PerCpuArray<MapData, Words>>,
    pub(crate) page_fault: Option<PerCpuArray<MapData, Words>>,
}

impl Tables {
    /// Adds up what all CPUs have counted.
    pub(crate) fn read(&self) -> LatencyTables {
        let mut by_device: HashMap<(u32, u32, &'static str), Words> = HashMap::new();
        if let Some(map) = &self.block {
            for (key, values) in map.iter().flatten() {
                let key: BlockKey = bytemuck::cast(key);
                let slot = (key.major, key.minor, operation(key.operation));
                let total = by_device.entry(slot).or_insert([0; BUCKETS + 1]);
                values.iter().for_each(|words| add(total, words));
            }
        }
        let mut block: Vec<BlockLatency> = by_device
            .into_iter()
            .map(|((major, minor, operation), words)| BlockLatency {
                device: device(major, minor),
                operation,
                histogram: Histogram::from_words(&words),
            })
            .collect();
        block.sort_by(|a, b| (&a.device, a.operation).cmp(&(&b.device, b.operation)));
        LatencyTables {
            block,
            runqueue: self.runqueue.as_ref().and_then(|map| summed(map, 0)),
            off_cpu: self.off_cpu.as_ref().and_then(|map| summed(map, 0)),
            page_fault: self.page_fault.as_ref().and_then(|map| summed(map, 0)),
            runqueue_by_cpu: self.runqueue.as_ref().map_or_else(Vec::new, by_cpu),
            reclaim: self.reclaim.as_ref().map_or_else(Vec::new, |map| {
                [RECLAIM_HOST, RECLAIM_CGROUP]
                    .into_iter()
                    .filter_map(|scope| Some((reclaim_scope(scope), summed(map, scope)?)))
                    .collect()
            }),
        }
    }
}

/// What all CPUs have counted together.
fn summed(map: &PerCpuArray<MapData, Words>, index: u32) -> Option<Histogram> {
    let mut total = [0; BUCKETS + 1];
    map.get(&index, 0)
        .ok()?
        .iter()
        .for_each(|words| add(&mut total, words));
    Some(Histogram::from_words(&total))
}

/// What each CPU has counted: how many, and the sum in seconds.
fn by_cpu(map: &PerCpuArray<MapData, Words>) -> Vec<(u64, f64)> {
    let Ok(values) = map.get(&0, 0) else {
        return Vec::new();
    };
    values
        .iter()
        .map(|words| (words[..BUCKETS].iter().sum(), words[BUCKETS] as f64 / 1e9))
        .collect()
}

/// What was short of memory.
pub(crate) const fn reclaim_scope(number: u32) -> &'static str {
    if number == RECLAIM_CGROUP {
        "cgroup"
    } else {
        "host"
    }
}

fn add(total: &mut Words, words: &Words) {
    for (sum, word) in total.iter_mut().zip(words) {
        *sum += word;
    }
}

/// `REQ_OP_*` of the kernel's `blk_types.h`.
pub(crate) const fn operation(number: u32) -> &'static str {
    match number {
        0 => "read",
        1 => "write",
        2 => "flush",
        3 => "discard",
        _ => "other",
    }
}

/// The kernel's name of a block device.
pub(crate) fn device(major: u32, minor: u32) -> String {
    std::fs::read_link(format!("/sys/dev/block/{major}:{minor}"))
        .ok()
        .and_then(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .unwrap_or_else(|| format!("{major}:{minor}"))
}

impl Histogram {
    fn from_words(words: &Words) -> Self {
        let mut count = 0;
        let buckets = words[..BUCKETS]
            .iter()
            .enumerate()
            .map(|(index, n)| {
                count += n;
                let bound = if index == BUCKETS - 1 {
                    f64::INFINITY
                } else {
                    (1_u64 << (FIRST_BOUND_LOG2 as usize + index)) as f64 / 1e9
                };
                (bound, count)
            })
            .collect();
        Self {
            buckets,
            count,
            sum: words[BUCKETS] as f64 / 1e9,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_end_in_infinity() {
        let mut words = [0; BUCKETS + 1];
        words[0] = 2;
        words[3] = 5;
        words[BUCKETS - 1] = 1;
        words[BUCKETS] = 2_500_000_000;
        let histogram = Histogram::from_words(&words);
        assert_eq!(histogram.buckets[0], (1.024e-6, 2));
        assert_eq!(histogram.buckets[3].1, 7);
        assert_eq!(histogram.buckets[BUCKETS - 1], (f64::INFINITY, 8));
        assert_eq!((histogram.count, histogram.sum), (8, 2.5));
    }
}
