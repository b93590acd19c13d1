//! Incidents as they are stored: what the detectors say of them, and what people do.

use std::sync::{Mutex, PoisonError};

use hark_api::{Incident, IncidentId, IncidentRecord, Timestamp};
use hark_store::Store;

/// Reading, changing and writing back must not interleave. Incidents change rarely, so one lock
/// for all will do.
static CHANGING: Mutex<()> = Mutex::new(());

/// An incident cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum IncidentError {
    /// The store.
    #[error(transparent)]
    Store(#[from] hark_store::Error),
    /// What is stored is not what this version writes.
    #[error("the stored incident is not understood: {0}")]
    Body(#[from] serde_json::Error),
}

/// Stores what the detectors say; what people did stays.
///
/// # Errors
/// The store refuses.
pub fn put(store: &Store, incident: Incident, now: Timestamp) -> Result<(), IncidentError> {
    let _changing = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
    let record = match get(store, incident.id)? {
        Some(old) => IncidentRecord { incident, ..old },
        None => IncidentRecord::new(incident),
    };
    write(store, &record, now)
}

/// Changes a stored incident; gives it as it is then, `None` where there is none.
///
/// # Errors
/// The store refuses.
pub fn change(
    store: &Store,
    id: IncidentId,
    change: impl FnOnce(&mut IncidentRecord),
) -> Result<Option<IncidentRecord>, IncidentError> {
    let _changing = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(mut record) = get(store, id)? else {
        return Ok(None);
    };
    change(&mut record);
    write(store, &record, Timestamp::now())?;
    Ok(Some(record))
}

/// A stored incident.
///
/// # Errors
/// The store refuses.
pub fn get(store: &Store, id: IncidentId) -> Result<Option<IncidentRecord>, IncidentError> {
    store
        .incident(hark_store::IncidentId(id.0))?
        .map(|stored| serde_json::from_value(stored.body).map_err(IncidentError::from))
        .transpose()
}

/// Stored incidents, newest first: those before `before`, only open ones if asked.
///
/// # Errors
/// The store refuses.
pub fn list(
    store: &Store,
    before: Option<IncidentId>,
    open_only: bool,
    limit: usize,
) -> Result<Vec<IncidentRecord>, IncidentError> {
    store
        .incidents(
            before.map(|id| hark_store::IncidentId(id.0)),
            open_only,
            limit,
        )?
        .into_iter()
        .map(|stored| serde_json::from_value(stored.body).map_err(IncidentError::from))
        .collect()
}

fn write(store: &Store, record: &IncidentRecord, now: Timestamp) -> Result<(), IncidentError> {
    let incident = &record.incident;
    store.put_incident(&hark_store::Incident {
        id: hark_store::IncidentId(incident.id.0),
        started: incident.start,
        updated: now,
        open: incident.end.is_none(),
        tier: incident.tier,
        body: serde_json::to_value(record)?,
    })?;
    Ok(())
}
