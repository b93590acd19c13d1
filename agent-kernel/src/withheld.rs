//! What budgets held back, summed up: one event a storm, or one every few seconds of a long one.

use std::collections::HashMap;

use aya::maps::{HashMap as BpfHashMap, MapData, PerCpuArray};
use hark_ebpf::{Kind, WithheldKey};

use crate::clock::Clock;
use crate::event::{Cause, Data, KernelEvent, Withheld};
use crate::filter::{budget_name, missing_is_fine};
use crate::loader::take_map;
use crate::table::Table;

/// How long a storm goes on before it is told, although it has not ended: nanoseconds.
const LONG: u64 = 10_000_000_000;
/// Storms at a time that are told apart; further ones are told together, by kind.
const MAX_STORMS: usize = 256;
/// Processes behind a storm that are told apart.
const MAX_CAUSES: usize = 64;
/// Of these, the most frequent are told.
const TOLD_CAUSES: usize = 5;

/// The programs' total, by kind of record and CPU.
pub(crate) type Totals = PerCpuArray<MapData, u64>;

/// Records withheld since the start, by kind.
pub(crate) fn totals(map: &Totals) -> [u64; Kind::ALL.len()] {
    let mut totals = [0; Kind::ALL.len()];
    for (kind, total) in totals.iter_mut().enumerate() {
        *total = map
            .get(&(kind as u32), 0)
            .map_or(0, |values| values.iter().sum());
    }
    totals
}

/// A process's share of what was withheld.
#[derive(Clone, Debug)]
struct Share {
    kind: Kind,
    pid: u32,
    command: String,
    count: u64,
}

struct Storm {
    /// Nanoseconds since boot.
    since: u64,
    count: u64,
    by_cause: HashMap<u32, u64>,
    /// Whether there was more of it at the last look.
    goes_on: bool,
}

/// Sums up what was withheld.
pub(crate) struct Storms {
    open: HashMap<(Kind, String), Storm>,
}

impl Storms {
    pub(crate) fn new() -> Self {
        Self {
            open: HashMap::new(),
        }
    }

    fn add(&mut self, now: u64, mut share: Share) {
        let key = (share.kind, share.command.clone());
        if self.open.len() >= MAX_STORMS && !self.open.contains_key(&key) {
            share.command.clear();
        }
        let storm = self
            .open
            .entry((share.kind, share.command))
            .or_insert_with(|| Storm {
                since: now,
                count: 0,
                by_cause: HashMap::new(),
                goes_on: true,
            });
        storm.count += share.count;
        storm.goes_on = true;
        let known = storm.by_cause.len() < MAX_CAUSES || storm.by_cause.contains_key(&share.pid);
        if known && share.pid != 0 {
            *storm.by_cause.entry(share.pid).or_default() += share.count;
        }
    }

    /// Takes what was withheld since the last look, and gives the storms that have ended, those that
    /// have lasted long, or, if `all`, every one.
    fn look(&mut self, now: u64, shares: Vec<Share>, all: bool) -> Vec<(Kind, String, Storm)> {
        for storm in self.open.values_mut() {
            storm.goes_on = false;
        }
        for share in shares {
            self.add(now, share);
        }
        self.open
            .extract_if(|_, storm| all || !storm.goes_on || now.saturating_sub(storm.since) >= LONG)
            .map(|((kind, command), storm)| (kind, command, storm))
            .collect()
    }
}

/// The programs' account, and what was made of it.
pub(crate) struct Account {
    map: BpfHashMap<MapData, [u32; 6], u64>,
    storms: Storms,
    told: [u64; Kind::ALL.len()],
}

impl Account {
    /// Takes the map out of the loaded object.
    pub(crate) fn take(ebpf: &mut aya::Ebpf) -> Option<Self> {
        Some(Self {
            map: take_map(ebpf, "WITHHELD")?,
            storms: Storms::new(),
            told: [0; Kind::ALL.len()],
        })
    }

    /// Takes away what was counted, and puts summaries into `events`. True where records that keep
    /// the process table were withheld since the last look.
    pub(crate) fn look(
        &mut self,
        totals: [u64; Kind::ALL.len()],
        all: bool,
        table: &mut Table,
        events: &mut Vec<KernelEvent>,
    ) -> bool {
        let clock = Clock::now();
        let now = crate::clock::since_boot();
        let shares = if totals == self.told {
            Vec::new()
        } else {
            self.shares(totals)
        };
        let processes = [Kind::Exec, Kind::Fork, Kind::Exit]
            .iter()
            .any(|kind| totals[*kind as usize] != self.told[*kind as usize]);
        self.told = totals;
        for (kind, command, storm) in self.storms.look(now, shares, all) {
            let mut causes: Vec<(u32, u64)> = storm.by_cause.into_iter().collect();
            causes.sort_unstable_by_key(|(pid, count)| (std::cmp::Reverse(*count), *pid));
            causes.truncate(TOLD_CAUSES);
            let process = causes.first().and_then(|(pid, _)| table.find(*pid));
            let causes = causes
                .into_iter()
                .map(|(pid, count)| Cause {
                    pid,
                    comm: table.find(pid).map(|process| process.comm),
                    count,
                })
                .collect();
            events.push(KernelEvent {
                time: clock.wall(now),
                process: process.map(Box::new),
                data: Data::Withheld(Withheld {
                    of: budget_name(kind),
                    command: (!command.is_empty()).then_some(command),
                    count: storm.count,
                    duration: now.saturating_sub(storm.since),
                    causes,
                }),
            });
        }
        processes
    }

    /// What there is in the map, and what found no room there.
    fn shares(&mut self, totals: [u64; Kind::ALL.len()]) -> Vec<Share> {
        let mut rest = totals;
        for (rest, told) in rest.iter_mut().zip(self.told) {
            *rest = rest.saturating_sub(told);
        }
        let mut shares = Vec::new();
        let entries: Vec<_> = self.map.iter().flatten().collect();
        for (words, count) in entries {
            // What is counted between the two is in the total: the rest below.
            let _ = missing_is_fine(self.map.remove(&words));
            let key: WithheldKey = bytemuck::cast(words);
            let Some(kind) = Kind::ALL.get(key.kind as usize) else {
                continue;
            };
            let rest = &mut rest[key.kind as usize];
            *rest = rest.saturating_sub(count);
            shares.push(Share {
                kind: *kind,
                pid: key.pid,
                command: crate::decode::text(&key.comm),
                count,
            });
        }
        shares.extend(
            Kind::ALL
                .iter()
                .zip(rest)
                .filter(|(_, count)| *count > 0)
                .map(|(kind, count)| Share {
                    kind: *kind,
                    pid: 0,
                    command: String::new(),
                    count,
                }),
        );
        shares
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(pid: u32, command: &str, count: u64) -> Share {
        Share {
            kind: Kind::Exec,
            pid,
            command: command.to_owned(),
            count,
        }
    }

    #[test]
    fn a_storm_is_told_once_when_it_ends() {
        let mut storms = Storms::new();
        let second = 1_000_000_000;
        assert!(
            storms
                .look(second, vec![share(7, "true", 5)], false)
                .is_empty()
        );
        assert!(
            storms
                .look(2 * second, vec![share(8, "true", 6)], false)
                .is_empty()
        );
        let told = storms.look(3 * second, Vec::new(), false);
        let [(Kind::Exec, command, storm)] = told.as_slice() else {
            panic!("{} storms", told.len());
        };
        assert_eq!(
            (command.as_str(), storm.count, storm.since),
            ("true", 11, second)
        );
        assert_eq!(storm.by_cause, HashMap::from([(7, 5), (8, 6)]));
        assert!(storms.look(4 * second, Vec::new(), false).is_empty());
    }

    #[test]
    fn a_storm_without_end_is_told_every_ten_seconds() {
        let mut storms = Storms::new();
        let told: Vec<u64> = (0..25)
            .flat_map(|n| storms.look(n * 1_000_000_000, vec![share(7, "true", 1)], false))
            .map(|(_, _, storm)| storm.count)
            .collect();
        assert_eq!(told, [11, 11]);
    }

    #[test]
    fn storms_and_causes_are_bounded_and_nothing_is_uncounted() {
        let mut storms = Storms::new();
        let shares = (1..=1_000)
            .map(|n| share(n, &format!("c{n}"), 1))
            .chain((1..=1_000).map(|n| share(n, "c1", 1)))
            .collect();
        let told = storms.look(1, shares, true);
        assert!(told.len() <= MAX_STORMS + 1);
        assert_eq!(told.iter().map(|(_, _, s)| s.count).sum::<u64>(), 2_000);
        assert!(told.iter().all(|(_, _, s)| s.by_cause.len() <= MAX_CAUSES));
    }
}
