//! The kernel side as a whole.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use aya::maps::{HashMap, MapData, RingBuf};
use aya_log::EbpfLogger;
use hark_api::{Feature as FeatureReport, FeatureState, ProgramCost};
use hark_ebpf::Task;

use crate::clock;
use crate::datagram::Losses;
use crate::decode::Decoder;
use crate::diagnostics::Diagnostics;
use crate::dns::Queries;
use crate::failure::Failures;
use crate::filter::Maps;
use crate::latency::Tables;
use crate::listeners;
use crate::loader::{self, Loaded, take_map};
use crate::programs::PROGRAMS;
use crate::reader::{Counts, Reader, Tally, sum};
use crate::waits::Waits;
use crate::withheld::{Account, Totals, totals};
use crate::{
    Error, Feature, Filter, KernelEvent, LatencyTables, Options, Processes, SyscallErrors, Wait,
};

/// Listens to the kernel until it is dropped.
pub struct Kernel {
    loaded: Loaded,
    tables: Tables,
    counts: Option<Arc<Counts>>,
    withheld: Option<Arc<Totals>>,
    filter: Option<Arc<Mutex<Maps>>>,
    failures: Option<Arc<Mutex<Failures>>>,
    waits: Option<Arc<Mutex<Waits>>>,
    tally: Arc<Tally>,
    processes: Processes,
    /// Tells the reader to stop, by being closed.
    stop: Option<OwnedFd>,
    reader: Option<JoinHandle<()>>,
}

/// What became of the events, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Records that the kernel programs had to tell.
    pub emitted: u64,
    /// Records lost because the ring buffer was full.
    pub dropped: u64,
    /// Records read from the ring buffer. Once nothing is under way, `emitted = received + dropped`.
    pub received: u64,
    /// Events that the sink did not take.
    pub refused: u64,
    /// Events beyond their budgets, which summaries count; they are not among the emitted.
    pub withheld: u64,
    /// Received records that made no sense; more than 0 is a bug.
    pub malformed: u64,
    /// Runs of kernel programs that the kernel skipped because the program ran already on that CPU;
    /// 0 where the kernel does not tell (before 5.12).
    pub missed: u64,
    /// Processes that were not remembered because the table was full.
    pub untracked: u64,
}

impl Kernel {
    /// Loads the kernel programs, attaches those that work here, and hands what they tell to
    /// `sink`, from a thread of its own, in batches in the order in which it happened.
    ///
    /// The sink takes events out of the batch, and must not wait: what it leaves there is dropped
    /// and counted as refused.
    ///
    /// Features that do not work here are reported by [`Self::features`], with the reason. Needs
    /// `CAP_BPF`, `CAP_PERFMON` and, for statistics, `CAP_SYS_ADMIN`, only during this call: what is
    /// loaded keeps working when the process drops them. Keeping `CAP_SYS_PTRACE` lets it see the
    /// executables and working directories of other users' processes.
    ///
    /// # Errors
    /// Only if the object cannot be read, or the thread not be started.
    pub fn start(
        options: &Options,
        sink: impl FnMut(&mut Vec<KernelEvent>) + Send + 'static,
    ) -> Result<Self, Error> {
        let mut loaded = loader::load(options, true)?;
        let states = loaded.features.clone();
        let on = |feature| states.contains(&(feature, FeatureState::On));
        let (process, block, runqueue) = (
            on(Feature::Process),
            on(Feature::BlockLatency),
            on(Feature::RunqueueLatency),
        );
        let (logging, tcp) = (on(Feature::Log), on(Feature::Tcp));
        let processes = Processes::new(options.max_processes, process);
        let tally = Arc::new(Tally::default());
        let mut kernel = Self {
            tables: Tables {
                block: None,
                runqueue: None,
                reclaim: None,
                off_cpu: None,
                page_fault: None,
            },
            counts: None,
            withheld: None,
            filter: None,
            failures: None,
            waits: None,
            tally: Arc::clone(&tally),
            processes: processes.clone(),
            stop: None,
            reader: None,
            loaded: Loaded {
                ebpf: None,
                ..take(&mut loaded)
            },
        };
        let Some(mut ebpf) = loaded.ebpf else {
            return Ok(kernel);
        };

        kernel.tables.block = take_map(&mut ebpf, "BLOCK_LATENCY").filter(|_| block);
        kernel.tables.runqueue = take_map(&mut ebpf, "RUNQUEUE_LATENCY").filter(|_| runqueue);
        kernel.tables.reclaim =
            take_map(&mut ebpf, "RECLAIM_LATENCY").filter(|_| on(Feature::Reclaim));
        kernel.tables.off_cpu =
            take_map(&mut ebpf, "OFF_CPU_LATENCY").filter(|_| on(Feature::OffCpu));
        kernel.tables.page_fault =
            take_map(&mut ebpf, "PAGE_FAULT_LATENCY").filter(|_| on(Feature::OffCpu));
        if runqueue || on(Feature::OffCpu) {
            kernel.waits =
                Waits::take(&mut ebpf, options.waits).map(|map| Arc::new(Mutex::new(map)));
        }
        if on(Feature::SyscallError) {
            kernel.failures = Failures::take(&mut ebpf).map(|map| Arc::new(Mutex::new(map)));
        }
        if tcp
            && let Some(map) = take_map::<HashMap<_, [u32; 2], TaskWords>>(&mut ebpf, "LISTENERS")
        {
            remember_listeners(map);
        }
        let counts = take_map::<Counts>(&mut ebpf, "COUNTS").map(Arc::new);
        let ring = take_map::<RingBuf<_>>(&mut ebpf, "EVENTS");
        let filter = Maps::take(&mut ebpf);
        let account = Account::take(&mut ebpf);
        kernel.withheld = take_map::<Totals>(&mut ebpf, "WITHHELD_TOTALS").map(Arc::new);
        if let (Some(counts), Some(ring), Some(filter), Some(account), Some(totals)) =
            (counts, ring, filter, account, kernel.withheld.clone())
        {
            let filter = Arc::new(Mutex::new(filter));
            kernel.filter = Some(Arc::clone(&filter));
            kernel.set_filter(&options.filter)?;
            kernel.counts = Some(Arc::clone(&counts));
            if process {
                // What changes from here on waits in the ring buffer.
                processes.write().resync(clock::since_boot());
            }
            let (stop_here, stop_there) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
                .map_err(|error| Error::Thread(error.into()))?;
            let reader = Reader {
                ring,
                counts,
                logger: logging
                    .then(|| EbpfLogger::init_with_logger(&mut ebpf, Diagnostics).ok())
                    .flatten(),
                decoder: Decoder::new(std::mem::take(&mut kernel.loaded.reset_reasons)),
                processes,
                tally,
                filter,
                account,
                failures: kernel.failures.clone(),
                queries: on(Feature::Dns).then(|| Queries::take(&mut ebpf)).flatten(),
                losses: on(Feature::Udp).then(|| Losses::take(&mut ebpf)).flatten(),
                waits: kernel.waits.clone(),
                watches: std::mem::take(&mut kernel.loaded.watches),
                totals,
                sink,
                poll_interval: options.poll_interval,
                stop: stop_here,
            };
            kernel.reader = Some(
                std::thread::Builder::new()
                    .name("kernel-events".to_owned())
                    .spawn(move || reader.run())
                    .map_err(Error::Thread)?,
            );
            kernel.stop = Some(stop_there);
        }
        kernel.loaded.ebpf = Some(ebpf);
        Ok(kernel)
    }

    /// Each feature: on, off or not possible, and what it costs.
    pub fn features(&self) -> Vec<FeatureReport> {
        reports(&self.loaded)
    }

    /// What became of the events.
    pub fn counters(&self) -> Counters {
        // What was received first, then what was emitted: never more of the former.
        let received = self.tally.received.load(Relaxed);
        let (emitted, dropped) = self.counts.as_ref().map_or((0, 0), |counts| sum(counts));
        Counters {
            emitted,
            dropped,
            received,
            refused: self.tally.refused.load(Relaxed),
            withheld: self
                .withheld
                .as_ref()
                .map_or(0, |map| totals(map).iter().sum()),
            malformed: self.tally.malformed.load(Relaxed),
            missed: self.missed(),
            untracked: self.processes.overflowed(),
        }
    }

    /// Changes who is heard, and how much, while the programs run. What had been used up of the former
    /// budgets counts no more.
    ///
    /// # Errors
    /// The kernel refuses the change, as some before 5.19 do once privileges are given up.
    pub fn set_filter(&self, filter: &Filter) -> Result<(), Error> {
        let Some(maps) = &self.filter else {
            return Ok(()); // nothing is heard
        };
        let mut table = self.processes.write();
        let mut maps = maps.lock().unwrap_or_else(PoisonError::into_inner);
        maps.set(filter, table.cgroups())
    }

    fn missed(&self) -> u64 {
        let Some(ebpf) = &self.loaded.ebpf else {
            return 0;
        };
        ebpf.programs()
            .filter_map(|(_, program)| {
                use std::os::fd::{AsFd as _, AsRawFd as _};
                let fd = program.fd().ok()?.as_fd().as_raw_fd();
                let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
                let line = text
                    .lines()
                    .find_map(|l| l.strip_prefix("recursion_misses:"))?;
                line.trim().parse::<u64>().ok()
            })
            .sum()
    }

    /// The latency histograms as they stand.
    pub fn latency(&self) -> LatencyTables {
        self.tables.read()
    }

    /// System calls that failed, the most frequent first, at most `max`; empty where
    /// [`Feature::SyscallError`] is off.
    pub fn syscall_errors(&self, max: usize) -> SyscallErrors {
        self.failures.as_ref().map_or_else(Default::default, |map| {
            let map = map.lock().unwrap_or_else(PoisonError::into_inner);
            map.top(max)
        })
    }

    /// Processes whose threads waited for long, those that waited longest first, at most `max` for each
    /// resource. Those that have not waited for a while are forgotten.
    pub fn waits(&self, max: usize) -> Vec<Wait> {
        self.waits.as_ref().map_or_else(Vec::new, |map| {
            let map = map.lock().unwrap_or_else(PoisonError::into_inner);
            map.longest(max)
        })
    }

    /// The table of processes; it works, with less detail in time, without any kernel program.
    pub fn processes(&self) -> Processes {
        self.processes.clone()
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        // First the programs, so that nothing more is told; then the reader takes what is there.
        self.loaded.ebpf = None;
        self.stop = None;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel")
            .field("features", &self.loaded.features)
            .finish_non_exhaustive()
    }
}

/// Everything but the programs, which stay.
fn take(loaded: &mut Loaded) -> Loaded {
    Loaded {
        ebpf: None,
        features: std::mem::take(&mut loaded.features),
        watches: std::mem::take(&mut loaded.watches),
        left_out: std::mem::take(&mut loaded.left_out),
        reset_reasons: std::mem::take(&mut loaded.reset_reasons),
        statistics: loaded.statistics.take(),
    }
}

/// A [`Task`], as its map holds it.
type TaskWords = [u64; size_of::<Task>() / 8];

fn remember_listeners(mut map: HashMap<MapData, [u32; 2], TaskWords>) {
    const NO_EXIST: u64 = 1; // BPF_NOEXIST: what a program noted meanwhile is newer
    for ((namespace, port), task) in listeners::find() {
        let task: TaskWords = bytemuck::cast(task);
        let _ = map.insert([namespace, port], task, NO_EXIST);
    }
}

/// The features with their programs.
pub(crate) fn reports(loaded: &Loaded) -> Vec<FeatureReport> {
    let cost = |program: &crate::programs::Program| {
        let loaded = loaded.ebpf.as_ref()?.program(program.name)?;
        let info = loaded.info().ok()?; // fails where it is not loaded
        let counted = info.run_count() > 0;
        Some(ProgramCost {
            name: program.name.to_owned(),
            hook: program.hook.to_string(),
            runs: counted.then(|| info.run_count()),
            nanos: counted.then(|| info.run_time().as_nanos() as u64),
        })
    };
    loaded
        .features
        .iter()
        .map(|(feature, state)| FeatureReport {
            name: feature.as_str().to_owned(),
            description: feature.description().to_owned(),
            state: state.clone(),
            programs: PROGRAMS
                .iter()
                .filter(|p| p.feature == *feature)
                .filter_map(cost)
                .collect(),
        })
        .collect()
}
