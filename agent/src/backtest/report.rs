//! Tells what was found: for people, or as lines of JSON.

use std::fmt::Write as _;
use std::io::Write as _;

use hark_api::{Incident, Tier, Timestamp};
use hark_detect::{Change, Finding};
use serde_json::json;

use super::Error;
use super::replay::Replay;

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// One JSON object a line: findings, incidents, and a summary of each file
    Json,
    /// Nothing
    None,
}

/// Characters of a text from outside that are printed.
const MAX_TEXT: usize = 300;

/// What was found in one file.
pub(super) struct Report {
    file: String,
    tier: Tier,
    format: Format,
    rows: u64,
    points: u64,
    span: Option<(Timestamp, Timestamp)>,
    tiers: [u64; Tier::ALL.len()],
    incidents: u64,
    /// Incidents that ended before are not told.
    since: Option<Timestamp>,
    /// How many of each tier were found when it was live.
    then: Option<[u64; Tier::ALL.len()]>,
}

impl Report {
    pub(super) fn new(file: String, tier: Tier, format: Format) -> Self {
        Self {
            file,
            tier,
            format,
            rows: 0,
            points: 0,
            span: None,
            tiers: [0; Tier::ALL.len()],
            incidents: 0,
            since: None,
            then: None,
        }
    }

    /// One that says nothing.
    pub(super) fn silent() -> Self {
        Self::new(String::new(), Tier::Critical, Format::None)
    }

    /// Tells only of incidents that go on after this time.
    pub(super) fn since(mut self, since: Option<Timestamp>) -> Self {
        self.since = since;
        self
    }

    /// What was found when it was live, by tier.
    pub(super) fn said_then(&mut self, tiers: [u64; Tier::ALL.len()]) {
        self.then = Some(tiers);
    }

    /// Counts a row or a line.
    pub(super) fn row(&mut self, time: Timestamp, points: usize) {
        self.rows += 1;
        self.points += points as u64;
        let (first, last) = self.span.unwrap_or((time, time));
        self.span = Some((first.min(time), last.max(time)));
    }

    pub(super) fn finding(&mut self, finding: &Finding, line: Option<usize>) -> Result<(), Error> {
        let verdict = &finding.verdict;
        self.tiers[verdict.tier as usize] += 1;
        if verdict.tier < self.tier {
            return Ok(());
        }
        match self.format {
            Format::None => Ok(()),
            Format::Json => print(
                &json!({
                    "file": self.file,
                    "line": line,
                    "finding": {
                    "time": finding.time,
                    "kind": finding.kind,
                    "message": finding.message,
                    "series": finding.subject.series,
                    "service": finding.subject.service,
                    "template": finding.subject.template,
                    "verdict": verdict,
                },
                })
                .to_string(),
            ),
            Format::Text => {
                let rarity = verdict.rarity.map_or_else(String::new, |r| r.to_string());
                let place = line.map_or_else(String::new, |line| format!("line {line}: "));
                let mut text = format!(
                    "{}  {:<8}  {rarity:<20}  {place}{}",
                    finding.time,
                    verdict.tier.as_str(),
                    plain(&finding.message),
                );
                for reason in &verdict.reasons {
                    text.push_str("\n    ");
                    text.push_str(&plain(&reason.text));
                    if let Some(p) = reason.p {
                        let _ = write!(text, ", p = {p:.1e}");
                    }
                }
                print(&text)
            }
        }
    }

    pub(super) fn changes(&mut self, changes: Vec<Change>) -> Result<(), Error> {
        for change in changes {
            if let Change::Closed(incident) = change {
                self.incident(&incident)?;
            }
        }
        Ok(())
    }

    fn incident(&mut self, incident: &Incident) -> Result<(), Error> {
        if self.since.is_some_and(|since| incident.last < since) {
            return Ok(());
        }
        self.incidents += 1;
        if incident.tier < self.tier {
            return Ok(());
        }
        match self.format {
            Format::None => Ok(()),
            Format::Json => print(&json!({"file": self.file, "incident": incident}).to_string()),
            Format::Text => print(&format!(
                "{}  {:<8}  incident until {}: {} ({} findings)",
                incident.start,
                incident.tier.as_str(),
                incident.end.unwrap_or(incident.last),
                plain(&incident.title),
                incident.findings,
            )),
        }
    }

    /// The file is at its end.
    pub(super) fn end(mut self, replay: &mut Replay) -> Result<(), Error> {
        for change in replay.open_incidents() {
            self.incident(change.incident())?;
        }
        let named = |counts: &[u64]| -> Vec<(&str, u64)> {
            let tiers = Tier::ALL.iter().filter(|&&tier| tier > Tier::Normal);
            tiers
                .map(|tier| (tier.as_str(), counts[*tier as usize]))
                .collect()
        };
        match self.format {
            Format::None => Ok(()),
            Format::Json => {
                let object = |counts: &[u64]| -> serde_json::Map<_, _> {
                    let named = named(counts).into_iter();
                    named
                        .map(|(tier, count)| (tier.to_owned(), count.into()))
                        .collect()
                };
                print(
                    &json!({
                        "file": self.file,
                        "rows": self.rows,
                        "points": self.points,
                        "from": self.span.map(|s| s.0),
                        "to": self.span.map(|s| s.1),
                        "findings": object(&self.tiers),
                    "findings_then": self.then.map(|then| object(&then)),
                        "incidents": self.incidents,
                    })
                    .to_string(),
                )
            }
            Format::Text => {
                let words = |counts: &[u64]| -> String {
                    let named = named(counts).into_iter();
                    let each: Vec<_> = named.map(|(tier, n)| format!("{n} {tier}")).collect();
                    each.join(", ")
                };
                let then = self
                    .then
                    .map_or_else(String::new, |then| format!("; live: {}", words(&then)));
                let span = self
                    .span
                    .map_or_else(String::new, |(a, b)| format!(", {a} to {b}"));
                print(&format!(
                    "{}: {} rows{span}: {}; {} incidents{then}",
                    plain(&self.file),
                    self.rows,
                    words(&self.tiers),
                    self.incidents,
                ))
            }
        }
    }
}

fn print(line: &str) -> Result<(), Error> {
    writeln!(std::io::stdout().lock(), "{line}").map_err(Error::Print)
}

/// Text from outside as one harmless, bounded line: nothing in it can steer a terminal or turn
/// the order of the letters around.
fn plain(text: &str) -> String {
    let mut plain: String = text
        .chars()
        .take(MAX_TEXT)
        .map(|c| match c {
            '\t' => ' ',
            '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{61c}' => '\u{fffd}',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect();
    if text.chars().nth(MAX_TEXT).is_some() {
        plain.push('…');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_steer_a_terminal() {
        let text = plain("a\x1b[2J\tb\n\u{202e}c");
        assert_eq!(text, "a\u{fffd}[2J b\u{fffd}\u{fffd}c");
        assert_eq!(plain(&"x".repeat(1000)).chars().count(), MAX_TEXT + 1);
    }
}
