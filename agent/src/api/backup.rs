//! `POST /backup`: a copy of the store.

use std::sync::Arc;

use futures_util::StreamExt as _;
use hark_api::{Problem, Timestamp};
use http::header;
use poem::{Body, IntoResponse, Response};
use poem_openapi::registry::{MetaResponses, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::Type as _;
use poem_openapi::{ApiResponse, OpenApi};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::io::ReaderStream;

use super::App;
use super::answer::responses;
use super::auth::{Admin, May};
use super::problem::{ApiError, ProblemKind};

pub(super) struct BackupApi {
    app: Arc<App>,
    /// A copy takes as much disk as the store: there is one at a time.
    turn: Arc<Semaphore>,
}

/// Read from the copy and sent at a time, in bytes.
const CHUNK: usize = 256 << 10;

impl BackupApi {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self {
            app,
            turn: Arc::new(Semaphore::new(1)),
        }
    }
}

#[OpenApi]
impl BackupApi {
    /// A copy of the store as it is now: events, series, incidents and what was learned, as one
    /// file. Tokens are not in it. `hark-agent restore` makes a store of it. While it is made and
    /// sent, it takes as much of the disk as the store.
    #[oai(path = "/backup", method = "post", operation_id = "backup")]
    async fn backup(&self, may: May<Admin>) -> poem::Result<Download> {
        let turn = self.turn.clone().try_acquire_owned().map_err(|_| {
            ApiError::new(ProblemKind::Busy, "another backup is under way").retry_after(10)
        })?;
        let store = self.app.store.clone();
        tracing::info!(by = may.who(), "making a backup");
        let made = tokio::task::spawn_blocking(move || {
            let file = store.backup_unnamed()?;
            let length = file.metadata().map(|meta| meta.len());
            Ok::<_, hark_store::Error>((file, length))
        })
        .await
        .map_err(|error| ApiError::new(ProblemKind::Internal, error.to_string()))?;
        let (file, length) = made.map_err(|error| {
            if error.is_full() {
                ApiError::new(ProblemKind::Busy, error.to_string()).retry_after(60)
            } else {
                error.into()
            }
        })?;
        let length =
            length.map_err(|error| ApiError::new(ProblemKind::Internal, error.to_string()))?;
        Ok(Download {
            name: format!("hark-{}.redb", Timestamp::now().as_nanos() / 1_000_000_000),
            file: tokio::fs::File::from_std(file),
            length,
            turn,
        })
    }
}

/// A file on its way.
pub(super) struct Download {
    name: String,
    file: tokio::fs::File,
    length: u64,
    turn: OwnedSemaphorePermit,
}

impl IntoResponse for Download {
    fn into_response(self) -> Response {
        let turn = self.turn;
        let chunks = ReaderStream::with_capacity(self.file, CHUNK).map(move |chunk| {
            // The next may begin when this one's space is free.
            let _ = &turn;
            chunk
        });
        Response::builder()
            .content_type("application/octet-stream")
            .header(header::CACHE_CONTROL, "no-store")
            .header(header::CONTENT_LENGTH, self.length)
            .header(
                header::CONTENT_DISPOSITION,
                format!("attachment; filename=\"{}\"", self.name),
            )
            .body(Body::from_bytes_stream(chunks))
    }
}

impl ApiResponse for Download {
    fn meta() -> MetaResponses {
        let file = MetaSchemaRef::Inline(Box::new(MetaSchema::new_with_format("string", "binary")));
        responses("application/octet-stream", file)
    }

    fn register(registry: &mut Registry) {
        Problem::register(registry);
    }
}
