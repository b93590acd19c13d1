//! Latencies that the kernel side counts in histograms.

/// All latency histograms, counted since the start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LatencyTables {
    /// From issue to completion of block requests, by device and operation.
    pub block: Vec<BlockLatency>,
    /// From runnable to running, all threads and CPUs.
    pub runqueue: Option<Histogram>,
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
    /// For each upper bound in seconds, how many took at most that long: cumulative, rising bounds.
    pub buckets: Vec<(f64, u64)>,
    /// How many there were.
    pub count: u64,
    /// How long all took together, in seconds.
    pub sum: f64,
}
