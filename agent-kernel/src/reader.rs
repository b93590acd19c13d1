//! The thread that reads the ring buffer.

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aya::maps::{MapData, PerCpuArray, RingBuf};
use aya_log::EbpfLogger;
use hark_ebpf::Kind;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::clock::{Clock, since_boot};
use crate::datagram::Losses;
use crate::decode::Decoder;
use crate::diagnostics::Diagnostics;
use crate::dns::Queries;
use crate::failure::Failures;
use crate::filter::Maps;
use crate::waits::Waits;
use crate::watch::Watches;
use crate::withheld::{Account, Totals, totals};
use crate::{KernelEvent, Processes};

/// Events are handed on in batches of at most this many.
const BATCH: usize = 1024;

/// How often lost events are looked for.
const CHECK: Duration = Duration::from_secs(1);

/// What became of the records that were read.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) received: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) malformed: AtomicU64,
}

/// The kernel side's own count, by kind of record and CPU.
pub(crate) type Counts = PerCpuArray<MapData, [u64; 2]>;

/// Sums what all CPUs count: emitted, dropped.
pub(crate) fn sum(counts: &Counts) -> (u64, u64) {
    let mut sums = (0, 0);
    for kind in 0..Kind::ALL.len() as u32 {
        let Ok(values) = counts.get(&kind, 0) else {
            continue;
        };
        for [emitted, dropped] in values.iter() {
            sums.0 += emitted;
            sums.1 += dropped;
        }
    }
    sums
}

/// What the thread works with.
pub(crate) struct Reader<S> {
    pub(crate) ring: RingBuf<MapData>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) logger: Option<EbpfLogger<Diagnostics>>,
    pub(crate) decoder: Decoder,
    pub(crate) processes: Processes,
    pub(crate) tally: Arc<Tally>,
    pub(crate) filter: Arc<Mutex<Maps>>,
    pub(crate) account: Account,
    pub(crate) failures: Option<Arc<Mutex<Failures>>>,
    pub(crate) watches: Watches,
    pub(crate) queries: Option<Queries>,
    pub(crate) losses: Option<Losses>,
    pub(crate) waits: Option<Arc<Mutex<Waits>>>,
    pub(crate) totals: Arc<Totals>,
    pub(crate) sink: S,
    pub(crate) poll_interval: Duration,
    /// Readable once the thread shall end.
    pub(crate) stop: OwnedFd,
}

impl<S: FnMut(&mut Vec<KernelEvent>)> Reader<S> {
    /// Reads until it is told to stop; then what is there already, and ends.
    pub(crate) fn run(mut self) {
        let kept = self.processes.are_kept();
        let mut batch = Vec::with_capacity(BATCH);
        let mut lost = 0;
        let mut checked = Instant::now();
        loop {
            let stopping = self.wait();
            if let Some(logger) = &mut self.logger {
                logger.flush();
            }
            // One pass over what is there now: under a storm that never ends, the rest of the loop
            // has its turn, too.
            while self.read_batch(&mut batch) {}
            if stopping {
                self.sum_up(true, &mut batch);
                return;
            }
            if checked.elapsed() >= CHECK {
                checked = Instant::now();
                let mut unknown = self.sum_up(false, &mut batch);
                let (_, dropped) = sum(&self.counts);
                if dropped > lost {
                    tracing::warn!(
                        events = dropped - lost,
                        "kernel events were lost: the ring buffer was full"
                    );
                    lost = dropped;
                    unknown = true;
                }
                if kept && unknown {
                    self.processes.write().resync(since_boot());
                }
            }
        }
    }

    /// Tells what budgets held back, and keeps up with control groups. True where the process table
    /// missed something by it.
    fn sum_up(&mut self, all: bool, batch: &mut Vec<KernelEvent>) -> bool {
        let totals = totals(&self.totals);
        let missed = {
            let mut table = self.processes.write();
            let mut filter = self.filter.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = filter.follow(table.cgroups()) {
                tracing::warn!(%error, "control groups that are ignored cannot be followed");
            }
            self.watches.look_at_sockets(&mut table, batch);
            if let Some(losses) = &mut self.losses {
                losses.look(&mut table, batch);
            }
            // Of sockets, the programs do not know whose they are.
            batch.retain(|event| {
                !event
                    .process
                    .as_deref()
                    .is_some_and(|p| filter.is_ignored(p))
            });
            if let Some(waits) = &self.waits {
                let mut waits = waits.lock().unwrap_or_else(PoisonError::into_inner);
                waits.look(&mut table, batch);
            }
            if let Some(queries) = &mut self.queries {
                queries.look(&mut table, batch);
            }
            self.account.look(totals, all, &mut table, batch)
        };
        self.watches.look_at_pressure(batch);
        if let Some(failures) = &self.failures {
            let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
            failures.look(batch);
        }
        self.hand_on(batch);
        missed
    }

    /// Sleeps until there is much to read, the interval is over, or it is time to stop: true.
    fn wait(&self) -> bool {
        let ring = self.ring.as_fd();
        let mut fds = vec![
            PollFd::new(&self.stop, PollFlags::IN),
            PollFd::new(&ring, PollFlags::IN),
        ];
        if let Some(logger) = &self.logger {
            fds.push(PollFd::new(logger, PollFlags::IN));
        }
        let interval = Timespec {
            tv_sec: self.poll_interval.as_secs() as i64,
            tv_nsec: i64::from(self.poll_interval.subsec_nanos()),
        };
        // Interrupted or not: what is there is read.
        let _ = poll(&mut fds, Some(&interval));
        !fds[0].revents().is_empty()
    }

    /// Reads a batch and hands it on. True if there may be more.
    fn read_batch(&mut self, batch: &mut Vec<KernelEvent>) -> bool {
        let clock = Clock::now();
        let mut records = 0;
        {
            let mut table = self.processes.write();
            if !self.processes.are_kept() {
                table.clear();
            }
            while records < BATCH
                && let Some(record) = self.ring.next()
            {
                records += 1;
                match self.decoder.decode(&record, clock, &mut table) {
                    Ok(Some(event)) => batch.push(event),
                    Ok(None) => {}
                    Err(crate::decode::Malformed) => {
                        self.tally.malformed.fetch_add(1, Relaxed);
                    }
                }
            }
        }
        self.tally.received.fetch_add(records as u64, Relaxed);
        self.hand_on(batch);
        records == BATCH
    }

    fn hand_on(&mut self, batch: &mut Vec<KernelEvent>) {
        if !batch.is_empty() {
            (self.sink)(batch);
            self.tally.refused.fetch_add(batch.len() as u64, Relaxed);
            batch.clear();
        }
    }
}
