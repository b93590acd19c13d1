//! How surprising it is that something is new.
//!
//! Good and Turing's estimate: the chance that the next thing is of a kind never seen is the share
//! of first sights among what was seen; here as a rate over time, so that it is a return period.

use serde::{Deserialize, Serialize};

/// Seconds over which first sights are remembered: a week.
const MEMORY: f64 = 7.0 * 86_400.0;

/// The rate of first sights.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Discovery {
    /// Seconds in which everything may be new.
    learn: f64,
    start: Option<i64>,
    last: i64,
    /// First sights, those long ago weighing less.
    weight: f64,
}

impl Discovery {
    /// One that has seen nothing, and takes all as usual for so many seconds.
    pub(crate) fn new(learn: f64) -> Self {
        Self {
            learn,
            start: None,
            last: 0,
            weight: 0.0,
        }
    }

    /// Seconds since it started to watch.
    pub(crate) fn watched(&self, now: i64) -> f64 {
        self.start
            .map_or(0.0, |s| now.saturating_sub(s).max(0) as f64 / 1e9)
    }

    /// Time passes.
    pub(crate) fn advance(&mut self, now: i64) {
        self.start.get_or_insert(now);
        let passed = now.saturating_sub(self.last).max(0) as f64 / 1e9;
        if passed > 60.0 {
            self.weight *= (-passed / MEMORY).exp();
            self.last = now;
        }
    }

    /// Something was seen for the first time; gives the return period of first sights in seconds,
    /// and learns of it. `None` while learning.
    pub(crate) fn found(&mut self, now: i64) -> Option<f64> {
        self.advance(now);
        let watched = self.watched(now);
        let period = (watched >= self.learn).then(|| {
            let memory = MEMORY * (1.0 - (-watched / MEMORY).exp());
            memory / (self.weight + 1.0)
        });
        // What is found while everything is new says little about later.
        self.weight += if watched < self.learn {
            LEARN_WEIGHT
        } else {
            1.0
        };
        period
    }
}

/// Weight of a first sight while learning.
const LEARN_WEIGHT: f64 = 0.02;
