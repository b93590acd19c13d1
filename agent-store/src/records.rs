//! Single things under a name: detector checkpoints and incidents.

use hark_api::{Tier, Timestamp};
use redb::TableDefinition;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::files::DbFile;

pub(crate) const CHECKPOINTS: TableDefinition<'static, &str, &[u8]> =
    TableDefinition::new("checkpoints");
pub(crate) const INCIDENTS: TableDefinition<'static, u64, &[u8]> =
    TableDefinition::new("incidents");
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

/// Refuses what is larger than it may be.
pub(crate) fn limit(what: &'static str, size: usize, limit: usize) -> Result<(), Error> {
    if size > limit {
        Err(Error::TooLarge { what, size, limit })
    } else {
        Ok(())
    }
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
