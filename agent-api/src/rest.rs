//! What the REST API answers, besides the things that it is about.

use serde::{Deserialize, Serialize};

use crate::{Event, EventId, Timestamp, Verdict};

/// The answer to one event sent: it is on disk, and this is what was made of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    pub unusual: Vec<Accepted>,
    /// What was wrong with the refused ones, in order; bounded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<InputError>,
}

/// One thing wrong with what was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
pub struct Problem {
    /// Identifies the kind of problem: a path below the agent's own documentation.
    #[serde(rename = "type")]
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
    pub errors: Vec<InputError>,
}

/// One page of events.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
pub struct Missed {
    /// How many events it did not get.
    pub missed: u64,
}
