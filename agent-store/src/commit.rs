//! Commits: into the log, and from then on seen by searches and by the sealer.

use std::time::{Duration, Instant};

use hark_api::Event;

use crate::Error;
use crate::hot::HotRow;
use crate::log::{self, Log, Written};
use crate::replies::{self, Reply};
use crate::store::{Inner, lock};

/// Where commits go, and how they went.
#[derive(Debug)]
pub(crate) struct Commits {
    pub(crate) log: Log,
    count: u64,
    /// How long the last ones took, in a ring.
    latencies: Vec<Duration>,
}

/// How many commits the latencies in the status are of.
const LATENCIES: usize = 1024;

impl Commits {
    pub(crate) fn new(log: Log) -> Self {
        Self {
            log,
            count: 0,
            latencies: Vec::new(),
        }
    }

    /// How many succeeded.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    fn add(&mut self, latency: Duration) {
        let at = (self.count % LATENCIES as u64) as usize;
        self.count += 1;
        match self.latencies.get_mut(at) {
            Some(slot) => *slot = latency,
            None => self.latencies.push(latency),
        }
    }

    /// Median and 99th percentile, in seconds.
    pub(crate) fn quantiles(&self) -> Option<(f64, f64)> {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let at = |q: f64| {
            let last = sorted.len().checked_sub(1)?;
            sorted
                .get((last as f64 * q).round() as usize)
                .map(Duration::as_secs_f64)
        };
        at(0.5).zip(at(0.99))
    }
}

impl Inner {
    /// Stores events with their replies; see [`Store::commit_with`](crate::Store::commit_with).
    pub(crate) fn commit(&self, events: &[Event], replies: &[Reply]) -> Result<(), Error> {
        let row = HotRow::encode(events);
        for reply in replies {
            reply.check()?;
        }
        let Some(mut row) = row else {
            return self.noting(|| {
                self.main
                    .write(replies::WRITING, |txn| replies::put(txn, replies))
            });
        };
        let mut commits = lock(&self.committing);
        row.before = self.index().last;
        let mut last = row.before;
        for event in events {
            if event.id <= last {
                return Err(Error::IdOrder { id: event.id, last });
            }
            last = event.id;
        }
        if let Some(made) = self.sealing.made_spare() {
            commits.log.take_spare(made);
        }
        let size = Log::size(&row, replies);
        self.noting(|| self.wait_for_room(&commits.log, size))?;
        let started = Instant::now();
        let short = self.noting(|| self.write_log(&mut commits.log, &row, replies))?;
        commits.add(started.elapsed());
        // Before the events: sealing takes both.
        lock(&self.fresh).add(row.last, replies.to_vec());
        let events = {
            let mut index = self.index_mut();
            index.add_hot(row);
            index.hot_events
        };
        self.sealing.committed(events, short);
        Ok(())
    }

    /// Writes a commit. Whether the log has little room left.
    fn write_log(&self, log: &mut Log, row: &HotRow, replies: &[Reply]) -> Result<bool, Error> {
        self.recover(log)?;
        let (sealed, bound) = (self.index().sealed, self.log_bound());
        if log.append(row, replies, sealed, bound)? == Written::IntoANewFile
            && let Some(spare) = log.spare(sealed, bound)
        {
            self.sealing.order_spare(spare);
        }
        Ok(log.is_short(sealed, bound))
    }

    /// What the log may take on disk, in bytes.
    pub(crate) fn log_bound(&self) -> u64 {
        let options = self.options();
        let most = (options.hot_bytes as u64).saturating_mul(2);
        most.min(options.max_bytes / 8).max(log::LEAST)
    }

    /// Brings into order what an earlier process, or a failed write, left of the log.
    pub(crate) fn recover_log(&self) -> Result<(), Error> {
        self.recover(&mut lock(&self.committing).log)
    }

    /// After an error it is unknown whether the failed commit reached the disk. It was not
    /// acknowledged and may be repeated; so what there is of it must not count.
    fn recover(&self, log: &mut Log) -> Result<(), Error> {
        if !log.is_abandoned() {
            return Ok(());
        }
        let (hot, sealed) = {
            let index = self.index();
            (index.hot.clone(), index.sealed)
        };
        let replies = |row: &HotRow| lock(&self.fresh).of(row.last);
        log.recover(&hot, replies, sealed, self.log_bound())
    }
}
