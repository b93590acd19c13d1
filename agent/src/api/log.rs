//! `POST /log`: one event.

use std::sync::Arc;

use hark_api::{Accepted, Event};
use poem::{Request, RequestBody};
use poem_openapi::param::Header;
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::Type as _;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions, OpenApi};
use tokio::sync::oneshot;

use super::App;
use super::auth::{Ingest, May};
use super::idempotency::{self, Shape, Told, Turn};
use super::input::{self, BodyType, Context, Refused};
use super::problem::{ApiError, ProblemKind};
use super::server::Peer;
use crate::pipeline::{Batch, Committed, Origin, Remember, SourceName, Waiter};

pub(super) struct LogApi(pub(super) Arc<App>);

#[OpenApi]
impl LogApi {
    /// Sends one event. The answer says that it is on disk, and how unusual it is. Keys without a
    /// meaning are kept as fields.
    #[oai(path = "/log", method = "post", operation_id = "log")]
    async fn log(
        &self,
        may: May<Ingest>,
        request: &Request,
        body: Sent<OneEvent>,
        /// A text of the sender's choice, 1 to 255 characters of ASCII, in double quotes or bare. A
        /// request that comes again with the same one and the same body is answered as before.
        #[oai(name = "Idempotency-Key")]
        _key: Header<Option<String>>,
    ) -> poem::Result<Told<Accepted>> {
        let app = &self.0;
        let key = idempotency::key(request)?;
        let mut body = body.body;
        let (_, bytes) =
            input::read(request, &mut body, &[BodyType::Json], &app.config().api).await?;
        let mut remember = None;
        if let Some(key) = key {
            match idempotency::turn(app, &may.sender, &key, request, &bytes).await? {
                Turn::First(claim) => remember = Some(claim.keep(Shape::Event)),
                Turn::Again(answer) => return Ok(Told::Again(answer)),
            }
        }
        let context = context(app, request);
        let parsed = std::str::from_utf8(&bytes)
            .map_err(|error| {
                ApiError::new(
                    ProblemKind::InvalidUtf8,
                    format!("byte {} of the body is not UTF-8", error.valid_up_to() + 1),
                )
            })
            .and_then(|text| {
                input::parse_event(text, &context).map_err(|refused| {
                    let kind = match &refused {
                        Refused::NotJson(_) => ProblemKind::InvalidJson,
                        Refused::NotAnEvent(_) => ProblemKind::InvalidInput,
                        Refused::TooLarge(_) => ProblemKind::TooLarge,
                    };
                    ApiError::input(kind, vec![refused.into_error()])
                })
            });
        let event = parsed.inspect_err(|_| app.counters.rejected.add(1))?;
        let committed = submit(app, vec![event], bytes.len() + 256, may.peer, remember).await?;
        match committed.judged.into_iter().next() {
            Some(accepted) => Ok(Told::Now(accepted)),
            None => Err(ApiError::new(ProblemKind::Internal, "the event was not judged").into()),
        }
    }
}

/// What holds for all events of a request.
pub(super) fn context(app: &App, request: &Request) -> Context {
    Context {
        received: hark_api::Timestamp::now(),
        // A header that makes no sense is ignored, as W3C Trace Context asks.
        trace: request
            .header("traceparent")
            .and_then(input::parse_traceparent),
        limits: app.config().ingest.clone(),
    }
}

/// Hands events to the pipeline, and waits until they are on disk.
pub(super) async fn submit(
    app: &App,
    events: Vec<Event>,
    bytes: usize,
    peer: Peer,
    remember: Option<Box<dyn Remember>>,
) -> Result<Committed, ApiError> {
    let (reply, answer) = oneshot::channel();
    let origin = Origin {
        pid: match peer {
            Peer::Unix { pid, .. } => pid,
            Peer::Tcp(_) => None,
        },
    };
    let offered = app.queue.offer(Batch {
        events,
        bytes,
        origin,
        source: SourceName::Api,
        reply: Some(Waiter {
            answer: reply,
            remember,
        }),
    });
    if offered.is_err() {
        app.counters.turned_away.add(1);
        return Err(ApiError::new(
            ProblemKind::Busy,
            "more events wait to be stored than may wait (pipeline.queue_events, pipeline.queue_bytes)",
        )
        .retry_after(1));
    }
    match answer.await {
        Ok(Ok(committed)) => Ok(committed),
        Ok(Err(not_stored)) => {
            Err(ApiError::new(ProblemKind::StoreFailing, not_stored.to_string()).retry_after(5))
        }
        Err(_) => Err(ApiError::new(ProblemKind::Internal, "the pipeline is gone")),
    }
}

/// A body that the operation itself reads, with its description.
pub(super) struct Sent<D> {
    pub(super) body: RequestBody,
    of: std::marker::PhantomData<D>,
}

/// What a body is, for the OpenAPI document.
pub(super) trait Described {
    fn content() -> Vec<MetaMediaType>;
}

/// The body of `POST /log`.
pub(super) struct OneEvent;

impl Described for OneEvent {
    fn content() -> Vec<MetaMediaType> {
        vec![MetaMediaType {
            content_type: "application/json",
            schema: event_schema(),
        }]
    }
}

/// An event as it is sent.
pub(super) fn event_schema() -> MetaSchemaRef {
    let text = |description| {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            description: Some(description),
            ..MetaSchema::new("string")
        }))
    };
    MetaSchemaRef::Inline(Box::new(MetaSchema {
        description: Some("Any other key is kept as a field."),
        required: vec!["message"],
        properties: vec![
            ("message", text("What happened, for people.")),
            ("level", hark_api::Level::schema_ref()),
            (
                "time",
                text("When: RFC 3339, or a number of seconds since 1970. Now where absent."),
            ),
            ("service", text("The service that sends it.")),
            (
                "host",
                text("The host that it comes from; this one where absent."),
            ),
            ("fields", hark_api::Fields::schema_ref()),
            ("trace_id", text("W3C trace id: 32 hexadecimal digits.")),
            ("span_id", text("W3C span id: 16 hexadecimal digits.")),
            (
                "traceparent",
                text("W3C traceparent, instead of the two ids."),
            ),
        ],
        additional_properties: Some(Box::new(MetaSchemaRef::Inline(Box::new(MetaSchema::ANY)))),
        example: Some(serde_json::json!({"message": "CPU spike detected", "level": "warning"})),
        ..MetaSchema::new("object")
    }))
}

impl<'a, D: Described + Send> ApiExtractor<'a> for Sent<D> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        hark_api::Level::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: None,
            content: D::content(),
            required: true,
        })
    }

    async fn from_request(
        _request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Ok(Self {
            body: RequestBody::new(
                body.take()
                    .map_err(|error| ApiError::new(ProblemKind::BrokenBody, error.to_string()))?,
            ),
            of: std::marker::PhantomData,
        })
    }
}
