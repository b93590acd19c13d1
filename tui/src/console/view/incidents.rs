//! Incidents: what is unusual together, who is behind it, and what people did about it.

use hark_api::{Incident, IncidentRecord, Tier, Timestamp};
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use super::metrics;
use crate::clean::Clean;
use crate::console::keys::Action;
use crate::console::state::App;
use crate::console::state::curves::Curves;
use crate::console::state::incidents::is_silenced;
use crate::console::theme::tier_sign;
use crate::console::widget::canvas::{Canvas, split_right, split_top};
use crate::console::widget::page::Page;
use crate::console::widget::plot::Plot;
use crate::console::widget::words;
use crate::moment;
use crate::rarity;
use crate::units::{self, Unit};

/// From this width on the list stands beside the selected incident, else above it.
const BESIDE: u16 = 110;
/// The column in which values stand.
const COLUMN: usize = 12;
/// From this width on a row says who may be behind the incident.
const WITH_CULPRIT: u16 = 100;
/// Lines of a curve at least, and columns; how many there are at most.
const CURVE: u16 = 8;
const LEAST_WIDTH: u16 = 40;
const MOST_CURVES: usize = 3;
/// Lines that the text keeps beside curves.
const LEAST_TEXT: u16 = 14;

pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    let records = app.scene().incidents.all();
    let (list_area, detail_area) = if area.width >= BESIDE {
        split_right(area, area.width * 11 / 20, 1)
    } else {
        let rows = (records.len().max(1) as u16 + 1).clamp(2, (area.height / 3).max(3));
        split_top(area, rows)
    };
    let open = app.scene().incidents.open(app.at()).count();
    let note = format!("{open} open of {}", records.len());
    let inside = canvas.section(list_area, "Incidents", &note);
    app.page.set(inside.height);
    let Some(selected) = app.scene().incidents.selected() else {
        let theme = canvas.theme;
        let x = canvas.put(inside.x + 1, inside.y, 2, "✓ ", theme.good);
        let room = inside.right().saturating_sub(x);
        canvas.put(
            x,
            inside.y,
            room,
            "The agent knows of no incident",
            theme.text,
        );
        return;
    };
    let top = app.scene().incidents.top(inside.height.into());
    let rows = records.iter().enumerate().skip(top);
    for ((row, record), y) in rows.zip(inside.y..inside.bottom()) {
        let line = Rect::new(inside.x, y, inside.width, 1);
        self::row(canvas, line, record, app.at());
        if row == app.scene().incidents.selected_row() {
            canvas.paint(line, canvas.theme.selection);
        }
    }
    canvas.hit(inside, Action::Row(0));
    detail(canvas, detail_area, app, selected);
}

/// One incident on a line: how grave, what became of it, since when, and what it is.
pub(super) fn row(
    canvas: &mut Canvas<'_>,
    line: Rect,
    record: &Clean<IncidentRecord>,
    now: Timestamp,
) {
    let theme = canvas.theme;
    let incident = &record.incident;
    let style = theme.tier(incident.tier);
    let y = line.y;
    let mut x = canvas.put(line.x, y, 1, tier_sign(incident.tier), style) + 1;
    let (state, state_style) = state(canvas, record, now);
    if line.width >= 50 {
        canvas.put(x, y, 8, state, state_style);
        x += 9;
    }
    canvas.put_right(x + 4, y, 4, &moment::age(incident.start, now), theme.dim);
    x += 5;
    let title_style = if state == "open" {
        theme.strong
    } else {
        theme.text
    };
    // Who may be behind it, and how rare it is, where there is room.
    let mut right = line.right();
    if line.width >= WITH_CULPRIT {
        let culprit = incident.suspects.first().map(|suspect| {
            let pid = suspect.pid.map_or(String::new(), |pid| format!("[{pid}]"));
            format!("{}{pid} {:.0} %", suspect.name, suspect.share * 100.0)
        });
        let rarity = rarity::words(incident.rarity);
        let parts: Vec<String> = culprit.into_iter().chain(rarity).collect();
        let text = parts.join(" · ");
        let text = words::fit(&text, usize::from(line.width) / 3);
        let width = text.width() as u16;
        canvas.put_right(right, y, width, &text, theme.dim);
        right = right.saturating_sub(width + 2);
    }
    canvas.put(x, y, right.saturating_sub(x), &incident.title, title_style);
}

/// What became of an incident, in a word.
fn state(
    canvas: &Canvas<'_>,
    record: &IncidentRecord,
    now: Timestamp,
) -> (&'static str, ratatui::style::Style) {
    let theme = canvas.theme;
    if record.incident.end.is_some() {
        ("over", theme.dim)
    } else if is_silenced(record, now) {
        ("silenced", theme.dim)
    } else if record.acknowledged.is_some() {
        ("seen", theme.good)
    } else {
        ("open", theme.tier(record.incident.tier))
    }
}

fn detail(canvas: &mut Canvas<'_>, area: Rect, app: &App, record: &Clean<IncidentRecord>) {
    let note = format!("no. {}", record.incident.id);
    let inside = canvas.section(area, "Incident", &note);
    let inside = Rect {
        x: inside.x + 1,
        width: inside.width.saturating_sub(2),
        ..inside
    };
    let mut page = Page::new(inside.width, canvas.theme);
    fill(&mut page, canvas, app, record);
    let inside = curves(canvas, inside, app, &record.incident, page.len() as u16);
    page.draw(canvas, inside, &app.scroll);
}

/// Curves of the incident's metrics, as many as the text leaves room for; gives what they leave.
fn curves(
    canvas: &mut Canvas<'_>,
    area: Rect,
    app: &App,
    incident: &Incident,
    text_rows: u16,
) -> Rect {
    let theme = canvas.theme;
    let keys = app.metrics.related(incident);
    // The text may scroll, but not be squeezed away.
    let room = area
        .height
        .saturating_sub(text_rows.min(area.height / 2).max(LEAST_TEXT));
    let count = usize::from(room / CURVE).min(keys.len()).min(MOST_CURVES);
    if count == 0 || area.width < LEAST_WIDTH {
        return area;
    }
    let each = (room / count as u16).min(2 * CURVE);
    let (text, mut rest) = split_top(area, area.height - each * count as u16);
    let window = Curves::window(incident, app.at());
    for key in keys.iter().take(count) {
        let (place, below) = split_top(rest, each);
        rest = below;
        let data = app.curves.of(incident.id, key);
        let unit = Unit::of_metric(key.name());
        let band = data.and_then(|data| data.band);
        let note = match band {
            Some(band) => format!("usually {}–{}", unit.show(band.low), unit.show(band.high)),
            None => String::new(),
        };
        let name = crate::clean::text(key.as_str());
        let inside = canvas.section(place, &name, &note);
        let Some(data) = data else {
            canvas.put(inside.x, inside.y, inside.width, "…", theme.dim);
            continue;
        };
        let (place, marks) = split_top(inside, inside.height.saturating_sub(1));
        let plot = Plot {
            points: &data.points,
            step: data.step,
            window,
            unit,
            style: theme.cpu,
            band,
        };
        if let Some(place) = plot.draw(canvas, place) {
            metrics::mark_unusual(canvas, marks, app, &plot, place);
        }
    }
    text
}

fn fill(page: &mut Page<'_>, canvas: &Canvas<'_>, app: &App, record: &IncidentRecord) {
    let theme = canvas.theme;
    let incident = &record.incident;
    page.text(0, &incident.title, theme.strong);
    page.gap();
    let rarity = rarity::words(incident.rarity).map_or(String::new(), |r| format!(", {r}"));
    let tier = format!("{} {}{rarity}", tier_sign(incident.tier), incident.tier);
    page.field(COLUMN, "tier", &tier, theme.tier(incident.tier));
    let (word, style) = state(canvas, record, app.at());
    page.field(COLUMN, "state", word, style);
    let start = format!(
        "{} {}  ({})",
        moment::day(incident.start),
        &moment::clock(incident.start)[..8],
        moment::in_words(incident.start, app.at())
    );
    page.field(COLUMN, "since", &start, theme.text);
    let until = incident.end.unwrap_or(app.at());
    let lasted = match moment::age(incident.start, until).as_str() {
        "now" => "under 1s".to_owned(),
        lasted => lasted.to_owned(),
    };
    let lasted = match incident.end {
        Some(_) => lasted,
        None => format!("{lasted}, it goes on"),
    };
    page.field(COLUMN, "lasted", &lasted, theme.text);
    if incident.tainted {
        let text = "events were lost meanwhile: this may be wrong";
        page.field(COLUMN, "tainted", text, theme.warning());
    }
    if let Some(seen) = &record.acknowledged {
        let text = format!("by {}, {}", seen.by, moment::in_words(seen.time, app.at()));
        page.field(COLUMN, "seen", &text, theme.good);
    }
    if let Some(until) = record.silenced_until.filter(|until| *until > app.at()) {
        let text = format!("for {} more", moment::age(app.at(), until));
        page.field(COLUMN, "silenced", &text, theme.dim);
    }
    if !incident.suspects.is_empty() {
        page.heading("Who may be behind it");
        for suspect in &incident.suspects {
            let pid = suspect.pid.map_or(String::new(), |pid| format!("[{pid}]"));
            let name = format!("{}{pid}", suspect.name);
            let full = (suspect.share.clamp(0.0, 1.0) * 10.0).round() as usize;
            page.line([
                (&format!("{:<11} ", suspect.kind), theme.dim),
                (&"━".repeat(full), theme.high()),
                (&"─".repeat(10 - full), theme.rule),
                (&format!(" {:>3.0} %  ", suspect.share * 100.0), theme.dim),
                (&name, theme.accent),
            ]);
        }
    }
    page.heading("Evidence");
    for evidence in &incident.evidence {
        let count = match evidence.count {
            0 | 1 => String::new(),
            n => format!("  ×{}", units::count(n as f64)),
        };
        let name = format!(
            "{} {}",
            tier_sign(evidence.tier),
            &moment::clock(evidence.time)[..8]
        );
        let style = if evidence.tier > Tier::Warning {
            theme.tier(evidence.tier)
        } else {
            theme.text
        };
        page.field(COLUMN, &name, &format!("{}{count}", evidence.text), style);
    }
    let more = incident
        .findings
        .saturating_sub(incident.evidence.len() as u64);
    if more > 0 {
        page.field(COLUMN, "", &format!("and {more} more"), theme.dim);
    }
    if !incident.series.is_empty() {
        page.heading("Metrics");
        for key in &incident.series {
            page.text(0, &crate::clean::text(key.as_str()), theme.accent);
        }
    }
    page.heading("Notes");
    for note in &record.notes {
        let name = format!("{} {}", note.by, moment::age(note.time, app.at()));
        page.field(COLUMN + 4, &name, &note.text, theme.text);
    }
    if record.notes.is_empty() {
        page.text(0, "None. Write one with i", theme.dim);
    }
}
