//! How unusual many series are together, though each alone may not be.
//!
//! The distance to the fifth nearest of a reservoir of past vectors (Ramaswamy et al., SIGMOD
//! 2000), and the most novel series, each against what is usual for it here. Rows enter the
//! reservoir late, so that an anomaly does not teach itself.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::tail::{Scale, Tail};

/// How a host is watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Most vectors in the reservoir.
    pub reservoir: usize,
    /// One row in this many may enter it.
    pub thinning: u32,
    /// Rows that a row waits before it may enter.
    pub delay: usize,
    /// Rows after which the weight of old ones has fallen to a half.
    pub half_life: f64,
    /// Most series; more are not looked at.
    pub max_series: usize,
    /// Weight of the newest row in the smoothed score.
    pub smoothing: f64,
}

impl Default for Config {
    /// For a row every ten seconds.
    fn default() -> Self {
        Self {
            reservoir: 1500,
            thinning: 4,
            delay: 360,
            half_life: 60_480.0,
            max_series: 128,
            smoothing: 0.2,
        }
    }
}

impl Config {
    /// For a row a minute, and a reservoir that is a day late.
    pub fn minutes() -> Self {
        Self {
            reservoir: 4000,
            thinning: 5,
            delay: 1440,
            half_life: 10_080.0,
            ..Self::default()
        }
    }
}

/// What is said of one row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assessment {
    /// Root of the smoothed squared distance to the nearest vectors, for ranking: a short, far
    /// excursion counts more than a long, near one.
    pub rank: f64,
    /// Distance to the fifth nearest vector of the past, in standard deviations.
    pub near: f64,
    /// Mean score of the three most novel series.
    pub novelty: f64,
    /// How far the distance and the novelty are above their means, in standard deviations, added:
    /// for alarms.
    pub alarm: f64,
    /// The chance of such an alarm score; `None` while learning.
    pub chance: Option<f64>,
    /// The series that contribute most, with their share of the distance, most first.
    pub contributors: Vec<(usize, f64)>,
}

/// Mean and deviation of a score so far.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Usual {
    mean: f64,
    variance: f64,
}

impl Usual {
    /// Deviations by which a score is above the mean; then learns it with this weight, cut at six
    /// deviations once there are some rows, so that an anomaly does not widen what is usual.
    fn push(&mut self, x: f64, weight: f64, learning: bool) -> f64 {
        let deviation = self.variance.sqrt() + 1e-3;
        let off = x - self.mean;
        let above = off / deviation;
        let cut = if learning {
            f64::INFINITY
        } else {
            6.0 * deviation
        };
        let off = off.clamp(-cut, cut);
        self.mean += weight * off;
        self.variance = (1.0 - weight) * (self.variance + weight * off * off);
        above
    }
}

/// Watches many series together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Joint {
    config: Config,
    width: usize,
    rows: u64,
    mean: Vec<f64>,
    variance: Vec<f64>,
    /// Lowest and highest value so far; both move back to the mean within weeks.
    range: Vec<(f64, f64)>,
    /// Rows that wait, oldest first.
    waiting: VecDeque<Vec<f32>>,
    /// The reservoir, row after row, in the units of the series: distances are taken on the scale
    /// of today, so that what was learned early is not judged by what was usual then.
    vectors: Vec<f32>,
    replace: u64,
    /// What is usual of the distance, in logarithms, and of the novelty.
    usual: [Usual; 2],
    /// Smoothed square of the distance to the neighbours.
    smooth: f64,
    scores: Tail,
}

/// Standardised values are cut here.
const CLIP: f64 = 20.0;
const WINSOR: f64 = 8.0;
/// Least deviation, as a share of the range so far.
const FLOOR: f64 = 0.1;
const NEIGHBOURS: usize = 5;
/// Rows before anything is said.
const LEARN: u64 = 60;

impl Joint {
    /// A watch over rows of this many series.
    pub fn new(config: Config, width: usize) -> Self {
        let width = width.min(config.max_series);
        Self {
            width,
            rows: 0,
            mean: vec![0.0; width],
            variance: vec![0.0; width],
            range: vec![(f64::INFINITY, f64::NEG_INFINITY); width],
            waiting: VecDeque::new(),
            vectors: Vec::new(),
            replace: 0,
            usual: [Usual::default(); 2],
            smooth: 0.0,
            scores: Tail::new(Scale::Score, 100_000).narrow(),
            config,
        }
    }

    /// Judges a row, then learns it. `novelty` is the mean of the three most novel series' scores.
    /// Missing values are NaN; they are taken as usual.
    pub fn push(&mut self, row: &[f64], novelty: f64) -> Assessment {
        self.rows += 1;
        let raw: Vec<f32> = (0..self.width)
            .map(|i| row.get(i).map_or(f32::NAN, |&x| x as f32))
            .collect();
        let scales: Vec<f32> = (0..self.width)
            .map(|i| (1.0 / self.deviation(i)) as f32)
            .collect();
        self.scale(row);
        let (near, shares) = self.nearest(&raw, &scales);
        let mut assessment = Assessment {
            near,
            novelty,
            ..Assessment::default()
        };
        let learning = self.rows <= LEARN;
        let weight = 1.0 / (self.rows as f64).min(1.44 * self.config.half_life);
        let parts = self.usual.iter_mut().zip([near.ln_1p(), novelty]);
        let alarm = parts
            .map(|(usual, x)| usual.push(x, weight, learning))
            .sum::<f64>();
        if !learning {
            self.smooth += self.config.smoothing * (near * near - self.smooth);
            assessment.rank = self.smooth.sqrt();
            assessment.alarm = alarm;
            // The logarithm keeps far distances within the bins of the history.
            let folded = 4.0 * alarm.max(0.0).ln_1p();
            assessment.chance = self.scores.judge(folded);
            assessment.contributors = top(&shares);
        }
        self.learn(raw);
        assessment
    }

    /// Learns the mean and the deviation of each series.
    fn scale(&mut self, row: &[f64]) {
        let n = (self.rows as f64).min(1.44 * self.config.half_life);
        let a = 1.0 / n;
        for i in 0..self.width {
            let Some(&x) = row.get(i).filter(|x| x.is_finite()) else {
                continue;
            };
            let shrink = 0.7 / self.config.half_life;
            let mean = self.mean[i];
            let (low, high) = &mut self.range[i];
            if low.is_finite() {
                *low += shrink * (mean - *low);
                *high += shrink * (mean - *high);
            }
            // Winsorised, so that an anomaly does not widen what is usual.
            let cut = if self.rows > LEARN {
                WINSOR * self.deviation(i)
            } else {
                f64::INFINITY
            };
            let off = (x - self.mean[i]).clamp(-cut, cut);
            let (low, high) = &mut self.range[i];
            (*low, *high) = (low.min(x), high.max(x));
            self.mean[i] += a * off;
            self.variance[i] = (1.0 - a) * (self.variance[i] + a * off * off);
        }
    }

    fn deviation(&self, i: usize) -> f64 {
        let (low, high) = self.range[i];
        let range = if low <= high { high - low } else { 0.0 };
        self.variance[i]
            .sqrt()
            .max(FLOOR * range)
            .max(1e-6 * self.mean[i].abs())
            .max(1e-9)
    }

    /// Distance to the fifth nearest vector, and each series' share of the squared distance to it.
    fn nearest(&self, row: &[f32], scales: &[f32]) -> (f64, Vec<f64>) {
        if self.width == 0 || self.vectors.is_empty() {
            return (0.0, Vec::new());
        }
        let mut best = [(f32::INFINITY, 0usize); NEIGHBOURS];
        for (i, vector) in self.vectors.chunks_exact(self.width).enumerate() {
            let pairs = vector.iter().zip(row).zip(scales);
            let d: f32 = pairs.map(|((&a, &b), &s)| square(a, b, s)).sum();
            if d < best[NEIGHBOURS - 1].0 {
                best[NEIGHBOURS - 1] = (d, i);
                let mut k = NEIGHBOURS - 1;
                while k > 0 && best[k].0 < best[k - 1].0 {
                    best.swap(k, k - 1);
                    k -= 1;
                }
            }
        }
        let Some(&(d, i)) = best.iter().rev().find(|(d, _)| d.is_finite()) else {
            return (0.0, Vec::new());
        };
        let total = f64::from(d).max(1e-12);
        let vector = &self.vectors[i * self.width..(i + 1) * self.width];
        let pairs = vector.iter().zip(row).zip(scales);
        let shares = pairs
            .map(|((&a, &b), &s)| f64::from(square(a, b, s)) / total)
            .collect();
        (f64::from(d).sqrt(), shares)
    }

    fn learn(&mut self, row: Vec<f32>) {
        // Early rows enter at once: late teaching needs a past.
        let warm = self.rows > 2 * self.config.delay as u64;
        if self.rows.is_multiple_of(u64::from(self.config.thinning)) || self.rows < LEARN {
            self.waiting.push_back(row);
        }
        let keep = if warm {
            self.config.delay / self.config.thinning.max(1) as usize
        } else {
            3
        };
        while self.waiting.len() > keep {
            let Some(vector) = self.waiting.pop_front() else {
                break;
            };
            self.insert(&vector);
            if !warm && self.waiting.len() <= keep {
                break;
            }
        }
    }

    fn insert(&mut self, vector: &[f32]) {
        let n = self.width;
        if n == 0 {
            return;
        }
        if self.vectors.len() < self.config.reservoir * n {
            self.vectors.extend_from_slice(vector);
            return;
        }
        // A fixed stride visits all places in an order that mixes ages.
        self.replace = self.replace.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let place = (self.replace >> 32) as usize % self.config.reservoir;
        self.vectors[place * n..(place + 1) * n].copy_from_slice(vector);
    }
}

/// The squared difference of two values on a scale; nothing where either is missing.
fn square(a: f32, b: f32, scale: f32) -> f32 {
    let off = (a - b) * scale;
    let off = if off.is_nan() { 0.0 } else { off };
    let off = off.clamp(-CLIP as f32, CLIP as f32);
    off * off
}

fn top(shares: &[f64]) -> Vec<(usize, f64)> {
    let mut order: Vec<(usize, f64)> = shares.iter().copied().enumerate().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    order.retain(|(_, s)| *s >= 0.05);
    order.truncate(3);
    order
}
