//! Copies of the whole store in one file, and its events as lines of JSON.

use std::io::{BufRead, Write};
use std::path::Path;

use hark_api::{Event, EventId};
use redb::{
    Database, Key, ReadTransaction, ReadableDatabase as _, ReadableTable, TableDefinition, Value,
};

use crate::seal::Sealer;
use crate::series::table;
use crate::store::{Inner, create_private};
use crate::{Error, EventQuery, Order, Store, records, sealed};

/// Rows that one transaction of a copy writes.
const ROWS: usize = 1024;
/// Events that one commit of an import stores.
const IMPORT_BATCH: usize = 1000;
/// The refused lines of an import that are named; further ones are counted.
const MAX_NAMED: usize = 100;

/// What [`Store::import`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Events stored.
    pub stored: u64,
    /// Lines that are no events.
    pub refused: u64,
    /// The first of those: line, from 1, and what is wrong with it.
    pub reasons: Vec<(u64, String)>,
}

impl Store {
    /// Copies the store, as it is now, to a new file. Commits and searches go on meanwhile.
    ///
    /// The file is a redb database. [`Store::restore`] makes a store of it.
    ///
    /// # Errors
    /// Where the file exists, and what the file system and the databases refuse.
    pub fn backup(&self, to: &Path) -> Result<(), Error> {
        let what = "making the backup";
        if to.try_exists().map_err(Error::io(what))? {
            let source = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
            return Err(Error::Io {
                what: "the file of the backup",
                source,
            });
        }
        let new = to.with_extension("partial");
        let _ = std::fs::remove_file(&new);
        let copied = Database::create(&new)
            .map_err(Error::db(what))
            .and_then(|db| {
                self.0.copy_to(&db)?;
                db.close().map_err(Error::db(what))
            });
        let finished = copied.and_then(|()| {
            std::fs::File::open(&new)
                .and_then(|file| file.sync_all())
                .map_err(Error::io(what))?;
            std::fs::rename(&new, to).map_err(Error::io(what))
        });
        if finished.is_err() {
            let _ = std::fs::remove_file(&new);
        }
        finished
    }

    /// Makes a store in a directory that has none, of what [`Store::backup`] made.
    ///
    /// # Errors
    /// Where the directory has a store, the file is no backup, or the file system refuses.
    pub fn restore(backup: &Path, dir: &Path) -> Result<(), Error> {
        let what = "restoring the backup";
        create_private(dir)?;
        let _lock = crate::lock::Lock::take(dir)?;
        let main = dir.join("main.redb");
        for file in ["main.redb", "hot.redb"] {
            if dir.join(file).try_exists().map_err(Error::io(what))? {
                let source = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
                return Err(Error::Io {
                    what: "the directory has a store already",
                    source,
                });
            }
        }
        let db = redb::ReadOnlyDatabase::open(backup).map_err(Error::db("opening the backup"))?;
        let txn = db.begin_read().map_err(Error::db(what))?;
        sealed::check_format(&txn)?;
        drop((txn, db));
        let new = dir.join("main.new");
        std::fs::copy(backup, &new).map_err(Error::io(what))?;
        std::fs::File::open(&new)
            .and_then(|file| file.sync_all())
            .map_err(Error::io(what))?;
        std::fs::rename(&new, main).map_err(Error::io(what))
    }

    /// Writes events as lines of JSON, in order of id; of the query the order, the cursor and the
    /// limit are not looked at. How many.
    ///
    /// # Errors
    /// What the databases and the writer refuse.
    pub fn export(&self, query: &EventQuery, out: &mut dyn Write) -> Result<u64, Error> {
        let what = "writing the export";
        let mut query = EventQuery {
            order: Order::Arrival,
            after: None,
            limit: ROWS,
            ..query.clone()
        };
        let mut count = 0;
        loop {
            let page = self.events(&query)?;
            for event in &page.events {
                serde_json::to_writer(&mut *out, event)
                    .map_err(|error| Error::io(what)(error.into()))?;
                out.write_all(b"\n").map_err(Error::io(what))?;
                count += 1;
            }
            let Some(next) = page.next else {
                out.flush().map_err(Error::io(what))?;
                return Ok(count);
            };
            query.after = Some(next);
        }
    }

    /// Stores events from lines of JSON, as [`Store::export`] writes them, under new ids. Lines
    /// that are no events are refused one by one; empty ones are passed over.
    ///
    /// # Errors
    /// What the reader and the databases refuse; what was stored before stays.
    pub fn import(&self, lines: &mut dyn BufRead) -> Result<Imported, Error> {
        let mut imported = Imported::default();
        let mut batch: Vec<Event> = Vec::with_capacity(IMPORT_BATCH);
        for (number, line) in (1..).zip(lines.lines()) {
            let line = line.map_err(Error::io("reading the import"))?;
            if line.trim().is_empty() {
                continue;
            }
            match serde_json::from_str(&line) {
                Ok(event) => batch.push(event),
                Err(error) => {
                    imported.refused += 1;
                    if imported.reasons.len() < MAX_NAMED {
                        imported.reasons.push((number, error.to_string()));
                    }
                }
            }
            if batch.len() == IMPORT_BATCH {
                imported.stored += self.import_batch(&mut batch)?;
            }
        }
        imported.stored += self.import_batch(&mut batch)?;
        Ok(imported)
    }

    fn import_batch(&self, batch: &mut Vec<Event>) -> Result<u64, Error> {
        for (id, event) in (self.next_event_id().0..).zip(batch.iter_mut()) {
            event.id = EventId(id);
        }
        self.commit(batch)?;
        let count = batch.len() as u64;
        batch.clear();
        Ok(count)
    }
}

impl Inner {
    fn copy_to(&self, to: &Database) -> Result<(), Error> {
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
