//! The store itself: what is open, and the calls on it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hark_api::{Event, EventId, SeriesKey, StoreStatus, Timestamp};

use crate::check::Check;
use crate::commit::Commits;
use crate::files::{self, DbFile};
use crate::index::Index;
use crate::lock::Lock;
use crate::log::{self, Log, Place};
use crate::maintain::{self, Sealing};
use crate::query::{self, EventQuery, Findings, Page, Stats, StatsQuery};
use crate::records::{self, Incident, IncidentId};
use crate::replies::{self, Reply};
use crate::series::{self, Recorder};
use crate::{Error, Options, Point, SeriesInfo, Step, format_1, sealed};

/// The events, series, incidents and detector models of one host. Cheap to clone; all clones are
/// one store.
#[derive(Clone, Debug)]
pub struct Store(pub(crate) Arc<Inner>);

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
pub(crate) struct Inner {
    pub(crate) dir: PathBuf,
    pub(crate) main: DbFile,
    options: RwLock<Options>,
    index: RwLock<Index>,
    /// Held by the one commit that is under way.
    pub(crate) committing: Mutex<Commits>,
    pub(crate) fresh: Mutex<replies::Fresh>,
    pub(crate) sealing: Sealing,
    /// Blocks found damaged, to be set aside.
    pub(crate) damaged: Mutex<Vec<EventId>>,
    last_error: Mutex<Option<(Timestamp, String)>>,
    pub(crate) series: Mutex<Recorder>,
    _lock: Lock,
}

/// The directory of the log, in that of the store.
pub(crate) const LOG: &str = "log";

impl Store {
    /// Opens the store in the directory `path`; makes both where they are missing.
    ///
    /// # Errors
    /// [`Error::InUse`] where another process has it open, [`Error::Format`] where a later version
    /// wrote it, and what the file system and the database refuse.
    pub fn open(path: &Path, options: Options) -> Result<Self, Error> {
        create_private(path)?;
        let lock = Lock::take(path)?;
        let notes = files::Notes::default();
        let file = |name: &str| {
            let (path, notes) = (path.join(name), Arc::clone(&notes));
            files::open_file(&path, options.cache_bytes, notes)
        };
        let main = DbFile::new(file("main.redb"))?;
        let hot = path.join(format_1::HOT_FILE);
        if hot.try_exists().map_err(Error::io("opening the store"))? {
            let damaged = format_1::migrate(&main, &hot, file(format_1::HOT_FILE))?;
            self::lock(&notes).extend(damaged);
        }
        let log = log::Directory::open(&path.join(LOG)).map_err(Error::io("opening the log"))?;
        let store = Self::open_with(path, lock, main, Arc::new(log), log::FILE, options)?;
        for note in self::lock(&notes).drain(..) {
            store.0.note_damage(note);
        }
        Ok(store)
    }

    /// Opens what is there; the files of the log that are made have `log_file` bytes.
    pub(crate) fn open_with(
        dir: &Path,
        lock: Lock,
        main: DbFile,
        log: Arc<dyn Place>,
        log_file: u64,
        options: Options,
    ) -> Result<Self, Error> {
        let opened = sealed::open(&main)?;
        let (log, loaded) = Log::open(log, log_file, opened.sealed)?;
        let recorder = Recorder::open(&main)?;
        let mut index = Index {
            damaged: opened.damaged + opened.broken.len() as u64,
            last: loaded.last.max(opened.sealed),
            sealed: opened.sealed,
            ..Index::default()
        };
        for row in loaded.rows {
            index.add_hot(row);
        }
        index.add_blocks(&opened.blocks, opened.sealed);
        let mut fresh = replies::Fresh::default();
        for (commit, replies) in loaded.replies {
            fresh.add(commit, replies);
        }
        let store = Self(Arc::new(Inner {
            dir: dir.to_owned(),
            main,
            options: RwLock::new(options),
            index: RwLock::new(index),
            committing: Mutex::new(Commits::new(log)),
            fresh: Mutex::new(fresh),
            sealing: Sealing::new()?,
            damaged: Mutex::new(opened.broken),
            last_error: Mutex::default(),
            series: Mutex::new(recorder),
            _lock: lock,
        }));
        for damage in loaded.damaged {
            tracing::error!("{damage}");
            store.0.note_damage(damage);
        }
        // A disk that refuses must not keep what is there from being read: commits try again.
        if let Err(error) = store.0.noting(|| store.0.recover_log()) {
            tracing::error!(%error, "the log cannot be written");
        }
        maintain::start_sealer(&store.0)?;
        Ok(store)
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
        self.0.commit(events, replies)
    }

    /// The reply to an idempotency key, where one is kept.
    ///
    /// # Errors
    /// What the database refuses.
    pub fn reply(&self, key: &str) -> Result<Option<Reply>, Error> {
        self.0.noting(|| self.0.reply(key))
    }

    /// The event with an id, where it is kept.
    ///
    /// # Errors
    /// What the database refuses; [`Error::Damaged`] where its block is.
    pub fn event(&self, id: EventId) -> Result<Option<Event>, Error> {
        self.0
            .reading(|index, findings| query::find(&self.0.main, index, id, findings))
    }

    /// One page of events.
    ///
    /// # Errors
    /// What the database refuses. Damaged blocks are no error: they are set aside and counted.
    pub fn events(&self, query: &EventQuery) -> Result<Page, Error> {
        self.0
            .reading(|index, findings| query::events(&self.0.main, index, query, findings))
    }

    /// Counts of events by time and by the values of fields.
    ///
    /// # Errors
    /// As [`Store::events`]; [`Error::UnknownField`] for a facet that is no field.
    pub fn stats(&self, query: &StatsQuery) -> Result<Stats, Error> {
        self.0
            .reading(|index, findings| query::stats(&self.0.main, index, query, findings))
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
        let inner = &*self.0;
        let (max_series, flush) = {
            let options = inner.options();
            (options.max_series, options.series_flush)
        };
        let mut recorder = lock(&inner.series);
        recorder.add(time, samples, max_series, flush);
        inner.noting(|| recorder.write(&inner.main))
    }

    /// Samples that were not kept since the store was opened: of series beyond
    /// [`Options::max_series`], and of hours in which nothing could be written.
    pub fn lost_samples(&self) -> u64 {
        lock(&self.0.series).lost()
    }

    /// All series that are stored, by name.
    ///
    /// # Errors
    /// What the database refuses.
    pub fn series(&self) -> Result<Vec<SeriesInfo>, Error> {
        Ok(lock(&self.0.series).list())
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
        let pending = lock(&self.0.series).pending(key, step);
        let Some((number, pending)) = pending else {
            return Ok(Vec::new());
        };
        let mut points = self
            .0
            .noting(|| series::stored(&self.0.main, number, step, from, to))?;
        points.extend(pending);
        points.retain(|point| point.time >= from && point.time < to);
        points.sort_by_key(|point| point.time);
        // A clock that stepped back gives a second twice; the later sample is the last.
        points.dedup_by_key(|point| point.time);
        Ok(points)
    }

    /// Keeps a detector's model under a name; an older one goes.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond 64 MiB; what the database refuses.
    pub fn put_checkpoint(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.0
            .noting(|| records::put_checkpoint(&self.0.main, name, bytes))
    }

    /// The model kept under a name.
    ///
    /// # Errors
    /// What the database refuses.
    pub fn get_checkpoint(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        self.0
            .noting(|| records::get_checkpoint(&self.0.main, name))
    }

    /// Keeps an incident; an older state of it goes.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond 1 MiB of JSON; what the database refuses.
    pub fn put_incident(&self, incident: &Incident) -> Result<(), Error> {
        self.0
            .noting(|| records::put_incident(&self.0.main, incident))
    }

    /// An incident.
    ///
    /// # Errors
    /// What the database refuses.
    pub fn incident(&self, id: IncidentId) -> Result<Option<Incident>, Error> {
        self.0.noting(|| records::incident(&self.0.main, id))
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
        self.0
            .noting(|| records::incidents(&self.0.main, before, open_only, limit))
    }

    /// What the store holds and how it does.
    pub fn status(&self) -> StoreStatus {
        let inner = &*self.0;
        let (commits, commit_latency) = {
            let commits = lock(&inner.committing);
            (commits.count(), commits.quantiles())
        };
        let index = inner.index();
        let hot = index
            .hot
            .first()
            .map(|row| (row.first.max(EventId(index.sealed.0 + 1)), row.min_time));
        let oldest = index
            .blocks
            .first()
            .map(|block| (block.first, block.min_time))
            .or(hot);
        let newest_block = index.blocks.last().map(|block| block.last);
        StoreStatus {
            path: inner.dir.display().to_string(),
            bytes: bytes_on_disk(&inner.dir),
            max_bytes: inner.options().max_bytes,
            events: index.events(),
            oldest: oldest.map(|(id, _)| id),
            newest: index.hot.last().map(|row| row.last).or(newest_block),
            oldest_time: oldest.map(|(_, time)| time),
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
        self.0.noting(|| self.0.maintain(now))
    }

    /// Reads everything once and sets aside what is damaged. Searches and sealing wait while the
    /// database files are read.
    ///
    /// # Errors
    /// What the file system refuses; damage is no error.
    pub fn check(&self) -> Result<Check, Error> {
        self.0.noting(|| self.0.check())
    }

    /// Changes the bounds.
    pub fn reconfigure(&self, options: Options) {
        *self
            .0
            .options
            .write()
            .unwrap_or_else(PoisonError::into_inner) = options;
    }

    /// Writes what is buffered and closes the store. Other clones answer [`Error::Closed`].
    ///
    /// # Errors
    /// What the database refuses.
    pub fn close(self) -> Result<(), Error> {
        self.0.sealing.stop();
        let flushed = {
            let mut recorder = lock(&self.0.series);
            recorder.end_frame();
            recorder.write(&self.0.main)
        };
        lock(&self.0.committing).log.close();
        self.0.main.shut();
        flushed
    }
}

impl Inner {
    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn options(&self) -> RwLockReadGuard<'_, Options> {
        self.options.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers an error for the status.
    pub(crate) fn noting<T>(&self, call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let result = call();
        if let Err(error) = &result {
            *lock(&self.last_error) = Some((Timestamp::now(), error.to_string()));
        }
        result
    }

    /// Reads from a snapshot of the index; blocks found damaged are set aside.
    fn reading<T>(
        &self,
        read: impl FnOnce(&Index, &mut Findings) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let index = self.index().clone();
        let mut findings = Findings::default();
        let result = self.noting(|| read(&index, &mut findings));
        self.set_aside(findings.damaged);
        result
    }

    pub(crate) fn set_aside(&self, blocks: Vec<EventId>) {
        if blocks.is_empty() {
            return;
        }
        let mut index = self.index_mut();
        let mut damaged = lock(&self.damaged);
        for id in blocks {
            let known = index.blocks.iter().any(|block| block.first == id);
            if known {
                let events = index.remove_blocks(|block| block.first == id);
                index.damaged += 1;
                tracing::error!(block = id.0, events, "a block is damaged: set aside");
                damaged.push(id);
            }
        }
    }

    fn note_damage(&self, what: String) {
        self.index_mut().damaged += 1;
        *lock(&self.last_error) = Some((Timestamp::now(), what));
    }
}

/// A panic while a lock was held leaves what it guards usable: every write to it is whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the directory, for its owner only.
pub(crate) fn create_private(dir: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(Error::io("making the data directory"))
}

/// Brings to the disk which files a directory has.
pub(crate) fn sync_dir(dir: &Path) -> std::io::Result<()> {
    std::fs::File::open(dir)?.sync_all()
}

/// Bytes that the files of a store take on disk; sparse ones less than their length.
pub(crate) fn bytes_on_disk(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    [dir, &dir.join(LOG)]
        .into_iter()
        .filter_map(|dir| std::fs::read_dir(dir).ok())
        .flat_map(Iterator::flatten)
        .filter_map(|entry| entry.metadata().ok())
        .map(|m| m.blocks() * 512)
        .sum()
}
