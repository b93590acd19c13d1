//! `hark status`: the agent's state on one screen of text.

use std::process::ExitCode;

use hark_api::client::Client;
use hark_api::{FeatureState, Health, Status};

use super::output::Output;
use crate::cli::OutputArgs;
use crate::error::Error;
use crate::{moment, units};

pub(crate) async fn run(client: &Client, args: &OutputArgs) -> Result<ExitCode, Error> {
    let status = client.status().await?;
    let mut out = Output::new(args.json);
    if out.is_json() {
        out.json(&status)?;
    } else {
        for line in lines(&status) {
            out.line(&line)?;
        }
    }
    out.flush()?;
    // So that a supervisor, as a container's health check, need not read the text.
    Ok(match status.health {
        Health::Failing { .. } => ExitCode::FAILURE,
        Health::Ok | Health::Degraded { .. } => ExitCode::SUCCESS,
    })
}

fn lines(status: &Status) -> Vec<String> {
    let mut lines = vec![format!(
        "hark-agent {} on {} (Linux {}), pid {}, up {}",
        status.version,
        status.host,
        status.kernel,
        status.pid,
        moment::age(status.started, status.now),
    )];
    match &status.health {
        Health::Ok => lines.push("health    ok".into()),
        Health::Degraded { reasons } => {
            lines.push("health    degraded".into());
            lines.extend(reasons.iter().map(|reason| format!("          - {reason}")));
        }
        Health::Failing { reasons } => {
            lines.push("health    FAILING: nothing is stored".into());
            lines.extend(reasons.iter().map(|reason| format!("          - {reason}")));
        }
    }
    let usage = &status.usage;
    lines.push(format!(
        "uses      {:.1} % of a CPU, {}, {} files, {} threads",
        usage.cpu * 100.0,
        units::bytes(usage.rss as f64),
        usage.open_fds,
        usage.threads,
    ));
    let store = &status.store;
    lines.push(format!(
        "store     {} events, {} of {} at {}",
        units::count(store.events as f64),
        units::bytes(store.bytes as f64),
        units::bytes(store.max_bytes as f64),
        store.path,
    ));
    if let Some((time, error)) = &store.last_error {
        lines.push(format!("          last error {time}: {error}"));
    }
    if store.damaged_blocks > 0 {
        lines.push(format!(
            "          {} damaged blocks set aside",
            store.damaged_blocks
        ));
    }
    let ingest = &status.ingest;
    lines.push(format!(
        "ingest    {} accepted, {} rejected, {} turned away, queue {}/{}",
        ingest.accepted,
        ingest.rejected,
        ingest.turned_away,
        ingest.queue_length,
        ingest.queue_capacity,
    ));
    for source in &status.sources {
        lines.push(format!(
            "source    {:<12} {} ({} received, {} lost)",
            source.name,
            state_text(&source.state),
            source.received,
            source.dropped,
        ));
    }
    for feature in &status.features {
        lines.push(format!(
            "feature   {:<12} {}",
            feature.name,
            state_text(&feature.state)
        ));
    }
    lines
}

fn state_text(state: &FeatureState) -> String {
    match state {
        FeatureState::On => "on".into(),
        FeatureState::Disabled => "off by configuration".into(),
        FeatureState::Unavailable { reason, remedy } => format!("off: {reason}; {remedy}"),
    }
}
