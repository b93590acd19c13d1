//! How many events of a kind there are, on the host and by program.

use std::collections::HashMap;

use hark_api::Event;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::caution::Caution;
use crate::finding::Opinion;
use crate::program;
use crate::rate::{self, Rate};
use crate::series::seconds;
use crate::tail::{Scale, Tail};

/// Most programs whose rates are remembered.
const MAX_PROGRAMS: usize = 4096;
/// Windows of a program after which its own past counts as much as that of all programs.
const OWN: f64 = 20.0;
/// Windows that the past of all programs remembers.
const POOL: usize = 20_000;

/// How a reason says that a count is not one program's.
pub(crate) const WHOLE_HOST: &str = "on the whole host";

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Count {
    Exec,
    Fork,
    ExitFailed,
    Fault,
    ConnectFailed,
    Reset,
    Retransmit,
}

impl Count {
    /// Every one.
    const ALL: [Self; 7] = [
        Self::Exec,
        Self::Fork,
        Self::ExitFailed,
        Self::Fault,
        Self::ConnectFailed,
        Self::Reset,
        Self::Retransmit,
    ];

    /// What there are many of, on the whole host or of one program.
    fn words(self, program: Option<&str>) -> String {
        let Some(program) = program else {
            let what = match self {
                Self::Exec => "programs started",
                Self::Fork => "processes created",
                Self::ExitFailed => "programs failed",
                Self::Fault => "faults",
                Self::ConnectFailed => "connections failed",
                Self::Reset => "connections reset",
                Self::Retransmit => "segments sent again",
            };
            return format!("{what} {WHOLE_HOST}");
        };
        let what = match self {
            Self::Exec => "programs started by",
            Self::Fork => "processes created by",
            Self::ExitFailed => "failures of",
            Self::Fault => "faults of",
            Self::ConnectFailed => "failed connections of",
            Self::Reset => "reset connections of",
            Self::Retransmit => "segments sent again by",
        };
        format!("{what} {program}")
    }

    /// What a budget of the kernel's events is about, as far as all of it counts.
    pub(super) fn of_budget(budget: &str) -> Option<Self> {
        match budget {
            "exec" => Some(Self::Exec),
            "fork" => Some(Self::Fork),
            "tcp_reset" => Some(Self::Reset),
            "tcp_retransmit" => Some(Self::Retransmit),
            _ => None,
        }
    }
}

/// Whom a count is laid to: starts to who starts, all else to who does it.
fn actor(what: Count, event: &Event) -> Option<&str> {
    let starter = super::text(event, "parent_comm").filter(|_| what == Count::Exec);
    starter.or_else(|| program::name(event))
}

/// How many of something programs have in a window in which they have any: what may be expected of
/// a program that has no past.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pool {
    counts: Tail,
    largest: f64,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            counts: Tail::new(Scale::Distance, POOL),
            largest: 1.0,
        }
    }
}

impl Pool {
    fn push(&mut self, count: u32) {
        self.counts.push(f64::from(count));
        self.largest = self.largest.max(f64::from(count));
    }

    /// Seconds from one window of any program with this many to the next.
    fn period(&self, count: u32, watched: f64) -> f64 {
        let seen = self.counts.seen() as f64;
        let count = f64::from(count);
        let share = self.counts.chance(count).unwrap_or_else(|| {
            // Too few for a tail: it is taken as a heavy one (Pareto, index 2) from the largest on.
            (self.largest / count).min(1.0).powi(2) / (seen + 1.0)
        });
        // The next window of any program may be the one.
        watched / (seen + 1.0) / share.max(1e-18)
    }
}

/// Rates over the whole host, and by program.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Rates {
    rates: HashMap<(Count, u64), Rate>,
    pools: HashMap<Count, Pool>,
}

impl Rates {
    /// Counts some at once, and argues where they are many.
    pub(super) fn count(
        &mut self,
        what: Count,
        many: u32,
        event: &Event,
        watched: f64,
        caution: Caution,
        opinion: &mut Opinion,
    ) {
        let slot = rate::slot(event.time.as_nanos());
        let windows = watched / rate::WINDOW;
        if self.rates.len() >= MAX_PROGRAMS {
            self.rates
                .retain(|key, rate| key.1 == 0 || rate.alive(slot));
            if self.rates.len() >= MAX_PROGRAMS {
                self.rates.retain(|key, _| key.1 == 0);
            }
        }
        let own = actor(what, event).map(|p| (xxh3_64(p.as_bytes()).max(1), Some(p)));
        let active = self.rates.len().max(1) as f64;
        for (key, name) in [(0, None)].into_iter().chain(own) {
            let rate = self
                .rates
                .entry((what, key))
                .or_insert_with(|| Rate::starting(slot, windows));
            let ended = rate.advance(slot);
            let pool = self.pools.entry(what).or_default();
            if let Some(count) = ended.filter(|_| name.is_some()) {
                pool.push(count);
            }
            let Some(burst) = rate.add(slot, many, caution.learn / rate::WINDOW) else {
                continue;
            };
            let mut period = rate::WINDOW / burst.p;
            if name.is_none() {
                // Each count adds its own alarms.
                period /= Count::ALL.len() as f64;
            } else {
                // Each program adds its own alarms. What all do says more than a short past of one.
                period /= active;
                let weight = rate.busy() / (rate.busy() + OWN);
                let common = pool.period(burst.count, watched);
                period =
                    (weight * period.max(1.0).ln() + (1.0 - weight) * common.max(1.0).ln()).exp();
            }
            opinion.argue(
                period,
                burst.history,
                burst.reason(&format!(
                    "{} in {}",
                    what.words(name),
                    seconds(rate::WINDOW)
                )),
            );
        }
    }
}
