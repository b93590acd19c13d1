//! What every request passes: its id and its span in the log, the checks of where it comes from,
//! the rate limit; and what every error becomes: a problem document.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures_util::FutureExt as _;
use hark_api::InputError;
use http::{HeaderValue, Method, StatusCode, header};
use poem::error::{MethodNotAllowedError, NotFoundError};
use poem::{Endpoint, Request, Response};
use poem_openapi::error::{ParseParamError, ParsePathError};
use tracing::Instrument as _;

use super::App;
use super::auth;
use super::problem::{ApiError, ProblemKind};
use super::server::Peer;

const REQUEST_ID: &str = "x-request-id";

/// Which paths there are, with their methods and parameters, from the OpenAPI document.
pub(super) struct Methods {
    fixed: HashMap<String, Path>,
    variable: Vec<Path>,
}

struct Path {
    parts: Vec<String>,
    methods: Vec<(Method, Vec<String>)>,
}

impl Methods {
    pub(super) fn of(spec: &str) -> Self {
        let spec: serde_json::Value = serde_json::from_str(spec).unwrap_or_default();
        let split = |path: &str| {
            path.trim_matches('/')
                .split('/')
                .map(str::to_owned)
                .collect()
        };
        let mut paths: Vec<_> = spec["paths"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(path, operations)| Path {
                parts: split(path),
                methods: operations
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter_map(|(method, operation)| {
                        let method = method.to_ascii_uppercase().parse().ok()?;
                        let parameters = operation["parameters"]
                            .as_array()
                            .into_iter()
                            .flatten()
                            .filter(|parameter| parameter["in"] == "query")
                            .filter_map(|parameter| Some(parameter["name"].as_str()?.to_owned()))
                            .collect();
                        Some((method, parameters))
                    })
                    .collect(),
            })
            .collect();
        for path in ["/openapi.json", "/docs"] {
            paths.push(Path {
                parts: split(path),
                methods: vec![(Method::GET, Vec::new())],
            });
        }
        let (variable, fixed): (Vec<_>, Vec<_>) = paths
            .into_iter()
            .partition(|path| path.variable().is_some());
        Self {
            fixed: fixed
                .into_iter()
                .map(|path| (path.parts.join("/"), path))
                .collect(),
            variable,
        }
    }

    /// The path that is meant; one without variable parts wins over one with.
    fn find(&self, path: &str) -> Option<&Path> {
        if let Some(found) = self.fixed.get(path.trim_matches('/')) {
            return Some(found);
        }
        let parts: Vec<_> = path.trim_matches('/').split('/').collect();
        self.variable.iter().find(|candidate| {
            candidate.parts.len() == parts.len()
                && candidate
                    .parts
                    .iter()
                    .zip(&parts)
                    .all(|(own, given)| own == given || own.starts_with('{'))
        })
    }
}

impl Path {
    /// The name of the part that varies, as in `id`; no path here has two.
    fn variable(&self) -> Option<&str> {
        self.parts.iter().find_map(|part| {
            let name = part.strip_prefix('{')?;
            name.strip_suffix('}')
        })
    }

    fn allow(&self) -> String {
        let mut allow = String::new();
        for (method, _) in &self.methods {
            let _ = write!(allow, "{method}, ");
            if method == Method::GET {
                allow.push_str("HEAD, ");
            }
        }
        allow + "OPTIONS"
    }

    fn parameters(&self, method: &Method) -> Option<&[String]> {
        self.methods
            .iter()
            .find(|(own, _)| own == method)
            .map(|(_, names)| names.as_slice())
    }
}

/// The guard before all resources.
pub(super) struct Guard<E> {
    app: Arc<App>,
    methods: Methods,
    inner: E,
    id_prefix: u64,
    ids: AtomicU64,
}

impl<E: Endpoint<Output = Response>> Guard<E> {
    pub(super) fn new(app: Arc<App>, methods: Methods, inner: E) -> Self {
        Self {
            // Ids of two runs of the agent differ.
            id_prefix: (app.started.as_nanos() as u64 / 1_000_000) & 0xffff_ffff,
            ids: AtomicU64::new(0),
            app,
            methods,
            inner,
        }
    }

    /// The id that the caller gave, where it is harmless, or a new one.
    fn request_id(&self, request: &Request) -> String {
        let harmless = |id: &&str| {
            (1..=64).contains(&id.len())
                && id
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        match request.header(REQUEST_ID).filter(harmless) {
            Some(id) => id.to_owned(),
            None => format!(
                "{:08x}{:08x}",
                self.id_prefix,
                self.ids.fetch_add(1, Ordering::Relaxed)
            ),
        }
    }

    async fn pass(&self, mut request: Request) -> Result<Response, ApiError> {
        let peer = request.extensions().get::<Peer>().copied();
        if let Some(Peer::Tcp(_)) = peer {
            self.check_host(&request)?;
            self.check_origin(&request)?;
        }
        let caller = auth::identify(&self.app, &request)?;
        let config = self.app.config();
        if let Err(wait) =
            self.app
                .rates
                .take(caller.sender.clone(), &config.rate_limit, Instant::now())
        {
            self.app.counters.limited.add(1);
            return Err(ApiError::new(
                ProblemKind::RateLimited,
                format!(
                    "the limit is {} requests a second",
                    config.rate_limit.requests
                ),
            )
            .retry_after(wait.as_secs_f64().ceil() as u64));
        }
        let path = request.uri().path().to_owned();
        let found = self.methods.find(&path);
        if request.method() == Method::HEAD {
            // hyper leaves the body out.
            request.set_method(Method::GET);
        }
        let Some(found) = found else {
            caller.check_known()?;
            return Err(ApiError::new(
                ProblemKind::NotFound,
                format!("no resource has the path {path}"),
            ));
        };
        if request.method() == Method::OPTIONS {
            return Ok(Response::builder()
                .status(StatusCode::NO_CONTENT)
                .header(header::ALLOW, found.allow())
                .finish());
        }
        let Some(parameters) = found.parameters(request.method()) else {
            return Err(method_not_allowed(request.method(), &path, found));
        };
        check_parameters(&request, parameters)?;
        caller.check_known()?;
        request.extensions_mut().insert(caller);
        let method = request.method().clone();
        match AssertUnwindSafe(self.inner.call(request))
            .catch_unwind()
            .await
        {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(explain(&error, &method, &path, found)),
            Err(_) => Err(ApiError::new(
                ProblemKind::Internal,
                "the request's handler panicked",
            )),
        }
    }

    /// A name in the Host header that is not this host's is how a web page reaches a server on
    /// loopback (DNS rebinding). Addresses are harmless: rebinding needs a name.
    fn check_host(&self, request: &Request) -> Result<(), ApiError> {
        let Some(host) = request.header(header::HOST) else {
            return Ok(());
        };
        let name = host_name(host);
        let config = self.app.config();
        let known = name.eq_ignore_ascii_case("localhost")
            || name.parse::<std::net::IpAddr>().is_ok()
            || name.eq_ignore_ascii_case(&self.app.host)
            || config
                .api
                .allowed_hosts
                .iter()
                .any(|own| own.eq_ignore_ascii_case(name));
        if known {
            Ok(())
        } else {
            Err(ApiError::new(
                ProblemKind::WrongHost,
                "the Host header is no name of this agent; if it should be, add it to api.allowed_hosts",
            ))
        }
    }

    fn check_origin(&self, request: &Request) -> Result<(), ApiError> {
        let Some(origin) = request.headers().get(header::ORIGIN) else {
            return Ok(());
        };
        let own = request
            .header(header::HOST)
            .map(|host| format!("http://{host}"));
        let config = self.app.config();
        let allowed = origin.to_str().is_ok_and(|origin| {
            own.as_deref() == Some(origin)
                || config
                    .api
                    .allowed_origins
                    .iter()
                    .any(|allowed| allowed == origin)
        });
        if allowed {
            Ok(())
        } else {
            Err(ApiError::new(
                ProblemKind::WrongOrigin,
                "web pages may call this only from the origins in api.allowed_origins",
            ))
        }
    }

    fn finish(&self, mut response: Response, id: &str, origin: Option<HeaderValue>) -> Response {
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(id) {
            headers.insert(REQUEST_ID, id);
        }
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        if let Some(origin) = origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::VARY, HeaderValue::from_static("origin"));
            if response.status() == StatusCode::NO_CONTENT {
                let headers = response.headers_mut();
                headers.insert(
                    header::ACCESS_CONTROL_ALLOW_METHODS,
                    HeaderValue::from_static("GET, POST"),
                );
                headers.insert(
                    header::ACCESS_CONTROL_ALLOW_HEADERS,
                    HeaderValue::from_static(
                        "authorization, content-type, idempotency-key, last-event-id, x-request-id",
                    ),
                );
            }
        }
        let class = usize::from(response.status().as_u16() / 100).clamp(1, 5) - 1;
        self.app.counters.responses[class].add(1);
        response
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for Guard<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let id = self.request_id(&request);
        let origin = request.headers().get(header::ORIGIN).cloned();
        let span = tracing::error_span!(
            "request",
            id = id.as_str(),
            method = %request.method(),
            path = request.uri().path(),
        );
        let (response, origin) = async {
            match self.pass(request).await {
                Ok(response) => {
                    tracing::debug!(status = response.status().as_u16(), "answered");
                    (response, origin)
                }
                Err(error) => {
                    match error.kind() {
                        ProblemKind::Internal => tracing::error!(%error, "refused"),
                        ProblemKind::Busy | ProblemKind::StoreFailing => {
                            tracing::warn!(%error, "refused");
                        }
                        _ => tracing::debug!(%error, "refused"),
                    }
                    let wrong_origin = error.kind() == ProblemKind::WrongOrigin;
                    (error.respond(Some(&id)), origin.filter(|_| !wrong_origin))
                }
            }
        }
        .instrument(span)
        .await;
        Ok(self.finish(response, &id, origin))
    }
}

fn method_not_allowed(method: &Method, path: &str, found: &Path) -> ApiError {
    let allow = found.allow();
    ApiError::new(
        ProblemKind::MethodNotAllowed,
        format!("{path} knows {allow}, not {method}"),
    )
    .header(header::ALLOW, &allow)
}

/// What poem and poem-openapi say of an error, in a problem document.
fn explain(error: &poem::Error, method: &Method, path: &str, found: &Path) -> ApiError {
    if let Some(error) = error.downcast_ref::<ApiError>() {
        return error.clone();
    }
    if error.is::<NotFoundError>() {
        return ApiError::new(
            ProblemKind::NotFound,
            format!("no resource has the path {path}"),
        );
    }
    if error.is::<MethodNotAllowedError>() {
        return method_not_allowed(method, path, found);
    }
    if let Some(error) = error.downcast_ref::<ParseParamError>() {
        return ApiError::parameter(error.name, own_words(&error.reason));
    }
    if let Some(error) = error.downcast_ref::<ParsePathError>() {
        return ApiError::parameter(
            found.variable().unwrap_or(error.name),
            own_words(&error.reason),
        );
    }
    let kind = if error.status().is_server_error() {
        ProblemKind::Internal
    } else {
        ProblemKind::InvalidInput
    };
    ApiError::new(kind, error.to_string())
}

/// What a type says of a value that it refuses, without poem's words before it.
fn own_words(reason: &str) -> &str {
    match reason.strip_prefix("failed to parse \"") {
        Some(rest) => rest.split_once("\": ").map_or(reason, |(_, words)| words),
        None => reason,
    }
}

/// A name or address without its port and brackets.
fn host_name(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// A slip in a parameter's name must not silently widen a search.
fn check_parameters(request: &Request, known: &[String]) -> Result<(), ApiError> {
    let errors: Vec<_> = request
        .uri()
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split('=').next())
        .filter(|name| !name.is_empty() && !known.iter().any(|own| own == name))
        .map(|name| InputError {
            line: None,
            field: Some(name.chars().take(64).collect()),
            reason: if known.is_empty() {
                "is no parameter here: there are none".to_owned()
            } else {
                format!("is no parameter here; known are: {}", known.join(", "))
            },
        })
        .collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(ApiError::input(ProblemKind::InvalidQuery, errors))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_parameter_is_what_its_type_says() {
        assert_eq!(own_words("failed to parse \"id\": must be 1"), "must be 1");
        assert_eq!(own_words("must be 1"), "must be 1");
    }

    #[test]
    fn hosts_lose_their_port() {
        for (host, name) in [
            ("localhost:5000", "localhost"),
            ("localhost", "localhost"),
            ("[::1]:5000", "::1"),
            ("10.0.0.1:1", "10.0.0.1"),
            ("", ""),
        ] {
            assert_eq!(host_name(host), name);
        }
    }
}
