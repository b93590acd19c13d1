//! Everything together: what the agent calls for each event, each second's samples and each tick.

use std::collections::HashMap;

use hark_api::{
    Event, EventId, Kind, Process, Reason, ReasonCode, ReturnPeriod, SeriesKey, Source, Tier,
    Timestamp, Verdict, Vitals,
};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::blame::{Blame, Resource};
use crate::discovery::LEARN;
use crate::finding::{EXTRAPOLATION, Finding, Subject};
use crate::host::{self, Joint};
use crate::incident::{self, Change, Grouper};
use crate::kernel::KernelWatch;
use crate::level;
use crate::log::{Line, LogWatch};
use crate::series::{self, Assessment, Detector};
use crate::tail::{Scale, Tail};
use crate::template::{self, Miner};

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
        }
    }
}

/// A checkpoint cannot be taken up again.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// It was made by another version.
    #[error("the checkpoint has format {found}; this version reads {wanted}")]
    Format {
        /// Its format.
        found: u8,
        /// The one understood.
        wanted: u8,
    },
    /// The configuration changed since.
    #[error("the checkpoint was made with other detection settings")]
    Settings,
    /// It is cut short or damaged.
    #[error("the checkpoint is damaged: {0}")]
    Damaged(#[from] postcard::Error),
    /// It cannot be compressed or decompressed.
    #[error("the checkpoint cannot be compressed or read: {0}")]
    Compression(#[source] std::io::Error),
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

const FORMAT: u8 = 3;
/// Samples of the host before its own calibration is heard beside the bound over all series, and
/// before it replaces it.
const HOST_LEARN_FROM: u64 = 1800;
const HOST_LEARN: u64 = 7200;
/// Seconds after which a series that no longer comes, while others do, is forgotten.
const FORGET: f64 = 86_400.0;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Watched {
    detector: Detector,
    last: i64,
    sum: f64,
    count: u32,
    score: f64,
}

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
    blame: Blame,
    grouper: Grouper,
    start: Option<i64>,
    now: i64,
    tidied: i64,
    #[serde(skip)]
    changes: Vec<Change>,
    #[serde(skip)]
    severity: Severity,
}

/// How severe the last reading was, whether or not anything fired: for ranking, and for scorers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Severity {
    /// The highest score among the series.
    pub score: f64,
    /// The highest onset among the series.
    pub onset: f64,
    /// Of all series together, for ranking: smoothed distance to the nearest readings.
    pub rank: f64,
    /// Of all series together, for alarms.
    pub alarm: f64,
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
            logs: LogWatch::default(),
            kernel: KernelWatch::default(),
            blame: Blame::default(),
            grouper: Grouper::new(config.incidents.clone()),
            start: None,
            now: 0,
            tidied: 0,
            changes: Vec::new(),
            severity: Severity::default(),
            config,
        }
    }

    /// Takes up what [`Engine::checkpoint`] wrote.
    ///
    /// # Errors
    /// When the bytes are damaged, of another version, or made with another configuration.
    pub fn restore(config: &Config, bytes: &[u8]) -> Result<Self, RestoreError> {
        let (&found, state) = bytes
            .split_first()
            .ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
        if found != FORMAT {
            return Err(RestoreError::Format {
                found,
                wanted: FORMAT,
            });
        }
        let reader = zstd::Decoder::with_buffer(state).map_err(RestoreError::Compression)?;
        // Holds one text at a time.
        let mut scratch = vec![0; 1 << 20];
        let (engine, _): (Self, _) = postcard::from_io((reader, &mut scratch))?;
        if engine.config != *config {
            return Err(RestoreError::Settings);
        }
        Ok(engine)
    }

    /// All that was learned, as bytes. Changes not yet taken are not part of it.
    ///
    /// # Errors
    /// None that a caller can cause; the encoder's own.
    pub fn checkpoint(&self) -> Result<Vec<u8>, RestoreError> {
        // Compressed on the way: the plain form of a thousand series is never in memory.
        let mut writer = zstd::Encoder::new(vec![FORMAT], 1).map_err(RestoreError::Compression)?;
        writer
            .include_checksum(true)
            .map_err(RestoreError::Compression)?;
        let writer = postcard::to_io(self, writer)?;
        writer.finish().map_err(RestoreError::Compression)
    }

    /// Judges an event, sets its template and verdict, and learns it. The event should have its
    /// number already, so that incidents can name it. Gives a finding where its tier is above
    /// normal; the finding has been grouped.
    pub fn event(&mut self, event: &mut Event) -> Option<Finding> {
        self.time(event.time);
        match (event.source, event.kind) {
            (_, Kind::Lost) => {
                self.grouper.taint(event.time);
                None
            }
            (Source::Log, _) => {
                event.verdict = self.log(event);
                self.found(event)
            }
            (Source::Kernel, _) => {
                event.verdict = self.kernel.push(event).verdict();
                self.found(event)
            }
            (Source::Host | Source::Agent, _) => None,
        }
    }

    fn log(&mut self, event: &mut Event) -> Verdict {
        let mined = self.miner.push(&event.message);
        event.template = Some(mined.template);
        let sender = event
            .process
            .as_ref()
            .map(|p| u64::from(p.pid) << 1 | 1)
            .or_else(|| event.service.as_ref().map(|s| xxh3_64(s.as_bytes()) & !1));
        let line = Line {
            time: event.time,
            text: &event.message,
            service: event.service.as_deref(),
            sender,
        };
        let mut opinion = self
            .logs
            .push(&line, &self.miner, mined.template, mined.new);
        if event.service.as_deref() == Some("kernel") {
            level::kernel_log_fact(&event.message, &mut opinion);
        }
        let learned = opinion.period.is_some();
        let common = self.logs.common(mined.template);
        let mut verdict = opinion.verdict();
        let floor = level::floor(event.level, common, mined.new && learned);
        if floor > verdict.tier {
            verdict.tier = floor;
            verdict.reasons.insert(0, level::reason(event.level));
        }
        verdict
    }

    fn found(&mut self, event: &Event) -> Option<Finding> {
        if event.verdict.tier == Tier::Normal {
            return None;
        }
        let reason = event.verdict.reasons.first();
        let message = match (event.source, reason) {
            (Source::Kernel, Some(r)) if matches!(r.code, ReasonCode::Burst) => r.text.clone(),
            (Source::Kernel, Some(r)) if r.text.contains("crashed") => r.text.clone(),
            _ => event.message.clone(),
        };
        let finding = Finding {
            time: event.time,
            event: (event.id != EventId::default()).then_some(event.id),
            kind: event.kind,
            subject: Subject {
                process: event.process.as_deref().cloned(),
                service: event.service.clone(),
                device: event
                    .fields
                    .get("device")
                    .and_then(|d| d.as_str())
                    .map(str::to_owned),
                template: event.template,
                ..Subject::default()
            },
            message,
            verdict: event.verdict.clone(),
        };
        self.group(&finding);
        Some(finding)
    }

    /// Judges one reading of all series. Findings have been grouped; they are not events yet (see
    /// [`Finding::to_event`]).
    pub fn samples(&mut self, time: Timestamp, samples: &[(SeriesKey, f64)]) -> Vec<Finding> {
        self.time(time);
        let mut unusual: Vec<(f64, &SeriesKey, f64, Assessment)> = Vec::new();
        let mut highest = 0.0_f64;
        let mut judged = 0_usize;
        self.series_refused = 0;
        (self.severity.score, self.severity.onset) = (0.0, 0.0);
        let watched = self.watched();
        for (key, value) in samples {
            if !self.series.contains_key(key) {
                if self.series.len() >= self.config.max_series {
                    self.series_refused += 1;
                    continue;
                }
                self.series
                    .insert(key.clone(), Watched::new(self.config.series.clone()));
            }
            let Some(series) = self.series.get_mut(key) else {
                continue;
            };
            let assessment = series.detector.push(time, *value);
            series.last = time.as_nanos();
            series.score = assessment.score;
            self.severity.score = self.severity.score.max(assessment.score);
            self.severity.onset = self.severity.onset.max(assessment.onset);
            if value.is_finite() {
                series.sum += value;
                series.count += 1;
            }
            let Some(rarity) = assessment.rarity else {
                continue;
            };
            judged += 1;
            let score = rarity.as_secs().max(1.0).log10();
            highest = highest.max(score);
            if rarity.as_secs() >= self.config.series.explain_from {
                unusual.push((score, key, *value, assessment));
            }
        }
        let mut findings = Vec::new();
        unusual.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (score, key, value, assessment) in unusual {
            // Each series adds its alarms to the host's: as many as there are, at most.
            let bound = 10f64.powf(score) / judged.max(1) as f64;
            let calibrated = self
                .host_scores
                .chance(score)
                .map(|p| self.config.series.step / p);
            let period = match (calibrated, self.host_scores.seen()) {
                (Some(own), HOST_LEARN..) => own,
                (Some(own), HOST_LEARN_FROM..) => own.min(bound),
                _ => bound,
            }
            .min(EXTRAPOLATION * watched);
            let tier = Tier::from(ReturnPeriod::from_secs(period));
            if tier == Tier::Normal {
                continue;
            }
            findings.push(metric_finding(
                time,
                key,
                value,
                assessment,
                period,
                tier,
                &self.blame,
            ));
        }
        if judged > 0 {
            self.host_scores.push(highest);
        }
        findings.extend(self.together(time));
        for finding in &findings {
            self.group(finding);
        }
        findings
    }

    /// All series together, on means over `host_step`.
    fn together(&mut self, time: Timestamp) -> Option<Finding> {
        let slot = (time.as_nanos() as f64 / 1e9 / self.config.host_step.max(1e-3)).floor() as i64;
        if slot == self.joint_slot {
            return None;
        }
        self.joint_slot = slot;
        if self.joint.is_none() {
            // Series come and go; those of the first minutes are the host's own.
            if self.watched() < 60.0 {
                return None;
            }
            if self.series.len() < 2 {
                return None;
            }
            let mut keys: Vec<SeriesKey> = self.series.keys().cloned().collect();
            keys.sort();
            let joint = Joint::new(self.config.host.clone(), keys.len());
            self.joint = Some((keys, joint));
        }
        let (keys, joint) = self.joint.as_mut()?;
        let mut scores = Vec::with_capacity(keys.len());
        let row: Vec<f64> = keys
            .iter()
            .map(|key| {
                let Some(series) = self.series.get_mut(key) else {
                    return f64::NAN;
                };
                let mean = series.sum / f64::from(series.count);
                scores.push(series.score);
                (series.sum, series.count) = (0.0, 0);
                mean
            })
            .collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        let novelty = scores.iter().take(3).sum::<f64>() / 3.0;
        let assessment = joint.push(&row, novelty);
        (self.severity.rank, self.severity.alarm) = (assessment.rank, assessment.alarm);
        let p = assessment.chance?;
        let history = self.watched();
        // Half of the alarms are left to the single series.
        let period = (self.config.host_step / p / 2.0).min(EXTRAPOLATION * history);
        let tier = Tier::from(ReturnPeriod::from_secs(period));
        if tier == Tier::Normal {
            return None;
        }
        let (keys, _) = self.joint.as_ref()?;
        let names: Vec<&str> = assessment
            .contributors
            .iter()
            .filter_map(|(i, _)| keys.get(*i).map(SeriesKey::as_str))
            .collect();
        let first = assessment
            .contributors
            .first()
            .and_then(|(i, _)| keys.get(*i))
            .cloned();
        let process = first
            .as_ref()
            .and_then(|k| Resource::of(k.name()))
            .and_then(|r| self.blame.culprit(r));
        Some(Finding {
            time,
            event: None,
            kind: Kind::Metric,
            subject: Subject {
                process,
                device: first
                    .as_ref()
                    .and_then(|k| label(k.as_str(), "device"))
                    .map(str::to_owned),
                series: first,
                ..Subject::default()
            },
            message: format!(
                "the host's metrics are unusual together, most {}",
                names.join(", ")
            ),
            verdict: Verdict {
                tier,
                rarity: Some(ReturnPeriod::from_secs(period)),
                reasons: vec![Reason {
                    value: Some(assessment.alarm),
                    p: Some(p),
                    history: Some(history),
                    ..Reason::new(
                        ReasonCode::Joint,
                        "the metrics together are far from all that was seen",
                    )
                }],
            },
        })
    }

    /// Learns what processes use, so that a culprit can be named.
    pub fn vitals(&mut self, vitals: &Vitals) {
        self.time(vitals.time);
        self.blame.push(vitals);
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

    /// What is watched and how long it still learns.
    pub fn learning(&self) -> Learning {
        let remaining = self.series.values().map(|s| s.detector.learning());
        Learning {
            series: self.series.len(),
            series_learning: remaining.clone().filter(|&r| r > 0.0).count(),
            series_refused: self.series_refused,
            templates: self.miner.len(),
            remaining: remaining.fold((LEARN - self.watched()).max(0.0), f64::max),
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

impl Watched {
    fn new(config: series::Config) -> Self {
        Self {
            detector: Detector::new(config),
            last: 0,
            sum: 0.0,
            count: 0,
            score: 0.0,
        }
    }
}

fn metric_finding(
    time: Timestamp,
    key: &SeriesKey,
    value: f64,
    assessment: Assessment,
    period: f64,
    tier: Tier,
    blame: &Blame,
) -> Finding {
    let usual = assessment.band.map_or_else(String::new, |(low, high)| {
        format!(", usually {low:.4} to {high:.4}")
    });
    let process: Option<Process> = Resource::of(key.name()).and_then(|r| blame.culprit(r));
    Finding {
        time,
        event: None,
        kind: Kind::Metric,
        subject: Subject {
            process,
            device: label(key.as_str(), "device").map(str::to_owned),
            series: Some(key.clone()),
            ..Subject::default()
        },
        message: format!("{key} is {value:.4}{usual}"),
        verdict: Verdict {
            tier,
            rarity: Some(ReturnPeriod::from_secs(period)),
            reasons: assessment.reasons,
        },
    }
}

/// The value of a label in a series' key.
fn label<'a>(key: &'a str, name: &str) -> Option<&'a str> {
    let start = key.find(&format!("{name}=\""))? + name.len() + 2;
    let rest = key.get(start..)?;
    rest.find('"').map(|end| &rest[..end])
}
