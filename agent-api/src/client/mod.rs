//! A typed client for the agent's REST API, over its Unix socket or over TCP.
//!
//! Every request opens a connection of its own: on the same host that costs a fraction of a
//! millisecond, and there is no pool whose idle connections could go stale. Answers and stream
//! frames are bounded (see [`MAX_ANSWER_BYTES`] and [`sse::MAX_FRAME_BYTES`]); nothing is buffered
//! beyond them.

mod download;
mod endpoint;
mod error;
mod key;
mod query;
mod request;
pub mod sse;
mod stream;

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::Serialize;

pub use endpoint::{Endpoint, InvalidEndpoint, InvalidToken, Token};
pub use error::ClientError;
pub use key::{IdempotencyKey, InvalidKey, NoRandomness};
pub use query::{EventQuery, Order};
pub use stream::{EventItem, EventStream, VitalsStream};

use crate::{
    Accepted, BatchAccepted, Event, EventId, EventPage, IncidentId, IncidentPage, IncidentRecord,
    SeriesData, SeriesKey, SeriesList, Status, TemplateList, Timestamp, Vitals,
};
use query::Params;

/// The largest answer that is read, in bytes. A page of 1,000 large events stays well below it.
pub const MAX_ANSWER_BYTES: usize = 64 << 20;

/// How long an answer may take by default.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Speaks with one agent. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    endpoint: Endpoint,
    token: Option<Token>,
    timeout: Duration,
}

impl Client {
    /// A client for the agent at this endpoint. Nothing is connected yet.
    pub fn new(endpoint: Endpoint, token: Option<Token>) -> Self {
        Self {
            endpoint,
            token,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// The same client with another limit on how long connecting and answering may take together.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Where the agent is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends one event: an object as `POST /log` takes it. The answer says that it is on disk.
    /// With a key it can be sent again where no answer came, and is stored once.
    ///
    /// # Errors
    /// The agent cannot be reached or refuses the event.
    pub async fn send(
        &self,
        event: &impl Serialize,
        key: Option<&IdempotencyKey>,
    ) -> Result<Accepted, ClientError> {
        let body = serde_json::to_vec(event).map_err(ClientError::Encode)?;
        let body = request::Body::json(Bytes::from(body)).with_key(key);
        self.call(Method::POST, "/log", Some(body)).await
    }

    /// Sends a batch of events, one JSON object a line (NDJSON). Good lines are stored even where
    /// others are refused. With a key it can be sent again where no answer came, and is stored
    /// once.
    ///
    /// # Errors
    /// The agent cannot be reached, or refuses the batch as a whole.
    pub async fn send_batch(
        &self,
        ndjson: Bytes,
        key: Option<&IdempotencyKey>,
    ) -> Result<BatchAccepted, ClientError> {
        let body = request::Body::ndjson(ndjson).with_key(key);
        self.call(Method::POST, "/logs", Some(body)).await
    }

    /// One page of stored events.
    ///
    /// # Errors
    /// The agent cannot be reached or refuses the query.
    pub async fn events(&self, query: &EventQuery) -> Result<EventPage, ClientError> {
        self.get(&query.path()).await
    }

    /// One stored event.
    ///
    /// # Errors
    /// The agent cannot be reached, or has no such event (a problem with status 404).
    pub async fn event(&self, id: EventId) -> Result<Event, ClientError> {
        self.get(&format!("/events/{id}")).await
    }

    /// The live stream of the events that pass a filter. With `after` it first gives what was
    /// stored after that event, so that a reader who lost its connection loses nothing stored.
    ///
    /// # Errors
    /// The agent cannot be reached or refuses the filter.
    pub async fn event_stream(
        &self,
        filter: &str,
        after: Option<EventId>,
    ) -> Result<EventStream, ClientError> {
        let mut params = Params::new("/events/stream");
        if !filter.trim().is_empty() {
            params.push("q", filter);
        }
        Ok(EventStream::new(
            request::open_stream(self, &params.finish(), after).await?,
            after,
        ))
    }

    /// The newest reading of the vital signs.
    ///
    /// # Errors
    /// The agent cannot be reached or refuses.
    pub async fn vitals(&self) -> Result<Vitals, ClientError> {
        self.get("/vitals").await
    }

    /// The vital signs as they are read, once a second.
    ///
    /// # Errors
    /// The agent cannot be reached or refuses.
    pub async fn vitals_stream(&self) -> Result<VitalsStream, ClientError> {
        Ok(VitalsStream::new(
            request::open_stream(self, "/vitals/stream", None).await?,
        ))
    }

    /// The agent's state.
    ///
    /// # Errors
    /// The agent cannot be reached or refuses.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get("/status").await
    }

    /// The newest incidents, newest first.
    ///
    /// # Errors
    /// The agent cannot be reached or refuses.
    pub async fn incidents(&self, limit: u32) -> Result<IncidentPage, ClientError> {
        let mut params = Params::new("/incidents");
        params.push("limit", &limit.to_string());
        self.get(&params.finish()).await
    }

    /// Notes that somebody has seen an incident. Needs the scope `admin`.
    ///
    /// # Errors
    /// The agent cannot be reached, refuses, or has no such incident.
    pub async fn acknowledge_incident(
        &self,
        id: IncidentId,
    ) -> Result<IncidentRecord, ClientError> {
        let path = format!("/incidents/{id}/acknowledge");
        self.call(Method::POST, &path, None).await
    }

    /// Silences an incident for some seconds; 0 ends a silence. Needs the scope `admin`.
    ///
    /// # Errors
    /// The agent cannot be reached, refuses, or has no such incident.
    pub async fn silence_incident(
        &self,
        id: IncidentId,
        secs: u32,
    ) -> Result<IncidentRecord, ClientError> {
        let body = serde_json::json!({ "duration": format!("{secs}s") });
        let body = request::Body::json(body.to_string().into());
        let path = format!("/incidents/{id}/silence");
        self.call(Method::POST, &path, Some(body)).await
    }

    /// Adds a note to an incident. Needs the scope `admin`.
    ///
    /// # Errors
    /// The agent cannot be reached, refuses, or has no such incident.
    pub async fn note_incident(
        &self,
        id: IncidentId,
        text: &str,
    ) -> Result<IncidentRecord, ClientError> {
        let body = serde_json::json!({ "text": text });
        let body = request::Body::json(body.to_string().into());
        let path = format!("/incidents/{id}/notes");
        self.call(Method::POST, &path, Some(body)).await
    }

    /// The log templates that were seen most, as of the last time that somebody asked.
    ///
    /// # Errors
    /// The agent cannot be reached or refuses.
    pub async fn templates(&self) -> Result<TemplateList, ClientError> {
        self.get("/templates").await
    }

    /// The series that are stored, those whose key has `part` in it.
    ///
    /// # Errors
    /// The agent cannot be reached or refuses.
    pub async fn series(&self, part: &str) -> Result<SeriesList, ClientError> {
        let mut params = Params::new("/series");
        if !part.is_empty() {
            params.push("name", part);
        }
        self.get(&params.finish()).await
    }

    /// The points of a series from one time up to before another, at the finest step that fits.
    ///
    /// # Errors
    /// The agent cannot be reached, refuses, or has no such series (a problem with status 404).
    pub async fn series_data(
        &self,
        key: &SeriesKey,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<SeriesData, ClientError> {
        let mut params = Params::new("/series/data");
        params.push("key", key.as_str());
        params.push("from", &from.to_string());
        params.push("to", &to.to_string());
        self.get(&params.finish()).await
    }

    /// The same at a step of so many seconds: 1, 10 or 60.
    ///
    /// # Errors
    /// As [`Client::series_data`], and where the step is too fine for that much time.
    pub async fn series_data_at(
        &self,
        key: &SeriesKey,
        (from, to): (Timestamp, Timestamp),
        step: u32,
    ) -> Result<SeriesData, ClientError> {
        let mut params = Params::new("/series/data");
        params.push("key", key.as_str());
        params.push("from", &from.to_string());
        params.push("to", &to.to_string());
        params.push("step", &step.to_string());
        self.get(&params.finish()).await
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(Method::GET, path, None).await
    }

    async fn call<T: serde::de::DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<request::Body>,
    ) -> Result<T, ClientError> {
        let bytes = request::call(self, method, path, body).await?;
        serde_json::from_slice(&bytes).map_err(ClientError::Decode)
    }
}
