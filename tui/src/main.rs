//! The terminal console and command-line client of hark.
#![forbid(unsafe_code)]

mod backoff;
mod clean;
mod cli;
mod command;
mod console;
mod error;
mod moment;
mod rarity;
mod remedy;
pub(crate) use hark_api::units;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use cli::{Cli, Command};
use error::Error;

fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    match run(cli, &matches) {
        Ok(code) => code,
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            error.report();
            error.exit_code()
        }
    }
}

fn run(cli: Cli, matches: &clap::ArgMatches) -> Result<ExitCode, Error> {
    let client = cli.agent.client(matches);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let code = match cli.command {
        None => runtime.block_on(console::run(client, cli.agent.token(), &cli.console)),
        Some(Command::Send(args)) => runtime.block_on(command::send::run(&client, args)),
        Some(Command::Tail(args)) => runtime.block_on(command::tail::run(&client, args)),
        Some(Command::Query(args)) => runtime.block_on(command::query::run(&client, args)),
        Some(Command::Incidents(args)) => runtime.block_on(command::incidents::run(&client, &args)),
        Some(Command::Top(args)) => runtime.block_on(command::top::run(&client, &args)),
        Some(Command::Status(args)) => runtime.block_on(command::status::run(&client, &args)),
        Some(Command::Completions { shell }) => command::completions::run(shell),
        Some(Command::Config) => command::config::run(),
        Some(Command::Man) => command::completions::man(),
    };
    // A read of standard input may still hang in a thread; it is not waited for.
    runtime.shutdown_background();
    code
}
