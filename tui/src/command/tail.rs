//! `hark tail`: follows the live stream, through breaks of the connection.

use std::process::ExitCode;
use std::time::Duration;

use hark_api::EventId;
use hark_api::client::{Client, ClientError, EventItem, EventQuery, EventStream};

use super::filter_text;
use super::output::Output;
use crate::backoff::Backoff;
use crate::clean;
use crate::cli::TailArgs;
use crate::error::Error;

/// How long lines may wait for others before they are written out.
const FLUSH_AFTER: Duration = Duration::from_millis(50);

pub(crate) async fn run(client: &Client, args: TailArgs) -> Result<ExitCode, Error> {
    let filter = filter_text(&args.filter)?;
    let mut out = Output::new(args.output.json);
    let mut last = first_lines(client, &filter, args.lines, &mut out).await?;
    let mut stream = client.event_stream(&filter, last).await?;
    let mut backoff = Backoff::new();
    loop {
        let broken = match follow(&mut stream, &mut out).await {
            Ok(()) => None,
            Err(Error::Agent(error)) if error.is_unreachable() => Some(error),
            Err(error) => return Err(error),
        };
        out.flush()?;
        if stream.last() > last {
            last = stream.last();
            backoff = Backoff::new();
        }
        let why = broken.map_or("it ended the stream".to_owned(), |e| e.to_string());
        stream = reconnect(client, &filter, last, &mut backoff, why).await?;
    }
}

/// Writes the newest stored events, oldest first; gives the newest id of all that is stored, so
/// that the stream goes on right after it.
async fn first_lines(
    client: &Client,
    filter: &str,
    lines: u32,
    out: &mut Output,
) -> Result<Option<EventId>, Error> {
    // Before the search: what arrives between the two comes by the stream.
    let newest = client.status().await?.store.newest;
    if lines > 0 {
        let query = EventQuery {
            filter: filter.to_owned(),
            limit: Some(lines),
            ..EventQuery::default()
        };
        let page = client.events(&query).await?;
        for event in page.events.into_iter().rev() {
            if Some(event.id) <= newest {
                out.event(event)?;
            }
        }
        out.flush()?;
    }
    // Where nothing is stored yet, the stream begins with the very first event.
    Ok(newest.or(Some(EventId(0))))
}

async fn follow(stream: &mut EventStream, out: &mut Output) -> Result<(), Error> {
    loop {
        let item = if let Ok(item) = tokio::time::timeout(FLUSH_AFTER, stream.next()).await {
            item?
        } else {
            out.flush()?;
            stream.next().await?
        };
        match item {
            Some(EventItem::Event(event)) => out.event(*event)?,
            Some(EventItem::Missed(missed)) => {
                out.flush()?;
                eprintln!(
                    "hark: {missed} events came too fast and are not shown; `hark query` finds them"
                );
            }
            None => return Ok(()),
        }
    }
}

async fn reconnect(
    client: &Client,
    filter: &str,
    last: Option<EventId>,
    backoff: &mut Backoff,
    mut why: String,
) -> Result<EventStream, ClientError> {
    loop {
        let wait = backoff.next();
        eprintln!(
            "hark: {}; trying again in {} s",
            clean::text(&why),
            wait.as_secs()
        );
        tokio::time::sleep(wait).await;
        match client.event_stream(filter, last).await {
            Ok(stream) => {
                eprintln!("hark: connected again");
                return Ok(stream);
            }
            Err(error) if error.is_unreachable() => why = error.to_string(),
            Err(error) => return Err(error),
        }
    }
}
