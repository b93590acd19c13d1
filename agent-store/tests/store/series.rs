//! Series at their steps.

use hark_api::{SeriesKey, Timestamp};
use hark_store::{Options, Step, Store};

use crate::open;

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
