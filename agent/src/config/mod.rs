//! What the agent is told: a TOML file, the environment, and flags, later ones over earlier ones.
//!
//! Every key, its default and its meaning is in `deploy/agent.toml`; a test keeps that file equal
//! to the defaults here.

mod defaults;
mod load;
mod reload;
mod units;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use load::{ConfigError, Overrides, load};
pub use reload::{Changes, changes};
pub use units::{InvalidQuantity, Size, Span};

/// Everything that can be configured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The name of this host in events; the kernel's where empty.
    pub host: String,
    /// Where events, series and models are kept.
    pub data_dir: PathBuf,
    /// Threads that serve requests; 0 is one for each CPU, at most 4.
    pub threads: usize,
    /// The REST API.
    pub api: Api,
    /// What may be sent.
    pub ingest: Ingest,
    /// How much one sender may do.
    pub rate_limit: RateLimit,
    /// Between the sources and the store.
    pub pipeline: Pipeline,
    /// What is kept.
    pub store: Store,
    /// Events of the kernel.
    pub kernel: Kernel,
    /// Vital signs of the host.
    pub vitals: Vitals,
    /// Detection.
    pub detect: Detect,
    /// The agent's own log.
    pub log: Log,
    /// What the agent may do once it runs.
    pub privileges: Privileges,
}

/// The REST API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    /// The Unix socket; none where empty.
    pub socket: PathBuf,
    /// The group whose members may read and administer over the Unix socket; none where empty.
    pub group: String,
    /// TCP addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// The file of tokens; `tokens.json` in the data directory where empty.
    pub tokens: PathBuf,
    /// Names that the `Host` header may have besides loopback's and those listened on.
    pub allowed_hosts: Vec<String>,
    /// Origins of web pages that may call the API, as in `https://grafana.example`.
    pub allowed_origins: Vec<String>,
    /// Whether `/metrics` needs no token on loopback.
    pub open_metrics: bool,
    /// Connections at a time; further ones wait to be accepted.
    pub max_connections: usize,
    /// Live streams at a time; further ones get 503.
    pub max_streams: usize,
    /// Events that wait for one slow live stream; further ones are counted as missed.
    pub stream_events: usize,
    /// How long a request's head may take, and a connection be idle.
    pub head_timeout: Span,
    /// How long a request's body may take.
    pub body_timeout: Span,
    /// Bytes of a request's body, before and after decompression.
    pub max_body: Size,
    /// How long a search may take before it answers with what it has.
    pub search_timeout: Span,
}

/// What may be sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ingest {
    /// Bytes of one event, as JSON.
    pub max_event: Size,
    /// Bytes of a message.
    pub max_message: Size,
    /// Fields of one event.
    pub max_fields: usize,
    /// How deep objects and arrays may nest inside a field; at most 100.
    pub max_depth: usize,
    /// Events of one batch.
    pub max_batch: usize,
    /// How old an event may be.
    pub max_past: Span,
    /// How far in the future an event's time may be.
    pub max_future: Span,
}

/// How much one sender (an address, a user of the Unix socket, a token) may do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimit {
    /// Requests a second; 0 is no limit.
    pub requests: u32,
    /// Requests at once, after a pause.
    pub burst: u32,
    /// Senders that are told apart; all further ones share one limit.
    pub max_senders: usize,
}

/// Between the sources and the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pipeline {
    /// Events that wait at a time; when it is full, HTTP answers 503.
    pub queue_events: usize,
    /// Bytes of events that wait at a time.
    pub queue_bytes: Size,
    /// Events that share one commit at most.
    pub commit_events: usize,
    /// How long shutdown waits for requests under way.
    pub shutdown_timeout: Span,
}

/// What is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// Bytes on disk; the oldest events make room.
    pub max_bytes: Size,
    /// How long events are kept.
    pub max_age: Span,
    /// Memory for pages of the database.
    pub cache: Size,
    /// Memory for events that are not yet in compressed blocks; on disk, their log takes at most
    /// twice as much.
    pub hot: Size,
    /// How long series of every second are kept.
    pub series_1s: Span,
    /// How long series of every 10 seconds are kept.
    pub series_10s: Span,
    /// How long series of every minute are kept.
    pub series_60s: Span,
    /// Series that are kept; samples of further ones are counted, not kept.
    pub max_series: usize,
    /// Answers to requests with an idempotency key that are kept.
    pub max_replies: usize,
    /// How long such answers are kept.
    pub reply_age: Span,
}

/// Events of the kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kernel {
    /// Whether to listen to the kernel at all.
    pub enabled: bool,
    /// Features that are turned off, by the names that `hark-agent doctor` shows.
    pub disabled_features: Vec<String>,
    /// Features that are turned on although they are off by default: `syscall_error`.
    pub extra_features: Vec<String>,
    /// Waits from this length on are long: those while the kernel takes memory back are told one by one,
    /// others are added up by process. All are counted.
    pub stall: Span,
    /// Requests of block devices are told from this length on; all are counted.
    pub slow_request: Span,
    /// From when on the waits of a process are told.
    pub waits: hark_kernel::WaitLimits,
    /// Whether every fork is kept as an event; without it forks are counted, and kept where unusually many.
    pub keep_forks: bool,
    /// Size of the ring buffer.
    pub ring: Size,
    /// Whether the kernel measures what each program costs (about 50 ns a run).
    pub statistics: bool,
    /// Processes that are remembered.
    pub max_processes: usize,
    /// From when on pressure is told.
    pub pressure: hark_kernel::Pressure,
    /// How many events of a kind one command may cause in a second.
    pub budgets: hark_kernel::Budgets,
    /// Whose events are not told.
    pub ignore: hark_kernel::Ignore,
    /// Which files are watched.
    pub watch: hark_kernel::Watch,
}

/// Vital signs of the host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Vitals {
    /// Whether they are read.
    pub enabled: bool,
    /// Processes in a reading.
    pub max_processes: usize,
    /// Control groups that are read.
    pub max_cgroups: usize,
    /// Block devices, file systems and interfaces, of each.
    pub max_devices: usize,
}

/// Detection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Detect {
    /// How often what was learned is saved.
    pub checkpoint_interval: Span,
    /// How long everything new is taken as usual: programs, log lines, and how many of each.
    pub learn: Span,
    /// Return periods count this many times as long when a tier is given: more than 1 alarms sooner.
    pub sensitivity: u32,
}

/// The agent's own log, on standard error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives as in `info,hark_agent::api=debug`.
    pub level: String,
    /// For people, for machines, or whichever suits standard error.
    pub format: LogFormat,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// What the agent may do once it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Privileges {
    /// Whether capabilities that are no longer needed are given up.
    pub drop_capabilities: bool,
    /// The user to become once the kernel programs are loaded; unchanged where empty.
    pub user: String,
}

impl Config {
    /// The file of tokens.
    pub fn tokens_path(&self) -> PathBuf {
        if self.api.tokens.as_os_str().is_empty() {
            self.data_dir.join("tokens.json")
        } else {
            self.api.tokens.clone()
        }
    }

    /// The name of this host in events.
    pub fn host_name(&self) -> String {
        if self.host.is_empty() {
            rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned()
        } else {
            self.host.clone()
        }
    }

    /// Threads that serve requests.
    pub fn worker_threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism()
                .map_or(2, usize::from)
                .clamp(1, 4),
            threads => threads,
        }
    }

    /// What is wrong with the values: key and reason.
    pub fn check(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let mut check = |good: bool, key, reason: &str| {
            if !good {
                wrong.push((key, reason.to_owned()));
            }
        };
        check(
            !self.data_dir.as_os_str().is_empty(),
            "data_dir",
            "must not be empty",
        );
        check(self.threads <= 256, "threads", "must be at most 256");
        check(
            !self.api.listen.is_empty() || !self.api.socket.as_os_str().is_empty(),
            "api.listen",
            "and api.socket are both empty: nobody could reach the agent",
        );
        check(
            self.api.max_connections > 0,
            "api.max_connections",
            "must be at least 1",
        );
        check(
            self.api.stream_events > 0,
            "api.stream_events",
            "must be at least 1",
        );
        check(
            self.api.max_body.0 >= 1024 && self.api.max_body.0 <= 1 << 30,
            "api.max_body",
            "must be from 1KiB to 1GiB",
        );
        check(
            self.ingest.max_message <= self.ingest.max_event,
            "ingest.max_message",
            "must not exceed ingest.max_event",
        );
        check(
            (1..=100).contains(&self.ingest.max_depth),
            "ingest.max_depth",
            "must be from 1 to 100",
        );
        check(
            self.ingest.max_batch > 0,
            "ingest.max_batch",
            "must be at least 1",
        );
        check(
            self.pipeline.queue_events > 0,
            "pipeline.queue_events",
            "must be at least 1",
        );
        check(
            self.pipeline.commit_events > 0,
            "pipeline.commit_events",
            "must be at least 1",
        );
        check(
            self.rate_limit.requests == 0 || self.rate_limit.burst > 0,
            "rate_limit.burst",
            "must be at least 1 where rate_limit.requests is set",
        );
        check(
            (4096..=1 << 30).contains(&self.kernel.ring.0),
            "kernel.ring",
            "must be from 4KiB to 1GiB",
        );
        check(
            self.detect.checkpoint_interval.0.as_secs() >= 1,
            "detect.checkpoint_interval",
            "must be at least 1s",
        );
        check(
            (1..=1_000_000).contains(&self.detect.sensitivity),
            "detect.sensitivity",
            "must be from 1 to 1000000",
        );
        if let Err(error) = self
            .log
            .level
            .parse::<tracing_subscriber::filter::Targets>()
        {
            check(
                false,
                "log.level",
                &format!("is no level and no list of directives: {error}"),
            );
        }
        for (key, length) in [
            ("kernel.ignore.commands", self.kernel.ignore.commands.len()),
            ("kernel.ignore.uids", self.kernel.ignore.uids.len()),
            ("kernel.ignore.cgroups", self.kernel.ignore.cgroups.len()),
        ] {
            let reason = format!("must have at most {} entries", hark_kernel::IGNORE_MAX);
            check(length <= hark_kernel::IGNORE_MAX, key, &reason);
        }
        for name in &self.kernel.ignore.commands {
            check(
                !name.is_empty(),
                "kernel.ignore.commands",
                "must have no empty name",
            );
        }
        for path in &self.kernel.ignore.cgroups {
            check(
                path.starts_with('/') && path.trim_end_matches('/').len() > 1,
                "kernel.ignore.cgroups",
                &format!(
                    "`{path}` must be a path below the root of all control groups, as in /system.slice/x.service"
                ),
            );
        }
        for (key, paths) in [
            ("kernel.watch.read", &self.kernel.watch.read),
            ("kernel.watch.write", &self.kernel.watch.write),
        ] {
            let (most, bytes) = (hark_kernel::WATCH_MAX, hark_kernel::WATCH_PATH_MAX);
            let reason = format!("must have at most {most} entries");
            check(paths.len() <= most, key, &reason);
            for path in paths {
                let reason = format!("`{path}` must begin with / and have at most {bytes} bytes");
                check(path.starts_with('/') && path.len() <= bytes, key, &reason);
            }
        }
        for (key, names) in [
            ("kernel.disabled_features", &self.kernel.disabled_features),
            ("kernel.extra_features", &self.kernel.extra_features),
        ] {
            for name in names {
                if let Err(error) = name.parse::<hark_kernel::Feature>() {
                    check(false, key, &error.to_string());
                }
            }
        }
        for origin in &self.api.allowed_origins {
            check(
                origin.starts_with("http://") || origin.starts_with("https://"),
                "api.allowed_origins",
                &format!(
                    "`{origin}` is no origin: use scheme and host, as in https://grafana.example"
                ),
            );
        }
        wrong
    }
}
