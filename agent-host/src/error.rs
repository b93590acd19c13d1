//! Why the host could not be read at all.

use std::path::PathBuf;

/// Why the host could not be read at all. Single files that cannot be read are not errors: what
/// they tell is absent from the [`crate::Reading`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The proc file system is not there, or is not one.
    #[error("cannot read {}: {source}; is the proc file system mounted there?", path.display())]
    NoProc {
        /// The file that every proc file system has.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}
