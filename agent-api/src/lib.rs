//! The vocabulary of hark: events, verdicts, vital signs, and the types of the REST API.
//!
//! Every other crate speaks in these words, so each is defined once, here. With the feature
//! `client` the crate also has a typed client for the agent; with `openapi` its types carry
//! OpenAPI schemas. Without features it depends on no I/O.
#![forbid(unsafe_code)]

#[cfg(feature = "client")]
pub mod client;
mod event;
pub mod filter;
mod foreign;
mod incident;
#[cfg(feature = "openapi")]
mod openapi;
mod rest;
mod series;
mod status;
mod time;
pub mod units;
mod verdict;
pub mod vitals;

pub use event::{
    Event, EventId, Fields, Kind, Level, Process, Source, TraceContext, UnknownKind, UnknownLevel,
    UnknownSource,
};
pub use filter::{Filter, FilterError};
pub use foreign::Foreign;
pub use incident::{
    Acknowledgement, Evidence, Incident, IncidentId, IncidentPage, IncidentRecord, Note, Suspect,
    Template, TemplateList,
};
pub use rest::{
    Accepted, Band, BatchAccepted, EventBucket, EventFacet, EventPage, EventStats, InputError,
    Missed, Problem, ProcessList, SeriesData, SeriesEntry, SeriesList, SeriesPoint, ValueCount,
};
pub use series::{MetricType, SeriesKey};
pub use status::{
    Feature, FeatureState, Health, IngestStatus, ProgramCost, SelfUse, SourceStatus, Status,
    StoreStatus,
};
pub use time::{InvalidTimestamp, Timestamp};
pub use verdict::{Reason, ReasonCode, ReturnPeriod, Tier, Verdict};
pub use vitals::Vitals;
