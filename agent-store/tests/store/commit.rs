//! Commits, and what is there after opening again.

use hark_api::EventId;
use hark_store::{Error, EventQuery, Options, Store};

use crate::{event, open};

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
fn a_second_opener_is_refused_with_the_pid_of_the_first() {
    let dir = tempfile::tempdir().expect("a directory");
    let _store = open(dir.path());
    match Store::open(dir.path(), Options::default()) {
        Err(Error::InUse { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("opened twice: {other:?}"),
    }
}

#[test]
fn a_closed_store_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let other = store.clone();
    store.close().expect("closed");
    assert!(matches!(
        other.commit(&[event(1, 1, "x")]),
        Err(Error::Closed)
    ));
    assert!(matches!(other.put_checkpoint("x", b""), Err(Error::Closed)));
}
