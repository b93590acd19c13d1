//! What a caller sees of the store.

mod bounds;
mod care;
mod commit;
mod format;
mod heads;
mod log;
mod records;
mod search;
mod series;

use std::path::Path;

use hark_api::{Event, EventId, Fields, Kind, Level, Source, Timestamp, Verdict};
use hark_store::{EventQuery, Options, Store};

pub(crate) fn event(id: u64, secs: i64, message: &str) -> Event {
    let time = Timestamp::from_nanos(secs * 1_000_000_000);
    Event {
        id: EventId(id),
        time,
        received: time,
        source: Source::Log,
        kind: Kind::Log,
        level: Level::Info,
        message: message.to_owned(),
        template: Some(7),
        service: Some("nginx".to_owned()),
        host: None,
        process: None,
        fields: Fields::from_iter([("status", 200)]),
        trace: None,
        verdict: Verdict::default(),
    }
}

pub(crate) fn open(path: &Path) -> Store {
    Store::open(path, Options::default()).expect("the store opens")
}

pub(crate) fn ids(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.id.0).collect()
}

/// Enough events that most are sealed into blocks: their times run back and forth.
pub(crate) fn many(store: &Store, count: u64) -> Vec<Event> {
    let mut all = Vec::new();
    for first in (1..=count).step_by(500) {
        let batch: Vec<_> = (first..(first + 500).min(count + 1))
            .map(|id| {
                let secs = 1_000_000 + (id as i64 * 7919) % 1000 + id as i64 / 4;
                let mut event = event(
                    id,
                    secs,
                    &format!("request {} took {}ms", id * 31, id % 977),
                );
                event.level = if id % 1000 == 0 {
                    Level::Error
                } else {
                    Level::Info
                };
                event.service = Some(format!("s{}", id % 3));
                event.fields.set("status", 200 + id % 5);
                event
            })
            .collect();
        store.commit(&batch).expect("committed");
        all.extend(batch);
    }
    store
        .maintain(Timestamp::from_nanos(1_000_000_000_000_000))
        .expect("maintained");
    all
}

/// All pages of a query, one after the other.
pub(crate) fn pages(store: &Store, mut query: EventQuery) -> Vec<u64> {
    let mut seen = Vec::new();
    loop {
        let page = store.events(&query).expect("read");
        assert!(page.events.len() <= query.limit);
        seen.extend(ids(&page.events));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return seen,
        }
    }
}
