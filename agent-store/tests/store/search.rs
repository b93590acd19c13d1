//! Pages, searches and counts.

use std::time::Duration;

use hark_api::{Event, EventId, Filter, Timestamp};
use hark_store::{Budget, Error, EventQuery, Order, StatsQuery};

use crate::{event, ids, many, open, pages};

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
