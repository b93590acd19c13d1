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
}
