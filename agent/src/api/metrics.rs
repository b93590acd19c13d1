//! `GET /metrics`: the host under the names of `node_exporter`, and the agent itself under `hark_`.
//!
//! In the Prometheus text format, or in `OpenMetrics` 1.0 where `Accept` asks for it
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>). The number of series is
//! bounded by the bounds of the vital signs; no label holds text from outside the host.

use std::fmt::Write as _;
use std::sync::Arc;

use hark_api::{MetricType, Tier};
use http::header;
use poem::{Body, IntoResponse, Request, Response};
use poem_openapi::registry::{
    MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
};
use poem_openapi::{ApiResponse, OpenApi};

mod kernel;

use super::App;
use super::auth::Caller;
use super::events::blocking;
use super::tokens::Scope;
use crate::pipeline::SourceName;

pub(super) struct MetricsApi(pub(super) Arc<App>);

#[OpenApi]
impl MetricsApi {
    /// All metrics, for Prometheus. Over TCP it needs a token with the scope `read`, unless
    /// `api.open_metrics` is set.
    #[oai(path = "/metrics", method = "get", operation_id = "metrics")]
    async fn metrics(&self, request: &Request, caller: Caller) -> poem::Result<Exposition> {
        if !self.0.config().api.open_metrics {
            caller.check(Scope::Read)?;
        }
        let open = request
            .header(header::ACCEPT)
            .is_some_and(|accept| accept.contains("application/openmetrics-text"));
        let app = self.0.clone();
        let text = blocking(move || Ok(expose(&app, open))).await?;
        Ok(Exposition { open, text })
    }
}

/// Metrics as text.
struct Exposition {
    open: bool,
    text: String,
}

impl IntoResponse for Exposition {
    fn into_response(self) -> Response {
        let content_type = if self.open {
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        } else {
            "text/plain; version=0.0.4; charset=utf-8"
        };
        Response::builder()
            .header(header::CONTENT_TYPE, content_type)
            .body(Body::from_string(self.text))
    }
}

impl ApiResponse for Exposition {
    fn meta() -> MetaResponses {
        let content = |content_type| MetaMediaType {
            content_type,
            schema: MetaSchemaRef::Inline(Box::new(MetaSchema::new("string"))),
        };
        MetaResponses {
            responses: vec![MetaResponse {
                description: "",
                status: Some(200),
                status_range: None,
                content: vec![
                    content("text/plain"),
                    content("application/openmetrics-text"),
                ],
                headers: vec![],
            }],
        }
    }

    fn register(_registry: &mut Registry) {}
}

/// Writes families of metrics.
struct Writer {
    text: String,
    open: bool,
    family: String,
}

impl Writer {
    /// Begins a family, where it is not the one that is being written.
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        if self.family == name {
            return;
        }
        name.clone_into(&mut self.family);
        // OpenMetrics names a counter's family without `_total`, and knows no counter without it.
        let (name, kind) = match (self.open && kind == "counter", name.strip_suffix("_total")) {
            (true, Some(name)) => (name, kind),
            (true, None) => (name, "unknown"),
            (false, _) => (name, kind),
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, key: &str, value: f64) {
        let _ = match value {
            f64::INFINITY => writeln!(self.text, "{key} +Inf"),
            f64::NEG_INFINITY => writeln!(self.text, "{key} -Inf"),
            value => writeln!(self.text, "{key} {value}"),
        };
    }

    fn counter(&mut self, key: &str, help: &str, value: u64) {
        self.family(key.split('{').next().unwrap_or(key), "counter", help);
        self.sample(key, value as f64);
    }

    fn gauge(&mut self, key: &str, help: &str, value: f64) {
        self.family(key.split('{').next().unwrap_or(key), "gauge", help);
        self.sample(key, value);
    }

    /// Buckets, sum and count; `labels` ends in a comma where there are any.
    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        labels: &str,
        histogram: &hark_kernel::Histogram,
    ) {
        self.family(name, "histogram", help);
        for (bound, count) in &histogram.buckets {
            if bound.is_finite() {
                self.sample(
                    &format!("{name}_bucket{{{labels}le=\"{bound}\"}}"),
                    *count as f64,
                );
            }
        }
        self.sample(
            &format!("{name}_bucket{{{labels}le=\"+Inf\"}}"),
            histogram.count as f64,
        );
        let rest = match labels.strip_suffix(',') {
            Some(labels) => format!("{{{labels}}}"),
            None => String::new(),
        };
        self.sample(&format!("{name}_sum{rest}"), histogram.sum);
        self.sample(&format!("{name}_count{rest}"), histogram.count as f64);
    }
}

/// Everything as text. Blocks: it asks the kernel and the file system.
fn expose(app: &App, open: bool) -> String {
    let mut writer = Writer {
        text: String::with_capacity(64 << 10),
        open,
        family: String::new(),
    };
    let latest = app.latest.borrow().clone();
    for metric in latest
        .second
        .iter()
        .flat_map(|second| &second.reading.metrics)
    {
        let kind = match metric.kind {
            MetricType::Counter => "counter",
            MetricType::Gauge => "gauge",
        };
        writer.family(metric.key.name(), kind, metric.help);
        writer.sample(metric.key.as_str(), metric.value);
    }
    agent(app, &mut writer);
    kernel::write(app, &mut writer);
    if open {
        writer.text.push_str("# EOF\n");
    }
    writer.text
}

fn agent(app: &App, writer: &mut Writer) {
    let counters = &app.counters;
    let version = env!("CARGO_PKG_VERSION");
    writer.gauge(
        &format!("hark_build_info{{version=\"{version}\"}}"),
        "The agent's version.",
        1.0,
    );
    let started = app.started.as_secs_f64();
    writer.gauge(
        "hark_start_time_seconds",
        "When the agent started, since 1970.",
        started,
    );
    for name in SourceName::ALL {
        let key = format!("hark_events_received_total{{source=\"{}\"}}", name.as_str());
        writer.counter(
            &key,
            "Events received from a source.",
            counters.source(name).received.get(),
        );
    }
    for name in SourceName::ALL {
        let key = format!("hark_events_dropped_total{{source=\"{}\"}}", name.as_str());
        let mut dropped = counters.source(name).dropped.get();
        if let (SourceName::Kernel, Some(kernel)) = (name, &app.kernel) {
            dropped += kernel.counters().dropped;
        }
        writer.counter(
            &key,
            "Events of a source lost before they could be stored.",
            dropped,
        );
    }
    for (tier, count) in Tier::ALL.iter().zip(&counters.tiers) {
        let key = format!("hark_events_stored_total{{tier=\"{tier}\"}}");
        writer.counter(&key, "Events stored, by tier.", count.get());
    }
    for (key, help, count) in [
        (
            "hark_ingest_accepted_total",
            "Events acknowledged to senders.",
            &counters.accepted,
        ),
        (
            "hark_ingest_rejected_total",
            "Events refused for what they were.",
            &counters.rejected,
        ),
        (
            "hark_ingest_turned_away_total",
            "Requests turned away because the queue was full or the store failed.",
            &counters.turned_away,
        ),
        (
            "hark_ingest_replayed_total",
            "Requests answered as before, by their idempotency keys.",
            &counters.replayed,
        ),
        (
            "hark_http_rate_limited_total",
            "Requests turned away by a rate limit.",
            &counters.limited,
        ),
        (
            "hark_http_connections_total",
            "Connections accepted.",
            &counters.connections,
        ),
        (
            "hark_stream_missed_events_total",
            "Events that slow live streams missed.",
            &counters.missed,
        ),
    ] {
        writer.counter(key, help, count.get());
    }
    for (class, count) in (1..).zip(&counters.responses) {
        let key = format!("hark_http_responses_total{{class=\"{class}xx\"}}");
        writer.counter(&key, "Answers, by class of status.", count.get());
    }
    let streams = app.hub.streams() as f64;
    writer.gauge("hark_streams", "Live event streams open.", streams);
    let waiting = app.queue.len() as f64;
    writer.gauge(
        "hark_queue_events",
        "Events that wait for the pipeline.",
        waiting,
    );
    let capacity = app.queue.capacity() as f64;
    writer.gauge(
        "hark_queue_capacity_events",
        "Events that may wait.",
        capacity,
    );
    let failing = f64::from(u8::from(counters.store_failure().is_some()));
    writer.gauge(
        "hark_store_failing",
        "Whether the store cannot write.",
        failing,
    );
    let learning = app.insight.learning();
    for (key, help, value) in [
        (
            "hark_detect_series",
            "Series that are judged or learned.",
            learning.series as f64,
        ),
        (
            "hark_detect_series_learning",
            "Series with too little history to be judged.",
            learning.series_learning as f64,
        ),
        (
            "hark_detect_series_refused",
            "Series that are not judged for want of room.",
            learning.series_refused as f64,
        ),
        (
            "hark_detect_templates",
            "Log templates known.",
            learning.templates as f64,
        ),
        (
            "hark_detect_learning_seconds",
            "Time until everything that is watched now is judged.",
            learning.remaining,
        ),
    ] {
        writer.gauge(key, help, value);
    }
    let store = app.store.status();
    writer.gauge(
        "hark_store_bytes",
        "Size of the store on disk.",
        store.bytes as f64,
    );
    writer.gauge(
        "hark_store_max_bytes",
        "How large the store may grow.",
        store.max_bytes as f64,
    );
    writer.gauge(
        "hark_store_events",
        "Events in the store.",
        store.events as f64,
    );
    writer.counter("hark_store_commits_total", "Commits.", store.commits);
    let damaged = store.damaged_blocks as f64;
    writer.gauge(
        "hark_store_damaged_blocks",
        "Blocks set aside as damaged.",
        damaged,
    );
    if let Some((median, p99)) = store.commit_latency {
        let help = "Time of the last commits.";
        writer.gauge("hark_store_commit_seconds{quantile=\"0.5\"}", help, median);
        writer.gauge("hark_store_commit_seconds{quantile=\"0.99\"}", help, p99);
    }
    let usage = app.latest.borrow().usage;
    writer.gauge(
        "hark_self_cpu_ratio",
        "CPUs that the agent uses.",
        usage.cpu,
    );
    writer.gauge(
        "hark_self_resident_bytes",
        "Resident memory of the agent.",
        usage.rss as f64,
    );
    writer.gauge(
        "hark_self_open_fds",
        "Open file descriptors of the agent.",
        usage.open_fds as f64,
    );
    writer.gauge(
        "hark_self_threads",
        "Threads of the agent.",
        usage.threads as f64,
    );
}
