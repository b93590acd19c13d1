//! How unusual a log line is: its template, rate, rhythm, parameters and place in the order.

use hark_api::{Kind, Reason, ReasonCode, Tier, Timestamp};
use serde::{Deserialize, Serialize};

use crate::beat::Beat;
use crate::caution::Caution;
use crate::discovery::Discovery;
use crate::finding::{Finding, Opinion, Subject};
use crate::rate::{self, Rate};
use crate::series::seconds;
use crate::template::{HashKeyed, Miner, NumberSet};

/// Numeric parameters that are watched in each template.
const PARAMETERS: usize = 3;
/// Sightings of a template before its parameters or order are judged.
const KNOWN: u64 = 200;
/// Most pairs of successive templates and most senders that are remembered.
const MAX_PAIRS: usize = 1 << 17;

/// One numeric parameter: its range and how often it grew.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Parameter {
    seen: u64,
    low: f64,
    high: f64,
    records: f64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Entry {
    seen: u64,
    rate: Rate,
    beat: Beat,
    parameters: [Parameter; PARAMETERS],
    service: Option<String>,
    first: i64,
    last: i64,
}

/// What is learned of log lines.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LogWatch {
    entries: HashKeyed<u32, Entry>,
    templates: Discovery,
    /// Pairs (template, next template of the same sender), hashed.
    pairs: NumberSet<u64>,
    /// First sights of a pair of known templates.
    orders: Discovery,
    /// Sender → its last template.
    previous: HashKeyed<u64, u32>,
    caution: Caution,
}

/// What is known of a line besides its template.
pub(crate) struct Line<'a> {
    pub(crate) time: Timestamp,
    pub(crate) text: &'a str,
    pub(crate) service: Option<&'a str>,
    /// Hash of the process or service whose lines have an order.
    pub(crate) sender: Option<u64>,
}

impl LogWatch {
    pub(crate) fn new(caution: Caution) -> Self {
        Self {
            entries: HashKeyed::default(),
            templates: Discovery::new(caution.learn),
            pairs: NumberSet::default(),
            orders: Discovery::new(caution.learn),
            previous: HashKeyed::default(),
            caution,
        }
    }

    /// Judges a line, then learns it.
    pub(crate) fn push(
        &mut self,
        line: &Line<'_>,
        miner: &Miner,
        template: u32,
        new: bool,
    ) -> Opinion {
        let now = line.time.as_nanos();
        let slot = rate::slot(now);
        let mut opinion = Opinion::new(self.caution);
        self.templates.advance(now);
        let watched = self.templates.watched(now);
        let active = self.entries.len().max(1) as f64;
        let entry = self.entries.entry(template).or_insert_with(|| Entry {
            rate: Rate::starting(slot, watched / rate::WINDOW),
            first: now,
            ..Entry::default()
        });
        if entry.seen == 0 {
            entry.service = line.service.map(str::to_owned);
        }
        entry.seen += 1;
        entry.last = now;
        if new {
            match self.templates.found(now) {
                Some(period) => opinion.argue(
                    period,
                    watched,
                    Reason {
                        p: None,
                        history: Some(watched),
                        ..Reason::new(ReasonCode::New, "no line of this shape was seen before")
                    },
                ),
                None => opinion.reasons.push(Reason {
                    history: Some(watched),
                    ..Reason::new(
                        ReasonCode::Learning,
                        format!(
                            "new, but lines are watched for {} only; new ones are judged from {}",
                            seconds(watched),
                            seconds(self.caution.learn)
                        ),
                    )
                }),
            }
        } else if watched >= self.caution.learn {
            opinion.period = Some(0.0);
        }
        if let Some(burst) = entry.rate.add(slot, 1, self.caution.learn / rate::WINDOW) {
            opinion.argue(
                rate::WINDOW / burst.p / active,
                burst.history,
                burst.reason(&format!("lines of this shape in {}", seconds(rate::WINDOW))),
            );
        }
        entry.beat.came(now);
        let spans = miner.variables();
        if !spans.is_empty() {
            let elapsed = now.saturating_sub(entry.first).max(0) as f64 / 1e9;
            let numbers = spans
                .iter()
                .filter_map(|s| {
                    line.text
                        .get(s.start as usize..s.end as usize)?
                        .parse()
                        .ok()
                })
                .filter(|v: &f64| v.is_finite());
            for (parameter, value) in entry.parameters.iter_mut().zip(numbers) {
                if let Some((period, reason)) = parameter.push(value, elapsed) {
                    opinion.argue(period / (PARAMETERS as f64 * active), elapsed, reason);
                }
            }
        }
        let known = entry.seen >= KNOWN;
        self.order(line, template, known, &mut opinion);
        opinion
    }

    fn order(&mut self, line: &Line<'_>, template: u32, known: bool, opinion: &mut Opinion) {
        let Some(sender) = line.sender else { return };
        let now = line.time.as_nanos();
        self.orders.advance(now);
        if self.previous.len() >= MAX_PAIRS {
            self.previous.clear();
        }
        let Some(previous) = self.previous.insert(sender, template) else {
            return;
        };
        let pair = u64::from(previous) << 32 | u64::from(template);
        if self.pairs.contains(&pair) {
            return;
        }
        if self.pairs.len() >= MAX_PAIRS {
            self.pairs.clear();
        }
        self.pairs.insert(pair);
        // Either template being young makes any pair new.
        let both = known && self.entries.get(&previous).is_some_and(|e| e.seen >= KNOWN);
        if !both {
            return;
        }
        let watched = self.orders.watched(now);
        if let Some(period) = self.orders.found(now) {
            opinion.argue(
                period,
                watched,
                Reason {
                    history: Some(watched),
                    ..Reason::new(ReasonCode::Order, "it never followed the line before it")
                },
            );
        }
    }

    /// Regular lines that did not come.
    pub(crate) fn silences(&mut self, now: Timestamp, miner: &Miner) -> Vec<Finding> {
        let nanos = now.as_nanos();
        let active = self.entries.len().max(1) as f64;
        let mut findings = Vec::new();
        for (&template, entry) in &mut self.entries {
            let Some(missed) = entry.beat.missed(nanos) else {
                continue;
            };
            if missed.history < self.caution.learn {
                continue;
            }
            let text = miner.text(template).unwrap_or("a line");
            let mut opinion = Opinion::new(self.caution);
            opinion.argue(
                missed.period / missed.p / active,
                missed.history,
                Reason {
                    value: Some(missed.since),
                    p: Some(missed.p),
                    period: Some(missed.period),
                    history: Some(missed.history),
                    ..Reason::new(
                        ReasonCode::Silence,
                        format!(
                            "it came every {} and has not come for {}",
                            seconds(missed.period),
                            seconds(missed.since)
                        ),
                    )
                },
            );
            let mut verdict = opinion.verdict();
            if missed.clock {
                verdict.tier = verdict.tier.max(Tier::Warning);
            }
            findings.push(Finding {
                time: now,
                event: None,
                kind: Kind::Log,
                subject: Subject {
                    service: entry.service.clone(),
                    template: Some(template),
                    ..Subject::default()
                },
                message: format!(
                    "`{text}` came every {} and has stopped",
                    seconds(missed.period)
                ),
                verdict,
            });
        }
        findings.sort_by_key(|f| f.subject.template);
        findings
    }

    /// Forgets what the miner forgot, and follows templates that a wider one replaced.
    pub(crate) fn tidy(&mut self, miner: &Miner) {
        let stale: Vec<u32> = self
            .entries
            .keys()
            .copied()
            .filter(|&id| miner.current(id) != id || miner.text(id).is_none())
            .collect();
        for id in stale {
            let Some(entry) = self.entries.remove(&id) else {
                continue;
            };
            let wider = miner.current(id);
            if wider != id && miner.text(wider).is_some() {
                let heir = self.entries.entry(wider).or_default();
                if heir.seen < entry.seen {
                    let seen = heir.seen + entry.seen;
                    *heir = Entry { seen, ..entry };
                } else {
                    heir.seen += entry.seen;
                }
            }
        }
    }

    /// Whether a template is common: seen often enough that its level says little.
    pub(crate) fn common(&self, template: u32) -> bool {
        self.entries.get(&template).is_some_and(|e| {
            let elapsed = e.last.saturating_sub(e.first).max(0) as f64 / 1e9;
            e.seen >= 20 && elapsed / e.seen as f64 <= 3600.0
        })
    }
}

impl Parameter {
    /// The return period in seconds and the reason, where the value leaves the range of all
    /// before by far.
    fn push(&mut self, value: f64, elapsed: f64) -> Option<(f64, Reason)> {
        self.seen += 1;
        if self.seen == 1 {
            (self.low, self.high) = (value, value);
            return None;
        }
        if value >= self.low && value <= self.high {
            return None;
        }
        let (low, high) = (self.low, self.high);
        let range = (high - low).max(high.abs().max(low.abs()) * 1e-3).max(1e-9);
        let excess = if value > high {
            value - high
        } else {
            low - value
        } / range;
        self.low = low.min(value);
        self.high = high.max(value);
        let records = self.records;
        self.records += 1.0;
        // Numbers that grow by nature (identifiers, sizes) set records all the time.
        if self.seen < KNOWN || records > 0.02 * self.seen as f64 || excess < 0.5 {
            return None;
        }
        // Beyond the range the tail is taken as heavy, a Pareto of index 2.
        let period = elapsed / (records + 1.0).min(4.0) * (1.0 + excess).powi(2);
        Some((
            period,
            Reason {
                value: Some(value),
                band: Some((low, high)),
                p: Some(1.0 / (self.seen as f64 * (1.0 + excess).powi(2))),
                history: Some(elapsed),
                ..Reason::new(
                    ReasonCode::Parameter,
                    "a number in it is far outside its range so far",
                )
            },
        ))
    }
}
