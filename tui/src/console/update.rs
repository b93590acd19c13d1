//! How the state changes: by news of the agent, by keys, by clicks. No I/O: what is to be done
//! outside is handed back as an [`Effect`].

mod incoming;
mod input;
mod motion;
mod signalling;
mod subject;
mod travel;

use std::fmt::Write as _;
use std::time::Duration;

use motion::{click_row, go_to, next_unusual};
use subject::{copy, open, quoted, subject, subject_pid};

pub(crate) use incoming::{ask, known, news};
pub(crate) use input::input;
pub(crate) use signalling::signalled;
pub(crate) use subject::unusual_row;

use super::keys::Action;
use rustix::process::Signal;

use super::signal::Target;
use super::state::ask::Ask;
use super::state::incidents::is_silenced;
use super::state::{App, Detail, DetailOf, FilterPrompt, Overlay, Scroll, Tab};

/// How long a word on what was done is shown.
const SAID_SECS: i64 = 4;
/// How long a search through kept events may hold up a frame.
const SEARCH_SLICE: Duration = Duration::from_millis(6);
/// How long an incident is silenced.
const SILENCE_SECS: u32 = 3_600;

/// Something to be done outside the state.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    Quit,
    /// Try to reach the agent now.
    Retry,
    /// Ask the agent, or have it do something.
    Ask(Ask),
    /// Send a signal to a process of this host.
    Signal(Target, Signal),
    /// Write what is seen to this file.
    Export(String),
    /// Write what comes to this new file; to none any more.
    Record(Option<String>),
    /// Look at another host of several, by its place.
    Enter(usize),
    /// Put a text on the clipboard.
    Copy(String),
    /// Draw every cell again.
    Redraw,
}

/// Searches on where a filter has older events to go through; true while there are more.
pub(crate) fn search(app: &mut App) -> bool {
    let scene = app.scene_mut();
    scene.events.search(&scene.log, SEARCH_SLICE)
}

/// Does what is asked.
pub(crate) fn act(app: &mut App, action: Action) -> Option<Effect> {
    match action {
        Action::Quit => return Some(Effect::Quit),
        Action::Scroll(lines) => match app.tab {
            Tab::Events => app.detail.scroll.by(lines),
            _ => app.scroll.by(lines),
        },
        Action::Acknowledge => {
            let id = app.scene().incidents.selected()?.incident.id;
            return Some(Effect::Ask(Ask::Acknowledge(id)));
        }
        Action::Silence => {
            let record = app.scene().incidents.selected()?;
            let secs = if is_silenced(record, app.now) {
                0
            } else {
                SILENCE_SECS
            };
            return Some(Effect::Ask(Ask::Silence(record.incident.id, secs)));
        }
        Action::Note => {
            let id = app.scene().incidents.selected()?.incident.id;
            app.overlay = Overlay::Note {
                input: tui_input::Input::default(),
                id,
            };
        }
        Action::Retry => return Some(Effect::Retry),
        Action::Redraw => return Some(Effect::Redraw),
        Action::Copy => return copy(app),
        Action::Export => app.overlay = Overlay::Export(tui_input::Input::default()),
        Action::Record if app.is_recording => return Some(Effect::Record(None)),
        Action::Record => app.overlay = Overlay::Record(tui_input::Input::default()),
        Action::Templates => app.templates.is_shown = !app.templates.is_shown,
        Action::Curves => subject::curves(app),
        Action::Spectrum => app.metrics.is_spectrum = !app.metrics.is_spectrum,
        Action::Help => app.overlay = Overlay::Help(Scroll::default()),
        Action::Palette => {
            app.overlay = Overlay::Palette {
                input: tui_input::Input::default(),
                selected: 0,
            };
        }
        Action::Filter if app.tab == Tab::Metrics => {
            let before = app.metrics.search().to_owned();
            app.overlay = Overlay::Search {
                input: tui_input::Input::new(before.clone()),
                before,
            };
        }
        Action::Filter => {
            show(app, Tab::Events);
            app.templates.is_shown = false;
            let before = app.scene().events.filter_text().to_owned();
            app.overlay = Overlay::Filter(FilterPrompt {
                input: tui_input::Input::new(before.clone()),
                error: None,
                before,
                back: 0,
            });
        }
        Action::ClearFilter => set_filter(app, ""),
        Action::Back => {
            if app.templates.is_shown {
                app.templates.is_shown = false;
            } else if !matches!(app.detail.of, DetailOf::Nothing) {
                app.detail.of = DetailOf::Nothing;
            } else if app.tab == Tab::Events && !app.scene().events.filter_text().is_empty() {
                set_filter(app, "");
            } else if app.tab == Tab::Metrics && !app.metrics.search().is_empty() {
                app.metrics.set_search("");
            } else if app.travel.is_some() {
                travel::live(app);
            } else {
                app.live.events.follow();
            }
        }
        Action::Open if app.tab == Tab::Hosts => {
            let at = app.hosts.selected()?;
            show(app, Tab::Overview);
            if at != app.hosts.entered {
                app.enter(at);
                return Some(Effect::Enter(at));
            }
        }
        Action::Open => open(app),
        Action::Move(go) => go_to(app, go),
        Action::NextTab => show(app, app.tab.step(1, app.tabs())),
        Action::PreviousTab => show(app, app.tab.step(-1, app.tabs())),
        Action::Show(tab) => show(app, tab),
        Action::ZoomIn => app.metrics.zoom(false),
        Action::ZoomOut => app.metrics.zoom(true),
        Action::BackInTime => travel::scrub(app, false, false),
        Action::Onward => travel::scrub(app, true, false),
        Action::StepBack => travel::scrub(app, false, true),
        Action::StepOn => travel::scrub(app, true, true),
        Action::Live => travel::live(app),
        Action::NextAnomaly => return travel::anomaly(app, true),
        Action::PreviousAnomaly => return travel::anomaly(app, false),
        Action::GoTo => {
            app.overlay = Overlay::Moment {
                input: tui_input::Input::default(),
                error: None,
            };
        }
        Action::Follow => travel::toggle(app),
        Action::Sort => {
            let processes = &mut app.scene_mut().processes;
            processes.sort = processes.sort.next();
        }
        Action::Pin => {
            if !app.metrics.toggle_pin() {
                say(app, "Three are kept already; P on one of them lets it go");
            }
        }
        Action::Tree => {
            let processes = &mut app.scene_mut().processes;
            processes.is_tree = !processes.is_tree;
        }
        Action::Signal => signalling::ask(app),
        Action::OfProcess => {
            if let Some(pid) = subject_pid(app) {
                filter_and_show(app, &format!("pid:{pid}"));
            } else {
                say(app, "This event is about no process");
            }
        }
        Action::OfKind => {
            if let Some(event) = subject(app) {
                // What a later agent has cannot be asked for by its name.
                let mut filter = if event.kind.is_foreign() {
                    String::new()
                } else {
                    format!("kind:{}", event.kind)
                };
                if let Some(service) = &event.service {
                    let _ = write!(filter, " service:{}", quoted(service));
                } else if let Some(process) = &event.process {
                    let _ = write!(filter, " comm:{}", quoted(&process.comm));
                }
                if filter.is_empty() {
                    let text = format!("This version of hark cannot filter by {}", event.kind);
                    say(app, &text);
                } else {
                    filter_and_show(app, &filter);
                }
            }
        }
        Action::Around => {
            if let Some(event) = subject(app) {
                set_filter(app, "");
                show(app, Tab::Events);
                let scene = app.scene_mut();
                if !scene.events.select_id(event.id, &scene.log) {
                    travel::go_to(app, event.time, Some(event.id));
                }
            }
        }
        Action::NextUnusual | Action::PreviousUnusual => {
            app.templates.is_shown = false;
            return next_unusual(app, action == Action::NextUnusual);
        }
        Action::NextTheme => {
            app.theme = app.theme.next();
            let name = clap::ValueEnum::to_possible_value(&app.theme.name);
            let name = name.map_or(String::new(), |name| name.get_name().to_owned());
            say(app, &format!("Colours: {name}"));
        }
        Action::Row(row) => click_row(app, row),
    }
    None
}

fn show(app: &mut App, tab: Tab) {
    if app.tab != tab {
        app.tab = tab;
        app.templates.is_shown = false;
        app.scroll.to(0);
        app.detail = Detail::default();
    }
}

fn say(app: &mut App, text: &str) {
    let until = app.now.plus_nanos(SAID_SECS * 1_000_000_000);
    app.said = Some((text.to_owned(), until));
}

/// Takes in that the session is recorded, or no more, and says so in these words.
pub(crate) fn recording(app: &mut App, is_recording: bool, text: &str) {
    app.is_recording = is_recording;
    say(app, &crate::clean::text(text));
}

/// Says what came of writing a file.
pub(crate) fn exported(app: &mut App, written: Result<String, String>) {
    let text = written.unwrap_or_else(|why| format!("Not exported: {why}"));
    say(app, &crate::clean::text(&text));
}

fn set_filter(app: &mut App, text: &str) {
    app.templates.is_shown = false;
    let scene = app.scene_mut();
    if let Err(error) = scene.events.set_filter(text, &scene.log) {
        say(app, &format!("{error}"));
    }
}

fn filter_and_show(app: &mut App, text: &str) {
    set_filter(app, text);
    app.remember_filter(text);
    show(app, Tab::Events);
    app.scene_mut().events.follow();
}
