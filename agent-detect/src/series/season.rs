//! A series with a learned period: what each phase usually shows, and how far a value is from it.

use serde::{Deserialize, Serialize};

use super::kept::Kept;
use super::rhythm;
use crate::tail::{Scale, Tail, surprise};
use crate::window::Window;

/// Most phases of a profile.
const PHASES: usize = 288;
/// Cycles that a phase's mean remembers.
const CYCLES: f64 = 6.0;

/// The expectation of one phase.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Phase {
    mean: f32,
    seen: f32,
}

/// A learned rhythm.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Learned {
    /// In points.
    period: f64,
    strength: f64,
    phases: Vec<Phase>,
    /// Sizes of the residuals so far.
    residuals: Tail,
    kept: Kept,
}

/// What the season says of one point.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Phased {
    /// -log10 of the chance of so large a residual; 0 without a rhythm.
    pub(crate) score: f64,
    /// The chance of such a departure, where a rhythm that was kept is lost now.
    pub(crate) lost: Option<f64>,
    /// What the phase led to expect.
    pub(crate) expected: Option<f64>,
    /// The period in points.
    pub(crate) period: Option<f64>,
}

/// Looks for a rhythm, and once there is one, measures against it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Season {
    learned: Option<Learned>,
    /// Points seen, and where the next search is due.
    seen: u64,
    due: u64,
}

impl Season {
    /// Bytes that it takes beside itself.
    pub(crate) fn size(&self) -> usize {
        let learned = self.learned.as_ref();
        learned.map_or(0, |l| {
            l.phases.capacity() * size_of::<Phase>() + l.residuals.size()
        })
    }

    /// The learned period in points.
    pub(crate) fn period(&self) -> Option<f64> {
        self.learned.as_ref().map(|learned| learned.period)
    }

    /// Whether the rhythm was kept for so long that its loss would be told.
    pub(crate) fn keeps_rhythm(&self) -> bool {
        self.learned.as_ref().is_some_and(|l| l.kept.is_sure())
    }

    pub(crate) fn push(&mut self, value: f64, window: &Window) -> Phased {
        self.seen += 1;
        let phased = self
            .learned
            .as_mut()
            .map_or_else(Phased::default, |l| Phased {
                lost: l.kept.push(window),
                ..l.push(value, self.seen)
            });
        if self.seen >= self.due.max(64) {
            self.search(window);
            // Costs no more than a fraction of a microsecond a point, however long the history.
            let quarter = (window.len() as u64 / 4).max(32);
            self.due = self.seen + (self.seen / 8).clamp(32, quarter);
        }
        phased
    }

    fn search(&mut self, window: &Window) {
        let values: Vec<f32> = window.iter().collect();
        let found = rhythm::find(&values);
        match (&mut self.learned, found) {
            (Some(old), Some(new)) if (new.period / old.period - 1.0).abs() < 0.02 => {
                old.strength = new.strength;
            }
            // What was learned stays until another is clearly stronger or the rhythm is gone from
            // the whole history.
            (Some(old), Some(new)) if new.strength < old.strength + 0.1 => {
                old.strength *= 0.95;
            }
            (_, Some(new)) => {
                let mut learned = Learned::new(new);
                let first = self.seen - values.len() as u64;
                for (i, &v) in values.iter().enumerate() {
                    learned.push(f64::from(v), first + 1 + i as u64);
                }
                self.learned = Some(learned);
            }
            (Some(old), None) => {
                old.strength *= 0.9;
                if old.strength < 0.1 {
                    self.learned = None;
                }
            }
            (None, None) => {}
        }
    }
}

impl Learned {
    fn new(found: rhythm::Found) -> Self {
        let count = (found.period.round() as usize).clamp(2, PHASES);
        Self {
            period: found.period,
            strength: found.strength,
            phases: vec![Phase::default(); count],
            residuals: Tail::new(Scale::Distance, 8000),
            kept: Kept::new(found),
        }
    }

    fn push(&mut self, value: f64, step: u64) -> Phased {
        let turn = (step as f64 / self.period).fract();
        let count = self.phases.len();
        let at = ((turn * count as f64) as usize).min(count - 1);
        let phase = self.phases[at];
        let ready = phase.seen >= 2.0 * (self.period / count as f64).max(1.0) as f32;
        let mut phased = Phased {
            period: Some(self.period),
            ..Phased::default()
        };
        let off = value - f64::from(phase.mean);
        if ready {
            phased.expected = Some(f64::from(phase.mean));
            phased.score = self.residuals.judge(off.abs()).map_or(0.0, surprise);
        }
        let phase = &mut self.phases[at];
        phase.seen += 1.0;
        let per_cycle = (self.period / count as f64).max(1.0);
        let a = 1.0 / f64::from(phase.seen).min(CYCLES * per_cycle);
        phase.mean += (a * off) as f32;
        phased
    }
}
