//! How strongly each period is in a curve: its periodogram, by period.

use hark_api::SeriesPoint;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::Canvas;
use super::chart;
use crate::moment;

/// Points that are transformed at most: more are averaged together.
const MOST_POINTS: usize = 1_024;
/// Fewest points of a period, and fewest points in all.
const LEAST_PERIOD: f64 = 2.0;
const LEAST_POINTS: usize = 16;

/// The power of each of so many periods, from the shortest to half of the time, evenly spread by
/// their logarithms: as shares of the strongest.
pub(crate) struct Spectrum {
    /// In seconds, with their shares of 0 to 1.
    pub(crate) powers: Vec<(f64, f64)>,
}

impl Spectrum {
    /// Of points a step in seconds apart; `None` of too few.
    pub(crate) fn of(points: &[SeriesPoint], step: f64, columns: usize) -> Option<Self> {
        let together = points.len().div_ceil(MOST_POINTS).max(1);
        let values: Vec<f64> = points
            .chunks(together)
            .map(|chunk| chunk.iter().map(|p| p.mean).sum::<f64>() / chunk.len() as f64)
            .filter(|value| value.is_finite())
            .collect();
        let count = values.len();
        if count < LEAST_POINTS || columns < 2 {
            return None;
        }
        let step = step * together as f64;
        let values = without_trend(&values);
        let longest = count as f64 / 2.0;
        let period = |column: usize| {
            let share = column as f64 / (columns - 1) as f64;
            LEAST_PERIOD * (longest / LEAST_PERIOD).powf(share)
        };
        let mut powers: Vec<(f64, f64)> = (0..columns)
            .map(|column| (period(column) * step, power(&values, period(column))))
            .collect();
        let most = powers.iter().map(|(_, power)| *power).fold(0.0, f64::max);
        if most > 0.0 {
            for (_, power) in &mut powers {
                *power /= most;
            }
        }
        Some(Self { powers })
    }

    /// The strongest period in seconds, where one stands out.
    pub(crate) fn strongest(&self) -> Option<f64> {
        let mean = self.powers.iter().map(|(_, power)| power).sum::<f64>();
        let mean = mean / self.powers.len().max(1) as f64;
        let strongest = self.powers.iter().max_by(|a, b| a.1.total_cmp(&b.1));
        strongest
            .filter(|(_, power)| *power > 4.0 * mean)
            .map(|(period, _)| *period)
    }

    /// Draws it with periods below, those that were learned marked.
    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect, learned: &[f64], style: Style) {
        if area.height < 3 || self.powers.is_empty() {
            return;
        }
        let theme = canvas.theme;
        let place = Rect {
            height: area.height - 2,
            ..area
        };
        for (x, (_, power)) in (place.x..place.right()).zip(&self.powers) {
            let column = Rect {
                x,
                width: 1,
                ..place
            };
            chart::column(canvas, column, *power, 1.0, style);
        }
        let (marks, axis) = (place.bottom(), place.bottom() + 1);
        canvas.put(
            area.x,
            marks,
            area.width,
            &"─".repeat(area.width.into()),
            theme.rule,
        );
        let mut free = area.x;
        for (x, (period, _)) in (area.x..area.right()).zip(&self.powers).step_by(12) {
            if x >= free {
                free = canvas.put(x, axis, 8, &period_name(*period), theme.dim) + 2;
            }
        }
        for period in learned {
            if let Some(x) = self.column(*period) {
                for y in place.y..=marks {
                    let is_bar = canvas.buffer[(area.x + x, y)].symbol() != " ";
                    let text = match (y == marks, is_bar) {
                        (true, _) => "▲",
                        (false, false) => "┊",
                        (false, true) => continue,
                    };
                    canvas.put(area.x + x, y, 1, text, theme.warning());
                }
            }
        }
    }

    fn column(&self, period: f64) -> Option<u16> {
        let (first, last) = (self.powers.first()?.0, self.powers.last()?.0);
        let share = (period / first).ln() / (last / first).ln();
        let last = (self.powers.len() - 1) as f64;
        (0.0..=1.0)
            .contains(&share)
            .then(|| (share * last).round() as u16)
    }
}

/// A period in words.
pub(crate) fn period_name(secs: f64) -> String {
    if secs < 10.0 {
        return format!("{secs:.1}s");
    }
    if (60.0..600.0).contains(&secs) {
        return format!("{:.1}m", secs / 60.0);
    }
    moment::span(secs)
}

/// The values around the straight line that fits them best.
fn without_trend(values: &[f64]) -> Vec<f64> {
    let count = values.len() as f64;
    let middle = (count - 1.0) / 2.0;
    let mean = values.iter().sum::<f64>() / count;
    let (mut above, mut below) = (0.0, 0.0);
    for (at, value) in values.iter().enumerate() {
        let x = at as f64 - middle;
        above += x * (value - mean);
        below += x * x;
    }
    let slope = if below > 0.0 { above / below } else { 0.0 };
    let rest = values.iter().enumerate();
    rest.map(|(at, value)| value - mean - slope * (at as f64 - middle))
        .collect()
}

/// How strongly a period, in points, is in the values: the squared length of their sum, each
/// turned by its part of the period.
fn power(values: &[f64], period: f64) -> f64 {
    let (sin, cos) = (std::f64::consts::TAU / period).sin_cos();
    let (mut re, mut im) = (1.0, 0.0);
    let (mut sum_re, mut sum_im) = (0.0, 0.0);
    for value in values {
        sum_re += value * re;
        sum_im += value * im;
        (re, im) = (re * cos - im * sin, re * sin + im * cos);
    }
    sum_re * sum_re + sum_im * sum_im
}

#[cfg(test)]
mod tests {
    use hark_api::Timestamp;

    use super::*;

    fn points(value: impl Fn(f64) -> f64) -> Vec<SeriesPoint> {
        (0..900)
            .map(|at| SeriesPoint {
                time: Timestamp::from_nanos(at * 1_000_000_000),
                mean: value(at as f64),
                min: 0.0,
                max: 0.0,
            })
            .collect()
    }

    #[test]
    fn a_rhythm_is_found_on_a_trend() {
        let waves = points(|at| at * 0.1 + (at / 60.0 * std::f64::consts::TAU).sin());
        let spectrum = Spectrum::of(&waves, 1.0, 120).expect("enough points");
        let found = spectrum.strongest().expect("a rhythm");
        assert!((found / 60.0 - 1.0).abs() < 0.05, "{found}");
        let column = spectrum.column(60.0).expect("within");
        let at = spectrum.powers[usize::from(column)].0;
        assert!((at / 60.0 - 1.0).abs() < 0.05, "{at}");
    }

    #[test]
    fn of_nothing_there_is_no_rhythm() {
        assert!(Spectrum::of(&[], 1.0, 100).is_none());
        let flat = Spectrum::of(&points(|_| 3.0), 1.0, 100).expect("points");
        assert!(flat.strongest().is_none());
        let broken = points(|at| if at > 400.0 { f64::NAN } else { at });
        assert!(Spectrum::of(&broken, 1.0, 100).is_some());
    }
}
