//! The thread that writes groups to the store, acknowledges, and publishes.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use hark_api::{Accepted, Event, Tier, Timestamp};
use hark_store::Store;

use super::hub::Hub;
use super::{Committed, Group, MAX_UNUSUAL, NotStored, Queue, SourceName};
use crate::counters::{Counters, StoreTurn};

pub(super) struct Committer {
    pub(super) store: Store,
    pub(super) counters: Arc<Counters>,
    pub(super) hub: Arc<Hub>,
    /// Where the groups come from: it is told when one is done.
    pub(super) queue: Arc<Queue>,
}

impl Committer {
    /// Until the scorer is gone.
    pub(super) fn run(&self, groups: &Receiver<Group>) {
        while let Ok(group) = groups.recv() {
            let started = Instant::now();
            let stored = self.store.commit_with(&group.events, &replies(&group));
            let requests = group.parts.iter().filter(|part| part.reply.is_some());
            self.queue.finished(requests.count(), started.elapsed());
            match stored {
                Ok(()) => {
                    self.note(None);
                    self.acknowledge(group);
                }
                Err(error) => {
                    let error = error.to_string();
                    self.note(Some(&error));
                    self.refuse(group, &error);
                }
            }
        }
    }

    fn acknowledge(&self, group: Group) {
        let mut rest = group.events.as_slice();
        for part in group.parts {
            let (events, after) = rest.split_at(part.count);
            rest = after;
            if part.source == SourceName::Api {
                self.counters.accepted.add(part.count as u64);
            }
            if let Some(reply) = part.reply {
                // A sender that went away does not take its events with it.
                let _ = reply.answer.send(Ok(committed(events)));
            }
        }
        for event in &group.events {
            self.counters.tiers[event.verdict.tier as usize].add(1);
        }
        self.hub.publish(group.events);
    }

    /// Requests learn that nothing is stored. Events that nobody waits for are lost; that is
    /// counted, and told by a `lost` event once the store works again.
    fn refuse(&self, group: Group, error: &str) {
        for part in group.parts {
            match part.reply {
                Some(reply) => {
                    self.counters.turned_away.add(1);
                    let _ = reply.answer.send(Err(NotStored(error.to_owned())));
                }
                None => self
                    .counters
                    .source(part.source)
                    .dropped
                    .add(part.count as u64),
            }
        }
    }

    fn note(&self, error: Option<&str>) {
        match self.counters.note_store(error) {
            StoreTurn::None => {}
            StoreTurn::Failed => {
                tracing::error!(error, "the store cannot write; nothing is acknowledged");
            }
            StoreTurn::Recovered((since, was)) => {
                tracing::warn!(%since, was, now = %Timestamp::now(), "the store works again");
            }
        }
    }
}

/// The answers that are stored with their events.
fn replies(group: &Group) -> Vec<hark_store::Reply> {
    let mut rest = group.events.as_slice();
    let mut replies = Vec::new();
    for part in &group.parts {
        let (events, after) = rest.split_at(part.count);
        rest = after;
        let remember = part
            .reply
            .as_ref()
            .and_then(|waiter| waiter.remember.as_ref());
        if let Some(remember) = remember {
            replies.push(remember.reply(&committed(events)));
        }
    }
    replies
}

fn committed(events: &[Event]) -> Committed {
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return Committed::default();
    };
    Committed {
        first: first.id,
        last: last.id,
        judged: events
            .iter()
            .filter(|event| events.len() == 1 || event.verdict.tier > Tier::Normal)
            .take(MAX_UNUSUAL)
            .map(|event| Accepted {
                id: event.id,
                time: event.time,
                template: event.template,
                verdict: event.verdict.clone(),
            })
            .collect(),
    }
}
