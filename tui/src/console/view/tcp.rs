//! TCP: rates, and what came of connections.

use ratatui::layout::Rect;

use crate::console::state::App;
use crate::console::state::history::Curve;
use crate::console::widget::canvas::{Canvas, split_right};
use crate::console::widget::chart;
use crate::console::widget::heat_map::span_name;
use crate::moment;
use crate::units;

/// From this width on what came of connections stands beside the rates.
const BESIDE: u16 = 76;

pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    let theme = canvas.theme;
    let vitals = app.scene().vitals.as_ref();
    let note = vitals.map_or(String::new(), |v| {
        format!("{} connections", v.tcp.established)
    });
    let inside = canvas.section(area, "TCP", &note);
    let (left, right) = if area.width >= BESIDE {
        split_right(inside, area.width / 2 - 1, 1)
    } else {
        (inside, Rect::default())
    };
    let tcp = vitals.map(|vitals| vitals.tcp).unwrap_or_default();
    let rows = [
        (
            "resent",
            tcp.retransmits,
            Some(Curve::Retransmits),
            theme.warning(),
        ),
        ("resets", tcp.resets, Some(Curve::Resets), theme.warning()),
        ("connects", tcp.active_opens, None, theme.net_out),
        ("accepts", tcp.passive_opens, None, theme.net_in),
        ("not accepted", tcp.listen_drops, None, theme.critical()),
    ];
    for ((name, now, curve, style), y) in rows.into_iter().zip(left.y..left.bottom()) {
        canvas.put(left.x + 1, y, 13, name, theme.dim);
        let value = match vitals {
            None => "–".to_owned(),
            Some(_) => format!("{}/s", units::count(now)),
        };
        let style = if now > 0.0 { style } else { theme.dim };
        canvas.put_right(left.x + 23, y, 9, &value, style);
        let graph = Rect::new(left.x + 24, y, left.width.saturating_sub(25), 1);
        if let Some(curve) = curve {
            let values = app.scene().history.newest_first(curve);
            let max = chart::round_max(values.clone().take(graph.width.into()), 1.0);
            chart::spark(canvas, graph, values, max, style);
        }
    }
    if !right.is_empty() {
        outcomes(canvas, right, app);
    }
}

/// What came of the connections that the kernel told of in the time that curves show.
fn outcomes(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    let theme = canvas.theme;
    let secs = app.metrics.span_secs();
    let from = app.at().plus_nanos(-secs * 1_000_000_000);
    let outcome = app.scene().connects.since(from);
    let mut lines = area.rows();
    let mut row = |canvas: &mut Canvas<'_>, name: &str, value: &str, style| {
        if let Some(line) = lines.next() {
            canvas.put(line.x + 1, line.y, 13, name, theme.dim);
            canvas.put(
                line.x + 15,
                line.y,
                line.width.saturating_sub(16),
                value,
                style,
            );
        }
    };
    let attempts = format!(
        "{} outgoing in {}",
        units::count(outcome.attempts as f64),
        moment::span(secs as f64)
    );
    row(canvas, "connections", &attempts, theme.text);
    let latency = match outcome.latency {
        Some((half, most)) => format!(
            "half ≤ {}, 99 % ≤ {}",
            span_name(half.into()),
            span_name(most.into())
        ),
        None => "–".to_owned(),
    };
    row(canvas, "took", &latency, theme.text);
    if outcome.errors.is_empty() {
        row(canvas, "failed", "none", theme.good);
    }
    for (error, count) in &outcome.errors {
        let value = format!("{} × {error}", units::count(*count as f64));
        row(canvas, "failed", &value, theme.warning());
    }
}
