//! What can go wrong.

/// The kernel side as a whole cannot work; single features that cannot are reported by
/// [`Kernel::features`](crate::Kernel::features) instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file with the kernel programs could not be read.
    #[error("cannot read the kernel programs in {path}: {source}")]
    Object {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The reader's thread could not be started.
    #[error("cannot start the thread that reads kernel events: {0}")]
    Thread(std::io::Error),
    /// The kernel refused to change who is heard, and how much.
    #[error("cannot change the kernel side's budgets and ignored processes: {0}")]
    Filter(#[from] aya::maps::MapError),
}
