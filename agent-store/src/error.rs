//! What can go wrong.

use std::path::PathBuf;

use hark_api::EventId;

/// The store could not do what was asked. Whatever a call returned this for is not acknowledged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process has the store open.
    #[error("{path} is in use by process {pid}; stop it first, or use another data directory",
            path = path.display(), pid = pid.map_or_else(|| "?".to_owned(), |p| p.to_string()))]
    InUse {
        /// The store's directory.
        path: PathBuf,
        /// The process that holds it, where it said so.
        pid: Option<u32>,
    },
    /// The file system refused: full, read-only, failing, gone. The next call tries again.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database refused. The next call reopens it and tries again.
    #[error("{what}: {source}")]
    Database {
        /// What was being done.
        what: &'static str,
        /// What redb said.
        source: redb::Error,
    },
    /// The store was written by a later version of hark.
    #[error(
        "the store has format {found}, this version knows formats up to {known}: use a newer hark"
    )]
    Format {
        /// The format found.
        found: u32,
        /// The newest format that this version knows.
        known: u32,
    },
    /// Bytes read back are not what was written.
    #[error("{what} is damaged: {reason}")]
    Damaged {
        /// What is damaged.
        what: String,
        /// How it shows.
        reason: &'static str,
    },
    /// The database file was changed by something else than hark, beyond a single block.
    #[error("{what}: the database file is corrupt; `hark-agent check` tells more")]
    Corrupt {
        /// What was being done.
        what: &'static str,
    },
    /// The ids of a commit do not ascend from the last one.
    #[error("event id {id} does not follow {last}")]
    IdOrder {
        /// The id out of order.
        id: EventId,
        /// The last id before it.
        last: EventId,
    },
    /// What was to be stored exceeds a bound.
    #[error("{what} is {size} bytes; the limit is {limit}")]
    TooLarge {
        /// What was to be stored.
        what: &'static str,
        /// Its size in bytes.
        size: usize,
        /// The most that is stored, in bytes.
        limit: usize,
    },
    /// No field has this name.
    #[error("unknown field `{0}`; a free field is written `fields.{0}`")]
    UnknownField(String),
    /// Events wait to be sealed and there is no room for more.
    #[error("the store is behind with sealing: {0}")]
    Behind(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl Error {
    /// Makes an I/O error with its context, for `map_err`.
    pub(crate) fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { what, source }
    }

    /// Makes a database error with its context, for `map_err`.
    pub(crate) fn db<E: Into<redb::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| match source.into() {
            redb::Error::Io(source) => Self::Io { what, source },
            source => Self::Database { what, source },
        }
    }

    /// Whether the database file itself is not what redb wrote.
    pub(crate) fn is_corrupt(&self) -> bool {
        matches!(
            self,
            Self::Corrupt { .. }
                | Self::Database {
                    source: redb::Error::Corrupted(_),
                    ..
                }
        )
    }

    /// Whether the disk is full (or a quota is).
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if matches!(
            source.kind(),
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
        ))
    }
}
