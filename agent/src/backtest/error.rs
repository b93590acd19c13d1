//! Why something cannot be replayed.

use std::path::{Path, PathBuf};

/// Why something cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file holds something that makes no sense.
    #[error("{}, line {line}{}: {reason}", path.display(), column.as_ref().map_or_else(String::new, |c| format!(", column `{c}`")))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column or field.
        column: Option<String>,
        /// What is wrong.
        reason: String,
    },
    /// A setting of detection is unknown, or its value makes no sense.
    #[error("--detect {key}: {reason}")]
    Setting {
        /// The setting.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// Files that do not go together, or have nothing in them.
    #[error("{}: {reason}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The agent's own data cannot be read.
    #[error(transparent)]
    Store(#[from] hark_store::Error),
    /// What was found cannot be printed.
    #[error("cannot print: {0}")]
    Print(#[source] std::io::Error),
}

impl Error {
    /// For `map_err`: the error of a file.
    pub(super) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}
