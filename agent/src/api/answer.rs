//! Answers in JSON, straight from serde: without a detour through a tree of values.

use hark_api::Problem;
use poem::{Body, IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use serde::Serialize;

use super::problem::{ApiError, ProblemKind};

/// An answer in JSON.
pub(super) struct Answer<T>(pub(super) T);

impl<T: Serialize + Send> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => Response::builder()
                .content_type("application/json")
                .header(http::header::CACHE_CONTROL, "no-store")
                .body(Body::from_vec(body)),
            Err(error) => ApiError::new(ProblemKind::Internal, error.to_string()).respond(None),
        }
    }
}

impl<T: Type> ApiResponse for Answer<T> {
    fn meta() -> MetaResponses {
        responses("application/json", T::schema_ref())
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
        Problem::register(registry);
    }
}

/// Success with this content; else a problem document.
pub(super) fn responses(content_type: &'static str, schema: MetaSchemaRef) -> MetaResponses {
    let response = |description, status, content_type, schema| MetaResponse {
        description,
        status,
        status_range: None,
        content: vec![MetaMediaType {
            content_type,
            schema,
        }],
        headers: vec![],
    };
    MetaResponses {
        responses: vec![
            response("", Some(200), content_type, schema),
            response(
                "Anything else is a problem document.",
                None,
                "application/problem+json",
                Problem::schema_ref(),
            ),
        ],
    }
}
