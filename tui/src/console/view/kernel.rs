//! What the kernel tells: how long threads and block requests waited, over time; TCP; and the
//! agent's programs in it, with their cost and what they lost.

use hark_api::{Feature, FeatureState, Status};
use ratatui::layout::Rect;

use super::{failed_calls, tcp};
use crate::console::state::App;
use crate::console::state::heat::{Heat, Map, Of};
use crate::console::widget::canvas::{Canvas, split_right, split_top};
use crate::console::widget::heat_map::{self, Slow, span_name};
use crate::console::widget::page::Page;
use crate::console::widget::words;
use crate::moment;
use crate::units;

/// Waits for a CPU, and for a disk, that stand out, in seconds.
const SLOW_CPU: Slow = (0.008, 0.1);
const SLOW_DISK: Slow = (0.03, 0.5);
/// From this width on heat maps stand side by side.
const BESIDE: u16 = 110;

pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    // On a small screen the calls that fail are lines of the text below.
    let (heat, tcp_rows, call_rows) = match area.height {
        0..=12 => (5, 0, 0),
        13..=24 => (6, 4, 0),
        25..=44 => (12, 6, failed_calls::rows(app, 5)),
        _ => (14, 6, failed_calls::rows(app, 8)),
    };
    let mut rest = area;
    if area.width >= BESIDE {
        let (top, below) = split_top(rest, heat + 1);
        let (left, right) = split_right(top, area.width / 2, 1);
        run_queue(canvas, left, app);
        block(canvas, right, app);
        rest = below;
    } else {
        let (top, below) = split_top(rest, heat);
        run_queue(canvas, top, app);
        rest = below;
        // The smallest screen has room for one.
        if area.height > 12 {
            let (top, below) = split_top(rest, heat - 1);
            block(canvas, top, app);
            rest = below;
        }
    }
    let (top, bottom) = split_top(rest, tcp_rows);
    if tcp_rows > 0 {
        tcp::draw(canvas, top, app);
    }
    let (top, bottom) = split_top(bottom, call_rows);
    if call_rows > 0 {
        failed_calls::draw(canvas, top, app);
    }
    programs(canvas, bottom, app, call_rows == 0);
}

fn run_queue(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    heat(
        canvas,
        area,
        app,
        "Waits for a CPU",
        &[Of::RunQueue],
        SLOW_CPU,
    );
}

fn block(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    // One map has room for a few lines only: of reads and writes, the one with more.
    let both = area.height >= 10;
    let count = |of| {
        let map = app.heat.maps.iter().find(|map| map.of == of);
        map.map_or(0.0, |map| {
            let columns = map.columns.iter();
            columns.flat_map(|column| &column.rates).sum::<f32>()
        })
    };
    let (title, of): (_, &[Of]) = match (both, count(Of::Read) > count(Of::Write)) {
        (true, _) => ("Waits for disks: reads over writes", &[Of::Read, Of::Write]),
        (false, true) => ("Waits for disks: reads", &[Of::Read]),
        (false, false) => ("Waits for disks: writes", &[Of::Write]),
    };
    heat(canvas, area, app, title, of, SLOW_DISK);
}

fn heat(canvas: &mut Canvas<'_>, area: Rect, app: &App, title: &str, of: &[Of], slow: Slow) {
    let theme = canvas.theme;
    let maps = of
        .iter()
        .filter_map(|of| app.heat.maps.iter().find(|map| map.of == *of));
    let maps: Vec<&Map> = maps.filter(|map| !map.columns.is_empty()).collect();
    let window = Heat::window(app.at(), app.metrics.span_secs());
    let last = maps.first().and_then(|map| {
        let column = map.within(window).last()?;
        Some((map.quantile(column, 0.5)?, map.quantile(column, 0.99)?))
    });
    let span = moment::span((window.1.as_nanos() - window.0.as_nanos()) as f64 / 1e9);
    let note = match last {
        Some((half, most)) => format!(
            "half ≤ {}, 99 % ≤ {} · {span}",
            span_name(half),
            span_name(most)
        ),
        None => span,
    };
    let inside = canvas.section(area, title, &note);
    if maps.is_empty() {
        let text = why_none(app, of);
        let room = inside.width.saturating_sub(2);
        canvas.put(inside.x + 1, inside.y, room, &text, theme.dim);
        return;
    }
    let mut rest = inside;
    for (at, map) in maps.iter().enumerate() {
        let (place, below) = split_top(rest, rest.height / (maps.len() - at) as u16);
        heat_map::draw(canvas, place, map, window, slow);
        rest = below;
    }
}

/// Why there is no heat map.
fn why_none(app: &App, of: &[Of]) -> String {
    let name = if of.contains(&Of::RunQueue) {
        "runqueue_latency"
    } else {
        "block_latency"
    };
    let mut features = app.status.iter().flat_map(|status| &status.features);
    match features
        .find(|feature| feature.name == name)
        .map(|f| &f.state)
    {
        Some(FeatureState::Disabled) => format!("{name} is off by configuration"),
        Some(FeatureState::Unavailable { reason, .. }) => reason.clone(),
        _ if app.heat.is_loaded() => "None were seen in this time".to_owned(),
        _ => "…".to_owned(),
    }
}

fn programs(canvas: &mut Canvas<'_>, area: Rect, app: &App, with_calls: bool) {
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
    losses(&mut page, canvas, status);
    if with_calls {
        failed_calls::lines(&mut page, canvas, app);
        page.gap();
    }
    if status.features.is_empty() {
        page.text(0, "The agent has no kernel programs here", theme.dim);
    }
    let mut programs = status.features.iter().flat_map(|feature| &feature.programs);
    if programs.clone().next().is_some() && programs.all(|program| program.runs.is_none()) {
        let remedy = "→ sysctl kernel.bpf_stats_enabled=1 has the kernel count what programs cost";
        page.text(0, remedy, theme.accent);
    }
    for feature in &status.features {
        feature_lines(
            &mut page,
            canvas,
            feature,
            app.status_before
                .as_deref()
                .map(|before| (before, &**status)),
        );
    }
    page.draw(canvas, inside, &app.scroll);
}

/// What came of the kernel's events, in a line.
fn losses(page: &mut Page<'_>, canvas: &Canvas<'_>, status: &Status) {
    let theme = canvas.theme;
    let Some(kernel) = status.sources.iter().find(|source| source.name == "kernel") else {
        return;
    };
    let lost = format!("{} lost", units::count(kernel.dropped as f64));
    let style = if kernel.dropped > 0 {
        theme.warning()
    } else {
        theme.good
    };
    page.line([
        (&units::count(kernel.received as f64), theme.strong),
        (" events, ", theme.dim),
        (&lost, style),
        (", ", theme.dim),
        (&units::count(kernel.withheld as f64), theme.strong),
        (" withheld by their budgets and counted", theme.dim),
    ]);
}

/// A feature: on with its cost, or off with reason and remedy. With two states one after the
/// other, what it costs now is told.
pub(super) fn feature_lines(
    page: &mut Page<'_>,
    canvas: &Canvas<'_>,
    feature: &Feature,
    states: Option<(&Status, &Status)>,
) {
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
        let now = states.map_or(String::new(), |(before, now)| {
            cost_now(&program.name, before, now)
        });
        let hook = words::fit(&program.hook, 44);
        page.line([
            ("  ", theme.dim),
            (&format!("{hook:<44}"), theme.dim),
            ("  ", theme.dim),
            (&cost, theme.text),
            (&now, theme.accent),
        ]);
    }
}

/// How often a program runs a second, and which share of a CPU it takes.
fn cost_now(name: &str, before: &Status, now: &Status) -> String {
    let find = |status: &Status| {
        let mut programs = status.features.iter().flat_map(|feature| &feature.programs);
        let program = programs.find(|program| program.name == name)?;
        Some((program.runs?, program.nanos?))
    };
    let secs = (now.now.as_nanos() - before.now.as_nanos()) as f64 / 1e9;
    let (Some(before), Some(now)) = (find(before), find(now)) else {
        return String::new();
    };
    let runs = now.0.saturating_sub(before.0) as f64 / secs;
    if secs <= 0.0 || runs <= 0.0 {
        return String::new();
    }
    let share = now.1.saturating_sub(before.1) as f64 / 1e7 / secs;
    format!("  {:>6}/s  {share:.2} % of a CPU", units::count(runs))
}
