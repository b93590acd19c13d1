//! What the agent says of itself.

use serde::{Deserialize, Serialize};

use crate::{EventId, Timestamp};

/// The agent's state: what works, what does not, why, and what it costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct Status {
    /// The agent's version.
    pub version: String,
    /// The host's name.
    pub host: String,
    /// The kernel's release.
    pub kernel: String,
    /// The agent's process id.
    pub pid: u32,
    /// When it started.
    pub started: Timestamp,
    /// Its time now, for consoles with another clock.
    pub now: Timestamp,
    /// Whether all that should work does.
    pub health: Health,
    /// Where events come from.
    pub sources: Vec<SourceStatus>,
    /// The kernel's features, each probed alone.
    pub features: Vec<Feature>,
    /// What came in by the ingest API.
    pub ingest: IngestStatus,
    /// What is stored.
    pub store: StoreStatus,
    /// What the agent itself uses.
    pub usage: SelfUse,
}

/// Whether all that should work does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Health {
    /// All works.
    Ok,
    /// It runs with less than was asked for.
    Degraded {
        /// What is off, in words, each with its remedy.
        reasons: Vec<String>,
    },
    /// It cannot store; nothing is acknowledged.
    Failing {
        /// Why, in words.
        reasons: Vec<String>,
    },
}

/// One source of events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct SourceStatus {
    /// Its name, as in `kernel`.
    pub name: String,
    /// On, off or failed.
    pub state: FeatureState,
    /// Events received from it since the start.
    pub received: u64,
    /// Events lost before they could be stored, since the start.
    pub dropped: u64,
    /// Events beyond their budgets since the start: not told one by one, but counted in events of the
    /// kind `withheld`. Nothing is lost by it.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", oai(default))]
    pub withheld: u64,
}

/// On, off or failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum FeatureState {
    /// It works.
    On,
    /// The configuration switched it off.
    Disabled,
    /// It cannot work here.
    Unavailable {
        /// Why.
        reason: String,
        /// How to turn it on.
        remedy: String,
    },
}

/// One ability of the agent on this kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct Feature {
    /// Its name, as in `tcp`.
    pub name: String,
    /// What it gives.
    pub description: String,
    /// On, off or failed.
    pub state: FeatureState,
    /// The kernel programs behind it, with their cost where the kernel counts it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", oai(default))]
    pub programs: Vec<ProgramCost>,
}

/// What a kernel program cost since it was loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct ProgramCost {
    /// The program.
    pub name: String,
    /// What it hangs on, as in `tracepoint sched:sched_process_exec`.
    pub hook: String,
    /// How often it ran; absent while BPF statistics are off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<u64>,
    /// How long it ran, in nanoseconds; absent while BPF statistics are off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nanos: Option<u64>,
}

/// What came in by the ingest API since the start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct IngestStatus {
    /// Events acknowledged.
    pub accepted: u64,
    /// Events refused for what they were.
    pub rejected: u64,
    /// Requests turned away because the queue was full or the store failed.
    pub turned_away: u64,
    /// Events waiting now.
    pub queue_length: u64,
    /// Events that may wait.
    pub queue_capacity: u64,
}

/// What is stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StoreStatus {
    /// The file.
    pub path: String,
    /// Its size on disk in bytes.
    pub bytes: u64,
    /// How large it may grow, in bytes.
    pub max_bytes: u64,
    /// Events in it.
    pub events: u64,
    /// The oldest event's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<EventId>,
    /// The newest event's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<EventId>,
    /// The oldest event's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_time: Option<Timestamp>,
    /// Commits since the start.
    pub commits: u64,
    /// Median and 99th percentile of a commit's time in seconds, over the last ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_latency: Option<(f64, f64)>,
    /// The error that it last met, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<(Timestamp, String)>,
    /// Blocks set aside because their checksum was wrong.
    pub damaged_blocks: u64,
}

/// What the agent itself uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct SelfUse {
    /// CPUs used over the last ten seconds.
    pub cpu: f64,
    /// Resident memory in bytes.
    pub rss: u64,
    /// Open file descriptors.
    pub open_fds: u64,
    /// Threads.
    pub threads: u64,
}
