//! Searching events: in time order both ways, page by page, within a budget.

mod chunk;
mod search;
mod stats;

use std::time::Duration;

use hark_api::{Event, EventId, Filter, Tier, Timestamp};

use crate::Cursor;

pub(crate) use chunk::find;
pub(crate) use search::events;
pub(crate) use stats::stats;

/// The order of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By time, newest first.
    #[default]
    Newest,
    /// By time, oldest first.
    Oldest,
    /// By id, that is, in order of arrival; of a cursor only the id counts. For followers, who
    /// must not miss an event with a time in the past.
    Arrival,
}

/// What a query may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How long it may take; looked at after each block.
    pub time: Duration,
    /// Bytes of events that it may return.
    pub bytes: usize,
}

impl Default for Budget {
    /// Five seconds, 16 MiB.
    fn default() -> Self {
        Self {
            time: Duration::from_secs(5),
            bytes: 16 << 20,
        }
    }
}

/// Which events.
#[derive(Clone, Debug)]
pub struct EventQuery {
    /// Not before this time.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
    /// Only those that pass.
    pub filter: Filter,
    /// In which order.
    pub order: Order,
    /// Only those after this place in the order.
    pub after: Option<Cursor>,
    /// At most so many.
    pub limit: usize,
    /// What it may cost.
    pub budget: Budget,
}

impl Default for EventQuery {
    /// The newest 100 events.
    fn default() -> Self {
        Self {
            from: None,
            to: None,
            filter: Filter::default(),
            order: Order::Newest,
            after: None,
            limit: 100,
            budget: Budget::default(),
        }
    }
}

/// One page of events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The events, in order.
    pub events: Vec<Event>,
    /// Where the next page begins; absent where there is none.
    pub next: Option<Cursor>,
    /// Whether the page has all that it could: false where the budget cut it short, and then the
    /// next page goes on from there.
    pub complete: bool,
}

/// What to count.
#[derive(Clone, Debug, Default)]
pub struct StatsQuery {
    /// Not before this time.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
    /// Only those that pass.
    pub filter: Filter,
    /// How long the buckets of the histogram are; none without.
    pub bucket: Option<Duration>,
    /// The fields to count values of, as the filter language names them.
    pub facets: Vec<String>,
    /// How many values of each facet to name.
    pub top: usize,
    /// What it may cost; bytes are not looked at.
    pub budget: Budget,
}

/// Counts of events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// All of them.
    pub total: u64,
    /// By time, oldest first, without the empty ones.
    pub buckets: Vec<Bucket>,
    /// By value of each field asked for.
    pub facets: Vec<Facet>,
    /// Whether all were counted: false where the budget cut it short.
    pub complete: bool,
}

/// The events of one stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// When it begins.
    pub time: Timestamp,
    /// How many events of each tier, in order from normal.
    pub tiers: [u64; Tier::ALL.len()],
}

/// The values of a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facet {
    /// The field.
    pub field: String,
    /// Its commonest values, commonest first.
    pub values: Vec<Count>,
    /// Events with any other value.
    pub other: u64,
    /// Events without the field.
    pub missing: u64,
}

/// How often a value occurs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// The value.
    pub value: String,
    /// Events with it.
    pub count: u64,
}

/// What a call found beside what it was asked for.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Blocks that are damaged.
    pub(crate) damaged: Vec<EventId>,
}
