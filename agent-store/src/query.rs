//! Searching events: in time order both ways, page by page, within a budget.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hark_api::{Event, Filter, Tier, Timestamp};

use crate::hot::HotRow;
use crate::{Cursor, Error};

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

pub(crate) fn events(hot: &[Arc<HotRow>], query: &EventQuery) -> Result<Page, Error> {
    let started = Instant::now();
    let mut found: Vec<Event> = Vec::new();
    let mut complete = true;
    for row in hot {
        if started.elapsed() > query.budget.time {
            complete = false;
            break;
        }
        for row in row.rows() {
            let event = row.and_then(crate::row::Row::to_event).map_err(damaged)?;
            if query.from.is_none_or(|from| event.time >= from)
                && query.to.is_none_or(|to| event.time < to)
                && query
                    .after
                    .is_none_or(|after| is_after(&event, after, query.order))
                && query.filter.matches(&event)
            {
                found.push(event);
            }
        }
    }
    match query.order {
        Order::Newest => found.sort_by_key(|e| std::cmp::Reverse(Cursor::from(e))),
        Order::Oldest => found.sort_by_key(|e| Cursor::from(e)),
        Order::Arrival => found.sort_by_key(|e| e.id),
    }
    let more = found.len() > query.limit;
    found.truncate(query.limit);
    let next = if more {
        found.last().map(Cursor::from)
    } else {
        None
    };
    Ok(Page {
        events: found,
        next,
        complete,
    })
}

fn is_after(event: &Event, after: Cursor, order: Order) -> bool {
    match order {
        Order::Newest => Cursor::from(event) < after,
        Order::Oldest => Cursor::from(event) > after,
        Order::Arrival => event.id > after.id,
    }
}

fn damaged(reason: crate::wire::Malformed) -> Error {
    Error::Damaged {
        what: "a hot event".to_owned(),
        reason: reason.0,
    }
}

pub(crate) fn stats(hot: &[Arc<HotRow>], query: &StatsQuery) -> Result<Stats, Error> {
    let mut stats = Stats {
        complete: true,
        ..Stats::default()
    };
    let width = query
        .bucket
        .map(|b| i64::try_from(b.as_nanos()).unwrap_or(i64::MAX).max(1));
    let mut buckets: HashMap<i64, [u64; Tier::ALL.len()]> = HashMap::new();
    for row in hot {
        for row in row.rows() {
            let event = row.and_then(crate::row::Row::to_event).map_err(damaged)?;
            if query.from.is_none_or(|from| event.time >= from)
                && query.to.is_none_or(|to| event.time < to)
                && query.filter.matches(&event)
            {
                stats.total += 1;
                if let Some(width) = width {
                    let time = event.time.as_nanos();
                    let bucket = buckets.entry(time - time.rem_euclid(width)).or_default();
                    bucket[event.verdict.tier as usize] += 1;
                }
            }
        }
    }
    let times: BTreeSet<_> = buckets.keys().copied().collect();
    stats.buckets = times
        .into_iter()
        .map(|time| Bucket {
            time: Timestamp::from_nanos(time),
            tiers: buckets[&time],
        })
        .collect();
    Ok(stats)
}
