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
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct Incident {
    /// Its number.
    pub id: IncidentId,
    /// What happened, in plain words. May quote text from outside.
    pub title: String,
    /// The gravest tier among its findings.
    pub tier: Tier,
    /// The rarest return period among its findings; absent where only facts speak.
    #[cfg_attr(feature = "openapi", oai(nullable))]
    pub rarity: Option<ReturnPeriod>,
    /// When its first finding was made.
    pub start: Timestamp,
    /// When its gravest finding was made.
    pub peak: Timestamp,
    /// When its last finding was made.
    pub last: Timestamp,
    /// When it was over; absent while it goes on.
    #[cfg_attr(feature = "openapi", oai(nullable))]
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
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct Suspect {
    /// What it is: `process`, `unit`, `container`, `cgroup`, `service` or `device`.
    pub kind: String,
    /// Its name. Text from outside.
    pub name: String,
    /// Its process id, where it is one process.
    #[cfg_attr(feature = "openapi", oai(nullable))]
    pub pid: Option<u32>,
    /// Its share of the evidence, 0 to 1.
    pub share: f64,
}

/// One finding, in words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
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

/// An incident as it is stored: what the detectors say of it, and what people did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct IncidentRecord {
    /// What the detectors say.
    #[serde(flatten)]
    #[cfg_attr(feature = "openapi", oai(flatten))]
    pub incident: Incident,
    /// Who has seen it, and when; absent while nobody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledgement>,
    /// Until when it is not to be told of; absent where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silenced_until: Option<Timestamp>,
    /// What people noted, oldest first; bounded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", oai(default))]
    pub notes: Vec<Note>,
}

/// That somebody has seen an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct Acknowledgement {
    /// When.
    pub time: Timestamp,
    /// Who, as the agent knows them: `uid 0`, or a token's name.
    pub by: String,
}

/// What somebody noted on an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct Note {
    /// When.
    pub time: Timestamp,
    /// Who, as the agent knows them.
    pub by: String,
    /// What. Text from outside.
    pub text: String,
}

/// One page of incidents.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct IncidentPage {
    /// The incidents, newest first.
    pub incidents: Vec<IncidentRecord>,
    /// The `before` of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<IncidentId>,
}

/// A log template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct Template {
    /// Its number, as events have it.
    pub id: u32,
    /// Its text, with wildcards. Text from outside.
    pub text: String,
    /// How often it was seen.
    pub count: u64,
}

/// The log templates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct TemplateList {
    /// Those seen most, most first; bounded.
    pub templates: Vec<Template>,
}

impl IncidentRecord {
    /// An incident that nobody has done anything about yet.
    pub fn new(incident: Incident) -> Self {
        Self {
            incident,
            acknowledged: None,
            silenced_until: None,
            notes: Vec::new(),
        }
    }
}
