//! `hark-agent backtest`: judges recordings as the live agent would.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use hark_api::{Tier, Timestamp};
use hark_store::Store;

use crate::backtest::{self, Error, Form, Format, Measure, Options, StoredOptions};
use crate::config::{self, Overrides, Span};

#[derive(Args, Debug)]
pub(super) struct BacktestArgs {
    /// Files, and folders of files: CSV of numbers, log lines as text, NDJSON or CSV; may be .gz or .zst
    #[arg(required_unless_present = "store", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Judge again what the agent stored, instead of files; the agent must be stopped
    #[arg(long, conflicts_with_all = ["files", "learn", "form", "step", "scores", "flag"])]
    store: bool,
    /// With --store: report from here on, and learn all before; RFC 3339, or how long ago, as in 7d
    #[arg(long, requires = "store", value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// With --store: replay to here
    #[arg(long, requires = "store", value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// A file that is learned before, and not reported
    #[arg(long, value_name = "FILE")]
    learn: Vec<PathBuf>,
    /// What the files hold; told by name and content without
    #[arg(long = "as", value_enum, value_name = "FORM")]
    form: Option<Form>,
    /// Seconds between rows, in files without a column of the time; of log lines without a time
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    step: Option<f64>,
    /// A setting of detection, as in --detect series.memory=4000
    #[arg(long, value_name = "KEY=VALUE")]
    detect: Vec<String>,
    /// Report what has this tier, or a graver one
    #[arg(long, default_value = "notice")]
    tier: Tier,
    /// How findings are printed
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Write a score for each row, or a template for each line, into files of the same names here
    #[arg(long, value_name = "DIR")]
    scores: Option<PathBuf>,
    /// Which score is written
    #[arg(long, value_enum, default_value = "alarm")]
    measure: Measure,
    /// Write a last column that is 1 where a row has this tier, or a graver one
    #[arg(long, value_name = "TIER")]
    flag: Option<Tier>,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(secs) if (1e-6..=1e9).contains(&secs) => Ok(secs),
        _ => Err("give a number of seconds above 0".to_owned()),
    }
}

/// A moment, or how long ago it is.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(span) = text.parse::<Span>() {
        return Ok(Timestamp::now().plus_nanos(-span.as_nanos()));
    }
    text.parse()
        .map_err(|error| format!("{error}; or say how long ago, as in 7d"))
}

pub(super) fn run(overrides: &Overrides, args: BacktestArgs) -> ExitCode {
    if args.store {
        let config = match config::load(overrides) {
            Ok(config) => config,
            Err(error) => return super::fail(&error),
        };
        if !config.data_dir.exists() {
            return super::fail(&format!("{} does not exist", config.data_dir.display()));
        }
        let store = match Store::open(&config.data_dir, config.store.options()) {
            Ok(store) => store,
            Err(error) => return super::fail(&error),
        };
        let options = StoredOptions {
            since: args.since,
            until: args.until,
            detect: args.detect,
            tier: args.tier,
            format: args.format,
        };
        let replayed = backtest::run_stored(&store, &options);
        return ended(replayed.and_then(|()| Ok(store.close()?)));
    }
    let options = Options {
        files: args.files,
        learn: args.learn,
        form: args.form,
        step: args.step,
        detect: args.detect,
        tier: args.tier,
        format: args.format,
        scores: args.scores,
        measure: args.measure,
        flag: args.flag,
    };
    ended(backtest::run(&options))
}

fn ended(done: Result<(), Error>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has enough.
        Err(Error::Print(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => super::fail(&error),
    }
}
