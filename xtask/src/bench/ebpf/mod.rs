//! Hearing the kernel: what it costs those who are heard, and the one who hears.
//!
//! `workload.rs` makes events, `watcher.rs` hears them: hark, or a peer with the same tracepoint. `deluge.rs`
//! looks at what is lost, `agent.rs` at a whole agent.

mod agent;
mod deluge;
mod peers;
mod watcher;
mod workload;

use std::time::{Duration, Instant};

use crate::error::Error;
use watcher::Watcher;
use workload::Workload;

/// Hearing the kernel, beside bpftrace, libbpf-tools and perf: cost, delivered, lost
///
/// A thread causes events, first with nobody listening, then with each listener in turn, then with
/// nobody again; its CPU time (of its children, for executions) tells what listening adds to one
/// event. The listener's CPU time tells what hearing one costs; what it takes at rest is measured before. Needs root. What is not installed
/// is left out.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Runs of each pair of workload and listener
    #[arg(long, default_value_t = 7)]
    runs: usize,
    /// Signals in a run; twenty times as many calls, and fewer of what costs more
    #[arg(long, default_value_t = 100_000)]
    events: usize,
    /// Only this workload; may be repeated
    #[arg(long, value_enum)]
    only: Vec<Workload>,
    /// This many signals in one go, and nothing else unless it is named by `--only`: how many are lost, and what the reader takes for each
    #[arg(long, value_name = "SIGNALS")]
    deluge: Option<usize>,
    /// An agent's program: its CPU time at 1,000 executions a second is measured, too
    #[arg(long)]
    agent: Option<std::path::PathBuf>,
}

/// What a listener did to a workload.
struct Measured {
    name: &'static str,
    /// CPU time of one event to the workload, for each run, in nanoseconds; rising.
    costs: Vec<f64>,
    /// CPU time of the listener.
    listener: Duration,
    /// The share of it that it would have taken had nothing happened.
    rest: Duration,
    /// Events heard; absent where it tells none.
    heard: Option<u64>,
    /// Events caused.
    caused: u64,
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    if !rustix::process::geteuid().is_root() {
        return Err(Error::Check(
            "kernel programs need root: run it with sudo -E".to_owned(),
        ));
    }
    let kernel = rustix::system::uname();
    println!(
        "kernel {}, {} CPUs, {} runs",
        kernel.release().to_string_lossy(),
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        args.runs
    );
    for workload in Workload::ALL {
        let alone = args.only.is_empty() && args.deluge.is_some();
        if alone || !args.only.is_empty() && !args.only.contains(&workload) {
            continue;
        }
        let count = workload.count(args.events);
        let before = measure(args.runs, workload, count, &mut Watcher::Nobody)?;
        let mut rows = Vec::new();
        for watcher in watcher::all(workload) {
            let mut watcher = watcher?;
            if let Some(reason) = watcher.wait_until_ready(workload)? {
                println!("{} is left out: {reason}", watcher.name());
                continue;
            }
            rows.push(measure(args.runs, workload, count, &mut watcher)?);
        }
        let after = measure(args.runs, workload, count, &mut Watcher::Nobody)?;
        report(workload, count, &before, &rows, &after);
    }
    if args.only.is_empty() && args.deluge.is_none() {
        watcher::report_programs(args.events)?;
    }
    if let Some(events) = args.deluge {
        deluge::measure(events)?;
    }
    match &args.agent {
        Some(program) => agent::measure(program),
        None => Ok(()),
    }
}

fn measure(
    runs: usize,
    workload: Workload,
    count: usize,
    watcher: &mut Watcher,
) -> Result<Measured, Error> {
    let idle = share_at_rest(watcher);
    let (heard, spent, start) = (watcher.settled(), watcher.cpu_time(), Instant::now());
    let mut costs = Vec::with_capacity(runs);
    let mut own = Duration::ZERO;
    for _ in 0..runs.max(1) {
        let cost = workload.cause(count)?;
        own += cost.thread();
        costs.push(cost.total().as_nanos() as f64 / count as f64);
    }
    let heard = watcher.settled() - heard;
    let mut listener = watcher.cpu_time().saturating_sub(spent);
    if matches!(watcher, Watcher::Hark(_)) {
        // It is in this process, as is the thread that causes.
        listener = listener.saturating_sub(own);
    }
    let rest = start.elapsed().mul_f64(idle);
    costs.sort_by(f64::total_cmp);
    let caused = (costs.len() * count) as u64;
    Ok(Measured {
        name: watcher.name(),
        costs,
        listener,
        rest,
        heard: watcher.tells().then_some(heard),
        caused,
    })
}

/// How much of a CPU a listener takes while nothing is caused.
fn share_at_rest(watcher: &Watcher) -> f64 {
    const LOOK: Duration = Duration::from_secs(3);
    if matches!(watcher, Watcher::Nobody) {
        return 0.0;
    }
    let spent = watcher.cpu_time();
    std::thread::sleep(LOOK);
    let spent = watcher.cpu_time().saturating_sub(spent);
    spent.as_secs_f64() / LOOK.as_secs_f64()
}

fn report(
    workload: Workload,
    count: usize,
    before: &Measured,
    rows: &[Measured],
    after: &Measured,
) {
    let least = |measured: &Measured| measured.costs[0];
    let median = |measured: &Measured| measured.costs[measured.costs.len() / 2];
    let base = least(before).min(least(after));
    println!(
        "\n{} a run, each {:.0} ns of CPU time with nobody listening",
        workload.describe(count),
        base
    );
    println!(
        "(median {:.0} before, {:.0} after)\n",
        median(before),
        median(after)
    );
    println!(
        "| listener | added, least | added, median | listener's CPU, an event \
         | the same, less what it takes at rest | heard |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    let base_median = median(before).min(median(after));
    for row in rows {
        let (heard, share) = match row.heard {
            Some(heard) => (
                heard,
                format!("{:.2} %", 100.0 * heard as f64 / row.caused as f64),
            ),
            None => (row.caused, "not told".to_owned()),
        };
        println!(
            "| {} | {:.0} ns | {:.0} ns | {:.0} ns | {:.0} ns | {share} |",
            row.name,
            least(row) - base,
            median(row) - base_median,
            row.listener.as_nanos() as f64 / heard.max(1) as f64,
            row.listener.saturating_sub(row.rest).as_nanos() as f64 / heard.max(1) as f64,
        );
    }
}
