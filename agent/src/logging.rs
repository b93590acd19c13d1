//! The agent's own log, on standard error: for people on a terminal, JSON otherwise.

use std::io::IsTerminal as _;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry, fmt, reload};

use crate::config::{Log, LogFormat};

/// Changes the level while the agent runs.
#[derive(Clone)]
pub struct LogLevel(reload::Handle<Targets, Registry>);

/// Starts the log. To be called once.
pub fn start(config: &Log) -> LogLevel {
    let (filter, handle) = reload::Layer::new(targets(&config.level));
    let terminal = std::io::stderr().is_terminal();
    let json = match config.format {
        LogFormat::Auto => !terminal,
        LogFormat::Human => false,
        LogFormat::Json => true,
    };
    let writer = std::io::stderr;
    let layer = if json {
        fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_writer(writer)
            .boxed()
    } else {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        fmt::layer()
            .with_target(false)
            .with_ansi(terminal && !plain)
            .with_writer(writer)
            .boxed()
    };
    // The filter is the registry's own, so that what it leaves out costs next to nothing.
    Registry::default().with(filter).with(layer).init();
    LogLevel(handle)
}

/// Checked by the configuration; should it still be wrong, the default counts.
fn targets(level: &str) -> Targets {
    level
        .parse()
        .unwrap_or_else(|_| Targets::new().with_default(tracing::level_filters::LevelFilter::INFO))
}

impl LogLevel {
    /// Changes the level.
    pub fn set(&self, level: &str) {
        if let Err(error) = self.0.reload(targets(level)) {
            tracing::error!(%error, "the log level stays");
        }
    }
}
