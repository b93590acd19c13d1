//! Single things under a name: detector checkpoints, incidents, replies to idempotency keys.

use hark_api::{Tier, Timestamp};
use redb::{ReadableTable, ReadableTableMetadata, TableDefinition};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::files::DbFile;

pub(crate) const CHECKPOINTS: TableDefinition<'static, &str, &[u8]> =
    TableDefinition::new("checkpoints");
pub(crate) const INCIDENTS: TableDefinition<'static, u64, &[u8]> =
    TableDefinition::new("incidents");
/// Idempotency key → time and reply.
const REPLIES: TableDefinition<'static, &str, (i64, &[u8])> = TableDefinition::new("replies");
const REPLIES_BY_TIME: TableDefinition<'static, (i64, &str), ()> =
    TableDefinition::new("replies_by_time");

/// The longest idempotency key, in bytes.
const MAX_KEY: usize = 256;
/// The largest reply, in bytes.
const MAX_REPLY: usize = 64 << 10;
/// The largest checkpoint, in bytes.
const MAX_CHECKPOINT: usize = 64 << 20;
/// The largest incident, in bytes of JSON.
const MAX_INCIDENT: usize = 1 << 20;

/// Identifies an incident.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct IncidentId(pub u64);

/// An incident as it is stored: what lists are made of, and a body that only its owner reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Which one; ids ascend.
    pub id: IncidentId,
    /// When it began.
    pub started: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// Whether it still goes on.
    pub open: bool,
    /// Its highest tier.
    pub tier: Tier,
    /// All else.
    pub body: serde_json::Value,
}

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
}

fn limit(what: &'static str, size: usize, limit: usize) -> Result<(), Error> {
    if size > limit {
        Err(Error::TooLarge { what, size, limit })
    } else {
        Ok(())
    }
}

/// Writes replies within a commit.
pub(crate) fn put_replies(txn: &redb::WriteTransaction, replies: &[Reply]) -> Result<(), Error> {
    let what = "writing a reply";
    if replies.is_empty() {
        return Ok(());
    }
    let mut by_key = txn.open_table(REPLIES).map_err(Error::db(what))?;
    let mut by_time = txn.open_table(REPLIES_BY_TIME).map_err(Error::db(what))?;
    for reply in replies {
        let time = reply.time.as_nanos();
        let old = by_key
            .insert(reply.key.as_str(), (time, reply.body.as_slice()))
            .map_err(Error::db(what))?
            .map(|old| old.value().0);
        if let Some(old) = old {
            by_time
                .remove((old, reply.key.as_str()))
                .map_err(Error::db(what))?;
        }
        by_time
            .insert((time, reply.key.as_str()), ())
            .map_err(Error::db(what))?;
    }
    Ok(())
}

pub(crate) fn reply(file: &DbFile, key: &str) -> Result<Option<Reply>, Error> {
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

/// Forgets replies older than `oldest` and, beyond `max`, the oldest ones. How many went.
pub(crate) fn trim_replies(file: &DbFile, oldest: Timestamp, max: usize) -> Result<u64, Error> {
    let what = "forgetting replies";
    let due = file.read(what, |txn| {
        let table = match txn.open_table(REPLIES_BY_TIME) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(Error::db(what)(error)),
        };
        let excess = (table.len().map_err(Error::db(what))? as usize).saturating_sub(max);
        let mut due = Vec::new();
        for (i, entry) in table.iter().map_err(Error::db(what))?.enumerate() {
            let (key, _) = entry.map_err(Error::db(what))?;
            let (time, key) = key.value();
            if i >= excess && time >= oldest.as_nanos() {
                break;
            }
            due.push((time, key.to_owned()));
        }
        Ok(due)
    })?;
    if !due.is_empty() {
        file.write(what, |txn| {
            let mut by_key = txn.open_table(REPLIES).map_err(Error::db(what))?;
            let mut by_time = txn.open_table(REPLIES_BY_TIME).map_err(Error::db(what))?;
            for (time, key) in &due {
                by_key.remove(key.as_str()).map_err(Error::db(what))?;
                by_time
                    .remove((*time, key.as_str()))
                    .map_err(Error::db(what))?;
            }
            Ok(())
        })?;
    }
    Ok(due.len() as u64)
}

pub(crate) fn put_checkpoint(file: &DbFile, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let what = "writing a checkpoint";
    limit("a checkpoint", bytes.len(), MAX_CHECKPOINT)?;
    file.write(what, |txn| {
        let mut table = txn.open_table(CHECKPOINTS).map_err(Error::db(what))?;
        table.insert(name, bytes).map_err(Error::db(what))?;
        Ok(())
    })
}

pub(crate) fn get_checkpoint(file: &DbFile, name: &str) -> Result<Option<Vec<u8>>, Error> {
    let what = "reading a checkpoint";
    file.read(what, |txn| {
        let table = match txn.open_table(CHECKPOINTS) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(Error::db(what)(error)),
        };
        Ok(table
            .get(name)
            .map_err(Error::db(what))?
            .map(|bytes| bytes.value().to_owned()))
    })
}

pub(crate) fn put_incident(file: &DbFile, incident: &Incident) -> Result<(), Error> {
    let what = "writing an incident";
    let json = serde_json::to_vec(incident).map_err(|error| Error::Io {
        what,
        source: error.into(),
    })?;
    limit("an incident", json.len(), MAX_INCIDENT)?;
    file.write(what, |txn| {
        let mut table = txn.open_table(INCIDENTS).map_err(Error::db(what))?;
        table
            .insert(incident.id.0, json.as_slice())
            .map_err(Error::db(what))?;
        Ok(())
    })
}

/// Newest first, at most `limit`, of ids below `before`.
pub(crate) fn incidents(
    file: &DbFile,
    before: Option<IncidentId>,
    open_only: bool,
    limit: usize,
) -> Result<Vec<Incident>, Error> {
    let what = "reading incidents";
    file.read(what, |txn| {
        let table = match txn.open_table(INCIDENTS) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(Error::db(what)(error)),
        };
        let end = before.map_or(u64::MAX, |id| id.0);
        let mut found = Vec::new();
        for entry in table.range(..end).map_err(Error::db(what))?.rev() {
            if found.len() >= limit {
                break;
            }
            let (_, json) = entry.map_err(Error::db(what))?;
            let incident = parse(json.value())?;
            if incident.open || !open_only {
                found.push(incident);
            }
        }
        Ok(found)
    })
}

pub(crate) fn incident(file: &DbFile, id: IncidentId) -> Result<Option<Incident>, Error> {
    let what = "reading an incident";
    file.read(what, |txn| {
        let table = match txn.open_table(INCIDENTS) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(Error::db(what)(error)),
        };
        table
            .get(id.0)
            .map_err(Error::db(what))?
            .map(|json| parse(json.value()))
            .transpose()
    })
}

/// Forgets closed incidents that last changed before `oldest`. How many went.
pub(crate) fn trim_incidents(file: &DbFile, oldest: Timestamp) -> Result<u64, Error> {
    let what = "forgetting incidents";
    let due: Vec<_> = incidents(file, None, false, usize::MAX)?
        .into_iter()
        .filter(|incident| !incident.open && incident.updated < oldest)
        .map(|incident| incident.id.0)
        .collect();
    if !due.is_empty() {
        file.write(what, |txn| {
            let mut table = txn.open_table(INCIDENTS).map_err(Error::db(what))?;
            for id in &due {
                table.remove(id).map_err(Error::db(what))?;
            }
            Ok(())
        })?;
    }
    Ok(due.len() as u64)
}

fn parse(json: &[u8]) -> Result<Incident, Error> {
    serde_json::from_slice(json).map_err(|_| Error::Damaged {
        what: "an incident".to_owned(),
        reason: "it is not JSON",
    })
}
