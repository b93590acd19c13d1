//! How the selection moves: by keys, by the wheel, by clicks.

use hark_api::Tier;

use super::{Effect, open, say, travel, unusual_row};
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
    if go == Move::Last && app.tab == Tab::Events && !app.templates.is_shown {
        app.scene_mut().events.follow();
        return;
    }
    move_rows(app, rows);
}

pub(super) fn move_rows(app: &mut App, rows: isize) {
    match app.tab {
        Tab::Overview => {
            let sights = app.scene().unusual.worst_first(app.at());
            let Some(last) = sights.len().checked_sub(1) else {
                return;
            };
            let row = unusual_row(app).saturating_add_signed(rows).min(last);
            app.unusual_selected = Some(sights[row].event.id);
        }
        Tab::Events if app.templates.is_shown => app.templates.move_by(rows),
        Tab::Events => {
            if let DetailOf::Event(_) = app.detail.of {
                app.detail.scroll.by(rows);
            } else {
                let scene = app.scene_mut();
                scene.events.move_by(rows, &scene.log);
                app.detail.scroll.to(0);
            }
        }
        Tab::Processes => {
            let scene = app.scene_mut();
            if let Some(vitals) = &scene.vitals {
                scene.processes.move_by(rows, &vitals.processes);
            }
        }
        Tab::Incidents => {
            let incidents = &mut app.scene_mut().incidents;
            let row = incidents.selected_row().saturating_add_signed(rows);
            incidents.select(row);
            app.scroll.to(0);
        }
        Tab::Metrics => app.metrics.move_by(rows),
        Tab::Hosts => {
            let row = app.hosts.selected_row().saturating_add_signed(rows);
            app.hosts.select(row);
        }
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

/// In the list, and beyond its ends through time.
pub(super) fn next_unusual(app: &mut App, forward: bool) -> Option<Effect> {
    let scene = app.scene_mut();
    let row = scene.events.selected_row(&scene.log);
    let is_unusual = |row: &usize| {
        let number = scene.events.number(*row, &scene.log);
        let head = number.and_then(|number| scene.log.head(number));
        head.is_some_and(|head| head.tier > Tier::Normal)
    };
    let found = match row {
        None => None,
        Some(row) if forward => (row + 1..scene.events.len(&scene.log)).find(is_unusual),
        Some(row) => (0..row).rev().find(is_unusual),
    };
    match found {
        Some(row) => scene.events.select_row(row, &scene.log),
        None if forward && app.travel.is_none() => say(app, "Nothing unusual after this"),
        None => return travel::beyond(app, forward),
    }
    None
}

pub(super) fn click_row(app: &mut App, row: u16) {
    let row = usize::from(row);
    match app.tab {
        Tab::Overview => {
            let sights = app.scene().unusual.worst_first(app.at());
            if let Some(sight) = sights.get(row) {
                let again = app.unusual_selected == Some(sight.event.id);
                app.unusual_selected = Some(sight.event.id);
                if again {
                    open(app);
                }
            }
        }
        Tab::Events if app.templates.is_shown => {
            let top = app.templates.top(usize::from(app.page.get()));
            let by = (top + row) as isize - app.templates.selected_row() as isize;
            app.templates.move_by(by);
            if by == 0 {
                open(app);
            }
        }
        Tab::Events => {
            let height = usize::from(app.page.get());
            let scene = app.scene_mut();
            let row = scene.events.top(height, &scene.log) + row;
            if row < scene.events.len(&scene.log) {
                let again = scene.events.selected_row(&scene.log) == Some(row);
                scene.events.select_row(row, &scene.log);
                if again {
                    open(app);
                }
            }
        }
        Tab::Processes => {
            let page = usize::from(app.page.get());
            let scene = app.scene_mut();
            if let Some(vitals) = &scene.vitals {
                let rows = scene.processes.ordered(&vitals.processes);
                let selected = scene.processes.selected_row(&rows);
                let top = scene.processes.top(selected, page, rows.len());
                let by = (top + row) as isize - selected as isize;
                scene.processes.move_by(by, &vitals.processes);
            }
        }
        Tab::Incidents => {
            let page = usize::from(app.page.get());
            let incidents = &mut app.scene_mut().incidents;
            incidents.select(incidents.top(page) + row);
        }
        Tab::Metrics => {
            let names = app.metrics.names().1.len();
            let top = app.metrics.top(usize::from(app.page.get()), names);
            let by = (top + row) as isize - app.metrics.selected_row() as isize;
            app.metrics.move_by(by);
        }
        Tab::Hosts => {
            let top = app.hosts.top(usize::from(app.page.get()));
            app.hosts.select(top + row);
        }
        Tab::Kernel | Tab::Health => {}
    }
}
