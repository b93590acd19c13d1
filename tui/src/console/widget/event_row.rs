//! One event on one line, in columns.

use hark_api::{Event, Source, Tier};
use ratatui::layout::Rect;

use super::canvas::Canvas;
use super::words;
use crate::clean::Clean;
use crate::console::theme::tier_sign;
use crate::moment;

/// Who an event is about: the service of a log, the process of anything else.
pub(crate) fn subject(event: &Event) -> String {
    let process = event.process.as_ref();
    let process = process.map(|p| format!("{}[{}]", p.comm, p.pid));
    let subject = match event.source {
        Source::Log => event.service.clone().or(process),
        _ => process.or_else(|| event.service.clone()),
    };
    subject.unwrap_or_else(|| event.source.to_string())
}

/// Draws the event: sign, time, level, kind, subject and message, as many as there is room for.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, event: &Clean<Event>, selected: bool) {
    let theme = canvas.theme;
    let tier = event.verdict.tier;
    let right = area.right();
    let (y, mut x) = (area.y, area.x);
    let mut column = |canvas: &mut Canvas<'_>, width: u16, text: &str, style| {
        let room = width.min(right.saturating_sub(x));
        canvas.put(x, y, room, text, style);
        x = (x + width + 1).min(right);
    };
    column(canvas, 1, tier_sign(tier), theme.tier(tier));
    let clock = moment::clock(event.time);
    match area.width {
        0..60 => column(canvas, 8, &clock[..8], theme.dim),
        _ => column(canvas, 12, &clock, theme.dim),
    }
    if area.width >= 70 {
        let level = event.level.as_str();
        column(canvas, 4, short_level(level), theme.level(event.level));
    }
    if area.width >= 90 {
        column(canvas, 14, event.kind.as_str(), theme.dim);
    }
    let subject_width = match area.width {
        0..60 => 10,
        60..120 => 16,
        _ => 24,
    };
    column(
        canvas,
        subject_width,
        &words::fit(&subject(event), subject_width.into()),
        theme.accent,
    );
    let style = if tier > Tier::Normal {
        theme.strong
    } else {
        theme.text
    };
    let room = right.saturating_sub(x);
    let end = canvas.put(x, y, room, &event.message, style);
    // Why it stands out, where there is room left for it.
    if tier > Tier::Normal
        && let Some(reason) = event.verdict.reasons.first()
        && right.saturating_sub(end) > 12
    {
        canvas.put(end + 2, y, right - end - 2, &reason.text, theme.tier(tier));
    }
    if selected {
        canvas.paint(area, theme.selection);
    }
}

/// A level in four letters.
fn short_level(level: &str) -> &str {
    match level {
        "debug" => "dbug",
        "notice" => "note",
        "critical" => "crit",
        "error" => "err",
        other => &other[..other.len().min(4)],
    }
}
