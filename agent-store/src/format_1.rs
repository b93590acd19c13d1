//! Stores of format 1: they kept events that were not sealed, and replies, in a database of their
//! own instead of the log.

use std::path::Path;
use std::sync::Arc;

use hark_api::{EventId, Timestamp};
use redb::{ReadableTable as _, TableDefinition};

use crate::files::{DbFile, Open};
use crate::hot::HotRow;
use crate::seal::Sealer;
use crate::{Error, replies, sealed};

/// The name of that database.
pub(crate) const HOT_FILE: &str = "hot.redb";

/// First id → the row of a commit.
const HOT: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("hot");
/// Single numbers.
const META: TableDefinition<'static, &'static str, u64> = TableDefinition::new("meta");
/// The last id that was removed.
const META_LAST: &str = "last";

/// Replies that one transaction takes over.
const REPLIES_AT_ONCE: usize = 1000;

/// What the database has.
#[derive(Debug, Default)]
struct Loaded {
    rows: Vec<Arc<HotRow>>,
    /// In words, what is damaged.
    damaged: Vec<String>,
    /// The last id that was removed.
    removed: EventId,
}

/// Takes over all that such a database has, and removes it; in words, what was damaged in it. May
/// be cut off at any moment: the next call does the rest.
pub(crate) fn migrate(main: &DbFile, path: &Path, open: Open) -> Result<Vec<String>, Error> {
    let what = "removing the database of an earlier version";
    if sealed::begin_migration(main)? {
        // All of it was taken over, but it could not be removed any more.
        std::fs::remove_file(path).map_err(Error::io(what))?;
        return Ok(Vec::new());
    }
    let hot = DbFile::new(open)?;
    let loaded = load(&hot)?;
    seal(main, &loaded)?;
    take_replies(main, &hot)?;
    sealed::end_migration(main, loaded.removed)?;
    hot.shut();
    let events: usize = loaded.rows.iter().map(|row| row.count).sum();
    tracing::info!(
        events,
        "the store has a new format; older versions cannot open it"
    );
    if loaded.damaged.is_empty() {
        std::fs::remove_file(path).map_err(Error::io(what))?;
    } else {
        let aside = path.with_extension(format!("damaged-{}", Timestamp::now().as_nanos()));
        std::fs::rename(path, aside).map_err(Error::io(what))?;
    }
    Ok(loaded.damaged)
}

fn load(file: &DbFile) -> Result<Loaded, Error> {
    let what = "reading the hot events";
    file.read(what, |txn| {
        let mut loaded = Loaded::default();
        match txn.open_table(META) {
            Ok(meta) => {
                let last = meta.get(META_LAST).map_err(Error::db(what))?;
                loaded.removed = EventId(last.map_or(0, |last| last.value()));
            }
            Err(redb::TableError::TableDoesNotExist(_)) => {}
            Err(error) => return Err(Error::db(what)(error)),
        }
        let table = match txn.open_table(HOT) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(loaded),
            Err(error) => return Err(Error::db(what)(error)),
        };
        for entry in table.iter().map_err(Error::db(what))? {
            let (key, value) = entry.map_err(Error::db(what))?;
            match HotRow::decode(value.value()) {
                Ok(row) => loaded.rows.push(Arc::new(row)),
                Err(_) => loaded.damaged.push(format!(
                    "the commit that begins with event {} is unreadable",
                    key.value()
                )),
            }
        }
        Ok(loaded)
    })
}

/// Makes blocks of the events that are not in any yet.
fn seal(main: &DbFile, loaded: &Loaded) -> Result<(), Error> {
    let mut sealer = Sealer::new()?;
    let mut last = sealed::sealed(main)?;
    while let Some(batch) = sealer.seal(&loaded.rows, last, true)? {
        main.write("writing blocks", |txn| sealed::insert(txn, &batch.blocks))?;
        last = batch.last;
    }
    Ok(())
}

fn take_replies(main: &DbFile, hot: &DbFile) -> Result<(), Error> {
    let mut last: Option<String> = None;
    loop {
        let some = replies::some(hot, last.as_deref(), REPLIES_AT_ONCE)?;
        let Some(newest) = some.last() else {
            return Ok(());
        };
        last = Some(newest.key.clone());
        main.write(replies::WRITING, |txn| replies::put(txn, &some))?;
    }
}
