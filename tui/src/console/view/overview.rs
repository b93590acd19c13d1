//! The first screen: what is unusual now, how the host does, and what happens.

use hark_api::{FeatureState, Timestamp};
use ratatui::layout::Rect;

use super::{events, incidents, vital_lines, vitals};
use crate::console::keys::Action;
use crate::console::state::unusual::Sight;
use crate::console::state::{App, Tab};
use crate::console::theme::tier_sign;
use crate::console::update::unusual_row;
use crate::console::widget::canvas::{Canvas, split_right, split_top};
use crate::console::widget::event_row::{fit_subject, headline, subject};
use crate::moment;
use crate::rarity;
use crate::units;

/// From this size on the vital signs have a column of their own.
const WIDE: (u16, u16) = (110, 24);

pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    let area = open_incidents(canvas, area, app);
    let sights = app.scene().unusual.worst_first(app.at());
    if area.width >= WIDE.0 && area.height >= WIDE.1 {
        let (left, right) = split_right(area, (area.width * 2 / 5).clamp(48, 76), 1);
        let rows = (sights.len() as u16 + 1).clamp(3, left.height * 2 / 5);
        let (top, bottom) = split_top(left, rows);
        unusual(canvas, top, app, &sights);
        events::list(canvas, bottom, app, false);
        vitals::tall(canvas, right, app);
        return;
    }
    let (rows, vital_rows) = match area.height {
        0..=12 => (3, 3),
        13..=17 => (4, 5),
        18..=26 => ((sights.len() as u16 + 1).clamp(3, 6), 6),
        height => ((sights.len() as u16 + 1).clamp(3, height / 4), 9),
    };
    let (top, rest) = split_top(area, rows);
    let (middle, bottom) = split_top(rest, vital_rows);
    unusual(canvas, top, app, &sights);
    vital_lines::flat(canvas, middle, app);
    events::list(canvas, bottom, app, false);
}

/// The incidents that need a look, where there are any; gives what is left of the area.
fn open_incidents(canvas: &mut Canvas<'_>, area: Rect, app: &App) -> Rect {
    let open: Vec<_> = app.scene().incidents.open(app.at()).collect();
    if open.is_empty() || area.height < 10 {
        return area;
    }
    let most = (area.height / 6).max(1);
    let (top, rest) = split_top(area, (open.len() as u16).min(most) + 1);
    let note = format!("{} open", open.len());
    let inside = canvas.section(top, "Incidents", &note);
    for (record, y) in open.iter().zip(inside.y..inside.bottom()) {
        incidents::row(
            canvas,
            Rect::new(inside.x, y, inside.width, 1),
            record,
            app.at(),
        );
    }
    canvas.hit(inside, Action::Show(Tab::Incidents));
    rest
}

fn unusual(canvas: &mut Canvas<'_>, area: Rect, app: &App, sights: &[&Sight]) {
    let theme = canvas.theme;
    let note = match sights.len() {
        0 => String::new(),
        n => format!("{n} in 24 h"),
    };
    let inside = canvas.section(area, "Unusual now", &note);
    if inside.is_empty() {
        return;
    }
    if sights.is_empty() {
        healthy(canvas, inside, app);
        return;
    }
    let selected = unusual_row(app);
    let height = usize::from(inside.height);
    let top = crate::console::state::scroll_to(0, selected, height, sights.len());
    app.page.set(inside.height);
    for ((row, sight), y) in sights
        .iter()
        .enumerate()
        .skip(top)
        .zip(inside.y..inside.bottom())
    {
        let line = Rect::new(inside.x, y, inside.width, 1);
        sight_row(canvas, line, sight, app.at());
        if row == selected {
            canvas.paint(line, theme.selection);
        }
    }
    if top == 0 {
        canvas.hit(inside, Action::Row(0));
    }
}

/// Sign, since when, how often, who, what, and how rare.
fn sight_row(canvas: &mut Canvas<'_>, line: Rect, sight: &Sight, now: Timestamp) {
    let theme = canvas.theme;
    let style = theme.tier(sight.tier);
    let y = line.y;
    let event = &sight.event;
    let mut x = canvas.put(line.x, y, 1, tier_sign(sight.tier), style) + 1;
    if line.width >= 60 {
        canvas.put(x, y, 8, sight.tier.as_str(), style);
        x += 9;
    }
    canvas.put_right(x + 4, y, 4, &moment::age(event.time, now), theme.dim);
    x += 5;
    let who = subject(event);
    let who_width = match line.width {
        0..60 => 10,
        60..100 => 18,
        _ => 20,
    };
    canvas.put(x, y, who_width, &fit_subject(&who, who_width), theme.accent);
    x += who_width + 1;
    let mut right = line.right();
    if line.width >= 50 && sight.count > 1 {
        let count = format!(" ×{}", units::count(sight.count as f64));
        canvas.put_right(right, y, 8, &count, theme.dim);
        right -= count.chars().count() as u16;
    }
    // How rare it is, or why it stands out, at the right where there is room.
    let rarity = rarity::words(event.verdict.rarity);
    if let Some(rarity) = rarity
        && line.width >= 76
    {
        let width = rarity.chars().count() as u16 + 1;
        canvas.put_right(right, y, width, &rarity, style);
        right = right.saturating_sub(width + 1);
    }
    let end = canvas.put(
        x,
        y,
        right.saturating_sub(x),
        headline(event, &who),
        theme.text,
    );
    if let Some(reason) = event.verdict.reasons.first()
        && right.saturating_sub(end) > 16
    {
        canvas.put(end + 2, y, right - end - 2, &reason.text, theme.dim);
    }
}

/// Seconds of history before which most of what happens is not judged, only learned.
const LEARNING: i64 = 600;
const DAY: i64 = 86_400;

/// Nothing unusual: says so, and what that rests on.
fn healthy(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    let theme = canvas.theme;
    let x = canvas.put(area.x + 1, area.y, 2, "✓ ", theme.good);
    let Some(status) = &app.status else {
        canvas.put(x, area.y, area.width, "Nothing yet", theme.dim);
        return;
    };
    let room = area.right().saturating_sub(x);
    let oldest = status.store.oldest_time;
    let watched = oldest.map_or(0, |oldest| {
        (app.at().as_nanos() - oldest.as_nanos()) / 1_000_000_000
    });
    let age = oldest.map(|oldest| moment::age(oldest, app.at()));
    let calm = match &age {
        Some(age) if watched < LEARNING => {
            format!("Nothing unusual in the first {age}, while much is still learned")
        }
        Some(age) if watched < DAY => format!("Nothing unusual in {age}"),
        Some(_) => "Nothing unusual in 24 hours".to_owned(),
        None => "Nothing unusual yet".to_owned(),
    };
    let end = canvas.put(x, area.y, room, &calm, theme.text);
    let on = status
        .sources
        .iter()
        .filter(|s| s.state == FeatureState::On);
    let (on, lost) = on.fold((0, 0), |(on, lost), s| (on + 1, lost + s.dropped));
    let learned = age.map_or_else(
        || "nothing stored yet".to_owned(),
        |age| format!("{age} of history"),
    );
    let text = format!(
        "{learned}, {} events, {on} sources, {} lost",
        units::count(status.store.events as f64),
        units::count(lost as f64),
    );
    if area.height >= 2 {
        canvas.put(x, area.y + 1, room, &text, theme.dim);
    } else {
        canvas.put(
            end + 2,
            area.y,
            area.right().saturating_sub(end + 3),
            &text,
            theme.dim,
        );
    }
}
