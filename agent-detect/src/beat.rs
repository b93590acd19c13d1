//! Things that come at regular intervals, and when they do not.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Intervals before something counts as regular.
const LEARN: f64 = 6.0;
/// Largest spread of a regular one's intervals, as a share of their mean.
const REGULAR: f64 = 0.2;
/// Intervals that are remembered.
const MEMORY: f64 = 64.0;
/// Intervals, and their largest spread as a share of their mean, of something that comes like a
/// clock: when that stops, somebody stopped it or it broke.
const CLOCK: (f64, f64) = (20.0, 0.05);

/// The intervals of something.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Beat {
    first: Option<i64>,
    last: Option<i64>,
    intervals: f64,
    mean: f64,
    variance: f64,
    /// The silence was told of.
    told: bool,
}

/// A beat that did not come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Missed {
    /// The learned period in seconds.
    pub(crate) period: f64,
    /// Seconds since it last came.
    pub(crate) since: f64,
    /// The chance of an interval this long.
    pub(crate) p: f64,
    /// Seconds of history behind it.
    pub(crate) history: f64,
    /// Whether it came like a clock.
    pub(crate) clock: bool,
}

impl Beat {
    /// It came. What comes within half a second counts once.
    pub(crate) fn came(&mut self, nanos: i64) {
        let Some(last) = self.last else {
            (self.first, self.last) = (Some(nanos), Some(nanos));
            return;
        };
        let interval = nanos.saturating_sub(last) as f64 / 1e9;
        if interval < 0.5 {
            return;
        }
        self.last = Some(nanos);
        if self.told {
            // The interval that was told of teaches nothing about the rhythm.
            self.told = false;
            return;
        }
        self.intervals = (self.intervals + 1.0).min(MEMORY);
        let a = 1.0 / self.intervals;
        let off = interval - self.mean;
        self.mean += a * off;
        self.variance = (1.0 - a) * (self.variance + a * off * off);
    }

    /// Whether it is regular and overdue; tells of each silence once.
    pub(crate) fn missed(&mut self, now: i64) -> Option<Missed> {
        let last = self.last?;
        if self.told || self.intervals < LEARN || self.mean < 1.0 {
            return None;
        }
        let since = now.saturating_sub(last) as f64 / 1e9;
        if since < 1.6 * self.mean {
            return None;
        }
        // Clocks and schedulers are no better than a fiftieth of a second or of the period.
        let spread = self.variance.sqrt().max(0.02).max(self.mean / 50.0);
        let (enough, even) = CLOCK;
        if spread > REGULAR * self.mean {
            return None;
        }
        let z = (since - self.mean) / (spread * (1.0 + 1.0 / self.intervals).sqrt());
        let p = StudentsT::new(0.0, 1.0, self.intervals - 1.0).map_or(1.0, |t| t.sf(z));
        if p > 1e-3 {
            return None;
        }
        self.told = true;
        Some(Missed {
            period: self.mean,
            since,
            p: p.clamp(1e-18, 1.0),
            history: last.saturating_sub(self.first.unwrap_or(last)) as f64 / 1e9,
            clock: self.intervals >= enough && spread <= even * self.mean,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn a_missing_beat_is_told_once_within_two_periods() {
        let mut beat = Beat::default();
        for i in 0..30 {
            let jitter = (i % 3) * SECOND / 4;
            beat.came(i * 60 * SECOND + jitter);
            assert_eq!(beat.missed(i * 60 * SECOND + 59 * SECOND), None);
        }
        let last = 29 * 60 * SECOND;
        let missed = beat.missed(last + 100 * SECOND).expect("overdue");
        assert!(
            (missed.period - 60.0).abs() < 1.0 && missed.p < 1e-6,
            "{missed:?}"
        );
        assert!(missed.clock && missed.history > 1000.0, "{missed:?}");
        assert_eq!(beat.missed(last + 200 * SECOND), None);
    }

    #[test]
    fn the_irregular_is_never_missed() {
        let mut beat = Beat::default();
        for i in 0..100_i64 {
            beat.came((i * 60 + (i * i * 7919) % 50) * SECOND);
        }
        assert_eq!(beat.missed(1_000_000 * SECOND), None);
    }
}
