//! Curves and bars.

use hark_api::Band;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::Canvas;

const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// How a curve is drawn: in a style, and what left its band in another.
#[derive(Clone, Copy)]
pub(crate) struct Ink {
    pub(crate) style: Style,
    pub(crate) band: Option<Band>,
    pub(crate) out: Style,
}

impl Ink {
    fn of(self, value: f64) -> Style {
        match self.band {
            Some(band) if band.is_left_by(value) => self.out,
            _ => self.style,
        }
    }
}

impl From<Style> for Ink {
    fn from(style: Style) -> Self {
        Self {
            style,
            band: None,
            out: style,
        }
    }
}

/// Tints the lines of an area that values of a band stand on, where the terminal has colours.
pub(crate) fn shade(canvas: &mut Canvas<'_>, area: Rect, band: Band, max: f64) {
    let Some(tint) = canvas.theme.band.bg else {
        return;
    };
    let rows = f64::from(area.height);
    // From the line of the lower end up to that of the upper one.
    let low = (share(band.low, max) * rows).floor() as u16;
    let high = (share(band.high, max) * rows).ceil() as u16;
    let (low, high) = (low.min(area.height), high.min(area.height));
    let place = Rect {
        y: area.bottom() - high.max(low),
        height: high.saturating_sub(low),
        ..area
    };
    canvas.paint(place, Style::new().bg(tint));
}

/// A curve one line high: a column a value, the newest at the right, `max` the full height.
pub(crate) fn spark(
    canvas: &mut Canvas<'_>,
    area: Rect,
    newest_first: impl Iterator<Item = f64>,
    max: f64,
    ink: impl Into<Ink>,
) {
    if area.is_empty() {
        return;
    }
    let ink = ink.into();
    for (column, value) in (0..area.width).rev().zip(newest_first) {
        let share = share(value, max);
        // What is not nothing is seen.
        let eighths = if share > 0.0 {
            ((share * 8.0).round() as usize).max(1)
        } else {
            0
        };
        let (text, style) = match eighths {
            0 => ("▁", canvas.theme.rule),
            n => (EIGHTHS[n], ink.of(value)),
        };
        canvas.put(area.x + column, area.y, 1, text, style);
    }
}

/// A column one cell wide, of eighths, over the lines of its area.
pub(crate) fn column(canvas: &mut Canvas<'_>, area: Rect, value: f64, max: f64, style: Style) {
    let eighths = share(value, max) * f64::from(area.height) * 8.0;
    let eighths = if value > 0.0 {
        (eighths.round() as usize).max(1)
    } else {
        0
    };
    for (line, y) in area.rows().rev().zip(0..) {
        let here = eighths.saturating_sub(y * 8).min(8);
        if here > 0 {
            canvas.put(line.x, line.y, 1, EIGHTHS[here], style);
        }
    }
}

/// A filled curve of braille dots: two values a column, four steps a line, the newest at the right.
/// Each value is a whole and the part of it that lies below, in a style of its own.
pub(crate) fn area(
    canvas: &mut Canvas<'_>,
    area: Rect,
    newest_first: impl Iterator<Item = (f64, f64)>,
    max: f64,
    (whole, part_style): (Ink, Style),
) {
    let steps = f64::from(area.height) * 4.0;
    let dots = |value: f64| (share(value, max) * steps).round() as u16;
    let mut values = newest_first;
    for column in (0..area.width).rev() {
        let Some((newer, newer_part)) = values.next() else {
            break;
        };
        let older = values.next();
        // The base line shows that there was a reading, even of nothing.
        let right = dots(newer).max(1);
        let left = older.map_or(0, |(older, _)| dots(older).max(1));
        let part = dots(older.map_or(newer_part, |(_, older_part)| {
            f64::midpoint(newer_part, older_part)
        }));
        // What left the band is seen in whichever of the two values did.
        let whole_style = match older {
            Some((older, _)) if whole.of(newer) == whole.style => whole.of(older),
            _ => whole.of(newer),
        };
        for row in 0..area.height {
            let base = (area.height - 1 - row) * 4;
            let in_row = |dots: u16| dots.saturating_sub(base).min(4);
            let (left, right, part) = (in_row(left), in_row(right), in_row(part));
            if left + right > 0 {
                // A cell has one colour: that of the most of its dots.
                let is_part = part * 4 > left + right;
                let style = if is_part { part_style } else { whole_style };
                let mut cell = [0; 4];
                let text = braille(left, right).encode_utf8(&mut cell);
                canvas.put(area.x + column, area.y + row, 1, text, style);
            }
        }
    }
}

/// The braille character with so many dots from below in its left and right columns, 0 to 4.
fn braille(left: u16, right: u16) -> char {
    const LEFT: [u32; 5] = [0, 0x40, 0x44, 0x46, 0x47];
    const RIGHT: [u32; 5] = [0, 0x80, 0xA0, 0xB0, 0xB8];
    let dots = LEFT[usize::from(left.min(4))] | RIGHT[usize::from(right.min(4))];
    char::from_u32(0x2800 + dots).unwrap_or(' ')
}

/// A bar one line high over a track, filled to a share of 0 to 1.
pub(crate) fn bar(canvas: &mut Canvas<'_>, area: Rect, share: f64, style: Style) {
    if area.is_empty() {
        return;
    }
    let width = usize::from(area.width);
    let track = canvas.theme.rule;
    canvas.put(area.x, area.y, area.width, &"─".repeat(width), track);
    let halves = (self::share(share, 1.0) * width as f64 * 2.0).round() as usize;
    let halves = if share > 0.0 { halves.max(1) } else { 0 };
    let text = format!("{}{}", "━".repeat(halves / 2), "╸".repeat(halves % 2));
    canvas.put(area.x, area.y, area.width, &text, style);
}

fn share(value: f64, max: f64) -> f64 {
    if max > 0.0 && value.is_finite() {
        (value / max).clamp(0.0, 1.0)
    } else {
        0.0
    }
}

/// A maximum that a curve of values without a natural one is drawn to: the next of 1, 2, 5, 10 …
/// above them all, and never below `least`.
pub(crate) fn round_max(values: impl Iterator<Item = f64>, least: f64) -> f64 {
    let max = values.filter(|v| v.is_finite()).fold(least, f64::max);
    if max <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(max.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|step| *step >= max)
        .unwrap_or(max)
}

#[cfg(test)]
mod tests {
    use ratatui::buffer::Buffer;

    use super::*;
    use crate::cli::ThemeName;
    use crate::console::theme::{Depth, Theme};

    fn drawn(width: u16, height: u16, draw: impl FnOnce(&mut Canvas<'_>, Rect)) -> Vec<String> {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        let theme = Theme::new(ThemeName::Mono, Depth::None);
        draw(&mut Canvas::new(&mut buffer, &theme), area);
        let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        (0..height).map(line).collect()
    }

    #[test]
    fn the_newest_value_stands_at_the_right() {
        let lines = drawn(4, 1, |canvas, area| {
            spark(canvas, area, [8.0, 4.0, 0.0].into_iter(), 8.0, Style::new());
        });
        assert_eq!(lines, [" ▁▄█"]);
    }

    #[test]
    fn dots_fill_from_below() {
        let lines = drawn(2, 2, |canvas, rect| {
            let values = [8.0, 4.0, 0.0, 2.0].into_iter().map(|v| (v, 0.0));
            area(
                canvas,
                rect,
                values,
                8.0,
                (Style::new().into(), Style::new()),
            );
        });
        assert_eq!(lines, [" ⢸", "⣄⣿"]);
    }

    #[test]
    fn bars_fill_and_odd_values_break_nothing() {
        let full = |share| drawn(4, 1, |c, a| bar(c, a, share, Style::new())).concat();
        assert_eq!(full(0.5), "━━──");
        assert_eq!(full(1.5), "━━━━");
        assert_eq!(full(0.001), "╸───");
        assert_eq!(full(f64::NAN), "────");
        assert_eq!(full(0.0), "────");
    }

    #[test]
    fn what_left_the_band_is_marked() {
        let band = Band {
            low: 1.0,
            high: 3.0,
        };
        let out = Style::new().fg(ratatui::style::Color::Red);
        let ink = Ink {
            style: Style::new(),
            band: Some(band),
            out,
        };
        let rect = Rect::new(0, 0, 3, 1);
        let mut buffer = Buffer::empty(rect);
        let theme = Theme::new(ThemeName::Mono, Depth::None);
        let values = [2.0, 8.0, 3.1].into_iter();
        spark(
            &mut Canvas::new(&mut buffer, &theme),
            rect,
            values,
            8.0,
            ink,
        );
        let red = |x: u16| Some(buffer[(x, 0)].fg) == out.fg;
        assert_eq!([red(0), red(1), red(2)], [false, true, false]);
    }

    #[test]
    fn scales_are_round() {
        let max = |v: f64| round_max([v].into_iter(), 0.0);
        assert!((max(3.0) - 5.0).abs() < 1e-9);
        assert!((max(1_001.0) - 2_000.0).abs() < 1e-9);
        assert!((max(f64::NAN) - 1.0).abs() < 1e-9);
    }
}
