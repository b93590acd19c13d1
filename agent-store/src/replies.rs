//! What was answered to requests with an idempotency key, kept so that a repeated request gets
//! the same answer and stores nothing.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use hark_api::{EventId, Timestamp};
use redb::{ReadableTable as _, ReadableTableMetadata as _, TableDefinition};

use crate::Error;
use crate::files::DbFile;
use crate::records::limit;
use crate::store::{Inner, lock};

/// Idempotency key → time and reply.
const REPLIES: TableDefinition<'static, &str, (i64, &[u8])> = TableDefinition::new("replies");
const REPLIES_BY_TIME: TableDefinition<'static, (i64, &str), ()> =
    TableDefinition::new("replies_by_time");
/// The bytes of all replies together: what there is of them is bounded, and counting would walk
/// them all.
const REPLY_BYTES: TableDefinition<'static, (), u64> = TableDefinition::new("reply_bytes");

/// The longest idempotency key, in bytes.
const MAX_KEY: usize = 256;
/// The largest reply, in bytes.
const MAX_REPLY: usize = 64 << 10;
/// Replies that one transaction forgets: commits of events must not wait long for it.
const FORGET_AT_ONCE: usize = 1000;

/// What was answered to a request with an idempotency key. Committed together with the request's
/// events, so that a repeated request finds either both or neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The key, at most 256 bytes.
    pub key: String,
    /// When it was answered.
    pub time: Timestamp,
    /// The answer, at most 64 KiB.
    pub body: Vec<u8>,
}

impl Reply {
    /// Refuses what exceeds the bounds.
    pub(crate) fn check(&self) -> Result<(), Error> {
        limit("an idempotency key", self.key.len(), MAX_KEY)?;
        limit("a reply", self.body.len(), MAX_REPLY)
    }

    /// What it counts for.
    fn size(key: &str, body: &[u8]) -> u64 {
        (key.len() + body.len()) as u64
    }
}

/// How many replies are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// None older.
    pub(crate) oldest: Timestamp,
    /// At most so many.
    pub(crate) count: usize,
    /// At most so many bytes together, keys included.
    pub(crate) bytes: u64,
}

pub(crate) const WRITING: &str = "writing replies";

/// Writes replies, newer ones last.
pub(crate) fn put(txn: &redb::WriteTransaction, replies: &[Reply]) -> Result<(), Error> {
    let what = WRITING;
    if replies.is_empty() {
        return Ok(());
    }
    let mut by_key = txn.open_table(REPLIES).map_err(Error::db(what))?;
    let mut by_time = txn.open_table(REPLIES_BY_TIME).map_err(Error::db(what))?;
    let mut bytes = bytes(txn)?;
    for reply in replies {
        let key = reply.key.as_str();
        let time = reply.time.as_nanos();
        let old = by_key
            .insert(key, (time, reply.body.as_slice()))
            .map_err(Error::db(what))?
            .map(|old| (old.value().0, Reply::size(key, old.value().1)));
        bytes += Reply::size(key, &reply.body);
        if let Some((old, size)) = old {
            bytes = bytes.saturating_sub(size);
            by_time.remove((old, key)).map_err(Error::db(what))?;
        }
        by_time.insert((time, key), ()).map_err(Error::db(what))?;
    }
    set_bytes(txn, bytes)
}

fn bytes(txn: &redb::WriteTransaction) -> Result<u64, Error> {
    let what = "reading the size of the replies";
    let table = txn.open_table(REPLY_BYTES).map_err(Error::db(what))?;
    let bytes = table.get(()).map_err(Error::db(what))?;
    Ok(bytes.map_or(0, |bytes| bytes.value()))
}

fn set_bytes(txn: &redb::WriteTransaction, bytes: u64) -> Result<(), Error> {
    let what = "writing the size of the replies";
    let mut table = txn.open_table(REPLY_BYTES).map_err(Error::db(what))?;
    table.insert((), bytes).map_err(Error::db(what))?;
    Ok(())
}

/// Replies that are in the log only.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    /// By the last id of their commit.
    by_commit: BTreeMap<EventId, Vec<Reply>>,
    /// The last commit that has a reply to a key.
    by_key: HashMap<String, EventId>,
}

impl Fresh {
    /// Takes the replies of a commit, whose last id is given.
    pub(crate) fn add(&mut self, commit: EventId, replies: Vec<Reply>) {
        if replies.is_empty() {
            return;
        }
        for reply in &replies {
            self.by_key.insert(reply.key.clone(), commit);
        }
        self.by_commit.insert(commit, replies);
    }

    /// The replies of one commit.
    pub(crate) fn of(&self, commit: EventId) -> Vec<Reply> {
        self.by_commit.get(&commit).cloned().unwrap_or_default()
    }

    fn get(&self, key: &str) -> Option<Reply> {
        let commit = self.by_key.get(key)?;
        let replies = self.by_commit.get(commit)?;
        replies.iter().rfind(|reply| reply.key == key).cloned()
    }

    /// The last commit with replies.
    fn last(&self) -> Option<EventId> {
        self.by_commit.keys().next_back().copied()
    }

    /// The replies of all commits up to one, in order.
    pub(crate) fn up_to(&self, last: EventId) -> Vec<Reply> {
        let commits = self.by_commit.range(..=last);
        commits.flat_map(|(_, replies)| replies).cloned().collect()
    }

    /// Forgets the replies of all commits up to one.
    pub(crate) fn remove_up_to(&mut self, last: EventId) {
        let rest = self.by_commit.split_off(&EventId(last.0 + 1));
        let gone = std::mem::replace(&mut self.by_commit, rest);
        for (commit, replies) in gone {
            for reply in replies {
                if self.by_key.get(&reply.key) == Some(&commit) {
                    self.by_key.remove(&reply.key);
                }
            }
        }
    }
}

impl Inner {
    /// The reply to a key, where one is kept.
    pub(crate) fn reply(&self, key: &str) -> Result<Option<Reply>, Error> {
        // In this order: replies go from the log into the database, and are in both meanwhile.
        let fresh = lock(&self.fresh).get(key);
        match fresh {
            Some(reply) => Ok(Some(reply)),
            None => get(&self.main, key),
        }
    }

    /// Brings what replies there are in the log only into the database, and keeps to the bounds.
    pub(crate) fn keep_replies(&self, bounds: Bounds) -> Result<(), Error> {
        {
            // Sealing does the same: an older reply must not come after a newer one.
            let _sealer = self.sealing.pause();
            let (last, replies) = {
                let fresh = lock(&self.fresh);
                let Some(last) = fresh.last() else {
                    return trim(&self.main, bounds);
                };
                (last, fresh.up_to(last))
            };
            self.main.write(WRITING, |txn| put(txn, &replies))?;
            lock(&self.fresh).remove_up_to(last);
        }
        trim(&self.main, bounds)
    }
}

fn get(file: &DbFile, key: &str) -> Result<Option<Reply>, Error> {
    let what = "reading a reply";
    file.read(what, |txn| {
        let table = match txn.open_table(REPLIES) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(Error::db(what)(error)),
        };
        let found = table.get(key).map_err(Error::db(what))?;
        Ok(found.map(|found| {
            let (time, body) = found.value();
            Reply {
                key: key.to_owned(),
                time: Timestamp::from_nanos(time),
                body: body.to_owned(),
            }
        }))
    })
}

/// What all replies in the database take, keys included, in bytes.
pub(crate) fn stored_bytes(file: &DbFile) -> Result<u64, Error> {
    let what = "reading the size of the replies";
    file.read(what, |txn| match txn.open_table(REPLY_BYTES) {
        Ok(table) => {
            let bytes = table.get(()).map_err(Error::db(what))?;
            Ok(bytes.map_or(0, |bytes| bytes.value()))
        }
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(0),
        Err(error) => Err(Error::db(what)(error)),
    })
}

/// Reads some replies of a database: the first, or those after a key, in order of their keys.
pub(crate) fn some(file: &DbFile, after: Option<&str>, count: usize) -> Result<Vec<Reply>, Error> {
    let what = "reading replies";
    let from = (
        after.map_or(Bound::Unbounded, Bound::Excluded),
        Bound::Unbounded,
    );
    file.read(what, |txn| {
        let table = match txn.open_table(REPLIES) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(Error::db(what)(error)),
        };
        let range = table.range::<&str>(from).map_err(Error::db(what))?;
        let read = |entry: Result<_, redb::StorageError>| {
            let (key, value): (
                redb::AccessGuard<'_, &str>,
                redb::AccessGuard<'_, (i64, &[u8])>,
            ) = entry.map_err(Error::db(what))?;
            let (time, body) = value.value();
            Ok(Reply {
                key: key.value().to_owned(),
                time: Timestamp::from_nanos(time),
                body: body.to_owned(),
            })
        };
        range.take(count).map(read).collect()
    })
}

/// Forgets the oldest replies until the rest is within the bounds.
fn trim(file: &DbFile, bounds: Bounds) -> Result<(), Error> {
    loop {
        let due = due(file, bounds)?;
        if due.is_empty() {
            return Ok(());
        }
        forget(file, &due)?;
    }
}

/// The oldest of those that must go, some at a time.
fn due(file: &DbFile, bounds: Bounds) -> Result<Vec<(i64, String)>, Error> {
    let what = "forgetting replies";
    file.read(what, |txn| {
        let (by_time, by_key, bytes) = match (
            txn.open_table(REPLIES_BY_TIME),
            txn.open_table(REPLIES),
            txn.open_table(REPLY_BYTES),
        ) {
            (Ok(by_time), Ok(by_key), Ok(bytes)) => (by_time, by_key, bytes),
            (Err(redb::TableError::TableDoesNotExist(_)), ..) => return Ok(Vec::new()),
            (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => {
                return Err(Error::db(what)(error));
            }
        };
        let count = by_time.len().map_err(Error::db(what))? as usize;
        let excess = count.saturating_sub(bounds.count);
        let bytes = bytes.get(()).map_err(Error::db(what))?;
        let mut bytes = bytes.map_or(0, |bytes| bytes.value());
        let mut due = Vec::new();
        for (i, entry) in by_time.iter().map_err(Error::db(what))?.enumerate() {
            let (entry, ()) = entry.map(|(key, _)| (key, ())).map_err(Error::db(what))?;
            let (time, key) = entry.value();
            let fits = i >= excess && bytes <= bounds.bytes && time >= bounds.oldest.as_nanos();
            if fits || due.len() == FORGET_AT_ONCE {
                break;
            }
            if let Some(reply) = by_key.get(key).map_err(Error::db(what))? {
                bytes = bytes.saturating_sub(Reply::size(key, reply.value().1));
            }
            due.push((time, key.to_owned()));
        }
        Ok(due)
    })
}

fn forget(file: &DbFile, due: &[(i64, String)]) -> Result<(), Error> {
    let what = "forgetting replies";
    file.write(what, |txn| {
        let mut by_key = txn.open_table(REPLIES).map_err(Error::db(what))?;
        let mut by_time = txn.open_table(REPLIES_BY_TIME).map_err(Error::db(what))?;
        let mut bytes = bytes(txn)?;
        for (time, key) in due {
            // One that was answered anew in the meantime has another time, and stays.
            let known = by_time
                .remove((*time, key.as_str()))
                .map_err(Error::db(what))?
                .is_some();
            if !known {
                continue;
            }
            let reply = by_key.remove(key.as_str()).map_err(Error::db(what))?;
            if let Some(reply) = reply {
                bytes = bytes.saturating_sub(Reply::size(key, reply.value().1));
            }
        }
        set_bytes(txn, bytes)
    })
}
