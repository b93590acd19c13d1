//! How unusual what the kernel tells is: facts, lineage, rates, crash loops.

mod crash;
mod rates;

use hark_api::{Event, Kind, Reason, ReasonCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::caution::Caution;
use crate::discovery::Discovery;
use crate::finding::Opinion;
use crate::program;
use crate::series::seconds;
use crate::template::HashKeyed;
use crash::{Crashes, LOOP_SECONDS};
pub(crate) use rates::WHOLE_HOST;
use rates::{Count, Rates};

/// Most pairs of parent and child that are remembered.
const MAX_LINEAGES: usize = 1 << 16;

/// What is learned of kernel events.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KernelWatch {
    /// Pairs (parent's program, child's program) and (act, program), hashed.
    lineages: HashKeyed<u64, u32>,
    news: Discovery,
    rates: Rates,
    crashes: Crashes,
    caution: Caution,
}

impl KernelWatch {
    pub(crate) fn new(caution: Caution) -> Self {
        Self {
            lineages: HashKeyed::default(),
            news: Discovery::new(caution.learn),
            rates: Rates::default(),
            crashes: Crashes::default(),
            caution,
        }
    }

    /// Judges an event, then learns it.
    pub(crate) fn push(&mut self, event: &Event) -> Opinion {
        let now = event.time.as_nanos();
        self.news.advance(now);
        let mut opinion = Opinion::new(self.caution);
        if self.news.watched(now) >= self.caution.learn {
            opinion.period = Some(0.0);
        }
        match event.kind {
            Kind::OomKill => opinion.fact("the kernel killed a process for want of memory"),
            Kind::HungTask => opinion.fact("it waits for the kernel and cannot be woken"),
            Kind::FsError => {
                let device = text(event, "device").unwrap_or("a device");
                opinion.fact(format!("the file system on {device} is damaged"));
            }
            // What a device cannot do (discard, write zeroes) it is asked once and says so.
            Kind::BlockError if text(event, "error") != Some("EOPNOTSUPP") => {
                let device = text(event, "device").unwrap_or("a block device");
                opinion.fact(format!("{device} failed to do what it was asked"));
            }
            Kind::Privilege | Kind::Ptrace | Kind::Mount | Kind::BpfLoad | Kind::Module => {
                if let Some(program) = program::name(event) {
                    let (key, act) = (format!("{}\0{program}", event.kind), act(event.kind));
                    self.first_sight(
                        event,
                        &key,
                        format!("{program} never {act} before"),
                        &mut opinion,
                    );
                }
            }
            Kind::Exec => {
                self.crashes.started(event);
                self.lineage(event, &mut opinion);
                self.count(Count::Exec, event, &mut opinion);
            }
            Kind::Fork => self.count(Count::Fork, event, &mut opinion),
            Kind::Exit => self.exit(event, &mut opinion),
            Kind::Signal if number(event, "signal").is_some_and(crash::is_fault) => {
                self.count(Count::Fault, event, &mut opinion);
            }
            Kind::TcpConnect if text(event, "outcome") == Some("failed") => {
                self.count(Count::ConnectFailed, event, &mut opinion);
            }
            Kind::TcpReset => self.count(Count::Reset, event, &mut opinion),
            Kind::TcpRetransmit => self.count(Count::Retransmit, event, &mut opinion),
            Kind::Withheld => {
                let many = number(event, "count").unwrap_or(0);
                if let Some(what) = text(event, "of").and_then(Count::of_budget) {
                    let many = u32::try_from(many).unwrap_or(u32::MAX);
                    self.count_many(what, many, event, &mut opinion);
                }
            }
            _ => {}
        }
        opinion
    }

    fn lineage(&mut self, event: &Event, opinion: &mut Opinion) {
        let Some(child) = program::name(event) else {
            return;
        };
        let Some(parent) = text(event, "parent_comm") else {
            return;
        };
        let key = format!("{parent}\0{child}");
        self.first_sight(
            event,
            &key,
            format!("{parent} never started {child} before"),
            opinion,
        );
    }

    /// Argues that something was never seen, the first time it is.
    fn first_sight(&mut self, event: &Event, key: &str, words: String, opinion: &mut Opinion) {
        let key = xxh3_64(key.as_bytes());
        let now = event.time.as_nanos();
        if let Some(seen) = self.lineages.get_mut(&key) {
            *seen = seen.saturating_add(1);
            return;
        }
        if self.lineages.len() >= MAX_LINEAGES {
            // Those seen once go first.
            self.lineages.retain(|_, seen| *seen > 1);
            if self.lineages.len() >= MAX_LINEAGES {
                self.lineages.clear();
            }
        }
        self.lineages.insert(key, 1);
        let watched = self.news.watched(now);
        if let Some(period) = self.news.found(now) {
            let reason = Reason::new(ReasonCode::New, words);
            opinion.argue(
                period,
                watched,
                Reason {
                    history: Some(watched),
                    ..reason
                },
            );
        }
    }

    fn exit(&mut self, event: &Event, opinion: &mut Opinion) {
        let fault = number(event, "signal").is_some_and(crash::is_fault);
        if fault || number(event, "code").unwrap_or(0) != 0 {
            self.count(Count::ExitFailed, event, opinion);
        }
        let (Some(found), Some(program)) = (self.crashes.ended(event), program::name(event)) else {
            return;
        };
        opinion.fact = true;
        let text = format!(
            "{program} crashed {} times in {}",
            found.crashes,
            seconds(found.span)
        );
        opinion.reasons.insert(
            0,
            Reason {
                value: Some(found.crashes as f64),
                history: Some(LOOP_SECONDS),
                ..Reason::new(ReasonCode::Fact, text)
            },
        );
    }

    fn count(&mut self, what: Count, event: &Event, opinion: &mut Opinion) {
        self.count_many(what, 1, event, opinion);
    }

    fn count_many(&mut self, what: Count, many: u32, event: &Event, opinion: &mut Opinion) {
        let watched = self.news.watched(event.time.as_nanos());
        self.rates
            .count(what, many, event, watched, self.caution, opinion);
    }
}

/// What a program did, as in "… never … before".
fn act(kind: Kind) -> &'static str {
    match kind {
        Kind::Privilege => "changed its user or group",
        Kind::Ptrace => "took control of another process",
        Kind::Mount => "mounted a file system",
        Kind::BpfLoad => "loaded a program into the kernel",
        _ => "loaded a kernel module",
    }
}

fn number(event: &Event, field: &str) -> Option<u64> {
    event.fields.get(field).and_then(Value::as_u64)
}

fn text<'a>(event: &'a Event, field: &str) -> Option<&'a str> {
    event.fields.get(field).and_then(Value::as_str)
}
