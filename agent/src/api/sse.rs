//! Server-sent events: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

use std::marker::PhantomData;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _, stream};
use hark_api::{EventId, Problem};
use http::header;
use poem::{Body, IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaResponses, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::answer::responses;

/// How often a comment is sent while there is nothing else, so that both ends notice when the
/// other has gone.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// One frame. The data is JSON, which has no line breaks.
pub(super) fn frame(event: &str, id: Option<EventId>, data: &impl Serialize) -> Bytes {
    let mut frame = Vec::with_capacity(512);
    frame.extend_from_slice(b"event: ");
    frame.extend_from_slice(event.as_bytes());
    if let Some(id) = id {
        frame.extend_from_slice(b"\nid: ");
        frame.extend_from_slice(id.to_string().as_bytes());
    }
    frame.extend_from_slice(b"\ndata: ");
    if serde_json::to_writer(&mut frame, data).is_err() {
        return Bytes::new();
    }
    frame.extend_from_slice(b"\n\n");
    frame.into()
}

/// A stream of frames whose data is a `T`. It ends when the agent stops.
pub(super) struct Sse<T> {
    frames: BoxStream<'static, Bytes>,
    of: PhantomData<fn() -> T>,
}

impl<T> Sse<T> {
    pub(super) fn new(
        frames: impl Stream<Item = Bytes> + Send + 'static,
        shutdown: CancellationToken,
    ) -> Self {
        let frames = frames.boxed();
        let ends = stream::unfold((frames, shutdown), |(mut frames, shutdown)| async {
            let frame = tokio::select! {
                () = shutdown.cancelled() => return None,
                frame = tokio::time::timeout(KEEP_ALIVE, frames.next()) => match frame {
                    Ok(frame) => frame?,
                    Err(_) => Bytes::from_static(b":\n\n"),
                },
            };
            Some((frame, (frames, shutdown)))
        });
        // The head goes out at once, with something to show that it works.
        let begun = stream::iter([Bytes::from_static(b": hark\n\n")]).chain(ends);
        Self {
            frames: begun.boxed(),
            of: PhantomData,
        }
    }
}

impl<T> IntoResponse for Sse<T> {
    fn into_response(self) -> Response {
        Response::builder()
            .content_type("text/event-stream")
            .header(header::CACHE_CONTROL, "no-store")
            .header("x-accel-buffering", "no")
            .body(Body::from_bytes_stream(
                self.frames.map(Ok::<_, std::io::Error>),
            ))
    }
}

impl<T: Type> ApiResponse for Sse<T> {
    fn meta() -> MetaResponses {
        let frames = MetaSchemaRef::Inline(Box::new(MetaSchema {
            items: Some(Box::new(T::schema_ref())),
            ..MetaSchema::new_with_format("array", "event-stream")
        }));
        responses("text/event-stream", frames)
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
        Problem::register(registry);
    }
}
