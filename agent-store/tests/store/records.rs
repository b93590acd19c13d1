//! Checkpoints, incidents, replies.

use hark_api::{Tier, Timestamp};
use hark_store::{Error, Incident, IncidentId, Options, Reply, Store};

use crate::{event, open};

#[test]
fn replies_are_stored_with_their_events_and_bounded() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options {
        max_replies: 2,
        ..Options::default()
    };
    let store = Store::open(dir.path(), options).expect("the store opens");
    let now = Timestamp::from_nanos(1_000_000_000);
    for i in 1..=3 {
        let time = now.plus_nanos(i);
        let reply = Reply {
            key: format!("k{i}"),
            time,
            body: vec![i as u8],
        };
        store
            .commit_with(&[event(i as u64, 1, "x")], &[reply])
            .expect("committed");
    }
    assert_eq!(
        store.reply("k1").expect("read").map(|reply| reply.body),
        Some(vec![1])
    );
    store.maintain(now).expect("maintained");
    assert_eq!(store.reply("k1").expect("read"), None);
    assert_eq!(
        store.reply("k3").expect("read").map(|reply| reply.body),
        Some(vec![3])
    );
    store.reconfigure(Options {
        max_reply_bytes: 3000,
        ..Options::default()
    });
    for i in 4..=6 {
        let reply = Reply {
            key: format!("k{i}"),
            time: now.plus_nanos(i),
            body: vec![i as u8; 1200],
        };
        store.commit_with(&[], &[reply]).expect("committed");
    }
    store.maintain(now).expect("maintained");
    let kept: Vec<_> = (1..=6)
        .filter(|i| store.reply(&format!("k{i}")).expect("read").is_some())
        .collect();
    assert_eq!(kept, [5, 6], "the newest that fit");
    let long = Reply {
        key: "k".repeat(300),
        time: now,
        body: Vec::new(),
    };
    assert!(matches!(
        store.commit_with(&[], &[long]),
        Err(Error::TooLarge { .. })
    ));
}

#[test]
fn checkpoints_and_incidents_come_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    store.put_checkpoint("model", b"old").expect("kept");
    store.put_checkpoint("model", b"new").expect("kept");
    let incident = |id: u64, open: bool| Incident {
        id: IncidentId(id),
        started: Timestamp::from_nanos(1),
        updated: Timestamp::from_nanos(2),
        open,
        tier: Tier::High,
        body: serde_json::json!({"title": "x"}),
    };
    for (id, open) in [(1, true), (2, false), (3, true)] {
        store.put_incident(&incident(id, open)).expect("kept");
    }
    store.close().expect("closed");
    let store = open(dir.path());
    assert_eq!(
        store.get_checkpoint("model").expect("read").as_deref(),
        Some(&b"new"[..])
    );
    assert_eq!(store.get_checkpoint("none").expect("read"), None);
    assert_eq!(
        store.incident(IncidentId(2)).expect("read"),
        Some(incident(2, false))
    );
    let open = store.incidents(None, true, 10).expect("read");
    assert_eq!(open, [incident(3, true), incident(1, true)]);
    let older = store
        .incidents(Some(IncidentId(3)), false, 1)
        .expect("read");
    assert_eq!(older, [incident(2, false)]);
    // Closed ones go with their age, open ones stay.
    store
        .maintain(Timestamp::from_nanos(i64::MAX))
        .expect("maintained");
    assert_eq!(store.incidents(None, false, 10).expect("read").len(), 2);
}
