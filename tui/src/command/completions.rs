//! `hark completions` and `hark man`: made from the command line's own definition.

use std::io;
use std::process::ExitCode;

use clap::CommandFactory as _;

use crate::cli::Cli;
use crate::error::Error;

pub(crate) fn run(shell: clap_complete::Shell) -> Result<ExitCode, Error> {
    // Into memory first: the generator panics where a pipe breaks.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "hark", &mut script);
    io::Write::write_all(&mut io::stdout(), &script)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn man() -> Result<ExitCode, Error> {
    let mut out = io::stdout().lock();
    let command = Cli::command();
    clap_mangen::Man::new(command.clone()).render(&mut out)?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let name = format!("hark-{}", sub.get_name());
        clap_mangen::Man::new(sub.clone().name(name)).render(&mut out)?;
    }
    Ok(ExitCode::SUCCESS)
}
