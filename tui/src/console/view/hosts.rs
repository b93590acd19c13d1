//! Several hosts, the worst first.

use ratatui::layout::Rect;

use super::vitals::percent;
use crate::console::keys::Action;
use crate::console::state::hosts::Host;
use crate::console::state::{App, Scroll};
use crate::console::theme::tier_sign;
use crate::console::widget::canvas::{Canvas, below, split_top};
use crate::console::widget::chart;
use crate::console::widget::page::Page;
use crate::moment;

/// The column in which values stand.
const COLUMN: usize = 11;

pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    let theme = canvas.theme;
    let hosts = &app.hosts;
    let away = hosts.all.iter().filter(|host| host.why.is_some()).count();
    let is_unheard = |host: &&Host| host.why.is_none() && host.seen.is_none();
    let unheard = hosts.all.iter().filter(is_unheard).count();
    let note = match (hosts.all.len(), away, unheard) {
        (0, ..) => String::new(),
        (all, 0, 0) => format!("{all}, all answer"),
        (all, 0, unheard) => format!("{all}, {unheard} not heard of yet"),
        (all, 1, _) => format!("{all}, 1 does not answer"),
        (all, away, _) => format!("{all}, {away} do not answer"),
    };
    let inside = canvas.section(area, "Hosts, the worst first", &note);
    if hosts.all.is_empty() {
        let lines = [
            "One host is looked at. Several, in one console:",
            "hark --host http://10.0.0.7:5000 --host http://10.0.0.8:5000",
            "or [[hosts]] in the configuration file: hark config",
        ];
        for (text, y) in lines.into_iter().zip(inside.y..inside.bottom()) {
            canvas.put(
                inside.x + 1,
                y,
                inside.width.saturating_sub(2),
                text,
                theme.dim,
            );
        }
        return;
    }
    let name_width = (inside.width / 4).clamp(10, 28);
    head(canvas, inside, name_width);
    let rows = below(inside, 1);
    // All that is known of the selected one, where that leaves a list.
    let detail = if rows.height >= 12 { 6 } else { 0 };
    let list = (hosts.all.len() as u16 + 1).min(rows.height - detail);
    let (rows, detail) = split_top(rows, if detail > 0 { list } else { rows.height });
    app.page.set(rows.height);
    let selected = hosts.selected_row();
    let order = hosts.worst_first();
    let top = hosts.top(rows.height.into());
    for ((row, at), y) in order
        .iter()
        .enumerate()
        .skip(top)
        .zip(rows.y..rows.bottom())
    {
        let line = Rect::new(rows.x, y, rows.width, 1);
        let host = &hosts.all[*at];
        host_row(canvas, line, name_width, host, app, *at == hosts.entered);
        if row == selected {
            canvas.paint(line, theme.selection);
        }
    }
    canvas.hit(rows, Action::Row(0));
    if let Some(host) = hosts.selected().and_then(|at| hosts.all.get(at)) {
        selected_host(canvas, detail, host, app);
    }
}

/// The selected host in full.
fn selected_host(canvas: &mut Canvas<'_>, area: Rect, host: &Host, app: &App) {
    let theme = canvas.theme;
    if area.height < 2 {
        return;
    }
    let inside = canvas.section(area, &host.name, &host.endpoint);
    let mut page = Page::new(inside.width.saturating_sub(2), theme);
    let seen = match host.seen {
        Some(seen) => moment::in_words(seen, app.now),
        None => "never yet".to_owned(),
    };
    match &host.why {
        Some(why) => {
            page.field(COLUMN, "away", why, theme.critical());
            page.field(COLUMN, "answered", &seen, theme.text);
        }
        None => page.field(COLUMN, "agent", host.health, theme.text),
    }
    if host.open > 0 {
        let more = match host.open {
            1 => String::new(),
            open => format!("; and {} more", open - 1),
        };
        let text = format!("{}{more}", host.title.as_str());
        page.field(COLUMN, "incident", &text, theme.tier(host.tier));
    }
    let place = Rect {
        x: inside.x + 1,
        width: inside.width.saturating_sub(2),
        ..inside
    };
    page.draw(canvas, place, &Scroll::default());
}

fn head(canvas: &mut Canvas<'_>, area: Rect, name_width: u16) {
    let style = canvas.theme.dim;
    let mut x = area.x + 2 + name_width;
    canvas.put(area.x + 2, area.y, name_width, "HOST", style);
    for (name, width) in [("SEEN", 6), ("CPU", 7), ("MEMORY", 8), ("OPEN", 5)] {
        canvas.put_right(x + width, area.y, width, name, style);
        x += width;
    }
    canvas.put(
        x + 1,
        area.y,
        area.right().saturating_sub(x + 1),
        "STATE",
        style,
    );
}

fn host_row(
    canvas: &mut Canvas<'_>,
    line: Rect,
    name_width: u16,
    host: &Host,
    app: &App,
    is_entered: bool,
) {
    let theme = canvas.theme;
    let y = line.y;
    let (sign, sign_style) = match host.why {
        Some(_) => ("✗", theme.critical()),
        None if host.seen.is_none() => ("◌", theme.dim),
        None if host.open == 0 => ("✓", theme.good),
        None => (tier_sign(host.tier), theme.tier(host.tier)),
    };
    canvas.put(line.x, y, 1, sign, sign_style);
    let name_style = if is_entered {
        theme.accent
    } else {
        theme.strong
    };
    canvas.put(line.x + 2, y, name_width - 1, &host.name, name_style);
    let mut x = line.x + 2 + name_width;
    let seen = host
        .seen
        .map_or("–".to_owned(), |seen| moment::age(seen, app.now));
    let share = |share: Option<f64>| share.map_or("–".to_owned(), percent);
    let open = match host.open {
        0 => "·".to_owned(),
        open => open.to_string(),
    };
    let busy = |share: Option<f64>, calm| theme.share(share.unwrap_or(0.0), calm);
    for (text, width, style) in [
        (seen, 6, theme.dim),
        (share(host.cpu), 7, busy(host.cpu, theme.text)),
        (share(host.memory), 8, busy(host.memory, theme.text)),
        (open, 5, theme.tier(host.tier)),
    ] {
        canvas.put_right(x + width, y, width, &text, style);
        x += width;
    }
    x += 1;
    if line.width >= 120 {
        let bar = Rect::new(x, y, 12, 1);
        let cpu = host.cpu.unwrap_or(0.0);
        chart::bar(canvas, bar, cpu, theme.share(cpu, theme.cpu));
        x += 14;
    }
    let (text, style) = match &host.why {
        Some(why) => (why.as_str(), theme.warning()),
        None if host.open > 0 => (host.title.as_str(), theme.text),
        None => (host.health, theme.dim),
    };
    canvas.put(x, y, line.right().saturating_sub(x), text, style);
}
