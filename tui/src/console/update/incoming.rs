//! News of the agent, and what it is to be asked.

use hark_api::Kind;

use super::say;
use crate::clean::Clean;
use crate::console::connection::News;
use crate::console::state::ask::Ask;
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
        News::Status(status) => app.status = Some(*status),
        News::Vitals(vitals) => {
            app.history.push(&vitals);
            app.processes.forget(vitals.time);
            app.vitals = Some(Clean::new(*vitals));
        }
        News::Past(past) => app.history.fill(past),
        News::Events(events) => {
            for event in events {
                app.unusual.push(&event);
                app.trail.push(&event);
                if let (Kind::Exit, Some(process), Some(vitals)) =
                    (event.kind, &event.process, &app.vitals)
                {
                    let how = crate::clean::text(&event.message);
                    let (pid, at) = (process.pid, event.time);
                    app.processes.ended(pid, &how, at, &vitals.processes);
                }
                app.events.added(app.log.end(), &event);
                app.log.push(event);
            }
            app.events.trimmed(&app.log);
        }
        News::Unusual(events) => {
            for event in events {
                app.unusual.push(&event);
            }
        }
        News::Incidents(records) => app.incidents.set(records, app.now),
        News::Changed(Ok(record)) => {
            say(app, &format!("Incident {} is changed", record.incident.id));
            app.incidents.change(*record, app.now);
        }
        News::Changed(Err(why)) => say(app, &crate::clean::text(&why)),
        News::Series(entries) => {
            app.expected = Expected::of(&entries);
            app.metrics.list(entries, app.now);
        }
        News::Data { data, from, to } => app.metrics.data(*data, from, to),
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
    // The list is for the overview too: it says where vital signs are expected to lie.
    app.metrics.ask(app.now, app.tab == Tab::Metrics)
}
