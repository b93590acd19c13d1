//! The console's side of the connection: brings news of the agent, through its coming and going.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use hark_api::client::{Client, ClientError, EventItem, EventQuery};
use hark_api::{
    Event, EventId, IncidentRecord, SeriesData, SeriesEntry, Status, Template, Timestamp, Vitals,
};
use tokio::sync::{Notify, mpsc};

use super::latencies;
use super::past;
use super::state::ask::Ask;
use super::state::heat::Map;
use super::state::history::Values;
use super::state::scene::Stored;
use super::state::unusual::RECENT_SECS;
use crate::backoff::Backoff;
use crate::clean::Clean;
use crate::remedy::Remedy;

/// Stored events that are fetched at the start.
const FIRST_EVENTS: u32 = 1_000;
/// Unusual events that are fetched at the start.
const FIRST_UNUSUAL: u32 = 200;
/// Events handed over together at most, so that keys are looked at between.
const BATCH: usize = 256;
/// Incidents that are fetched at most.
const INCIDENTS: u32 = 200;
/// How often the agent's own state is asked for.
const STATUS_EVERY: Duration = Duration::from_secs(2);
/// How long vital signs are not asked for again where there are none.
const VITALS_AGAIN: Duration = Duration::from_secs(10);

/// Something that the console did not know.
pub(crate) enum News {
    /// The agent is being asked.
    Connecting,
    /// It answered.
    Live,
    Status(Box<Clean<Status>>),
    Vitals(Box<Vitals>),
    /// Vital signs of the minutes before, oldest first.
    Past(Vec<(Timestamp, Values)>),
    /// Events, in order, each once.
    Events(Vec<Event>),
    /// Unusual events of the last day, in order; they may also come as events.
    Unusual(Vec<Event>),
    /// The incidents that the agent keeps.
    Incidents(Vec<IncidentRecord>),
    /// An incident after it was asked to be changed, or why it was not.
    Changed(Result<Box<IncidentRecord>, String>),
    /// Which series there are, and where they are expected to lie.
    Series(Vec<SeriesEntry>),
    /// Points of a series, of the time that was asked for.
    Data {
        data: Box<SeriesData>,
        from: Timestamp,
        to: Timestamp,
    },
    /// Heat maps of a time, at a step in seconds.
    Heat {
        maps: Vec<Map>,
        time: (Timestamp, Timestamp, u32),
    },
    /// The log templates, most frequent first.
    Templates(Vec<Template>),
    /// What the agent has stored of a moment.
    Stored(Box<Stored>),
    /// The unusual event next to a moment, where there is one.
    Anomaly {
        event: Option<Box<Event>>,
        forward: bool,
    },
    /// A question was not answered, and why.
    Unanswered(String),
    /// Events did not come because they were too many.
    Missed(u64),
    /// There is no connection, and it is tried again after a while.
    Down {
        why: String,
        remedy: Option<Remedy>,
        wait: Duration,
    },
}

/// Answers questions until nobody asks any more.
pub(crate) async fn answer(client: Client, mut asks: mpsc::Receiver<Ask>, news: Sender) {
    while let Some(ask) = asks.recv().await {
        let changed = match &ask {
            Ask::Acknowledge(id) => Some(client.acknowledge_incident(*id).await),
            Ask::Silence(id, secs) => Some(client.silence_incident(*id, *secs).await),
            Ask::Note(id, text) => Some(client.note_incident(*id, text).await),
            Ask::List
            | Ask::Data { .. }
            | Ask::Heat { .. }
            | Ask::Templates
            | Ask::Scene(_)
            | Ask::Anomaly { .. } => None,
        };
        if let Some(changed) = changed {
            let changed = changed.map(Box::new).map_err(|error| error.to_string());
            if news.send(News::Changed(changed)).await.is_err() {
                return;
            }
            continue;
        }
        let answer =
            match ask {
                Ask::List => {
                    let list = client.series("").await;
                    list.map(|list| News::Series(list.series))
                }
                Ask::Data { key, from, to } => {
                    let data = client.series_data(&key, from, to).await;
                    data.map(|data| News::Data {
                        data: Box::new(data),
                        from,
                        to,
                    })
                }
                Ask::Heat { from, to, step } => latencies::fetch(&client, from, to, step)
                    .await
                    .map(|maps| News::Heat {
                        maps,
                        time: (from, to, step),
                    }),
                Ask::Templates => client
                    .templates()
                    .await
                    .map(|list| News::Templates(list.templates)),
                Ask::Scene(at) => past::scene(&client, at)
                    .await
                    .map(|stored| News::Stored(Box::new(stored))),
                Ask::Anomaly { at, forward } => past::anomaly(&client, at, forward)
                    .await
                    .map(|event| News::Anomaly { event, forward }),
                Ask::Acknowledge(_) | Ask::Silence(..) | Ask::Note(..) => continue,
            };
        let answer = answer.unwrap_or_else(|error| News::Unanswered(error.to_string()));
        if news.send(answer).await.is_err() {
            return;
        }
    }
}

/// Why a connection ended.
enum End {
    Error(ClientError),
    /// The agent closed its streams.
    Closed,
    /// The console is gone.
    Unheard,
}

impl From<ClientError> for End {
    fn from(error: ClientError) -> Self {
        Self::Error(error)
    }
}

impl From<mpsc::error::SendError<News>> for End {
    fn from(_: mpsc::error::SendError<News>) -> Self {
        Self::Unheard
    }
}

type Sender = mpsc::Sender<News>;

/// Keeps a connection with the agent until nobody hears the news any more. `retry` ends a pause
/// between attempts.
pub(crate) async fn run(client: Client, news: Sender, retry: Arc<Notify>) {
    let mut backoff = Backoff::new();
    let mut last = None;
    loop {
        let mut answered = false;
        // On the heap: all that a connection waits for at once makes it large.
        let connected = Box::pin(connected(&client, &news, &mut last, &mut answered));
        let end = match connected.await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        if answered {
            backoff = Backoff::new();
        }
        let (why, remedy) = match end {
            End::Unheard => return,
            End::Closed => ("the agent closed the connection".to_owned(), None),
            End::Error(error) => (error.to_string(), Remedy::of(&error)),
        };
        let wait = backoff.next();
        let down = News::Down { why, remedy, wait };
        if news.send(down).await.is_err() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = retry.notified() => {}
            () = news.closed() => return,
        }
    }
}

/// Connects, catches up, and brings news until something ends it.
async fn connected(
    client: &Client,
    news: &Sender,
    last: &mut Option<EventId>,
    answered: &mut bool,
) -> Result<std::convert::Infallible, End> {
    news.send(News::Connecting).await?;
    let status = client.status().await?;
    let newest = status.store.newest;
    news.send(News::Status(Box::new(Clean::new(status))))
        .await?;
    news.send(News::Live).await?;
    *answered = true;
    tokio::select! {
        end = events(client, news, last, newest) => end,
        end = vitals(client, news) => end,
        end = before(client, news) => end,
        end = status_by_and_by(client, news) => end,
    }
}

async fn events(
    client: &Client,
    news: &Sender,
    last: &mut Option<EventId>,
    newest: Option<EventId>,
) -> Result<std::convert::Infallible, End> {
    // First, since what is unusual is taken in in order.
    let query = EventQuery {
        filter: "tier>=notice".to_owned(),
        from: Some(Timestamp::now().plus_nanos((-RECENT_SECS * 1e9) as i64)),
        limit: Some(FIRST_UNUSUAL),
        ..EventQuery::default()
    };
    // An agent that cannot search for them still streams.
    if let Ok(mut page) = client.events(&query).await {
        // The agent orders by time; what is unusual is taken in as it arrived.
        page.events.sort_by_key(|event| event.id);
        news.send(News::Unusual(page.events)).await?;
    }
    if last.is_none() {
        let query = EventQuery {
            limit: Some(FIRST_EVENTS),
            ..EventQuery::default()
        };
        let mut events = client.events(&query).await?.events;
        events.sort_by_key(|event| event.id);
        *last = Some(events.last().map_or(newest.unwrap_or_default(), |e| e.id));
        news.send(News::Events(events)).await?;
    }
    let mut stream = client.event_stream("", *last).await?;
    loop {
        let mut batch = Vec::new();
        let mut missed = 0;
        let mut next = stream.next().await;
        loop {
            match next? {
                Some(EventItem::Event(event)) => {
                    *last = (*last).max(Some(event.id));
                    batch.push(*event);
                }
                Some(EventItem::Missed(count)) => missed += count,
                None => {
                    news.send(News::Events(batch)).await?;
                    return Err(End::Closed);
                }
            }
            if batch.len() >= BATCH {
                break;
            }
            // What has come already comes along.
            match stream.next().now_or_never() {
                Some(ready) => next = ready,
                None => break,
            }
        }
        if !batch.is_empty() {
            news.send(News::Events(batch)).await?;
        }
        if missed > 0 {
            news.send(News::Missed(missed)).await?;
        }
    }
}

/// Brings the vital signs of the minutes before, once; then there is nothing more to wait for.
async fn before(client: &Client, news: &Sender) -> Result<std::convert::Infallible, End> {
    // An agent that stores no series still has vital signs.
    if let Ok(past) = past::fetch(client, Timestamp::now()).await {
        news.send(News::Past(past)).await?;
    }
    std::future::pending().await
}

async fn vitals(client: &Client, news: &Sender) -> Result<std::convert::Infallible, End> {
    loop {
        match client.vitals_stream().await {
            Ok(mut stream) => {
                while let Some(vitals) = stream.next().await? {
                    news.send(News::Vitals(vitals)).await?;
                }
                return Err(End::Closed);
            }
            Err(error) if error.is_unreachable() => return Err(error.into()),
            // There may be none on this host; all else goes on.
            Err(_) => tokio::time::sleep(VITALS_AGAIN).await,
        }
    }
}

async fn status_by_and_by(client: &Client, news: &Sender) -> Result<std::convert::Infallible, End> {
    loop {
        // An agent that groups nothing has no incidents; all else goes on.
        if let Ok(page) = client.incidents(INCIDENTS).await {
            news.send(News::Incidents(page.incidents)).await?;
        }
        tokio::time::sleep(STATUS_EVERY).await;
        let status = client.status().await?;
        news.send(News::Status(Box::new(Clean::new(status))))
            .await?;
    }
}
