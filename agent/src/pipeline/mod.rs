//! From the sources to the store: one bounded queue, then enrich → template → score → group on
//! one thread, commit → acknowledge → publish on another.
//!
//! The two threads overlap: while one group is on its way to the disk, the next is scored, and
//! everything that arrived meanwhile shares the next commit. Small requests wait for each other a
//! moment, so that more of them share one. See [`queue`] for what happens when it is full.

mod commit;
mod enrich;
pub mod hub;
pub mod insight;
mod keep;
mod pace;
pub mod queue;
mod score;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hark_api::{Accepted, EventId, SourceStatus};
use hark_kernel::Processes;
use hark_store::Store;

use crate::counters::Counters;
use hub::Hub;
use insight::Insight;
pub use queue::{Batch, Full, Origin, Queue, Remember, Reply, Waiter, Work};

/// What became of a batch: all of it is on disk.
#[derive(Clone, Debug, Default)]
pub struct Committed {
    /// The first id given.
    pub first: EventId,
    /// The last id given.
    pub last: EventId,
    /// Events whose tier is above normal, at most [`MAX_UNUSUAL`]; for a batch of one, that one.
    pub judged: Vec<Accepted>,
}

/// How many unusual events an answer names.
pub const MAX_UNUSUAL: usize = 100;

/// The store could not take it; nothing of the batch is stored.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the store cannot write: {0}")]
pub struct NotStored(pub String);

/// What the waiting request gets.
pub type Answer = Result<Committed, NotStored>;

/// What the pipeline needs.
pub struct Parts {
    /// Where events go.
    pub store: Store,
    /// What happened how often.
    pub counters: Arc<Counters>,
    /// Who listens.
    pub hub: Arc<Hub>,
    /// What others may know of the detectors.
    pub insight: Arc<Insight>,
    /// Who is who.
    pub processes: Option<Processes>,
    /// Events that share one commit at most.
    pub commit_events: usize,
    /// How often what was learned is saved.
    pub checkpoint_interval: Duration,
    /// How the detectors watch.
    pub detect: hark_detect::Config,
    /// Whether forks are kept that are not unusual.
    pub keep_forks: bool,
}

/// The running threads.
pub struct Pipeline {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

impl Pipeline {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(queue: Arc<Queue>, parts: Parts) -> std::io::Result<Self> {
        // One group may wait while another is being written: enough to overlap, and no more.
        let (scored, to_commit) = std::sync::mpsc::sync_channel(1);
        let committer = commit::Committer {
            store: parts.store.clone(),
            counters: parts.counters.clone(),
            hub: parts.hub,
            queue: queue.clone(),
        };
        let commit = std::thread::Builder::new()
            .name("hark-commit".into())
            .spawn(move || committer.run(&to_commit))?;
        let next_id = parts.store.next_event_id().0;
        let (engine, keeper, keep) = keep::Keeper::start(parts.store, &parts.detect)?;
        let scorer = score::Scorer {
            engine,
            keeper,
            insight: parts.insight,
            counters: parts.counters,
            enricher: enrich::Enricher::new(parts.processes),
            next_id,
            checkpoint_interval: parts.checkpoint_interval,
            keep_forks: parts.keep_forks,
        };
        let taken = queue.clone();
        let score = std::thread::Builder::new()
            .name("hark-score".into())
            .spawn(move || scorer.run(&taken, parts.commit_events, &scored))?;
        Ok(Self {
            queue,
            // In the order in which each ends the next.
            threads: vec![score, commit, keep],
        })
    }

    /// Closes the queue, and returns when all that was in it is on disk. Blocks.
    pub fn drain(self) {
        self.queue.close();
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the pipeline panicked");
            }
        }
    }
}

/// A group of batches, scored and numbered, on its way to the disk.
struct Group {
    events: Vec<hark_api::Event>,
    /// Who waits for which part of the events, in order.
    parts: Vec<Part>,
}

/// The events of one batch inside a group.
struct Part {
    count: usize,
    source: SourceName,
    reply: Reply,
}

/// Which source a batch came from, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceName {
    /// The ingest API.
    Api,
    /// The kernel programs.
    Kernel,
    /// The host's vital signs.
    Host,
    /// The agent itself.
    Agent,
}

impl SourceName {
    /// Every one, in order.
    pub const ALL: [Self; 4] = [Self::Api, Self::Kernel, Self::Host, Self::Agent];

    /// Its name in `/status` and `/metrics`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Kernel => "kernel",
            Self::Host => "host",
            Self::Agent => "agent",
        }
    }
}

impl From<SourceName> for SourceStatus {
    fn from(name: SourceName) -> Self {
        Self {
            name: name.as_str().to_owned(),
            state: hark_api::FeatureState::On,
            received: 0,
            dropped: 0,
            withheld: 0,
        }
    }
}
