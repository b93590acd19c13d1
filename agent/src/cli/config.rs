//! `hark-agent config check` and `show`.

use std::process::ExitCode;

use clap::Subcommand;

use crate::config::{self, Overrides};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Say what is wrong with the configuration, if anything
    Check,
    /// Show the configuration as it stands, defaults included
    Show,
}

pub(super) fn run(overrides: &Overrides, command: &ConfigCommand) -> ExitCode {
    let config = match config::load(overrides) {
        Ok(config) => config,
        Err(error) => return super::fail(&error),
    };
    match command {
        ConfigCommand::Check => {
            let path = overrides.path();
            if path.exists() {
                println!("{}: good", path.display());
            } else {
                println!("{}: not there; the defaults are good", path.display());
            }
        }
        ConfigCommand::Show => match toml::to_string(&config) {
            Ok(text) => print!("{text}"),
            Err(error) => return super::fail(&error),
        },
    }
    ExitCode::SUCCESS
}
