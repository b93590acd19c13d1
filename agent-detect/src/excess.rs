//! Commands that use far more of the CPUs or the disks than they ever did.
//!
//! What a command uses, all its processes together, is held against its own past; what remains is
//! held against how far commands went beyond their pasts before, on this host. So a program that
//! is new but busy says much on a host where that never happens, and nothing on one that builds
//! software. Use alone is no harm: it is a warning at most, and a notice where it leaves others
//! enough.

use std::collections::HashMap;

use hark_api::units::Unit;
use hark_api::vitals::ProcessUse;
use hark_api::{Kind, Process, Reason, ReasonCode, Tier, Timestamp, Vitals};
use serde::{Deserialize, Serialize};

use crate::caution::Caution;
use crate::finding::{Finding, Opinion, Subject};
use crate::series::seconds;

/// Most commands that are remembered.
const MAX_COMMANDS: usize = 4096;
/// Most excesses of the past that are remembered, of each resource.
const MAX_PAST: usize = 512;
/// Seconds that an excess, or a command that does not run, is remembered: a week.
const MEMORY: f64 = 7.0 * 86_400.0;
/// Readings that a use must last to count: a process whose child ends takes over in one second all
/// that the child ever read and wrote, and what is done within seconds disturbs nobody.
const LASTS: usize = 5;
/// Seconds from the start in which every command that shows was there before.
const AT_START: f64 = 10.0;
/// How much smaller an excess may be to be of about the same size.
const ABOUT: f64 = 0.5;
/// The largest share of all CPUs that is told from all of them.
const MOST_SHARE: f64 = 0.98;
/// Weight of a second in what a command is used to.
const USED_TO: f64 = 0.05;

/// What is watched.
#[derive(Clone, Copy, Debug)]
struct Resource {
    /// Less than this beyond the past is never looked at.
    floor: f64,
    /// Less than this is a notice at most, on a host with so many CPUs.
    much: fn(cpus: f64) -> f64,
    /// How large an excess is beside others, on a host with so many CPUs.
    size: fn(excess: f64, cpus: f64) -> f64,
    /// A use in words.
    words: fn(f64) -> String,
    /// Index of the Pareto tail that is taken beyond the largest so far.
    index: i32,
    of: fn(&ProcessUse) -> f64,
}

const RESOURCES: [Resource; 2] = [
    // CPUs.
    Resource {
        floor: 0.1,
        much: |cpus| cpus / 4.0,
        // They are bounded: what counts is what is taken beside what is left to others.
        size: |excess, cpus| {
            let share = (excess / cpus).min(MOST_SHARE);
            share / (1.0 - share)
        },
        words: |cpus| format!("{cpus:.2} CPUs"),
        index: 3,
        of: |p| p.cpu,
    },
    // Bytes a second.
    Resource {
        floor: 4_194_304.0,
        much: |_| 33_554_432.0,
        size: |excess, _| excess,
        words: |rate| format!("{} from and to disks", Unit::BytesPerSecond.show(rate)),
        index: 2,
        of: |p| p.read_bytes.unwrap_or(0.0) + p.write_bytes.unwrap_or(0.0),
    },
];

/// What a command uses of one resource.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Use {
    /// The last readings.
    readings: [f64; LASTS],
    used_to: f64,
    /// The largest excess since it last was back to what it is used to; 0 when it is.
    excess: f64,
    told: Tier,
}

/// An excess that is over.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Past {
    at: i64,
    excess: f64,
    /// It was told of: it happened, but it is no example of what is usual here.
    told: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Command {
    uses: [Use; RESOURCES.len()],
    first: i64,
    last: i64,
}

/// Watches commands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Excess {
    commands: HashMap<String, Command>,
    past: [Vec<Past>; RESOURCES.len()],
    start: Option<i64>,
    caution: Caution,
}

impl Excess {
    pub(crate) fn new(caution: Caution) -> Self {
        Self {
            commands: HashMap::new(),
            past: [const { Vec::new() }; RESOURCES.len()],
            start: None,
            caution,
        }
    }

    /// Judges a reading, then learns it.
    pub(crate) fn push(&mut self, vitals: &Vitals) -> Vec<Finding> {
        let now = vitals.time.as_nanos();
        let start = *self.start.get_or_insert(now);
        let watched = now.saturating_sub(start) as f64 / 1e9;
        let cpus = vitals.cpus.len().max(1) as f64;
        // Of each command, what it uses in all and its busiest process.
        let mut running: HashMap<&str, [(f64, Option<&ProcessUse>); RESOURCES.len()]> =
            HashMap::new();
        for process in &vitals.processes {
            let uses = running.entry(&process.comm).or_default();
            for (resource, (sum, busiest)) in RESOURCES.iter().zip(uses) {
                let used = (resource.of)(process);
                *sum += used;
                if busiest.is_none_or(|b| (resource.of)(b) < used) {
                    *busiest = Some(process);
                }
            }
        }
        for name in running.keys() {
            if !self.commands.contains_key(*name) && self.commands.len() < MAX_COMMANDS {
                let command = Command {
                    first: now,
                    ..Command::default()
                };
                self.commands.insert((*name).to_owned(), command);
            }
        }
        let mut findings = Vec::new();
        for (name, command) in &mut self.commands {
            let uses = running.get(name.as_str());
            if uses.is_some() {
                command.last = now;
            }
            for (i, resource) in RESOURCES.iter().enumerate() {
                let (sum, busiest) = uses.map_or((0.0, None), |uses| uses[i]);
                let used = &mut command.uses[i];
                used.readings.rotate_left(1);
                used.readings[LASTS - 1] = sum;
                let lasting = used.readings.iter().copied().fold(f64::INFINITY, f64::min);
                let excess = lasting - used.used_to;
                if excess > 0.0 {
                    used.used_to += USED_TO * excess;
                }
                if watched < self.caution.learn {
                    // Everything is new: what runs now is what it is used to. What came since the
                    // start shows how far commands go here.
                    let came = command.first.saturating_sub(start) as f64 / 1e9 > AT_START;
                    if came && excess >= resource.floor {
                        remember(&mut self.past[i], now, excess, false);
                    }
                    used.used_to = used.used_to.max(lasting);
                    continue;
                }
                if excess < resource.floor / 2.0 {
                    if used.excess >= resource.floor {
                        let told = used.told > Tier::Normal;
                        remember(&mut self.past[i], now, used.excess, told);
                    }
                    (used.excess, used.told) = (0.0, Tier::Normal);
                    continue;
                }
                if excess <= used.excess.max(resource.floor) {
                    continue;
                }
                used.excess = excess;
                let size = |excess: f64| (resource.size)(excess, cpus);
                let past = self.past[i].iter();
                // What was told of is no example of what is usual; of about this size it happened.
                let happened = |p: &&Past| {
                    let least = if p.told { ABOUT } else { 1.0 };
                    size(p.excess) >= least * size(excess)
                };
                let as_large = past.clone().filter(happened).count() as f64;
                // Beyond all that is usual the tail is taken as heavy.
                let largest = past
                    .filter(|p| p.excess < excess && !p.told)
                    .fold(resource.floor, |most, p| most.max(p.excess));
                let tail = (size(largest) / size(excess)).powi(resource.index);
                let period = watched / (as_large + tail);
                let mut opinion = Opinion::new(self.caution);
                opinion.argue(
                    period,
                    watched,
                    Reason {
                        value: Some(lasting),
                        band: Some((0.0, used.used_to)),
                        history: Some(watched),
                        ..Reason::new(
                            ReasonCode::Novelty,
                            format!(
                                "commands went that far beyond what they are used to {as_large} times in {}",
                                seconds(watched)
                            ),
                        )
                    },
                );
                let mut verdict = opinion.verdict();
                let most = if excess < (resource.much)(cpus) {
                    Tier::Notice
                } else {
                    Tier::Warning
                };
                verdict.tier = verdict.tier.min(most);
                if verdict.tier <= used.told {
                    continue;
                }
                used.told = verdict.tier;
                let usual = (used.used_to - USED_TO / (1.0 - USED_TO) * excess).max(0.0);
                findings.push(Finding {
                    time: vitals.time,
                    event: None,
                    kind: Kind::Metric,
                    subject: Subject {
                        process: busiest.map(process),
                        ..Subject::default()
                    },
                    message: format!(
                        "{name} uses {}, {}",
                        (resource.words)(lasting),
                        if usual < resource.floor {
                            "and hardly any before".to_owned()
                        } else {
                            format!("and at most {} before", (resource.words)(usual))
                        }
                    ),
                    verdict,
                });
            }
        }
        self.forget(vitals.time);
        findings.sort_by(|a, b| a.message.cmp(&b.message));
        findings
    }

    fn forget(&mut self, now: Timestamp) {
        let oldest = now.as_nanos().saturating_sub((MEMORY * 1e9) as i64);
        self.commands.retain(|_, command| command.last >= oldest);
        for past in &mut self.past {
            past.retain(|p| p.at >= oldest);
        }
        if self.commands.len() >= MAX_COMMANDS {
            // Names that are never used again, as builds and tests make them.
            let hour_ago = now.as_nanos().saturating_sub(3_600_000_000_000);
            self.commands.retain(|_, command| command.last >= hour_ago);
        }
    }
}

fn remember(past: &mut Vec<Past>, at: i64, excess: f64, told: bool) {
    if past.len() >= MAX_PAST {
        past.remove(0);
    }
    past.push(Past { at, excess, told });
}

fn process(p: &ProcessUse) -> Process {
    Process {
        pid: p.pid,
        ppid: Some(p.ppid),
        uid: Some(p.uid),
        comm: p.comm.clone(),
        ..Process::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hark_api::vitals::CpuUse;

    fn reading(second: i64, processes: &[(&str, f64)]) -> Vitals {
        let used = |&(comm, cpu): &(&str, f64)| ProcessUse {
            pid: 1,
            ppid: 1,
            uid: 0,
            comm: comm.to_owned(),
            state: hark_api::vitals::ProcessState('R'),
            cpu,
            rss: 0,
            read_bytes: None,
            write_bytes: None,
            threads: 1,
            started: 0.0,
        };
        Vitals {
            time: Timestamp::from_nanos(second * 1_000_000_000),
            cpus: vec![CpuUse::default(); 2],
            processes: processes.iter().map(used).collect(),
            ..Vitals::default()
        }
    }

    #[test]
    fn a_new_hog_is_named_within_seconds_and_a_known_one_is_not() {
        let mut excess = Excess::new(Caution::default());
        for second in 0..3600 {
            let busy = if second % 300 < 20 { 1.0 } else { 0.1 };
            let found = excess.push(&reading(second, &[("backup", busy), ("web", 0.2)]));
            assert_eq!(found, [], "second {second}");
        }
        let found: Vec<Finding> = (3600..3605)
            .flat_map(|second| excess.push(&reading(second, &[("web", 0.2), ("hog", 1.0)])))
            .collect();
        let last = found.last().expect("found");
        assert_eq!(last.verdict.tier, Tier::Warning, "{last:?}");
        assert_eq!(last.message, "hog uses 1.00 CPUs, and hardly any before");
        assert_eq!(last.subject.process.as_ref().expect("named").comm, "hog");
    }

    #[test]
    fn a_hog_that_was_told_of_does_not_hide_the_next_and_larger_one() {
        let mut excess = Excess::new(Caution::default());
        for second in 0..1500 {
            excess.push(&reading(second, &[("web", 0.2)]));
        }
        for second in 1500..1510 {
            excess.push(&reading(second, &[("web", 0.2), ("storm", 0.9)]));
        }
        for second in 1510..1600 {
            excess.push(&reading(second, &[("web", 0.2)]));
        }
        let found: Vec<Finding> = (1600..1605)
            .flat_map(|second| excess.push(&reading(second, &[("web", 0.2), ("hog", 1.9)])))
            .collect();
        let last = found.last().expect("found");
        assert_eq!(last.verdict.tier, Tier::Warning, "{last:?}");
    }

    #[test]
    fn what_lasts_one_reading_is_no_hog() {
        let mut excess = Excess::new(Caution::default());
        for second in 0..3600 {
            let cpu = if second == 3000 { 50.0 } else { 0.1 };
            let found = excess.push(&reading(second, &[("parent", cpu)]));
            assert_eq!(found, [], "second {second}");
        }
    }

    #[test]
    fn where_new_programs_are_always_busy_one_more_says_nothing() {
        let mut excess = Excess::new(Caution::default());
        for second in 0..7200 {
            let name = format!("test-{}", second / 30);
            let found = excess.push(&reading(second, &[(name.as_str(), 1.0)]));
            // The first few after learning are news.
            assert!(second < 1200 || found.is_empty(), "{second}: {found:?}");
        }
    }
}
