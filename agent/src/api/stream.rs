//! `GET /events/stream`: events as they are stored, resumable.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use hark_api::{Event, EventId, Filter, Missed, Timestamp};
use hark_store::{Budget, Cursor, EventQuery, Order};
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Query};

use super::App;
use super::auth::{May, Read};
use super::events;
use super::problem::{ApiError, ProblemKind};
use super::sse::{self, Sse};
use crate::pipeline::hub::{Item, Subscription};

pub(super) struct StreamApi(pub(super) Arc<App>);

/// Events read from the store at a time, while a stream catches up.
const PAGE: usize = 500;

#[OpenApi]
impl StreamApi {
    /// Events as they are stored, as server-sent events named `event`, each with its id. With the
    /// header `Last-Event-ID` (or `after`) the stream first gives everything stored after that
    /// event. A reader that is too slow gets a frame named `missed`, with how many events it did
    /// not get, in their place.
    #[oai(path = "/events/stream", method = "get", operation_id = "eventStream")]
    async fn stream(
        &self,
        _may: May<Read>,
        /// A filter; see docs/api.md.
        q: Query<Option<String>>,
        /// The id of the last event that was seen.
        after: Query<Option<String>>,
        /// The id of the last event that was seen; browsers send it when they reconnect.
        #[oai(name = "Last-Event-ID")]
        last_event_id: Header<Option<String>>,
    ) -> poem::Result<Sse<Event>> {
        let filter = events::parse_filter(q.0.as_deref())?;
        let after = match (&last_event_id.0, &after.0) {
            (Some(id), _) => Some(parse_id("Last-Event-ID", id)?),
            (None, Some(id)) => Some(parse_id("after", id)?),
            (None, None) => None,
        };
        let feed = Feed::new(self.0.clone(), filter, after)?;
        let frames = stream::unfold(feed, |mut feed| async {
            let frame = feed.next().await?;
            Some((frame, feed))
        });
        Ok(Sse::new(frames, self.0.shutdown.clone()))
    }
}

fn parse_id(name: &str, text: &str) -> Result<EventId, ApiError> {
    text.parse()
        .map(EventId)
        .map_err(|_| ApiError::parameter(name, "must be the id of an event, a whole number"))
}

/// What one stream gives next.
struct Feed {
    app: Arc<App>,
    filter: Filter,
    /// Where reading the store goes on; `None` once the stream is live.
    replay: Option<Cursor>,
    /// The last event given.
    last: EventId,
    live: Option<Subscription>,
    ready: VecDeque<Bytes>,
}

impl Feed {
    fn new(app: Arc<App>, filter: Filter, after: Option<EventId>) -> Result<Self, ApiError> {
        let mut feed = Self {
            filter,
            replay: after.map(|id| Cursor {
                time: Timestamp::default(),
                id,
            }),
            last: after.unwrap_or_default(),
            live: None,
            ready: VecDeque::new(),
            app,
        };
        if feed.replay.is_none() {
            feed.subscribe()?;
        }
        Ok(feed)
    }

    fn subscribe(&mut self) -> Result<(), ApiError> {
        let live = self
            .app
            .hub
            .subscribe(self.filter.clone())
            .map_err(|error| ApiError::new(ProblemKind::Busy, error.to_string()).retry_after(10))?;
        self.live = Some(live);
        Ok(())
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some(frame);
            }
            if let Some(after) = self.replay {
                self.catch_up(after).await?;
            } else {
                let items = self.live.as_ref()?.next().await;
                self.take(items);
            }
        }
    }

    /// Reads on in the store. When it is read to its end the stream listens, reads once more for
    /// what came in between, and is live.
    async fn catch_up(&mut self, after: Cursor) -> Option<()> {
        let query = EventQuery {
            filter: self.filter.clone(),
            order: Order::Arrival,
            after: Some(after),
            limit: PAGE,
            budget: Budget::default(),
            ..EventQuery::default()
        };
        let listening = self.live.is_some();
        let page = match events::search(&self.app, query).await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(%error, "a stream that was catching up ends");
                return None;
            }
        };
        for event in &page.events {
            self.last = self.last.max(event.id);
            self.ready
                .push_back(sse::frame("event", Some(event.id), event));
        }
        let reached = page.events.last().map_or(after, Cursor::from);
        self.replay = match page.next {
            Some(next) => Some(next),
            None if listening => None,
            None => {
                if let Err(error) = self.subscribe() {
                    tracing::warn!(%error, "a stream that had caught up ends");
                    return None;
                }
                Some(reached)
            }
        };
        Some(())
    }

    fn take(&mut self, items: Vec<Item>) {
        for item in items {
            match item {
                // What came while it read the store, it has.
                Item::Event(event) if event.id <= self.last => {}
                Item::Event(event) => {
                    self.last = event.id;
                    self.ready
                        .push_back(sse::frame("event", Some(event.id), &*event));
                }
                Item::Missed(missed) => {
                    self.ready
                        .push_back(sse::frame("missed", None, &Missed { missed }));
                }
            }
        }
    }
}
