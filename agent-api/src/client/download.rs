//! Answers that are written as they come, not kept in memory.

use std::time::Duration;

use http_body_util::BodyExt as _;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::{Client, ClientError, request};

/// How long the agent may be silent once it has begun to send.
const SILENCE: Duration = Duration::from_secs(60);

impl Client {
    /// Writes a backup of the store, as it is now, to `out`; its length in bytes. Needs the scope
    /// `admin`. The agent copies its store before it answers: give the client a time limit to suit
    /// ([`Client::with_timeout`]).
    ///
    /// # Errors
    /// The agent cannot be reached, refuses, or goes away before all has come;
    /// [`ClientError::Save`] where `out` refuses.
    pub async fn backup(&self, out: &mut (impl AsyncWrite + Unpin)) -> Result<u64, ClientError> {
        let (mut body, _driver) = request::open_download(self, "/backup").await?;
        let mut length = 0;
        loop {
            let frame = tokio::time::timeout(SILENCE, body.frame())
                .await
                .map_err(|_| ClientError::Silent {
                    endpoint: self.endpoint.clone(),
                    after: SILENCE,
                })?;
            let Some(frame) = frame else {
                out.flush().await.map_err(ClientError::Save)?;
                return Ok(length);
            };
            if let Ok(chunk) = frame?.into_data() {
                out.write_all(&chunk).await.map_err(ClientError::Save)?;
                length += chunk.len() as u64;
            }
        }
    }
}
