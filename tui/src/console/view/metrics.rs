//! Metrics: every series that is stored, and one of them over time.

use hark_api::{Band, SeriesKey, SeriesPoint, Tier};
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use crate::console::keys::Action;
use crate::console::state::metrics::Loaded;
use crate::console::state::{App, Link};
use crate::console::theme::tier_sign;
use crate::console::widget::canvas::{Canvas, split_right, split_top};
use crate::console::widget::plot::Plot;
use crate::console::widget::spectrum::{Spectrum, period_name};
use crate::console::widget::words;
use crate::moment;
use crate::units::Unit;

/// Lines of one of several curves, at least.
const LEAST_CURVE: u16 = 8;
/// From this width on the list stands beside the curve, else above it.
const BESIDE: u16 = 100;

pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    let (list_area, curve_area) = if area.width >= BESIDE {
        split_right(area, area.width - (area.width / 3).min(56), 1)
    } else {
        split_top(area, (area.height / 3).max(3))
    };
    list(canvas, list_area, app);
    let shown = app.metrics.shown();
    // The selected one is the last, and is shown where there is no room for more.
    let fit = usize::from(curve_area.height / LEAST_CURVE).clamp(1, shown.len().max(1));
    if shown.is_empty() {
        canvas.section(curve_area, "Curve", "");
    }
    let mut rest = curve_area;
    for (at, (key, name)) in shown[shown.len().saturating_sub(fit)..].iter().enumerate() {
        let height = rest.height / (fit - at) as u16;
        let (place, below) = split_top(rest, height);
        curve(canvas, place, app, key, name);
        rest = below;
    }
}

fn list(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    let theme = canvas.theme;
    let (all, names) = app.metrics.names();
    let search = app.metrics.search();
    let (title, note) = if search.is_empty() {
        ("Metrics".to_owned(), format!("{all}"))
    } else {
        (
            format!("Metrics · {search}"),
            format!("{} of {all}", names.len()),
        )
    };
    let inside = canvas.section(area, &title, &note);
    app.page.set(inside.height);
    if names.is_empty() {
        let text = if all == 0 {
            "None yet"
        } else {
            "None has these words"
        };
        canvas.put(inside.x + 1, inside.y, inside.width, text, theme.dim);
        return;
    }
    let shown = app.metrics.shown().into_iter();
    let pinned: Vec<&str> = shown
        .filter(|(key, _)| app.metrics.is_pinned(key))
        .map(|(_, name)| name)
        .collect();
    let selected = app.metrics.selected_row();
    let top = app.metrics.top(inside.height.into(), names.len());
    for ((row, name), y) in names
        .iter()
        .enumerate()
        .skip(top)
        .zip(inside.y..inside.bottom())
    {
        let line = Rect::new(inside.x, y, inside.width, 1);
        if pinned.contains(name) {
            canvas.put(line.x, y, 1, "▪", theme.accent);
        }
        let (metric, labels) = name.split_at(name.find('{').unwrap_or(name.len()));
        let x = canvas.put(
            line.x + 1,
            y,
            line.width.saturating_sub(2),
            metric,
            theme.text,
        );
        let room = line.right().saturating_sub(x + 1);
        let labels = short_labels(labels, room.into());
        canvas.put(
            x + 1,
            y,
            room,
            &words::fit_end(&labels, room.into()),
            theme.dim,
        );
        if row == selected {
            canvas.paint(line, theme.selection);
        }
    }
    canvas.hit(inside, Action::Row(0));
}

/// The labels of a series in a width: with their names where these fit, else their values.
fn short_labels(labels: &str, width: usize) -> String {
    let whole = labels.trim_matches(['{', '}']);
    if whole.width() <= width {
        return whole.to_owned();
    }
    // Values stand between quotation marks.
    let values: Vec<&str> = whole.split('"').skip(1).step_by(2).collect();
    values.join(" ")
}

fn curve(canvas: &mut Canvas<'_>, area: Rect, app: &App, key: &SeriesKey, name: &str) {
    let theme = canvas.theme;
    let metrics = &app.metrics;
    let live = match (&app.travel, &app.link) {
        (Some(_), _) => "then",
        (None, Link::Replay) => "recorded",
        (None, _) => "live",
    };
    let note = format!("{} · {live}", moment::span(metrics.span_secs() as f64));
    let inside = canvas.section(area, name, &note);
    let window = metrics.window(app.at());
    let unit = Unit::of_metric(key.name());
    let loaded = metrics.loaded(key);
    let points: &[SeriesPoint] = loaded.map_or(&[], |loaded| loaded.within(window));
    let (head, rest) = split_top(inside, 1);
    if points.is_empty() {
        let text = match (&metrics.refused, loaded) {
            (Some(why), _) => why.as_str(),
            (None, None) => "…",
            (None, Some(_)) => "No points in this time",
        };
        canvas.put(
            head.x + 1,
            head.y,
            head.width.saturating_sub(2),
            text,
            theme.dim,
        );
        return;
    }
    summary(canvas, head, points, unit);
    if let (true, Some(loaded)) = (metrics.is_spectrum, loaded) {
        rhythms(canvas, rest, loaded, points);
        return;
    }
    let band = loaded.and_then(|loaded| loaded.band);
    let (head, rest) = split_top(rest, u16::from(rest.height > 6));
    expected(canvas, head, band, points, unit);
    let (place, marks) = split_top(rest, rest.height.saturating_sub(1));
    let plot = Plot {
        points,
        step: loaded.map_or(1, |loaded| loaded.step),
        window,
        unit,
        style: theme.cpu,
        band,
    };
    if let Some(place) = plot.draw(canvas, place) {
        mark_unusual(canvas, marks, app, &plot, place);
    }
}

fn summary(canvas: &mut Canvas<'_>, area: Rect, points: &[SeriesPoint], unit: Unit) {
    let theme = canvas.theme;
    let last = points.last().map_or(0.0, |p| p.mean);
    let least = points.iter().map(|p| p.min).fold(f64::INFINITY, f64::min);
    let most = points
        .iter()
        .map(|p| p.max)
        .fold(f64::NEG_INFINITY, f64::max);
    let mean = points.iter().map(|p| p.mean).sum::<f64>() / points.len() as f64;
    let mut x = area.x + 1;
    for (name, value) in [
        ("now ", last),
        ("least ", least),
        ("mean ", mean),
        ("most ", most),
    ] {
        let value = unit.show(value);
        let width = (name.len() + value.len()) as u16;
        if x + width > area.right() {
            break;
        }
        let parts = [(name, theme.dim), (value.as_str(), theme.strong)];
        x = canvas.parts(x, area.y, width, &parts) + 3;
    }
}

/// How strongly each period is in the curve, and which ones the agent has learned.
fn rhythms(canvas: &mut Canvas<'_>, area: Rect, loaded: &Loaded, points: &[SeriesPoint]) {
    let theme = canvas.theme;
    let (head, place) = split_top(area, 1);
    let place = Rect {
        x: place.x + 1,
        width: place.width.saturating_sub(2),
        ..place
    };
    let spectrum = Spectrum::of(points, f64::from(loaded.step), place.width.into());
    let learned: Vec<String> = loaded.periods.iter().map(|p| period_name(*p)).collect();
    let learned = match &learned[..] {
        [] => "no period is learned".to_owned(),
        learned => format!("▲ learned: {}", learned.join(", ")),
    };
    let strongest = spectrum.as_ref().and_then(Spectrum::strongest);
    let strongest = match (&spectrum, strongest) {
        (None, _) => "too few points for rhythms".to_owned(),
        (_, None) => "no rhythm stands out in this time".to_owned(),
        (_, Some(period)) => format!("strongest in this time: {}", period_name(period)),
    };
    let parts = [
        (strongest.as_str(), theme.strong),
        ("   ", theme.dim),
        (learned.as_str(), theme.warning()),
    ];
    canvas.parts(head.x + 1, head.y, head.width.saturating_sub(2), &parts);
    if let Some(spectrum) = spectrum {
        spectrum.draw(canvas, place, &loaded.periods, theme.cpu);
    }
}

/// The band in words, and how much of the time the curve was outside.
fn expected(
    canvas: &mut Canvas<'_>,
    area: Rect,
    band: Option<Band>,
    points: &[SeriesPoint],
    unit: Unit,
) {
    if area.is_empty() {
        return;
    }
    let theme = canvas.theme;
    let Some(band) = band else {
        let text = "what to expect is still being learned";
        canvas.put(area.x + 1, area.y, area.width, text, theme.dim);
        return;
    };
    let (low, high) = (unit.show(band.low), unit.show(band.high));
    let parts = [
        ("expected ", theme.dim),
        (low.as_str(), theme.strong),
        (" to ", theme.dim),
        (high.as_str(), theme.strong),
    ];
    let x = canvas.parts(area.x + 1, area.y, area.width, &parts) + 3;
    let left = points.iter().filter(|p| band.is_left_by(p.mean)).count();
    let is_out = points.last().is_some_and(|p| band.is_left_by(p.mean));
    let share = left as f64 / points.len().max(1) as f64 * 100.0;
    let (text, style) = match (left, is_out) {
        (0, _) => ("within it all this time".to_owned(), theme.good),
        (_, true) => (
            format!("△ outside now, {share:.0} % of this time"),
            theme.warning(),
        ),
        (_, false) => (
            format!("outside {share:.0} % of this time"),
            theme.warning(),
        ),
    };
    canvas.put(x, area.y, area.right().saturating_sub(x), &text, style);
}

/// What was unusual meanwhile, below the times: where a curve turns, that may be why.
pub(super) fn mark_unusual(
    canvas: &mut Canvas<'_>,
    area: Rect,
    app: &App,
    plot: &Plot<'_>,
    place: Rect,
) {
    let theme = canvas.theme;
    let mut worst = vec![Tier::Normal; usize::from(place.width)];
    let since = plot.window.0;
    let heads = app
        .scene()
        .log
        .heads_newest_first()
        .take_while(|head| head.time >= since);
    let kept = heads.map(|head| (head.time, head.tier));
    // Those from before what is kept here, as far as they are known.
    let sights = app.scene().unusual.worst_first(app.at()).into_iter();
    let known = sights.map(|sight| (sight.event.time, sight.tier));
    for (time, tier) in kept.chain(known).filter(|(_, tier)| *tier > Tier::Normal) {
        if let Some(x) = plot.column(place, time) {
            let slot = &mut worst[usize::from(x - place.x)];
            *slot = (*slot).max(tier);
        }
    }
    if worst.iter().all(|tier| *tier == Tier::Normal) {
        return;
    }
    canvas.put(area.x + 1, area.y, 8, "unusual", theme.dim);
    for (column, tier) in (0..).zip(worst) {
        if tier > Tier::Normal {
            canvas.put(
                place.x + column,
                area.y,
                1,
                tier_sign(tier),
                theme.tier(tier),
            );
        }
    }
}

impl Loaded {
    /// The points of a time.
    pub(crate) fn within(
        &self,
        (from, to): (hark_api::Timestamp, hark_api::Timestamp),
    ) -> &[SeriesPoint] {
        let first = self.points.partition_point(|point| point.time < from);
        let end = self.points.partition_point(|point| point.time < to);
        &self.points[first..end.max(first)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_lose_their_names_before_their_values() {
        let labels = r#"{le="0.002",operation="read"}"#;
        assert_eq!(short_labels(labels, 40), r#"le="0.002",operation="read""#);
        assert_eq!(short_labels(labels, 12), "0.002 read");
        assert_eq!(short_labels("", 12), "");
    }
}
