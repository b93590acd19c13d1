//! How rare a value is, given a history: empirical where the history reaches, extrapolated by a
//! generalised Pareto tail beyond.
//!
//! Peaks over threshold on a stream: Siffer et al., *Anomaly Detection in Streams with Extreme
//! Value Theory*, KDD 2017. Probability-weighted moments: Hosking and Wallis, *Parameter and
//! Quantile Estimation for the Generalized Pareto Distribution*, Technometrics 1987.

use serde::{Deserialize, Serialize};

/// The fewest values that a rarity can rest on.
pub const MIN_HISTORY: usize = 50;

/// How surprising what has this chance is: -log10 of it. By the natural logarithm, which takes half the
/// time.
pub(crate) fn surprise(p: f64) -> f64 {
    -p.ln() * std::f64::consts::LOG10_E
}

/// A generalised Pareto tail above a threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pareto {
    /// The threshold: the tail rules above it.
    pub(crate) threshold: f64,
    /// Chance of a value above the threshold.
    share: f64,
    shape: f64,
    scale: f64,
}

impl Pareto {
    /// Fits the excesses of the `k` largest of `count` values; `excess` lists (excess over the
    /// threshold, weight), smallest first.
    fn fit(threshold: f64, count: f64, excess: impl Iterator<Item = (f64, f64)> + Clone) -> Self {
        let k: f64 = excess.clone().map(|(_, w)| w).sum();
        let mut below = 0.0;
        let (mut a0, mut a1) = (0.0, 0.0);
        for (y, w) in excess {
            // The mean of 1 - (i + .65)/k over the places that this weight takes.
            let place = below + (w - 1.0) / 2.0 + 0.65;
            a0 += w * y;
            a1 += w * (1.0 - place / k) * y;
            below += w;
        }
        let (a0, a1) = (a0 / k, a1 / k);
        let denominator = a0 - 2.0 * a1;
        let shape = if denominator > 0.0 {
            2.0 - a0 / denominator
        } else {
            -0.5
        };
        // Few excesses say little about the shape: lean on a slightly heavy tail.
        let shape = ((k * shape + 4.0) / (k + 20.0)).clamp(0.0, 0.8);
        Self {
            threshold,
            share: (k + 0.5) / (count + 1.0),
            shape,
            scale: a0 * (1.0 - shape),
        }
    }

    /// The chance of a value at or above `x`, for `x` above the threshold.
    fn beyond(&self, x: f64) -> f64 {
        let y = x - self.threshold;
        if self.scale <= 0.0 {
            return f64::MIN_POSITIVE;
        }
        let z = y / self.scale;
        let survival = if self.shape < 1e-6 {
            (-z).exp()
        } else {
            (-(self.shape * z).ln_1p() / self.shape).exp()
        };
        self.share * survival
    }
}

/// Share of the values that make the tail of a short history, and of a long one.
const WIDE: f64 = 0.02;
const NARROW: f64 = 0.005;
/// Most values in a narrow tail: where more are remembered they speak for themselves, whatever their
/// distribution.
const NARROW_MOST: f64 = 50.0;

/// How many of `count` values make the tail.
fn tail_count(count: f64, share: f64) -> f64 {
    (share * count).floor().max(8.0)
}

/// The upper tail of a sorted window, and by mirroring the lower one.
pub(crate) fn fit_sorted(sorted: &[f32], upper: bool) -> Option<Pareto> {
    let count = sorted.len();
    if count < MIN_HISTORY {
        return None;
    }
    let k = tail_count(count as f64, WIDE) as usize;
    let at = |i: usize| {
        if upper {
            f64::from(sorted[i])
        } else {
            -f64::from(sorted[count - 1 - i])
        }
    };
    let threshold = at(count - k - 1);
    Some(Pareto::fit(
        threshold,
        count as f64,
        (count - k..count).map(|i| (at(i) - threshold, 1.0)),
    ))
}

/// The chance of a value at or above `x` (signed as for [`fit_sorted`]) given `at_or_above`, the
/// number of values in the history that were.
pub(crate) fn chance(fit: &Pareto, count: usize, at_or_above: usize, x: f64) -> f64 {
    let floor = 0.5 / (count as f64 + 1.0);
    if x <= fit.threshold {
        return ((at_or_above as f64 + 0.5) / (count as f64 + 1.0)).min(1.0);
    }
    if fit.scale <= 0.0 {
        // The history knows one value only: nothing to extrapolate from.
        return floor;
    }
    fit.beyond(x).clamp(1e-18, 1.0)
}

/// What a history of numbers is made of, and so how its bins lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scale {
    /// Distances: zero or positive, of any magnitude; bins are an eighth of an octave wide.
    Distance,
    /// Scores: zero to twenty; bins are 1/32 wide.
    Score,
}

const BINS_PER_OCTAVE: f64 = 8.0;
const DISTANCE_BINS: usize = 320;
const SCORE_BINS: usize = 640;
const SCORE_WIDTH: f64 = 1.0 / 32.0;

/// A forgetting histogram that answers how rare a value is. Its memory is constant; the weight of
/// what it saw falls by 1/e every `memory` values.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tail {
    scale: Scale,
    memory: f64,
    /// Share of the values that make the tail, and how many at most.
    share: f64,
    most: f64,
    /// Weight of each bin, in units of `unit`.
    #[serde(with = "runs")]
    bins: Vec<f32>,
    total: f64,
    /// Weight of the next value; grows instead of shrinking all bins each time.
    unit: f64,
    /// Exponent of the lowest distance bin, once known.
    base: Option<f64>,
    pushed: u64,
    /// Where the next fit is due.
    due: u64,
    /// Share of values at or above each bin's lower edge.
    #[serde(with = "runs")]
    survival: Vec<f32>,
    fit: Option<Pareto>,
}

impl Tail {
    /// An empty history that remembers about this many values.
    pub fn new(scale: Scale, memory: usize) -> Self {
        let bins = match scale {
            Scale::Distance => DISTANCE_BINS,
            Scale::Score => SCORE_BINS,
        };
        Self {
            scale,
            memory: memory.max(MIN_HISTORY) as f64,
            share: WIDE,
            most: f64::INFINITY,
            bins: vec![0.0; bins],
            total: 0.0,
            unit: 1.0,
            base: None,
            pushed: 0,
            due: MIN_HISTORY as u64,
            survival: Vec::new(),
            fit: None,
        }
    }

    /// The same, with a tail of the highest half percent only, and of few values: for long histories
    /// whose rarest values matter most.
    #[must_use]
    pub fn narrow(self) -> Self {
        Self {
            share: NARROW,
            most: NARROW_MOST,
            ..self
        }
    }

    /// Bytes that it takes beside itself.
    pub fn size(&self) -> usize {
        (self.bins.capacity() + self.survival.capacity()) * size_of::<f32>()
    }

    /// How many values it saw, ever.
    pub fn seen(&self) -> u64 {
        self.pushed
    }

    /// How many values its answers rest on.
    pub fn history(&self) -> f64 {
        (self.pushed as f64).min(self.memory)
    }

    fn bin(&self, x: f64) -> usize {
        match self.scale {
            Scale::Score => ((x.max(0.0) / SCORE_WIDTH) as usize).min(SCORE_BINS - 1),
            Scale::Distance => {
                if x <= 0.0 {
                    return 0;
                }
                let place = (x.log2() - self.base.unwrap_or(0.0)) * BINS_PER_OCTAVE;
                (place.max(0.0) as usize + 1).min(DISTANCE_BINS - 1)
            }
        }
    }

    fn middle(&self, bin: usize) -> f64 {
        match self.scale {
            Scale::Score => (bin as f64 + 0.5) * SCORE_WIDTH,
            Scale::Distance if bin == 0 => 0.0,
            Scale::Distance => {
                ((bin as f64 - 0.5) / BINS_PER_OCTAVE + self.base.unwrap_or(0.0)).exp2()
            }
        }
    }

    /// The chance of a value at or above `x`; `None` while it has seen too few.
    pub fn chance(&self, x: f64) -> Option<f64> {
        self.chance_in(x, self.bin(x))
    }

    /// The same for a value whose bin is known.
    fn chance_in(&self, x: f64, bin: usize) -> Option<f64> {
        let fit = self.fit.as_ref()?;
        let count = self.history();
        if x > fit.threshold && bin > self.bin(fit.threshold) {
            if fit.scale <= 0.0 {
                return Some(0.5 / (count + 1.0));
            }
            return Some(fit.beyond(x).clamp(1e-18, 1.0));
        }
        let share = f64::from(*self.survival.get(bin)?);
        Some(((share * count + 0.5) / (count + 1.0)).min(1.0))
    }

    /// Adds a value; what is not finite or negative counts as zero.
    pub fn push(&mut self, x: f64) {
        let x = if x.is_finite() { x.max(0.0) } else { 0.0 };
        let bin = self.bin_anew(x);
        self.add(bin);
    }

    /// The chance of a finite value that is not negative, by what was seen before; then adds it.
    pub(crate) fn judge(&mut self, x: f64) -> Option<f64> {
        let bin = self.bin_anew(x);
        let chance = self.chance_in(x, bin);
        self.add(bin);
        chance
    }

    /// The bin of a value, for the first distance, too: it lies in the middle.
    fn bin_anew(&mut self, x: f64) -> usize {
        if self.scale == Scale::Distance && self.base.is_none() && x > 0.0 {
            self.base = Some(x.log2() - DISTANCE_BINS as f64 / 2.0 / BINS_PER_OCTAVE);
        }
        self.bin(x)
    }

    fn add(&mut self, bin: usize) {
        self.bins[bin] += self.unit as f32;
        self.total += self.unit;
        self.pushed += 1;
        if self.pushed as f64 > self.memory {
            self.unit *= 1.0 + 1.0 / self.memory;
            if self.unit > 1e6 {
                self.rescale();
            }
        }
        if self.pushed >= self.due {
            self.refit();
            self.due = self.pushed + (self.pushed / 32).clamp(1, 256);
        }
    }

    fn rescale(&mut self) {
        let factor = (1.0 / self.unit) as f32;
        for bin in &mut self.bins {
            *bin *= factor;
        }
        self.total = self.bins.iter().map(|&w| f64::from(w)).sum();
        self.unit = 1.0;
    }

    fn refit(&mut self) {
        let count = self.history();
        self.total = self.bins.iter().map(|&w| f64::from(w)).sum();
        let scale = if self.total > 0.0 {
            count / self.total
        } else {
            0.0
        };
        let each = 1.0 / count;
        self.survival.resize(self.bins.len(), 0.0);
        let wanted = tail_count(count, self.share).min(self.most);
        let mut above = 0.0;
        let mut threshold = 0;
        let mut found = false;
        for i in (0..self.bins.len()).rev() {
            above += f64::from(self.bins[i]) * scale;
            self.survival[i] = (above * each) as f32;
            if !found && above > wanted {
                threshold = i;
                found = true;
            }
        }
        let u = self.middle(threshold);
        let excess = (threshold + 1..self.bins.len())
            .filter(|&i| self.bins[i] > 0.0)
            .map(|i| (self.middle(i) - u, f64::from(self.bins[i]) * scale));
        let k: f64 = excess.clone().map(|(_, w)| w).sum();
        self.fit = Some(if k > 0.5 {
            Pareto::fit(u, count, excess)
        } else {
            Pareto {
                threshold: u,
                share: 0.5 / (count + 1.0),
                shape: 0.2,
                scale: 0.0,
            }
        });
    }
}

/// Most bins equal their neighbours: a checkpoint holds runs, as pairs of length and value.
mod runs {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// No histogram is longer; a damaged checkpoint must not take all memory.
    const LONGEST: usize = 4096;

    pub(super) fn serialize<S: Serializer>(bins: &[f32], s: S) -> Result<S::Ok, S::Error> {
        let same = |a: &f32, b: &f32| a.to_bits() == b.to_bits();
        let runs: Vec<(u16, f32)> = bins
            .chunk_by(same)
            .map(|run| (run.len() as u16, run[0]))
            .collect();
        runs.serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<f32>, D::Error> {
        let runs: Vec<(u16, f32)> = Vec::deserialize(d)?;
        let length: usize = runs.iter().map(|run| usize::from(run.0)).sum();
        if length > LONGEST {
            return Err(D::Error::custom("a histogram is too long"));
        }
        let mut bins = Vec::with_capacity(length);
        for (count, value) in runs {
            bins.resize(bins.len() + usize::from(count), value);
        }
        Ok(bins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exponential(i: u64) -> f64 {
        // A low-discrepancy sequence turned into an exponential sample.
        let u = (i as f64 * 0.618_033_988_749_895).fract();
        -(1.0 - u).max(1e-12).ln()
    }

    #[test]
    fn the_tail_of_an_exponential_is_found_and_extrapolated() {
        for scale in [Scale::Distance, Scale::Score] {
            let mut tail = Tail::new(scale, 20_000);
            (1..20_000).for_each(|i| tail.push(exponential(i)));
            for x in [1.0_f64, 3.0, 6.0, 12.0] {
                let p = tail.chance(x).expect("enough history");
                let ratio = p.ln() / -x;
                assert!((0.8..1.2).contains(&ratio), "{scale:?}: x {x} p {p}");
            }
        }
    }

    #[test]
    fn a_history_of_one_value_finds_any_other_rare() {
        let mut tail = Tail::new(Scale::Distance, 8000);
        (0..1000).for_each(|_| tail.push(0.0));
        assert!(tail.chance(0.0).expect("enough") > 0.9);
        assert!(tail.chance(1e-3).expect("enough") < 1e-3);
    }

    #[test]
    fn too_little_history_gives_no_answer() {
        let mut tail = Tail::new(Scale::Score, 100);
        (0..MIN_HISTORY - 1).for_each(|_| tail.push(1.0));
        assert_eq!(tail.chance(2.0), None);
    }
}
