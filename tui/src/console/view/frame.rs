//! The first and the last line: where one is, how the agent is, and what keys do.

use hark_api::Health;
use ratatui::layout::{Position, Rect};
use ratatui::style::Modifier;
use unicode_width::UnicodeWidthStr as _;

use crate::console::keys::Action;
use crate::console::state::{App, DetailOf, FilterPrompt, Link, Tab};
use crate::console::widget::canvas::Canvas;
use crate::console::widget::words;
use crate::moment;
use crate::units;

/// The host, the views and the connection.
pub(super) fn header(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    let theme = canvas.theme;
    let y = area.y;
    let mut x = canvas.put(
        area.x + 1,
        y,
        4,
        "hark",
        theme.accent.add_modifier(Modifier::BOLD),
    ) + 1;
    let clock = &moment::clock(app.now)[..8];
    let health = app.status.as_ref().map(|status| &status.health);
    let (sign, word, style) = match (&app.link, health) {
        // What is seen is not now, whatever the agent does.
        (Link::Live | Link::Replay, _) if app.travel.is_some() => ("◀", "then", theme.warning()),
        (Link::Connecting, _) => ("◌", "connecting", theme.dim),
        (Link::Down { .. }, _) => ("✗", "no agent", theme.critical()),
        (Link::Live, Some(Health::Failing { .. })) => ("✗", "failing", theme.critical()),
        (Link::Live, Some(Health::Degraded { .. })) => ("●", "live", theme.warning()),
        (Link::Live, _) => ("●", "live", theme.good),
        (Link::Replay, _) => ("▶", "recorded", theme.warning()),
    };
    if let Some(status) = &app.status
        && area.width >= 100
    {
        let width = status.host.width().min(24) as u16;
        x = canvas.put(x, y, width, &status.host, theme.strong) + 1;
    }
    // As much as fits: first the clock goes, then the numbers, then all names but the current.
    let is_wordy = area.width >= 110 || matches!(app.link, Link::Down { .. });
    let sign_text = if is_wordy {
        format!("{sign} {word} ")
    } else {
        format!("{sign} ")
    };
    let sign_width = sign_text.width() as u16;
    let names: u16 = app.tabs().iter().map(|tab| tab.name().len() as u16).sum();
    let count = app.tabs().len() as u16;
    let room = area.right().saturating_sub(x + sign_width);
    let has_clock =
        room >= names + 4 * count + 13 || (room < names + 2 * count && area.width >= 60);
    let mut right = area.right();
    if has_clock {
        canvas.put_right(right, y, 13, &format!("{clock} UTC "), theme.dim);
        right -= 13;
    }
    canvas.put_right(right, y, sign_width, &sign_text, style);
    right = right.saturating_sub(sign_width);
    let room = right.saturating_sub(x);
    for (i, tab) in app.tabs().iter().copied().enumerate() {
        let is_shown = tab == app.tab;
        let text = if room >= names + 4 * count {
            format!(" {} {} ", i + 1, tab.name())
        } else if is_shown || room >= names + 2 * count {
            format!(" {} ", tab.name())
        } else {
            format!(" {} ", i + 1)
        };
        let width = text.width() as u16;
        if x + width > right {
            break;
        }
        let style = if is_shown { theme.strong } else { theme.dim };
        let end = canvas.put(x, y, width, &text, style);
        let hit = Rect::new(x, y, end - x, 1);
        if is_shown {
            canvas.paint(hit, theme.selection);
        }
        canvas.hit(hit, Action::Show(tab));
        x = end;
    }
}

/// What keys do here, and what is filtered, held or was just done.
pub(super) fn footer(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    let theme = canvas.theme;
    let (text, style) = note(app);
    let note_width = (text.width() as u16).min(area.width.saturating_sub(8));
    canvas.put_right(area.right() - 1, area.y, note_width, &text, style);
    let right = area.right().saturating_sub(note_width + 3);
    let mut x = area.x + 1;
    let hinted = app.keys.all().filter(|(b, _)| b.place.has(app.tab));
    for (binding, keys, hint) in hinted.filter_map(|(b, keys)| Some((b, keys, b.hint?))) {
        // What has no key is in the palette.
        let Some(key) = keys.first().map(|key| key.name()) else {
            continue;
        };
        let hint = match (binding.action, app.scene().events.is_following()) {
            (Action::Follow, _) if app.travel.is_some() => "live",
            (Action::Follow, false) if matches!(app.tab, Tab::Overview | Tab::Events) => "follow",
            (Action::Open, _) if app.templates.is_shown => "filter",
            (Action::Templates, _) if app.templates.is_shown => "events",
            (Action::Open, _) if app.tab == Tab::Events && is_detailed(app) => "list",
            _ => hint,
        };
        let width = (key.width() + 1 + hint.width()) as u16;
        if x + width > right {
            continue;
        }
        let start = x;
        x = canvas.parts(
            x,
            area.y,
            width,
            &[(&key, theme.accent), (" ", theme.dim), (hint, theme.dim)],
        );
        canvas.hit(Rect::new(start, area.y, x - start, 1), binding.action);
        x += 2;
    }
}

fn is_detailed(app: &App) -> bool {
    !matches!(app.detail.of, DetailOf::Nothing)
}

fn note(app: &App) -> (String, ratatui::style::Style) {
    let theme = &app.theme;
    if let Some((said, until)) = &app.said
        && app.now < *until
    {
        return (said.clone(), theme.accent);
    }
    let behind = app.scene().events.behind(&app.scene().log);
    if !app.scene().events.is_following() && matches!(app.tab, Tab::Overview | Tab::Events) {
        let new = match behind {
            0 => String::new(),
            n => format!(", {} new", units::count(n as f64)),
        };
        return (format!("paused{new}"), theme.warning());
    }
    if app.missed > 0 {
        let text = format!("{} events came too fast", units::count(app.missed as f64));
        return (text, theme.warning());
    }
    if app.is_recording {
        return ("⏺ recording".to_owned(), theme.dim);
    }
    (String::new(), theme.dim)
}

/// The filter as it is typed; gives the place of the cursor.
pub(super) fn filter(
    canvas: &mut Canvas<'_>,
    area: Rect,
    app: &App,
    prompt: &FilterPrompt,
) -> Position {
    let theme = canvas.theme;
    let mut x = canvas.put(area.x + 1, area.y, 8, "filter ", theme.accent);
    let note = match &prompt.error {
        Some(error) => format!("column {}: {}", error.column, error.reason),
        None if app.scene().events.is_searching(&app.scene().log) => "searching …".to_owned(),
        None => format!(
            "{} found",
            units::count(app.scene().events.len(&app.scene().log) as f64)
        ),
    };
    let note_width = (note.width() as u16).min(area.width / 2);
    let style = if prompt.error.is_some() {
        theme.critical()
    } else {
        theme.dim
    };
    canvas.put_right(area.right() - 1, area.y, note_width, &note, style);
    let width = area.right().saturating_sub(x + note_width + 3);
    let value = prompt.input.value();
    let scroll = prompt.input.visual_scroll(width.into());
    let cursor = prompt.input.visual_cursor().saturating_sub(scroll) as u16;
    let shown = after_columns(value, scroll);
    let text_x = x;
    x = canvas.put(x, area.y, width, shown, theme.strong);
    if value.is_empty() {
        let hint = "tier>=warning service:web \"text\" -level:debug   ↑ earlier  Esc back";
        canvas.put(x, area.y, width, hint, theme.rule);
    }
    // The place that does not parse.
    if let Some(error) = &prompt.error {
        let before: usize = value
            .chars()
            .take(error.column.saturating_sub(1))
            .map(|c| c.to_string().width())
            .sum();
        if before >= scroll {
            let at = text_x + (before - scroll) as u16;
            let place = Rect::new(at, area.y, 1, 1).intersection(area);
            canvas.paint(place, theme.critical().add_modifier(Modifier::UNDERLINED));
        }
    }
    Position::new(text_x + cursor.min(width), area.y)
}

/// The words searched for among the metrics; gives the place of the cursor.
pub(super) fn search(
    canvas: &mut Canvas<'_>,
    area: Rect,
    app: &App,
    input: &tui_input::Input,
) -> Position {
    let (all, found) = app.metrics.names();
    let note = format!("{} of {all}", found.len());
    line(canvas, area, "search ", &note, input)
}

/// A line of text as it is typed, with a name before it and a note after it; gives the place of
/// the cursor.
pub(super) fn line(
    canvas: &mut Canvas<'_>,
    area: Rect,
    name: &str,
    note: &str,
    input: &tui_input::Input,
) -> Position {
    let theme = canvas.theme;
    let x = canvas.put(area.x + 1, area.y, 8, name, theme.accent);
    canvas.put_right(area.right() - 1, area.y, 16, note, theme.dim);
    let width = area.right().saturating_sub(x + 18);
    let scroll = input.visual_scroll(width.into());
    let shown = after_columns(input.value(), scroll);
    canvas.put(x, area.y, width, shown, theme.strong);
    let cursor = input.visual_cursor().saturating_sub(scroll) as u16;
    Position::new(x + cursor.min(width), area.y)
}

/// The text without its first columns.
fn after_columns(text: &str, columns: usize) -> &str {
    if columns == 0 {
        return text;
    }
    let mut used = 0;
    for (at, c) in text.char_indices() {
        if used >= columns {
            return &text[at..];
        }
        used += words::width_of(c);
    }
    ""
}
