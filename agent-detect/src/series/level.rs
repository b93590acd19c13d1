//! One resolution of a series: several views of the values, each scored by novelty, and the tail.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::Weights;
use super::season::{Phased, Season};
use crate::tail::{self, MIN_HISTORY, Pareto, Scale, Tail, surprise};
use crate::window::Window;

/// How many steps a fired score keeps lower ones from firing.
const REFRACTORY: u64 = 120;
/// By how much a score must exceed the last ones to fire again.
const MARGIN: f64 = 0.2;

/// A view of the series: the value, a mean, or a difference.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stream {
    window: Window,
    gaps: Tail,
}

impl Stream {
    fn new(memory: usize) -> Self {
        Self {
            window: Window::new(memory),
            gaps: Tail::new(Scale::Distance, memory),
        }
    }

    /// -log10 of the chance of a value this far from all others; 0 while learning.
    fn push(&mut self, value: f64) -> f64 {
        let at = self.window.place(value as f32);
        self.push_at(value, at)
    }

    /// The same where it is known how many values are smaller.
    fn push_at(&mut self, value: f64, at: usize) -> f64 {
        let Some(gap) = self.window.push_at(value as f32, at) else {
            return 0.0;
        };
        let chance = self.gaps.judge(f64::from(gap));
        chance.map_or(0.0, surprise)
    }
}

/// What a level says of one of its points.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Score {
    /// Geometric mean of the evidence (a mean of -log10 chances) and its rarity in this series.
    pub(crate) raw: f64,
    /// `raw` where it exceeds all of the last ones, else 0.
    pub(crate) fired: f64,
    /// Chance of such a fired score, by the level's own history; `None` while learning.
    pub(crate) chance: Option<f64>,
    /// Part by novelty of the value itself.
    pub(crate) novelty: f64,
    /// Part by novelty of the means.
    pub(crate) shift: f64,
    /// Part by novelty of the change.
    pub(crate) change: f64,
    /// Part by the tail of the value.
    pub(crate) tail: f64,
    /// Part by the phase of a learned rhythm.
    pub(crate) season: Phased,
}

/// One resolution.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Level {
    weights: Weights,
    value: Stream,
    mean4: Stream,
    mean16: Stream,
    change: Stream,
    season: Season,
    /// The last 16 values, newest last.
    last: VecDeque<f64>,
    tails: Option<(Pareto, Pareto)>,
    tails_age: u32,
    /// Scores that none of the later ones reached, with their step: the highest first.
    peaks: VecDeque<(u64, f64)>,
    step: u64,
    evidence: Tail,
    scores: Tail,
}

impl Level {
    pub(crate) fn new(memory: usize, calibration: usize, weights: Weights) -> Self {
        Self {
            weights,
            value: Stream::new(memory),
            mean4: Stream::new(memory),
            mean16: Stream::new(memory),
            change: Stream::new(memory),
            season: Season::default(),
            last: VecDeque::with_capacity(16),
            tails: None,
            tails_age: 0,
            peaks: VecDeque::new(),
            step: 0,
            evidence: Tail::new(Scale::Score, calibration),
            scores: Tail::new(Scale::Score, calibration).narrow(),
        }
    }

    /// Bytes that it takes beside itself.
    pub(crate) fn size(&self) -> usize {
        let streams = [&self.value, &self.mean4, &self.mean16, &self.change];
        streams
            .iter()
            .map(|s| s.window.size() + s.gaps.size())
            .sum::<usize>()
            + self.season.size()
            + self.evidence.size()
            + self.scores.size()
            + self.last.capacity() * size_of::<f64>()
            + self.peaks.capacity() * size_of::<(u64, f64)>()
    }

    /// The learned period in points.
    pub(crate) fn period(&self) -> Option<f64> {
        self.season.period()
    }

    /// Whether its rhythm was kept for so long that its loss would be told.
    pub(crate) fn keeps_rhythm(&self) -> bool {
        self.season.keeps_rhythm()
    }

    /// How many points it saw.
    pub(crate) fn seen(&self) -> u64 {
        self.step
    }

    pub(crate) fn window(&self) -> &Window {
        &self.value.window
    }

    /// Where 99 % of the remembered values lie; `None` while they are too few.
    pub(crate) fn band(&self) -> Option<(f64, f64)> {
        let window = self.window();
        let at = |share| window.quantile(share).map(f64::from);
        (window.len() >= MIN_HISTORY)
            .then(|| at(0.005).zip(at(0.995)))
            .flatten()
    }

    /// A hole in time: what spans it means nothing.
    pub(crate) fn gap(&mut self) {
        self.last.clear();
    }

    pub(crate) fn push(&mut self, value: f64) -> Score {
        self.step += 1;
        let at = self.value.window.place(value as f32);
        let tail = self.tail(value, at);
        let novelty = self.value.push_at(value, at);
        let previous = self.last.back().copied();
        if self.last.len() == 16 {
            self.last.pop_front();
        }
        self.last.push_back(value);
        let mean = |n: usize| {
            let n = n.min(self.last.len());
            self.last.iter().rev().take(n).sum::<f64>() / n as f64
        };
        let (mean4, mean16) = (mean(4), mean(16));
        let shift4 = self.mean4.push(mean4);
        let shift16 = self.mean16.push(mean16);
        let change = previous.map_or(0.0, |p| self.change.push(value - p));
        let season = self.season.push(value, &self.value.window);
        let w = self.weights;
        let phased = if season.expected.is_some() {
            w.season
        } else {
            0.0
        };
        let sum = w.value * novelty
            + w.means * (shift4 + shift16)
            + w.change * change
            + w.tail * tail
            + phased * season.score;
        let total = w.value + 2.0 * w.means + w.change + w.tail + phased;
        let evidence = if total > 0.0 { sum / total } else { 0.0 };
        // How rare that much evidence is in this series: some are restless by nature.
        let rarity = self.evidence.judge(evidence).map_or(0.0, surprise);
        let raw = (evidence * rarity).sqrt();
        let fired = self.refractory(raw);
        // What does not fire is no alarm. Above the refractory's reach scores hardly cluster, so
        // that the chance of a score is the rate of alarms.
        let chance = self
            .scores
            .judge(raw)
            .map(|p| if fired > 0.0 { p } else { 1.0 });
        Score {
            raw,
            fired,
            chance,
            novelty,
            shift: shift4.max(shift16),
            change,
            tail,
            season,
        }
    }

    /// -log10 of the chance of a value this far out on either side; `below` of the window are smaller.
    fn tail(&mut self, value: f64, below: usize) -> f64 {
        let window = &self.value.window;
        let count = window.len();
        if count < MIN_HISTORY {
            return 0.0;
        }
        if self.tails.is_none() || self.tails_age >= (count as u32 / 32).clamp(1, 64) {
            let sorted = window.sorted();
            self.tails = tail::fit_sorted(sorted, true).zip(tail::fit_sorted(sorted, false));
            self.tails_age = 0;
        }
        self.tails_age += 1;
        let Some((upper, lower)) = &self.tails else {
            return 0.0;
        };
        let value = value as f32;
        let from = &window.sorted()[below..];
        let through = match from.first() {
            Some(&next) if next <= value => below + from.partition_point(|&v| v <= value),
            _ => below,
        };
        let high = tail::chance(upper, count, count - below, f64::from(value));
        let low = tail::chance(lower, count, through, -f64::from(value));
        surprise((2.0 * high.min(low)).min(1.0))
    }

    fn refractory(&mut self, raw: f64) -> f64 {
        while self
            .peaks
            .front()
            .is_some_and(|&(at, _)| at + REFRACTORY < self.step)
        {
            self.peaks.pop_front();
        }
        let highest = self.peaks.front().map_or(0.0, |&(_, s)| s);
        while self.peaks.back().is_some_and(|&(_, s)| s <= raw) {
            self.peaks.pop_back();
        }
        self.peaks.push_back((self.step, raw));
        if raw >= highest + MARGIN { raw } else { 0.0 }
    }
}
