//! `cargo xtask bench query`: how soon the agent answers searches and counts over HTTP with many
//! events stored, and how soon it is ready after a restart.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use hark_api::{Event, EventId, Timestamp};
use hark_store::{Options, Store};

use super::ingest;
use super::ingest::server;
use super::ingest::usage::disk_below;
use super::{load, samples};
use crate::error::Error;
use crate::run as command;

/// Options of `bench query`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Events to store, spread over a day.
    #[arg(long, default_value_t = 10_000_000)]
    events: u64,
    /// How often each search is repeated; the median is shown.
    #[arg(long, default_value_t = 5)]
    runs: usize,
}

/// Events of one commit while filling.
const BATCH: u64 = 10_000;
/// How much time the events span.
const SPAN: Duration = Duration::from_secs(86_400);

/// Runs the bench and prints its table.
///
/// # Errors
/// The agent cannot be built or started, or an answer is not what it should be.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    measure(&command::root(), args).map_err(Error::Check)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn measure(root: &Path, args: &Args) -> Result<(), String> {
    let agent = server::build_agent(root)?;
    let lines = ingest::events(root)?;
    let samples = samples::parse(&lines)?;
    let data = server::scratch("query")?;
    let result = measure_in(&agent, &data, &samples, args);
    let _ = std::fs::remove_dir_all(&data);
    result
}

fn measure_in(agent: &Path, data: &Path, samples: &[Event], args: &Args) -> Result<(), String> {
    let started = Instant::now();
    let newest = Timestamp::now();
    fill(data, samples, args.events, newest)?;
    println!(
        "{} events stored in {:.0} s, {:.1} bytes on disk each",
        args.events,
        started.elapsed().as_secs_f64(),
        disk_below(data) as f64 / args.events as f64
    );
    println!();
    println!("| what | found | median ms | least – most ms | events/s |");
    println!("|---|---|---|---|---|");
    let address = server::free_address()?;
    // Reading over TCP takes a token.
    let socket = data.join("agent.sock");
    let mut running = server::ready(
        server::spawn_agent(agent, data.to_owned(), address)?,
        Some("/readyz"),
    )?;
    let from = newest.plus_nanos(-(SPAN.as_nanos() as i64));
    let word = rare_word(samples)?;
    let page = |limit: u32, q: &str| format!("/events?limit={limit}&q={}", escaped(q));
    let stats = |more: &str| {
        format!(
            "/events/stats?from={}&{more}",
            from.as_nanos() / 1_000_000_000
        )
    };
    let searches = [
        ("the newest 100".to_owned(), "/events?limit=100".to_owned()),
        (
            format!("a word in one event of {}, over all", samples.len()),
            page(1000, &word),
        ),
        (
            "a service, a level and that word, over all".to_owned(),
            page(1000, &format!("service:auth level:info {word}")),
        ),
        (
            "a word that is nowhere, over all".to_owned(),
            page(100, "nowheretobefound"),
        ),
        (
            "a regular expression with a literal, nowhere".to_owned(),
            page(100, "msg~/zebra.*crossing/"),
        ),
        (
            "a regular expression without one, nowhere".to_owned(),
            page(100, "msg~/[a-z]+[0-9]{4} (rows|hits) in [0-9]+h/"),
        ),
        (
            "counts of what a regular expression finds".to_owned(),
            stats(&format!(
                "q={}",
                escaped("msg~/rows=[0-9]{3} .*LIMIT [0-9]+$/")
            )),
        ),
        (
            "counts by minute and tier, over all".to_owned(),
            stats("bucket=60"),
        ),
        (
            "counts by service and level, over all".to_owned(),
            stats("facets=service,level"),
        ),
        (
            "counts by minute of one service".to_owned(),
            stats("bucket=60&q=service:auth"),
        ),
    ];
    for (what, path) in &searches {
        let row = repeat(args.runs, || search(&socket, path))?;
        print(what, &row, Some(args.events));
    }
    for (what, signal) in [
        ("ready after a stop", "-TERM"),
        ("ready after kill -9", "-KILL"),
    ] {
        let row = repeat(args.runs, || {
            running.end(signal)?;
            let started = Instant::now();
            running = server::spawn_agent(agent, data.to_owned(), address)?;
            while !load::get(address, "/readyz").is_ok_and(|(status, _)| status == 200) {
                if started.elapsed() > Duration::from_secs(60) {
                    return Err("the agent is not ready within a minute".to_owned());
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok((0, started.elapsed()))
        })?;
        print(what, &row, None);
    }
    drop(running);
    Ok(())
}

/// Stores copies of the samples, their times evenly spread up to `newest`.
fn fill(data: &Path, samples: &[Event], count: u64, newest: Timestamp) -> Result<(), String> {
    let store = Store::open(data, Options::default()).map_err(text)?;
    let step = SPAN.as_nanos() as i64 / count.max(1) as i64;
    let mut batch = Vec::new();
    let mut done = 0;
    while done < count {
        let end = (done + BATCH).min(count);
        batch.clear();
        batch.extend((done..end).map(|n| {
            let mut event = samples[(n % samples.len() as u64) as usize].clone();
            event.id = EventId(n + 1);
            event.time = newest.plus_nanos(-step * (count - n) as i64);
            event.received = event.time;
            event
        }));
        store.commit(&batch).map_err(text)?;
        done = end;
    }
    store.maintain(Timestamp::now()).map_err(text)?;
    store.close().map_err(text)
}

/// The longest word of letters and digits of a line: identifiers are in that line only.
fn rare_word(samples: &[Event]) -> Result<String, String> {
    samples
        .iter()
        .filter(|event| {
            event.service.as_deref() == Some("auth") && event.level.to_string() == "info"
        })
        .flat_map(|event| event.message.split(|c: char| !c.is_ascii_alphanumeric()))
        .find(|word| word.len() == 16 && word.bytes().any(|b| b.is_ascii_digit()))
        .map(str::to_owned)
        .ok_or_else(|| "no sample has an identifier".to_owned())
}

/// How many events were found in what time; what is on the page, or all that were counted.
fn search(socket: &Path, path: &str) -> Result<(u64, Duration), String> {
    let started = Instant::now();
    let (status, body) = UnixStream::connect(socket)
        .and_then(|stream| load::get_on(stream, path))
        .map_err(|error| format!("{path}: {error}"))?;
    let elapsed = started.elapsed();
    let answer: serde_json::Value = serde_json::from_str(&body).map_err(text)?;
    if status != 200 || answer["complete"] != true {
        return Err(format!("{path}: {status}, not complete: {answer:.300}"));
    }
    let found = answer["total"].as_u64().or_else(|| {
        answer["events"]
            .as_array()
            .map(|events| events.len() as u64)
    });
    Ok((found.unwrap_or(0), elapsed))
}

/// What was found, and how long it took each time, ascending.
fn repeat(
    runs: usize,
    mut run: impl FnMut() -> Result<(u64, Duration), String>,
) -> Result<(u64, Vec<Duration>), String> {
    let mut times = Vec::new();
    let mut found = 0;
    for _ in 0..runs.max(1) {
        let (events, time) = run()?;
        found = events;
        times.push(time);
    }
    times.sort_unstable();
    Ok((found, times))
}

fn print(what: &str, (found, times): &(u64, Vec<Duration>), events: Option<u64>) {
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let median = times[times.len() / 2];
    let rate = events.map_or(String::new(), |events| {
        format!("{:.1} M", events as f64 / median.as_secs_f64() / 1e6)
    });
    println!(
        "| {what} | {found} | {:.1} | {:.1} – {:.1} | {rate} |",
        millis(median),
        millis(times[0]),
        millis(times[times.len() - 1])
    );
}

fn escaped(q: &str) -> String {
    q.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
