//! Finds the period of a series by the fast Fourier transform.
//!
//! A peak of the periodogram counts when Fisher's g test (Fisher, *Tests of significance in
//! harmonic analysis*, 1929) finds it significant, and the autocorrelation has a clear maximum
//! there and again at twice the lag (as in Vlachos et al., *On Periodicity Detection and
//! Structural Periodic Similarity*, SDM 2005). A lax gate finds spurious short periods in noise.

use std::cell::RefCell;

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

/// Peaks of the periodogram that are looked at.
const CANDIDATES: usize = 8;
/// Chance below which a peak is significant.
const SIGNIFICANT: f64 = 1e-6;
/// Least autocorrelation at the period.
const CONFIRMED: f64 = 0.35;
/// Fewest points of a period, and fewest periods in the history.
const SHORTEST: usize = 6;
const CYCLES: usize = 3;

/// A period that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Found {
    /// In points.
    pub(crate) period: f64,
    /// Autocorrelation at it, 0 to 1.
    pub(crate) strength: f64,
}

thread_local! {
    /// Plans are costly to make and cannot be part of a checkpoint.
    static PLANNER: RefCell<FftPlanner<f32>> = RefCell::new(FftPlanner::new());
}

fn transform(data: &mut [Complex<f32>], inverse: bool) {
    PLANNER.with_borrow_mut(|planner| {
        let plan = if inverse {
            planner.plan_fft_inverse(data.len())
        } else {
            planner.plan_fft_forward(data.len())
        };
        plan.process(data);
    });
}

/// The period of evenly spaced values, where they have one.
pub(crate) fn find(values: &[f32]) -> Option<Found> {
    let n = values.len();
    if n < SHORTEST * CYCLES * 2 {
        return None;
    }
    let clean = detrend(values)?;
    // Twice the length, so that the autocorrelation does not wrap around.
    let size = (2 * n).next_power_of_two();
    let mut data = vec![Complex::new(0.0, 0.0); size];
    for (d, &v) in data.iter_mut().zip(&clean) {
        d.re = v;
    }
    transform(&mut data, false);
    let power: Vec<f32> = data.iter().map(Complex::norm_sqr).collect();
    let longest = n / CYCLES;
    // Zero padding interpolates; a natural bin is `size / n` of these.
    let natural = size as f64 / n as f64;
    let lowest = (size as f64 / longest as f64).ceil() as usize;
    let highest = size / SHORTEST;
    let sum: f64 = power[lowest.max(1)..=size / 2]
        .iter()
        .map(|&p| f64::from(p))
        .sum();
    let bins = (size / 2 - lowest) as f64 / natural;
    let mut peaks: Vec<(f32, usize)> = (lowest.max(2)..highest)
        .filter(|&k| power[k] > power[k - 1] && power[k] >= power[k + 1])
        .map(|k| (power[k], k))
        .collect();
    peaks.sort_by(|a, b| b.0.total_cmp(&a.0));
    let is_significant = |&&(p, _): &&(f32, usize)| {
        let g = f64::from(p) * natural / sum;
        bins * (1.0 - g.min(1.0)).powf(bins - 1.0) <= SIGNIFICANT
    };
    let candidates = peaks.iter().take(CANDIDATES).take_while(is_significant);
    let candidates: Vec<usize> = candidates.map(|&(_, k)| k).collect();
    if candidates.is_empty() {
        return None; // most series: no need to correlate
    }

    for (d, &p) in data.iter_mut().zip(&power) {
        *d = Complex::new(p, 0.0);
    }
    transform(&mut data, true);
    let zero = data[0].re;
    if zero <= 0.0 {
        return None;
    }
    // Unbiased: a lag has fewer pairs the longer it is.
    let acf = |lag: usize| f64::from(data[lag].re / zero) * n as f64 / (n - lag).max(1) as f64;
    let mut best: Option<Found> = None;
    for k in candidates {
        let rough = size as f64 / k as f64;
        let Some(found) = confirm(&acf, rough, rough * natural / k as f64, longest) else {
            continue;
        };
        // Of two that are as strong, the shorter is the period and the longer its multiple.
        let better = best.is_none_or(|b| {
            let margin = if found.period > b.period { 0.05 } else { -0.05 };
            found.strength > b.strength + margin
        });
        if better {
            best = Some(found);
        }
    }
    best
}

/// The maximum of the autocorrelation near a lag, if it is one and repeats.
fn confirm(acf: &impl Fn(usize) -> f64, rough: f64, width: f64, longest: usize) -> Option<Found> {
    let reach = (width.max(0.05 * rough)).max(1.0);
    let from = ((rough - reach).floor() as usize).max(2);
    let to = ((rough + reach).ceil() as usize).min(longest);
    let lag = (from..=to).max_by(|&a, &b| acf(a).total_cmp(&acf(b)))?;
    let top = acf(lag);
    if top < CONFIRMED || lag == from || lag == to {
        return None;
    }
    // A slope is no rhythm: half-way there must be a clear dip, and twice as far a top again.
    if acf(lag / 2).min(acf(lag * 3 / 2)) > top - 0.2 {
        return None;
    }
    let again = (2 * lag).saturating_sub(2)..=2 * lag + 2;
    if again.map(acf).fold(f64::MIN, f64::max) < 0.6 * top {
        return None;
    }
    // A parabola through three points finds the top between them.
    let (a, b, c) = (acf(lag - 1), top, acf(lag + 1));
    let curve = a - 2.0 * b + c;
    let shift = if curve < 0.0 {
        (0.5 * (a - c) / curve).clamp(-0.5, 0.5)
    } else {
        0.0
    };
    Some(Found {
        period: lag as f64 + shift,
        strength: top.min(1.0),
    })
}

/// Without mean and slope, and with outliers cut: they would drown a rhythm.
fn detrend(values: &[f32]) -> Option<Vec<f32>> {
    let n = values.len() as f64;
    let middle = (n - 1.0) / 2.0;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let (mut xy, mut xx) = (0.0, 0.0);
    for (i, &v) in values.iter().enumerate() {
        let x = i as f64 - middle;
        xy += x * (f64::from(v) - mean);
        xx += x * x;
    }
    let slope = xy / xx;
    let mut flat: Vec<f32> = values
        .iter()
        .enumerate()
        .map(|(i, &v)| (f64::from(v) - mean - slope * (i as f64 - middle)) as f32)
        .collect();
    let mut sizes: Vec<f32> = flat.iter().map(|v| v.abs()).collect();
    let at = sizes.len() * 9 / 10;
    let (_, &mut cut, _) = sizes.select_nth_unstable_by(at, f32::total_cmp);
    if !cut.is_finite() || cut <= 0.0 {
        return None;
    }
    for v in &mut flat {
        *v = v.clamp(-2.0 * cut, 2.0 * cut) / cut;
    }
    let mean = flat.iter().sum::<f32>() / flat.len() as f32;
    for v in &mut flat {
        *v -= mean;
    }
    Some(flat)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(i: u64) -> f32 {
        let mut x = i.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        x ^= x >> 29;
        x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x ^= x >> 32;
        (x >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }

    #[test]
    fn a_rhythm_is_found_under_noise_and_outliers() {
        for period in [12.0_f32, 60.0, 288.5] {
            let values: Vec<f32> = (0..2000)
                .map(|i| {
                    let spike = if i % 701 == 3 { 40.0 } else { 0.0 };
                    let phase = i as f32 / period * std::f32::consts::TAU;
                    phase.sin() + 1.5 * noise(i) + spike + i as f32 * 0.001
                })
                .collect();
            let found = find(&values).expect("a period");
            assert!(
                (found.period / f64::from(period) - 1.0).abs() < 0.02,
                "{period}: {found:?}"
            );
        }
    }

    #[test]
    fn noise_walks_and_slopes_have_no_rhythm() {
        for seed in 0..20 {
            let white: Vec<f32> = (0..2000).map(|i| noise(seed * 10_000 + i)).collect();
            assert_eq!(find(&white), None, "noise {seed}");
            let walk: Vec<f32> = white
                .iter()
                .scan(0.0, |sum, v| {
                    *sum = *sum * 0.98 + v;
                    Some(*sum)
                })
                .collect();
            assert_eq!(find(&walk), None, "walk {seed}");
        }
        assert_eq!(find(&vec![3.0; 500]), None);
        assert_eq!(find(&(0..500).map(|i| i as f32).collect::<Vec<_>>()), None);
    }
}
