//! How many of something there are in ten seconds, against what is usual.

use hark_api::{Reason, ReasonCode};
use serde::{Deserialize, Serialize};
use statrs::distribution::{DiscreteCDF, NegativeBinomial, Poisson};

/// Seconds that one count covers.
pub(crate) const WINDOW: f64 = 10.0;
/// Windows that the baseline remembers: a day.
const MEMORY: f64 = 8640.0;

/// Windows with a count after which the distribution of its counts says as much as what is known of
/// counts in general.
const KNOWN: f64 = 20.0;

/// A count and its baseline.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Rate {
    slot: i64,
    count: u32,
    /// Where the count is judged next.
    due: u32,
    /// Windows seen before this one.
    windows: f64,
    mean: f64,
    mean_square: f64,
    /// Windows with a count.
    busy: f64,
    /// The highest count of a window so far; decays.
    highest: f64,
}

/// A count far above its baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Burst {
    pub(crate) count: u32,
    /// The count expected in 99 % of windows.
    pub(crate) expected: (f64, f64),
    /// The chance of such a count in one window.
    pub(crate) p: f64,
    /// Seconds of history behind it.
    pub(crate) history: f64,
}

impl Burst {
    /// The burst as a reason: so many of `what`.
    pub(crate) fn reason(&self, what: &str) -> Reason {
        Reason {
            value: Some(f64::from(self.count)),
            band: Some(self.expected),
            p: Some(self.p),
            history: Some(self.history),
            ..Reason::new(ReasonCode::Burst, format!("{} {what}", self.count))
        }
    }
}

/// The window in which a time lies.
pub(crate) fn slot(nanos: i64) -> i64 {
    nanos.div_euclid((WINDOW * 1e9) as i64)
}

impl Rate {
    /// A baseline that starts in a window, as part of something watched for `windows` already: it
    /// has been zero in those.
    pub(crate) fn starting(slot: i64, windows: f64) -> Self {
        Self {
            slot,
            windows: windows.clamp(0.0, MEMORY),
            due: 5,
            ..Self::default()
        }
    }

    /// Counts some; says when the count is unusual, each time that it has grown by half since it
    /// was last said. Nothing is said before `learn` windows were seen.
    pub(crate) fn add(&mut self, slot: i64, many: u32, learn: f64) -> Option<Burst> {
        self.advance(slot);
        self.count = self.count.saturating_add(many);
        if self.count < self.due {
            return None;
        }
        self.judge(learn)
    }

    /// Goes on to a window; gives the count of the one that ended, where there were any.
    pub(crate) fn advance(&mut self, slot: i64) -> Option<u32> {
        if slot <= self.slot {
            return None;
        }
        let ended = self.count;
        self.roll(slot);
        (ended > 0).then_some(ended)
    }

    /// Windows in which it counted any, as far as it remembers.
    pub(crate) fn busy(&self) -> f64 {
        self.busy
    }

    /// Whether it counted anything in the last hour.
    pub(crate) fn alive(&self, slot: i64) -> bool {
        slot - self.slot < 360
    }

    fn roll(&mut self, slot: i64) {
        let count = f64::from(self.count);
        self.windows = (self.windows + 1.0).min(MEMORY);
        if self.count > 0 {
            self.busy = (self.busy + 1.0).min(self.windows);
        }
        let a = 1.0 / self.windows;
        self.mean += a * (count - self.mean);
        self.mean_square += a * (count * count - self.mean_square);
        self.highest = count.max(self.highest * 0.9995);
        let empty = (slot - self.slot - 1).clamp(0, 1_000_000) as f64;
        if empty > 0.0 {
            let windows = self.windows + empty;
            let keep = if windows <= MEMORY {
                self.windows / windows
            } else {
                (1.0 - 1.0 / MEMORY).powf(empty)
            };
            self.mean *= keep;
            self.mean_square *= keep;
            self.windows = windows.min(MEMORY);
        }
        self.slot = slot;
        self.count = 0;
        let spread = (self.variance()).sqrt();
        self.due = (self.mean + 4.0 * spread).max(self.highest).min(1e9) as u32 + 5;
    }

    fn variance(&self) -> f64 {
        (self.mean_square - self.mean * self.mean).max(self.mean)
    }

    fn judge(&mut self, learn: f64) -> Option<Burst> {
        let count = self.count;
        self.due = count.saturating_add(count / 2).saturating_add(1);
        if self.windows < learn {
            return None;
        }
        // One event more than was seen, so that a quiet history is not certain of silence.
        let mean = (self.mean * self.windows + 1.0) / (self.windows + 1.0);
        let variance = self.variance().max(mean);
        let below = u64::from(count.saturating_sub(1));
        let p = if variance > 1.01 * mean {
            let r = mean * mean / (variance - mean);
            NegativeBinomial::new(r, r / (r + mean))
                .map(|d| d.sf(below))
                .ok()
        } else {
            Poisson::new(mean).map(|d| d.sf(below)).ok()
        }?;
        // What hardly ever happens may come in numbers when it does: how often it came at all, and a
        // heavy tail (Pareto, index 2) beyond the most of it.
        let most = self.highest.max(1.0);
        let general =
            (self.busy + 1.0) / (self.windows + 1.0) * (most / f64::from(count)).min(1.0).powi(2);
        let weight = self.busy / (self.busy + KNOWN);
        let p = if p.is_finite() { p.max(1e-18) } else { 1.0 };
        let p = (weight * p.ln() + (1.0 - weight) * general.ln()).exp();
        let spread = variance.sqrt();
        Some(Burst {
            count,
            expected: ((mean - 2.6 * spread).max(0.0), mean + 2.6 * spread),
            p: p.clamp(1e-18, 1.0),
            history: self.windows * WINDOW,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_over_a_quiet_baseline_is_rare_and_the_usual_count_is_not() {
        let mut rate = Rate::starting(0, 0.0);
        for slot in 0..200 {
            for _ in 0..3 + slot % 3 {
                assert_eq!(rate.add(slot, 1, 60.0), None, "window {slot}");
            }
        }
        let worst = (0..100)
            .filter_map(|_| rate.add(200, 1, 60.0))
            .map(|b| b.p)
            .fold(1.0, f64::min);
        assert!(worst < 1e-9, "p {worst}");
    }

    #[test]
    fn the_first_few_of_something_are_no_burst_and_the_first_hundred_are() {
        let mut rate = Rate::starting(120, 120.0);
        let mut add = |many| rate.add(120, many, 60.0).map(|b| WINDOW / b.p / 86_400.0);
        let days = add(5).expect("judged");
        assert!(days < 1.0, "{days} days");
        let days = add(95).expect("judged");
        assert!(days > 7.0, "{days} days");
    }
}
