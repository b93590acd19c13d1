//! How hark listens to the kernel.

use std::path::PathBuf;
use std::time::Duration;

use crate::{Feature, Filter, Pressure, WaitLimits};

/// How to listen. [`Options::default`] is right for most hosts.
#[derive(Clone, Debug)]
pub struct Options {
    /// The features to turn on; each that this kernel lacks is reported and left out.
    pub features: Vec<Feature>,
    /// Size of the ring buffer in bytes; rounded up to a power of two, at least one page.
    pub ring_bytes: u32,
    /// The longest that an event waits in the ring buffer before it is read. The kernel wakes the
    /// reader earlier when a quarter of the buffer is full.
    pub poll_interval: Duration,
    /// Whether the kernel counts each program's runs and time. Costs about 50 ns a run.
    pub statistics: bool,
    /// Waits of this length and more are long: those while the kernel takes memory back are told one by
    /// one, others are added up by process. All are in the histograms.
    pub stall: Duration,
    /// Requests of block devices are told from this length on; all are in the histograms.
    pub slow_request: Duration,
    /// From when on the waits of a process are told.
    pub waits: WaitLimits,
    /// From when on pressure is told.
    pub pressure: Pressure,
    /// Which signals are told: bit `n - 1` is signal `n`. A child's `SIGCHLD` never is: its end is
    /// an event of its own.
    pub signals: u64,
    /// How many processes are remembered, ended ones included.
    pub max_processes: usize,
    /// Who is heard, and how much; [`crate::Kernel::set_filter`] changes it later.
    pub filter: Filter,
    /// The kernel programs to load instead of those that hark was built with.
    pub object: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            features: Feature::ALL
                .iter()
                .copied()
                .filter(|feature| feature.is_default())
                .collect(),
            ring_bytes: 4 << 20,
            poll_interval: Duration::from_millis(50),
            statistics: false,
            stall: Duration::from_millis(10),
            slow_request: Duration::from_millis(500),
            waits: WaitLimits::default(),
            pressure: Pressure::default(),
            signals: DEFAULT_SIGNALS,
            max_processes: 32_768,
            filter: Filter::NONE,
            object: None,
        }
    }
}

const fn bit(signal: u32) -> u64 {
    1 << (signal - 1)
}

/// All but those that run-time libraries send by the thousand for their own ends: `SIGURG` (Go
/// preempts with it), `SIGPROF` and `SIGVTALRM` (profilers), `SIGWINCH` (terminals), and 32 and 33
/// (the C library cancels threads with them).
const DEFAULT_SIGNALS: u64 = !(bit(23) | bit(27) | bit(26) | bit(28) | bit(32) | bit(33));
