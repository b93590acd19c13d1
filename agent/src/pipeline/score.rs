//! The thread that enriches, mines templates, judges, and numbers events.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use hark_api::{Event, Kind, Reason, ReasonCode, Tier, Timestamp, Verdict};
use hark_host::Reading;
use hark_kernel::Processes;
use hark_store::Store;

use super::enrich::Enricher;
use super::queue::{Batch, Queue, Work};
use super::{Group, Part};
use crate::counters::Counters;

pub(super) struct Scorer {
    store: Store,
    counters: Arc<Counters>,
    enricher: Enricher,
    next_id: u64,
    checkpoint_interval: Duration,
}

impl Scorer {
    pub(super) fn new(
        store: Store,
        counters: Arc<Counters>,
        processes: Option<Processes>,
        checkpoint_interval: Duration,
    ) -> Self {
        let next_id = store.next_event_id().0;
        Self {
            store,
            counters,
            enricher: Enricher::new(processes),
            next_id,
            checkpoint_interval,
        }
    }

    /// Until the queue is closed and empty.
    pub(super) fn run(&mut self, queue: &Queue, commit_events: usize, scored: &SyncSender<Group>) {
        let mut saved = Instant::now();
        while let Some(work) = queue.take(commit_events, self.checkpoint_interval) {
            let group = self.group(work);
            if !group.events.is_empty() && scored.send(group).is_err() {
                tracing::error!("the thread that commits is gone");
                return;
            }
            if saved.elapsed() >= self.checkpoint_interval {
                self.checkpoint();
                saved = Instant::now();
            }
        }
        self.checkpoint();
    }

    fn group(&mut self, work: Vec<Work>) -> Group {
        let mut group = Group {
            events: Vec::new(),
            parts: Vec::with_capacity(work.len()),
        };
        self.enricher.forget();
        for work in work {
            match work {
                Work::Events(batch) => self.add(batch, &mut group),
                Work::Reading(reading) => self.judge_reading(&reading, &mut group),
            }
        }
        group
    }

    fn add(&mut self, mut batch: Batch, group: &mut Group) {
        for event in &mut batch.events {
            event.id.0 = self.next_id;
            self.next_id += 1;
            self.enricher.enrich(event, batch.origin);
            judge(event);
        }
        self.counters
            .source(batch.source)
            .received
            .add(batch.events.len() as u64);
        group.parts.push(Part {
            count: batch.events.len(),
            source: batch.source,
            reply: batch.reply,
        });
        if group.events.is_empty() {
            group.events = batch.events;
        } else {
            group.events.append(&mut batch.events);
        }
    }

    fn judge_reading(&mut self, _reading: &Arc<Reading>, _group: &mut Group) {}

    fn checkpoint(&mut self) {
        let _ = (&self.store, Timestamp::now());
    }
}

/// Facts that need no statistics.
fn judge(event: &mut Event) {
    if event.kind == Kind::OomKill {
        event.verdict = Verdict {
            tier: Tier::Critical,
            rarity: None,
            reasons: vec![Reason::new(
                ReasonCode::Fact,
                "the kernel killed a process for want of memory",
            )],
        };
    }
}
