//! A curve over time with axes.

use hark_api::{Band, SeriesPoint, Timestamp};
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::Canvas;
use crate::moment;
use crate::units::Unit;

/// Lines of the scale at most.
const MAX_LINES: u32 = 20;
/// Columns before the curve, for the values.
const VALUES: u16 = 11;

/// A curve, the time it is drawn over, and how its values are written.
pub(crate) struct Plot<'a> {
    pub(crate) points: &'a [SeriesPoint],
    /// Seconds between points.
    pub(crate) step: u32,
    pub(crate) window: (Timestamp, Timestamp),
    /// What values are measured in; of bytes the steps of the scale are round in powers of 1024.
    pub(crate) unit: Unit,
    pub(crate) style: Style,
    /// Where the points are expected to lie: shaded, and what left it in a style of its own.
    pub(crate) band: Option<Band>,
}

impl Plot<'_> {
    /// Draws the curve with its values at the left and times below; gives the place of the curve.
    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) -> Option<Rect> {
        if area.width < VALUES + 8 || area.height < 4 {
            return None;
        }
        let place = Rect::new(
            area.x + VALUES,
            area.y,
            area.width - VALUES - 1,
            area.height - 1,
        );
        let (low, high, step) = self.scale(place.height);
        self.draw_band(canvas, place, low, high);
        self.draw_values(canvas, place, (low, high, step));
        self.draw_times(canvas, place);
        self.draw_curve(canvas, place, low, high);
        Some(place)
    }

    /// The column of a time in the curve's place.
    pub(crate) fn column(&self, place: Rect, time: Timestamp) -> Option<u16> {
        let (from, to) = (self.window.0.as_nanos(), self.window.1.as_nanos());
        let span = (to - from).max(1) as f64;
        let share = (time.as_nanos() - from) as f64 / span;
        (0.0..=1.0)
            .contains(&share)
            .then(|| place.x + ((share * f64::from(place.width)) as u16).min(place.width - 1))
    }

    /// Lowest and highest value of the scale, and a round step between lines.
    fn scale(&self, rows: u16) -> (f64, f64, f64) {
        let values = self
            .points
            .iter()
            .filter(|p| is_drawable(p.min) && is_drawable(p.max));
        let (least, most) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, m), p| {
            (l.min(p.min), m.max(p.max))
        });
        if least > most {
            return (0.0, 1.0, 0.5);
        }
        // The band is seen too, where it does not flatten the curve.
        let (least, most) = match self.band {
            Some(band)
                if is_drawable(band.low)
                    && is_drawable(band.high)
                    && band.high - band.low <= 4.0 * (most - least) =>
            {
                (least.min(band.low), most.max(band.high))
            }
            _ => (least, most),
        };
        // From zero where that does not flatten the curve.
        let least = if least >= 0.0 && least < 0.7 * most {
            0.0
        } else {
            least
        };
        let spread = if most > least {
            most - least
        } else {
            most.abs().max(1.0)
        };
        let unit = if self.unit.is_bytes() && spread >= 1024.0 {
            1024f64.powf(spread.log(1024.0).floor())
        } else {
            1.0
        };
        let lines = f64::from((rows / 3).clamp(2, 6));
        let step = round_step(spread / unit / lines) * unit;
        let low = (least / step).floor() * step;
        let high = ((most / step).ceil() * step).max(low + step);
        (low, high, step)
    }

    fn draw_values(
        &self,
        canvas: &mut Canvas<'_>,
        place: Rect,
        (low, high, step): (f64, f64, f64),
    ) {
        let theme = canvas.theme;
        let dots = "·".repeat(place.width.into());
        let lines = (((high - low) / step).round() as u32).min(MAX_LINES);
        for line in 0..=lines {
            let value = low + step * f64::from(line);
            let share = (value - low) / (high - low);
            let up = (share * f64::from(place.height - 1)).round() as u16;
            let y = place.bottom() - 1 - up;
            if !self
                .band
                .is_some_and(|band| covers(band, (low, high), place, y))
            {
                canvas.put(place.x, y, place.width, &dots, theme.rule);
            }
            canvas.put_right(
                place.x - 1,
                y,
                VALUES - 1,
                &self.unit.show(value),
                theme.dim,
            );
        }
    }

    /// Shades the lines between which the points are expected; at least one, so that it is seen.
    fn draw_band(&self, canvas: &mut Canvas<'_>, place: Rect, low: f64, high: f64) {
        let Some(band) = self.band else { return };
        let shade = "░".repeat(place.width.into());
        for y in place.y..place.bottom() {
            if covers(band, (low, high), place, y) {
                canvas.put(place.x, y, place.width, &shade, canvas.theme.band);
            }
        }
    }

    fn draw_times(&self, canvas: &mut Canvas<'_>, place: Rect) {
        let theme = canvas.theme;
        let (from, to) = (self.window.0.as_nanos(), self.window.1.as_nanos());
        let secs = (to - from) / 1_000_000_000;
        let columns = i64::from(place.width);
        let step = [
            1,
            5,
            10,
            15,
            30,
            60,
            120,
            300,
            600,
            900,
            1_800,
            3_600,
            7_200,
            10_800,
            21_600,
            43_200,
            86_400,
            2 * 86_400,
            7 * 86_400,
        ]
        .into_iter()
        .find(|step| step * columns >= secs * 12)
        .unwrap_or(14 * 86_400);
        let nanos = step * 1_000_000_000;
        let mut at = from.div_euclid(nanos) * nanos + nanos;
        while at < to {
            let time = Timestamp::from_nanos(at);
            let clock = moment::clock(time);
            let text = if step >= 86_400 || clock.starts_with("00:00:00") {
                moment::day(time)[5..].to_owned()
            } else if step >= 60 {
                clock[..5].to_owned()
            } else {
                clock[..8].to_owned()
            };
            if let Some(x) = self.column(place, time)
                && x + text.len() as u16 <= place.right()
            {
                canvas.put(x, place.bottom(), text.len() as u16, &text, theme.dim);
            }
            at += nanos;
        }
    }

    /// Two columns of dots a cell, four rows: from the least to the greatest value in each column,
    /// joined with the column before unless points are missing between.
    fn draw_curve(&self, canvas: &mut Canvas<'_>, place: Rect, low: f64, high: f64) {
        let columns = usize::from(place.width) * 2;
        let rows = f64::from(place.height) * 4.0 - 1.0;
        let (from, to) = (self.window.0.as_nanos(), self.window.1.as_nanos());
        let width = ((to - from) as f64 / columns as f64).max(1.0);
        let dot =
            |value: f64| (((value - low) / (high - low)).clamp(0.0, 1.0) * rows).round() as u16;
        let mut spans: Vec<Option<(u16, u16)>> = vec![None; columns];
        let mut left = vec![false; columns];
        let mut last: Option<(usize, u16, i64)> = None;
        let gap = i64::from(self.step) * 3_000_000_000;
        for point in self.points {
            let at = point.time.as_nanos();
            if at < from || at >= to || !is_drawable(point.mean) {
                continue;
            }
            let column = (((at - from) as f64 / width) as usize).min(columns - 1);
            let (bottom, top) = (dot(point.min), dot(point.max));
            let mut widen = |column: usize, bottom: u16, top: u16| {
                let span = spans[column].get_or_insert((bottom, top));
                *span = (span.0.min(bottom), span.1.max(top));
            };
            widen(column, bottom, top);
            left[column] |= self.band.is_some_and(|band| band.is_left_by(point.mean));
            let mean = dot(point.mean);
            if let Some((last_column, last_mean, last_at)) = last
                && at - last_at <= gap.max((2.0 * width) as i64)
            {
                for between in last_column + 1..column {
                    let share = (between - last_column) as f64 / (column - last_column) as f64;
                    let dots =
                        f64::from(last_mean) + (f64::from(mean) - f64::from(last_mean)) * share;
                    widen(between, dots as u16, dots as u16);
                }
                // Up or down to where the curve was.
                widen(column, mean.min(last_mean), mean.max(last_mean));
            }
            last = Some((column, mean, at));
        }
        for cell in 0..place.width {
            for row in 0..place.height {
                let base = (place.height - 1 - row) * 4;
                let side = |span: Option<(u16, u16)>, bits: [u32; 4]| {
                    let Some((bottom, top)) = span else { return 0 };
                    (0..4)
                        .filter(|dot| (bottom..=top).contains(&(base + dot)))
                        .map(|dot| bits[usize::from(dot)])
                        .sum::<u32>()
                };
                let at = usize::from(cell) * 2;
                let dots = side(spans[at], [0x40, 0x04, 0x02, 0x01])
                    + side(spans[at + 1], [0x80, 0x20, 0x10, 0x08]);
                if dots > 0
                    && let Some(c) = char::from_u32(0x2800 + dots)
                {
                    let mut text = [0; 4];
                    let style = if left[at] || left[at + 1] {
                        canvas.theme.warning()
                    } else {
                        self.style
                    };
                    let text = c.encode_utf8(&mut text);
                    canvas.put(place.x + cell, place.y + row, 1, text, style);
                }
            }
        }
    }
}

/// Whether a line of the place shows values of the band: the lines of its ends and those between.
fn covers(band: Band, (low, high): (f64, f64), place: Rect, y: u16) -> bool {
    let rows = f64::from(place.height.max(2) - 1);
    let line = |value: f64| ((value - low) / (high - low) * rows).round();
    let up = f64::from(place.bottom() - 1 - y);
    (line(band.low)..=line(band.high)).contains(&up)
}

/// Whether a scale can hold the value: differences and multiples of it are numbers too.
fn is_drawable(value: f64) -> bool {
    value.abs() < 1e300
}

/// The next of 1, 2, 5, 10 … that is no less.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.max(1e-12).log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|step| *step >= least * 0.999)
        .unwrap_or(least)
}

#[cfg(test)]
mod tests {
    use ratatui::buffer::Buffer;

    use super::*;
    use crate::cli::ThemeName;
    use crate::console::theme::{Depth, Theme};

    fn drawn(values: &[f64]) -> Vec<String> {
        drawn_with(values, None)
    }

    fn drawn_with(values: &[f64], band: Option<Band>) -> Vec<String> {
        let area = Rect::new(0, 0, 61, 5);
        let mut buffer = Buffer::empty(area);
        let theme = Theme::new(ThemeName::Mono, Depth::None);
        let time = |s: usize| Timestamp::from_nanos(s as i64 * 1_000_000_000);
        let points: Vec<_> = values
            .iter()
            .enumerate()
            .map(|(s, v)| SeriesPoint {
                time: time(s),
                mean: *v,
                min: *v,
                max: *v,
            })
            .collect();
        let plot = Plot {
            points: &points,
            step: 1,
            window: (time(0), time(40)),
            unit: Unit::Count,
            style: Style::new(),
            band,
        };
        plot.draw(&mut Canvas::new(&mut buffer, &theme), area);
        let line = |y| (0..area.width).map(|x| buffer[(x, y)].symbol()).collect();
        (0..area.height).map(line).collect()
    }

    #[test]
    fn a_rising_line_rises_over_its_axes() {
        let values: Vec<_> = (0..40).map(f64::from).collect();
        let lines = drawn(&values);
        assert!(lines[0].trim_start().starts_with("40"), "{lines:#?}");
        assert!(lines[3].trim_start().starts_with('0'), "{lines:#?}");
        assert!(
            lines[3].contains('⣀') || lines[3].contains('⡠') || lines[3].contains('⢀'),
            "{lines:#?}"
        );
        assert!(lines[4].contains("00:00:10"), "{lines:#?}");
    }

    #[test]
    fn the_band_lies_where_its_values_are() {
        let values: Vec<_> = (0..40).map(f64::from).collect();
        let band = Band {
            low: 0.0,
            high: 13.0,
        };
        let lines = drawn_with(&values, Some(band));
        let shaded: Vec<_> = lines.iter().map(|line| line.contains('░')).collect();
        assert_eq!(shaded, [false, false, true, true, false], "{lines:#?}");
    }

    #[test]
    fn odd_values_break_nothing() {
        for values in [
            &[][..],
            &[f64::NAN; 9],
            &[0.0; 9],
            &[f64::MAX; 3],
            &[-5.0, 5.0],
            &[f64::INFINITY],
        ] {
            drawn(values);
            let ends = [
                (f64::NEG_INFINITY, f64::INFINITY),
                (f64::NAN, 0.0),
                (3.0, 3.0),
            ];
            for (low, high) in ends {
                drawn_with(values, Some(Band { low, high }));
            }
        }
    }
}
