//! What an action is about: the event, process or incident that is selected.

use super::{Effect, act, filter_and_show, say, set_filter, show, travel};
use crate::clean::Clean;
use crate::console::keys::Action;
use crate::console::state::curves::Curves;
use crate::console::state::{App, Detail, DetailOf, Scroll, Tab};

/// A value in a filter, in quotes where it is more than a word.
pub(super) fn quoted(value: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || "-_./".contains(c);
    if !value.is_empty() && value.chars().all(is_word) {
        value.to_owned()
    } else {
        format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

/// The event that an action is about.
pub(super) fn subject(app: &App) -> Option<Clean<hark_api::Event>> {
    if let Some(event) = app.detailed().filter(|_| !app.templates.is_shown) {
        return Some(event);
    }
    match app.tab {
        Tab::Overview => {
            let sights = app.scene().unusual.worst_first(app.at());
            let row = unusual_row(app);
            sights.get(row).map(|sight| sight.event.clone())
        }
        // What is selected there is no event.
        Tab::Events if app.templates.is_shown => None,
        Tab::Events => app
            .scene()
            .log
            .get(app.scene().events.selected(&app.scene().log)?),
        _ => None,
    }
}

pub(super) fn subject_pid(app: &App) -> Option<u32> {
    if app.tab == Tab::Incidents {
        let suspects = &app.scene().incidents.selected()?.incident.suspects;
        return suspects.iter().find_map(|suspect| suspect.pid);
    }
    if app.tab == Tab::Processes {
        let vitals = app.scene().vitals.as_ref()?;
        let rows = app.scene().processes.ordered(&vitals.processes);
        return rows
            .get(app.scene().processes.selected_row(&rows))
            .map(|row| row.process.pid);
    }
    subject(app)?.process.as_ref().map(|process| process.pid)
}

/// The selected row among what is unusual.
pub(crate) fn unusual_row(app: &App) -> usize {
    let sights = app.scene().unusual.worst_first(app.at());
    sights
        .iter()
        .position(|sight| Some(sight.event.id) == app.unusual_selected)
        .unwrap_or(0)
}

pub(super) fn open(app: &mut App) {
    match app.tab {
        Tab::Overview => {
            if let Some(event) = subject(app) {
                set_filter(app, "");
                show(app, Tab::Events);
                app.detail = Detail {
                    of: if select(app, event.id) {
                        DetailOf::Selected
                    } else {
                        DetailOf::Event(Box::new(event))
                    },
                    scroll: Scroll::default(),
                };
            }
        }
        Tab::Events if app.templates.is_shown => {
            if let Some(id) = app.templates.selected().map(|template| template.id) {
                filter_and_show(app, &format!("template:{id}"));
                app.detail = Detail::default();
            }
        }
        Tab::Events => {
            app.detail = match app.detail.of {
                DetailOf::Nothing => Detail {
                    of: DetailOf::Selected,
                    scroll: Scroll::default(),
                },
                _ => Detail::default(),
            };
            let scene = app.scene_mut();
            scene.events.hold(&scene.log);
        }
        Tab::Processes => {
            act(app, Action::OfProcess);
        }
        Tab::Incidents => {
            let Some(record) = app.scene().incidents.selected() else {
                return;
            };
            let (peak, kept) = (record.incident.peak, record.incident.events.clone());
            set_filter(app, "");
            show(app, Tab::Events);
            if !kept.iter().any(|id| select(app, *id)) {
                // Older than what the console keeps: the agent has it stored.
                travel::go_to(app, peak, kept.first().copied());
            }
            app.detail.of = DetailOf::Selected;
        }
        Tab::Metrics | Tab::Kernel | Tab::Health | Tab::Hosts => {}
    }
}

pub(super) fn copy(app: &mut App) -> Option<Effect> {
    let text = match app.tab {
        Tab::Events if app.templates.is_shown => app.templates.selected()?.text.clone(),
        Tab::Processes => subject_pid(app)?.to_string(),
        _ => serde_json::to_string(&*subject(app)?).ok()?,
    };
    say(app, "Copied, where the terminal allows it (OSC 52)");
    Some(Effect::Copy(text))
}

/// The metrics of the selected incident, up to its end where it is over.
pub(super) fn curves(app: &mut App) {
    let Some(record) = app.scene().incidents.selected() else {
        return;
    };
    let (end, keys) = (record.incident.end, app.metrics.related(&record.incident));
    let window = Curves::window(&record.incident, app.at());
    if !app.metrics.show(&keys) {
        say(app, "No stored metric belongs to this incident");
        return;
    }
    app.metrics.zoom_to(window);
    if end.is_some() && app.travel.is_none() {
        travel::go_to(app, window.1, None);
    }
    show(app, Tab::Metrics);
}

/// Selects an event in the list, where it is kept.
fn select(app: &mut App, id: hark_api::EventId) -> bool {
    let scene = app.scene_mut();
    scene.events.select_id(id, &scene.log)
}
