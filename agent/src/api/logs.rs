//! `POST /logs`: a batch of events.

use std::sync::Arc;

use hark_api::BatchAccepted;
use poem::Request;
use poem_openapi::OpenApi;
use poem_openapi::param::Header;
use poem_openapi::registry::{MetaMediaType, MetaSchema, MetaSchemaRef};

use super::App;
use super::auth::{Ingest, May};
use super::idempotency::{self, Shape, Told, Turn};
use super::input::{self, BodyType, Context, Parsed};
use super::log::{Described, Sent, context, event_schema, submit};
use super::problem::{ApiError, ProblemKind};

pub(super) struct LogsApi(pub(super) Arc<App>);

/// Bodies beyond this are parsed off the threads that serve requests, in bytes: about a
/// millisecond's work.
const PARSE_HERE: usize = 512 << 10;

#[OpenApi]
impl LogsApi {
    /// Sends a batch of events: a JSON array, or one JSON object a line (NDJSON), as they are or
    /// compressed by gzip or zstd. The good events are on disk when the answer comes; the bad ones
    /// are named by their line, and not stored.
    #[oai(path = "/logs", method = "post", operation_id = "logs")]
    async fn logs(
        &self,
        may: May<Ingest>,
        request: &Request,
        body: Sent<ManyEvents>,
        /// A text of the sender's choice, 1 to 255 characters of ASCII, in double quotes or bare. A
        /// request that comes again with the same one and the same body is answered as before.
        #[oai(name = "Idempotency-Key")]
        _key: Header<Option<String>>,
    ) -> poem::Result<Told<BatchAccepted>> {
        let app = &self.0;
        let key = idempotency::key(request)?;
        let mut body = body.body;
        let types = [BodyType::Json, BodyType::Lines];
        let (body_type, bytes) = input::read(request, &mut body, &types, &app.config().api).await?;
        let mut claim = None;
        if let Some(key) = key {
            match idempotency::turn(app, &may.sender, &key, request, &bytes).await? {
                Turn::First(first) => claim = Some(first),
                Turn::Again(answer) => return Ok(Told::Again(answer)),
            }
        }
        let context = context(app, request);
        let parsed = if bytes.len() > PARSE_HERE {
            tokio::task::spawn_blocking(move || parse(body_type, &bytes, &context))
                .await
                .map_err(|error| ApiError::new(ProblemKind::Internal, error.to_string()))?
        } else {
            parse(body_type, &bytes, &context)
        };
        let parsed = parsed.inspect_err(|_| app.counters.rejected.add(1))?;
        app.counters.rejected.add(parsed.rejected);
        if parsed.events.is_empty() && parsed.rejected > 0 {
            return Err(ApiError::input(ProblemKind::InvalidInput, parsed.errors).into());
        }
        let mut answer = BatchAccepted {
            accepted: parsed.events.len() as u64,
            rejected: parsed.rejected,
            errors: parsed.errors,
            ..BatchAccepted::default()
        };
        if !parsed.events.is_empty() {
            let remember = claim.map(|claim| claim.keep(Shape::Batch(answer.clone())));
            let committed = submit(app, parsed.events, parsed.bytes, may.peer, remember).await?;
            answer = idempotency::batch_answer(answer, &committed);
        }
        Ok(Told::Now(answer))
    }
}

fn parse(body_type: BodyType, bytes: &[u8], context: &Context) -> Result<Parsed, ApiError> {
    match body_type {
        BodyType::Lines => input::parse_lines(bytes, context)
            .map_err(|error| ApiError::new(ProblemKind::TooLarge, error.to_string())),
        BodyType::Json => {
            let text = std::str::from_utf8(bytes).map_err(|error| {
                ApiError::new(
                    ProblemKind::InvalidUtf8,
                    format!("byte {} of the body is not UTF-8", error.valid_up_to() + 1),
                )
            })?;
            input::parse_array(text, context).map_err(|error| {
                let kind = if error.to_string().contains("ingest.max_batch") {
                    ProblemKind::TooLarge
                } else if error.is_data() {
                    ProblemKind::InvalidInput
                } else {
                    ProblemKind::InvalidJson
                };
                ApiError::new(kind, error.to_string())
            })
        }
    }
}

/// The body of `POST /logs`.
pub(super) struct ManyEvents;

impl Described for ManyEvents {
    fn content() -> Vec<MetaMediaType> {
        vec![
            MetaMediaType {
                content_type: "application/json",
                schema: MetaSchemaRef::Inline(Box::new(MetaSchema {
                    items: Some(Box::new(event_schema())),
                    ..MetaSchema::new("array")
                })),
            },
            MetaMediaType {
                content_type: "application/x-ndjson",
                schema: MetaSchemaRef::Inline(Box::new(MetaSchema {
                    description: Some("One event a line."),
                    ..MetaSchema::new("string")
                })),
            },
        ]
    }
}
