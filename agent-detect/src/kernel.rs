//! How unusual what the kernel tells is: facts, lineage, rates, crash loops.

use std::collections::{HashMap, VecDeque};

use hark_api::{Event, Kind, Reason, ReasonCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::discovery::{Discovery, LEARN};
use crate::finding::Opinion;
use crate::rate::{self, Rate};
use crate::series::seconds;
use crate::template::HashKeyed;

/// Most pairs of parent and child that are remembered.
const MAX_LINEAGES: usize = 1 << 16;
/// Most programs whose rates are remembered.
const MAX_PROGRAMS: usize = 4096;
/// Crashes of one program within [`LOOP_SECONDS`] that make a crash loop.
const LOOP_CRASHES: usize = 3;
/// Seconds.
const LOOP_SECONDS: f64 = 300.0;
/// Signals that end a program for a fault of its own: ILL, TRAP, ABRT, BUS, FPE, SEGV, SYS.
const FAULTS: [u64; 7] = [4, 5, 6, 7, 8, 11, 31];

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Count {
    Exec,
    Fork,
    ExitFailed,
    Fault,
    ConnectFailed,
    Reset,
    Retransmit,
}

impl Count {
    const fn words(self) -> &'static str {
        match self {
            Self::Exec => "programs started",
            Self::Fork => "processes created",
            Self::ExitFailed => "programs failed",
            Self::Fault => "faults",
            Self::ConnectFailed => "connections failed",
            Self::Reset => "connections reset",
            Self::Retransmit => "segments sent again",
        }
    }
}

/// What is learned of kernel events.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct KernelWatch {
    /// Pairs (parent's program, child's program) and (act, program), hashed.
    lineages: HashKeyed<u32>,
    news: Discovery,
    /// Rates over the whole host, and by program.
    rates: HashMap<(Count, u64), Rate>,
    /// Program → times of its last crashes, in nanoseconds.
    crashes: HashKeyed<VecDeque<i64>>,
}

impl KernelWatch {
    /// Judges an event, then learns it.
    pub(crate) fn push(&mut self, event: &Event) -> Opinion {
        let now = event.time.as_nanos();
        self.news.advance(now);
        let mut opinion = Opinion::default();
        if self.news.watched(now) >= LEARN {
            opinion.period = Some(0.0);
        }
        match event.kind {
            Kind::OomKill => {
                opinion.fact = true;
                opinion.reasons.push(Reason::new(
                    ReasonCode::Fact,
                    "the kernel killed a process for want of memory",
                ));
            }
            // What a device cannot do (discard, write zeroes) it is asked once and says so.
            Kind::BlockError if text(event, "error") != Some("EOPNOTSUPP") => {
                opinion.fact = true;
                let device = text(event, "device").unwrap_or("a block device");
                let reason = format!("{device} failed to do what it was asked");
                opinion.reasons.push(Reason::new(ReasonCode::Fact, reason));
            }
            Kind::Privilege | Kind::Ptrace | Kind::Mount | Kind::BpfLoad | Kind::Module => {
                if let Some(program) = program(event) {
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
                self.lineage(event, &mut opinion);
                self.count(Count::Exec, event, &mut opinion);
            }
            Kind::Fork => self.count(Count::Fork, event, &mut opinion),
            Kind::Exit => self.exit(event, &mut opinion),
            Kind::Signal if number(event, "signal").is_some_and(|s| FAULTS.contains(&s)) => {
                self.count(Count::Fault, event, &mut opinion);
            }
            Kind::TcpConnect if text(event, "outcome") == Some("failed") => {
                self.count(Count::ConnectFailed, event, &mut opinion);
            }
            Kind::TcpReset => self.count(Count::Reset, event, &mut opinion),
            Kind::TcpRetransmit => self.count(Count::Retransmit, event, &mut opinion),
            _ => {}
        }
        opinion
    }

    fn lineage(&mut self, event: &Event, opinion: &mut Opinion) {
        let Some(child) = program(event) else { return };
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
        let signal = number(event, "signal");
        let code = number(event, "code").unwrap_or(0);
        let fault = signal.is_some_and(|s| FAULTS.contains(&s));
        if fault || code != 0 {
            self.count(Count::ExitFailed, event, opinion);
        }
        // A program that a supervisor keeps starting again has it or init as its parent; a shell
        // command that fails is no crash.
        let supervised = event.process.as_ref().is_some_and(|p| {
            p.ppid == Some(1) || p.unit.as_deref().is_some_and(|u| u.ends_with(".service"))
        });
        if !(fault || (code != 0 && supervised)) {
            return;
        }
        let Some(program) = program(event) else {
            return;
        };
        let now = event.time.as_nanos();
        if self.crashes.len() >= MAX_PROGRAMS {
            self.crashes
                .retain(|_, times| times.back().is_some_and(|&t| age(t, now) < LOOP_SECONDS));
            if self.crashes.len() >= MAX_PROGRAMS {
                self.crashes.clear();
            }
        }
        let times = self.crashes.entry(xxh3_64(program.as_bytes())).or_default();
        while times.len() >= LOOP_CRASHES
            || times.front().is_some_and(|&t| age(t, now) > LOOP_SECONDS)
        {
            times.pop_front();
        }
        times.push_back(now);
        if times.len() >= LOOP_CRASHES {
            let span = times.front().map_or(0.0, |&t| age(t, now));
            opinion.fact = true;
            opinion.reasons.insert(
                0,
                Reason {
                    value: Some(times.len() as f64),
                    history: Some(LOOP_SECONDS),
                    ..Reason::new(
                        ReasonCode::Fact,
                        format!(
                            "{program} crashed {} times in {}",
                            times.len(),
                            seconds(span)
                        ),
                    )
                },
            );
        }
    }

    fn count(&mut self, what: Count, event: &Event, opinion: &mut Opinion) {
        let now = event.time.as_nanos();
        let slot = rate::slot(now);
        let watched = self.news.watched(now);
        let windows = watched / rate::WINDOW;
        if self.rates.len() >= MAX_PROGRAMS {
            self.rates
                .retain(|key, rate| key.1 == 0 || rate.alive(slot));
            if self.rates.len() >= MAX_PROGRAMS {
                self.rates.retain(|key, _| key.1 == 0);
            }
        }
        let active = self.rates.len().max(1) as f64;
        let own = program(event).map(|p| (xxh3_64(p.as_bytes()).max(1), Some(p)));
        for (key, name) in [(0, None)].into_iter().chain(own) {
            let rate = self
                .rates
                .entry((what, key))
                .or_insert_with(|| Rate::starting(slot, windows));
            let Some(burst) = rate.add(slot) else {
                continue;
            };
            let whose = name.map_or_else(|| "on the whole host".to_owned(), |n| format!("by {n}"));
            opinion.argue(
                rate::WINDOW / burst.p / active,
                burst.history,
                burst.reason(&format!(
                    "{} in {} {whose}",
                    what.words(),
                    seconds(rate::WINDOW)
                )),
            );
        }
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

fn age(then: i64, now: i64) -> f64 {
    now.saturating_sub(then) as f64 / 1e9
}

/// The program that the event is about: its path, or its command name.
fn program(event: &Event) -> Option<&str> {
    let process = event.process.as_ref()?;
    Some(process.exe.as_deref().unwrap_or(&process.comm)).filter(|p| !p.is_empty())
}

fn number(event: &Event, field: &str) -> Option<u64> {
    event.fields.get(field).and_then(Value::as_u64)
}

fn text<'a>(event: &'a Event, field: &str) -> Option<&'a str> {
    event.fields.get(field).and_then(Value::as_str)
}
