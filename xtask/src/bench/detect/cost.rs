//! Time and memory: CPU time of one thread, the lowest of several runs.

use std::time::Duration;

use hark_api::{Event, EventId, Fields, Kind, Level, Source, Timestamp, Verdict};
use hark_detect::series::{Config, Detector};
use hark_detect::{self as detect, Engine};

use super::{Bench, floor, read};
use crate::error::Error;

const RUNS: usize = 3;

pub(super) fn run(bench: &Bench) -> Result<(), Error> {
    println!("Cost, one core");
    let points = 400_000_u64;
    for (name, config) in [
        ("as the agent watches (1, 10, 60 s)", Config::default()),
        ("one level, 8000 points of memory", Config::single(1.0)),
    ] {
        let mut detector = Detector::new(config);
        let mut i = 0;
        let time = fastest(|| {
            for _ in 0..points {
                i += 1;
                detector.push(Timestamp::from_secs_f64(i as f64), floor::random(i));
            }
        });
        let each = time.as_secs_f64() * 1e6 / points as f64;
        println!(
            "  series, {name}: {each:.2} µs a point, {} KiB",
            detector.size() / 1024
        );
    }
    let lines = lines(bench)?;
    let mut engine = Engine::new(detect::Config::default());
    let mut now = 0_i64;
    let time = fastest(|| {
        for line in &lines {
            now += 1_000_000;
            engine.event(&mut event(now, line));
        }
    });
    println!(
        "  log lines, mined and judged: {:.2} million a second, {} templates",
        lines.len() as f64 / time.as_secs_f64() / 1e6,
        engine.learning().templates,
    );
    Ok(())
}

fn fastest(mut work: impl FnMut()) -> Duration {
    (0..RUNS)
        .map(|_| {
            let start = thread_time();
            work();
            thread_time().saturating_sub(start)
        })
        .min()
        .unwrap_or_default()
}

/// CPU time of this thread.
fn thread_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(now).unwrap_or_default()
}

/// Messages of recorded service logs where they are at hand, else made ones.
fn lines(bench: &Bench) -> Result<Vec<String>, Error> {
    let recorded = bench.data.join("ingest/events200k.ndjson.gz");
    if recorded.is_file() {
        let text = read(&recorded)?;
        return Ok(text
            .lines()
            .filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok())
            .filter_map(|v| Some(v.get("message")?.as_str()?.to_owned()))
            .collect());
    }
    Ok((0..200_000_u64)
        .map(|i| {
            let took = (floor::random(i) * 1000.0) as u64;
            match i % 3 {
                0 => format!("GET /api/items/{i} answered 200 in {took} ms"),
                1 => format!("user {took} logged in from 10.0.{}.{}", i % 256, took % 256),
                _ => format!("cache of shard {took} flushed, {i} entries kept"),
            }
        })
        .collect())
}

fn event(nanos: i64, message: &str) -> Event {
    let time = Timestamp::from_nanos(nanos);
    Event {
        id: EventId::default(),
        time,
        received: time,
        source: Source::Log,
        kind: Kind::Log,
        level: Level::Info,
        message: message.to_owned(),
        template: None,
        service: Some("bench".to_owned()),
        host: None,
        process: None,
        fields: Fields::new(),
        trace: None,
        verdict: Verdict::default(),
    }
}
