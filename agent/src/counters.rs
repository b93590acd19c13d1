//! What happened how often since the start: for `/status`, `/metrics` and `lost` events.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use hark_api::{Tier, Timestamp};

use crate::pipeline::SourceName;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counts of one source.
#[derive(Debug, Default)]
pub struct SourceCounters {
    /// Events received.
    pub received: Counter,
    /// Events lost before they could be stored.
    pub dropped: Counter,
}

/// All counts.
#[derive(Debug, Default)]
pub struct Counters {
    sources: [SourceCounters; SourceName::ALL.len()],
    /// Events acknowledged to senders.
    pub accepted: Counter,
    /// Events refused for what they were.
    pub rejected: Counter,
    /// Requests turned away because the queue was full or the store failed.
    pub turned_away: Counter,
    /// Requests answered as before, by their idempotency keys.
    pub replayed: Counter,
    /// Requests turned away by a rate limit.
    pub limited: Counter,
    /// Events that slow live streams missed.
    pub missed: Counter,
    /// Connections accepted.
    pub connections: Counter,
    /// Stored events by tier, in the order of [`Tier::ALL`].
    pub tiers: [Counter; Tier::ALL.len()],
    /// Answers by class of status: 1xx to 5xx.
    pub responses: [Counter; 5],
    /// Why the store cannot write now, and since when.
    failing: Mutex<Option<(Timestamp, String)>>,
    /// A failure that ended and was not told of yet.
    recovered: Mutex<Option<(Timestamp, String)>>,
}

impl Counters {
    /// The counts of a source.
    pub fn source(&self, name: SourceName) -> &SourceCounters {
        &self.sources[name as usize]
    }

    /// Why the store cannot write now, and since when.
    pub fn store_failure(&self) -> Option<(Timestamp, String)> {
        self.failing
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// A failure of the store that ended, told once.
    pub fn take_recovery(&self) -> Option<(Timestamp, String)> {
        self.recovered
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take()
    }

    /// Notes whether the store works; gives the failure that just ended or began, if any did.
    pub fn note_store(&self, error: Option<&str>) -> StoreTurn {
        let mut failing = self
            .failing
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match (failing.take(), error) {
            (None, None) => StoreTurn::None,
            (Some(was), None) => {
                let mut recovered = self
                    .recovered
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                recovered.get_or_insert(was.clone());
                StoreTurn::Recovered(was)
            }
            (None, Some(error)) => {
                *failing = Some((Timestamp::now(), error.to_owned()));
                StoreTurn::Failed
            }
            (Some((since, _)), Some(error)) => {
                *failing = Some((since, error.to_owned()));
                StoreTurn::None
            }
        }
    }
}

/// Whether the store just failed or recovered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreTurn {
    /// Neither.
    None,
    /// It failed.
    Failed,
    /// It recovered from this failure, which had begun then.
    Recovered((Timestamp, String)),
}
