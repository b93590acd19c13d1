//! No agent: why, what to run, and when it is tried again.

use hark_api::Timestamp;
use ratatui::layout::Rect;

use crate::console::keys::Action;
use crate::console::state::{App, Link, Scroll};
use crate::console::widget::canvas::{Canvas, centered};
use crate::console::widget::page::Page;
use crate::console::widget::words;

/// The whole view, before any agent was seen.
pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    let theme = canvas.theme;
    let width = area.width.saturating_sub(4).min(72);
    let mut page = Page::new(width, theme);
    match &app.link {
        Link::Connecting | Link::Live | Link::Replay => {
            page.line([
                ("Connecting with the agent at ", theme.dim),
                (&app.endpoint, theme.strong),
                (" …", theme.dim),
            ]);
        }
        Link::Down { why, remedy, retry } => {
            page.line([("No agent", theme.critical())]);
            page.gap();
            page.text(0, why, theme.text);
            if let Some(remedy) = remedy {
                page.gap();
                page.text(0, remedy.text, theme.dim);
                for command in remedy.commands {
                    page.text(2, command, theme.accent);
                }
            }
            page.gap();
            page.line([
                (&again(*retry, app.now), theme.dim),
                ("   ", theme.dim),
                ("r", theme.accent),
                (" now   ", theme.dim),
                ("q", theme.accent),
                (" quit", theme.dim),
            ]);
        }
    }
    let place = centered(area, width, page.len() as u16);
    page.draw(canvas, place, &Scroll::default());
}

/// One line over a view of what was known.
pub(super) fn banner(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    let Link::Down { why, retry, .. } = &app.link else {
        return;
    };
    let theme = canvas.theme;
    let again = format!("{}   r now ", again(*retry, app.now));
    let again_width = again.chars().count() as u16;
    let room = area.width.saturating_sub(again_width + 5);
    let why = words::fit(why, room.into());
    canvas.parts(
        area.x + 1,
        area.y,
        room + 2,
        &[("✗ ", theme.critical()), (&why, theme.warning())],
    );
    canvas.put_right(area.right(), area.y, again_width, &again, theme.dim);
    canvas.hit(area, Action::Retry);
}

fn again(retry: Timestamp, now: Timestamp) -> String {
    let secs = (retry.as_nanos() - now.as_nanos()).max(0) as u64 / 1_000_000_000 + 1;
    format!("Trying again in {secs} s")
}
