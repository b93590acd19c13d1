//! Stores of other formats.

use std::path::Path;

use hark_api::EventId;
use hark_store::{Error, EventQuery, Options, Order, Reply, Store};
use redb::{Database, TableDefinition};

use crate::{event, ids, open, pages};

/// Sets a number in the table `meta` of a database.
fn set_meta(path: &Path, name: &str, value: u64) {
    let db = Database::open(path).expect("a database");
    let txn = db.begin_write().expect("begun");
    let meta: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
    let mut table = txn.open_table(meta).expect("a table");
    table.insert(name, value).expect("written");
    drop(table);
    txn.commit().expect("committed");
}

#[test]
fn a_store_of_a_later_format_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    open(dir.path()).close().expect("closed");
    set_meta(&dir.path().join("main.redb"), "format", 99);
    let refused = Store::open(dir.path(), Options::default());
    assert!(
        matches!(refused, Err(Error::Format { found: 99, .. })),
        "{refused:?}"
    );
}

/// Unpacks a store that hark wrote when its format was 1, as a crash left it. It has events 1 to 700,
/// the first 600 of them in blocks; replies to `k0` … `k9`, of 10 bytes each; and the model `model`.
fn format_1(dir: &Path) {
    for (name, packed) in [
        ("main.redb", &include_bytes!("format-1/main.redb.zst")[..]),
        ("hot.redb", &include_bytes!("format-1/hot.redb.zst")[..]),
    ] {
        let bytes = zstd::decode_all(packed).expect("unpacked");
        std::fs::write(dir.join(name), bytes).expect("written");
    }
}

fn is_whole(store: &Store) {
    let query = EventQuery {
        order: Order::Arrival,
        limit: 1000,
        ..EventQuery::default()
    };
    let page = store.events(&query).expect("read");
    let wanted: Vec<_> = (1..=700)
        .map(|id| event(id, id as i64, &format!("event {id}")))
        .collect();
    assert_eq!(page.events, wanted);
    for i in 0..10 {
        let found = store.reply(&format!("k{i}")).expect("read");
        assert_eq!(found.expect("kept").body, vec![i; 10]);
    }
    let model = store.get_checkpoint("model").expect("read");
    assert_eq!(model.as_deref(), Some(&b"learned"[..]));
    assert_eq!(store.status().damaged_blocks, 0);
    assert!(store.check().expect("checked").is_clean());
}

#[test]
fn a_store_of_format_1_is_taken_over_with_all_that_it_has() {
    let dir = tempfile::tempdir().expect("a directory");
    format_1(dir.path());
    let store = open(dir.path());
    is_whole(&store);
    assert!(!dir.path().join("hot.redb").exists());
    assert_eq!(store.next_event_id(), EventId(NEXT));
    store
        .commit(&[event(NEXT, 1, "after that")])
        .expect("committed");
    store.close().expect("closed");
    let store = open(dir.path());
    let all = EventQuery {
        order: Order::Arrival,
        limit: 10_000,
        ..EventQuery::default()
    };
    assert_eq!(pages(&store, all).last(), Some(&NEXT));
}

/// The id after the last that was given in that store.
const NEXT: u64 = 701;

#[test]
fn taking_over_goes_on_where_it_was_cut_off() {
    let dir = tempfile::tempdir().expect("a directory");
    format_1(dir.path());
    let hot = dir.path().join("hot.redb");
    let bytes = std::fs::read(&hot).expect("read");
    open(dir.path()).close().expect("closed");
    // All was taken over, but that was not noted.
    std::fs::write(&hot, &bytes).expect("written");
    set_meta(&dir.path().join("main.redb"), "format", 1);
    let store = open(dir.path());
    is_whole(&store);
    store.close().expect("closed");
    // It was noted, but the file is still there.
    std::fs::write(&hot, &bytes).expect("written");
    let store = open(dir.path());
    is_whole(&store);
    assert_eq!(store.next_event_id(), EventId(NEXT));
    assert!(!hot.exists());
}

/// Leaves nothing of a database but its beginning.
fn spoil(path: &Path) {
    let mut bytes = std::fs::read(path).expect("read");
    bytes[4096..].fill(0xa5);
    std::fs::write(path, bytes).expect("written");
}

#[test]
fn of_a_store_of_format_1_that_lost_a_file_the_other_is_taken_over() {
    let dir = tempfile::tempdir().expect("a directory");
    format_1(dir.path());
    spoil(&dir.path().join("main.redb"));
    let store = open(dir.path());
    assert_eq!(store.status().damaged_blocks, 1);
    let page = store.events(&EventQuery::default()).expect("read");
    assert!(ids(&page.events).iter().all(|id| (601..=700).contains(id)));
    assert_eq!(page.events.len(), 100);
    assert_eq!(store.next_event_id(), EventId(NEXT));
    store.close().expect("closed");

    // And of a backup that was made then, there is only the main file.
    let dir = tempfile::tempdir().expect("a directory");
    format_1(dir.path());
    let backup = dir.path().join("main.redb");
    // As a whole one, not as the crash left it.
    drop(Database::open(&backup).expect("a database"));
    let mut backup = std::fs::File::open(backup).expect("opened");
    let restored = dir.path().join("restored");
    let made = Store::restore(&mut backup, &restored).expect("restored");
    assert_eq!(made.events, 600);
    assert_eq!(open(&restored).next_event_id(), EventId(601));
}

#[test]
fn a_database_of_format_1_that_is_damaged_is_set_aside() {
    let dir = tempfile::tempdir().expect("a directory");
    format_1(dir.path());
    spoil(&dir.path().join("hot.redb"));
    let store = open(dir.path());
    assert_eq!(store.status().damaged_blocks, 1);
    assert_eq!(store.status().events, 600);
    let aside = std::fs::read_dir(dir.path()).expect("read").any(|entry| {
        let name = entry.expect("read").file_name();
        name.to_string_lossy().starts_with("hot.damaged-")
    });
    assert!(aside);
    let reply = Reply {
        key: "new".to_owned(),
        time: hark_api::Timestamp::now(),
        body: vec![1],
    };
    store
        .commit_with(&[event(601, 1, "x")], std::slice::from_ref(&reply))
        .expect("committed");
    assert_eq!(store.reply("new").expect("read"), Some(reply));
}
