//! Summaries of blocks as earlier versions wrote them.

use hark_api::{EventId, Filter, Kind, Timestamp};
use hark_store::{EventQuery, Order};
use redb::{ReadableDatabase as _, ReadableTable as _, TableDefinition};
use xxhash_rust::xxh3::xxh3_64;

use crate::{event, ids, many, open, pages};

const HEADS: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("heads");

/// Makes all heads those of form 1: they had another number, and were the same where no kind was beyond
/// the 32nd.
fn make_form_1(main: &std::path::Path) {
    let db = redb::Database::open(main).expect("a database");
    let heads: Vec<(u64, Vec<u8>)> = {
        let txn = db.begin_read().expect("begun");
        let heads = txn.open_table(HEADS).expect("heads");
        let entries = heads.iter().expect("read");
        entries
            .map(|entry| {
                let (id, head) = entry.expect("a head");
                (id.value(), head.value().to_vec())
            })
            .collect()
    };
    assert!(!heads.is_empty(), "nothing was sealed");
    let txn = db.begin_write().expect("begun");
    {
        let mut table = txn.open_table(HEADS).expect("heads");
        for (id, mut head) in heads {
            let body = head.len() - 8;
            assert_eq!(head[0], 2);
            head[0] = 1;
            let sum = xxh3_64(&head[..body]);
            head[body..].copy_from_slice(&sum.to_le_bytes());
            table.insert(id, head.as_slice()).expect("written");
        }
    }
    txn.commit().expect("committed");
}

#[test]
fn blocks_with_heads_of_32_kinds_are_read_searched_and_written_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let all = many(&store, 12_000);
    store.close().expect("closed");
    make_form_1(&dir.path().join("main.redb"));

    let store = open(dir.path());
    let of = |filter: &str| EventQuery {
        filter: Filter::parse_at(filter, Timestamp::from_nanos(0)).expect("a filter"),
        order: Order::Arrival,
        limit: 10_000,
        ..EventQuery::default()
    };
    assert_eq!(pages(&store, of("kind:log")), ids(&all));
    assert!(pages(&store, of("kind:udp_drop")).is_empty());
    assert!(store.check().expect("checked").is_clean());

    let mut late = event(12_001, 1, "of a kind that form 1 did not have");
    late.kind = *Kind::ALL.last().expect("a kind");
    assert!(late.kind.number() >= 32);
    store.commit(&[late.clone()]).expect("committed");
    let of_late = format!("kind:{}", late.kind);
    assert_eq!(pages(&store, of(&of_late)), [12_001]);
    store.close().expect("closed");
    let store = open(dir.path());
    assert_eq!(
        store.event(EventId(12_001)).expect("read").as_ref(),
        Some(&late)
    );
}
