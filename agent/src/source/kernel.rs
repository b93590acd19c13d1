//! Events of the kernel. They are never waited for: what finds no room is dropped and counted.

use std::sync::Arc;

use hark_api::Timestamp;
use hark_kernel::{Kernel, KernelEvent};

use crate::config;
use crate::counters::Counters;
use crate::pipeline::{Batch, Origin, Queue, SourceName};

/// Events that go into the queue at a time.
const BATCH_EVENTS: usize = 512;
/// What one takes in memory, about.
const EVENT_BYTES: usize = 512;

/// Starts listening. `on_thread` runs once on the thread that reads the kernel's events, before
/// the first of them is handed on.
///
/// # Errors
/// When the kernel side as a whole cannot start.
pub fn start(
    config: &config::Kernel,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    on_thread: impl FnOnce() + Send + 'static,
) -> Result<Kernel, hark_kernel::Error> {
    let mut on_thread = Some(on_thread);
    Kernel::start(&config.options(), move |batch| {
        if let Some(on_thread) = on_thread.take() {
            on_thread();
        }
        take(batch, &queue, &counters);
    })
}

fn take(batch: &mut Vec<KernelEvent>, queue: &Queue, counters: &Counters) {
    let received = Timestamp::now();
    let mut events = batch
        .drain(..)
        .map(|event| event.into_event(received))
        .peekable();
    while events.peek().is_some() {
        let events: Vec<_> = events.by_ref().take(BATCH_EVENTS).collect();
        let count = events.len();
        let offered = queue.offer(Batch {
            events,
            bytes: count * EVENT_BYTES,
            origin: Origin::default(),
            source: SourceName::Kernel,
            reply: None,
        });
        if offered.is_err() {
            counters
                .source(SourceName::Kernel)
                .dropped
                .add(count as u64);
        }
    }
}
