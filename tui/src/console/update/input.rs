//! Keys, clicks and pastes: what they mean where one is.

use crossterm::event::{
    Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent,
    MouseEventKind,
};
use ratatui::layout::Position;
use tui_input::InputRequest;

use super::motion::{move_rows, scroll_text};
use super::{Effect, act, signalling, travel};
use crate::console::keys::Action;
use crate::console::state::ask::Ask;
use crate::console::state::{App, FilterPrompt, Overlay};
use crate::console::view::palette;
use crate::console::widget::canvas::Hit;

/// Rows that a turn of the wheel moves.
const WHEEL_ROWS: isize = 3;

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
            let action = app.keys.action(event, app.tab)?;
            act(app, action)
        }
        Overlay::Help(scroll) => {
            match app.keys.action(event, app.tab) {
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
        Overlay::Moment { mut input, .. } => {
            let mut error = None;
            match event.code {
                KeyCode::Esc => return None,
                KeyCode::Enter => match crate::moment::parse_at(input.value().trim(), app.now) {
                    Ok(at) => {
                        travel::go_to(app, at, None);
                        return None;
                    }
                    Err(why) => error = Some(why),
                },
                _ => {
                    if let Some(request) = edit(event) {
                        input.handle(request);
                    }
                }
            }
            app.overlay = Overlay::Moment { input, error };
            None
        }
        Overlay::Export(mut input) => {
            match event.code {
                KeyCode::Esc => return None,
                KeyCode::Enter => return file(input.value(), Effect::Export),
                _ => {
                    if let Some(request) = edit(event) {
                        input.handle(request);
                    }
                }
            }
            app.overlay = Overlay::Export(input);
            None
        }
        Overlay::Record(mut input) => {
            match event.code {
                KeyCode::Esc => return None,
                KeyCode::Enter => return file(input.value(), record),
                _ => {
                    if let Some(request) = edit(event) {
                        input.handle(request);
                    }
                }
            }
            app.overlay = Overlay::Record(input);
            None
        }
        Overlay::Signal { target, chosen } => signalling::key(app, target, chosen, event),
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
                    if let Some(path) = input.value().strip_prefix("export ") {
                        return file(path, Effect::Export);
                    }
                    if let Some(path) = input.value().strip_prefix("record ") {
                        return file(path, record);
                    }
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

/// What is done with a file that was named; nothing without a name.
fn file(path: &str, done: fn(String) -> Effect) -> Option<Effect> {
    let path = path.trim();
    (!path.is_empty()).then(|| done(path.to_owned()))
}

fn record(path: String) -> Effect {
    Effect::Record(Some(path))
}

fn filter_key(app: &mut App, mut prompt: FilterPrompt, event: KeyEvent) -> Option<Effect> {
    match event.code {
        KeyCode::Esc => {
            // The filter of before did parse.
            let scene = app.scene_mut();
            let _ = scene.events.set_filter(&prompt.before, &scene.log);
            return None;
        }
        KeyCode::Enter => {
            if prompt.error.is_none() {
                let text = app.scene().events.filter_text().to_owned();
                app.remember_filter(&text);
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
    let scene = app.scene_mut();
    let set = scene.events.set_filter(prompt.input.value(), &scene.log);
    prompt.error = set.err();
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
        Overlay::Moment { mut input, error } => {
            insert(&mut input);
            app.overlay = Overlay::Moment { input, error };
        }
        Overlay::Export(mut input) => {
            insert(&mut input);
            app.overlay = Overlay::Export(input);
        }
        Overlay::Record(mut input) => {
            insert(&mut input);
            app.overlay = Overlay::Record(input);
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
