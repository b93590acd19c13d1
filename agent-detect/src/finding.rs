//! Something unusual, ready to be shown, stored and grouped.

use hark_api::{
    Event, EventId, Fields, Kind, Level, Process, Reason, ReasonCode, ReturnPeriod, SeriesKey,
    Source, Tier, Timestamp, Verdict,
};

use crate::caution::Caution;

/// What a finding is about. What is not known is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Subject {
    /// The process.
    pub process: Option<Process>,
    /// The service that said it.
    pub service: Option<String>,
    /// The block device, network interface or file system.
    pub device: Option<String>,
    /// The control group of one service: the one that a metric is about, or for a metric of the whole
    /// host the one whose own is unusual with it.
    pub cgroup: Option<String>,
    /// The series, for metrics.
    pub series: Option<SeriesKey>,
    /// The template, for logs.
    pub template: Option<u32>,
}

/// Something unusual.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// When.
    pub time: Timestamp,
    /// The event that it is about; `None` for metrics, silences and rates.
    pub event: Option<EventId>,
    /// What it is.
    pub kind: Kind,
    /// What it is about.
    pub subject: Subject,
    /// One line in plain words. May quote text from outside.
    pub message: String,
    /// How unusual, and why.
    pub verdict: Verdict,
}

impl Finding {
    /// An event that tells of this finding, for those that are not about an event already: the
    /// pipeline numbers and stores it.
    pub fn to_event(&self, received: Timestamp) -> Event {
        let mut fields = Fields::new();
        if let Some(series) = &self.subject.series {
            fields.set("series", series.as_str());
        }
        if let Some(device) = &self.subject.device {
            fields.set("device", device.as_str());
        }
        let level = match self.verdict.tier {
            Tier::Normal => Level::Info,
            Tier::Notice => Level::Notice,
            Tier::Warning => Level::Warning,
            Tier::High => Level::Error,
            Tier::Critical => Level::Critical,
        };
        Event {
            id: EventId::default(),
            time: self.time,
            received,
            source: if self.kind == Kind::Metric {
                Source::Host
            } else {
                Source::Agent
            },
            kind: self.kind,
            level,
            message: self.message.clone(),
            template: self.subject.template,
            service: self.subject.service.clone(),
            host: None,
            process: self.subject.process.clone().map(Box::new),
            fields,
            trace: None,
            verdict: self.verdict.clone(),
        }
    }
}

/// Return periods shorter than this, in seconds, are not worth words.
const WORDS: f64 = 600.0;

/// What the parts of an engine say of one event before the level is looked at.
#[derive(Clone, Debug)]
pub(crate) struct Opinion {
    /// The return period in seconds; `None` while learning.
    pub(crate) period: Option<f64>,
    /// The arguments, strongest first.
    pub(crate) reasons: Vec<Reason>,
    /// A fact decides.
    pub(crate) fact: bool,
    caution: Caution,
}

impl Opinion {
    /// None yet.
    pub(crate) fn new(caution: Caution) -> Self {
        Self {
            period: None,
            reasons: Vec::new(),
            fact: false,
            caution,
        }
    }

    /// States a fact, which decides.
    pub(crate) fn fact(&mut self, words: impl Into<String>) {
        self.fact = true;
        self.reasons.insert(0, Reason::new(ReasonCode::Fact, words));
    }

    /// Adds an argument with its return period; the rarest decides.
    pub(crate) fn argue(&mut self, period: f64, history: f64, reason: Reason) {
        let period = period
            .min(self.caution.extrapolation * history)
            .clamp(0.0, 1e13);
        let stronger = self.period.is_none_or(|p| period > p);
        if period * self.caution.sensitivity < WORDS {
            self.period = Some(self.period.map_or(period, |p| p.max(period)));
            return;
        }
        if stronger {
            self.period = Some(period);
            self.reasons.insert(0, reason);
        } else {
            self.reasons.push(reason);
        }
    }

    /// Into a verdict.
    pub(crate) fn verdict(self) -> Verdict {
        let rarity = self.period.map(ReturnPeriod::from_secs);
        let tier = if self.fact {
            Tier::Critical
        } else {
            rarity.map_or(Tier::Normal, |r| self.caution.tier(r.as_secs()))
        };
        Verdict {
            tier,
            rarity,
            reasons: self.reasons,
        }
    }
}
