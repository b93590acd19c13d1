//! Whether a learned rhythm is still kept.
//!
//! Each value is held against the one a period before, not against the profile: so a period that
//! drifts, or is known a little wrong, is no loss. A usual value at the wrong time may be chance;
//! most of a period of them is another rhythm, or none.

use serde::{Deserialize, Serialize};

use super::rhythm::Found;
use crate::window::Window;

/// Periods that it must have been kept for.
const PERIODS: f64 = 20.0;
/// Least autocorrelation of a rhythm whose loss is told.
const STRONG: f64 = 0.6;
/// Share of the variance that a period leaves unexplained where the rhythm is lost, and at most
/// where it is kept.
const LOST: f64 = 0.6;
const KEPT: f64 = 0.2;

/// How well a rhythm is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    period: f64,
    strength: f64,
    seen: f64,
    mean: f64,
    variance: f64,
    /// Mean square of the differences to a period before, halved, over about a period.
    differs: f64,
    /// Share of the variance that this is, as it usually is.
    usual: f64,
    /// Points in a row at which it is lost.
    lost: f64,
}

impl Kept {
    pub(super) fn new(found: Found) -> Self {
        Self {
            period: found.period,
            strength: found.strength,
            seen: 0.0,
            mean: 0.0,
            variance: 0.0,
            differs: 0.0,
            usual: 1.0,
            lost: 0.0,
        }
    }

    /// Looks at the newest value of a window; gives the chance of such a departure at the point
    /// where a rhythm that was kept has been lost for half a period.
    pub(super) fn push(&mut self, window: &Window) -> Option<f64> {
        let value = f64::from(window.before(0)?);
        let before = f64::from(window.before(self.period.round() as usize)?);
        self.seen += 1.0;
        let slow = 1.0 / self.seen.min(PERIODS * self.period);
        let off = value - self.mean;
        self.mean += slow * off;
        self.variance = (1.0 - slow) * (self.variance + slow * off * off);
        let differs = (value - before).powi(2) / 2.0;
        self.differs += (differs - self.differs) / self.period.min(self.seen);
        if self.variance <= 0.0 {
            return None;
        }
        let share = self.differs / self.variance;
        if share < LOST {
            self.lost = 0.0;
            self.usual += slow * (share - self.usual);
            return None;
        }
        self.lost += 1.0;
        let half = (self.period / 2.0).ceil();
        let told = self.lost > half && self.lost < half + 1.5;
        let sure =
            self.strength >= STRONG && self.usual <= KEPT && self.seen >= PERIODS * self.period;
        // As for a mean of that many squares, from the tail of their distribution.
        (told && sure).then(|| {
            (self.usual / share)
                .powf(self.period / 2.0)
                .clamp(1e-18, 1e-3)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(i: u64) -> f64 {
        let x = i.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((x ^ (x >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40) as f64 / (1u64 << 24) as f64
    }

    /// Where the loss is told, of a wave whose period is not quite what was found.
    fn told(wave: impl Fn(u64) -> f64) -> Vec<u64> {
        let mut window = Window::new(1800);
        let mut kept = Kept::new(Found {
            period: 30.2,
            strength: 0.9,
        });
        (0..3000)
            .filter(|&i| {
                window.push((wave(i) + 0.3 * noise(i)) as f32);
                kept.push(&window).is_some()
            })
            .collect()
    }

    fn wave(i: u64, period: f64) -> f64 {
        (i as f64 / period * std::f64::consts::TAU).sin()
    }

    #[test]
    fn another_rhythm_of_the_same_values_is_told_once_within_two_periods() {
        let found = told(|i| wave(i, if i < 2000 { 30.0 } else { 12.0 }));
        let [at] = found[..] else { panic!("{found:?}") };
        assert!((2000..2060).contains(&at), "{at}");
    }

    #[test]
    fn a_rhythm_that_is_kept_is_not_lost_and_noise_has_none() {
        assert_eq!(told(|i| wave(i, 30.0)), [0; 0]);
        assert_eq!(told(|i| 3.0 * noise(i + 77)), [0; 0]);
    }
}
