//! How the state changes: by news of the agent, by keys, by clicks. No I/O: what is to be done
//! outside is handed back as an [`Effect`].

mod motion;

use std::fmt::Write as _;
use std::time::Duration;

use crossterm::event::{
    Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent,
    MouseEventKind,
};
use ratatui::layout::Position;
use tui_input::InputRequest;

use motion::{click_row, go_to, move_rows, next_unusual, scroll_text};

use super::connection::News;
use super::keys::{self, Action};
use super::state::ask::Ask;
use super::state::expected::Expected;
use super::state::incidents::is_silenced;
use super::state::{App, Detail, DetailOf, FilterPrompt, Link, Overlay, Scroll, Tab};
use super::view::palette;
use super::widget::canvas::Hit;
use crate::clean::Clean;

/// How long a word on what was done is shown.
const SAID_SECS: i64 = 4;
/// How long a search through kept events may hold up a frame.
const SEARCH_SLICE: Duration = Duration::from_millis(6);
/// Rows that a turn of the wheel moves.
const WHEEL_ROWS: isize = 3;
/// How long an incident is silenced.
const SILENCE_SECS: u32 = 3_600;
/// Filters that are remembered.
const FILTERS: usize = 50;

/// Something to be done outside the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Quit,
    /// Try to reach the agent now.
    Retry,
    /// Ask the agent, or have it do something.
    Ask(Ask),
    /// Put a text on the clipboard.
    Copy(String),
    /// Draw every cell again.
    Redraw,
}

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
            app.vitals = Some(Clean::new(*vitals));
        }
        News::Past(past) => app.history.fill(past),
        News::Events(events) => {
            for event in events {
                app.unusual.push(&event);
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
    if app.link != Link::Live {
        return None;
    }
    // The list is for the overview too: it says where vital signs are expected to lie.
    app.metrics.ask(app.now, app.tab == Tab::Metrics)
}

/// Searches on where a filter has older events to go through; true while there are more.
pub(crate) fn search(app: &mut App) -> bool {
    app.events.search(&app.log, SEARCH_SLICE)
}

/// Takes in a key, a click or a paste. `hits` says what the last frame's places mean.
pub(crate) fn input(app: &mut App, input: &Input, hits: &[Hit]) -> Option<Effect> {
    match input {
        Input::Key(event) if event.kind != KeyEventKind::Release => key(app, *event),
        Input::Mouse(event) => mouse(app, *event, hits),
        Input::Paste(text) => {
            paste(app, text);
            None
        }
        _ => None,
    }
}

fn key(app: &mut App, event: KeyEvent) -> Option<Effect> {
    if event.code == KeyCode::Char('c') && event.modifiers == KeyModifiers::CONTROL {
        return Some(Effect::Quit);
    }
    match std::mem::replace(&mut app.overlay, Overlay::None) {
        Overlay::None => {
            let action = keys::action(event, app.tab)?;
            act(app, action)
        }
        Overlay::Help(scroll) => {
            match keys::action(event, app.tab) {
                Some(Action::Back | Action::Help | Action::Quit | Action::Open) => {}
                Some(Action::Move(go)) => {
                    scroll_text(&scroll, go, app.page.get());
                    app.overlay = Overlay::Help(scroll);
                }
                _ => app.overlay = Overlay::Help(scroll),
            }
            None
        }
        Overlay::Filter(prompt) => filter_key(app, prompt, event),
        Overlay::Note { mut input, id } => {
            match event.code {
                KeyCode::Esc => return None,
                KeyCode::Enter => {
                    let text = input.value().trim().to_owned();
                    return (!text.is_empty()).then_some(Effect::Ask(Ask::Note(id, text)));
                }
                _ => {
                    if let Some(request) = edit(event) {
                        input.handle(request);
                    }
                }
            }
            app.overlay = Overlay::Note { input, id };
            None
        }
        Overlay::Search { mut input, before } => {
            match event.code {
                KeyCode::Esc => app.metrics.set_search(&before),
                KeyCode::Enter => {}
                KeyCode::Up | KeyCode::Down => {
                    app.metrics
                        .move_by(if event.code == KeyCode::Up { -1 } else { 1 });
                    app.overlay = Overlay::Search { input, before };
                }
                _ => {
                    if let Some(request) = edit(event) {
                        input.handle(request);
                        app.metrics.set_search(input.value());
                    }
                    app.overlay = Overlay::Search { input, before };
                }
            }
            None
        }
        Overlay::Palette {
            mut input,
            mut selected,
        } => {
            match event.code {
                KeyCode::Esc => return None,
                KeyCode::Enter => {
                    let found = palette::found(input.value(), app.tab);
                    return found.get(selected).and_then(|b| act(app, b.action));
                }
                KeyCode::Up | KeyCode::BackTab => selected = selected.saturating_sub(1),
                KeyCode::Down | KeyCode::Tab => {
                    let last = palette::found(input.value(), app.tab)
                        .len()
                        .saturating_sub(1);
                    selected = (selected + 1).min(last);
                }
                _ => {
                    if let Some(request) = edit(event) {
                        input.handle(request);
                        selected = 0;
                    }
                }
            }
            app.overlay = Overlay::Palette { input, selected };
            None
        }
    }
}

fn filter_key(app: &mut App, mut prompt: FilterPrompt, event: KeyEvent) -> Option<Effect> {
    match event.code {
        KeyCode::Esc => {
            // The filter of before did parse.
            let _ = app.events.set_filter(&prompt.before, &app.log);
            return None;
        }
        KeyCode::Enter => {
            if prompt.error.is_none() {
                let text = app.events.filter_text().to_owned();
                if !text.is_empty() {
                    app.filters_used.retain(|used| *used != text);
                    app.filters_used.push(text);
                    if app.filters_used.len() > FILTERS {
                        app.filters_used.remove(0);
                    }
                }
                return None;
            }
        }
        KeyCode::Up | KeyCode::Down => {
            let used = app.filters_used.len();
            prompt.back = match event.code {
                KeyCode::Up => (prompt.back + 1).min(used),
                _ => prompt.back.saturating_sub(1),
            };
            let text = match prompt.back {
                0 => String::new(),
                back => app.filters_used[used - back].clone(),
            };
            prompt.input = prompt.input.with_value(text);
            preview(app, &mut prompt);
        }
        _ => {
            if let Some(request) = edit(event) {
                prompt.input.handle(request);
                preview(app, &mut prompt);
            }
        }
    }
    app.overlay = Overlay::Filter(prompt);
    None
}

/// Shows what the filter gives while it is typed.
fn preview(app: &mut App, prompt: &mut FilterPrompt) {
    prompt.error = app.events.set_filter(prompt.input.value(), &app.log).err();
}

/// A key in a line of text.
fn edit(event: KeyEvent) -> Option<InputRequest> {
    let control = event.modifiers.contains(KeyModifiers::CONTROL);
    Some(match event.code {
        KeyCode::Char('a') if control => InputRequest::GoToStart,
        KeyCode::Char('e') if control => InputRequest::GoToEnd,
        KeyCode::Char('w') if control => InputRequest::DeletePrevWord,
        KeyCode::Char('u') if control => InputRequest::DeleteLine,
        KeyCode::Char('k') if control => InputRequest::DeleteTillEnd,
        KeyCode::Char(_) if control => return None,
        KeyCode::Char(c) => InputRequest::InsertChar(c),
        KeyCode::Backspace => InputRequest::DeletePrevChar,
        KeyCode::Delete => InputRequest::DeleteNextChar,
        KeyCode::Left => InputRequest::GoToPrevChar,
        KeyCode::Right => InputRequest::GoToNextChar,
        KeyCode::Home => InputRequest::GoToStart,
        KeyCode::End => InputRequest::GoToEnd,
        _ => return None,
    })
}

fn paste(app: &mut App, text: &str) {
    // Clean text has no control characters, so a paste presses no keys.
    let text = crate::clean::text(text).into_owned();
    let insert = |input: &mut tui_input::Input| {
        for c in text.chars().take(4_096) {
            input.handle(InputRequest::InsertChar(c));
        }
    };
    match std::mem::replace(&mut app.overlay, Overlay::None) {
        Overlay::Filter(mut prompt) => {
            insert(&mut prompt.input);
            preview(app, &mut prompt);
            app.overlay = Overlay::Filter(prompt);
        }
        Overlay::Note { mut input, id } => {
            insert(&mut input);
            app.overlay = Overlay::Note { input, id };
        }
        Overlay::Search { mut input, before } => {
            insert(&mut input);
            app.metrics.set_search(input.value());
            app.overlay = Overlay::Search { input, before };
        }
        Overlay::Palette { mut input, .. } => {
            insert(&mut input);
            app.overlay = Overlay::Palette { input, selected: 0 };
        }
        other => app.overlay = other,
    }
}

fn mouse(app: &mut App, event: MouseEvent, hits: &[Hit]) -> Option<Effect> {
    let wheel = match event.kind {
        MouseEventKind::ScrollUp => -WHEEL_ROWS,
        MouseEventKind::ScrollDown => WHEEL_ROWS,
        MouseEventKind::Down(MouseButton::Left) => {
            let at = Position::new(event.column, event.row);
            // What was drawn last lies on top.
            let (area, action) = hits.iter().rev().find(|(area, _)| area.contains(at))?;
            let action = match action {
                Action::Row(_) => Action::Row(event.row - area.y),
                action => *action,
            };
            return act(app, action);
        }
        _ => return None,
    };
    match &app.overlay {
        Overlay::None => move_rows(app, wheel),
        Overlay::Help(scroll) => scroll.by(wheel),
        _ => {}
    }
    None
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
            let id = app.incidents.selected()?.incident.id;
            return Some(Effect::Ask(Ask::Acknowledge(id)));
        }
        Action::Silence => {
            let record = app.incidents.selected()?;
            let secs = if is_silenced(record, app.now) {
                0
            } else {
                SILENCE_SECS
            };
            return Some(Effect::Ask(Ask::Silence(record.incident.id, secs)));
        }
        Action::Note => {
            let id = app.incidents.selected()?.incident.id;
            app.overlay = Overlay::Note {
                input: tui_input::Input::default(),
                id,
            };
        }
        Action::Retry => return Some(Effect::Retry),
        Action::Redraw => return Some(Effect::Redraw),
        Action::Copy => return copy(app),
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
            let before = app.events.filter_text().to_owned();
            app.overlay = Overlay::Filter(FilterPrompt {
                input: tui_input::Input::new(before.clone()),
                error: None,
                before,
                back: 0,
            });
        }
        Action::ClearFilter => set_filter(app, ""),
        Action::Back => {
            if !matches!(app.detail.of, DetailOf::Nothing) {
                app.detail.of = DetailOf::Nothing;
            } else if app.tab == Tab::Events && !app.events.filter_text().is_empty() {
                set_filter(app, "");
            } else if app.tab == Tab::Metrics {
                app.metrics.set_search("");
            } else {
                app.events.follow();
            }
        }
        Action::Open => open(app),
        Action::Move(go) => go_to(app, go),
        Action::NextTab => show(app, app.tab.step(1)),
        Action::PreviousTab => show(app, app.tab.step(-1)),
        Action::Show(tab) => show(app, tab),
        Action::Follow if app.tab == Tab::Metrics => app.metrics.toggle_live(app.now),
        Action::ZoomIn => app.metrics.zoom(false),
        Action::ZoomOut => app.metrics.zoom(true),
        Action::PanBack => app.metrics.pan(false, app.now),
        Action::PanForward => app.metrics.pan(true, app.now),
        Action::Follow => {
            if app.events.is_following() {
                app.events.hold(&app.log);
            } else {
                app.events.follow();
            }
        }
        Action::Sort => app.processes.sort = app.processes.sort.next(),
        Action::OfProcess => {
            if let Some(pid) = subject_pid(app) {
                filter_and_show(app, &format!("pid:{pid}"));
            } else {
                say(app, "This event is about no process");
            }
        }
        Action::OfKind => {
            if let Some(event) = subject(app) {
                let mut filter = format!("kind:{}", event.kind);
                if let Some(service) = &event.service {
                    let _ = write!(filter, " service:{}", quoted(service));
                } else if let Some(process) = &event.process {
                    let _ = write!(filter, " comm:{}", quoted(&process.comm));
                }
                filter_and_show(app, &filter);
            }
        }
        Action::Around => {
            if let Some(event) = subject(app) {
                set_filter(app, "");
                show(app, Tab::Events);
                if !app.events.select_id(event.id, &app.log) {
                    say(
                        app,
                        "It is older than what the console keeps; `hark query` finds what was around it",
                    );
                }
            }
        }
        Action::NextUnusual => next_unusual(app, true),
        Action::PreviousUnusual => next_unusual(app, false),
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
        app.scroll.to(0);
        app.detail = Detail::default();
    }
}

fn say(app: &mut App, text: &str) {
    let until = app.now.plus_nanos(SAID_SECS * 1_000_000_000);
    app.said = Some((text.to_owned(), until));
}

fn set_filter(app: &mut App, text: &str) {
    if let Err(error) = app.events.set_filter(text, &app.log) {
        say(app, &format!("{error}"));
    }
}

fn filter_and_show(app: &mut App, text: &str) {
    set_filter(app, text);
    show(app, Tab::Events);
    app.events.follow();
}

/// A value in a filter, in quotes where it is more than a word.
fn quoted(value: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || "-_./".contains(c);
    if !value.is_empty() && value.chars().all(is_word) {
        value.to_owned()
    } else {
        format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

/// The event that an action is about.
fn subject(app: &App) -> Option<Clean<hark_api::Event>> {
    if let Some(event) = app.detailed() {
        return Some(event);
    }
    match app.tab {
        Tab::Overview => {
            let sights = app.unusual.worst_first(app.now);
            let row = unusual_row(app);
            sights.get(row).map(|sight| sight.event.clone())
        }
        Tab::Events => app.log.get(app.events.selected(&app.log)?),
        _ => None,
    }
}

fn subject_pid(app: &App) -> Option<u32> {
    if app.tab == Tab::Incidents {
        let suspects = &app.incidents.selected()?.incident.suspects;
        return suspects.iter().find_map(|suspect| suspect.pid);
    }
    if app.tab == Tab::Processes {
        let vitals = app.vitals.as_ref()?;
        let rows = app.processes.ordered(&vitals.processes);
        return rows.get(app.processes.selected_row(&rows)).map(|p| p.pid);
    }
    subject(app)?.process.as_ref().map(|process| process.pid)
}

/// The selected row among what is unusual.
pub(crate) fn unusual_row(app: &App) -> usize {
    let sights = app.unusual.worst_first(app.now);
    sights
        .iter()
        .position(|sight| Some(sight.event.id) == app.unusual_selected)
        .unwrap_or(0)
}

fn open(app: &mut App) {
    match app.tab {
        Tab::Overview => {
            if let Some(event) = subject(app) {
                set_filter(app, "");
                show(app, Tab::Events);
                app.detail = Detail {
                    of: if app.events.select_id(event.id, &app.log) {
                        DetailOf::Selected
                    } else {
                        DetailOf::Event(Box::new(event))
                    },
                    scroll: Scroll::default(),
                };
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
            app.events.hold(&app.log);
        }
        Tab::Processes => {
            act(app, Action::OfProcess);
        }
        Tab::Incidents => {
            let events = app.incidents.selected().map(|r| r.incident.events.clone());
            let kept = events.unwrap_or_default();
            set_filter(app, "");
            let found = kept.iter().any(|id| app.events.select_id(*id, &app.log));
            if found {
                show(app, Tab::Events);
                app.detail.of = DetailOf::Selected;
            } else {
                say(
                    app,
                    "Its events are older than what the console keeps; see `hark query`",
                );
            }
        }
        Tab::Metrics | Tab::Kernel | Tab::Health => {}
    }
}

fn copy(app: &mut App) -> Option<Effect> {
    let text = match app.tab {
        Tab::Processes => subject_pid(app)?.to_string(),
        _ => serde_json::to_string(&*subject(app)?).ok()?,
    };
    say(app, "Copied, where the terminal allows it (OSC 52)");
    Some(Effect::Copy(text))
}
