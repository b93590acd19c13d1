//! Judging events: log lines and what the kernel tells.

use hark_api::{Event, EventId, Kind, Process, ReasonCode, Source, Tier, Verdict};
use xxhash_rust::xxh3::xxh3_64;

use super::Engine;
use crate::finding::{Finding, Subject};
use crate::level;
use crate::log::Line;

impl Engine {
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
                self.residents.said(event);
                event.verdict = self.log(event);
                self.found(event)
            }
            (Source::Kernel, _) => {
                if event.kind == Kind::Exec {
                    self.residents.started(event);
                }
                event.verdict = self.kernel.push(event).verdict();
                self.found(event)
            }
            (Source::Host | Source::Agent | Source::Foreign(_), _) => None,
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
        let burst = reason.is_some_and(|r| r.code == ReasonCode::Burst);
        let process = event.process.as_deref().cloned();
        let process = process.map(|p| if burst { starter(event, p) } else { p });
        let finding = Finding {
            time: event.time,
            event: (event.id != EventId::default()).then_some(event.id),
            kind: event.kind,
            subject: Subject {
                process: process.map(|p| self.residents.alone(p)),
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
}

/// Who is behind many starts: not what is started, but the process that starts it.
fn starter(event: &Event, started: Process) -> Process {
    let parent = event
        .fields
        .get("parent_comm")
        .and_then(|comm| comm.as_str());
    match (&event.kind, parent, started.ppid) {
        (Kind::Exec, Some(comm), Some(pid)) if pid > 1 => Process {
            pid,
            ppid: None,
            comm: comm.to_owned(),
            exe: None,
            ..started
        },
        _ => started,
    }
}
