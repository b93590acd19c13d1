//! A heat map: time to the right, how long upwards, and how many by the shade of a cell.

use hark_api::Timestamp;
use ratatui::layout::Rect;

use super::canvas::{Canvas, split_top};
use crate::console::state::heat::{Column, Map};
use crate::moment;

const SHADES: [&str; 5] = ["·", "░", "▒", "▓", "█"];
/// Columns before the map, for the times that waits took.
const VALUES: u16 = 9;

/// Waits of at least so long stand out, in seconds: first, and more.
pub(crate) type Slow = (f64, f64);

/// Draws a map with its scale at the left and times below.
pub(crate) fn draw(
    canvas: &mut Canvas<'_>,
    area: Rect,
    map: &Map,
    window: (Timestamp, Timestamp),
    slow: Slow,
) {
    if area.width < VALUES + 10 || area.height < 2 {
        return;
    }
    let theme = canvas.theme;
    let (rows, axis) = split_top(area, area.height - 1);
    let place = Rect {
        x: rows.x + VALUES,
        width: rows.width - VALUES - 1,
        ..rows
    };
    let buckets = map.bounds.len() + 1;
    let height = usize::from(place.height).min(buckets);
    // Where there are fewer lines than buckets, a line is of several; the slowest are above.
    let line_of = |bucket: usize| height - 1 - bucket * height / buckets;
    let mut cells = vec![vec![0.0_f32; usize::from(place.width)]; height];
    let span = (window.1.as_nanos() - window.0.as_nanos()).max(1) as f64;
    let columns = map.within(window);
    let steps = spacing(columns);
    for column in columns {
        let at = |time: i64| {
            let share = (time - window.0.as_nanos()) as f64 / span;
            (share.clamp(0.0, 1.0) * f64::from(place.width)) as usize
        };
        let first = at(column.time.as_nanos());
        let end = at(column.time.as_nanos() + steps).max(first + 1);
        for (bucket, rate) in column.rates.iter().enumerate() {
            for cell in cells[line_of(bucket)].iter_mut().take(end).skip(first) {
                *cell = cell.max(*rate);
            }
        }
    }
    let most = cells.iter().flatten().copied().fold(0.0, f32::max);
    for (line, (row, y)) in cells.iter().zip(place.y..).enumerate() {
        // The bound of the slowest bucket on this line, and where it begins.
        let on_line = (0..buckets).filter(|bucket| line_of(*bucket) == line);
        let top = on_line.clone().max().unwrap_or(0);
        let bottom = on_line.min().unwrap_or(0);
        let begins = bottom.checked_sub(1).and_then(|b| map.bounds.get(b));
        let begins = begins.copied().unwrap_or(0.0);
        let style = match begins {
            b if b >= slow.1 => theme.critical(),
            b if b >= slow.0 => theme.warning(),
            _ => theme.cpu,
        };
        let name = match map.bounds.get(top) {
            Some(bound) => span_name(*bound),
            None => format!("> {}", span_name(begins)),
        };
        canvas.put_right(place.x - 1, y, VALUES - 1, &name, theme.dim);
        for (x, rate) in (place.x..).zip(row) {
            // Few are seen beside many: by the logarithm.
            let share = (f64::from(*rate) + 1.0).ln() / (f64::from(most) + 1.0).ln();
            let shade = if *rate > 0.0 {
                ((share * 4.0).ceil() as usize).clamp(1, 4)
            } else {
                0
            };
            let style = if shade == 0 { theme.rule } else { style };
            canvas.put(x, y, 1, SHADES[shade], style);
        }
    }
    let clock = |time| moment::clock(time)[..8].to_owned();
    let y = place.y + height as u16;
    canvas.put(place.x, y, 8, &clock(window.0), theme.dim);
    canvas.put_right(place.right(), y.min(axis.y), 8, &clock(window.1), theme.dim);
}

/// The least time from one column to the next, in nanoseconds.
fn spacing(columns: &[Column]) -> i64 {
    let steps = columns
        .windows(2)
        .map(|pair| pair[1].time.as_nanos() - pair[0].time.as_nanos());
    steps.min().unwrap_or(10_000_000_000)
}

/// A length of time from microseconds to seconds, in at most six columns.
pub(crate) fn span_name(secs: f64) -> String {
    let (value, unit) = match secs {
        s if !s.is_finite() => return "long".to_owned(),
        s if s < 0.000_999 => (s * 1e6, "µs"),
        s if s < 0.999 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    if value < 9.95 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}
