//! What the kernel tells: tasks and network as curves, and the agent's programs in it with their
//! cost.

use hark_api::{Feature, FeatureState};
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::console::state::App;
use crate::console::state::history::Curve;
use crate::console::widget::canvas::{Canvas, split_top};
use crate::console::widget::chart;
use crate::console::widget::page::Page;
use crate::console::widget::words;
use crate::units;

pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    let curves = if area.height >= 18 { 7 } else { 0 };
    let (top, bottom) = split_top(area, curves);
    if curves > 0 {
        rates(canvas, top, app);
    }
    programs(canvas, bottom, app);
}

fn rates(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    let theme = canvas.theme;
    let note = app.scene().vitals.as_ref().map_or(String::new(), |v| {
        format!(
            "{} TCP connections, {} OOM kills since boot",
            v.tcp.established, v.memory.oom_kills
        )
    });
    let inside = canvas.section(area, "Rates a second", &note);
    let rows: [(&str, Curve, Style); 6] = [
        ("context switches", Curve::Switches, theme.cpu),
        ("new processes", Curve::Forks, theme.system),
        ("received", Curve::NetIn, theme.net_in),
        ("sent", Curve::NetOut, theme.net_out),
        ("TCP retransmits", Curve::Retransmits, theme.warning()),
        ("TCP resets", Curve::Resets, theme.warning()),
    ];
    for ((name, curve, style), y) in rows.into_iter().zip(inside.y..inside.bottom()) {
        let now = app.scene().history.newest_first(curve).next();
        let value = match (now, curve) {
            (None, _) => "–".to_owned(),
            (Some(now), Curve::NetIn | Curve::NetOut) => units::bytes(now),
            (Some(now), _) => units::count(now),
        };
        let name_width = if area.width >= 60 { 18 } else { 11 };
        canvas.put(inside.x + 1, y, name_width - 1, name, theme.dim);
        let right = inside.x + name_width + 9;
        canvas.put_right(right, y, 9, &value, style);
        let graph = Rect::new(right + 1, y, inside.right().saturating_sub(right + 2), 1);
        let values = app.scene().history.newest_first(curve);
        let max = chart::round_max(values.clone().take(graph.width.into()), 1.0);
        chart::spark(canvas, graph, values, max, style);
    }
}

fn programs(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    let theme = canvas.theme;
    let Some(status) = &app.status else {
        let inside = canvas.section(area, "Kernel programs", "");
        canvas.put(
            inside.x + 1,
            inside.y,
            inside.width,
            "The agent has not told yet",
            theme.dim,
        );
        return;
    };
    let on = status
        .features
        .iter()
        .filter(|f| f.state == FeatureState::On)
        .count();
    let note = format!(
        "{on} of {} on · Linux {}",
        status.features.len(),
        status.kernel
    );
    let inside = canvas.section(area, "Kernel programs", &note);
    let inside = Rect {
        x: inside.x + 1,
        width: inside.width.saturating_sub(2),
        ..inside
    };
    app.page.set(inside.height);
    let mut page = Page::new(inside.width, theme);
    if status.features.is_empty() {
        page.text(0, "The agent has no kernel programs here", theme.dim);
    }
    for feature in &status.features {
        feature_lines(&mut page, canvas, feature);
    }
    page.draw(canvas, inside, &app.scroll);
}

/// A feature: on with its cost, or off with reason and remedy.
pub(super) fn feature_lines(page: &mut Page<'_>, canvas: &Canvas<'_>, feature: &Feature) {
    let theme = canvas.theme;
    match &feature.state {
        FeatureState::On => {
            page.line([
                ("● ", theme.good),
                (&feature.name, theme.strong),
                ("  ", theme.dim),
                (&feature.description, theme.dim),
            ]);
        }
        FeatureState::Disabled => {
            page.line([
                ("○ ", theme.dim),
                (&feature.name, theme.text),
                ("  off by configuration", theme.dim),
            ]);
        }
        FeatureState::Unavailable { reason, remedy } => {
            page.line([
                ("✗ ", theme.warning()),
                (&feature.name, theme.strong),
                ("  ", theme.dim),
                (&feature.description, theme.dim),
            ]);
            page.text(2, reason, theme.warning());
            if !remedy.is_empty() {
                page.text(2, &format!("→ {remedy}"), theme.accent);
            }
        }
    }
    for program in &feature.programs {
        let cost = match (program.runs, program.nanos) {
            (Some(runs), Some(nanos)) if runs > 0 => format!(
                "{:>7} runs  {:>6.0} ns each",
                units::count(runs as f64),
                nanos as f64 / runs as f64
            ),
            (Some(_), _) => "has not run".to_owned(),
            _ => "cost is not counted".to_owned(),
        };
        let hook = words::fit(&program.hook, 44);
        page.line([
            ("  ", theme.dim),
            (&format!("{hook:<44}"), theme.dim),
            ("  ", theme.dim),
            (&cost, theme.text),
        ]);
    }
}
