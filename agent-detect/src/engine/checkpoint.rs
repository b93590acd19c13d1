//! What was learned, as bytes, and back.

use super::{Config, Engine};

/// A checkpoint cannot be taken up again.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// It was made by another version.
    #[error("the checkpoint has format {found}; this version reads {wanted}")]
    Format {
        /// Its format.
        found: u8,
        /// The one understood.
        wanted: u8,
    },
    /// The configuration changed since.
    #[error("the checkpoint was made with other detection settings")]
    Settings,
    /// It is cut short or damaged.
    #[error("the checkpoint is damaged: {0}")]
    Damaged(#[from] postcard::Error),
    /// It cannot be compressed or decompressed.
    #[error("the checkpoint cannot be compressed or read: {0}")]
    Compression(#[source] std::io::Error),
}

const FORMAT: u8 = 7;

impl Engine {
    /// Takes up what [`Engine::checkpoint`] wrote.
    ///
    /// # Errors
    /// When the bytes are damaged, of another version, or made with another configuration.
    pub fn restore(config: &Config, bytes: &[u8]) -> Result<Self, RestoreError> {
        let (&found, state) = bytes
            .split_first()
            .ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
        if found != FORMAT {
            return Err(RestoreError::Format {
                found,
                wanted: FORMAT,
            });
        }
        let reader = zstd::Decoder::with_buffer(state).map_err(RestoreError::Compression)?;
        // Holds one text at a time.
        let mut scratch = vec![0; 1 << 20];
        let (engine, _): (Self, _) = postcard::from_io((reader, &mut scratch))?;
        if engine.config != *config {
            return Err(RestoreError::Settings);
        }
        Ok(engine)
    }

    /// All that was learned, as bytes. Changes not yet taken are not part of it.
    ///
    /// # Errors
    /// None that a caller can cause; the encoder's own.
    pub fn checkpoint(&self) -> Result<Vec<u8>, RestoreError> {
        // Compressed on the way: the plain form of a thousand series is never in memory.
        let mut writer = zstd::Encoder::new(vec![FORMAT], 1).map_err(RestoreError::Compression)?;
        writer
            .include_checksum(true)
            .map_err(RestoreError::Compression)?;
        let writer = postcard::to_io(self, writer)?;
        writer.finish().map_err(RestoreError::Compression)
    }
}
