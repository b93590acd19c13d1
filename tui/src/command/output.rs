//! How events are written for the shell: a line for people, or JSON.

use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write as _};

use crossterm::style::{Color, Stylize as _};
use hark_api::{Event, Level, Source, Tier};
use serde::Serialize;

use crate::clean::{self, Clean};
use crate::moment;
use crate::rarity;

/// Standard output, written for whoever reads it.
pub(super) struct Output {
    out: BufWriter<Stdout>,
    json: bool,
    /// A person reads it: colours, and nothing unsanitised even in JSON.
    terminal: bool,
    colour: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            out: BufWriter::new(io::stdout()),
            json,
            terminal,
            colour: terminal && !no_color,
        }
    }

    /// Whether JSON is written.
    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Writes a value as one line of JSON.
    pub(super) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_string(value)?;
        if self.terminal {
            text = clean::text(&text).into_owned();
        }
        writeln!(self.out, "{text}")
    }

    /// Writes a line of text that may quote what came from outside.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", clean::text(text))
    }

    /// Writes an event, as JSON or for people.
    pub(super) fn event(&mut self, event: Event) -> io::Result<()> {
        if self.json {
            return self.json(&event);
        }
        let line = event_line(&Clean::new(event), self.colour);
        writeln!(self.out, "{line}")
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// `2026-01-31 23:59:59.123  WARN  exec  sh[12]  message  (high: once in 40 days)`
fn event_line(event: &Clean<Event>, colour: bool) -> String {
    let paint = |text: String, color: Option<Color>| match color {
        Some(color) if colour => text.with(color).to_string(),
        _ => text,
    };
    let time = format!("{} {}", moment::day(event.time), moment::clock(event.time));
    let level = format!("{:<8}", event.level);
    let kind = format!("{:<14}", event.kind);
    let mut line = format!(
        "{}  {}  {}  ",
        paint(time, Some(Color::DarkGrey)),
        paint(level, level_colour(event.level)),
        paint(kind, Some(Color::DarkGrey)),
    );
    if let Some(who) = subject(event) {
        line.push_str(&paint(who, Some(Color::Cyan)));
        line.push_str("  ");
    }
    line.push_str(&event.message);
    if event.verdict.tier > Tier::Normal {
        let mut verdict = format!("  ({}", event.verdict.tier);
        if let Some(rarity) = rarity::words(event.verdict.rarity) {
            verdict.push_str(": ");
            verdict.push_str(&rarity);
        } else if let Some(reason) = event.verdict.reasons.first() {
            verdict.push_str(": ");
            verdict.push_str(&reason.text);
        }
        verdict.push(')');
        line.push_str(&paint(verdict, tier_colour(event.verdict.tier)));
    }
    line
}

/// Who an event is about, where its message alone may not tell: the service of a log, the process
/// of anything else.
fn subject(event: &Event) -> Option<String> {
    let process = event
        .process
        .as_ref()
        .map(|process| format!("{}[{}]", process.comm, process.pid));
    match event.source {
        Source::Log => event.service.clone().or(process),
        _ => process.or_else(|| event.service.clone()),
    }
}

fn level_colour(level: Level) -> Option<Color> {
    match level {
        Level::Trace | Level::Debug => Some(Color::DarkGrey),
        Level::Info | Level::Notice => None,
        Level::Warning => Some(Color::Yellow),
        Level::Error | Level::Critical | Level::Fatal => Some(Color::Red),
    }
}

fn tier_colour(tier: Tier) -> Option<Color> {
    match tier {
        Tier::Normal => None,
        Tier::Notice => Some(Color::Blue),
        Tier::Warning => Some(Color::Yellow),
        Tier::High => Some(Color::Magenta),
        Tier::Critical => Some(Color::Red),
    }
}

#[cfg(test)]
mod tests {
    use hark_api::{EventId, Fields, Kind, ReturnPeriod, Timestamp, Verdict};

    use super::*;

    #[test]
    fn a_line_tells_when_what_who_and_how_rare() {
        let event = Event {
            id: EventId(1),
            time: Timestamp::from_nanos(1_769_903_999_123_000_000),
            received: Timestamp::default(),
            source: Source::Log,
            kind: Kind::Log,
            level: Level::Warning,
            message: "disk\u{1B}[2J full".into(),
            template: None,
            service: Some("db".into()),
            host: None,
            process: None,
            fields: Fields::new(),
            trace: None,
            verdict: Verdict {
                tier: Tier::High,
                rarity: Some(ReturnPeriod::MONTH),
                reasons: vec![],
            },
        };
        assert_eq!(
            event_line(&Clean::new(event), false),
            "2026-01-31 23:59:59.123  warning   log             db  disk␛[2J full  (high: once in a month)"
        );
    }
}
