//! A signal to a process: asked for, chosen, confirmed, and what came of it.

use crossterm::event::{KeyCode, KeyEvent};

use super::{Effect, say};
use crate::console::signal::{SIGNALS, Target};
use crate::console::state::{App, Overlay};

/// Asks which signal the selected process is to get, or says why none can be sent.
pub(super) fn ask(app: &mut App) {
    let Some(vitals) = &app.scene().vitals else {
        return;
    };
    let rows = app.scene().processes.ordered(&vitals.processes);
    let Some(row) = rows.get(app.scene().processes.selected_row(&rows)) else {
        return;
    };
    let refusal = match (row.end, app.is_local) {
        (Some(_), _) => "This process has ended",
        (None, false) => "Signals are sent on the host itself: run hark there, over its socket",
        (None, true) => {
            let target = Target {
                pid: row.process.pid,
                comm: row.process.comm.clone(),
                started: row.process.started,
            };
            app.overlay = Overlay::Signal { target, chosen: 0 };
            return;
        }
    };
    say(app, refusal);
}

/// A key while a signal is chosen: only `y` sends.
pub(super) fn key(
    app: &mut App,
    target: Target,
    mut chosen: usize,
    event: KeyEvent,
) -> Option<Effect> {
    let last = SIGNALS.len() - 1;
    match event.code {
        KeyCode::Esc | KeyCode::Char('q' | 'n') => return None,
        KeyCode::Char('y') => return Some(Effect::Signal(target, SIGNALS[chosen].1)),
        KeyCode::Up | KeyCode::Char('k') => chosen = chosen.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => chosen = (chosen + 1).min(last),
        _ => {}
    }
    app.overlay = Overlay::Signal { target, chosen };
    None
}

/// Says what came of a signal.
pub(crate) fn signalled(app: &mut App, target: &Target, sent: Result<(), String>) {
    let text = match sent {
        Ok(()) => format!("Sent to {}[{}]", target.comm, target.pid),
        Err(why) => format!("Not sent: {why}"),
    };
    say(app, &text);
}
