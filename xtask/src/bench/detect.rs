//! Anomaly detection.

use crate::error::Error;

/// Anomaly detection
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args) -> Result<(), Error> {
    Err(Error::Check("not measured yet".to_owned()))
}
