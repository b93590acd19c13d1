//! The one queue between sources and pipeline, bounded by events and by bytes.
//!
//! When it is full, requests are refused at once ([`Queue::offer`]; the API answers 503), sources
//! that can wait do ([`Queue::put`]), and kernel events are dropped and counted by whoever offers
//! them. Nothing that was taken in is dropped here.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hark_api::Event;
use tokio::sync::oneshot;

use super::pace::Pace;
use super::{Answer, Committed, SourceName};
use crate::source::host::Second;

/// Who waits for a batch.
pub type Reply = Option<Waiter>;

/// One who waits for a batch.
#[derive(Debug)]
pub struct Waiter {
    /// Where the answer goes.
    pub answer: oneshot::Sender<Answer>,
    /// What is stored with the events, where anything is. It is dropped when they are on disk or
    /// refused.
    pub remember: Option<Box<dyn Remember>>,
}

/// Has an answer stored together with the events that it is about.
pub trait Remember: std::fmt::Debug + Send {
    /// What is stored, once it is known under which ids the events will be.
    fn reply(&self, committed: &Committed) -> hark_store::Reply;
}

/// Who sent a batch, where that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The process at the other end of the Unix socket.
    pub pid: Option<u32>,
}

/// Events that stand or fall together: one request's, or some of one source's.
#[derive(Debug)]
pub struct Batch {
    /// The events, not numbered yet. Never empty.
    pub events: Vec<Event>,
    /// What they take in memory, about.
    pub bytes: usize,
    /// Who sent them.
    pub origin: Origin,
    /// Which source counts them.
    pub source: SourceName,
    /// Who waits.
    pub reply: Reply,
}

/// What the pipeline does next.
#[derive(Debug)]
pub enum Work {
    /// Score and store events.
    Events(Batch),
    /// Judge one second of the host.
    Second(Arc<Second>),
}

/// The queue has no room.
#[derive(Debug)]
pub struct Full(pub Batch);

/// The queue.
#[derive(Debug)]
pub struct Queue {
    state: Mutex<State>,
    not_empty: Condvar,
    not_full: Condvar,
    max_events: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct State {
    work: VecDeque<Work>,
    events: usize,
    bytes: usize,
    /// Batches that somebody waits for.
    requests: usize,
    pace: Pace,
    closed: bool,
}

impl State {
    /// An empty queue takes any one batch, so that none is too large for ever.
    fn has_room(&self, batch: &Batch, queue: &Queue) -> bool {
        self.events == 0
            || (self.events + batch.events.len() <= queue.max_events
                && self.bytes + batch.bytes <= queue.max_bytes)
    }

    fn push(&mut self, batch: Batch) {
        self.events += batch.events.len();
        self.bytes += batch.bytes;
        self.requests += usize::from(batch.reply.is_some());
        self.work.push_back(Work::Events(batch));
    }
}

impl Queue {
    /// An empty queue.
    pub fn new(max_events: usize, max_bytes: usize) -> Self {
        Self {
            state: Mutex::new(State {
                work: VecDeque::new(),
                events: 0,
                bytes: 0,
                requests: 0,
                pace: Pace::new(),
                closed: false,
            }),
            not_empty: Condvar::new(),
            not_full: Condvar::new(),
            max_events,
            max_bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, mut state: MutexGuard<'_, State>, batch: Batch) {
        let first = state.work.is_empty();
        state.push(batch);
        let news = first || state.pace.matters(state.requests, state.events);
        drop(state);
        // Each wake costs more than an event does.
        if news {
            self.not_empty.notify_one();
        }
    }

    /// Takes a batch where there is room.
    ///
    /// # Errors
    /// Gives it back where there is none, or the queue is closed.
    pub fn offer(&self, batch: Batch) -> Result<(), Full> {
        let state = self.lock();
        if state.closed || !state.has_room(&batch, self) {
            return Err(Full(batch));
        }
        self.push(state, batch);
        Ok(())
    }

    /// Takes a batch as soon as there is room, at most `patience` from now. Blocks.
    ///
    /// # Errors
    /// Gives it back where there was none, or the queue is closed.
    pub fn put(&self, batch: Batch, patience: Duration) -> Result<(), Full> {
        let until = Instant::now() + patience;
        let mut state = self.lock();
        while !state.closed && !state.has_room(&batch, self) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Full(batch));
            }
            state = self
                .not_full
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        if state.closed {
            return Err(Full(batch));
        }
        self.push(state, batch);
        Ok(())
    }

    /// Takes a reading of the host. An older one that still waits is replaced: there is one a
    /// second, and the newest counts.
    pub fn put_second(&self, second: Arc<Second>) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        state.work.retain(|work| !matches!(work, Work::Second(_)));
        state.work.push_back(Work::Second(second));
        drop(state);
        self.not_empty.notify_one();
    }

    /// Waits for work, and for what should share its commit (see `pace`); takes what there is, up
    /// to about `max_events` events. `None` when the queue is closed and empty; empty after
    /// `patience` without work.
    pub fn take(&self, max_events: usize, patience: Duration) -> Option<Vec<Work>> {
        let mut state = self.lock();
        let patience = Instant::now() + patience;
        while !state.closed {
            let now = Instant::now();
            let until = if state.work.is_empty() {
                Some(patience).filter(|until| *until > now)
            } else {
                state.pace.wait(state.requests, state.events, now, patience)
            };
            let Some(until) = until else { break };
            state = self
                .not_empty
                .wait_timeout(state, until.saturating_duration_since(now))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        if state.closed && state.work.is_empty() {
            return None;
        }
        let mut taken = Vec::new();
        let mut events = 0;
        while let Some(work) = state.work.front() {
            let count = match work {
                Work::Events(batch) => batch.events.len(),
                Work::Second(_) => 0,
            };
            if events > 0 && events + count > max_events {
                break;
            }
            events += count;
            if let Some(work) = state.work.pop_front() {
                if let Work::Events(batch) = &work {
                    state.events -= count;
                    state.bytes -= batch.bytes;
                    state.requests -= usize::from(batch.reply.is_some());
                }
                taken.push(work);
            }
        }
        drop(state);
        self.not_full.notify_all();
        Some(taken)
    }

    /// What was taken goes to be committed.
    pub(super) fn handed(&self) {
        self.lock().pace.handed();
    }

    /// A commit of so many requests has ended, well or not.
    pub(super) fn finished(&self, requests: usize, took: Duration) {
        let mut state = self.lock();
        let waiting = state.requests;
        state.pace.finished(requests, waiting, took);
        let waits = !state.work.is_empty();
        drop(state);
        if waits {
            self.not_empty.notify_one();
        }
    }

    /// Takes nothing more; what is there can still be taken out.
    pub fn close(&self) {
        self.lock().closed = true;
        self.not_empty.notify_all();
        self.not_full.notify_all();
    }

    /// Events that wait now.
    pub fn len(&self) -> usize {
        self.lock().events
    }

    /// Whether none wait.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Events that may wait.
    pub fn capacity(&self) -> usize {
        self.max_events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hark_api::{EventId, Fields, Kind, Level, Source, Timestamp, Verdict};

    fn batch(count: usize) -> Batch {
        let event = Event {
            id: EventId(0),
            time: Timestamp::default(),
            received: Timestamp::default(),
            source: Source::Log,
            kind: Kind::Log,
            level: Level::Info,
            message: "m".into(),
            template: None,
            service: None,
            host: None,
            process: None,
            fields: Fields::new(),
            trace: None,
            verdict: Verdict::default(),
        };
        Batch {
            events: vec![event; count],
            bytes: count * 100,
            origin: Origin::default(),
            source: SourceName::Api,
            reply: None,
        }
    }

    #[test]
    fn it_is_bounded_by_events_and_by_bytes_but_takes_one_batch_of_any_size() {
        let queue = Queue::new(10, 1_000_000);
        queue.offer(batch(50)).expect("empty, so it takes any");
        assert!(queue.offer(batch(1)).is_err());
        assert_eq!(queue.take(5, Duration::ZERO).expect("open").len(), 1);
        queue.offer(batch(10)).expect("room for ten");
        assert!(queue.put(batch(1), Duration::from_millis(1)).is_err());
        let queue = Queue::new(10, 250);
        queue.offer(batch(2)).expect("room");
        assert!(queue.offer(batch(1)).is_err(), "too many bytes");
    }

    #[test]
    fn a_closed_queue_gives_what_it_has_and_takes_no_more() {
        let queue = Queue::new(10, 1000);
        queue.offer(batch(2)).expect("room");
        queue.close();
        assert!(queue.offer(batch(1)).is_err());
        assert_eq!(queue.take(10, Duration::ZERO).map(|w| w.len()), Some(1));
        assert!(queue.take(10, Duration::ZERO).is_none());
    }

    #[test]
    fn who_waits_for_room_gets_it() {
        let queue = Arc::new(Queue::new(2, 1000));
        queue.offer(batch(2)).expect("room");
        let waiting = queue.clone();
        let waiter =
            std::thread::spawn(move || waiting.put(batch(1), Duration::from_secs(30)).is_ok());
        assert_eq!(queue.take(10, Duration::ZERO).map(|w| w.len()), Some(1));
        assert!(waiter.join().expect("no panic"));
        assert_eq!(queue.len(), 1);
    }
}
