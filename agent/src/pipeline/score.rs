//! The thread that enriches, mines templates, judges, and numbers events. It alone has the
//! detectors, so they need no locks; what others may know of them it puts into [`Insight`].

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use hark_api::{Event, Kind, Tier, Timestamp};
use hark_detect::{Engine, Finding};

use super::enrich::Enricher;
use super::insight::Insight;
use super::keep::Keeper;
use super::queue::{Batch, Queue, Work};
use super::{Group, Part, SourceName};
use crate::counters::Counters;
use crate::source::host::Second;

/// How often time passes for the detectors, at least.
const TICK: Duration = Duration::from_secs(1);
/// How often what became of incidents is stored, at most. In a storm of findings each one changes
/// an incident, and only its last state is worth writing.
const INCIDENTS_EVERY: Duration = Duration::from_secs(1);
/// How often others learn anew where series are expected to lie: it moves slowly.
const BANDS_EVERY: Duration = Duration::from_secs(5);

pub(super) struct Scorer {
    pub(super) engine: Engine,
    pub(super) keeper: Keeper,
    pub(super) insight: Arc<Insight>,
    pub(super) counters: Arc<Counters>,
    pub(super) enricher: Enricher,
    pub(super) next_id: u64,
    pub(super) checkpoint_interval: Duration,
    pub(super) keep_forks: bool,
}

impl Scorer {
    /// Until the queue is closed and empty.
    pub(super) fn run(mut self, queue: &Queue, commit_events: usize, scored: &SyncSender<Group>) {
        let mut saved = Instant::now();
        let mut ticked = Instant::now();
        let mut bands = Instant::now();
        let mut incidents: Option<Instant> = None;
        // A checkpoint knows them from the start.
        self.insight.set_bands(&self.engine);
        while let Some(work) = queue.take(commit_events, TICK) {
            let mut group = self.group(work);
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                let findings = self.engine.tick(Timestamp::now());
                self.add_findings(findings, &mut group);
                self.insight.set_learning(self.engine.learning());
                if bands.elapsed() >= BANDS_EVERY {
                    bands = Instant::now();
                    self.insight.set_bands(&self.engine);
                }
            }
            if !group.events.is_empty() {
                queue.handed();
                if scored.send(group).is_err() {
                    tracing::error!("the thread that commits is gone");
                    return;
                }
            }
            if incidents.is_none_or(|kept| kept.elapsed() >= INCIDENTS_EVERY) {
                let changes = self.engine.take_changes();
                if !changes.is_empty() {
                    incidents = Some(Instant::now());
                    self.keeper.incidents(changes);
                }
            }
            if self.insight.templates_wanted() {
                self.insight.set_templates(self.engine.miner());
            }
            if saved.elapsed() >= self.checkpoint_interval {
                self.keeper.incidents(self.engine.take_changes());
                self.keeper.checkpoint(&self.engine);
                saved = Instant::now();
            }
        }
        self.keeper.incidents(self.engine.take_changes());
        self.keeper.checkpoint(&self.engine);
    }

    fn group(&mut self, work: Vec<Work>) -> Group {
        let mut group = Group {
            events: Vec::new(),
            parts: Vec::with_capacity(work.len()),
        };
        self.enricher.forget();
        for work in work {
            match work {
                Work::Events(batch) => self.add(batch, &mut group),
                Work::Second(second) => self.judge_second(&second, &mut group),
            }
        }
        group
    }

    fn number(&mut self, event: &mut Event) {
        event.id.0 = self.next_id;
        self.next_id += 1;
    }

    fn add(&mut self, mut batch: Batch, group: &mut Group) {
        batch.events.retain_mut(|event| {
            event.id.0 = self.next_id;
            self.enricher.enrich(event, batch.origin);
            self.engine.event(event);
            // Forks are many and say nothing by themselves: they are counted, and kept where the
            // count is unusual.
            let keeps =
                self.keep_forks || event.kind != Kind::Fork || event.verdict.tier > Tier::Normal;
            self.next_id += u64::from(keeps);
            keeps
        });
        self.counters
            .source(batch.source)
            .received
            .add(batch.events.len() as u64);
        group.parts.push(Part {
            count: batch.events.len(),
            source: batch.source,
            reply: batch.reply,
        });
        if group.events.is_empty() {
            group.events = batch.events;
        } else {
            group.events.append(&mut batch.events);
        }
    }

    fn judge_second(&mut self, second: &Second, group: &mut Group) {
        let mut findings = self.engine.vitals(&second.reading.vitals);
        let time = second.reading.vitals.time;
        findings.extend(self.engine.samples(time, &second.samples));
        self.add_findings(findings, group);
    }

    /// What the detectors found in metrics and silences becomes events of their own.
    fn add_findings(&mut self, findings: Vec<Finding>, group: &mut Group) {
        if findings.is_empty() {
            return;
        }
        let received = Timestamp::now();
        let before = group.events.len();
        for finding in findings {
            let mut event = finding.to_event(received);
            self.number(&mut event);
            group.events.push(event);
        }
        let count = group.events.len() - before;
        self.counters
            .source(SourceName::Host)
            .received
            .add(count as u64);
        group.parts.push(Part {
            count,
            source: SourceName::Host,
            reply: None,
        });
    }
}
