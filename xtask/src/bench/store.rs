//! The store alone, without HTTP or detection: what a commit costs, what an event takes on disk,
//! how fast searches are, how soon it is ready after a restart.

use std::time::{Duration, Instant};

use hark_api::{Event, EventId, Filter, Timestamp};
use hark_store::{Budget, EventQuery, Options, Order, StatsQuery, Store};
use rustix::time::{ClockId, clock_gettime};

use crate::bench::{ingest, samples};
use crate::error::Error;
use crate::run::root;

/// The store: commits, scans, size
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Events to store
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Events a commit
    #[arg(long, default_value_t = 1000)]
    batch: usize,
    /// Events to store copies of, as gzipped NDJSON; without, those of the ingest benchmark
    #[arg(long)]
    samples: Option<std::path::PathBuf>,
    /// Where to store them; a new directory below it is used
    #[arg(long, default_value = "target")]
    dir: std::path::PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    measure(args).map_err(Error::Check)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn measure(args: &Args) -> Result<(), String> {
    let lines = match &args.samples {
        Some(path) => unpacked(path)?,
        None => ingest::events(&root())?,
    };
    let samples = samples::parse(&lines)?;
    std::fs::create_dir_all(&args.dir).map_err(text)?;
    let dir = tempfile::Builder::new()
        .prefix("store-")
        .tempdir_in(&args.dir)
        .map_err(text)?;
    let options = Options {
        max_bytes: 64 << 30,
        max_age: YEARS,
        ..Options::default()
    };
    let store = Store::open(dir.path(), options.clone()).map_err(text)?;
    println!("{:<58} {:>14} {:>14}", "", "wall", "CPU an event");

    fill(&store, &samples, args)?;
    let status = store.status();
    row(
        "on disk",
        &format!(
            "{:.1} B an event",
            status.bytes as f64 / status.events as f64
        ),
        "",
    );
    one_a_commit(&store, &samples)?;
    searches(&store, args.events)?;
    let started = Instant::now();
    store.close().map_err(text)?;
    row("close", &millis(started.elapsed()), "");
    let started = Instant::now();
    let store = Store::open(dir.path(), options).map_err(text)?;
    row("open after a clean stop", &millis(started.elapsed()), "");
    store.close().map_err(text)?;
    Ok(())
}

fn unpacked(path: &std::path::Path) -> Result<Vec<String>, String> {
    let out = std::process::Command::new("gzip")
        .arg("-dc")
        .arg(path)
        .output()
        .map_err(text)?;
    let all = String::from_utf8(out.stdout).map_err(text)?;
    if all.is_empty() {
        return Err(format!("{}: no events", path.display()));
    }
    Ok(all.lines().map(str::to_owned).collect())
}

/// So that retention removes nothing.
const YEARS: Duration = Duration::from_secs(100 * 365 * 86_400);

fn row(what: &str, wall: &str, cpu: &str) {
    println!("{what:<58} {wall:>14} {cpu:>14}");
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// CPU time of this process.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        time.tv_nsec.unsigned_abs() as u32,
    )
}

/// Numbers copies of samples and gives them times of their own.
fn next(samples: &[Event], store: &Store, count: usize, out: &mut Vec<Event>) {
    let first = store.next_event_id().0;
    let time = Timestamp::now();
    out.clear();
    for id in first..first + count as u64 {
        let mut event = samples[(id % samples.len() as u64) as usize].clone();
        event.id = EventId(id);
        event.time = time;
        event.received = time;
        out.push(event);
    }
}

fn fill(store: &Store, samples: &[Event], args: &Args) -> Result<(), String> {
    let mut batch = Vec::new();
    let (mut wall, mut busy) = (Duration::ZERO, Duration::ZERO);
    let mut left = args.events;
    while left > 0 {
        let count = (args.batch as u64).min(left) as usize;
        // Cloning the samples is the bench's own cost; the sealer's, meanwhile, is the store's.
        let before = rustix::time::clock_gettime(ClockId::ThreadCPUTime);
        next(samples, store, count, &mut batch);
        let after = rustix::time::clock_gettime(ClockId::ThreadCPUTime);
        let own = (after.tv_sec - before.tv_sec) * 1_000_000_000 + after.tv_nsec - before.tv_nsec;
        busy += Duration::from_nanos(own.unsigned_abs());
        let started = Instant::now();
        store.commit(&batch).map_err(text)?;
        wall += started.elapsed();
        left -= count as u64;
    }
    store.maintain(Timestamp::now()).map_err(text)?;
    let spent = cpu().saturating_sub(busy);
    row(
        &format!(
            "{} events, {} a commit, sealed beside",
            args.events, args.batch
        ),
        &format!("{:.0} k/s", args.events as f64 / wall.as_secs_f64() / 1e3),
        &format!("{:.2} µs", spent.as_secs_f64() * 1e6 / args.events as f64),
    );
    Ok(())
}

fn one_a_commit(store: &Store, samples: &[Event]) -> Result<(), String> {
    const COUNT: u32 = 2000;
    let mut batch = Vec::new();
    let (started, before) = (Instant::now(), cpu());
    for _ in 0..COUNT {
        next(samples, store, 1, &mut batch);
        store.commit(&batch).map_err(text)?;
    }
    row(
        "one event a commit, one writer",
        &format!(
            "{:.1} k/s",
            f64::from(COUNT) / started.elapsed().as_secs_f64() / 1e3
        ),
        &format!(
            "{:.2} µs",
            (cpu().saturating_sub(before) / COUNT).as_secs_f64() * 1e6
        ),
    );
    Ok(())
}

fn searches(store: &Store, events: u64) -> Result<(), String> {
    let budget = Budget {
        time: Duration::from_secs(600),
        ..Budget::default()
    };
    let newest = EventQuery {
        budget,
        ..EventQuery::default()
    };
    best_of("the newest 100", 5, || {
        store.events(&newest).map(|page| page.events.len())
    })?;
    let oldest = EventQuery {
        order: Order::Oldest,
        ..newest.clone()
    };
    best_of("the oldest 100", 5, || {
        store.events(&oldest).map(|page| page.events.len())
    })?;
    let ids: Vec<u64> = (0..50).map(|i| 1 + events / 50 * i).collect();
    best_of("one event by its id, mean of 50", 3, || {
        ids.iter().try_fold(0, |found, id| {
            Ok(found + usize::from(store.event(EventId(*id))?.is_some()))
        })
    })?;
    for (what, filter) in [
        (
            "a word that is in one event of the samples, over all",
            "851f977347ed6db7",
        ),
        (
            "a service and a word, over all",
            "service:auth 851f977347ed6db7",
        ),
        ("a word that is nowhere, over all", "nowheretobefound"),
        ("a level that is nowhere, over all", "level:fatal"),
        (
            "a regular expression that is nowhere, over all",
            "msg~/zebra.*crossing/",
        ),
        (
            "another, with alternatives",
            "msg~/(error|fail(ed|ure)) code=[0-9]{9}/",
        ),
    ] {
        let filter = Filter::parse(filter).map_err(text)?;
        let query = EventQuery {
            filter,
            limit: 1000,
            ..newest.clone()
        };
        best_of(what, 3, || {
            store.events(&query).map(|page| page.events.len())
        })?;
    }
    let stats = StatsQuery {
        bucket: Some(Duration::from_secs(1)),
        top: 10,
        budget,
        ..StatsQuery::default()
    };
    best_of("counts by second and tier, over all", 3, || {
        store.stats(&stats).map(|stats| stats.total as usize)
    })?;
    let facets = StatsQuery {
        facets: vec!["service".to_owned(), "level".to_owned()],
        ..stats
    };
    best_of("counts by service and level, over all", 3, || {
        store.stats(&facets).map(|stats| stats.total as usize)
    })?;
    Ok(())
}

fn best_of(
    what: &str,
    runs: usize,
    mut search: impl FnMut() -> Result<usize, hark_store::Error>,
) -> Result<(), String> {
    let mut best = Duration::MAX;
    let mut found = 0;
    for _ in 0..runs {
        let started = Instant::now();
        found = search().map_err(text)?;
        best = best.min(started.elapsed());
    }
    row(&format!("{what}: {found} found"), &millis(best), "");
    Ok(())
}
