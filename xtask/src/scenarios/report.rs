//! The table of what came of each fault.

use std::fmt;
use std::fmt::Write as _;

use crate::scenarios::fault::Fault;
use crate::scenarios::watch::Outcome;

/// What came of one fault.
pub(super) struct Row {
    what: &'static str,
    name: &'static str,
    must: bool,
    /// None where it could not be caused.
    outcome: Option<Outcome>,
}

impl Row {
    pub(super) fn new(fault: &Fault, outcome: Outcome) -> Self {
        Self {
            what: fault.what,
            name: fault.name,
            must: fault.must,
            outcome: Some(outcome),
        }
    }

    pub(super) fn skipped(fault: &Fault) -> Self {
        Self {
            what: fault.what,
            name: fault.name,
            must: fault.must,
            outcome: None,
        }
    }

    fn cells(&self) -> [String; 5] {
        let what = self.what.to_owned();
        let none = || "–".to_owned();
        let Some(outcome) = &self.outcome else {
            return [what, "skipped".to_owned(), none(), none(), none()];
        };
        let Some(after) = outcome.after else {
            return [what, "missed".to_owned(), none(), none(), none()];
        };
        let culprit = match outcome.culprit {
            Some(true) => format!("yes: {}", outcome.suspect),
            Some(false) => format!("no: {}", outcome.suspect),
            None => none(),
        };
        let title = if outcome.incident {
            outcome.title.clone()
        } else {
            format!("(no incident) {}", outcome.title)
        };
        let title = title.replace('|', "\\|");
        [
            what,
            format!("{after:.1} s"),
            outcome.tier.clone(),
            culprit,
            title,
        ]
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [_, after, tier, culprit, title] = self.cells();
        write!(f, "{:16} {after:8} {tier:9} {culprit}; {title}", self.name)
    }
}

/// The table in Markdown.
pub(super) fn table(rows: &[Row]) -> String {
    let mut table = String::from(
        "| fault | found after | tier | right culprit first | incident |\n|---|---|---|---|---|\n",
    );
    for row in rows {
        let _ = writeln!(table, "| {} |", row.cells().join(" | "));
    }
    let caused: Vec<&Outcome> = rows.iter().filter_map(|row| row.outcome.as_ref()).collect();
    let count = |test: fn(&Outcome) -> bool| caused.iter().filter(|o| test(o)).count();
    let _ = write!(
        table,
        "\n{} of {} found, {} within 10 s, {} with the right culprit first",
        count(|o| o.after.is_some()),
        caused.len(),
        count(|o| o.after.is_some_and(|after| after <= 10.0)),
        count(|o| o.culprit == Some(true)),
    );
    table
}

/// What must have been found and was not.
pub(super) fn wrong(rows: &[Row], short: bool) -> Vec<String> {
    let missed = |row: &&Row| {
        let missed = row.outcome.as_ref().is_some_and(|o| o.after.is_none());
        missed && (row.must || !short)
    };
    rows.iter()
        .filter(missed)
        .map(|row| format!("missed: {}", row.what))
        .collect()
}

/// What a quiet time brought.
pub(super) fn soak(opened: &[(String, String)], minutes: u64) -> String {
    let mut said = format!(
        "in {minutes} quiet minutes {} incidents were opened, {:.1} an hour",
        opened.len(),
        opened.len() as f64 * 60.0 / minutes as f64
    );
    for (tier, title) in opened {
        let _ = write!(said, "\n  {tier:9} {title}");
    }
    said
}
