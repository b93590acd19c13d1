//! The kernel's latency histograms as series, so that they can be seen over time.

use std::collections::HashMap;

use hark_api::{SeriesKey, Timestamp};
use hark_kernel::{Histogram, LatencyTables};

/// Of the kernel's bounds, powers of two from 1 µs, these are kept: each second one from 2 µs to
/// 2 s, powers of four.
const FIRST: usize = 1;
const LAST: usize = 21;

/// Turns what was counted since the start into rates a second.
///
/// A series is a bucket as Prometheus has it: how many a second took at most so long. Operations
/// of all block devices are summed: a heat map is of the host.
#[derive(Debug, Default)]
pub struct Latencies {
    counts: HashMap<SeriesKey, u64>,
    when: Option<Timestamp>,
}

impl Latencies {
    /// The rates since the last call; none at the first.
    pub fn samples(&mut self, tables: &LatencyTables, now: Timestamp) -> Vec<(SeriesKey, f64)> {
        let mut counts = HashMap::new();
        if let Some(histogram) = &tables.runqueue {
            add(
                &mut counts,
                "hark_runqueue_latency_seconds_bucket",
                None,
                histogram,
            );
        }
        for block in &tables.block {
            if matches!(block.operation, "read" | "write") {
                let operation = Some(block.operation);
                let name = "hark_block_latency_seconds_bucket";
                add(&mut counts, name, operation, &block.histogram);
            }
        }
        let secs = self
            .when
            .map_or(0.0, |when| (now.as_nanos() - when.as_nanos()) as f64 / 1e9);
        let mut samples = Vec::new();
        if secs > 0.0 {
            for (key, count) in &counts {
                // What is new began at nothing; a device that has gone takes its counts along.
                let before = self.counts.get(key).copied().unwrap_or(0);
                samples.push((key.clone(), count.saturating_sub(before) as f64 / secs));
            }
        }
        self.counts = counts;
        self.when = Some(now);
        samples
    }
}

fn add(
    counts: &mut HashMap<SeriesKey, u64>,
    name: &str,
    operation: Option<&str>,
    histogram: &Histogram,
) {
    let kept = histogram
        .buckets
        .iter()
        .enumerate()
        .filter(|(at, _)| (FIRST..=LAST).contains(at) && (at - FIRST).is_multiple_of(2));
    let kept = kept.map(|(_, (bound, count))| (bound.to_string(), *count));
    let all = kept.chain([("+Inf".to_owned(), histogram.count)]);
    for (bound, count) in all {
        let mut labels = vec![("le", bound.as_str())];
        labels.extend(operation.map(|operation| ("operation", operation)));
        *counts
            .entry(SeriesKey::with_labels(name, &labels))
            .or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use hark_kernel::BlockLatency;

    use super::*;

    fn histogram(fast: u64, slow: u64) -> Histogram {
        // All of them at 2 µs or below, the slow ones beyond all bounds.
        let mut buckets: Vec<(f64, u64)> = (0..27)
            .map(|at| (f64::from(1_u32 << at) * 1.024e-6, fast))
            .collect();
        buckets.push((f64::INFINITY, fast + slow));
        Histogram {
            buckets,
            count: fast + slow,
            sum: 0.0,
        }
    }

    #[test]
    fn counts_become_rates_summed_over_devices() {
        let tables = |fast, slow| LatencyTables {
            runqueue: Some(histogram(fast, slow)),
            block: ["sda", "sdb"]
                .map(|device| BlockLatency {
                    device: device.into(),
                    operation: "read",
                    histogram: histogram(fast, slow),
                })
                .into(),
            ..LatencyTables::default()
        };
        let mut latencies = Latencies::default();
        let at = |secs: i64| Timestamp::from_nanos(secs * 1_000_000_000);
        assert!(latencies.samples(&tables(10, 1), at(1)).is_empty());
        let samples: HashMap<_, _> = latencies
            .samples(&tables(30, 3), at(3))
            .into_iter()
            .collect();
        let rate = |key: &str| samples.get(&SeriesKey::from(key)).copied();
        assert_eq!(
            rate("hark_runqueue_latency_seconds_bucket{le=\"+Inf\"}"),
            Some(11.0)
        );
        assert_eq!(
            rate("hark_block_latency_seconds_bucket{le=\"0.000002048\",operation=\"read\"}"),
            Some(20.0)
        );
        assert_eq!(samples.len(), 2 * 12);
    }
}
