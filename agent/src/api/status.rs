//! `GET /status`: what works, what does not, why, and what it costs.

use std::sync::Arc;

use hark_api::{Feature, FeatureState, Health, IngestStatus, SourceStatus, Status, Timestamp};
use poem_openapi::OpenApi;

use super::App;
use super::answer::Answer;
use super::auth::{May, Read};
use super::events::blocking;
use crate::pipeline::SourceName;

pub(super) struct StatusApi(pub(super) Arc<App>);

#[OpenApi]
impl StatusApi {
    /// The agent's state.
    #[oai(path = "/status", method = "get", operation_id = "status")]
    async fn status(&self, _may: May<Read>) -> poem::Result<Answer<Status>> {
        let app = self.0.clone();
        Ok(Answer(blocking(move || Ok(status(&app))).await?))
    }
}

/// The agent's state. Blocks: it asks the kernel and the file system.
fn status(app: &App) -> Status {
    let config = app.config();
    let features = app
        .kernel
        .as_ref()
        .map(hark_kernel::Kernel::features)
        .unwrap_or_default();
    let sources: Vec<_> = SourceName::ALL
        .into_iter()
        .map(|name| source(app, name))
        .collect();
    let store = app.store.status();
    let latest = app.latest.borrow();
    let mut reasons = Vec::new();
    for source in &sources {
        if let FeatureState::Unavailable { reason, remedy } = &source.state {
            reasons.push(format!("{}: {reason}; {remedy}", source.name));
        }
        if source.dropped > 0 {
            reasons.push(format!(
                "{}: {} events were lost since the start",
                source.name, source.dropped
            ));
        }
    }
    reasons.extend(features_off(&features));
    if store.damaged_blocks > 0 {
        reasons.push(format!(
            "the store: {} damaged blocks were set aside; run hark-agent check",
            store.damaged_blocks
        ));
    }
    let health = match app.counters.store_failure() {
        Some((since, error)) => {
            reasons.insert(0, format!("the store cannot write since {since}: {error}"));
            Health::Failing { reasons }
        }
        None if reasons.is_empty() => Health::Ok,
        None => Health::Degraded { reasons },
    };
    let kernel = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: app.host.clone(),
        kernel,
        pid: std::process::id(),
        started: app.started,
        now: Timestamp::now(),
        health,
        sources,
        features,
        ingest: IngestStatus {
            accepted: app.counters.accepted.get(),
            rejected: app.counters.rejected.get(),
            turned_away: app.counters.turned_away.get(),
            queue_length: app.queue.len() as u64,
            queue_capacity: config.pipeline.queue_events as u64,
        },
        store,
        usage: latest.usage,
    }
}

/// Features that are off, those with one cause together.
fn features_off(features: &[Feature]) -> Vec<String> {
    let mut causes: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for feature in features {
        if let FeatureState::Unavailable { reason, remedy } = &feature.state {
            match causes
                .iter_mut()
                .find(|(r, m, _)| r == reason && m == remedy)
            {
                Some((_, _, names)) => names.push(&feature.name),
                None => causes.push((reason, remedy, vec![&feature.name])),
            }
        }
    }
    causes
        .into_iter()
        .map(|(reason, remedy, names)| format!("{}: {reason}; {remedy}", names.join(", ")))
        .collect()
}

fn source(app: &App, name: SourceName) -> SourceStatus {
    let config = app.config();
    let counters = app.counters.source(name);
    let mut status = SourceStatus {
        name: name.as_str().to_owned(),
        state: FeatureState::On,
        received: counters.received.get(),
        dropped: counters.dropped.get(),
        withheld: 0,
    };
    match name {
        SourceName::Kernel if !config.kernel.enabled => status.state = FeatureState::Disabled,
        SourceName::Kernel => {
            match &app.kernel {
                // What found no room in the queue is counted there already.
                Some(kernel) => {
                    let counters = kernel.counters();
                    status.dropped += counters.dropped;
                    status.withheld = counters.withheld;
                }
                None => {
                    status.state = FeatureState::Unavailable {
                        reason: app.kernel_failure.clone().unwrap_or_default(),
                        remedy: "run hark-agent doctor".to_owned(),
                    };
                }
            }
        }
        SourceName::Host if !config.vitals.enabled => status.state = FeatureState::Disabled,
        SourceName::Host => {
            if let Some(reason) = &app.latest.borrow().failure {
                status.state = FeatureState::Unavailable {
                    reason: reason.clone(),
                    remedy: "mount /proc".to_owned(),
                };
            }
        }
        SourceName::Api | SourceName::Agent => {}
    }
    status
}
