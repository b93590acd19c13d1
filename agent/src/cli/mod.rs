//! The command line.

// Doc comments here are help texts, and a terminal shows backticks as they are.
#![allow(clippy::doc_markdown)]

mod backtest;
mod backup;
mod check;
mod config;
mod doctor;
mod lines;
mod new_file;
mod owner;
mod reach;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::Overrides;

/// Hears a Linux host: kernel events, vital signs and logs, in one time line, judged and kept.
#[derive(Debug, Parser)]
#[command(name = "hark-agent", version, arg_required_else_help = false)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What holds for every command.
#[derive(Args, Debug)]
struct Options {
    /// The configuration file; without it /etc/hark/agent.toml, where there is one
    #[arg(
        long,
        global = true,
        overrides_with = "config",
        value_name = "FILE",
        env = "HARK_CONFIG"
    )]
    config: Option<PathBuf>,
    /// Where events are kept (data_dir)
    #[arg(long, global = true, overrides_with = "data_dir", value_name = "DIR")]
    data_dir: Option<String>,
    /// The Unix socket (api.socket); empty for none
    #[arg(long, global = true, overrides_with = "socket", value_name = "PATH")]
    socket: Option<String>,
    /// Addresses to listen on, with commas (api.listen); empty for none
    #[arg(
        long,
        global = true,
        overrides_with = "listen",
        value_name = "ADDR:PORT"
    )]
    listen: Option<String>,
    /// How much the agent logs (log.level)
    #[arg(
        long,
        global = true,
        overrides_with = "log_level",
        value_name = "LEVEL"
    )]
    log_level: Option<String>,
    /// Any key of the configuration, as in --set store.max_age=7d
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the agent (the default)
    Run,
    /// Say what works here, what does not, why, and how to change that
    Doctor {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Check or show the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Make, list and revoke tokens
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Read all that is stored, and verify its checksums; the agent must be stopped
    Check,
    /// Copy the store to a new file, while the agent runs or not
    Backup {
        /// The new file; one that is there is not overwritten
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Make a backup the store, and keep the one that is there aside; the agent must be stopped
    Restore {
        /// What `backup` made
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Write events as lines of JSON, oldest first
    Export(lines::ExportArgs),
    /// Store events from lines of JSON as `export` writes them; the agent must be stopped
    Import {
        /// The file; - for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Judge recorded series and log lines as the running agent would
    Backtest(Box<backtest::BacktestArgs>),
    /// Say the version
    Version,
}

impl Options {
    fn overrides(&self) -> Result<Overrides, String> {
        let mut flags = Vec::new();
        for (flag, key, value) in [
            ("--data-dir", "data_dir", &self.data_dir),
            ("--socket", "api.socket", &self.socket),
            ("--listen", "api.listen", &self.listen),
            ("--log-level", "log.level", &self.log_level),
        ] {
            if let Some(value) = value {
                flags.push((flag.to_owned(), key.to_owned(), value.clone()));
            }
        }
        // clap forgets those before a command where there are some after it.
        let given = std::env::args_os()
            .filter(|argument| {
                let argument = argument.as_encoded_bytes();
                argument == b"--set" || argument.starts_with(b"--set=")
            })
            .count();
        if given != self.set.len() {
            return Err("give every --set on the same side of the command".to_owned());
        }
        for pair in &self.set {
            let (key, value) = pair.split_once('=').ok_or_else(|| {
                format!("--set {pair}: give KEY=VALUE, as in --set store.max_age=7d")
            })?;
            flags.push(("--set".to_owned(), key.trim().to_owned(), value.to_owned()));
        }
        Ok(Overrides {
            file: self.config.clone(),
            environment: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            flags,
        })
    }
}

/// The whole program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let overrides = match cli.options.overrides() {
        Ok(overrides) => overrides,
        Err(error) => return fail(&error),
    };
    match cli.command.unwrap_or(Command::Run) {
        Command::Run => match crate::run::run(&overrides) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        },
        Command::Doctor { json } => doctor::run(&overrides, json),
        Command::Config(command) => config::run(&overrides, &command),
        Command::Token(command) => token::run(&overrides, &command),
        Command::Check => check::run(&overrides),
        Command::Backup { file } => backup::backup(&overrides, &file),
        Command::Restore { file } => backup::restore(&overrides, &file),
        Command::Export(args) => lines::export(&overrides, &args),
        Command::Import { file } => lines::import(&overrides, &file),
        Command::Backtest(args) => backtest::run(&overrides, *args),
        Command::Version => {
            println!("hark-agent {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
    }
}

/// Says what is wrong; exit code 1.
fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("hark-agent: {error}");
    ExitCode::FAILURE
}
