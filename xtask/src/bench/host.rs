//! The collector of vital signs.

use crate::error::Error;

/// The collector of vital signs
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args) -> Result<(), Error> {
    Err(Error::Check("not measured yet".to_owned()))
}
