//! `hark config`: the console's configuration file with all that can be set.

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::console::config::default_file;
use crate::error::Error;

pub(crate) fn run() -> Result<ExitCode, Error> {
    io::stdout().write_all(default_file().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
