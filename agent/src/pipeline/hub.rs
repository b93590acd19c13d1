//! Hands what was committed to live streams, each with a bounded buffer of its own.
//!
//! A stream that does not keep up misses events, and learns how many, in their place; it never
//! holds up the pipeline or another stream.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use hark_api::{Event, Filter};
use tokio::sync::Notify;

use crate::counters::Counters;

/// What a live stream gets.
#[derive(Clone, Debug)]
pub enum Item {
    /// An event.
    Event(Arc<Event>),
    /// So many events did not fit.
    Missed(u64),
}

/// Everyone who listens.
#[derive(Debug)]
pub struct Hub {
    subscribers: Mutex<Vec<Weak<Inbox>>>,
    counters: Arc<Counters>,
    max_streams: usize,
    max_events: usize,
}

#[derive(Debug)]
struct Inbox {
    filter: Filter,
    max_events: usize,
    state: Mutex<Waiting>,
    ready: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Arc<Event>>,
    /// Events after those that wait. While there are any, none is added: order is kept.
    missed: u64,
}

/// One who listens, until dropped.
#[derive(Debug)]
pub struct Subscription(Arc<Inbox>);

/// Too many listen already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} live streams are open, and no more are allowed (api.max_streams)")]
pub struct TooMany(pub usize);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// Nobody listens yet.
    pub fn new(counters: Arc<Counters>, max_streams: usize, max_events: usize) -> Self {
        Self {
            subscribers: Mutex::default(),
            counters,
            max_streams,
            max_events,
        }
    }

    /// Listens to what is committed from now on and passes the filter.
    ///
    /// # Errors
    /// Too many listen already.
    pub fn subscribe(&self, filter: Filter) -> Result<Subscription, TooMany> {
        let mut subscribers = lock(&self.subscribers);
        subscribers.retain(|inbox| inbox.strong_count() > 0);
        if subscribers.len() >= self.max_streams {
            return Err(TooMany(self.max_streams));
        }
        let inbox = Arc::new(Inbox {
            filter,
            max_events: self.max_events,
            state: Mutex::default(),
            ready: Notify::new(),
        });
        subscribers.push(Arc::downgrade(&inbox));
        Ok(Subscription(inbox))
    }

    /// How many listen.
    pub fn streams(&self) -> usize {
        lock(&self.subscribers)
            .iter()
            .filter(|inbox| inbox.strong_count() > 0)
            .count()
    }

    /// Hands out what was committed.
    pub(super) fn publish(&self, events: Vec<Event>) {
        let inboxes: Vec<_> = lock(&self.subscribers)
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        if inboxes.is_empty() {
            return;
        }
        for event in events {
            let mut shared = None;
            for inbox in &inboxes {
                if inbox.filter.matches(shared.as_deref().unwrap_or(&event)) {
                    let event = shared.get_or_insert_with(|| Arc::new(event.clone()));
                    if !inbox.put(event) {
                        self.counters.missed.add(1);
                    }
                }
            }
        }
        for inbox in inboxes {
            inbox.ready.notify_one();
        }
    }
}

impl Inbox {
    fn put(&self, event: &Arc<Event>) -> bool {
        let mut state = lock(&self.state);
        if state.missed == 0 && state.events.len() < self.max_events {
            state.events.push_back(event.clone());
            true
        } else {
            state.missed += 1;
            false
        }
    }
}

impl Subscription {
    /// All that waits, in order; waits for the first. Safe to cancel.
    pub async fn next(&self) -> Vec<Item> {
        loop {
            {
                let mut state = lock(&self.0.state);
                if !state.events.is_empty() || state.missed > 0 {
                    let mut items: Vec<_> = state.events.drain(..).map(Item::Event).collect();
                    if state.missed > 0 {
                        items.push(Item::Missed(std::mem::take(&mut state.missed)));
                    }
                    return items;
                }
            }
            self.0.ready.notified().await;
        }
    }
}
