//! What the selected process did, and the incidents that name it.

use hark_api::Kind;
use ratatui::layout::Rect;

use crate::console::signal::{SIGNALS, Target};
use crate::console::state::App;
use crate::console::state::processes::Row;
use crate::console::state::trail::Deed;
use crate::console::theme::tier_sign;
use crate::console::widget::canvas::{Canvas, centered};
use crate::moment;

pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, app: &App, row: &Row<'_>) {
    if area.height < 2 {
        return;
    }
    let theme = canvas.theme;
    let process = row.process;
    let title = format!("{}[{}]", process.comm, process.pid);
    let note = match row.end {
        Some(_) => "ended".to_owned(),
        None => format!("child of {}", process.ppid),
    };
    let inside = canvas.section(area, &title, &note);
    let mut lines = inside.rows();
    let room = inside.width.saturating_sub(2);
    let is_suspect = |suspects: &[hark_api::Suspect]| {
        suspects
            .iter()
            .any(|suspect| suspect.pid == Some(process.pid))
    };
    let incidents = app.scene().incidents.all().iter();
    let mut is_empty = true;
    for record in incidents.filter(|record| is_suspect(&record.incident.suspects)) {
        let Some(line) = lines.next() else { return };
        let incident = &record.incident;
        let ago = (app.at().as_nanos() - incident.start.as_nanos()) as f64 / 1e9;
        let since = format!(
            " incident {}, {} ago: ",
            incident.id,
            moment::span(ago.max(0.0))
        );
        let parts = [
            (tier_sign(incident.tier), theme.tier(incident.tier)),
            (since.as_str(), theme.dim),
            (incident.title.as_str(), theme.text),
        ];
        canvas.parts(line.x + 1, line.y, room, &parts);
        is_empty = false;
    }
    for deed in app.scene().trail.of(process.pid) {
        let Some(line) = lines.next() else { return };
        let line = Rect::new(line.x + 1, line.y, room, 1);
        deed_row(canvas, line, deed, None);
        is_empty = false;
    }
    if let (true, Some(line)) = (is_empty, lines.next()) {
        let text = "No program, end, signal or incident of it is known here";
        canvas.put(line.x + 1, line.y, room, text, theme.dim);
    }
}

/// A moment of which the agent has only events: what processes did up to then.
pub(super) fn deeds(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    let theme = canvas.theme;
    let note = "what each used was not seen then";
    let inside = canvas.section(area, "What processes did", note);
    app.page.set(inside.height);
    let mut rows = inside.rows();
    for (deed, line) in app.scene().trail.all().zip(&mut rows) {
        let who = format!("{}[{}] ", deed.comm, deed.pid);
        let line = Rect::new(line.x + 1, line.y, line.width.saturating_sub(2), 1);
        deed_row(canvas, line, deed, Some(&who));
    }
    if let (None, Some(line)) = (app.scene().trail.all().next(), rows.next()) {
        let text = "No program, end or signal of that time is known";
        canvas.put(line.x + 1, line.y, line.width, text, theme.dim);
    }
}

/// What a process did, with its name where `who` has it; else the heading does.
fn deed_row(canvas: &mut Canvas<'_>, line: Rect, deed: &Deed, who: Option<&str>) {
    let theme = canvas.theme;
    let clock = moment::clock(deed.time);
    let kind = format!(" {:<8} ", deed.kind.to_string());
    let style = match deed.kind {
        Kind::OomKill => theme.critical(),
        Kind::Signal => theme.warning(),
        _ => theme.accent,
    };
    let name = format!("{}[{}] ", deed.comm, deed.pid);
    let text = deed.text.strip_prefix(&name).unwrap_or(&deed.text);
    let parts = [
        (clock.get(..8).unwrap_or(&clock), theme.dim),
        (kind.as_str(), style),
        (who.unwrap_or_default(), theme.strong),
        (text, theme.text),
    ];
    canvas.parts(line.x, line.y, line.width, &parts);
}

/// Which signal is to be sent, over the view.
pub(super) fn signal(canvas: &mut Canvas<'_>, area: Rect, target: &Target, chosen: usize) {
    let theme = canvas.theme;
    let title = format!("Signal to {}[{}]", target.comm, target.pid);
    let height = SIGNALS.len() as u16 + 3;
    let inside = canvas.popup(centered(area, 58, height), &title);
    let last = inside.bottom().saturating_sub(1);
    let shown = usize::from(inside.height.saturating_sub(1)).max(1);
    let top = (chosen + 1).saturating_sub(shown);
    for ((at, (name, _, what)), y) in SIGNALS.iter().enumerate().skip(top).zip(inside.y..last) {
        let line = Rect::new(inside.x, y, inside.width, 1);
        let name = format!("{name:<8} ");
        let parts = [(name.as_str(), theme.strong), (*what, theme.dim)];
        canvas.parts(line.x, y, line.width, &parts);
        if at == chosen {
            canvas.paint(line, theme.selection);
        }
    }
    let text = format!("y sends {}   Esc sends nothing", SIGNALS[chosen].0);
    canvas.put(inside.x, last, inside.width, &text, theme.warning());
}
