//! How unusual many series are together, though each alone may not be.
//!
//! Two distances: to the fifth nearest of a reservoir of past vectors (Ramaswamy et al., SIGMOD
//! 2000), and from the mean, given the correlations (Mahalanobis). Rows enter the reservoir late,
//! so that an anomaly does not teach itself.

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
    /// Distance from the mean given the correlations, in standard deviations.
    pub spread: f64,
    /// Mean score of the three most novel series.
    pub novelty: f64,
    /// Distances and novelty together, for alarms.
    pub alarm: f64,
    /// The chance of such an alarm score; `None` while learning.
    pub chance: Option<f64>,
    /// The series that contribute most, with their share of the distance, most first.
    pub contributors: Vec<(usize, f64)>,
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
    /// Correlation products of standardised, winsorised values, row by row.
    products: Vec<f64>,
    /// Lower triangle of the Cholesky factor of the correlations.
    factor: Vec<f64>,
    factor_due: u64,
    /// Rows that wait, oldest first.
    waiting: VecDeque<Vec<f32>>,
    /// The reservoir, row after row, in the units of the series: distances are taken on the scale
    /// of today, so that what was learned early is not judged by what was usual then.
    vectors: Vec<f32>,
    replace: u64,
    /// Mean distance to neighbours and Mahalanobis, to bring both to one scale.
    typical: (f64, f64),
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
            products: vec![0.0; width * width],
            factor: Vec::new(),
            factor_due: LEARN,
            waiting: VecDeque::new(),
            vectors: Vec::new(),
            replace: 0,
            typical: (1.0, 1.0),
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
        let z = self.standardise(row);
        let mut assessment = Assessment::default();
        let (near, shares) = self.nearest(&raw, &scales);
        let spread = self.mahalanobis(&z);
        (assessment.near, assessment.spread, assessment.novelty) = (near, spread, novelty);
        if self.rows > LEARN {
            let a = 1.0 / (self.rows as f64).min(self.config.half_life);
            let (n, m) = (
                near.min(10.0 * self.typical.0),
                spread.min(10.0 * self.typical.1),
            );
            self.typical.0 += a * (n - self.typical.0);
            self.typical.1 += a * (m - self.typical.1);
            self.smooth += self.config.smoothing * (near * near - self.smooth);
            assessment.rank = self.smooth.sqrt();
            let scale = |x: f64, typical: f64| x / typical.max(1e-6);
            let alarm =
                scale(near, self.typical.0) + 0.5 * scale(spread, self.typical.1) + 0.3 * novelty;
            // The logarithm keeps far distances within the bins of the history.
            assessment.alarm = alarm;
            let folded = 4.0 * alarm.max(0.0).ln_1p();
            assessment.chance = self.scores.chance(folded);
            self.scores.push(folded);
            assessment.contributors = top(&shares);
        }
        self.learn(&z, raw);
        assessment
    }

    fn standardise(&mut self, row: &[f64]) -> Vec<f64> {
        let n = (self.rows as f64).min(1.44 * self.config.half_life);
        let a = 1.0 / n;
        let mut z = vec![0.0; self.width];
        for (i, z) in z.iter_mut().enumerate() {
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
            let deviation = self.deviation(i);
            if self.rows > 2 {
                *z = ((x - self.mean[i]) / deviation).clamp(-CLIP, CLIP);
            }
            // Winsorised, so that an anomaly does not widen what is usual.
            let cut = if self.rows > LEARN {
                WINSOR * deviation
            } else {
                f64::INFINITY
            };
            let off = (x - self.mean[i]).clamp(-cut, cut);
            let (low, high) = &mut self.range[i];
            (*low, *high) = (low.min(x), high.max(x));
            self.mean[i] += a * off;
            self.variance[i] = (1.0 - a) * (self.variance[i] + a * off * off);
        }
        z
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

    fn mahalanobis(&mut self, z: &[f64]) -> f64 {
        if self.rows >= self.factor_due && self.width > 0 {
            self.factor = cholesky(&self.products, self.width, self.rows);
            self.factor_due = self.rows + (self.rows / 8).clamp(30, 600);
        }
        if self.factor.is_empty() {
            return 0.0;
        }
        // Solve L y = z; the distance is |y|.
        let n = self.width;
        let mut y = vec![0.0; n];
        let mut sum = 0.0;
        for i in 0..n {
            let row = &self.factor[i * n..i * n + i];
            let dot: f64 = row.iter().zip(&y).map(|(a, b)| a * b).sum();
            y[i] = (z[i].clamp(-CLIP, CLIP) - dot) / self.factor[i * n + i];
            sum += y[i] * y[i];
        }
        sum.sqrt()
    }

    fn learn(&mut self, z: &[f64], raw: Vec<f32>) {
        let n = self.width;
        let a = 1.0 / (self.rows as f64).min(1.44 * self.config.half_life);
        let w: Vec<f64> = z.iter().map(|v| v.clamp(-WINSOR, WINSOR)).collect();
        for i in 0..n {
            for j in 0..=i {
                let p = &mut self.products[i * n + j];
                *p += a * (w[i] * w[j] - *p);
            }
        }
        // Early rows enter at once: late teaching needs a past.
        let warm = self.rows > 2 * self.config.delay as u64;
        if self.rows.is_multiple_of(u64::from(self.config.thinning)) || self.rows < LEARN {
            self.waiting.push_back(raw);
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

/// The Cholesky factor of .95 R + .05 I; empty where there is none.
fn cholesky(products: &[f64], n: usize, rows: u64) -> Vec<f64> {
    let at = |i: usize, j: usize| products[i.max(j) * n + i.min(j)];
    // With few rows the correlations are noise: shrink them more.
    let keep = 0.95 * (rows as f64 / (rows as f64 + n as f64));
    let mut factor = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let r = if i == j {
                1.0
            } else {
                let norm = (at(i, i) * at(j, j)).sqrt();
                if norm > 1e-9 {
                    keep * at(i, j) / norm
                } else {
                    0.0
                }
            };
            let dot: f64 = (0..j).map(|k| factor[i * n + k] * factor[j * n + k]).sum();
            factor[i * n + j] = if i == j {
                (r - dot).max(1e-3).sqrt()
            } else {
                (r - dot) / factor[j * n + j]
            };
        }
    }
    factor
}
