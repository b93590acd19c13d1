//! `GET /events` and `GET /events/{id}`: searching what is stored.

use std::sync::Arc;

use hark_api::{Event, EventId, EventPage, Filter, Timestamp};
use hark_store::{Budget, EventQuery, Order, Page};
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};

use super::App;
use super::answer::Answer;
use super::auth::{May, Read};
use super::problem::{ApiError, ProblemKind};

pub(super) struct EventsApi(pub(super) Arc<App>);

/// Events on a page where no limit is given.
const DEFAULT_LIMIT: usize = 100;
/// Events on a page at most.
const MAX_LIMIT: usize = 1000;

#[OpenApi]
impl EventsApi {
    /// One page of stored events. `next` of a page is the `cursor` of the one after it.
    #[oai(path = "/events", method = "get", operation_id = "events")]
    #[allow(clippy::too_many_arguments)]
    async fn events(
        &self,
        _may: May<Read>,
        /// A filter; see docs/api.md.
        q: Query<Option<String>>,
        /// Not before this time: RFC 3339, or seconds since 1970.
        from: Query<Option<String>>,
        /// Before this time: RFC 3339, or seconds since 1970.
        to: Query<Option<String>>,
        /// `newest` first (the default) or `oldest` first.
        order: Query<Option<String>>,
        /// Events on a page, from 1 to 1000; 100 by default.
        limit: Query<Option<String>>,
        /// The `next` of the page before.
        cursor: Query<Option<String>>,
    ) -> poem::Result<Answer<EventPage>> {
        let query = EventQuery {
            from: parse_time("from", from.0.as_deref())?,
            to: parse_time("to", to.0.as_deref())?,
            filter: parse_filter(q.0.as_deref())?,
            order: match order.0.as_deref() {
                None | Some("newest") => Order::Newest,
                Some("oldest") => Order::Oldest,
                Some(_) => {
                    return Err(ApiError::parameter("order", "must be newest or oldest").into());
                }
            },
            after: match cursor.0.as_deref() {
                None => None,
                Some(text) => Some(text.parse().map_err(|error: hark_store::InvalidCursor| {
                    ApiError::parameter("cursor", error.to_string())
                })?),
            },
            limit: match limit.0.as_deref().map(str::parse) {
                None => DEFAULT_LIMIT,
                Some(Ok(limit @ 1..=MAX_LIMIT)) => limit,
                Some(_) => {
                    return Err(ApiError::parameter(
                        "limit",
                        format!("must be a whole number from 1 to {MAX_LIMIT}"),
                    )
                    .into());
                }
            },
            budget: Budget {
                time: self.0.config().api.search_timeout.0,
                ..Budget::default()
            },
        };
        let page = search(&self.0, query).await?;
        Ok(Answer(EventPage {
            events: page.events,
            next: page.next.map(|cursor| cursor.to_string()),
            complete: page.complete,
        }))
    }

    /// One stored event.
    #[oai(path = "/events/:id", method = "get", operation_id = "event")]
    async fn event(
        &self,
        _may: May<Read>,
        /// Its id.
        id: Path<EventId>,
    ) -> poem::Result<Answer<Event>> {
        let store = self.0.store.clone();
        let id = id.0;
        match blocking(move || store.event(id)).await? {
            Some(event) => Ok(Answer(event)),
            None => Err(ApiError::new(
                ProblemKind::NotFound,
                format!("there is no event {id}; it may have been removed by retention"),
            )
            .into()),
        }
    }
}

/// Searches the store, off the threads that serve requests.
pub(super) async fn search(app: &Arc<App>, query: EventQuery) -> Result<Page, ApiError> {
    let store = app.store.clone();
    blocking(move || store.events(&query)).await
}

/// Runs what blocks on the store on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, hark_store::Error> + Send + 'static,
) -> Result<T, ApiError> {
    off_thread(work).await
}

/// Runs what blocks on a thread of its own.
pub(super) async fn off_thread<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, ApiError>
where
    T: Send + 'static,
    E: Send + 'static,
    ApiError: From<E>,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(ApiError::from),
        Err(error) => Err(ApiError::new(ProblemKind::Internal, error.to_string())),
    }
}

/// A filter from the parameter `q`; everything passes where there is none.
pub(super) fn parse_filter(text: Option<&str>) -> Result<Filter, ApiError> {
    let Some(text) = text else {
        return Ok(Filter::default());
    };
    Filter::parse_at(text, Timestamp::now()).map_err(|error| {
        ApiError::input(
            ProblemKind::InvalidFilter,
            vec![hark_api::InputError {
                line: None,
                field: Some("q".to_owned()),
                reason: error.to_string(),
            }],
        )
    })
}

/// A time, as RFC 3339 or as seconds since 1970.
pub(super) fn parse_time(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    if let Some(secs) = text
        .parse::<f64>()
        .ok()
        .filter(|s| s.is_finite() && s.abs() < 9.2e9)
    {
        return Ok(Some(Timestamp::from_secs_f64(secs)));
    }
    text.parse()
        .map(Some)
        .map_err(|error: hark_api::InvalidTimestamp| ApiError::parameter(name, error.to_string()))
}
