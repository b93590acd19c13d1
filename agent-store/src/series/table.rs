//! The series' tables.

use redb::{ReadableTable, TableDefinition};

use crate::Error;
use crate::files::DbFile;
use crate::series::Step;

/// Series by number: name, first and last second.
pub(crate) const NAMES: TableDefinition<'static, u32, (&'static str, i64, i64)> =
    TableDefinition::new("series");
/// Step in seconds, first second, and a number that tells apart frames that begin in one second
/// → a frame.
pub(crate) const FRAMES: TableDefinition<'static, (u8, i64, u32), &'static [u8]> =
    TableDefinition::new("frames");

/// The longest that a frame is, in seconds: finding those that may reach into a stretch of time
/// rests on it.
pub(crate) const fn longest(step: Step) -> i64 {
    step.secs() * 120
}

/// A series as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) number: u32,
    pub(crate) key: String,
    pub(crate) first: i64,
    pub(crate) last: i64,
}

/// A frame to be written: its step, its first second, its bytes.
pub(crate) type Written = (Step, i64, Vec<u8>);

pub(crate) fn names(file: &DbFile) -> Result<Vec<Named>, Error> {
    let what = "reading the names of series";
    file.read(what, |txn| {
        let table = match txn.open_table(NAMES) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(Error::db(what)(error)),
        };
        let mut names = Vec::new();
        for entry in table.iter().map_err(Error::db(what))? {
            let (number, value) = entry.map_err(Error::db(what))?;
            let (key, first, last) = value.value();
            names.push(Named {
                number: number.value(),
                key: key.to_owned(),
                first,
                last,
            });
        }
        Ok(names)
    })
}

/// Writes frames and what changed of the names, at once.
pub(crate) fn write(file: &DbFile, frames: &[Written], names: &[Named]) -> Result<(), Error> {
    let what = "writing series";
    file.write(what, |txn| {
        let mut table = txn.open_table(FRAMES).map_err(Error::db(what))?;
        for (step, first, bytes) in frames {
            let step = step.secs() as u8;
            let mut number = 0;
            for entry in table
                .range((step, *first, 0)..=(step, *first, u32::MAX))
                .map_err(Error::db(what))?
            {
                number = entry.map_err(Error::db(what))?.0.value().2 + 1;
            }
            table
                .insert((step, *first, number), bytes.as_slice())
                .map_err(Error::db(what))?;
        }
        let mut table = txn.open_table(NAMES).map_err(Error::db(what))?;
        for name in names {
            table
                .insert(name.number, (name.key.as_str(), name.first, name.last))
                .map_err(Error::db(what))?;
        }
        Ok(())
    })
}

/// Shows the frames of a step that may have something from `from` to before `to`, in seconds.
pub(crate) fn frames(
    file: &DbFile,
    step: Step,
    from: i64,
    to: i64,
    mut show: impl FnMut(&[u8]),
) -> Result<(), Error> {
    let what = "reading series";
    file.read(what, |txn| {
        let table = match txn.open_table(FRAMES) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
            Err(error) => return Err(Error::db(what)(error)),
        };
        let secs = step.secs() as u8;
        let start = (secs, from.saturating_sub(longest(step)), 0);
        let end = (secs, to.max(from), 0);
        if start >= end {
            return Ok(());
        }
        for entry in table.range(start..end).map_err(Error::db(what))? {
            show(entry.map_err(Error::db(what))?.1.value());
        }
        Ok(())
    })
}

/// Removes frames that begin before a second, by step, and series that ended before the last of
/// those. How many bytes of frames went, and which series.
pub(crate) fn expire(file: &DbFile, oldest: [(Step, i64); 3]) -> Result<(u64, Vec<u32>), Error> {
    let what = "removing old series";
    let due = file.read(what, |txn| {
        let mut due = Vec::new();
        let table = match txn.open_table(FRAMES) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(due),
            Err(error) => return Err(Error::db(what)(error)),
        };
        for (step, oldest) in oldest {
            let secs = step.secs() as u8;
            // What begins before may still reach past.
            let end = oldest.saturating_sub(longest(step));
            let range = (secs, i64::MIN, 0)..(secs, end, 0);
            for entry in table.range(range).map_err(Error::db(what))? {
                let (key, value) = entry.map_err(Error::db(what))?;
                due.push((key.value(), value.value().len() as u64));
            }
        }
        Ok(due)
    })?;
    let ended: Vec<u32> = names(file)?
        .into_iter()
        .filter(|name| oldest.iter().all(|(_, oldest)| name.last < *oldest))
        .map(|name| name.number)
        .collect();
    if !due.is_empty() || !ended.is_empty() {
        file.write(what, |txn| {
            let mut frames = txn.open_table(FRAMES).map_err(Error::db(what))?;
            for (key, _) in &due {
                frames.remove(*key).map_err(Error::db(what))?;
            }
            let mut names = txn.open_table(NAMES).map_err(Error::db(what))?;
            for number in &ended {
                names.remove(number).map_err(Error::db(what))?;
            }
            Ok(())
        })?;
    }
    Ok((due.iter().map(|(_, len)| len).sum(), ended))
}

/// Bytes that all frames take.
pub(crate) fn bytes(file: &DbFile) -> Result<u64, Error> {
    let what = "measuring series";
    file.read(what, |txn| {
        let table = match txn.open_table(FRAMES) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(0),
            Err(error) => return Err(Error::db(what)(error)),
        };
        let stats = redb::ReadableTableMetadata::stats(&table).map_err(Error::db(what))?;
        Ok(stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes())
    })
}
