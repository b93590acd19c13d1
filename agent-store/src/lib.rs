//! The store of hark: events, series, incidents and detector models, in redb.
//!
//! Everything that [`Store::commit`] has returned `Ok` for is on disk. The layout, the guarantees
//! and the test behind each are in `docs/storage.md`. All methods block; all may be called from
//! any number of threads.
#![forbid(unsafe_code)]

mod backup;
mod block;
mod check;
mod commit;
mod cursor;
mod error;
#[cfg(test)]
mod faults;
mod files;
mod format_1;
mod hot;
mod index;
mod lock;
mod log;
mod maintain;
mod ndjson;
mod options;
mod query;
mod records;
mod replies;
mod row;
#[cfg(test)]
mod samples;
mod seal;
mod sealed;
mod series;
mod store;
mod wire;

pub use backup::Restored;
pub use check::Check;
pub use cursor::{Cursor, InvalidCursor};
pub use error::Error;
pub use ndjson::Imported;
pub use options::Options;
pub use query::{Bucket, Budget, Count, EventQuery, Facet, Order, Page, Stats, StatsQuery};
pub use records::{Incident, IncidentId};
pub use replies::Reply;
pub use series::{Point, SeriesInfo, Step};
pub use store::{Maintenance, Store};

/// What the fuzz targets call.
#[cfg(fuzzing)]
pub mod fuzz {
    /// Reads bytes as a block's data, past the checksum, and every event in it.
    pub fn read_block(bytes: &[u8]) {
        crate::block::read_all(bytes);
    }

    /// Reads bytes as a file of the log, and every event in it.
    pub fn read_log(bytes: &[u8]) {
        crate::log::read_all(bytes);
    }
}

/// The format of the files that this version writes.
pub const FORMAT: u32 = 2;
