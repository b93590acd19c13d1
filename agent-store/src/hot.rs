//! What a commit writes: its events as one row, as they are, to be sealed into blocks later.
//!
//! The hot rows are also kept in memory, bounded, so that neither searching nor sealing reads
//! their file: it is read only when the store opens.

use hark_api::{Event, EventId, Timestamp};
use redb::{ReadableTable, TableDefinition};
use xxhash_rust::xxh3::xxh3_64;

use crate::Error;
use crate::files::DbFile;
use crate::row::{self, Before, Row};
use crate::wire::{Malformed, Put, Read, Take};

/// First id → the row of a commit.
const HOT: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("hot");

/// Single numbers.
const META: TableDefinition<'static, &'static str, u64> = TableDefinition::new("meta");
/// The last id that was ever removed from here: ids go on from it even where all else is lost.
const META_LAST: &str = "last";

/// The form of a row; the first byte of each.
const FORM: u8 = 1;

/// The events of one commit.
#[derive(Debug)]
pub(crate) struct HotRow {
    pub(crate) first: EventId,
    pub(crate) last: EventId,
    pub(crate) count: usize,
    pub(crate) min_time: Timestamp,
    pub(crate) max_time: Timestamp,
    bytes: Vec<u8>,
}

impl HotRow {
    /// Encodes the events of a commit; `None` where there are none. Ids must ascend.
    pub(crate) fn encode(events: &[Event]) -> Option<Self> {
        let (first, last) = (events.first()?.id, events.last()?.id);
        // 200 bytes are usual for an event; the buffer is kept, so it is trimmed below.
        let mut bytes = Vec::with_capacity(16 + events.len() * 200);
        bytes.put_u8(FORM);
        bytes.put_varint(events.len() as u64);
        let mut before = Before::default();
        let (mut min_time, mut max_time) = (events[0].time, events[0].time);
        for event in events {
            min_time = min_time.min(event.time);
            max_time = max_time.max(event.time);
            row::put(&mut bytes, event, &mut before);
        }
        let sum = xxh3_64(&bytes);
        bytes.put_slice(&sum.to_le_bytes());
        bytes.shrink_to_fit();
        Some(Self {
            first,
            last,
            count: events.len(),
            min_time,
            max_time,
            bytes,
        })
    }

    /// Takes over what was read from the file.
    pub(crate) fn decode(bytes: &[u8]) -> Read<Self> {
        let (body, sum) = bytes
            .split_last_chunk::<8>()
            .ok_or(Malformed("ends early"))?;
        if xxh3_64(body) != u64::from_le_bytes(*sum) {
            return Err(Malformed("its checksum is wrong"));
        }
        let mut found = Self {
            first: EventId(u64::MAX),
            last: EventId(0),
            count: 0,
            min_time: Timestamp::from_nanos(i64::MAX),
            max_time: Timestamp::from_nanos(i64::MIN),
            bytes: bytes.to_vec(),
        };
        let (mut first, mut last, mut count) = (found.first, found.last, 0);
        let (mut min_time, mut max_time) = (found.min_time, found.max_time);
        for row in found.rows() {
            let row = row?;
            first = first.min(row.id);
            last = last.max(row.id);
            count += 1;
            min_time = min_time.min(row.time);
            max_time = max_time.max(row.time);
        }
        if count == 0 {
            return Err(Malformed("it is empty"));
        }
        (found.first, found.last, found.count) = (first, last, count);
        (found.min_time, found.max_time) = (min_time, max_time);
        Ok(found)
    }

    /// As it is written to the file.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The events, in order of id.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Read<Row<'_>>> {
        let mut bytes = Take(self.bytes.get(..self.bytes.len() - 8).unwrap_or_default());
        let head = bytes.u8().and_then(|form| {
            if form == FORM {
                bytes.len()
            } else {
                Err(Malformed("unknown form of row"))
            }
        });
        let (mut left, mut failed) = match head {
            Ok(count) => (count, None),
            Err(error) => (0, Some(error)),
        };
        let mut before = Before::default();
        std::iter::from_fn(move || {
            if let Some(error) = failed.take() {
                return Some(Err(error));
            }
            left = left.checked_sub(1)?;
            let row = row::take(&mut bytes, &mut before);
            if row.is_err() {
                left = 0;
            }
            Some(row)
        })
    }
}

/// What the file has.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) rows: Vec<HotRow>,
    /// The first ids of rows that are damaged.
    pub(crate) damaged: Vec<EventId>,
    /// The last id that was ever removed.
    pub(crate) removed: EventId,
}

pub(crate) fn load(file: &DbFile) -> Result<Loaded, Error> {
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
                Ok(row) => loaded.rows.push(row),
                Err(_) => loaded.damaged.push(EventId(key.value())),
            }
        }
        Ok(loaded)
    })
}

/// Writes a row, and removes those that begin before `below`.
pub(crate) fn write(
    txn: &redb::WriteTransaction,
    row: Option<&HotRow>,
    below: EventId,
) -> Result<(), Error> {
    let what = "writing events";
    let mut table = txn.open_table(HOT).map_err(Error::db(what))?;
    if let Some(row) = row {
        table
            .insert(row.first.0, row.bytes())
            .map_err(Error::db(what))?;
    }
    if below.0 > 0 {
        table
            .retain_in(..below.0, |_, _| false)
            .map_err(Error::db(what))?;
        let mut meta = txn.open_table(META).map_err(Error::db(what))?;
        meta.insert(META_LAST, below.0 - 1)
            .map_err(Error::db(what))?;
    }
    Ok(())
}

/// Removes rows that begin after `last`.
pub(crate) fn remove_after(txn: &redb::WriteTransaction, last: EventId) -> Result<(), Error> {
    let what = "recovering the hot events";
    let mut table = txn.open_table(HOT).map_err(Error::db(what))?;
    table
        .retain_in(last.0 + 1.., |_, _| false)
        .map_err(Error::db(what))
}
