//! What can end the program, and with which exit code.

use std::io::{self, Write as _};
use std::process::ExitCode;

use hark_api::FilterError;
use hark_api::client::ClientError;

use crate::clean;
use crate::remedy::Remedy;

/// The program cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A filter does not parse.
    #[error("{}", filter_text(.text, .source))]
    Filter { text: String, source: FilterError },
    /// The agent cannot be reached, or refuses.
    #[error("{0}")]
    Agent(#[from] ClientError),
    /// The console was started without a terminal.
    #[error("the console needs a terminal; see `hark --help` for the commands that do not")]
    NoTerminal,
    /// The console's configuration file is wrong.
    #[error("{0}")]
    Config(String),
    /// A recording of a session cannot be written or read.
    #[error("{0}")]
    Recording(String),
    /// Standard input or output, or a file, failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// A filter error with a mark below the column.
fn filter_text(text: &str, error: &FilterError) -> String {
    let indent = " ".repeat(error.column.saturating_sub(1));
    format!(
        "the filter does not parse: {}\n  {}\n  {indent}^",
        error.reason,
        clean::text(text)
    )
}

impl Error {
    /// Whether the reader of standard output went away, as `head` does: nothing to report.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The exit code, as the help text documents it.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Filter { .. } | Self::NoTerminal | Self::Config(_) => 2,
            Self::Agent(error) if error.is_unreachable() => 3,
            Self::Agent(_) => 4,
            Self::Io(_) | Self::Recording(_) => 5,
        })
    }

    /// Writes the error and what to do about it to standard error.
    pub(crate) fn report(&self) {
        let text = self.to_string();
        let lines: Vec<_> = text.lines().map(clean::text).collect();
        // A terminal that is gone hears nothing, which is no reason to panic.
        let mut out = io::stderr();
        let _ = writeln!(out, "hark: {}", lines.join("\n"));
        if let Self::Agent(error) = self
            && let Some(remedy) = Remedy::of(error)
        {
            let _ = writeln!(out, "  {}", remedy.text);
            for command in remedy.commands {
                let _ = writeln!(out, "    {command}");
            }
        }
    }
}
