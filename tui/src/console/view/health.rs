//! The agent itself: what works, what does not and why, what is lost, and what it costs.

use hark_api::{FeatureState, Health, SourceStatus, Status};
use ratatui::layout::Rect;

use super::kernel::feature_lines;
use super::vitals::percent;
use crate::console::state::App;
use crate::console::widget::canvas::Canvas;
use crate::console::widget::page::Page;
use crate::moment;
use crate::units;

/// The column in which values stand.
const COLUMN: usize = 14;

pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    let note = app.endpoint.as_str();
    let inside = canvas.section(area, "The agent", note);
    let inside = Rect {
        x: inside.x + 1,
        width: inside.width.saturating_sub(2),
        ..inside
    };
    app.page.set(inside.height);
    let Some(status) = &app.status else {
        canvas.put(
            inside.x,
            inside.y,
            inside.width,
            "It has not answered yet",
            canvas.theme.dim,
        );
        return;
    };
    let mut page = Page::new(inside.width, canvas.theme);
    fill(&mut page, canvas, status, app);
    page.draw(canvas, inside, &app.scroll);
}

fn fill(page: &mut Page<'_>, canvas: &Canvas<'_>, status: &Status, app: &App) {
    let theme = canvas.theme;
    let (word, style, reasons) = match &status.health {
        Health::Ok => ("all works", theme.good, &[][..]),
        Health::Degraded { reasons } => (
            "works with less than was asked for",
            theme.warning(),
            &reasons[..],
        ),
        Health::Failing { reasons } => (
            "FAILING: nothing can be stored",
            theme.critical(),
            &reasons[..],
        ),
    };
    page.field(COLUMN, "state", word, style);
    for reason in reasons {
        page.field(COLUMN, "", reason, theme.text);
    }
    let about = format!(
        "hark-agent {} on {}, Linux {}",
        status.version, status.host, status.kernel
    );
    page.field(COLUMN, "version", &about, theme.text);
    let up = format!(
        "pid {}, up {}",
        status.pid,
        moment::age(status.started, status.now)
    );
    page.field(COLUMN, "process", &up, theme.text);
    let usage = &status.usage;
    let uses = format!(
        "{} of a CPU, {} resident, {} threads, {} open files",
        percent(usage.cpu),
        units::bytes(usage.rss as f64),
        usage.threads,
        usage.open_fds
    );
    page.field(COLUMN, "uses", &uses, theme.text);
    let ahead = (status.now.as_nanos() - app.now.as_nanos()) as f64 / 1e9;
    if ahead.abs() > 60.0 {
        let clock = format!(
            "its clock is {} away from this one",
            moment::span(ahead.abs())
        );
        page.field(COLUMN, "clock", &clock, theme.warning());
    }

    page.heading("Sources");
    for source in &status.sources {
        source_lines(page, canvas, source);
    }

    page.heading("Ingest");
    let ingest = &status.ingest;
    let queue = format!(
        "{} of {} places",
        ingest.queue_length, ingest.queue_capacity
    );
    let is_full = ingest.queue_length * 2 > ingest.queue_capacity;
    page.field(
        COLUMN,
        "queue",
        &queue,
        if is_full { theme.warning() } else { theme.text },
    );
    page.field(
        COLUMN,
        "accepted",
        &units::count(ingest.accepted as f64),
        theme.text,
    );
    for (name, count) in [
        ("refused", ingest.rejected),
        ("turned away", ingest.turned_away),
    ] {
        let style = if count > 0 {
            theme.warning()
        } else {
            theme.text
        };
        page.field(COLUMN, name, &units::count(count as f64), style);
    }

    page.heading("Store");
    let store = &status.store;
    page.field(COLUMN, "file", &store.path, theme.text);
    let size = format!(
        "{} of {}",
        units::bytes(store.bytes as f64),
        units::bytes(store.max_bytes as f64)
    );
    page.field(COLUMN, "size", &size, theme.text);
    let since = store.oldest_time.map_or(String::new(), |oldest| {
        format!(", the oldest {} ago", moment::age(oldest, status.now))
    });
    let events = format!("{}{since}", units::count(store.events as f64));
    page.field(COLUMN, "events", &events, theme.text);
    let commits = match store.commit_latency {
        Some((median, p99)) => format!(
            "{}, {:.1} ms median, {:.1} ms at the 99th percentile",
            units::count(store.commits as f64),
            median * 1e3,
            p99 * 1e3
        ),
        None => units::count(store.commits as f64),
    };
    page.field(COLUMN, "commits", &commits, theme.text);
    if store.damaged_blocks > 0 {
        page.field(
            COLUMN,
            "damaged",
            &format!("{} blocks set aside", store.damaged_blocks),
            theme.critical(),
        );
    }
    if let Some((time, error)) = &store.last_error {
        let text = format!("{} ago: {error}", moment::age(*time, status.now));
        page.field(COLUMN, "last error", &text, theme.warning());
    }

    let off = status
        .features
        .iter()
        .filter(|f| f.state != FeatureState::On);
    let mut off = off.peekable();
    if off.peek().is_some() {
        page.heading("Off in the kernel");
        for feature in off {
            feature_lines(page, canvas, feature, None);
        }
    }
    page.heading("This console");
    let kept = format!(
        "{} events, {} came too fast",
        units::count(app.scene().log.len() as f64),
        units::count(app.missed as f64)
    );
    page.field(COLUMN, "keeps", &kept, theme.text);
}

fn source_lines(page: &mut Page<'_>, canvas: &Canvas<'_>, source: &SourceStatus) {
    let theme = canvas.theme;
    let (sign, style) = match &source.state {
        FeatureState::On => ("●", theme.good),
        FeatureState::Disabled => ("○", theme.dim),
        FeatureState::Unavailable { .. } => ("✗", theme.warning()),
    };
    let lost = if source.dropped == 0 {
        String::new()
    } else {
        format!(", {} lost", units::count(source.dropped as f64))
    };
    let received = format!("{} received", units::count(source.received as f64));
    let received = match source.state {
        FeatureState::Disabled => "off by configuration".to_owned(),
        _ => received,
    };
    page.line([
        (sign, style),
        (" ", theme.dim),
        (&format!("{:<11} ", source.name), theme.strong),
        (&received, theme.text),
        (&lost, theme.warning()),
    ]);
    if let FeatureState::Unavailable { reason, remedy } = &source.state {
        page.text(2, reason, theme.warning());
        if !remedy.is_empty() {
            page.text(2, &format!("→ {remedy}"), theme.accent);
        }
    }
}
