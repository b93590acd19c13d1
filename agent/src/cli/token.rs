//! `hark-agent token add`, `list` and `revoke`.

use std::process::ExitCode;

use clap::Subcommand;

use crate::api::tokens::{self, Scope};
use crate::config::{self, Overrides};

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token and print it; it is never shown again
    Add {
        /// Its name, to revoke it by
        #[arg(long)]
        name: String,
        /// What it permits, with commas: ingest, read, admin
        #[arg(long, value_delimiter = ',', required = true)]
        scope: Vec<Scope>,
    },
    /// List the tokens, without their secrets
    List,
    /// Remove a token; a running agent forgets it within a second
    Revoke {
        /// Its name
        name: String,
    },
}

pub(super) fn run(overrides: &Overrides, command: &TokenCommand) -> ExitCode {
    let path = match config::load(overrides) {
        Ok(config) => config.tokens_path(),
        Err(error) => return super::fail(&error),
    };
    let done = match command {
        TokenCommand::Add { name, scope } => {
            tokens::add(&path, name, scope).map(|token| println!("{token}"))
        }
        TokenCommand::List => tokens::list(&path).map(|tokens| {
            for token in tokens {
                let scopes: Vec<_> = token.scopes.iter().map(|scope| scope.as_str()).collect();
                println!("{}\t{}\t{}", token.name, scopes.join(","), token.created);
            }
        }),
        TokenCommand::Revoke { name } => tokens::revoke(&path, name),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(&error),
    }
}
