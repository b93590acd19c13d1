//! What the REST API answers, besides the things that it is about.

use serde::{Deserialize, Serialize};

use crate::{Event, EventId, Process, SeriesKey, Tier, Timestamp, Verdict};

/// The answer to one event sent: it is on disk, and this is what was made of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct Accepted {
    /// The id that it got.
    pub id: EventId,
    /// The time that it is stored under.
    pub time: Timestamp,
    /// The template of its message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<u32>,
    /// How unusual it is.
    pub verdict: Verdict,
}

/// The answer to a batch: the good events are on disk, the bad ones are named.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct BatchAccepted {
    /// How many are stored.
    pub accepted: u64,
    /// How many were refused.
    pub rejected: u64,
    /// The first id given, where any was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_id: Option<EventId>,
    /// The last id given, where any was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_id: Option<EventId>,
    /// Those whose tier is above normal, in order; bounded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", oai(default))]
    pub unusual: Vec<Accepted>,
    /// What was wrong with the refused ones, in order; bounded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", oai(default))]
    pub errors: Vec<InputError>,
}

/// One thing wrong with what was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct InputError {
    /// The line of a batch, from 1; the place in the array for a JSON array, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The field, parameter or header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

/// A problem document, [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct Problem {
    /// Identifies the kind of problem: a path below the agent's own documentation.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "openapi", oai(rename = "type"))]
    pub kind: String,
    /// The kind of problem in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// This problem in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The id of the request, as in the agent's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Each thing that was wrong with the input.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", oai(default))]
    pub errors: Vec<InputError>,
}

/// One page of events.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct EventPage {
    /// The events, in the order asked for.
    pub events: Vec<Event>,
    /// The cursor of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Whether the page is all that was asked for: false where a time or memory limit cut it.
    pub complete: bool,
}

/// Sent on a live stream to a consumer that was too slow for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct Missed {
    /// How many events it did not get.
    pub missed: u64,
}

/// The series that are stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct SeriesList {
    /// By name.
    pub series: Vec<SeriesEntry>,
}

/// A series that is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct SeriesEntry {
    /// Its name and labels.
    pub key: SeriesKey,
    /// Its first sample ever.
    pub first: Timestamp,
    /// Its last sample.
    pub last: Timestamp,
    /// Where its samples are expected to lie; absent while that is being learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<Band>,
}

/// Where 99 % of a series' values are expected to lie, by those that the detectors remember.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct Band {
    /// Half of a percent lies below.
    pub low: f64,
    /// Half of a percent lies above.
    pub high: f64,
}

impl Band {
    /// Whether a value left the band: it lies outside by more than a tenth of the band's width, so
    /// that the one value in a hundred that is always just outside does not count.
    pub fn is_left_by(&self, value: f64) -> bool {
        let size = self.low.abs().max(self.high.abs());
        let spare = ((self.high - self.low) * 0.1).max(size * 1e-6);
        value < self.low - spare || value > self.high + spare
    }
}

/// The points of one series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct SeriesData {
    /// Its name and labels.
    pub key: SeriesKey,
    /// Seconds from one point to the next: 1, 10 or 60.
    pub step: u32,
    /// The points, oldest first; without those that are missing.
    pub points: Vec<SeriesPoint>,
    /// Where means over this step are expected to lie now; absent while that is being learned, and
    /// where the series is not watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<Band>,
    /// The periods in seconds that its detectors have learned, one a resolution at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", oai(default))]
    pub periods: Vec<f64>,
}

/// The processes that run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct ProcessList {
    /// By id.
    pub processes: Vec<Process>,
}

/// One point of a series. At a step of one second all three values are the sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct SeriesPoint {
    /// When it begins.
    pub time: Timestamp,
    /// The mean.
    pub mean: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

/// Counts of events by time and by the values of fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct EventStats {
    /// All of them.
    pub total: u64,
    /// By time, oldest first, without the empty ones.
    pub buckets: Vec<EventBucket>,
    /// By value of each field asked for.
    pub facets: Vec<EventFacet>,
    /// Whether all were counted: false where the time limit cut it short.
    pub complete: bool,
}

/// The events of one stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct EventBucket {
    /// When it begins.
    pub time: Timestamp,
    /// How many events of each tier, in order: normal, notice, warning, high, critical.
    pub tiers: [u64; Tier::ALL.len()],
}

/// The values of a field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct EventFacet {
    /// The field.
    pub field: String,
    /// Its commonest values, commonest first.
    pub values: Vec<ValueCount>,
    /// Events with any other value.
    pub other: u64,
    /// Events without the field.
    pub missing: u64,
}

/// How often a value occurs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct ValueCount {
    /// The value. Text from outside.
    pub value: String,
    /// Events with it.
    pub count: u64,
}
