//! `hark-agent run`: puts the parts together, and takes them apart again in order.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use hark_api::{FeatureState, Fields, Kind, Level, Timestamp};
use hark_kernel::Kernel;
use hark_store::Store;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::api::server::{self, BindError, Bounds, Listeners};
use crate::api::tokens::{TokenError, Tokens};
use crate::api::{self, App, Keys, Rates};
use crate::config::{self, Config, ConfigError, Overrides};
use crate::counters::Counters;
use crate::logging::{self, LogLevel};
use crate::pipeline::hub::Hub;
use crate::pipeline::insight::Insight;
use crate::pipeline::{Parts, Pipeline, Queue, SourceName};
use crate::privileges::{PrivilegeError, Privileges};
use crate::source::agent::{LossWatch, Voice};
use crate::source::host::HostSource;
use crate::source::kernel;
use crate::source::latency::Latencies;

/// How often the store is cared for and losses are looked for.
const CARE: Duration = Duration::from_secs(1);
/// While the store fails, how often something is written to learn whether it works again.
const PROBE_SECS: u64 = 5;

/// Why the agent cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Listening beyond loopback without tokens.
    #[error(
        "api.listen has {0}, which others than this host can reach, and there is no token; make one \
         first: hark-agent token add --name NAME --scope ingest,read"
    )]
    Unguarded(std::net::SocketAddr),
    /// The tokens.
    #[error("the tokens cannot be used: {0}")]
    Tokens(#[from] TokenError),
    /// The store.
    #[error("the store cannot be opened: {0}")]
    Store(#[from] hark_store::Error),
    /// Giving up privileges.
    #[error(transparent)]
    Privileges(#[from] PrivilegeError),
    /// Listening.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A directory.
    #[error("cannot make {path}: {source}")]
    Directory {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A thread, or the run time.
    #[error("the system refuses a thread: {0}")]
    Thread(std::io::Error),
}

/// Runs the agent until a signal ends it.
///
/// # Errors
/// Why it cannot run.
pub fn run(overrides: &Overrides) -> Result<(), RunError> {
    let config = config::load(overrides)?;
    let log = logging::start(&config.log);
    let privileges = Privileges::new(&config.privileges)?;
    prepare_directories(&config, &privileges)?;

    let counters = Arc::new(Counters::default());
    let queue = Arc::new(Queue::new(
        config.pipeline.queue_events,
        config.pipeline.queue_bytes.as_usize(),
    ));
    // While there is the privilege to: for low ports and directories of root's.
    let listeners = Listeners::bind(&config.api.listen, &config.api.socket)?;
    let (kernel, kernel_failure) = start_kernel(&config, &queue, &counters, privileges);
    // From here on, no thread that starts has more than it needs.
    privileges.give_up()?;

    let tokens = Tokens::open(config.tokens_path())?;
    if let Some(open) = config
        .api
        .listen
        .iter()
        .find(|a| !a.ip().to_canonical().is_loopback())
        && tokens.is_empty()
    {
        return Err(RunError::Unguarded(*open));
    }
    let store = Store::open(&config.data_dir, config.store.options())?;
    let hub = Arc::new(Hub::new(
        counters.clone(),
        config.api.max_streams,
        config.api.stream_events,
    ));
    let insight = Arc::new(Insight::default());
    let processes = kernel.as_ref().map(Kernel::processes);
    let pipeline = Pipeline::start(
        queue.clone(),
        Parts {
            store: store.clone(),
            counters: counters.clone(),
            hub: hub.clone(),
            insight: insight.clone(),
            processes,
            commit_events: config.pipeline.commit_events,
            checkpoint_interval: config.detect.checkpoint_interval.0,
            detect: config.detect.engine(),
            keep_forks: config.kernel.keep_forks,
        },
    )
    .map_err(RunError::Thread)?;
    let host = HostSource::start(&config.vitals, queue.clone(), store.clone())
        .map_err(RunError::Thread)?;
    let voice = Voice::new(queue.clone(), counters.clone());
    let app = Arc::new(App {
        store: store.clone(),
        queue,
        counters,
        hub,
        insight,
        latest: host.latest(),
        kernel,
        kernel_failure,
        tokens: Arc::new(tokens),
        rates: Rates::default(),
        keys: Arc::new(Keys::default()),
        host: config.host_name(),
        started: Timestamp::now(),
        shutdown: CancellationToken::new(),
        config: RwLock::new(Arc::new(config.clone())),
    });

    let running = Running {
        app: app.clone(),
        voice: voice.clone(),
        overrides: overrides.clone(),
        log,
    };
    let served = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.worker_threads())
        .thread_name("hark-api")
        .enable_all()
        .build()
        .map_err(RunError::Thread)
        .and_then(|runtime| runtime.block_on(running.serve(listeners)));

    // Sources first, so that the end of the agent is its last event; then what waits; then the
    // store. The kernel side ends with this, the last hold on it.
    drop(app);
    host.stop();
    if served.is_ok() {
        voice.say(
            Kind::AgentStop,
            Level::Info,
            "hark-agent stops".to_owned(),
            Fields::new(),
        );
    }
    pipeline.drain();
    store.close()?;
    tracing::info!("stopped");
    served
}

fn start_kernel(
    config: &Config,
    queue: &Arc<Queue>,
    counters: &Arc<Counters>,
    privileges: Privileges,
) -> (Option<Kernel>, Option<String>) {
    if !config.kernel.enabled {
        return (None, None);
    }
    let on_thread = move || {
        if let Err(error) = privileges.give_up() {
            tracing::error!(%error, "the thread that reads the kernel's events keeps its privileges");
        }
    };
    match kernel::start(&config.kernel, queue.clone(), counters.clone(), on_thread) {
        Ok(kernel) => {
            for feature in kernel.features() {
                match &feature.state {
                    FeatureState::On => tracing::debug!(feature = feature.name, "on"),
                    FeatureState::Disabled => tracing::info!(feature = feature.name, "disabled"),
                    FeatureState::Unavailable { reason, remedy } => {
                        tracing::warn!(feature = feature.name, reason, remedy, "off");
                    }
                }
            }
            (Some(kernel), None)
        }
        Err(error) => {
            tracing::warn!(%error, "the kernel is not listened to");
            (None, Some(error.to_string()))
        }
    }
}

/// Makes the directories while there is still the privilege to, for the user to come.
fn prepare_directories(config: &Config, privileges: &Privileges) -> Result<(), RunError> {
    let make = |path: &Path, mode: u32| {
        let failed = |source| RunError::Directory {
            path: path.display().to_string(),
            source,
        };
        if !path.exists() {
            std::fs::create_dir_all(path).map_err(failed)?;
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path, permissions).map_err(failed)?;
        }
        if let Some((uid, gid)) = privileges.user() {
            chown(path, Some(uid), Some(gid)).map_err(failed)?;
        }
        Ok(())
    };
    make(&config.data_dir, 0o700)?;
    match config.api.socket.parent() {
        Some(parent) if !parent.as_os_str().is_empty() && !parent.exists() => make(parent, 0o755),
        _ => Ok(()),
    }
}

/// What the asynchronous part holds.
struct Running {
    app: Arc<App>,
    voice: Voice,
    overrides: Overrides,
    log: LogLevel,
}

impl Running {
    async fn serve(self, listeners: Listeners) -> Result<(), RunError> {
        let config = self.app.config();
        let addresses = listeners.addresses();
        for address in &addresses {
            tracing::info!(%address, "listening");
        }
        let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Thread)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Thread)?;
        let mut hangup = signal(SignalKind::hangup()).map_err(RunError::Thread)?;

        let mut fields = Fields::new();
        fields.set("version", env!("CARGO_PKG_VERSION"));
        fields.set("listen", addresses);
        if let Some(kernel) = &self.app.kernel {
            // They are not told one by one.
            let programs = kernel
                .features()
                .iter()
                .map(|f| f.programs.len())
                .sum::<usize>();
            fields.set("kernel_programs", programs);
        }
        self.say(
            Kind::AgentStart,
            Level::Info,
            "hark-agent started".to_owned(),
            fields,
        );

        let shutdown = self.app.shutdown.clone();
        let bounds = Bounds {
            max_connections: config.api.max_connections,
            head_timeout: config.api.head_timeout.0,
            shutdown_timeout: config.pipeline.shutdown_timeout.0,
        };
        let endpoint = Arc::new(api::endpoint(self.app.clone()));
        let mut server = tokio::spawn(server::serve(
            listeners,
            endpoint,
            bounds,
            self.app.counters.clone(),
            shutdown.clone(),
        ));
        let care = tokio::spawn(care(self.app.clone(), self.voice.clone()));
        let mut failed = None;
        while failed.is_none() {
            tokio::select! {
                ended = &mut server => failed = Some(ended),
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = hangup.recv() => self.reload(),
            }
        }
        tracing::info!("stopping: requests under way are answered, then what waits is written");
        shutdown.cancel();
        let ended = match failed {
            Some(ended) => ended,
            None => server.await,
        };
        let _ = care.await;
        ended
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(RunError::Thread)
    }

    fn say(&self, kind: Kind, level: Level, message: String, fields: Fields) {
        let voice = self.voice.clone();
        // It may wait for room in the queue.
        tokio::task::spawn_blocking(move || voice.say(kind, level, message, fields));
    }

    /// Reads the configuration again and applies what can change.
    fn reload(&self) {
        let new = match config::load(&self.overrides) {
            Ok(new) => new,
            Err(error) => {
                tracing::error!(%error, "the configuration is not reloaded");
                let message = format!("the configuration was not reloaded: {error}");
                self.say(Kind::AgentState, Level::Error, message, Fields::new());
                return;
            }
        };
        let changes = config::changes(&self.app.config(), &new);
        self.log.set(&new.log.level);
        self.app.store.reconfigure(new.store.options());
        if let Some(kernel) = &self.app.kernel
            && let Err(error) = kernel.set_filter(&new.kernel.filter())
        {
            tracing::error!(%error, "a restart is needed for kernel.budgets and kernel.ignore");
            let message = format!("{error}; a restart is needed");
            self.say(Kind::AgentState, Level::Error, message, Fields::new());
        }
        self.app.set_config(new);
        tracing::info!(live = ?changes.live, restart = ?changes.restart, "the configuration was reloaded");
        let mut message = format!(
            "the configuration was reloaded; {} keys changed",
            changes.live.len()
        );
        if !changes.restart.is_empty() {
            message.push_str("; a restart is needed for: ");
            message.push_str(&changes.restart.join(", "));
        }
        let mut fields = Fields::new();
        fields.set("changed", changes.live);
        fields.set("needs_restart", changes.restart);
        self.say(Kind::AgentState, Level::Info, message, fields);
    }
}

/// Cares for the store, tells of losses, and learns when a failing store works again.
async fn care(app: Arc<App>, voice: Voice) {
    let mut losses = LossWatch::new(voice.clone());
    let mut latencies = Latencies::default();
    let mut failing_for = 0;
    loop {
        tokio::select! {
            () = tokio::time::sleep(CARE) => {}
            () = app.shutdown.cancelled() => return,
        }
        let failing = app.counters.store_failure();
        failing_for = if failing.is_some() {
            failing_for + 1
        } else {
            0
        };
        let probe = failing_for % PROBE_SECS == PROBE_SECS - 1;
        if let Some((since, error)) = app.counters.take_recovery() {
            say_recovered(&voice, since, &error).await;
        }
        let (app, voice) = (app.clone(), voice.clone());
        let done = tokio::task::spawn_blocking(move || {
            match failing {
                Some((_, error)) if probe => voice.say(
                    Kind::AgentState,
                    Level::Error,
                    format!("the store could not write: {error}"),
                    Fields::new(),
                ),
                Some(_) => {}
                None => {
                    if let Err(error) = app.store.maintain(Timestamp::now()) {
                        tracing::warn!(%error, "the store could not be cared for");
                    }
                    losses.look(&lost(&app));
                    keep_latencies(&app, &mut latencies);
                }
            }
            (losses, latencies)
        })
        .await;
        match done {
            Ok(same) => (losses, latencies) = same,
            Err(error) => {
                tracing::error!(%error, "the care for the store panicked");
                return;
            }
        }
    }
}

/// Stores how long threads and block requests waited of late.
fn keep_latencies(app: &App, latencies: &mut Latencies) {
    let Some(kernel) = &app.kernel else { return };
    let now = Timestamp::now();
    let samples = latencies.samples(&kernel.latency(), now);
    if let Err(error) = app.store.append_samples(now, &samples) {
        tracing::warn!(%error, "latencies are not stored");
    }
}

async fn say_recovered(voice: &Voice, since: Timestamp, error: &str) {
    let message = format!("the store works again; since {since} it could not write: {error}");
    let voice = voice.clone();
    let _ = tokio::task::spawn_blocking(move || {
        voice.say(Kind::AgentState, Level::Warning, message, Fields::new());
    })
    .await;
}

/// What each source lost since the start.
fn lost(app: &App) -> Vec<(&'static str, u64)> {
    SourceName::ALL
        .into_iter()
        .map(|name| {
            let mut dropped = app.counters.source(name).dropped.get();
            if let (SourceName::Kernel, Some(kernel)) = (name, &app.kernel) {
                dropped += kernel.counters().dropped;
            }
            (name.as_str(), dropped)
        })
        .collect()
}
