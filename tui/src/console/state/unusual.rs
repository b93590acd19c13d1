//! What is unusual now: events that stand out, alike ones together.

use std::collections::VecDeque;

use hark_api::{Event, EventId, Source, Tier, Timestamp};

use crate::clean::Clean;

/// Kinds of sight that are kept, newest first.
const SIGHTS: usize = 200;

/// What is older is history, not now.
pub(crate) const RECENT_SECS: f64 = 24.0 * 3600.0;

/// Something unusual, seen once or more.
pub(crate) struct Sight {
    /// The newest event of it.
    pub(crate) event: Clean<Event>,
    /// When the first came.
    pub(crate) since: Timestamp,
    /// How many came.
    pub(crate) count: u64,
    /// The highest tier of them.
    pub(crate) tier: Tier,
}

/// Unusual events, alike ones counted together, the newest first.
#[derive(Default)]
pub(crate) struct Unusual {
    sights: VecDeque<Sight>,
    newest: EventId,
}

impl Unusual {
    /// Takes an event; those that are normal, or known already, are passed over.
    pub(crate) fn push(&mut self, event: &Event) {
        if event.verdict.tier == Tier::Normal || event.id <= self.newest {
            return;
        }
        self.newest = event.id;
        let event = Clean::new(event.clone());
        let known = self.sights.iter().position(|s| is_alike(&s.event, &event));
        let (since, count, tier) = match known.and_then(|i| self.sights.remove(i)) {
            Some(old) => (old.since, old.count + 1, old.tier),
            None => (event.time, 1, Tier::Normal),
        };
        self.sights.push_front(Sight {
            since,
            count,
            tier: tier.max(event.verdict.tier),
            event,
        });
        self.sights.truncate(SIGHTS);
    }

    /// The newest event of each, oldest first.
    pub(crate) fn events(&self) -> Vec<&Event> {
        let mut events: Vec<&Event> = self.sights.iter().map(|sight| &*sight.event).collect();
        events.sort_by_key(|event| event.id);
        events
    }

    /// The recent ones, the highest tier first, then the newest.
    pub(crate) fn worst_first(&self, now: Timestamp) -> Vec<&Sight> {
        let oldest = now.plus_nanos((-RECENT_SECS * 1e9) as i64);
        let recent = self.sights.iter().filter(|s| s.event.time >= oldest);
        let mut sights: Vec<_> = recent.collect();
        sights.sort_by_key(|s| std::cmp::Reverse((s.tier, s.event.id)));
        sights
    }
}

/// Whether two events are sights of one thing: the same kind of event about the same subject.
fn is_alike(a: &Event, b: &Event) -> bool {
    let comm = |e: &Event| e.process.as_ref().map(|p| p.comm.clone());
    a.kind == b.kind
        && a.service == b.service
        && comm(a) == comm(b)
        && a.fields.get("series") == b.fields.get("series")
        && match (a.template, b.template) {
            // What the kernel tells differs in numbers only: pids, sizes, times.
            (None, None) => a.source == Source::Kernel || a.message == b.message,
            (a, b) => a == b,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;

    #[test]
    fn alike_events_are_one_sight() {
        let mut unusual = Unusual::default();
        let mut event = sample::log(1, "link down");
        event.verdict.tier = Tier::Warning;
        unusual.push(&event);
        event.id = EventId(2);
        event.verdict.tier = Tier::Notice;
        unusual.push(&event);
        unusual.push(&event); // the same again, as after a reconnect
        unusual.push(&sample::log(3, "normal"));
        let sights = unusual.worst_first(event.time);
        assert_eq!(sights.len(), 1);
        assert_eq!((sights[0].count, sights[0].tier), (2, Tier::Warning));
    }

    #[test]
    fn the_worst_come_first() {
        let mut unusual = Unusual::default();
        for (id, tier) in [(1, Tier::Notice), (2, Tier::Critical), (3, Tier::Notice)] {
            let mut event = sample::log(id, &format!("sight {id}"));
            event.verdict.tier = tier;
            unusual.push(&event);
        }
        let now = sample::log(1, "").time;
        let ids: Vec<_> = unusual
            .worst_first(now)
            .iter()
            .map(|s| s.event.id.0)
            .collect();
        assert_eq!(ids, [2, 3, 1]);
    }
}
