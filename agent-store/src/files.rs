//! A database file: opened, closed after an error, opened again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use hark_api::Timestamp;
use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};

use crate::Error;

/// How a database is opened; tests put backends of their own behind it.
pub(crate) type Open = Arc<dyn Fn() -> Result<Database, Error> + Send + Sync>;

/// What happened when files were opened, in words.
pub(crate) type Notes = Arc<Mutex<Vec<String>>>;

/// One redb file.
///
/// After an I/O error redb refuses every write (`PreviousIo`) until the database is opened anew.
/// So any error closes the file, and the next access opens it.
pub(crate) struct DbFile {
    open: Open,
    db: RwLock<Option<Database>>,
    /// Whether it was closed for good.
    shut: AtomicBool,
}

/// Opens the file at `path` with a page cache of `cache` bytes; makes it where it is missing. One
/// that is corrupt beyond repair is set aside under another name, which `notes` then tells.
pub(crate) fn open_file(path: &Path, cache: usize, notes: Notes) -> Open {
    let path = path.to_owned();
    Arc::new(move || {
        let what = "opening the database";
        if !path.try_exists().map_err(Error::io(what))? {
            make_file(&path)?;
        }
        let open = |check| {
            guarded(what, || {
                let mut builder = Database::builder();
                builder
                    .set_cache_size(cache)
                    .set_check_integrity_on_open(check);
                builder.open(&path).map_err(Error::db(what))
            })
        };
        // Opening trusts what a clean stop left; what it stumbles over, the check may mend.
        match open(false) {
            Err(error) if error.is_corrupt() => {}
            opened => return opened,
        }
        match open(true) {
            Err(error) if error.is_corrupt() => {}
            opened => return opened,
        }
        let aside = path.with_extension(format!("damaged-{}", Timestamp::now().as_nanos()));
        std::fs::rename(&path, &aside).map_err(Error::io("setting a corrupt database aside"))?;
        let note = format!("{} was corrupt beyond repair: set aside", aside.display());
        tracing::error!("{note}");
        notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(note);
        make_file(&path)?;
        open(false)
    })
}

/// Makes an empty database under another name and gives it its own when it is whole: redb cannot
/// open what a crash left half made.
fn make_file(path: &Path) -> Result<(), Error> {
    let what = "making the database";
    let new = path.with_extension("new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::io(what)(error));
        }
        _ => {}
    }
    Database::create(&new)
        .and_then(Database::close)
        .map_err(Error::db(what))?;
    std::fs::File::open(&new)
        .and_then(|file| file.sync_all())
        .map_err(Error::io(what))?;
    std::fs::rename(&new, path).map_err(Error::io(what))?;
    let dir = path.parent().unwrap_or(Path::new("."));
    std::fs::File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(Error::io(what))
}

impl DbFile {
    pub(crate) fn new(open: Open) -> Result<Self, Error> {
        let db = open()?;
        Ok(Self {
            open,
            db: RwLock::new(Some(db)),
            shut: AtomicBool::new(false),
        })
    }

    /// The open database, opened anew where an error closed it.
    fn db(&self) -> Result<RwLockReadGuard<'_, Option<Database>>, Error> {
        loop {
            if self.shut.load(Ordering::Acquire) {
                return Err(Error::Closed);
            }
            let guard = self.db.read().unwrap_or_else(PoisonError::into_inner);
            if guard.is_some() {
                return Ok(guard);
            }
            drop(guard);
            self.reopen()?;
        }
    }

    /// Opens the file where an error closed it.
    pub(crate) fn reopen(&self) -> Result<(), Error> {
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        if db.is_none() {
            *db = Some((self.open)()?);
        }
        Ok(())
    }

    /// Closes the file for good.
    pub(crate) fn shut(&self) {
        self.shut.store(true, Ordering::Release);
        self.close();
    }

    /// Closes the file; what was committed stays.
    pub(crate) fn close(&self) {
        let db = self
            .db
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // redb writes when it is dropped, and may panic over a corrupt file.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(db)));
    }

    /// Runs `write` in a transaction and commits it with an fsync. Where it fails, nothing of it
    /// is acknowledged and the file is closed.
    pub(crate) fn write<T>(
        &self,
        what: &'static str,
        write: impl FnOnce(&WriteTransaction) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let guard = self.db()?;
        let Some(db) = guard.as_ref() else {
            return Err(Error::Closed);
        };
        let result = guarded(what, || {
            let mut txn = db.begin_write().map_err(Error::db(what))?;
            // Saves the allocator's state, at a second fsync: opening after a crash then does not
            // read the whole file.
            txn.set_quick_repair(true);
            let value = write(&txn)?;
            txn.commit().map_err(Error::db(what))?;
            Ok(value)
        });
        drop(guard);
        self.close_after(&result);
        result
    }

    /// Runs `read` in a read transaction.
    pub(crate) fn read<T>(
        &self,
        what: &'static str,
        read: impl FnOnce(&ReadTransaction) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let guard = self.db()?;
        let Some(db) = guard.as_ref() else {
            return Err(Error::Closed);
        };
        let result = guarded(what, || {
            let txn = db.begin_read().map_err(Error::db(what))?;
            read(&txn)
        });
        drop(guard);
        self.close_after(&result);
        result
    }

    fn close_after<T>(&self, result: &Result<T, Error>) {
        if let Err(Error::Io { .. } | Error::Database { .. } | Error::Corrupt { .. }) = result {
            self.close();
        }
    }

    /// Reads every page and compares its checksum; waits for readers. True where all is well;
    /// false where redb had to repair it.
    pub(crate) fn check(&self) -> Result<bool, Error> {
        let what = "checking the database";
        self.reopen()?;
        let mut guard = self.db.write().unwrap_or_else(PoisonError::into_inner);
        let Some(db) = guard.as_mut() else {
            return Err(Error::Closed);
        };
        let result = guarded(what, || db.check_integrity().map_err(Error::db(what)));
        drop(guard);
        self.close_after(&result);
        result
    }

    /// Gives free space back to the file system; waits for readers. True where it freed any.
    pub(crate) fn compact(&self) -> Result<bool, Error> {
        let mut guard = self.db.write().unwrap_or_else(PoisonError::into_inner);
        let Some(db) = guard.as_mut() else {
            return Ok(false);
        };
        let result = guarded("compacting", || {
            db.compact().map_err(Error::db("compacting"))
        });
        drop(guard);
        self.close_after(&result);
        result
    }
}

/// redb may panic over a file that something else has changed; that must not end the agent.
pub(crate) fn guarded<T>(
    what: &'static str,
    call: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(Error::Corrupt { what }))
}

impl std::fmt::Debug for DbFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DbFile").finish_non_exhaustive()
    }
}
