//! Several hosts at once: each is asked how it does, again and again.

use std::time::Duration;

use hark_api::client::{Client, ClientError};
use tokio::sync::mpsc;

use super::state::hosts::Told;

/// How often a host is asked.
const EVERY: Duration = Duration::from_secs(3);
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Incidents that are looked at.
const INCIDENTS: u32 = 100;

/// What came of asking a host, by its place in the list: why not, in words.
pub(crate) type HostNews = (usize, Result<Box<Told>, String>);

/// Asks a host until nobody hears the answers any more.
pub(crate) async fn watch(client: Client, at: usize, news: mpsc::Sender<HostNews>) {
    let client = client.with_timeout(PATIENCE);
    loop {
        let told = ask(&client).await.map_err(|error| why(&error));
        if news.send((at, told)).await.is_err() {
            return;
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Why a host does not answer, as short as its row.
fn why(error: &ClientError) -> String {
    match error {
        // Where it is looked for is said beside it.
        ClientError::Connect { source, .. } => format!("cannot connect: {}", source.kind()),
        ClientError::Silent { after, .. } => format!("no answer in {} s", after.as_secs()),
        other => other.to_string(),
    }
}

async fn ask(client: &Client) -> Result<Box<Told>, ClientError> {
    let status = client.status().await?;
    // A host without vital signs or incidents is a host all the same.
    let vitals = client.vitals().await.ok();
    let incidents = client.incidents(INCIDENTS).await.map(|page| page.incidents);
    Ok(Box::new(Told {
        status,
        vitals,
        incidents: incidents.unwrap_or_default(),
    }))
}
