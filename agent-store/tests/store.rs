//! What a caller sees of the store.

use std::path::Path;
use std::time::Duration;

use hark_api::{
    Event, EventId, Fields, Filter, Kind, Level, SeriesKey, Source, Tier, Timestamp, Verdict,
};
use hark_store::{
    Budget, Error, EventQuery, Incident, IncidentId, Options, Order, Reply, StatsQuery, Step, Store,
};

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

/// Enough events that most are sealed into blocks: their times run back and forth.
fn many(store: &Store, count: u64) -> Vec<Event> {
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
fn pages(store: &Store, mut query: EventQuery) -> Vec<u64> {
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

#[test]
fn searches_over_blocks_find_what_a_plain_scan_does() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let all = many(&store, 30_000);
    for filter in [
        "",
        "level:error",
        "service:s1 level:error",
        "310",
        "\"took 5ms\"",
        "fields.status:203 msg~/ 9[0-9]+ms/",
        "service:s0 -level:info",
        "id>=29990",
        "nowhere",
    ] {
        for order in [Order::Newest, Order::Oldest, Order::Arrival] {
            let query = EventQuery {
                filter: Filter::parse(filter).expect("a filter"),
                from: Some(Timestamp::from_nanos(1_001_000_000_000_000)),
                to: Some(Timestamp::from_nanos(1_007_000_000_000_000)),
                order,
                limit: 700,
                ..EventQuery::default()
            };
            let mut wanted: Vec<_> = all
                .iter()
                .filter(|event| query.from.is_none_or(|from| event.time >= from))
                .filter(|event| query.to.is_none_or(|to| event.time < to))
                .filter(|event| query.filter.matches(*event))
                .collect();
            match order {
                Order::Newest => wanted.sort_by_key(|e| std::cmp::Reverse((e.time, e.id))),
                Order::Oldest => wanted.sort_by_key(|e| (e.time, e.id)),
                Order::Arrival => wanted.sort_by_key(|e| e.id),
            }
            let wanted: Vec<_> = wanted.into_iter().map(|event| event.id.0).collect();
            assert_eq!(pages(&store, query), wanted, "{filter} {order:?}");
        }
    }
    for id in [1, 2, 500, 15_000, 30_000] {
        let event = store.event(EventId(id)).expect("read");
        assert_eq!(event.as_ref(), all.get(id as usize - 1));
    }
    assert_eq!(store.event(EventId(30_001)).expect("read"), None);
}

#[test]
fn a_query_without_time_brings_its_reader_on_all_the_same() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let all = many(&store, 20_000);
    let budget = Budget {
        time: Duration::ZERO,
        ..Budget::default()
    };
    for order in [Order::Newest, Order::Oldest, Order::Arrival] {
        let query = EventQuery {
            order,
            budget,
            limit: 10_000,
            ..EventQuery::default()
        };
        let mut seen = pages(&store, query);
        seen.sort_unstable();
        assert_eq!(seen, ids(&all), "{order:?}");
    }
}

#[test]
fn a_page_keeps_to_its_bytes_and_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    many(&store, 2_000);
    let budget = Budget {
        bytes: 10_000,
        ..Budget::default()
    };
    let query = EventQuery {
        budget,
        limit: 1_000,
        ..EventQuery::default()
    };
    let page = store.events(&query).expect("read");
    assert!(!page.complete && page.next.is_some());
    assert!(
        (1..100).contains(&page.events.len()),
        "{} events",
        page.events.len()
    );
    assert_eq!(pages(&store, query).len(), 2_000);
}

#[test]
fn counts_are_those_of_a_plain_count() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let all = many(&store, 20_000);
    let query = StatsQuery {
        filter: Filter::parse("-fields.status:200").expect("a filter"),
        bucket: Some(Duration::from_secs(60)),
        facets: vec![
            "service".to_owned(),
            "tier".to_owned(),
            "fields.absent".to_owned(),
        ],
        top: 2,
        ..StatsQuery::default()
    };
    let stats = store.stats(&query).expect("counted");
    let passing: Vec<_> = all
        .iter()
        .filter(|event| query.filter.matches(*event))
        .collect();
    assert!(stats.complete);
    assert_eq!(stats.total, passing.len() as u64);
    assert_eq!(
        stats
            .buckets
            .iter()
            .map(|bucket| bucket.tiers[0])
            .sum::<u64>(),
        stats.total
    );
    for bucket in &stats.buckets {
        let inside = |event: &&&Event| {
            let since = event.time.as_nanos() - bucket.time.as_nanos();
            (0..60_000_000_000).contains(&since)
        };
        assert_eq!(
            bucket.tiers[0],
            passing.iter().filter(inside).count() as u64
        );
    }
    let services = &stats.facets[0];
    assert_eq!(services.values.len(), 2);
    assert_eq!(
        services.values.iter().map(|v| v.count).sum::<u64>() + services.other,
        stats.total
    );
    assert_eq!(stats.facets[1].values[0].count, stats.total);
    assert_eq!(stats.facets[2].missing, stats.total);
    let all_of = store.stats(&StatsQuery::default()).expect("counted");
    assert_eq!(all_of.total, 20_000);
    let unknown = StatsQuery {
        facets: vec!["colour".to_owned()],
        ..StatsQuery::default()
    };
    assert!(matches!(store.stats(&unknown), Err(Error::UnknownField(name)) if name == "colour"));
}

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

#[test]
fn series_come_back_at_every_step_after_opening_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let (cpu, mem) = (
        SeriesKey::new("cpu"),
        SeriesKey::with_labels("mem", &[("a", "b")]),
    );
    let at = |secs: i64| Timestamp::from_nanos(secs * 1_000_000_000);
    let start = 1_800_000_000;
    let append = |store: &Store, secs: std::ops::Range<i64>| {
        for i in secs {
            let mut samples = vec![(cpu.clone(), (i % 60) as f64)];
            if i % 2 == 0 {
                samples.push((mem.clone(), 0.1));
            }
            store
                .append_samples(at(start + i), &samples)
                .expect("appended");
        }
    };
    append(&store, 0..1000);
    store.close().expect("closed");
    let store = open(dir.path());
    append(&store, 1000..3000);

    let read = |key, from, to, step| store.samples(key, at(from), at(to), step).expect("read");
    let seconds = read(&cpu, start + 990, start + 1010, Step::Second);
    let wanted: Vec<_> = (990..1010).map(|i| f64::from(i % 60)).collect();
    assert_eq!(
        seconds.iter().map(|point| point.mean).collect::<Vec<_>>(),
        wanted
    );
    assert_eq!(read(&mem, start, start + 3000, Step::Second).len(), 1500);
    let minutes = read(&cpu, start, start + 2940, Step::Minute);
    assert_eq!(minutes.len(), 49);
    for (i, point) in minutes.iter().enumerate() {
        assert_eq!(point.time, at(start + i as i64 * 60));
        assert_eq!(
            (point.mean, point.min, point.max),
            (29.5, 0.0, 59.0),
            "minute {i}"
        );
    }
    let tens = read(&cpu, start, start + 2990, Step::TenSeconds);
    assert_eq!(tens.len(), 299);
    assert_eq!((tens[7].mean, tens[7].min, tens[7].max), (14.5, 10.0, 19.0));
    let names: Vec<_> = store
        .series()
        .expect("read")
        .into_iter()
        .map(|info| info.key)
        .collect();
    assert_eq!(names, [cpu, mem]);
}

#[test]
fn a_clock_that_steps_back_loses_no_samples() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let key = SeriesKey::new("x");
    let at = |secs: i64| Timestamp::from_nanos(secs * 1_000_000_000);
    for secs in (5_000..5_100).chain(1_000..1_100).chain(900_000..900_100) {
        store
            .append_samples(at(secs), &[(key.clone(), 1.0)])
            .expect("appended");
    }
    for (from, to) in [(5_000, 5_100), (1_000, 1_100), (900_000, 900_100)] {
        for (step, wanted) in [(Step::Second, 100), (Step::TenSeconds, 9)] {
            let points = store.samples(&key, at(from), at(to), step).expect("read");
            assert!(points.len() >= wanted, "{from} {step:?}: {}", points.len());
        }
    }
}

#[test]
fn more_series_than_the_bound_are_counted_not_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options {
        max_series: 2,
        ..Options::default()
    };
    let store = Store::open(dir.path(), options).expect("the store opens");
    let samples: Vec<_> = (0..5)
        .map(|i| (SeriesKey::new(&format!("s{i}")), 1.0))
        .collect();
    store
        .append_samples(Timestamp::from_nanos(0), &samples)
        .expect("appended");
    assert_eq!(store.series().expect("read").len(), 2);
    assert_eq!(store.lost_samples(), 3);
}

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

    let other = open(&dir.path().join("b"));
    other.commit(&[event(1, 1, "first")]).expect("committed");
    let imported = other.import(&mut lines.as_slice()).expect("imported");
    assert_eq!((imported.stored, imported.refused), (1_000, 2));
    assert_eq!(imported.reasons[0].0, 1_002);
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

#[test]
fn a_store_of_a_later_format_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    open(dir.path()).close().expect("closed");
    {
        let db = redb::Database::open(dir.path().join("main.redb")).expect("a database");
        let txn = db.begin_write().expect("begun");
        let meta: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("meta");
        txn.open_table(meta)
            .expect("a table")
            .insert("format", 99)
            .expect("written");
        txn.commit().expect("committed");
    }
    let refused = Store::open(dir.path(), Options::default());
    assert!(
        matches!(refused, Err(Error::Format { found: 99, .. })),
        "{refused:?}"
    );
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
