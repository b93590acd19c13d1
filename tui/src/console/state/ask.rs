//! What the agent is asked beside what it tells by itself.

use hark_api::{IncidentId, SeriesKey, Timestamp};

/// Something to ask the agent, or to have it do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Which series there are.
    List,
    /// The points of one, from a time up to before another.
    Data {
        key: SeriesKey,
        from: Timestamp,
        to: Timestamp,
    },
    /// How long was waited for CPUs and disks, at a step in seconds.
    Heat {
        from: Timestamp,
        to: Timestamp,
        step: u32,
    },
    /// The log templates.
    Templates,
    /// What is stored of a moment.
    Scene(Timestamp),
    /// The unusual event next to a moment.
    Anomaly { at: Timestamp, forward: bool },
    /// Note that an incident was seen.
    Acknowledge(IncidentId),
    /// Silence an incident for some seconds; 0 ends a silence.
    Silence(IncidentId, u32),
    /// Add a note to an incident.
    Note(IncidentId, String),
}
