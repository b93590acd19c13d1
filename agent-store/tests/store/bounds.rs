//! What goes, and when.

use std::time::Duration;

use hark_api::{EventId, Timestamp};
use hark_store::{EventQuery, Options, Store};

use crate::{event, many, open};

#[test]
fn events_past_their_age_go_and_their_ids_do_not_come_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    many(&store, 20_000);
    let year = Timestamp::from_nanos(31_536_000 * 1_000_000_000);
    let done = store.maintain(year).expect("maintained");
    assert_eq!(done.expired, 20_000);
    assert_eq!(store.status().events, 0);
    assert_eq!(store.next_event_id(), EventId(20_001));
    store.close().expect("closed");
    let store = open(dir.path());
    assert_eq!(store.status().events, 0);
    assert_eq!(store.next_event_id(), EventId(20_001));
}

/// Far more than fits is written, at the least size: the files keep to it, the newest events stay.
#[test]
fn the_files_keep_to_their_size() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options {
        max_bytes: 64 << 20,
        max_age: YEARS,
        ..Options::default()
    };
    let store = Store::open(dir.path(), options).expect("opened");
    // Text that no coding makes less of than half.
    let mut state = 1u64;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state >> 32
    };
    let digit = |n| char::from_digit(n as u32 % 16, 16);
    let pool: String = (0..1 << 19).filter_map(|_| digit(random())).collect();
    let mut largest = 0;
    let mut id = 0;
    while id < 90_000 {
        let batch: Vec<_> = (0..500)
            .map(|_| {
                id += 1;
                let at = random() as usize % (pool.len() - 2048);
                event(id, id as i64, &pool[at..at + 2048])
            })
            .collect();
        store.commit(&batch).expect("committed");
        if id % 5_000 == 0 {
            store
                .maintain(Timestamp::from_nanos(0))
                .expect("maintained");
            largest = largest.max(store.status().bytes);
        }
    }
    let status = store.status();
    assert!(largest <= 64 << 20, "{} MiB", largest >> 20);
    assert!(
        status.events < 80_000 && status.events > 25_000,
        "{} events",
        status.events
    );
    assert_eq!(status.newest, Some(EventId(90_000)));
    let page = store.events(&EventQuery::default()).expect("read");
    assert_eq!(page.events[0].id, EventId(90_000));
}

const YEARS: Duration = Duration::from_secs(100 * 365 * 86_400);
