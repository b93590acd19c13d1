//! Time travel: the moment that all views show.

use hark_api::{Event, EventId, Tier, Timestamp};

use super::{Effect, say};
use crate::console::state::ask::Ask;
use crate::console::state::scene::Stored;
use crate::console::state::travel::Travel;
use crate::console::state::{App, Link, Tab};

/// A small step in time.
const STEP: i64 = 10_000_000_000;

/// Shows a moment in every view; a moment that is not over yet is now.
pub(crate) fn go_to(app: &mut App, at: Timestamp, wanted: Option<EventId>) {
    if at > app.now {
        live(app);
        return;
    }
    let mut scene = app.live.until(at, &app.reel);
    let before = app.scene();
    let filter = before.events.filter_text().to_owned();
    scene.processes.sort = before.processes.sort;
    scene.processes.is_tree = before.processes.is_tree;
    // It did parse before.
    let _ = scene.events.set_filter(&filter, &scene.log);
    let end = app.travel.as_ref().map(|travel| travel.live_end);
    let mut travel = Travel::new(at, scene, end.unwrap_or(app.live.log.end()));
    travel.wanted = wanted;
    app.travel = Some(travel);
    select_wanted(app);
}

/// Shows now again.
pub(crate) fn live(app: &mut App) {
    if let Some(travel) = app.travel.take() {
        // How one looks stays, what one looks at changes.
        let filter = travel.scene.events.filter_text();
        let live = &mut app.live;
        if live.events.filter_text() != filter {
            let _ = live.events.set_filter(filter, &live.log);
        }
        live.processes.sort = travel.scene.processes.sort;
        live.processes.is_tree = travel.scene.processes.is_tree;
    }
    app.live.events.follow();
    app.unusual_selected = None;
}

/// Stops time, or lets it go on.
pub(super) fn toggle(app: &mut App) {
    // A list that is held goes on where it is seen; elsewhere it is no pause.
    let is_held = !app.live.events.is_following();
    if app.travel.is_some() || is_held && matches!(app.tab, Tab::Overview | Tab::Events) {
        live(app);
    } else {
        go_to(app, app.now, None);
    }
}

/// A step back or on: half of the time that the curves show, or ten seconds.
pub(super) fn scrub(app: &mut App, forward: bool, small: bool) {
    let half = app.metrics.span_secs() * 500_000_000;
    let by = if small { STEP } else { half };
    let at = app.at().plus_nanos(if forward { by } else { -by });
    if forward && app.travel.is_none() {
        say(app, "This is now");
        return;
    }
    go_to(app, at, None);
}

/// Beyond the ends of the list of events.
pub(super) fn beyond(app: &mut App, forward: bool) -> Option<Effect> {
    let scene = app.scene();
    let ends = scene.log.start()..scene.log.end();
    let end = if forward {
        ends.end.checked_sub(1)
    } else {
        Some(ends.start)
    };
    let head = end.and_then(|number| scene.log.head(number));
    let at = head.map_or(app.at(), |head| head.time);
    next(app, at, forward)
}

/// To the unusual event after the moment that is seen, or before it.
pub(super) fn anomaly(app: &mut App, forward: bool) -> Option<Effect> {
    if forward && app.travel.is_none() {
        say(app, "This is now; N goes back to what was unusual before");
        return None;
    }
    let at = app.at();
    next(app, at, forward)
}

fn next(app: &mut App, at: Timestamp, forward: bool) -> Option<Effect> {
    if app.link == Link::Live {
        return Some(Effect::Ask(Ask::Anomaly { at, forward }));
    }
    // Without an agent, what is kept here has to do.
    let heads = app.live.log.heads_newest_first();
    let unusual = heads.filter(|head| head.tier > Tier::Normal);
    let kept = unusual.map(|head| (head.time, head.id));
    let known = app.live.unusual.events();
    let known = known.iter().map(|event| (event.time, event.id));
    let all = kept.chain(known);
    let found = if forward {
        all.filter(|(time, _)| *time > at).min()
    } else {
        all.filter(|(time, _)| *time < at).max()
    };
    arrive(app, found, forward);
    None
}

/// Takes in which unusual event comes next.
pub(crate) fn found(app: &mut App, event: Option<&Event>, forward: bool) {
    arrive(app, event.map(|event| (event.time, event.id)), forward);
}

fn arrive(app: &mut App, found: Option<(Timestamp, EventId)>, forward: bool) {
    match found {
        Some((time, id)) => {
            go_to(app, time, Some(id));
            app.unusual_selected = Some(id);
        }
        None if forward => {
            live(app);
            say(app, "Nothing unusual since then; this is now");
        }
        None => say(app, "Nothing unusual is stored from before"),
    }
}

/// Takes in what the agent has stored of a moment; an answer for another moment comes too late.
pub(crate) fn stored(app: &mut App, stored: Stored) {
    let Some(travel) = &mut app.travel else {
        return;
    };
    if travel.at != stored.at {
        return;
    }
    travel.lacks = false;
    let later = app.live.vitals.as_deref();
    travel.scene.fill(stored, &app.reel, later);
    select_wanted(app);
}

fn select_wanted(app: &mut App) {
    let is_listed = app.tab == Tab::Events;
    let Some(travel) = &mut app.travel else {
        return;
    };
    let scene = &mut travel.scene;
    if let Some(id) = travel.wanted
        && is_listed
        && scene.events.select_id(id, &scene.log)
    {
        travel.wanted = None;
    }
}
