//! Judging metrics: each series, and all together.

use hark_api::units::Unit;
use hark_api::{Kind, Reason, ReasonCode, ReturnPeriod, SeriesKey, Tier, Timestamp, Verdict};
use serde::{Deserialize, Serialize};

use super::Engine;
use crate::blame::Resource;
use crate::finding::{Finding, Subject};
use crate::host::Joint;
use crate::series::{self, Assessment, Detector};

/// Samples of the host before its own calibration is heard beside the bound over all series, and
/// before it replaces it.
const HOST_LEARN_FROM: u64 = 1800;
const HOST_LEARN: u64 = 7200;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Watched {
    pub(super) detector: Detector,
    pub(super) last: i64,
    sum: f64,
    count: u32,
    score: f64,
    /// log10 of its return periods in seconds, the largest of the last ones: older ones count less.
    unusual: f64,
}

/// What is left of how unusual a series was, a reading later.
const FADES: f64 = 0.95;
/// How unusual a control group's metric must be, and how much beside the host's, for the group to be
/// taken as behind it.
const BEHIND: f64 = 2.8;
const BESIDE: f64 = 0.5;

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
        let sensitivity = self.config.caution.sensitivity;
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
            series.unusual = score.max(FADES * series.unusual);
            highest = highest.max(score);
            if rarity.as_secs() * sensitivity >= self.config.series.explain_from {
                unusual.push((score, key, *value, assessment));
            }
        }
        let mut findings = Vec::new();
        unusual.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (score, key, value, assessment) in unusual {
            let caution = &self.config.caution;
            let period = if assessment.rhythm_lost {
                let keeping = self.series.values().filter(|s| s.detector.keeps_rhythm());
                let bound = 10f64.powf(score) / keeping.count().max(1) as f64;
                bound.min(caution.extrapolation * watched)
            } else {
                self.period_of_host(score, judged)
                    .min(caution.extrapolation_of_metrics * watched)
            };
            let tier = self.config.caution.tier(period);
            if tier == Tier::Normal {
                continue;
            }
            findings.push(Finding {
                time,
                event: None,
                kind: Kind::Metric,
                subject: self.behind(key, score),
                message: message(key, value, &assessment),
                verdict: Verdict {
                    tier,
                    rarity: Some(ReturnPeriod::from_secs(period)),
                    reasons: assessment.reasons,
                },
            });
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

    /// The host's return period, in seconds, of what a series shows this rarely.
    fn period_of_host(&self, score: f64, judged: usize) -> f64 {
        // Each series adds its alarms to the host's: as many as there are, at most.
        let bound = 10f64.powf(score) / judged.max(1) as f64;
        let calibrated = self.host_scores.chance(score);
        match (
            calibrated.map(|p| self.config.series.step / p),
            self.host_scores.seen(),
        ) {
            (Some(own), HOST_LEARN..) => own,
            (Some(own), HOST_LEARN_FROM..) => own.min(bound),
            _ => bound,
        }
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
        let furthest = self.config.caution.extrapolation_of_metrics * history;
        let period = (self.config.host_step / p / 2.0).min(furthest);
        let tier = self.config.caution.tier(period);
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
            .and_then(|(i, _)| keys.get(*i));
        Some(Finding {
            time,
            event: None,
            kind: Kind::Metric,
            subject: first.map_or_else(Subject::default, |key| self.behind(key, 0.0)),
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
}

impl Engine {
    /// Whom a metric is about, and who may be behind it: the process that is most above its usual use
    /// of what the metric measures; the control group that it measures or, for one of the whole
    /// host, the one whose own metric of the same kind is unusual now.
    fn behind(&self, key: &SeriesKey, score: f64) -> Subject {
        let resource = Resource::of(key.name());
        let own = label(key.as_str(), "cgroup");
        let group = own
            .filter(|path| self.residents.is_one(path))
            .or_else(|| self.group_behind(resource.filter(|_| own.is_none())?, score));
        Subject {
            process: resource.and_then(|r| self.blame.culprit(r)),
            device: label(key.as_str(), "device").map(str::to_owned),
            cgroup: group.map(str::to_owned),
            series: Some(key.clone()),
            ..Subject::default()
        }
    }

    fn group_behind(&self, resource: Resource, score: f64) -> Option<&str> {
        let least = BEHIND.max(BESIDE * score);
        let groups = self.series.iter().filter_map(|(key, series)| {
            let path = label(key.as_str(), "cgroup").filter(|p| self.residents.is_one(p))?;
            let counts = series.unusual >= least && Resource::of(key.name()) == Some(resource);
            counts.then_some((series.unusual, path))
        });
        groups
            .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(b.1)))
            .map(|(_, path)| path)
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
            unusual: 0.0,
        }
    }
}

/// What is said of a value: how it is beside what is usual, or, where it lies within that, what
/// else is unusual about it.
fn message(key: &SeriesKey, value: f64, assessment: &Assessment) -> String {
    let unit = Unit::of_metric(key.name());
    let is = format!("{key} is {}", unit.show(value));
    let Some((low, high)) = assessment.band else {
        return is;
    };
    // What is next to nothing beside the rest is nothing.
    let shown = |x: f64| {
        let nothing = x.abs() < 1e-3 * high.abs().max(low.abs());
        unit.show(if nothing { 0.0 } else { x })
    };
    let usual = format!("{is}, usually {} to {}", shown(low), shown(high));
    match assessment.reasons.first() {
        Some(reason) if (low..=high).contains(&value) => format!("{usual}: {}", reason.text),
        _ => usual,
    }
}

/// The value of a label in a series' key.
pub(crate) fn label<'a>(key: &'a str, name: &str) -> Option<&'a str> {
    let start = key.find(&format!("{name}=\""))? + name.len() + 2;
    let rest = key.get(start..)?;
    rest.find('"').map(|end| &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_within_its_band_is_explained() {
        let key = SeriesKey::from("node_disk_read_bytes_total{device=\"vda\"}");
        let assessment = Assessment {
            band: Some((-0.3, 1_048_576.0)),
            reasons: vec![Reason::new(ReasonCode::Shift, "the level moved")],
            ..Assessment::default()
        };
        assert_eq!(
            message(&key, 2_097_152.0, &assessment),
            format!("{key} is 2.00 MiB/s, usually 0 B/s to 1.00 MiB/s")
        );
        assert_eq!(
            message(&key, 524_288.0, &assessment),
            format!("{key} is 512 KiB/s, usually 0 B/s to 1.00 MiB/s: the level moved")
        );
    }
}
