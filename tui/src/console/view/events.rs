//! Events: all that are kept, filtered and followed, with a histogram above and the selected one
//! beside.

use hark_api::{Tier, Timestamp};
use ratatui::layout::Rect;

use super::{detail, templates};
use crate::console::keys::Action;
use crate::console::state::App;
use crate::console::widget::canvas::{Canvas, split_right, split_top};
use crate::console::widget::{chart, event_row};
use crate::moment;
use crate::units;

/// From this width on the detail stands beside the list, else in its place.
const BESIDE: u16 = 110;

pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    if app.templates.is_shown {
        templates::draw(canvas, area, app);
        return;
    }
    let Some(event) = app.detailed() else {
        list(canvas, area, app, true);
        return;
    };
    if area.width >= BESIDE {
        let (left, right) = split_right(area, (area.width * 2 / 5).min(80), 1);
        list(canvas, left, app, true);
        detail::draw(canvas, right, app, &event);
    } else if area.height >= 36 {
        let (top, bottom) = split_top(area, area.height / 2);
        list(canvas, top, app, true);
        detail::draw(canvas, bottom, app, &event);
    } else {
        app.page.set(area.height.saturating_sub(1));
        detail::draw(canvas, area, app, &event);
    }
}

/// The list alone, as the overview shows it below.
pub(super) fn list(canvas: &mut Canvas<'_>, area: Rect, app: &App, with_histogram: bool) {
    let theme = canvas.theme;
    let browse = &app.scene().events;
    let filter = browse.filter_text();
    let title = if filter.is_empty() {
        "Events".to_owned()
    } else {
        format!("Events · {filter}")
    };
    let count = units::count(browse.len(&app.scene().log) as f64);
    let of = if filter.is_empty() {
        String::new()
    } else {
        format!(" of {}", units::count(app.scene().log.len() as f64))
    };
    let searching = if browse.is_searching(&app.scene().log) {
        " …"
    } else {
        ""
    };
    let state = match (&app.travel, browse.is_following()) {
        (Some(_), _) => "then",
        (None, true) => "following",
        (None, false) => "paused",
    };
    let inside = canvas.section(area, &title, &format!("{count}{of}{searching} · {state}"));
    let rows = if with_histogram && inside.height >= 12 {
        let (top, rest) = split_top(inside, 3);
        histogram(canvas, top, app);
        rest
    } else {
        inside
    };
    if with_histogram {
        app.page.set(rows.height);
    }
    if rows.is_empty() {
        return;
    }
    let len = browse.len(&app.scene().log);
    if len == 0 {
        let text = if browse.is_searching(&app.scene().log) {
            "Searching …"
        } else if app.travel.is_some() && filter.is_empty() {
            "No events are known from before"
        } else if filter.is_empty() {
            "No events yet. Try one: hark send \"hello\""
        } else {
            "Nothing kept here passes the filter; `hark query` searches all that is stored"
        };
        canvas.put(
            rows.x + 1,
            rows.y,
            rows.width.saturating_sub(2),
            text,
            theme.dim,
        );
        return;
    }
    let top = browse.top(rows.height.into(), &app.scene().log);
    let selected = browse.selected_row(&app.scene().log);
    // The first lines of a list that does not fill its place stay empty below, as a page does.
    for (row, y) in (top..len).zip(rows.y..rows.bottom()) {
        let Some(event) = browse
            .number(row, &app.scene().log)
            .and_then(|n| app.scene().log.get(n))
        else {
            continue;
        };
        let line = Rect::new(rows.x, y, rows.width, 1);
        let is_selected = with_histogram && !browse.is_following() && selected == Some(row);
        event_row::draw(canvas, line, &event, is_selected);
    }
    if with_histogram {
        canvas.hit(rows, Action::Row(0));
    }
}

/// How many events came when, each column as the worst tier in it; below it, the times.
fn histogram(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    let theme = canvas.theme;
    let columns = usize::from(area.width);
    let (curve, axis) = split_top(area, 2);
    if columns < 20 {
        return;
    }
    let Some((first, last)) = span(app, columns * 200) else {
        return;
    };
    let width = ((last - first) / columns as i64).max(1);
    let mut counts = vec![0_u32; columns];
    let mut tiers = vec![Tier::Normal; columns];
    for head in app
        .scene()
        .events
        .heads_newest_first(&app.scene().log)
        .take(columns * 200)
    {
        let at = ((head.time.as_nanos() - first) / width).clamp(0, columns as i64 - 1) as usize;
        counts[at] += 1;
        tiers[at] = tiers[at].max(head.tier);
    }
    let max = counts.iter().copied().max().unwrap_or(0);
    for (column, (count, tier)) in counts.iter().zip(&tiers).enumerate() {
        let style = match tier {
            Tier::Normal => theme.rule,
            tier => theme.tier(*tier),
        };
        let place = Rect {
            x: curve.x + column as u16,
            width: 1,
            ..curve
        };
        chart::column(canvas, place, f64::from(*count), f64::from(max), style);
    }
    let clock = |nanos| moment::clock(Timestamp::from_nanos(nanos))[..8].to_owned();
    canvas.put(axis.x, axis.y, 8, &clock(first), theme.rule);
    canvas.put_right(axis.right(), axis.y, 8, &clock(last), theme.rule);
    if columns >= 40 {
        let text = format!(
            "{} in {}, at most {} in {}",
            units::count(counts.iter().map(|c| f64::from(*c)).sum()),
            moment::span((last - first) as f64 / 1e9),
            units::count(f64::from(max)),
            short(width)
        );
        let x = axis.x + (axis.width.saturating_sub(text.chars().count() as u16)) / 2;
        canvas.put(x, axis.y, axis.width / 2 + 12, &text, theme.rule);
    }
}

fn short(nanos: i64) -> String {
    if nanos < 1_000_000_000 {
        format!("{} ms", nanos / 1_000_000)
    } else {
        moment::span(nanos as f64 / 1e9)
    }
}

/// From when to when the newest events are.
fn span(app: &App, most: usize) -> Option<(i64, i64)> {
    let times = app
        .scene()
        .events
        .heads_newest_first(&app.scene().log)
        .take(most);
    let times = times.map(|head| head.time.as_nanos());
    times.fold(None, |span, time| match span {
        None => Some((time, time)),
        Some((first, last)) => Some((time.min(first), time.max(last))),
    })
}
