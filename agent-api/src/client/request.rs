//! One request on one connection.

use std::io;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;

use super::sse::FrameStream;
use super::{Client, ClientError, Endpoint, IdempotencyKey, MAX_ANSWER_BYTES};
use crate::{EventId, Problem};

/// How much of an answer that is no problem document is quoted in the error.
const QUOTED_BYTES: usize = 200;

/// The most that is read ahead of a stream's reader.
const READ_AHEAD_BYTES: usize = 128 << 10;

/// What is sent.
pub(super) struct Body {
    content_type: &'static str,
    bytes: Bytes,
    key: Option<IdempotencyKey>,
}

impl Body {
    pub(super) fn json(bytes: Bytes) -> Self {
        Self {
            content_type: "application/json",
            bytes,
            key: None,
        }
    }

    pub(super) fn ndjson(bytes: Bytes) -> Self {
        Self {
            content_type: "application/x-ndjson",
            bytes,
            key: None,
        }
    }

    /// The same under a key.
    pub(super) fn with_key(self, key: Option<&IdempotencyKey>) -> Self {
        Self {
            key: key.cloned(),
            ..self
        }
    }
}

/// The task that drives a connection; the connection is closed when this is dropped.
pub(super) struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends a request and reads the whole answer, within the client's time limit.
pub(super) async fn call(
    client: &Client,
    method: Method,
    path: &str,
    body: Option<Body>,
) -> Result<Bytes, ClientError> {
    let request = build(client, method, path, body)?;
    let exchange = async {
        let (response, _driver) = exchange(client, request).await?;
        let (head, body) = response.into_parts();
        let bytes = collect(body).await?;
        if head.status.is_success() {
            Ok(bytes)
        } else {
            Err(refusal(head.status, &bytes))
        }
    };
    within_limit(client, exchange).await
}

/// Opens a stream of server-sent events. The time limit is for the answer's head.
pub(super) async fn open_stream(
    client: &Client,
    path: &str,
    after: Option<EventId>,
) -> Result<FrameStream, ClientError> {
    let mut request = build(client, Method::GET, path, None)?;
    let headers = request.headers_mut();
    headers.insert(
        header::ACCEPT,
        HeaderValue::from_static("text/event-stream"),
    );
    if let Some(after) = after {
        headers.insert("last-event-id", HeaderValue::from(after.0));
    }
    let open = async {
        let (response, driver) = exchange(client, request).await?;
        let (head, body) = response.into_parts();
        if head.status.is_success() {
            Ok(FrameStream::new(body, driver, client.endpoint.clone()))
        } else {
            Err(refusal(head.status, &collect(body).await?))
        }
    };
    within_limit(client, open).await
}

/// Asks for something large by POST. The time limit is for the answer's head.
pub(super) async fn open_download(
    client: &Client,
    path: &str,
) -> Result<(Incoming, Driver), ClientError> {
    let request = build(client, Method::POST, path, None)?;
    let open = async {
        let (response, driver) = exchange(client, request).await?;
        let (head, body) = response.into_parts();
        if head.status.is_success() {
            Ok((body, driver))
        } else {
            Err(refusal(head.status, &collect(body).await?))
        }
    };
    within_limit(client, open).await
}

async fn within_limit<T>(
    client: &Client,
    work: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    tokio::time::timeout(client.timeout, work)
        .await
        .unwrap_or_else(|_| {
            Err(ClientError::Silent {
                endpoint: client.endpoint.clone(),
                after: client.timeout,
            })
        })
}

fn build(
    client: &Client,
    method: Method,
    path: &str,
    body: Option<Body>,
) -> Result<Request<Full<Bytes>>, ClientError> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, client.endpoint.authority())
        .header(
            header::USER_AGENT,
            concat!("hark/", env!("CARGO_PKG_VERSION")),
        )
        .header(header::ACCEPT, "application/json, application/problem+json");
    if let Some(token) = &client.token {
        request = request.header(header::AUTHORIZATION, token.header());
    }
    let bytes = match body {
        Some(body) => {
            request = request.header(header::CONTENT_TYPE, body.content_type);
            if let Some(key) = body.key {
                request = request.header("idempotency-key", key.header());
            }
            body.bytes
        }
        None => Bytes::new(),
    };
    Ok(request.body(Full::new(bytes))?)
}

async fn exchange(
    client: &Client,
    request: Request<Full<Bytes>>,
) -> Result<(Response<Incoming>, Driver), ClientError> {
    let failed = |source: io::Error| ClientError::Connect {
        endpoint: client.endpoint.clone(),
        source,
    };
    match &client.endpoint {
        Endpoint::Unix(path) => {
            let io = UnixStream::connect(path).await.map_err(failed)?;
            send(io, request).await
        }
        Endpoint::Tcp { host, port } => {
            let io = TcpStream::connect((host.as_str(), *port))
                .await
                .map_err(failed)?;
            io.set_nodelay(true).map_err(failed)?;
            send(io, request).await
        }
    }
}

async fn send<S>(
    io: S,
    request: Request<Full<Bytes>>,
) -> Result<(Response<Incoming>, Driver), ClientError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(READ_AHEAD_BYTES)
        .handshake(TokioIo::new(io))
        .await?;
    let driver = Driver(tokio::spawn(async move {
        // Its error also reaches whoever awaits the answer.
        let _ = connection.await;
    }));
    Ok((sender.send_request(request).await?, driver))
}

async fn collect(body: Incoming) -> Result<Bytes, ClientError> {
    match Limited::new(body, MAX_ANSWER_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ClientError::TooLarge),
        Err(error) => Err(match error.downcast::<hyper::Error>() {
            Ok(error) => ClientError::Broken(*error),
            Err(_) => ClientError::TooLarge,
        }),
    }
}

/// An answer without success, as an error.
fn refusal(status: StatusCode, body: &[u8]) -> ClientError {
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => ClientError::Problem(Box::new(problem)),
        Err(_) => ClientError::Unexplained {
            status: status.as_u16(),
            body: String::from_utf8_lossy(&body[..body.len().min(QUOTED_BYTES)]).into_owned(),
        },
    }
}
