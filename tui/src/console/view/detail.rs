//! All that is known of one event.

use hark_api::{Event, Reason, Tier};
use ratatui::layout::Rect;
use serde_json::Value;

use crate::clean::Clean;
use crate::console::state::App;
use crate::console::theme::tier_sign;
use crate::console::widget::canvas::Canvas;
use crate::console::widget::page::Page;
use crate::moment;
use crate::rarity;
use crate::units::{self, Unit};

/// The column in which values stand.
const COLUMN: usize = 12;

pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, app: &App, event: &Clean<Event>) {
    let note = format!("id {}", event.id);
    let inside = canvas.section(area, "Event", &note);
    let inside = Rect {
        x: inside.x + 1,
        width: inside.width.saturating_sub(2),
        ..inside
    };
    let page = page(canvas, inside.width, app, event);
    page.draw(canvas, inside, &app.detail.scroll);
}

fn page<'a>(canvas: &Canvas<'a>, width: u16, app: &App, event: &Event) -> Page<'a> {
    let theme = canvas.theme;
    let mut page = Page::new(width, theme);
    let tier = event.verdict.tier;
    page.text(0, &event.message, theme.strong);
    page.gap();
    if tier > Tier::Normal {
        let rarity =
            rarity::words(event.verdict.rarity).map_or(String::new(), |r| format!(", {r}"));
        let verdict = format!("{} {tier}{rarity}", tier_sign(tier));
        page.field(COLUMN, "verdict", &verdict, theme.tier(tier));
        for reason in &event.verdict.reasons {
            why(&mut page, canvas, reason);
        }
        page.gap();
    }
    let time = format!(
        "{} {}  ({})",
        moment::day(event.time),
        moment::clock(event.time),
        moment::in_words(event.time, app.at())
    );
    page.field(COLUMN, "time", &time, theme.text);
    let delay = (event.received.as_nanos() - event.time.as_nanos()) as f64 / 1e9;
    if delay.abs() >= 1.0 {
        let when = if delay > 0.0 { "later" } else { "earlier" };
        let received = format!("{} {when}", moment::span(delay.abs()));
        page.field(COLUMN, "received", &received, theme.warning());
    }
    page.field(
        COLUMN,
        "level",
        event.level.as_str(),
        theme.level(event.level),
    );
    let kind = format!("{} from {}", event.kind, event.source);
    page.field(COLUMN, "kind", &kind, theme.text);
    if event.kind.is_foreign() {
        let text = "unknown to this version of hark; a newer one may show more of it";
        page.field(COLUMN, "", text, theme.dim);
    }
    for (name, value) in [("service", &event.service), ("host", &event.host)] {
        if let Some(value) = value {
            page.field(COLUMN, name, value, theme.accent);
        }
    }
    if let Some(template) = event.template {
        page.field(COLUMN, "template", &template.to_string(), theme.text);
    }
    if let Some(process) = &event.process {
        page.heading("Process");
        let name = format!("{}  pid {}", process.comm, process.pid);
        page.field(COLUMN, "name", &name, theme.accent);
        let numbers = [
            ("thread", process.tid),
            ("parent", process.ppid),
            ("user", process.uid),
        ];
        for (name, value) in numbers {
            if let Some(value) = value {
                page.field(COLUMN, name, &value.to_string(), theme.text);
            }
        }
        for (name, value) in [
            ("program", &process.exe),
            ("unit", &process.unit),
            ("container", &process.container),
            ("cgroup", &process.cgroup),
        ] {
            if let Some(value) = value {
                page.field(COLUMN, name, value, theme.text);
            }
        }
    }
    if !event.fields.is_empty() {
        page.heading("Fields");
        let longest = event
            .fields
            .iter()
            .map(|(name, _)| name.chars().count())
            .max();
        let column = longest.unwrap_or(0).clamp(COLUMN - 2, 24) + 2;
        for (name, value) in event.fields.iter() {
            page.field(column, name, &told(name, value), theme.text);
        }
    }
    if let Some(trace) = &event.trace {
        page.heading("Trace");
        page.field(COLUMN, "trace", &trace.trace_id, theme.text);
        page.field(COLUMN, "span", &trace.span_id, theme.text);
    }
    page
}

/// A field's value; a number whose name says what it counts is also said as people do.
fn told(name: &str, value: &Value) -> String {
    let unit = match name.rsplit('_').next() {
        Some("rss" | "vm" | "bytes") => Some(Unit::Bytes),
        Some("latency" | "lifetime" | "duration" | "waited") => Some(Unit::Seconds),
        _ => None,
    };
    match (value, unit.zip(value.as_f64())) {
        (Value::String(text), _) => text.clone(),
        (_, Some((Unit::Bytes, bytes))) if bytes < 1024.0 => value.to_string(),
        (_, Some((unit, number))) => format!("{value}  ({})", unit.show(number)),
        _ => value.to_string(),
    }
}

fn why(page: &mut Page<'_>, canvas: &Canvas<'_>, reason: &Reason) {
    let theme = canvas.theme;
    page.field(COLUMN, reason.code.as_str(), &reason.text, theme.text);
    let mut numbers = Vec::new();
    if let Some(value) = reason.value {
        numbers.push(format!("value {}", units::count(value)));
    }
    if let Some((low, high)) = reason.band {
        numbers.push(format!(
            "usual {} to {}",
            units::count(low),
            units::count(high)
        ));
    }
    if let Some(p) = reason.p {
        numbers.push(format!("p {p:.1e}"));
    }
    if let Some(period) = reason.period {
        numbers.push(format!("period {}", moment::span(period)));
    }
    if let Some(history) = reason.history {
        numbers.push(format!("learned from {}", moment::span(history)));
    }
    if !numbers.is_empty() {
        page.field(COLUMN, "", &numbers.join("   "), theme.dim);
    }
}
