//! Everything together: what the agent calls for each event, each second's samples and each tick.

mod checkpoint;
mod events;
pub(crate) mod metrics;

use std::collections::HashMap;

use hark_api::{SeriesKey, Tier, Timestamp, Vitals};
use serde::{Deserialize, Serialize};

use crate::blame::Blame;
use crate::caution::Caution;
use crate::excess::Excess;
use crate::finding::Finding;
use crate::host::{self, Joint};
use crate::incident::{self, Change, Grouper};
use crate::kernel::KernelWatch;
use crate::log::LogWatch;
use crate::program::Residents;
use crate::series;
use crate::tail::{Scale, Tail};
use crate::template::{self, Miner};
pub use checkpoint::RestoreError;
pub use metrics::Severity;
use metrics::Watched;

/// How an engine watches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Each series.
    pub series: series::Config,
    /// Most series watched at once; further ones are counted, not judged.
    pub max_series: usize,
    /// All series together.
    pub host: host::Config,
    /// Seconds between two looks at all series together.
    pub host_step: f64,
    /// Log templates.
    pub templates: template::Config,
    /// Incidents.
    pub incidents: incident::Config,
    /// How much history a verdict needs, and how far it reaches.
    pub caution: Caution,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            series: series::Config::default(),
            max_series: 512,
            host: host::Config::default(),
            host_step: 10.0,
            templates: template::Config::default(),
            incidents: incident::Config::default(),
            caution: Caution::default(),
        }
    }
}

/// What an engine knows and still has to learn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Learning {
    /// Series watched.
    pub series: usize,
    /// Of them, those with too little history to be judged.
    pub series_learning: usize,
    /// Series not watched for want of room.
    pub series_refused: usize,
    /// Log templates known.
    pub templates: usize,
    /// Seconds before everything that is watched now is judged; 0 once it is.
    pub remaining: f64,
}

/// Seconds after which a series that no longer comes, while others do, is forgotten.
const FORGET: f64 = 86_400.0;

/// Judges everything that a host shows and says.
///
/// Deterministic: the same calls give the same verdicts, so that a stored day can be replayed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Engine {
    config: Config,
    series: HashMap<SeriesKey, Watched>,
    series_refused: usize,
    /// log10 of the rarest return period among all series, each second: what a single series'
    /// rarity means for the host.
    host_scores: Tail,
    joint: Option<(Vec<SeriesKey>, Joint)>,
    joint_slot: i64,
    miner: Miner,
    logs: LogWatch,
    kernel: KernelWatch,
    residents: Residents,
    blame: Blame,
    excess: Excess,
    grouper: Grouper,
    start: Option<i64>,
    now: i64,
    tidied: i64,
    #[serde(skip)]
    changes: Vec<Change>,
    #[serde(skip)]
    severity: Severity,
}

impl Engine {
    /// An engine that has seen nothing.
    pub fn new(config: Config) -> Self {
        Self {
            series: HashMap::new(),
            series_refused: 0,
            host_scores: Tail::new(Scale::Score, 14 * 86_400).narrow(),
            joint: None,
            joint_slot: 0,
            miner: Miner::new(config.templates.clone()),
            logs: LogWatch::new(config.caution),
            kernel: KernelWatch::new(config.caution),
            residents: Residents::default(),
            blame: Blame::default(),
            excess: Excess::new(config.caution),
            grouper: Grouper::new(config.incidents.clone()),
            start: None,
            now: 0,
            tidied: 0,
            changes: Vec::new(),
            severity: Severity::default(),
            config,
        }
    }

    /// Judges what commands use, and learns it, so that a culprit can be named. Findings have been
    /// grouped.
    pub fn vitals(&mut self, vitals: &Vitals) -> Vec<Finding> {
        self.time(vitals.time);
        self.blame.push(vitals);
        let findings = self.excess.push(vitals);
        for finding in &findings {
            self.group(finding);
        }
        findings
    }

    /// Time passes: silences, and the end of incidents. Call it about once a second.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Finding> {
        self.time(now);
        let nanos = now.as_nanos();
        if nanos.saturating_sub(self.tidied) > 60_000_000_000 {
            self.tidied = nanos;
            self.logs.tidy(&self.miner);
            // Against the newest reading, not the clock: when nothing was read, as while the host
            // was off, nothing is forgotten.
            let newest = self.series.values().map(|s| s.last).max();
            let old = newest.map_or(i64::MIN, |n| n.saturating_sub((FORGET * 1e9) as i64));
            self.series.retain(|_, s| s.last >= old);
        }
        let findings: Vec<Finding> = self
            .logs
            .silences(now, &self.miner)
            .into_iter()
            .filter(|f| f.verdict.tier > Tier::Normal)
            .collect();
        for finding in &findings {
            self.group(finding);
        }
        let closed = self.grouper.tick(now);
        self.keep(closed);
        findings
    }

    /// What became of incidents since it was last asked, oldest first.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// How severe the last reading was.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// The incidents that go on.
    pub fn incidents(&self) -> impl Iterator<Item = &hark_api::Incident> {
        self.grouper.open()
    }

    /// The log templates.
    pub fn miner(&self) -> &Miner {
        &self.miner
    }

    /// Every watched series, with what is expected at each of its resolutions.
    pub fn bands(&self) -> impl Iterator<Item = (&SeriesKey, Vec<series::Band>)> {
        let series = self.series.iter();
        series.map(|(key, watched)| (key, watched.detector.bands().collect()))
    }

    /// Every watched series that has a rhythm, with its periods in seconds.
    pub fn periods(&self) -> impl Iterator<Item = (&SeriesKey, Vec<f64>)> {
        let series = self.series.iter();
        let periods = series.map(|(key, watched)| (key, watched.detector.periods().collect()));
        periods.filter(|(_, periods): &(_, Vec<f64>)| !periods.is_empty())
    }

    /// What is watched and how long it still learns.
    pub fn learning(&self) -> Learning {
        let remaining = self.series.values().map(|s| s.detector.learning());
        Learning {
            series: self.series.len(),
            series_learning: remaining.clone().filter(|&r| r > 0.0).count(),
            series_refused: self.series_refused,
            templates: self.miner.len(),
            remaining: remaining.fold(
                (self.config.caution.learn - self.watched()).max(0.0),
                f64::max,
            ),
        }
    }

    fn time(&mut self, time: Timestamp) {
        let nanos = time.as_nanos();
        self.start.get_or_insert(nanos);
        self.now = self.now.max(nanos);
    }

    /// Seconds since the first call.
    fn watched(&self) -> f64 {
        self.start
            .map_or(0.0, |s| self.now.saturating_sub(s).max(0) as f64 / 1e9)
    }

    fn group(&mut self, finding: &Finding) {
        let changes = self.grouper.push(finding);
        self.keep(changes);
    }

    fn keep(&mut self, changes: Vec<Change>) {
        for change in changes {
            let id = change.incident().id;
            // Each change holds the whole incident: a further update replaces the one that waits.
            let waiting = self
                .changes
                .iter_mut()
                .rev()
                .find(|c| c.incident().id == id);
            match (waiting, change) {
                (Some(Change::Opened(old) | Change::Updated(old)), Change::Updated(new)) => {
                    *old = new;
                }
                (_, change) => self.changes.push(change),
            }
        }
    }
}
