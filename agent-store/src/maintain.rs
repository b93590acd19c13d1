//! What goes on beside commits and searches: sealing, and keeping to the bounds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hark_api::{EventId, Timestamp};

use crate::index::BlockRef;
use crate::log::{Log, Made, Spare};
use crate::seal::Sealer;
use crate::store::{Inner, bytes_on_disk, lock};
use crate::{Error, Maintenance, Step, records, replies, sealed, series};

/// How commits, the sealer and retention work together.
pub(crate) struct Sealing {
    sealer: Mutex<Sealer>,
    /// So many hot events are likely to fill a block.
    fill: AtomicU64,
    shared: Arc<Signal>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Why the last sealing failed.
    failed: Mutex<Option<String>>,
    series: Mutex<SeriesUse>,
    /// When compaction last ran.
    compacted: Mutex<Option<Instant>>,
}

/// What series take on disk, and when that was looked at.
#[derive(Debug, Default)]
struct SeriesUse {
    bytes: u64,
    at: Option<Instant>,
}

#[derive(Debug, Default)]
struct Signal {
    state: Mutex<Wanted>,
    wake: Condvar,
    /// Notified when sealing has made room.
    room: Condvar,
}

/// What the sealer's thread is to do, and what it did.
#[derive(Debug, Default)]
struct Wanted {
    seal: bool,
    /// Also what fills no block, as there is no room for more.
    all: bool,
    /// The next file of the log, made while commits go on.
    spare: Option<Spare>,
    /// What came of that, until a commit takes it.
    made: Option<Result<Made, Error>>,
    stop: bool,
}

impl Sealing {
    pub(crate) fn new() -> Result<Self, Error> {
        let sealer = Sealer::new()?;
        Ok(Self {
            fill: AtomicU64::new(sealer.fill() as u64),
            sealer: Mutex::new(sealer),
            shared: Arc::default(),
            thread: Mutex::default(),
            failed: Mutex::default(),
            series: Mutex::default(),
            compacted: Mutex::default(),
        })
    }

    /// Tells the sealer how many hot events there are now, and whether the log has little room.
    pub(crate) fn committed(&self, hot_events: u64, short: bool) {
        if short || hot_events >= self.fill.load(Ordering::Relaxed) {
            lock(&self.shared.state).want(&self.shared.wake, short);
        }
    }

    /// Has a file of the log made, so that no commit waits for that.
    pub(crate) fn order_spare(&self, spare: Spare) {
        lock(&self.shared.state).spare = Some(spare);
        self.shared.wake.notify_one();
    }

    /// What came of the file that was ordered, once it is known.
    pub(crate) fn made_spare(&self) -> Option<Result<Made, Error>> {
        lock(&self.shared.state).made.take()
    }

    /// Keeps the sealer, and retention of hot rows, from working until it is dropped.
    pub(crate) fn pause(&self) -> MutexGuard<'_, Sealer> {
        lock(&self.sealer)
    }

    /// Ends the sealer's thread and waits for it.
    pub(crate) fn stop(&self) {
        self.tell_to_stop();
        if let Some(thread) = lock(&self.thread).take() {
            // A panic there was reported there.
            let _ = thread.join();
        }
    }

    fn tell_to_stop(&self) {
        lock(&self.shared.state).stop = true;
        self.shared.wake.notify_one();
        self.shared.room.notify_all();
    }
}

impl Wanted {
    fn want(&mut self, wake: &Condvar, all: bool) {
        self.all |= all;
        if !self.seal {
            self.seal = true;
            wake.notify_one();
        }
    }
}

impl Drop for Sealing {
    fn drop(&mut self) {
        self.tell_to_stop();
    }
}

impl std::fmt::Debug for Sealing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealing")
            .field("fill", &self.fill)
            .finish_non_exhaustive()
    }
}

/// Starts the thread that seals whenever enough was committed. It ends with the store.
pub(crate) fn start_sealer(inner: &Arc<Inner>) -> Result<(), Error> {
    let weak: Weak<Inner> = Arc::downgrade(inner);
    let shared = Arc::clone(&inner.sealing.shared);
    let run = move || {
        loop {
            let (spare, seal, all) = {
                let state = lock(&shared.state);
                let mut state = shared
                    .wake
                    .wait_while(state, |wanted| {
                        !wanted.seal && wanted.spare.is_none() && !wanted.stop
                    })
                    .unwrap_or_else(PoisonError::into_inner);
                if state.stop {
                    return;
                }
                let seal = std::mem::take(&mut state.seal);
                (state.spare.take(), seal, std::mem::take(&mut state.all))
            };
            // First, for it takes less than sealing, and the commits fill a file meanwhile.
            if let Some(spare) = spare {
                let made = spare.make().inspect_err(|error| {
                    tracing::warn!(%error, "the next file of the log was not made ahead");
                });
                lock(&shared.state).made = Some(made);
            }
            if !seal {
                continue;
            }
            let Some(inner) = weak.upgrade() else { return };
            if let Err(error) = inner.noting(|| inner.seal(all)) {
                tracing::error!(%error, "sealing failed; it is tried again with the next events");
            }
            shared.room.notify_all();
        }
    };
    let thread = std::thread::Builder::new()
        .name("hark-seal".to_owned())
        .spawn(run)
        .map_err(Error::io("starting the sealer"))?;
    *lock(&inner.sealing.thread) = Some(thread);
    inner.sealing.committed(inner.index().hot_events, false);
    Ok(())
}

/// How long a commit waits for room before it is refused.
const PATIENCE: Duration = Duration::from_secs(10);

impl Inner {
    /// Waits while events that are not sealed fill the memory that they may have, or leave no
    /// room for so many bytes in the log.
    pub(crate) fn wait_for_room(&self, log: &Log, size: u64) -> Result<(), Error> {
        let full = || {
            self.index().hot_bytes > self.options().hot_bytes
                || !log.has_room(size, self.index().sealed, self.log_bound())
        };
        if !full() {
            return Ok(());
        }
        let deadline = Instant::now() + PATIENCE;
        let mut state = lock(&self.sealing.shared.state);
        while full() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || state.stop {
                let reason = lock(&self.sealing.failed).clone();
                let reason = reason.unwrap_or_else(|| "the disk is too slow".to_owned());
                return Err(Error::Behind(reason));
            }
            // Few large events may fill no block. A failed sealing is tried again, in case there is
            // space by now.
            state.want(&self.sealing.shared.wake, true);
            let wait = left.min(Duration::from_millis(100));
            state = self
                .sealing
                .shared
                .room
                .wait_timeout(state, wait)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        Ok(())
    }

    /// Seals all that fills blocks, and with `all` the rest, too. How many events.
    pub(crate) fn seal(&self, all: bool) -> Result<u64, Error> {
        let mut sealer = lock(&self.sealing.sealer);
        let mut events = 0;
        let result = loop {
            let (hot, sealed) = {
                let index = self.index();
                (index.hot.clone(), index.sealed)
            };
            let batch = match sealer.seal(&hot, sealed, all) {
                Ok(Some(batch)) => batch,
                Ok(None) => break Ok(events),
                Err(error) => break Err(error),
            };
            // With the replies of their commits: the log may be overwritten up to here.
            let replies = lock(&self.fresh).up_to(batch.last);
            let written = self.main.write("writing blocks", |txn| {
                replies::put(txn, &replies)?;
                sealed::insert(txn, &batch.blocks)
            });
            if let Err(error) = written {
                break Err(error);
            }
            let blocks: Vec<_> = batch
                .blocks
                .iter()
                .map(|block| BlockRef::from(&block.head))
                .collect();
            events += batch.events;
            self.index_mut().add_blocks(&blocks, batch.last);
            lock(&self.fresh).remove_up_to(batch.last);
            self.sealing.shared.room.notify_all();
        };
        self.sealing
            .fill
            .store(sealer.fill() as u64, Ordering::Relaxed);
        *lock(&self.sealing.failed) = result.as_ref().err().map(Error::to_string);
        result
    }

    pub(crate) fn maintain(&self, now: Timestamp) -> Result<Maintenance, Error> {
        let options = self.options().clone();
        let ago = |age: Duration| {
            now.plus_nanos(i64::try_from(age.as_nanos()).map_or(i64::MIN, |age| -age))
        };
        let mut done = Maintenance::default();
        let aside: Vec<_> = lock(&self.damaged).clone();
        if !aside.is_empty() {
            sealed::set_aside(&self.main, &aside)?;
            lock(&self.damaged).retain(|id| !aside.contains(id));
        }
        done.sealed = self.seal(false)?;
        done.expired = self.expire(ago(options.max_age))? + self.shrink(options.max_bytes)?;
        self.expire_series(now, &options)?;
        let bounds = replies::Bounds {
            oldest: ago(options.reply_age),
            count: options.max_replies,
            bytes: options.max_reply_bytes,
        };
        self.keep_replies(bounds)?;
        records::trim_incidents(&self.main, ago(options.max_age))?;
        done.freed = self.compact()?;
        Ok(done)
    }

    /// Removes events all of whose block, or hot row, are older.
    fn expire(&self, oldest: Timestamp) -> Result<u64, Error> {
        let due: Vec<_> = {
            let index = self.index();
            let old = index.blocks.iter().filter(|block| block.max_time < oldest);
            old.map(|block| block.first).collect()
        };
        let mut events = self.remove(&due)?;
        let old_hot = |index: &crate::index::Index| {
            index
                .hot
                .iter()
                .take_while(|row| row.max_time < oldest)
                .map(|row| row.last)
                .last()
        };
        let last = old_hot(&self.index());
        if let Some(last) = last {
            // The sealer must not be at work on what goes.
            let _sealer = lock(&self.sealing.sealer);
            // It may have been while this waited.
            if last > self.index().sealed {
                let replies = lock(&self.fresh).up_to(last);
                self.main.write("removing events", |txn| {
                    replies::put(txn, &replies)?;
                    sealed::set_sealed(txn, last)
                })?;
                let mut index = self.index_mut();
                let before = index.hot_events;
                index.add_blocks(&[], last);
                events += before - index.hot_events;
                drop(index);
                lock(&self.fresh).remove_up_to(last);
            }
        }
        Ok(events)
    }

    /// Removes what is too old of the series; looked at every few minutes.
    fn expire_series(&self, now: Timestamp, options: &crate::Options) -> Result<(), Error> {
        const EVERY: Duration = Duration::from_secs(300);
        let mut looked = lock(&self.sealing.series);
        if looked.at.is_some_and(|last| last.elapsed() < EVERY) {
            return Ok(());
        }
        let now = now.as_nanos().div_euclid(1_000_000_000);
        let before = |age: Duration| now.saturating_sub_unsigned(age.as_secs());
        let oldest = [
            (Step::Second, before(options.series_1s)),
            (Step::TenSeconds, before(options.series_10s)),
            (Step::Minute, before(options.series_60s)),
        ];
        let (_, ended) = series::expire(&self.main, oldest)?;
        lock(&self.series).forget(&ended);
        looked.bytes = series::bytes(&self.main)?;
        looked.at = Some(Instant::now());
        Ok(())
    }

    /// Removes the oldest blocks until the files can keep to the size.
    fn shrink(&self, max_bytes: u64) -> Result<u64, Error> {
        let max_bytes = max_bytes.max(MIN_BYTES);
        let blocks = Arc::clone(&self.index().blocks);
        let used: u64 = blocks.iter().map(|block| block.disk).sum();
        let beside = self.log_bytes() + self.bytes_beside_blocks()?;
        // Free pages, half-full pages of the trees and what is written before old pages are free
        // again: measured to stay under a tenth.
        let allowed = (max_bytes - max_bytes / 8).saturating_sub(beside);
        let mut excess = used.saturating_sub(allowed);
        let mut due = Vec::new();
        for block in blocks.iter() {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(block.disk);
            due.push(block.first);
        }
        self.remove(&due)
    }

    fn remove(&self, due: &[EventId]) -> Result<u64, Error> {
        if due.is_empty() {
            return Ok(0);
        }
        sealed::remove(&self.main, due)?;
        let due: std::collections::BTreeSet<_> = due.iter().copied().collect();
        Ok(self
            .index_mut()
            .remove_blocks(|block| due.contains(&block.first)))
    }

    /// Gives space back where half of a file is free; at most once an hour, as all else waits
    /// meanwhile.
    fn compact(&self) -> Result<u64, Error> {
        const RARELY: Duration = Duration::from_secs(3600);
        const WORTH: u64 = 64 << 20;
        let due = lock(&self.sealing.compacted).is_none_or(|last| last.elapsed() >= RARELY);
        if !due {
            return Ok(0);
        }
        let blocks: u64 = self.index().blocks.iter().map(|block| block.disk).sum();
        let used = blocks + self.bytes_beside_blocks()?;
        if file_len(&self.dir.join("main.redb")) <= (used * 2).max(WORTH) {
            return Ok(0);
        }
        let before = bytes_on_disk(&self.dir);
        *lock(&self.sealing.compacted) = Some(Instant::now());
        self.main.compact()?;
        Ok(before.saturating_sub(bytes_on_disk(&self.dir)))
    }

    fn log_bytes(&self) -> u64 {
        lock(&self.committing).log.bytes()
    }

    /// What series and replies take in the database, about.
    fn bytes_beside_blocks(&self) -> Result<u64, Error> {
        // Keys are there twice, and pages are not full.
        let replies = replies::stored_bytes(&self.main)? * 2;
        Ok(lock(&self.sealing.series).bytes + replies)
    }
}

/// The least size that a store can work in.
const MIN_BYTES: u64 = 64 << 20;

fn file_len(path: &std::path::Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}
