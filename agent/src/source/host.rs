//! The host's vital signs, once a second: to the detector, to the store, and to live streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hark_api::{SelfUse, SeriesKey};
use hark_host::{Collector, Reading};
use hark_store::Store;
use tokio::sync::watch;

use crate::config;
use crate::pipeline::Queue;

const SECOND: Duration = Duration::from_secs(1);

/// One second of the host.
#[derive(Clone, Debug, Default)]
pub struct Second {
    /// All that was read.
    pub reading: Reading,
    /// What the series hold of it: rates of counters, values of gauges.
    pub samples: Vec<(SeriesKey, f64)>,
}

impl From<Reading> for Second {
    fn from(reading: Reading) -> Self {
        let samples = reading
            .metrics
            .iter()
            .filter_map(|metric| Some((metric.key.clone(), metric.sample()?)))
            .collect();
        Self { reading, samples }
    }
}

/// The newest reading and what the agent itself used.
#[derive(Clone, Debug, Default)]
pub struct Latest {
    /// The host; absent before the first reading, and where readings are off.
    pub second: Option<Arc<Second>>,
    /// The agent.
    pub usage: SelfUse,
    /// Why the host cannot be read.
    pub failure: Option<String>,
}

/// The thread that reads.
pub struct HostSource {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
    latest: watch::Receiver<Latest>,
}

impl HostSource {
    /// Starts reading.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(
        config: &config::Vitals,
        queue: Arc<Queue>,
        store: Store,
    ) -> std::io::Result<Self> {
        let (sender, latest) = watch::channel(Latest::default());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let enabled = config.enabled;
        let collector = Collector::new(config.options());
        let thread = std::thread::Builder::new()
            .name("hark-host".into())
            .spawn(move || run(collector, enabled, &queue, &store, &sender, &stopped))?;
        Ok(Self {
            stop,
            thread,
            latest,
        })
    }

    /// The newest reading, and notice of each next one.
    pub fn latest(&self) -> watch::Receiver<Latest> {
        self.latest.clone()
    }

    /// Stops reading; returns when the thread has ended. Blocks.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        if self.thread.join().is_err() {
            tracing::error!("the thread that reads the host panicked");
        }
    }
}

fn run(
    mut collector: Collector,
    enabled: bool,
    queue: &Queue,
    store: &Store,
    latest: &watch::Sender<Latest>,
    stop: &AtomicBool,
) {
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let usage = collector.self_use();
        let (second, failure) = if enabled {
            match collector.collect() {
                Ok(reading) => (Some(Arc::new(Second::from(reading))), None),
                Err(error) => (None, Some(error.to_string())),
            }
        } else {
            (None, None)
        };
        if let Some(second) = &second {
            queue.put_second(second.clone());
            let time = second.reading.vitals.time;
            if let Err(error) = store.append_samples(time, &second.samples) {
                tracing::warn!(%error, "samples are not stored");
            }
        }
        latest.send_replace(Latest {
            second,
            usage,
            failure,
        });
        // A late reading shifts the next ones: no two come in a burst.
        due = (due + SECOND).max(Instant::now());
        while let Some(left) = due.checked_duration_since(Instant::now()) {
            if left.is_zero() || stop.load(Ordering::Relaxed) {
                break;
            }
            std::thread::park_timeout(left);
        }
    }
}
