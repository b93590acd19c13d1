//! How much history a verdict needs, and how far it may reach beyond it.

use hark_api::{ReturnPeriod, Tier};
use serde::{Deserialize, Serialize};

/// How much history a verdict needs, and how far it may reach beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Caution {
    /// Seconds in which everything new is taken as usual: programs, lines, and how many of each.
    pub learn: f64,
    /// A return period is at most this many times the history that it rests on.
    pub extrapolation: f64,
    /// The same for what a metric shows: hosts change their ways more often than a short history of
    /// their numbers tells.
    pub extrapolation_of_metrics: f64,
    /// Return periods count this many times as long when a tier is given: more than 1 alarms
    /// sooner.
    pub sensitivity: f64,
}

impl Caution {
    /// The tier of a return period in seconds.
    pub(crate) fn tier(&self, period: f64) -> Tier {
        Tier::from(ReturnPeriod::from_secs(period * self.sensitivity))
    }
}

impl Default for Caution {
    fn default() -> Self {
        Self {
            learn: 600.0,
            extrapolation: 1000.0,
            extrapolation_of_metrics: 100.0,
            sensitivity: 1.0,
        }
    }
}
