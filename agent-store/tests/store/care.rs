//! Backups, exports and checks.

use hark_api::{Event, EventId, Filter};
use hark_store::{Error, EventQuery, Order, Store};

use crate::{event, ids, many, open, pages};

#[test]
fn a_backup_made_while_open_restores_to_the_same_store() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(&dir.path().join("store"));
    let all = many(&store, 12_000);
    store.put_checkpoint("model", b"learned").expect("kept");
    let file = dir.path().join("backup.redb");
    store.backup(&file).expect("backed up");
    assert!(
        store.backup(&file).is_err(),
        "an existing file is not overwritten"
    );
    store
        .commit(&[event(12_001, 1, "after the backup")])
        .expect("committed");

    let restored = dir.path().join("restored");
    let mut backup = std::fs::File::open(&file).expect("opened");
    let made = Store::restore(&mut backup, &restored).expect("restored");
    assert_eq!((made.events, made.replaced), (12_000, None));
    let copy = open(&restored);
    assert!(
        matches!(
            Store::restore(&mut backup, &restored),
            Err(Error::InUse { .. })
        ),
        "an open store is not replaced"
    );
    let query = EventQuery {
        order: Order::Arrival,
        limit: 10_000,
        ..EventQuery::default()
    };
    assert_eq!(pages(&copy, query), ids(&all));
    assert_eq!(
        copy.event(EventId(11_999)).expect("read").as_ref(),
        all.get(11_998)
    );
    assert_eq!(copy.next_event_id(), EventId(12_001));
    assert_eq!(
        copy.get_checkpoint("model").expect("read").as_deref(),
        Some(&b"learned"[..])
    );
    assert!(copy.check().expect("checked").is_clean());

    // What was there is kept, and is a store still.
    copy.commit(&[event(12_001, 1, "of the restored")])
        .expect("committed");
    copy.close().expect("closed");
    let mut unnamed = store.backup_unnamed().expect("backed up");
    let made = Store::restore(&mut unnamed, &restored).expect("restored");
    assert_eq!(made.events, 12_001);
    let message = |dir: &std::path::Path| {
        let event = open(dir).event(EventId(12_001)).expect("read");
        event.expect("there").message
    };
    assert_eq!(message(&restored), "after the backup");
    let replaced = made.replaced.expect("kept");
    assert_eq!(message(&replaced), "of the restored");

    // What is no whole backup changes nothing.
    let text = dir.path().join("text");
    std::fs::write(&text, "no database").expect("written");
    let bytes = std::fs::read(&file).expect("read");
    let cut = dir.path().join("cut");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).expect("written");
    for wrong in [&text, &cut] {
        let mut wrong = std::fs::File::open(wrong).expect("opened");
        assert!(Store::restore(&mut wrong, &restored).is_err());
        assert_eq!(message(&restored), "after the backup");
    }
}

#[test]
fn what_is_exported_is_imported_and_bad_lines_are_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(&dir.path().join("a"));
    let all = many(&store, 3_000);
    let mut lines = Vec::new();
    let query = EventQuery {
        filter: Filter::parse("service:s1").expect("a filter"),
        ..EventQuery::default()
    };
    let exported = store.export(&query, &mut lines).expect("exported");
    assert_eq!(exported, 1_000);
    lines.extend_from_slice(b"\n{\"message\":\n\xff\n");
    // What only a later version knows is not stored as something else.
    let later = serde_json::to_string(&event(9, 9, "later")).expect("JSON");
    let later = later.replace("\"kind\":\"log\"", "\"kind\":\"quota_exceeded\"");
    lines.extend_from_slice(later.as_bytes());

    let other = open(&dir.path().join("b"));
    other.commit(&[event(1, 1, "first")]).expect("committed");
    let imported = other.import(&mut lines.as_slice()).expect("imported");
    assert_eq!((imported.stored, imported.refused), (1_000, 3));
    assert_eq!(imported.reasons[0].0, 1_002);
    let why = &imported.reasons[2].1;
    assert!(why.contains("`quota_exceeded` is not a kind"), "{why}");
    let copy = other.event(EventId(2)).expect("read").expect("there");
    let original = all
        .iter()
        .find(|event| event.service.as_deref() == Some("s1"))
        .expect("one");
    assert_eq!(
        copy,
        Event {
            id: EventId(2),
            ..original.clone()
        }
    );
}

#[test]
fn check_reads_everything_and_finds_it_whole() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    many(&store, 12_000);
    let check = store.check().expect("checked");
    assert!(check.is_clean());
    assert_eq!(check.events, 12_000);
    assert!(check.blocks > 0);
}
