//! News of the agent, and what it is to be asked.

use super::{say, travel};
use crate::clean::Clean;
use crate::console::connection::News;
use crate::console::state::ask::Ask;
use crate::console::state::curves::Curves;
use crate::console::state::expected::Expected;
use crate::console::state::{App, Link, Tab};

/// Takes in news of the agent.
pub(crate) fn news(app: &mut App, news: News) {
    match news {
        News::Connecting => {
            // While it is tried again, what was wrong stays to be read.
            if app.link == Link::Live {
                app.link = Link::Connecting;
            }
        }
        News::Live => app.link = Link::Live,
        News::Status(status) => app.status_before = app.status.replace(*status),
        News::Vitals(vitals) => {
            let live = &mut app.live;
            live.history.push(&vitals);
            live.processes.forget(vitals.time);
            app.reel.push(&vitals);
            live.vitals = Some(Clean::new(*vitals));
        }
        News::Past(past) => app.live.history.fill(past),
        News::Events(events) => app.live.push(events),
        News::Unusual(events) => {
            for event in events {
                app.live.unusual.push(&event);
            }
        }
        News::Incidents(records) => {
            app.live.incidents.set(records, app.now);
            incidents_then(app);
        }
        News::Heat { maps, time } => app.heat.take(maps, time),
        News::Templates(templates) => app.templates.set(templates),
        News::Stored(stored) => travel::stored(app, *stored),
        News::Anomaly { event, forward } => travel::found(app, event.as_deref(), forward),
        News::Changed(Ok(record)) => {
            say(app, &format!("Incident {} is changed", record.incident.id));
            app.live.incidents.change(*record, app.now);
            incidents_then(app);
        }
        News::Changed(Err(why)) => say(app, &crate::clean::text(&why)),
        News::Series(entries) => {
            app.expected = Expected::of(&entries);
            app.metrics.list(entries, app.now);
        }
        News::Data { data, from, to } => {
            if let Some(data) = app.curves.take(*data, from, to) {
                app.metrics.data(data, from, to);
            }
        }
        News::Unanswered(why) => app.metrics.refused(why),
        News::Missed(count) => app.missed += count,
        News::Down { why, remedy, wait } => {
            app.link = Link::Down {
                why: Clean::new(why),
                remedy,
                retry: app.now.plus_nanos(wait.as_nanos() as i64),
            };
        }
    }
}

/// What the agent is to be asked so that the view can be drawn.
pub(crate) fn ask(app: &mut App) -> Option<Ask> {
    if !matches!(app.link, Link::Live | Link::Replay) {
        return None;
    }
    let is_live = app.link == Link::Live;
    if let Some(travel) = &mut app.travel
        && let Some(ask) = travel.ask(app.now).filter(|_| is_live)
    {
        return Some(ask);
    }
    // The list is for the overview too: it says where vital signs are expected to lie.
    let to = app.at();
    if app.tab == Tab::Kernel
        && let Some(ask) = app.heat.ask(app.now, to, app.metrics.span_secs())
    {
        return Some(ask);
    }
    if app.tab == Tab::Events
        && is_live
        && let Some(ask) = app.templates.ask(app.now)
    {
        return Some(ask);
    }
    if app.tab == Tab::Incidents
        && is_live
        && let Some(ask) = curves_of_incident(app)
    {
        return Some(ask);
    }
    app.metrics.ask(app.now, to, app.tab == Tab::Metrics)
}

/// What is to be asked to draw the metrics of the selected incident.
fn curves_of_incident(app: &mut App) -> Option<Ask> {
    let incident = &app.scene().incidents.selected()?.incident;
    let (id, keys) = (incident.id, app.metrics.related(incident));
    let window = Curves::window(incident, app.at());
    app.curves.ask(app.now, id, &keys, window)
}

/// Incidents become known, or are acknowledged, while a moment before is looked at.
fn incidents_then(app: &mut App) {
    if let Some(travel) = &mut app.travel {
        let selected = travel.scene.incidents.selected_id();
        travel.scene.incidents = app.live.incidents.as_of(travel.at);
        travel.scene.incidents.select_id(selected);
    }
}

/// Events that a recording in the middle of a session begins with.
const KNOWN_EVENTS: u64 = 1_000;

/// What is known of the host, as if it came now.
pub(crate) fn known(app: &App) -> Vec<News> {
    let live = &app.live;
    let status = app.status.clone();
    let mut known: Vec<News> = status
        .map(|s| News::Status(Box::new(s)))
        .into_iter()
        .collect();
    let unusual = live.unusual.events().into_iter().cloned();
    known.push(News::Unusual(unusual.collect()));
    let end = live.log.end();
    let first = end.saturating_sub(KNOWN_EVENTS).max(live.log.start());
    let events = (first..end).filter_map(|number| live.log.get(number));
    known.push(News::Events(events.map(|event| (*event).clone()).collect()));
    let incidents = live.incidents.all().iter();
    let incidents = incidents.map(|record| (**record).clone()).collect();
    known.push(News::Incidents(incidents));
    let vitals = live.vitals.as_deref().cloned();
    known.extend(vitals.map(|vitals| News::Vitals(Box::new(vitals))));
    known
}
