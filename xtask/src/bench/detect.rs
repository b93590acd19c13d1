//! Anomaly detection: on public data with labels where that is at hand, on simulated noise, and
//! what it costs. Log templates have a benchmark of their own. Labels are only read by the scorers, which are programs of their own.

mod cost;
mod floor;
mod nab;
mod noise;
mod servers;

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

use crate::error::Error;
use crate::run;

/// Anomaly detection
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to measure; all where none is named
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// The folder with the labelled data and their scorers
    #[arg(long, default_value = "../shared/bench")]
    data: PathBuf,
    /// Where predictions are written; a new temporary folder where it is not given
    #[arg(long)]
    out: Option<PathBuf>,
    /// Take the parts of the detector away one by one
    #[arg(long)]
    ablations: bool,
    /// Simulated series of each noise
    #[arg(long, default_value_t = 2)]
    seeds: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The Numenta Anomaly Benchmark
    Nab,
    /// Server machines with many metrics
    Servers,
    /// Promised over observed alarms on simulated noise
    Calibration,
    /// Time and memory
    Cost,
}

/// What the parts need to know.
struct Bench {
    data: PathBuf,
    out: PathBuf,
    ablations: bool,
}

pub(crate) fn run(args: Args) -> Result<(), Error> {
    let out = args.out.unwrap_or_else(|| {
        std::env::temp_dir().join(format!("hark-bench-detect-{}", std::process::id()))
    });
    let bench = Bench {
        data: run::root().join(&args.data),
        out,
        ablations: args.ablations,
    };
    let wanted = |part| args.parts.is_empty() || args.parts.contains(&part);
    let labelled = bench.data.is_dir();
    if !labelled {
        println!(
            "no labelled data in {}: skipped nab and servers",
            bench.data.display()
        );
    }
    if labelled && wanted(Part::Nab) {
        nab::run(&bench)?;
    }
    if labelled && wanted(Part::Servers) {
        servers::run(&bench)?;
    }
    if wanted(Part::Calibration) {
        noise::run(args.seeds);
    }
    if wanted(Part::Cost) {
        cost::run(&bench)?;
    }
    Ok(())
}

impl Bench {
    /// Runs a scorer and gives what it prints.
    fn score(&self, scorer: &str, args: &[&str]) -> Result<String, Error> {
        let program = self.data.join(scorer);
        let output = run::output(Command::new("python3").arg(program).args(args))?;
        Ok(String::from_utf8_lossy(&output).into_owned())
    }
}

/// The names in a folder, sorted.
fn names(dir: &Path) -> Result<Vec<String>, Error> {
    let entries = std::fs::read_dir(dir).map_err(Error::file(dir))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::file(dir))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn read(path: &Path) -> Result<String, Error> {
    if path.extension().is_some_and(|e| e == "gz") {
        let text = run::output(Command::new("gzip").arg("-dc").arg(path))?;
        return Ok(String::from_utf8_lossy(&text).into_owned());
    }
    let bytes = std::fs::read(path).map_err(Error::file(path))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(Error::file(dir))?;
    }
    std::fs::write(path, text).map_err(Error::file(path))
}

fn malformed(path: &Path, error: &hark_detect::backtest::Malformed) -> Error {
    Error::Check(format!("{}: {error}", path.display()))
}
