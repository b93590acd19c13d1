//! Copies of the whole store in one file, and stores made of them.

use std::fs::File;
use std::io::{self, Seek as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use hark_api::Timestamp;
use redb::{
    Database, Key, ReadTransaction, ReadableDatabase as _, ReadableTable, TableDefinition, Value,
};

use crate::files::guarded;
use crate::format_1::HOT_FILE;
use crate::seal::Sealer;
use crate::series::table;
use crate::store::{Inner, LOG, create_private, lock, sync_dir};
use crate::{Error, Store, records, sealed};

/// Rows that one transaction of a copy writes.
const ROWS: usize = 1024;
/// Memory for pages of the copy, in bytes.
const CACHE: usize = 8 << 20;
/// What a backup leaves free for the events that come meanwhile, in bytes.
const SPARED: u64 = 16 << 20;
/// Where [`Store::restore`] makes the store before it takes its place.
const RESTORING: &str = "restoring";

/// What [`Store::restore`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Events of the backup; all were read, and their checksums were right.
    pub events: u64,
    /// Where the store is that was there before.
    pub replaced: Option<PathBuf>,
}

impl Store {
    /// Copies the store, as it is now, to a new file. Commits and searches go on meanwhile.
    ///
    /// The file is a redb database, readable by its owner only. [`Store::restore`] makes a store of
    /// it. Replies to idempotency keys are not in it.
    ///
    /// # Errors
    /// Where the file exists, and what the file system and the databases refuse.
    pub fn backup(&self, to: &Path) -> Result<(), Error> {
        let what = "making the backup";
        if to.try_exists().map_err(Error::io(what))? {
            let source = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(Error::Io {
                what: "the file of the backup",
                source,
            });
        }
        let new = to.with_extension("partial");
        let copied = private_file(&new)
            .map_err(Error::io(what))
            .and_then(|file| self.0.copy_into(file));
        let finished = copied.and_then(|file| {
            file.sync_all()
                .and_then(|()| std::fs::rename(&new, to))
                .map_err(Error::io(what))
        });
        if finished.is_err() {
            let _ = std::fs::remove_file(&new);
        }
        finished
    }

    /// [`Store::backup`] to a file without a name beside the store's own, to be read from its
    /// beginning. Its space is free again once it is closed, whatever happens.
    ///
    /// # Errors
    /// Where there is less space than the copy takes, and what the file system and the databases
    /// refuse.
    pub fn backup_unnamed(&self) -> Result<File, Error> {
        let what = "making the backup";
        let path = self.0.dir.join("backup.partial");
        let file = private_file(&path).map_err(Error::io(what))?;
        std::fs::remove_file(&path).map_err(Error::io(what))?;
        let space = rustix::fs::fstatvfs(&file)
            .map_err(|error| Error::io(what)(error.into()))
            .map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize))?;
        let needed = crate::store::bytes_on_disk(&self.0.dir) + SPARED;
        if space < needed {
            let mib = |bytes: u64| bytes.div_ceil(1 << 20);
            let source = io::Error::new(
                io::ErrorKind::StorageFull,
                format!(
                    "it takes up to {} MiB beside the store, and {} are free",
                    mib(needed),
                    mib(space)
                ),
            );
            return Err(Error::Io { what, source });
        }
        let mut file = self.0.copy_into(file)?;
        file.rewind().map_err(Error::io(what))?;
        Ok(file)
    }

    /// Opens a backup, and looks whether it is one that this version can restore. Reads little of it.
    ///
    /// # Errors
    /// [`Error::Format`] where a later version made it; what the database refuses where it is none.
    pub fn check_backup(path: &Path) -> Result<(), Error> {
        let what = "opening the backup";
        guarded(what, || {
            let db = redb::ReadOnlyDatabase::open(path).map_err(Error::db(what))?;
            let txn = db.begin_read().map_err(Error::db(what))?;
            sealed::check_format(&txn)
        })
    }

    /// Makes what [`Store::backup`] made the store of a directory, once all of it was read and found
    /// whole. A store that is there goes into a directory of its own beside it, and is one still.
    ///
    /// # Errors
    /// [`Error::InUse`] where a process has the store open, [`Error::Format`] where a later version
    /// made the backup, [`Error::Damaged`] where it is not whole, and what the file system refuses.
    /// The store that is there stays in place then.
    pub fn restore(backup: &mut File, dir: &Path) -> Result<Restored, Error> {
        create_private(dir)?;
        let _lock = crate::lock::Lock::take(dir)?;
        let new = dir.join(RESTORING);
        remove_dir(&new)?;
        let made = copied(backup, &new)
            .and_then(|()| verified(&new))
            .and_then(|events| {
                let replaced = set_aside(dir)?;
                Ok(Restored { events, replaced })
            })
            .and_then(|restored| {
                let what = "putting the restored store in place";
                for name in PARTS.iter().filter(|name| new.join(name).exists()) {
                    std::fs::rename(new.join(name), dir.join(name)).map_err(Error::io(what))?;
                }
                sync_dir(dir).map_err(Error::io(SYNCING))?;
                Ok(restored)
            });
        remove_dir(&new)?;
        made
    }
}

const SYNCING: &str = "syncing the data directory";

/// What a store consists of. The last was part of stores of format 1.
const PARTS: [&str; 3] = ["main.redb", LOG, HOT_FILE];

/// A new file that its owner alone can read.
fn private_file(path: &Path) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn remove_dir(dir: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("removing what an earlier restore left")(error))
        }
        _ => Ok(()),
    }
}

/// Copies a backup into a directory of its own, as a store's main file.
fn copied(backup: &mut File, to: &Path) -> Result<(), Error> {
    let what = "copying the backup";
    create_private(to)?;
    let main = to.join("main.redb");
    let mut file = private_file(&main).map_err(Error::io(what))?;
    backup.rewind().map_err(Error::io(what))?;
    io::copy(backup, &mut file).map_err(Error::io(what))?;
    file.sync_all().map_err(Error::io(what))?;
    drop(file);
    Store::check_backup(&main)
}

/// Reads all of a store; how many events it has.
fn verified(dir: &Path) -> Result<u64, Error> {
    let store = Store::open(dir, crate::Options::default())?;
    let check = store.check()?;
    if !check.is_clean() {
        return Err(Error::Damaged {
            what: "the backup".to_owned(),
            reason: "checksums are wrong",
        });
    }
    store.close()?;
    Ok(check.events)
}

/// Moves the store of a directory into one of its own below it, where there is a store.
fn set_aside(dir: &Path) -> Result<Option<PathBuf>, Error> {
    let what = "setting the old store aside";
    let there: Vec<_> = PARTS
        .iter()
        .filter(|name| dir.join(name).exists())
        .collect();
    if there.is_empty() {
        return Ok(None);
    }
    let aside = dir.join(format!("replaced-{}", Timestamp::now().as_nanos()));
    create_private(&aside)?;
    for name in there {
        std::fs::rename(dir.join(name), aside.join(name)).map_err(Error::io(what))?;
    }
    sync_dir(&aside).map_err(Error::io(SYNCING))?;
    Ok(Some(aside))
}

impl Inner {
    /// Copies the store into an empty file.
    fn copy_into(&self, file: File) -> Result<File, Error> {
        let what = "making the backup";
        let own = file.try_clone().map_err(Error::io(what))?;
        let backend = redb::backends::FileBackend::new(own).map_err(Error::db(what))?;
        let db = Database::builder()
            .set_cache_size(CACHE)
            .create_with_backend(backend)
            .map_err(Error::db(what))?;
        self.copy_to(&db)?;
        db.close().map_err(Error::db(what))?;
        Ok(file)
    }

    fn copy_to(&self, to: &Database) -> Result<(), Error> {
        // Samples that wait go with it.
        lock(&self.series).write(&self.main)?;
        // The snapshots of both must fit each other: nothing is sealed between them.
        let sealer = self.sealing.pause();
        let index = self.index().clone();
        self.main.read("making the backup", |txn| {
            drop(sealer);
            for table in [
                sealed::BLOCKS,
                sealed::HEADS,
                sealed::TOKENS,
                sealed::DAMAGED,
            ] {
                copy(txn, to, table)?;
            }
            copy(txn, to, sealed::META)?;
            copy(txn, to, records::CHECKPOINTS)?;
            copy(txn, to, records::INCIDENTS)?;
            copy(txn, to, table::NAMES)?;
            copy(txn, to, table::FRAMES)
        })?;
        let mut sealer = Sealer::new()?;
        let mut last = index.sealed;
        while let Some(batch) = sealer.seal(&index.hot, last, true)? {
            let txn = to.begin_write().map_err(Error::db("making the backup"))?;
            sealed::insert(&txn, &batch.blocks)?;
            txn.commit().map_err(Error::db("making the backup"))?;
            last = batch.last;
        }
        // Ids go on from the last that was given, though its event may be gone.
        let txn = to.begin_write().map_err(Error::db("making the backup"))?;
        sealed::set_sealed(&txn, index.last)?;
        txn.commit().map_err(Error::db("making the backup"))
    }
}

/// Copies a table, where it exists.
fn copy<K: Key + 'static, V: Value + 'static>(
    from: &ReadTransaction,
    to: &Database,
    table: TableDefinition<'static, K, V>,
) -> Result<(), Error> {
    let what = "making the backup";
    let source = match from.open_table(table) {
        Ok(source) => source,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
        Err(error) => return Err(Error::db(what)(error)),
    };
    let mut rows = source.iter().map_err(Error::db(what))?.peekable();
    loop {
        let mut txn = to.begin_write().map_err(Error::db(what))?;
        // The file counts only once it is whole and has its name.
        txn.set_durability(redb::Durability::None)
            .map_err(Error::db(what))?;
        {
            let mut target = txn.open_table(table).map_err(Error::db(what))?;
            for row in rows.by_ref().take(ROWS) {
                let (key, value) = row.map_err(Error::db(what))?;
                target
                    .insert(key.value(), value.value())
                    .map_err(Error::db(what))?;
            }
        }
        txn.commit().map_err(Error::db(what))?;
        if rows.peek().is_none() {
            return Ok(());
        }
    }
}
