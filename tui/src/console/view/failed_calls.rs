//! System calls that fail, by command, call and error.

use hark_api::FeatureState;
use ratatui::layout::Rect;

use crate::console::state::App;
use crate::console::widget::canvas::{Canvas, split_right};
use crate::console::widget::chart;
use crate::console::widget::page::Page;
use crate::moment;
use crate::units;

/// The feature behind it.
const FEATURE: &str = "syscall_error";
/// From this width on two columns of them stand side by side.
const BESIDE: u16 = 110;

/// Why there is nothing to show, and what turns it on.
fn why_none(app: &App) -> Option<(String, Option<String>)> {
    let status = app.status.as_ref()?;
    let feature = status.features.iter().find(|f| f.name == FEATURE);
    let turn_on = format!("kernel.extra_features = [\"{FEATURE}\"] in agent.toml, then a restart");
    match feature.map(|feature| &feature.state) {
        Some(FeatureState::On) => None,
        Some(FeatureState::Disabled) | None if !status.features.is_empty() => Some((
            format!("Off: {FEATURE} takes some 60 ns of every system call of the host"),
            Some(turn_on),
        )),
        Some(FeatureState::Unavailable { reason, remedy }) => Some((
            reason.clone(),
            Some(remedy.clone()).filter(|remedy| !remedy.is_empty()),
        )),
        _ => Some(("The agent has no kernel programs here".to_owned(), None)),
    }
}

/// How many lines are worth a place, with the heading.
pub(super) fn rows(app: &App, most: u16) -> u16 {
    if why_none(app).is_some() { 3 } else { most }
}

pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    let theme = canvas.theme;
    let (secs, failed) = failed(app);
    let off = why_none(app);
    let note = match &failed[..] {
        all if all.is_empty() || off.is_some() => String::new(),
        all => {
            let sum: u64 = all.iter().map(|(_, count)| count).sum();
            let span = moment::span(secs as f64);
            format!("{} in {span}", units::count(sum as f64))
        }
    };
    let inside = canvas.section(area, "Failed system calls", &note);
    if inside.is_empty() {
        return;
    }
    if let Some((why, remedy)) = off {
        let room = inside.width.saturating_sub(2);
        let lines = [
            (Some(why), theme.dim),
            (remedy.map(|text| format!("→ {text}")), theme.accent),
        ];
        for ((text, style), y) in lines.into_iter().zip(inside.y..inside.bottom()) {
            canvas.put(inside.x + 1, y, room, &text.unwrap_or_default(), style);
        }
        return;
    }
    if failed.is_empty() {
        let text = "None failed in this time, but for those that say `try again`";
        let room = inside.width.saturating_sub(1);
        canvas.put(inside.x + 1, inside.y, room, text, theme.good);
        return;
    }
    let columns = if area.width >= BESIDE {
        let (left, right) = split_right(inside, area.width / 2, 1);
        vec![left, right]
    } else {
        vec![inside]
    };
    let most = failed.first().map_or(0, |(_, count)| *count) as f64;
    let places = columns.into_iter().flat_map(Rect::rows);
    for ((call, count), line) in failed.into_iter().zip(places) {
        let times = units::count(count as f64);
        canvas.put_right(line.x + 9, line.y, 9, &times, theme.strong);
        let bar = Rect::new(line.x + 10, line.y, 8, 1);
        chart::bar(canvas, bar, count as f64 / most, theme.warning());
        let room = line.width.saturating_sub(19);
        let end = canvas.put(
            line.x + 19,
            line.y,
            room.min(16),
            &call.command,
            theme.accent,
        );
        let rest = line.right().saturating_sub(end + 1);
        let parts = [
            (call.name.as_str(), theme.text),
            (" ", theme.dim),
            (call.error.as_str(), theme.warning()),
        ];
        canvas.parts(end + 1, line.y, rest, &parts);
    }
}

/// The same as lines of a text, where there is no place for more.
pub(super) fn lines(page: &mut Page<'_>, canvas: &Canvas<'_>, app: &App) {
    /// Lines at most.
    const MOST: usize = 5;
    let theme = canvas.theme;
    page.heading("Failed system calls");
    if let Some((why, remedy)) = why_none(app) {
        page.text(0, &why, theme.dim);
        if let Some(remedy) = remedy {
            page.text(0, &format!("→ {remedy}"), theme.accent);
        }
        return;
    }
    let (_, failed) = failed(app);
    if failed.is_empty() {
        page.text(0, "None in this time", theme.good);
    }
    for (call, count) in failed.into_iter().take(MOST) {
        let times = format!("{:>7}  ", units::count(count as f64));
        page.line([
            (&times, theme.strong),
            (&call.command, theme.accent),
            (" ", theme.dim),
            (&call.name, theme.text),
            (" ", theme.dim),
            (&call.error, theme.warning()),
        ]);
    }
}

/// What failed in the time that curves show, and how long that is in seconds.
fn failed(app: &App) -> (i64, Vec<(&crate::console::state::failures::Call, u64)>) {
    let secs = app.metrics.span_secs();
    let from = app.at().plus_nanos(-secs * 1_000_000_000);
    (secs, app.scene().failures.since(from))
}
