//! Every error, as a problem document: [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457).

use std::fmt;

use hark_api::{InputError, Problem};
use http::{HeaderName, HeaderValue, StatusCode, header};
use poem::error::ResponseError;
use poem::{Body, Response};

/// The kinds of problems: the last part of their `type`, status and title.
macro_rules! kinds {
    ($($(#[$meta:meta])* $name:ident = $slug:literal, $status:ident, $title:literal;)+) => {
        /// A kind of problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum ProblemKind { $($(#[$meta])* $name,)+ }

        impl ProblemKind {
            fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)+ }
            }
            fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }
            fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }
        }
    };
}

kinds! {
    InvalidInput = "invalid-input", BAD_REQUEST, "The input is not valid";
    InvalidJson = "invalid-json", BAD_REQUEST, "The body is not valid JSON";
    InvalidUtf8 = "invalid-utf8", BAD_REQUEST, "The body is not valid UTF-8";
    InvalidQuery = "invalid-query", BAD_REQUEST, "A parameter is not valid";
    InvalidFilter = "invalid-filter", BAD_REQUEST, "The filter is not valid";
    InvalidEncoding = "invalid-encoding", BAD_REQUEST, "The body cannot be decompressed";
    BrokenBody = "broken-body", BAD_REQUEST, "The body did not arrive whole";
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "A token is needed";
    Forbidden = "forbidden", FORBIDDEN, "That is not permitted";
    WrongHost = "wrong-host", MISDIRECTED_REQUEST, "The Host header names another host";
    WrongOrigin = "wrong-origin", FORBIDDEN, "Web pages of that origin are not permitted";
    NotFound = "not-found", NOT_FOUND, "There is no such thing";
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "The method is not allowed here";
    Timeout = "timeout", REQUEST_TIMEOUT, "The body took too long";
    TooLarge = "too-large", PAYLOAD_TOO_LARGE, "The body is too large";
    UnsupportedType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "The content type is not supported";
    UnsupportedEncoding = "unsupported-encoding", UNSUPPORTED_MEDIA_TYPE, "The content encoding is not supported";
    KeyReused = "key-reused", UNPROCESSABLE_ENTITY, "The idempotency key was used for another request";
    RateLimited = "rate-limited", TOO_MANY_REQUESTS, "Too many requests";
    Busy = "busy", SERVICE_UNAVAILABLE, "There is no room now";
    StoreFailing = "store-failing", SERVICE_UNAVAILABLE, "The store cannot write";
    NotReady = "not-ready", SERVICE_UNAVAILABLE, "Not ready";
    Internal = "internal", INTERNAL_SERVER_ERROR, "The agent made a mistake";
}

/// An error of the API.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    kind: ProblemKind,
    detail: Option<String>,
    errors: Vec<InputError>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl ApiError {
    pub(super) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: Some(detail.into()),
            errors: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// Invalid input, each thing named.
    pub(super) fn input(kind: ProblemKind, errors: Vec<InputError>) -> Self {
        Self {
            detail: errors.first().map(|error| match &error.field {
                Some(field) => format!("{field}: {}", error.reason),
                None => error.reason.clone(),
            }),
            kind,
            errors,
            headers: Vec::new(),
        }
    }

    /// A parameter that is not valid.
    pub(super) fn parameter(name: &str, reason: impl Into<String>) -> Self {
        Self::input(
            ProblemKind::InvalidQuery,
            vec![InputError {
                line: None,
                field: Some(name.to_owned()),
                reason: reason.into(),
            }],
        )
    }

    /// A field of the body that is not valid.
    pub(super) fn field(name: &str, reason: impl Into<String>) -> Self {
        Self::input(
            ProblemKind::InvalidInput,
            vec![InputError {
                line: None,
                field: Some(name.to_owned()),
                reason: reason.into(),
            }],
        )
    }

    /// With a header, where the value can be one.
    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// Try again in so many seconds.
    pub(super) fn retry_after(self, secs: u64) -> Self {
        self.header(header::RETRY_AFTER, &secs.max(1).to_string())
    }

    pub(super) fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// The problem document.
    pub(super) fn respond(&self, request_id: Option<&str>) -> Response {
        let problem = Problem {
            kind: format!("/problems/{}", self.kind.slug()),
            title: self.kind.title().to_owned(),
            status: self.kind.status().as_u16(),
            detail: self.detail.clone(),
            request_id: request_id.map(str::to_owned),
            errors: self.errors.clone(),
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = Response::builder()
            .status(self.kind.status())
            .header(header::CONTENT_TYPE, "application/problem+json")
            .header(header::CACHE_CONTROL, "no-store")
            .body(Body::from_vec(body));
        for (name, value) in &self.headers {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.title())?;
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ApiError {}

impl ResponseError for ApiError {
    fn status(&self) -> StatusCode {
        self.kind.status()
    }

    fn as_response(&self) -> Response {
        self.respond(None)
    }
}

impl From<crate::incidents::IncidentError> for ApiError {
    fn from(error: crate::incidents::IncidentError) -> Self {
        match error {
            crate::incidents::IncidentError::Store(error) => error.into(),
            error @ crate::incidents::IncidentError::Body(_) => {
                Self::new(ProblemKind::Internal, error.to_string())
            }
        }
    }
}

impl From<hark_store::Error> for ApiError {
    fn from(error: hark_store::Error) -> Self {
        match error {
            hark_store::Error::Damaged { .. } => {
                Self::new(ProblemKind::Internal, error.to_string())
            }
            hark_store::Error::UnknownField(_) => Self::parameter("facets", error.to_string()),
            error => Self::new(ProblemKind::StoreFailing, error.to_string()).retry_after(5),
        }
    }
}
