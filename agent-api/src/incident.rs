//! Incidents: unusual things that belong together.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{EventId, ReturnPeriod, SeriesKey, Tier, Timestamp};

/// Identifies an incident. Given in order of opening, never twice by one agent. The first is 1.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct IncidentId(pub u64);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Unusual things close in time that share a process, control group, service or device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number.
    pub id: IncidentId,
    /// What happened, in plain words. May quote text from outside.
    pub title: String,
    /// The gravest tier among its findings.
    pub tier: Tier,
    /// The rarest return period among its findings; absent where only facts speak.
    pub rarity: Option<ReturnPeriod>,
    /// When its first finding was made.
    pub start: Timestamp,
    /// When its gravest finding was made.
    pub peak: Timestamp,
    /// When its last finding was made.
    pub last: Timestamp,
    /// When it was over; absent while it goes on.
    pub end: Option<Timestamp>,
    /// Who most likely is behind it, most evidence first; bounded.
    pub suspects: Vec<Suspect>,
    /// How many findings it has.
    pub findings: u64,
    /// The gravest findings in words, gravest first; bounded.
    pub evidence: Vec<Evidence>,
    /// The events that it rests on, oldest first; bounded.
    pub events: Vec<EventId>,
    /// The series that it rests on; bounded.
    pub series: Vec<SeriesKey>,
    /// Whether events were lost meanwhile, so that the conclusion may be wrong.
    pub tainted: bool,
}

/// Somebody who may be behind an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suspect {
    /// What it is: `process`, `unit`, `container`, `cgroup`, `service` or `device`.
    pub kind: String,
    /// Its name. Text from outside.
    pub name: String,
    /// Its process id, where it is one process.
    pub pid: Option<u32>,
    /// Its share of the evidence, 0 to 1.
    pub share: f64,
}

/// One finding, in words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// When it was made.
    pub time: Timestamp,
    /// How grave it is.
    pub tier: Tier,
    /// What it says. May quote text from outside.
    pub text: String,
    /// How many like it there were.
    pub count: u64,
}
