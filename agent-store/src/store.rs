//! The store itself: what is open, and the calls on it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use hark_api::{Event, EventId, SeriesKey, StoreStatus, Timestamp};

use crate::files::{self, DbFile};
use crate::hot::{self, HotRow};
use crate::lock::Lock;
use crate::query::{self, EventQuery, Page, Stats, StatsQuery};
use crate::records::{self, Incident, IncidentId, Reply};
use crate::{Error, Options, Point, SeriesInfo, Step};

/// The events, series, incidents and detector models of one host. Cheap to clone; all clones are
/// one store.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

/// What [`Store::maintain`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Maintenance {
    /// Events moved into blocks.
    pub sealed: u64,
    /// Events that retention removed.
    pub expired: u64,
    /// Bytes given back to the file system.
    pub freed: u64,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    hot: DbFile,
    main: DbFile,
    options: RwLock<Options>,
    index: RwLock<Index>,
    /// Held by the one commit that is under way.
    committing: Mutex<Commits>,
    last_error: Mutex<Option<(Timestamp, String)>>,
    series: Mutex<HashMap<SeriesKey, Vec<(Timestamp, f64)>>>,
    _lock: Lock,
}

/// What is in the store, as searches see it.
#[derive(Debug, Default)]
struct Index {
    hot: Vec<Arc<HotRow>>,
    /// The last id given to an event that is, or was, in the store.
    last: EventId,
    damaged: u64,
}

/// How commits went.
#[derive(Debug, Default)]
struct Commits {
    count: u64,
    /// How long the last ones took, in a ring.
    latencies: Vec<Duration>,
}

/// How many commits the latencies in the status are of.
const LATENCIES: usize = 1024;

impl Store {
    /// Opens the store in the directory `path`; makes both where they are missing.
    ///
    /// # Errors
    /// [`Error::InUse`] where another process has it open, [`Error::Format`] where a later version
    /// wrote it, and what the file system and the database refuse.
    pub fn open(path: &Path, options: Options) -> Result<Self, Error> {
        create_private(path)?;
        let lock = Lock::take(path)?;
        let hot = files::open_file(&path.join("hot.redb"), options.cache_bytes / 4);
        let main = files::open_file(&path.join("main.redb"), options.cache_bytes);
        Self::open_with(path, lock, hot, main, options)
    }

    fn open_with(
        dir: &Path,
        lock: Lock,
        hot: files::Open,
        main: files::Open,
        options: Options,
    ) -> Result<Self, Error> {
        let hot = DbFile::new(hot, false)?;
        let main = DbFile::new(main, true)?;
        let (rows, damaged) = hot::load(&hot)?;
        let last = rows.last().map_or(EventId(0), |row| row.last);
        let index = Index {
            last,
            hot: rows,
            damaged: damaged.len() as u64,
        };
        Ok(Self(Arc::new(Inner {
            dir: dir.to_owned(),
            hot,
            main,
            options: RwLock::new(options),
            index: RwLock::new(index),
            committing: Mutex::default(),
            last_error: Mutex::default(),
            series: Mutex::default(),
            _lock: lock,
        })))
    }

    /// The id for the next event. Ids survive restarts and are never given twice.
    pub fn next_event_id(&self) -> EventId {
        EventId(self.0.index().last.0 + 1)
    }

    /// Stores events; when it returns `Ok` they are on disk. One call is one fsync, so callers
    /// gather what came in at the same time.
    ///
    /// # Errors
    /// [`Error::IdOrder`] where ids do not ascend from the last commit; else nothing was stored
    /// and the call may be repeated as it is: it opens the database again where that is needed.
    pub fn commit(&self, events: &[Event]) -> Result<(), Error> {
        self.commit_with(events, &[])
    }

    /// [`Store::commit`], with the replies to the idempotency keys among the requests: both or
    /// neither are on disk.
    ///
    /// # Errors
    /// As [`Store::commit`]; [`Error::TooLarge`] for a reply beyond its bounds.
    pub fn commit_with(&self, events: &[Event], replies: &[Reply]) -> Result<(), Error> {
        let inner = &*self.0;
        let row = HotRow::encode(events);
        for reply in replies {
            reply.check()?;
        }
        let mut commits = lock(&inner.committing);
        let mut last = inner.index().last;
        for event in events {
            if event.id <= last {
                return Err(Error::IdOrder { id: event.id, last });
            }
            last = event.id;
        }
        let started = Instant::now();
        self.noting(|| self.write_hot(row.as_ref(), replies))?;
        commits.add(started.elapsed());
        let mut index = inner.index_mut();
        index.last = last;
        index.hot.extend(row.map(Arc::new));
        Ok(())
    }

    fn write_hot(&self, row: Option<&HotRow>, replies: &[Reply]) -> Result<(), Error> {
        let what = "writing events";
        let inner = &*self.0;
        if inner.hot.is_closed() {
            self.recover_hot()?;
        }
        inner.hot.write(what, |txn| {
            if let Some(row) = row {
                let mut table = txn.open_table(hot::HOT).map_err(Error::db(what))?;
                table
                    .insert(row.first.0, row.bytes())
                    .map_err(Error::db(what))?;
            }
            records::put_replies(txn, replies)
        })
    }

    /// After an error it is unknown whether the failed commit reached the disk. It was not
    /// acknowledged and may be repeated, so what there is of it goes.
    fn recover_hot(&self) -> Result<(), Error> {
        let what = "recovering the hot events";
        let last = self.0.index().last;
        self.0.hot.reopen()?;
        self.0.hot.write(what, |txn| {
            let mut table = txn.open_table(hot::HOT).map_err(Error::db(what))?;
            table
                .retain_in(last.0 + 1.., |_, _| false)
                .map_err(Error::db(what))
        })
    }

    /// The reply to an idempotency key, where one is kept.
    ///
    /// # Errors
    /// What the database refuses.
    pub fn reply(&self, key: &str) -> Result<Option<Reply>, Error> {
        self.noting(|| records::reply(&self.0.hot, key))
    }

    /// The event with an id, where it is kept.
    ///
    /// # Errors
    /// What the database refuses; [`Error::Damaged`] where its block is.
    pub fn event(&self, id: EventId) -> Result<Option<Event>, Error> {
        let hot = self.0.index().hot.clone();
        for row in hot.iter().filter(|row| row.first <= id && id <= row.last) {
            for row in row.rows() {
                let row = row.map_err(|reason| Error::Damaged {
                    what: "a hot event".to_owned(),
                    reason: reason.0,
                })?;
                if row.id == id {
                    return row.to_event().map(Some).map_err(|reason| Error::Damaged {
                        what: format!("event {id}"),
                        reason: reason.0,
                    });
                }
            }
        }
        Ok(None)
    }

    /// One page of events.
    ///
    /// # Errors
    /// What the database refuses. Damaged blocks are no error: they are set aside and counted.
    pub fn events(&self, query: &EventQuery) -> Result<Page, Error> {
        let hot = self.0.index().hot.clone();
        query::events(&hot, query)
    }

    /// Counts of events by time and by the values of fields.
    ///
    /// # Errors
    /// As [`Store::events`].
    pub fn stats(&self, query: &StatsQuery) -> Result<Stats, Error> {
        let hot = self.0.index().hot.clone();
        query::stats(&hot, query)
    }

    /// Adds one sample of each series. Samples are buffered and written every
    /// [`Options::series_flush`], by [`Store::maintain`] and by [`Store::close`]; a crash loses
    /// what was not.
    ///
    /// # Errors
    /// What the database refuses, where this call wrote.
    pub fn append_samples(
        &self,
        time: Timestamp,
        samples: &[(SeriesKey, f64)],
    ) -> Result<(), Error> {
        let mut series = lock(&self.0.series);
        for (key, value) in samples {
            series.entry(key.clone()).or_default().push((time, *value));
        }
        Ok(())
    }

    /// All series that are stored, by name.
    ///
    /// # Errors
    /// What the database refuses.
    pub fn series(&self) -> Result<Vec<SeriesInfo>, Error> {
        let series = lock(&self.0.series);
        let mut all: Vec<_> = series
            .iter()
            .filter_map(|(key, samples)| {
                let (first, last) = (samples.first()?.0, samples.last()?.0);
                Some(SeriesInfo {
                    key: key.clone(),
                    first,
                    last,
                })
            })
            .collect();
        all.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(all)
    }

    /// The points of a series from `from` to before `to`, oldest first; none where the series is
    /// unknown.
    ///
    /// # Errors
    /// What the database refuses.
    pub fn samples(
        &self,
        key: &SeriesKey,
        from: Timestamp,
        to: Timestamp,
        step: Step,
    ) -> Result<Vec<Point>, Error> {
        let _ = step;
        let series = lock(&self.0.series);
        let samples = series.get(key).map(Vec::as_slice).unwrap_or_default();
        Ok(samples
            .iter()
            .filter(|(time, _)| *time >= from && *time < to)
            .map(|&(time, value)| Point {
                time,
                mean: value,
                min: value,
                max: value,
            })
            .collect())
    }

    /// Keeps a detector's model under a name; an older one goes.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond 64 MiB; what the database refuses.
    pub fn put_checkpoint(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.noting(|| records::put_checkpoint(&self.0.main, name, bytes))
    }

    /// The model kept under a name.
    ///
    /// # Errors
    /// What the database refuses.
    pub fn get_checkpoint(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        self.noting(|| records::get_checkpoint(&self.0.main, name))
    }

    /// Keeps an incident; an older state of it goes.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond 1 MiB of JSON; what the database refuses.
    pub fn put_incident(&self, incident: &Incident) -> Result<(), Error> {
        self.noting(|| records::put_incident(&self.0.main, incident))
    }

    /// An incident.
    ///
    /// # Errors
    /// What the database refuses.
    pub fn incident(&self, id: IncidentId) -> Result<Option<Incident>, Error> {
        self.noting(|| records::incident(&self.0.main, id))
    }

    /// Incidents, newest first: those with ids below `before`, only open ones if asked, at most
    /// `limit`.
    ///
    /// # Errors
    /// What the database refuses.
    pub fn incidents(
        &self,
        before: Option<IncidentId>,
        open_only: bool,
        limit: usize,
    ) -> Result<Vec<Incident>, Error> {
        self.noting(|| records::incidents(&self.0.main, before, open_only, limit))
    }

    /// What the store holds and how it does.
    pub fn status(&self) -> StoreStatus {
        let inner = &*self.0;
        let (commits, commit_latency) = {
            let commits = lock(&inner.committing);
            (commits.count, commits.quantiles())
        };
        let index = inner.index();
        let oldest = index.hot.first();
        StoreStatus {
            path: inner.dir.display().to_string(),
            bytes: bytes_on_disk(&inner.dir),
            max_bytes: inner.options().max_bytes,
            events: index.hot.iter().map(|row| row.count as u64).sum(),
            oldest: oldest.map(|row| row.first),
            newest: index.hot.last().map(|row| row.last),
            oldest_time: oldest.map(|row| row.min_time),
            commits,
            commit_latency,
            last_error: lock(&inner.last_error).clone(),
            damaged_blocks: index.damaged,
        }
    }

    /// Does what is due: seals events into blocks, writes series, keeps to the bounds of age and
    /// size. To be called about once a second.
    ///
    /// # Errors
    /// What the database refuses; the next call goes on.
    pub fn maintain(&self, now: Timestamp) -> Result<Maintenance, Error> {
        let options = self.0.options().clone();
        self.noting(|| {
            let reply_age = i64::try_from(options.reply_age.as_nanos()).unwrap_or(i64::MAX);
            records::trim_replies(&self.0.hot, now.plus_nanos(-reply_age), options.max_replies)?;
            let max_age = i64::try_from(options.max_age.as_nanos()).unwrap_or(i64::MAX);
            records::trim_incidents(&self.0.main, now.plus_nanos(-max_age))?;
            Ok(Maintenance::default())
        })
    }

    /// Changes the bounds.
    pub fn reconfigure(&self, options: Options) {
        *self
            .0
            .options
            .write()
            .unwrap_or_else(PoisonError::into_inner) = options;
    }

    /// Opens the database again after an error. Commits do so themselves; this is to learn
    /// earlier whether it works again.
    ///
    /// # Errors
    /// What the file system and the database still refuse.
    pub fn reopen(&self) -> Result<(), Error> {
        let _commits = lock(&self.0.committing);
        self.noting(|| {
            if self.0.hot.is_closed() {
                self.recover_hot()?;
            }
            self.0.main.reopen()
        })
    }

    /// Writes what is buffered and closes the store. Other clones answer [`Error::Closed`].
    ///
    /// # Errors
    /// What the database refuses.
    pub fn close(self) -> Result<(), Error> {
        let _commits = lock(&self.0.committing);
        self.0.hot.close();
        self.0.main.close();
        Ok(())
    }

    /// Remembers an error for the status.
    fn noting<T>(&self, call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let result = call();
        if let Err(error) = &result {
            *lock(&self.0.last_error) = Some((Timestamp::now(), error.to_string()));
        }
        result
    }
}

impl Inner {
    fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn options(&self) -> RwLockReadGuard<'_, Options> {
        self.options.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Commits {
    fn add(&mut self, latency: Duration) {
        let at = (self.count % LATENCIES as u64) as usize;
        self.count += 1;
        match self.latencies.get_mut(at) {
            Some(slot) => *slot = latency,
            None => self.latencies.push(latency),
        }
    }

    /// Median and 99th percentile, in seconds.
    fn quantiles(&self) -> Option<(f64, f64)> {
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

/// A panic while a lock was held leaves what it guards usable: every write to it is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the directory, for its owner only.
fn create_private(dir: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(Error::io("making the data directory"))
}

/// Bytes that the files in a directory take on disk; sparse ones less than their length.
fn bytes_on_disk(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0;
    };
    entries
        .flatten()
        .filter_map(|entry| entry.metadata().ok())
        .map(|m| m.blocks() * 512)
        .sum()
}
