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
/// Least share of the variance that half a period leaves unexplained: a level that only drifts is
/// the same there, too, and keeps no rhythm.
const WITHIN: f64 = 0.4;
/// By how much a loss must exceed the worst period so far: late jobs are part of some rhythms.
const WORSE: f64 = 1.5;

/// How well a rhythm is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    period: f64,
    strength: f64,
    seen: f64,
    mean: f64,
    variance: f64,
    /// Sum of half the squared differences to a period before, over the last period.
    differs: f64,
    /// The share at half a period, as it usually is.
    half: f64,
    /// Share of the variance that their mean is, as it usually is, the most that it was before the
    /// rhythm was kept again, and the most since then.
    usual: f64,
    most: f64,
    rising: f64,
}

/// Half the squared difference to a period before, so many points ago.
fn differs(window: &Window, ago: usize, period: usize) -> Option<f64> {
    let value = f64::from(window.before(ago)?);
    Some((value - f64::from(window.before(ago + period)?)).powi(2) / 2.0)
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
            half: 0.0,
            most: 0.0,
            rising: 0.0,
        }
    }

    /// Whether it was kept so well and for so long that its loss means something.
    pub(super) fn is_sure(&self) -> bool {
        self.strength >= STRONG
            && self.usual <= KEPT
            && self.half >= WITHIN
            && self.seen >= PERIODS * self.period
    }

    /// Looks at the newest value of a window; gives the chance of such a departure at the point
    /// where a rhythm that was kept is lost.
    pub(super) fn push(&mut self, window: &Window) -> Option<f64> {
        let period = (self.period.round() as usize).max(1);
        let value = f64::from(window.before(0)?);
        let left = differs(window, period, period)?;
        self.seen += 1.0;
        let slow = 1.0 / self.seen.min(PERIODS * self.period);
        let off = value - self.mean;
        self.mean += slow * off;
        self.variance = (1.0 - slow) * (self.variance + slow * off * off);
        self.differs = if self.seen as usize % period == 1 % period {
            // Summed anew now and then, so that rounding does not pile up.
            (0..period)
                .filter_map(|ago| differs(window, ago, period))
                .sum()
        } else {
            (self.differs + differs(window, 0, period)? - left).max(0.0)
        };
        if self.variance <= 0.0 {
            return None;
        }
        let share = self.differs / period as f64 / self.variance;
        let lost = share >= LOST.max(WORSE * self.most);
        if share < LOST {
            self.usual += slow * (share - self.usual);
            // No more than the furthest apart that two values of a rhythm are.
            let half = (differs(window, 0, period / 2)? / self.variance).min(4.0);
            self.half += slow * (half - self.half);
            self.rising = self.rising.max(share);
        }
        if share < KEPT {
            self.most = (self.most * (1.0 - slow / PERIODS)).max(self.rising);
            self.rising = 0.0;
        }
        if !lost || !self.is_sure() {
            return None;
        }
        // As for a mean of that many squares, from the tail of their distribution.
        let chance = (self.usual / share).powf(self.period / 2.0);
        // Told once: it must be kept anew before it can be lost again.
        *self = Self::new(Found {
            period: self.period,
            strength: self.strength,
        });
        Some(chance.clamp(1e-18, 1e-3))
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
    fn another_rhythm_of_the_same_values_is_told_once_within_a_period() {
        let found = told(|i| wave(i, if i < 2000 { 30.0 } else { 12.0 }));
        let [at] = found[..] else { panic!("{found:?}") };
        assert!((2000..2030).contains(&at), "{at}");
    }

    #[test]
    fn a_level_that_drifts_and_steps_keeps_no_rhythm() {
        let step = |i| if i < 2700 { 0.0 } else { 20.0 };
        assert_eq!(told(|i| 3.0 * wave(i, 600.0) + step(i)), [0; 0]);
    }

    #[test]
    fn a_rhythm_that_is_kept_is_not_lost_and_noise_has_none() {
        assert_eq!(told(|i| wave(i, 30.0)), [0; 0]);
        assert_eq!(told(|i| 3.0 * noise(i + 77)), [0; 0]);
    }
}
