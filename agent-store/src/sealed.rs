//! The sealed blocks' tables.

use hark_api::EventId;
use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

use crate::block::{Block, Head, Sealed};
use crate::files::DbFile;
use crate::index::BlockRef;
use crate::wire::Malformed;
use crate::{Error, FORMAT};

/// First id → data, summary and token filter of a block.
pub(crate) const BLOCKS: TableDefinition<'static, u64, &'static [u8]> =
    TableDefinition::new("blocks");
pub(crate) const HEADS: TableDefinition<'static, u64, &'static [u8]> =
    TableDefinition::new("heads");
pub(crate) const TOKENS: TableDefinition<'static, u64, &'static [u8]> =
    TableDefinition::new("tokens");
/// First id → data of a block that was found damaged, for those who want to look into it.
pub(crate) const DAMAGED: TableDefinition<'static, u64, &'static [u8]> =
    TableDefinition::new("damaged");
/// Single numbers.
pub(crate) const META: TableDefinition<'static, &'static str, u64> = TableDefinition::new("meta");

const META_FORMAT: &str = "format";
const META_SEALED: &str = "sealed";

/// Damaged blocks that are kept; of further ones only the count is.
const MAX_DAMAGED: u64 = 64;

/// What opening found.
pub(crate) struct Opened {
    pub(crate) blocks: Vec<BlockRef>,
    pub(crate) sealed: EventId,
    pub(crate) damaged: u64,
    /// Blocks whose heads cannot be read.
    pub(crate) broken: Vec<EventId>,
}

/// Makes the tables where they are missing, checks the format, lists the blocks.
pub(crate) fn open(file: &DbFile) -> Result<Opened, Error> {
    let what = "opening the blocks";
    match format(file)? {
        Some(format) => migrate(file, format)?,
        None => make(file, FORMAT)?,
    }
    let sealed = sealed(file)?;
    file.read(what, |txn| {
        let heads = txn.open_table(HEADS).map_err(Error::db(what))?;
        let (mut blocks, mut broken) = (Vec::new(), Vec::new());
        for entry in heads.iter().map_err(Error::db(what))? {
            let (id, head) = entry.map_err(Error::db(what))?;
            match Head::from_bytes(head.value()) {
                Ok(head) => blocks.push(BlockRef::from(&head)),
                Err(_) => broken.push(EventId(id.value())),
            }
        }
        let damaged = txn.open_table(DAMAGED).map_err(Error::db(what))?;
        let damaged = redb::ReadableTableMetadata::len(&damaged).map_err(Error::db(what))?;
        Ok(Opened {
            blocks,
            sealed,
            damaged,
            broken,
        })
    })
}

/// The format of a store; `None` where it is not made yet.
fn format(file: &DbFile) -> Result<Option<u32>, Error> {
    let what = "reading the format";
    let number = |format: u64| u32::try_from(format).unwrap_or(u32::MAX);
    file.read(what, |txn| match txn.open_table(META) {
        Ok(meta) => {
            let format = meta.get(META_FORMAT).map_err(Error::db(what))?;
            Ok(format.map(|format| number(format.value())))
        }
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(Error::db(what)(error)),
    })
}

/// Makes the tables.
fn make(file: &DbFile, format: u32) -> Result<(), Error> {
    let what = "making the store";
    file.write(what, |txn| {
        for table in [BLOCKS, HEADS, TOKENS, DAMAGED] {
            txn.open_table(table).map_err(Error::db(what))?;
        }
        set_format(txn, format)
    })
}

fn set_format(txn: &WriteTransaction, format: u32) -> Result<(), Error> {
    let what = "writing the format";
    let mut meta = txn.open_table(META).map_err(Error::db(what))?;
    meta.insert(META_FORMAT, u64::from(format))
        .map_err(Error::db(what))?;
    Ok(())
}

/// Brings a store of an earlier format to this one, a format at a time.
fn migrate(file: &DbFile, found: u32) -> Result<(), Error> {
    match found {
        FORMAT => Ok(()),
        // What format 1 has beside this file is taken over before; a backup has only this file.
        1 => end_migration(file, EventId(0)),
        found => Err(Error::Format {
            found,
            known: FORMAT,
        }),
    }
}

/// Prepares to take over the second database of format 1. Whether that was done already.
pub(crate) fn begin_migration(file: &DbFile) -> Result<bool, Error> {
    match format(file)? {
        // This file was lost, that one is there.
        None => make(file, 1).map(|()| false),
        Some(1) => Ok(false),
        Some(FORMAT) => Ok(true),
        Some(found) => Err(Error::Format {
            found,
            known: FORMAT,
        }),
    }
}

/// From here on the store is no longer of format 1. `given` is the last id that was given before.
pub(crate) fn end_migration(file: &DbFile, given: EventId) -> Result<(), Error> {
    let last = sealed(file)?.max(given);
    file.write("migrating the store", |txn| {
        set_sealed(txn, last)?;
        set_format(txn, FORMAT)
    })
}

/// The id up to which everything is sealed, or was removed.
pub(crate) fn sealed(file: &DbFile) -> Result<EventId, Error> {
    let what = "opening the blocks";
    file.read(what, |txn| {
        let meta = txn.open_table(META).map_err(Error::db(what))?;
        let sealed = meta.get(META_SEALED).map_err(Error::db(what))?;
        Ok(EventId(sealed.map_or(0, |id| id.value())))
    })
}

/// Refuses a database of a format that this version cannot read.
pub(crate) fn check_format(txn: &ReadTransaction) -> Result<(), Error> {
    let what = "reading the format";
    let meta = txn.open_table(META).map_err(Error::db(what))?;
    let format = meta
        .get(META_FORMAT)
        .map_err(Error::db(what))?
        .map_or(0, |f| f.value());
    if (1..=u64::from(FORMAT)).contains(&format) {
        return Ok(());
    }
    Err(Error::Format {
        found: u32::try_from(format).unwrap_or(u32::MAX),
        known: FORMAT,
    })
}

/// Inserts blocks, in order of id, and records that they are sealed.
pub(crate) fn insert(txn: &WriteTransaction, sealed: &[Sealed]) -> Result<(), Error> {
    let what = "writing blocks";
    let mut blocks = txn.open_table(BLOCKS).map_err(Error::db(what))?;
    let mut heads = txn.open_table(HEADS).map_err(Error::db(what))?;
    let mut tokens = txn.open_table(TOKENS).map_err(Error::db(what))?;
    let mut last = 0;
    for block in sealed {
        let id = block.head.first.0;
        blocks
            .insert(id, block.data.as_slice())
            .map_err(Error::db(what))?;
        heads
            .insert(id, block.head.to_bytes().as_slice())
            .map_err(Error::db(what))?;
        tokens
            .insert(id, block.tokens.as_slice())
            .map_err(Error::db(what))?;
        last = block.head.last.0;
    }
    set_sealed(txn, EventId(last))
}

/// Records that everything up to an id is sealed, or was removed.
pub(crate) fn set_sealed(txn: &WriteTransaction, last: EventId) -> Result<(), Error> {
    let what = "writing blocks";
    let mut meta = txn.open_table(META).map_err(Error::db(what))?;
    meta.insert(META_SEALED, last.0).map_err(Error::db(what))?;
    Ok(())
}

/// Removes blocks.
pub(crate) fn remove(file: &DbFile, ids: &[EventId]) -> Result<(), Error> {
    let what = "removing blocks";
    if ids.is_empty() {
        return Ok(());
    }
    file.write(what, |txn| {
        for table in [BLOCKS, HEADS, TOKENS] {
            let mut table = txn.open_table(table).map_err(Error::db(what))?;
            for id in ids {
                table.remove(id.0).map_err(Error::db(what))?;
            }
        }
        Ok(())
    })
}

/// Puts damaged blocks where no search finds them.
pub(crate) fn set_aside(file: &DbFile, ids: &[EventId]) -> Result<(), Error> {
    let what = "setting damaged blocks aside";
    if ids.is_empty() {
        return Ok(());
    }
    file.write(what, |txn| {
        let mut blocks = txn.open_table(BLOCKS).map_err(Error::db(what))?;
        let mut damaged = txn.open_table(DAMAGED).map_err(Error::db(what))?;
        for id in ids {
            let kept = redb::ReadableTableMetadata::len(&damaged).map_err(Error::db(what))?;
            let data = blocks
                .remove(id.0)
                .map_err(Error::db(what))?
                .map(|d| d.value().to_vec());
            let data = if kept < MAX_DAMAGED {
                data.unwrap_or_default()
            } else {
                Vec::new()
            };
            damaged
                .insert(id.0, data.as_slice())
                .map_err(Error::db(what))?;
        }
        drop((blocks, damaged));
        for table in [HEADS, TOKENS] {
            let mut table = txn.open_table(table).map_err(Error::db(what))?;
            for id in ids {
                table.remove(id.0).map_err(Error::db(what))?;
            }
        }
        Ok(())
    })
}

/// The tables open for reading, in one snapshot.
pub(crate) struct Reader {
    blocks: redb::ReadOnlyTable<u64, &'static [u8]>,
    heads: redb::ReadOnlyTable<u64, &'static [u8]>,
    tokens: redb::ReadOnlyTable<u64, &'static [u8]>,
}

const WHAT: &str = "reading a block";

impl Reader {
    pub(crate) fn new(txn: &ReadTransaction) -> Result<Self, Error> {
        let open = |table| txn.open_table(table).map_err(Error::db(WHAT));
        Ok(Self {
            blocks: open(BLOCKS)?,
            heads: open(HEADS)?,
            tokens: open(TOKENS)?,
        })
    }

    /// The summary of a block; `None` where retention has removed it.
    pub(crate) fn head(&self, id: EventId) -> Result<Option<Result<Head, Malformed>>, Error> {
        let head = ReadableTable::get(&self.heads, id.0).map_err(Error::db(WHAT))?;
        Ok(head.map(|head| Head::from_bytes(head.value())))
    }

    /// The token filter of a block, as it is stored.
    pub(crate) fn tokens<T>(
        &self,
        id: EventId,
        look: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, Error> {
        let tokens = ReadableTable::get(&self.tokens, id.0).map_err(Error::db(WHAT))?;
        Ok(tokens.map(|tokens| look(tokens.value())))
    }

    /// A block; `None` where retention has removed it.
    pub(crate) fn block(&self, id: EventId) -> Result<Option<Result<Block, Malformed>>, Error> {
        let data = ReadableTable::get(&self.blocks, id.0).map_err(Error::db(WHAT))?;
        Ok(data.map(|data| Block::open(data.value())))
    }
}
