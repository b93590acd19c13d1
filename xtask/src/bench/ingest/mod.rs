//! `cargo xtask bench ingest`: the agent's ingest beside its peers, in one run.

mod events;
mod flask;
mod rsyslog;
pub(crate) mod server;
pub(crate) mod usage;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::load::{self, Load, Outcome};
use crate::error::Error;
use crate::run as command;
pub(crate) use events::events;
use events::mean_length;
use server::{Server, build_agent, start_agent};

/// Options of `bench ingest`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often each measurement is repeated; the median is shown.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Seconds of load in each measurement.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Measure these only; all where absent.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<What>,
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// hark: batches of 1000 events on 4 connections, at full and at half load.
    Batches,
    /// hark: one event a request on 1 connection, at full and at half load.
    #[value(name = "singles-1")]
    Singles1,
    /// The same on 16 connections.
    #[value(name = "singles-16")]
    Singles16,
    /// The same on 64 connections.
    #[value(name = "singles-64")]
    Singles64,
    /// Flask + `SQLite` + scikit-learn: one event a request on 16 connections.
    Flask,
    /// rsyslog: lines on one TCP connection to a file.
    Rsyslog,
}

impl Args {
    fn wants(&self, what: What) -> bool {
        self.only.is_empty() || self.only.contains(&what)
    }
}

/// One way to load hark.
struct Plan<'a> {
    what: What,
    name: &'static str,
    requests: &'a [Vec<u8>],
    /// Events of each request.
    events: usize,
    connections: usize,
}

/// One row of the table.
struct Row {
    what: String,
    per_second: f64,
    cpu_micros: f64,
    p50: Duration,
    p99: Duration,
    refused: u64,
    disk: f64,
    rss: u64,
}

/// Runs the bench and prints its table.
///
/// # Errors
/// The agent cannot be built or started, or the load fails.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    measure_all(&command::root(), args).map_err(Error::Check)
}

fn measure_all(root: &Path, args: &Args) -> Result<(), String> {
    let lines = events(root)?;
    println!(
        "{} distinct events, {} bytes on average",
        lines.len(),
        mean_length(&lines)
    );
    let singles: Vec<_> = lines
        .iter()
        .take(20_000)
        .map(|l| load::post("/log", "application/json", l.as_bytes()))
        .collect();
    let batches: Vec<_> = lines
        .chunks(1000)
        .map(|c| load::post("/logs", "application/x-ndjson", c.join("\n").as_bytes()))
        .collect();
    let plan = |what, name, connections| Plan {
        what,
        name,
        requests: &singles,
        events: 1,
        connections,
    };
    let plans = [
        Plan {
            requests: &batches,
            events: 1000,
            ..plan(What::Batches, "batches of 1000, 4 connections", 4)
        },
        plan(What::Singles1, "one a request, 1 connection", 1),
        plan(What::Singles16, "one a request, 16 connections", 16),
        plan(What::Singles64, "one a request, 64 connections", 64),
    ];
    let agent = build_agent(root)?;
    let duration = Duration::from_secs(args.seconds);
    let mut rows = Vec::new();
    for plan in plans.into_iter().filter(|plan| args.wants(plan.what)) {
        let load = |address, rate| Load {
            address,
            connections: plan.connections,
            requests: plan.requests,
            duration,
            rate,
        };
        let full = median(args.runs, || {
            let server = start_agent(&agent)?;
            let what = format!("{} · {}", server.name, plan.name);
            measure(&server, what, plan.events, |a| load(a, None))
        })?;
        let half = full.per_second / plan.events as f64 / 2.0;
        rows.push(full);
        rows.push(median(args.runs, || {
            let server = start_agent(&agent)?;
            let what = format!("{} · {}, at half of that", server.name, plan.name);
            measure(&server, what, plan.events, |a| load(a, Some(half)))
        })?);
    }
    if args.wants(What::Flask) {
        let measured = median(args.runs, || {
            let server = flask::start(root)?;
            let what = format!("{} · one a request, 16 connections", server.name);
            measure(&server, what, 1, |address| Load {
                address,
                connections: 16,
                requests: &singles,
                duration,
                rate: None,
            })
        });
        match measured {
            Ok(row) => rows.push(row),
            Err(why) => println!("Flask: left out, {why}"),
        }
    }
    if args.wants(What::Rsyslog) {
        match median(args.runs, || rsyslog::measure(&lines, duration)) {
            Ok(row) => rows.push(row),
            Err(why) => println!("rsyslog: left out, {why}"),
        }
    }
    print_table(&rows);
    Ok(())
}

fn measure<'a>(
    server: &Server,
    what: String,
    events: usize,
    load: impl FnOnce(SocketAddr) -> Load<'a>,
) -> Result<Row, String> {
    let before = server.cpu();
    let outcome: Outcome = load::run(&load(server.address)).map_err(|e| format!("{what}: {e}"))?;
    let cpu = server.cpu() - before;
    let stored = outcome.accepted as f64 * events as f64;
    Ok(Row {
        per_second: stored / outcome.elapsed.as_secs_f64(),
        cpu_micros: cpu * 1e6 / stored.max(1.0),
        p50: outcome.percentile(0.5),
        p99: outcome.percentile(0.99),
        refused: outcome.refused,
        disk: server.disk() as f64 / stored.max(1.0),
        rss: server.peak_rss(),
        what,
    })
}

/// The run with the median throughput.
fn median(runs: usize, mut run: impl FnMut() -> Result<Row, String>) -> Result<Row, String> {
    let mut rows = (0..runs.max(1))
        .map(|_| run())
        .collect::<Result<Vec<_>, _>>()?;
    rows.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    Ok(rows.swap_remove(rows.len() / 2))
}

fn print_table(rows: &[Row]) {
    println!();
    println!(
        "| what | events/s | CPU µs/event | p50 ms | p99 ms | refused | disk B/event | peak RSS MB |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for row in rows {
        println!(
            "| {} | {:.0} | {:.2} | {:.2} | {:.2} | {} | {:.1} | {:.0} |",
            row.what,
            row.per_second,
            row.cpu_micros,
            row.p50.as_secs_f64() * 1e3,
            row.p99.as_secs_f64() * 1e3,
            row.refused,
            row.disk,
            row.rss as f64 / 1e6
        );
    }
}
