//! The console.

use crate::error::Error;

/// The console
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args) -> Result<(), Error> {
    Err(Error::Check("not measured yet".to_owned()))
}
