//! How the selection moves: by keys, by the wheel, by clicks.

use hark_api::Tier;

use super::{open, say, unusual_row};
use crate::console::keys::Move;
use crate::console::state::{App, DetailOf, Scroll, Tab};

pub(super) fn go_to(app: &mut App, go: Move) {
    let page = isize::try_from(app.page.get().max(1)).unwrap_or(1);
    let rows = match go {
        Move::Up => -1,
        Move::Down => 1,
        Move::PageUp => -page,
        Move::PageDown => page,
        Move::First => isize::MIN,
        Move::Last => isize::MAX,
    };
    if go == Move::Last && app.tab == Tab::Events {
        app.events.follow();
        return;
    }
    move_rows(app, rows);
}

pub(super) fn move_rows(app: &mut App, rows: isize) {
    match app.tab {
        Tab::Overview => {
            let sights = app.unusual.worst_first(app.now);
            let Some(last) = sights.len().checked_sub(1) else {
                return;
            };
            let row = unusual_row(app).saturating_add_signed(rows).min(last);
            app.unusual_selected = Some(sights[row].event.id);
        }
        Tab::Events => {
            if let DetailOf::Event(_) = app.detail.of {
                app.detail.scroll.by(rows);
            } else {
                app.events.move_by(rows, &app.log);
                app.detail.scroll.to(0);
            }
        }
        Tab::Processes => {
            if let Some(vitals) = &app.vitals {
                app.processes.move_by(rows, &vitals.processes);
            }
        }
        Tab::Incidents => {
            let row = app.incidents.selected_row().saturating_add_signed(rows);
            app.incidents.select(row);
            app.scroll.to(0);
        }
        Tab::Metrics => app.metrics.move_by(rows),
        Tab::Kernel | Tab::Health => app.scroll.by(rows),
    }
}

pub(super) fn scroll_text(scroll: &Scroll, go: Move, page: u16) {
    let page = isize::try_from(page.max(1)).unwrap_or(1);
    match go {
        Move::Up => scroll.by(-1),
        Move::Down => scroll.by(1),
        Move::PageUp => scroll.by(-page),
        Move::PageDown => scroll.by(page),
        Move::First => scroll.to(0),
        Move::Last => scroll.to(usize::MAX / 2),
    }
}

pub(super) fn next_unusual(app: &mut App, forward: bool) {
    let Some(row) = app.events.selected_row(&app.log) else {
        return;
    };
    let is_unusual = |row: &usize| {
        let number = app.events.number(*row, &app.log);
        let head = number.and_then(|number| app.log.head(number));
        head.is_some_and(|head| head.tier > Tier::Normal)
    };
    let found = if forward {
        (row + 1..app.events.len(&app.log)).find(is_unusual)
    } else {
        (0..row).rev().find(is_unusual)
    };
    match found {
        Some(row) => app.events.select_row(row, &app.log),
        None if forward => say(app, "Nothing unusual after this"),
        None => say(
            app,
            "Nothing unusual before this among the events kept here",
        ),
    }
}

pub(super) fn click_row(app: &mut App, row: u16) {
    let row = usize::from(row);
    match app.tab {
        Tab::Overview => {
            let sights = app.unusual.worst_first(app.now);
            if let Some(sight) = sights.get(row) {
                let again = app.unusual_selected == Some(sight.event.id);
                app.unusual_selected = Some(sight.event.id);
                if again {
                    open(app);
                }
            }
        }
        Tab::Events => {
            let height = usize::from(app.page.get());
            let row = app.events.top(height, &app.log) + row;
            if row < app.events.len(&app.log) {
                let again = app.events.selected_row(&app.log) == Some(row);
                app.events.select_row(row, &app.log);
                if again {
                    open(app);
                }
            }
        }
        Tab::Processes => {
            if let Some(vitals) = &app.vitals {
                let rows = app.processes.ordered(&vitals.processes);
                let selected = app.processes.selected_row(&rows);
                let top = app
                    .processes
                    .top(selected, usize::from(app.page.get()), rows.len());
                let by = (top + row) as isize - selected as isize;
                app.processes.move_by(by, &vitals.processes);
            }
        }
        Tab::Incidents => {
            let top = app.incidents.top(usize::from(app.page.get()));
            app.incidents.select(top + row);
        }
        Tab::Metrics => {
            let names = app.metrics.names().1.len();
            let top = app.metrics.top(usize::from(app.page.get()), names);
            let by = (top + row) as isize - app.metrics.selected_row() as isize;
            app.metrics.move_by(by);
        }
        Tab::Kernel | Tab::Health => {}
    }
}
