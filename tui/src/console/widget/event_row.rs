//! One event on one line, in columns.

use std::borrow::Cow;

use hark_api::{Event, Kind, Source, Tier};
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use super::canvas::Canvas;
use super::words;
use crate::clean::Clean;
use crate::console::theme::tier_sign;
use crate::moment;

/// Who an event is about: the service of a log, the process of anything else.
pub(crate) fn subject(event: &Event) -> String {
    let process = event.process.as_ref();
    let process = process.map(|p| format!("{}[{}]", p.comm, p.pid));
    let subject = match event.source {
        Source::Log => event.service.clone().or(process),
        _ => process.or_else(|| event.service.clone()),
    };
    subject.unwrap_or_else(|| event.source.to_string())
}

/// A subject in a width: of a process the name is cut rather than its number.
pub(crate) fn fit_subject(subject: &str, width: u16) -> Cow<'_, str> {
    let width = usize::from(width);
    match subject.rfind('[') {
        Some(at) if subject.width() > width && subject.len() - at + 3 < width => {
            let (name, pid) = subject.split_at(at);
            Cow::Owned(format!("{}{pid}", words::fit(name, width - pid.len())))
        }
        _ => Cow::Borrowed(subject),
    }
}

/// What an event says, without what the line says already: the subject before it, and the
/// directory of a program, so that its arguments are seen.
pub(crate) fn headline<'a>(event: &'a Event, subject: &str) -> &'a str {
    let message = event.message.as_str();
    let said = message.strip_prefix(subject);
    let message = said.map_or(message, |rest| rest.trim_start_matches([':', ' ']));
    if event.kind == Kind::Exec {
        let program = message.split(' ').next().unwrap_or(message);
        if let Some((directory, _)) = program.rsplit_once('/') {
            return &message[directory.len() + 1..];
        }
    }
    if event.kind == Kind::OomKill {
        return message.strip_prefix("the kernel ").unwrap_or(message);
    }
    message
}

/// Draws the event: sign, time, level, kind, subject and message, as many as there is room for.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, event: &Clean<Event>, selected: bool) {
    let theme = canvas.theme;
    let tier = event.verdict.tier;
    let right = area.right();
    let (y, mut x) = (area.y, area.x);
    let mut column = |canvas: &mut Canvas<'_>, width: u16, text: &str, style| {
        let room = width.min(right.saturating_sub(x));
        canvas.put(x, y, room, text, style);
        x = (x + width + 1).min(right);
    };
    column(canvas, 1, tier_sign(tier), theme.tier(tier));
    let clock = moment::clock(event.time);
    match area.width {
        0..60 => column(canvas, 8, &clock[..8], theme.dim),
        _ => column(canvas, 12, &clock, theme.dim),
    }
    if area.width >= 70 {
        let level = event.level.as_str();
        column(canvas, 4, short_level(level), theme.level(event.level));
    }
    if area.width >= 90 {
        column(canvas, 14, event.kind.as_str(), theme.dim);
    }
    let subject_width = match area.width {
        0..60 => 10,
        60..120 => 18,
        _ => 24,
    };
    let subject = subject(event);
    let name = fit_subject(&subject, subject_width);
    column(canvas, subject_width, &name, theme.accent);
    let style = if tier > Tier::Normal {
        theme.strong
    } else {
        theme.text
    };
    let room = right.saturating_sub(x);
    let end = canvas.put(x, y, room, headline(event, &subject), style);
    // Why it stands out, where there is room left for it.
    if tier > Tier::Normal
        && let Some(reason) = event.verdict.reasons.first()
        && right.saturating_sub(end) > 12
    {
        canvas.put(end + 2, y, right - end - 2, &reason.text, theme.tier(tier));
    }
    if selected {
        canvas.paint(area, theme.selection);
    }
}

/// A level in four letters.
fn short_level(level: &str) -> &str {
    match level {
        "debug" => "dbug",
        "notice" => "note",
        "critical" => "crit",
        "error" => "err",
        other => &other[..other.len().min(4)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;

    #[test]
    fn the_number_of_a_process_is_not_cut() {
        assert_eq!(
            fit_subject("clippy-driver[19223]", 18),
            "clippy-dri…[19223]"
        );
        assert_eq!(fit_subject("sh[1]", 18), "sh[1]");
        assert_eq!(
            fit_subject("a-long-service-name", 10),
            "a-long-service-name"
        );
    }

    #[test]
    fn a_line_says_nothing_twice() {
        let exec = sample::kernel(1, Kind::Exec, "ls", "/usr/bin/ls -l /etc/passwd");
        assert_eq!(headline(&exec, "ls[4001]"), "ls -l /etc/passwd");
        let exit = sample::kernel(1, Kind::Exit, "ls", "ls[4001] ended with code 0");
        assert_eq!(headline(&exit, "ls[4001]"), "ended with code 0");
        assert_eq!(
            headline(&sample::log(1, "/a/b is full"), "web"),
            "/a/b is full"
        );
    }
}
