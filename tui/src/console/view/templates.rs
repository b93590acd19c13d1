//! The log templates with how often each was seen: what services write, without the values.

use ratatui::layout::Rect;

use crate::console::keys::Action;
use crate::console::state::{App, Link};
use crate::console::widget::canvas::{Canvas, below};
use crate::console::widget::chart;
use crate::units;

/// What stands for a value.
const VALUE: &str = "<*>";

pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    let theme = canvas.theme;
    let templates = &app.templates;
    let all = templates.all();
    let lines: u64 = all.iter().map(|template| template.count).sum();
    let note = match all.len() {
        0 => String::new(),
        n => format!("{n} of {} lines", units::count(lines as f64)),
    };
    let inside = canvas.section(area, "Log templates, the most frequent first", &note);
    if all.is_empty() {
        let text = match (&app.link, templates.is_known()) {
            (Link::Replay, _) => "A recording has no templates",
            (_, true) => "No service has written a line yet. Try one: hark send \"hello\"",
            (_, false) => "…",
        };
        let room = inside.width.saturating_sub(2);
        canvas.put(inside.x + 1, inside.y, room, text, theme.dim);
        return;
    }
    canvas.put_right(inside.x + 8, inside.y, 7, "SEEN", theme.dim);
    let bar_width = if inside.width >= 60 { 10 } else { 0 };
    let text_x = inside.x + 10 + bar_width + u16::from(bar_width > 0);
    canvas.put(text_x, inside.y, 8, "LINE", theme.dim);
    let rows = below(inside, 1);
    app.page.set(rows.height);
    let selected = templates.selected_row();
    let top = templates.top(rows.height.into());
    // The most frequent one fills its bar.
    let most = all.iter().map(|t| t.count).max().unwrap_or(1).max(1) as f64;
    let shown = all.iter().enumerate().skip(top);
    for ((row, template), y) in shown.zip(rows.y..rows.bottom()) {
        let count = units::count(template.count as f64);
        canvas.put_right(rows.x + 8, y, 7, &count, theme.strong);
        let bar = Rect::new(rows.x + 10, y, bar_width, 1);
        chart::bar(canvas, bar, template.count as f64 / most, theme.cpu);
        let mut x = text_x;
        for (i, part) in template.text.split(VALUE).enumerate() {
            let room = |x: u16| rows.right().saturating_sub(x);
            if i > 0 {
                x = canvas.put(x, y, room(x), VALUE, theme.accent);
            }
            x = canvas.put(x, y, room(x), part, theme.text);
        }
        if row == selected {
            canvas.paint(Rect::new(rows.x, y, rows.width, 1), theme.selection);
        }
    }
    canvas.hit(rows, Action::Row(0));
}
