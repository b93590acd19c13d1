//! The benchmarks. They run in a release build (`launch.rs` sees to that), on this host, for real,
//! and print what the docs quote.

mod detect;
mod ebpf;
mod host;
mod ingest;
mod load;
mod query;
mod samples;
mod store;
mod template;
mod tui;

use clap::Subcommand;

use crate::error::Error;

/// Measure: every number in the docs comes from one of these
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

// One file each, with `Args` and `run`.
#[derive(Subcommand)]
enum What {
    /// The collector of vital signs: CPU time of one reading of this host
    Host(host::Args),
    /// Anomaly detection
    Detect(detect::Args),
    /// Hearing the kernel, beside bpftrace, libbpf-tools and perf: cost, delivered, lost
    Ebpf(ebpf::Args),
    /// Ingest over HTTP, beside Flask + `SQLite` + scikit-learn and rsyslog
    Ingest(ingest::Args),
    /// Searches, counts and a restart over HTTP, with ten million events stored
    Query(query::Args),
    /// The store: commits, scans, size
    Store(store::Args),
    /// Log templates: grouping accuracy, ablations, lines a second
    Template(template::Args),
    /// The console: time of a frame
    Tui(tui::Args),
}

pub(crate) fn run(args: Args) -> Result<(), Error> {
    match args.what {
        What::Host(args) => host::run(&args),
        What::Detect(args) => detect::run(args),
        What::Ebpf(args) => ebpf::run(&args),
        What::Ingest(args) => ingest::run(&args),
        What::Query(args) => query::run(&args),
        What::Store(args) => store::run(&args),
        What::Template(args) => template::run(&args),
        What::Tui(args) => tui::run(&args),
    }
}
