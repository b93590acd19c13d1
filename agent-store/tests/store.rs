//! What a caller sees of the store.

use std::path::Path;

use hark_api::{Event, EventId, Fields, Kind, Level, Source, Timestamp, Verdict};
use hark_store::{Error, EventQuery, Options, Order, Store};

fn event(id: u64, secs: i64, message: &str) -> Event {
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

fn open(path: &Path) -> Store {
    Store::open(path, Options::default()).expect("the store opens")
}

fn ids(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.id.0).collect()
}

#[test]
fn what_was_committed_is_there_after_opening_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    assert_eq!(store.next_event_id(), EventId(1));
    let events = [event(1, 10, "one"), event(2, 20, "two")];
    store.commit(&events).expect("committed");
    store.close().expect("closed");

    let store = open(dir.path());
    assert_eq!(store.next_event_id(), EventId(3));
    assert_eq!(
        store.event(EventId(2)).expect("read"),
        Some(events[1].clone())
    );
    let page = store.events(&EventQuery::default()).expect("read");
    assert_eq!(page.events, [events[1].clone(), events[0].clone()]);
    assert!(page.complete && page.next.is_none());
}

#[test]
fn ids_must_ascend() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    store.commit(&[event(5, 1, "a")]).expect("committed");
    assert!(matches!(
        store.commit(&[event(5, 1, "a")]),
        Err(Error::IdOrder { .. })
    ));
    assert!(matches!(
        store.commit(&[event(7, 1, "a"), event(6, 1, "b")]),
        Err(Error::IdOrder { .. })
    ));
    assert_eq!(store.next_event_id(), EventId(6));
}

#[test]
fn pages_go_both_ways_in_order_of_time_whatever_the_clock_did() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    // The clock steps back a year and forward again; two events share a time.
    let times = [100, 200, -30_000_000, 200, 150];
    for (i, secs) in times.iter().enumerate() {
        store
            .commit(&[event(i as u64 + 1, *secs, "x")])
            .expect("committed");
    }
    for (order, expected) in [
        (Order::Newest, [4, 2, 5, 1, 3]),
        (Order::Oldest, [3, 1, 5, 2, 4]),
        (Order::Arrival, [1, 2, 3, 4, 5]),
    ] {
        let mut query = EventQuery {
            order,
            limit: 2,
            ..EventQuery::default()
        };
        let mut seen = Vec::new();
        loop {
            let page = store.events(&query).expect("read");
            seen.extend(ids(&page.events));
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        assert_eq!(seen, expected, "{order:?}");
    }
}

#[test]
fn a_second_opener_is_refused_with_the_pid_of_the_first() {
    let dir = tempfile::tempdir().expect("a directory");
    let _store = open(dir.path());
    match Store::open(dir.path(), Options::default()) {
        Err(Error::InUse { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("opened twice: {other:?}"),
    }
}
