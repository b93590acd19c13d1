//! The REST API: poem endpoints, one file a resource, behind one guard.
//!
//! [`server`] accepts connections and knows the peer; `guard` gives every request its id, checks
//! where it comes from, and turns every error into a problem document; [`auth`] says who may do
//! what; the rest are resources.

// poem-openapi takes async operations only.
#![allow(clippy::unused_async)]

mod answer;
pub mod auth;
mod backup;
mod docs;
mod events;
mod guard;
mod health;
mod idempotency;
mod incidents;
pub mod input;
mod log;
mod logs;
mod metrics;
mod problem;
mod rate;
mod series;
pub mod server;
mod sse;
mod stats;
mod status;
mod stream;
mod templates;
pub mod tokens;
mod vitals;

use std::sync::{Arc, PoisonError, RwLock};

use hark_api::Timestamp;
use hark_kernel::Kernel;
use hark_store::Store;
use poem::endpoint::make_sync;
use poem::{Endpoint, EndpointExt as _, Response, Route, get};
use poem_openapi::OpenApiService;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::counters::Counters;
use crate::pipeline::Queue;
use crate::pipeline::hub::Hub;
use crate::pipeline::insight::Insight;
use crate::source::host::Latest;

/// What the resources work on.
pub struct App {
    /// The configuration as it stands.
    pub config: RwLock<Arc<Config>>,
    /// Where events are.
    pub store: Store,
    /// Where events go.
    pub queue: Arc<Queue>,
    /// What happened how often.
    pub counters: Arc<Counters>,
    /// Live events.
    pub hub: Arc<Hub>,
    /// What the detectors know.
    pub insight: Arc<Insight>,
    /// Live vital signs.
    pub latest: watch::Receiver<Latest>,
    /// The kernel side, where it is on.
    pub kernel: Option<Kernel>,
    /// Why the kernel side is off as a whole.
    pub kernel_failure: Option<String>,
    /// Who may do what.
    pub tokens: Arc<tokens::Tokens>,
    /// How much one sender may do.
    pub rates: rate::Rates,
    /// Requests with an idempotency key that are under way.
    pub keys: Arc<Keys>,
    /// The host's name.
    pub host: String,
    /// When the agent started.
    pub started: Timestamp,
    /// Cancelled when the agent is to stop.
    pub shutdown: CancellationToken,
}

impl App {
    /// The configuration as it stands.
    pub fn config(&self) -> Arc<Config> {
        self.config
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts another configuration in place.
    pub fn set_config(&self, config: Config) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }
}

pub use idempotency::Keys;
pub use rate::Rates;

/// All resources, guarded.
pub fn endpoint(app: Arc<App>) -> impl Endpoint<Output = Response> + 'static {
    let service = service(&app);
    let methods = guard::Methods::of(&service.spec());
    let spec = docs::Document::new("application/json", service.spec());
    let page = docs::Document::new("text/html; charset=utf-8", service.swagger_ui_html());
    let route = Route::new()
        .at(
            "/openapi.json",
            get(make_sync(move |request| spec.answer(&request))),
        )
        .at(
            "/docs",
            get(make_sync(move |request| page.answer(&request))),
        )
        .nest("/", service)
        .map_to_response();
    guard::Guard::new(app, methods, route)
}

/// The OpenAPI document.
pub fn openapi(app: &Arc<App>) -> String {
    service(app).spec()
}

type Resources = (
    log::LogApi,
    logs::LogsApi,
    events::EventsApi,
    stats::StatsApi,
    stream::StreamApi,
    vitals::VitalsApi,
    series::SeriesApi,
    incidents::IncidentsApi,
    templates::TemplatesApi,
    status::StatusApi,
    health::HealthApi,
    metrics::MetricsApi,
    backup::BackupApi,
);

fn service(app: &Arc<App>) -> OpenApiService<Resources, ()> {
    let resources = (
        log::LogApi(app.clone()),
        logs::LogsApi(app.clone()),
        events::EventsApi(app.clone()),
        stats::StatsApi(app.clone()),
        stream::StreamApi(app.clone()),
        vitals::VitalsApi(app.clone()),
        series::SeriesApi(app.clone()),
        incidents::IncidentsApi(app.clone()),
        templates::TemplatesApi(app.clone()),
        status::StatusApi(app.clone()),
        health::HealthApi(app.clone()),
        metrics::MetricsApi(app.clone()),
        backup::BackupApi::new(app.clone()),
    );
    OpenApiService::new(resources, "hark", env!("CARGO_PKG_VERSION")).description(
        "Events, vital signs and verdicts of one Linux host. Every error is a problem document \
         (RFC 9457).",
    )
}
