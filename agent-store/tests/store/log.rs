//! The log of commits: its size, and damage to it.

use std::path::{Path, PathBuf};

use hark_api::EventId;
use hark_store::{EventQuery, Options, Order, Reply, Store};

use crate::{event, ids, open, pages};

/// The files of the log that are in use, by size and name.
fn log_files(dir: &Path) -> Vec<(u64, PathBuf)> {
    std::fs::read_dir(dir.join("log"))
        .expect("read")
        .map(|entry| entry.expect("read"))
        .map(|entry| (entry.metadata().expect("read").len(), entry.path()))
        .filter(|(_, path)| path.extension().is_some_and(|ending| ending == "log"))
        .collect()
}

/// The file that has something, of a store that wrote little.
fn used_file(dir: &Path) -> PathBuf {
    let used = |path: &PathBuf| std::fs::read(path).expect("read")[0] != 0;
    let mut files = log_files(dir).into_iter().map(|(_, path)| path);
    files.find(used).expect("one is used")
}

fn in_order() -> EventQuery {
    EventQuery {
        order: Order::Arrival,
        limit: 10_000,
        ..EventQuery::default()
    }
}

#[test]
fn a_commit_that_is_damaged_among_others_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    for id in 1..=3 {
        let reply = Reply {
            key: format!("k{id}"),
            time: event(id, 1, "").time,
            body: vec![id as u8],
        };
        store
            .commit_with(&[event(id, 1, "hello")], &[reply])
            .expect("committed");
    }
    assert!(store.check().expect("checked").is_clean());
    let file = used_file(dir.path());
    let mut bytes = std::fs::read(&file).expect("read");
    // Each commit has a page here, after that of the header.
    bytes[2 * 4096 + 60] ^= 1;
    std::fs::write(&file, &bytes).expect("written");
    let corrupt = store.check().expect("checked").corrupt;
    assert_eq!(corrupt, ["the log: events 2 to 2 are unreadable"]);
    store.close().expect("closed");

    let store = open(dir.path());
    let status = store.status();
    assert_eq!(status.damaged_blocks, 1);
    let (_, told) = status.last_error.expect("told");
    assert_eq!(told, corrupt[0]);
    assert_eq!(pages(&store, in_order()), [1, 3]);
    assert!(store.reply("k3").expect("read").is_some());
    assert_eq!(store.reply("k2").expect("read"), None);
    assert_eq!(store.next_event_id(), EventId(4));
    assert!(!store.check().expect("checked").is_clean());
    let aside = file.with_extension("").to_string_lossy().into_owned() + ".damaged-";
    let kept = std::fs::read_dir(dir.path().join("log"))
        .expect("read")
        .any(|entry| {
            entry
                .expect("read")
                .path()
                .to_string_lossy()
                .starts_with(&aside)
        });
    assert!(kept, "the damaged file is kept");
    // And it goes on, with what is whole.
    store.commit(&[event(4, 1, "on")]).expect("committed");
    store.close().expect("closed");
    assert_eq!(pages(&open(dir.path()), in_order()), [1, 3, 4]);
}

#[test]
fn a_file_of_the_log_whose_beginning_is_damaged_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    store.commit(&[event(1, 1, "hello")]).expect("committed");
    store.close().expect("closed");
    let file = used_file(dir.path());
    let mut bytes = std::fs::read(&file).expect("read");
    bytes[20] ^= 1;
    std::fs::write(&file, &bytes).expect("written");
    let store = open(dir.path());
    assert_eq!(store.status().damaged_blocks, 1);
    assert_eq!(store.status().events, 0);
    store.commit(&[event(1, 1, "on")]).expect("committed");
}

#[test]
fn the_end_of_a_commit_that_was_being_written_is_passed_over() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    store.commit(&[event(1, 1, "one")]).expect("committed");
    let long = "long ".repeat(2000);
    store.commit(&[event(2, 1, &long)]).expect("committed");
    store.close().expect("closed");
    let file = used_file(dir.path());
    let mut bytes = std::fs::read(&file).expect("read");
    bytes[3 * 4096..].fill(0);
    std::fs::write(&file, &bytes).expect("written");
    let store = open(dir.path());
    assert_eq!(pages(&store, in_order()), [1]);
    assert_eq!(store.status().damaged_blocks, 0);
    assert_eq!(store.next_event_id(), EventId(2));
}

/// Far more than it may have goes through it; also commits of one event, each of which takes a
/// page, and one that is larger than a file.
#[test]
fn the_log_keeps_to_its_size() {
    const MIB: u64 = 1 << 20;
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options {
        hot_bytes: 6 << 20,
        max_age: std::time::Duration::from_secs(100 * 365 * 86_400),
        ..Options::default()
    };
    let store = Store::open(dir.path(), options.clone()).expect("opened");
    let long = "x".repeat(10_000);
    let mut id = 0;
    let mut commit = |count: u64, message: &str| {
        let batch: Vec<_> = (0..count)
            .map(|_| {
                id += 1;
                event(id, id as i64, message)
            })
            .collect();
        store.commit(&batch).expect("committed");
        let size: u64 = log_files(dir.path()).iter().map(|(len, _)| len).sum();
        (size, id)
    };
    for _ in 0..100 {
        assert!(commit(50, &long).0 <= 12 * MIB);
    }
    for _ in 0..4_000 {
        assert!(commit(1, "short").0 <= 12 * MIB);
    }
    let (size, last) = commit(900, &long);
    assert!(size <= 24 * MIB, "{} MiB", size / MIB);
    store.close().expect("closed");
    let store = Store::open(dir.path(), options).expect("opened");
    assert_eq!(store.status().events, last);
    assert_eq!(store.status().damaged_blocks, 0);
    let page = store.events(&EventQuery::default()).expect("read");
    assert_eq!(ids(&page.events)[0], last);
    assert!(store.check().expect("checked").is_clean());
}

#[test]
fn replies_outlive_their_place_in_the_log() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    for id in 1..=50 {
        // The same key again: the last answer counts.
        let reply = Reply {
            key: format!("k{}", id % 20),
            time: event(id, id as i64, "").time,
            body: vec![id as u8],
        };
        store
            .commit_with(&[event(id, id as i64, "x")], &[reply])
            .expect("committed");
        if id % 15 == 0 {
            store.maintain(event(1, 1, "").time).expect("maintained");
        }
    }
    let check = |store: &Store| {
        for key in 0..20u64 {
            let newest = (1..=50).rev().find(|id| id % 20 == key).expect("one");
            let found = store
                .reply(&format!("k{key}"))
                .expect("read")
                .expect("kept");
            assert_eq!(found.body, [newest as u8]);
        }
    };
    check(&store);
    drop(store);
    check(&open(dir.path()));
}
