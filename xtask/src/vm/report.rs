//! What the guest program said, and the tables made of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

/// A line of the guest program's.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(super) enum Line {
    /// A scenario begins.
    Scenario {
        /// What is different from an ordinary host.
        name: String,
    },
    /// What hark found out about the host.
    Fact {
        /// What it is about.
        name: String,
        /// What was found.
        found: String,
        /// Whether it is as it should be.
        good: bool,
        /// How to make it so.
        remedy: Option<String>,
    },
    /// A feature of hark's.
    Feature {
        /// Its name.
        name: String,
        /// Why it is off; absent where it is on.
        off: Option<String>,
        /// What its programs hang on.
        programs: Vec<String>,
    },
    /// How much the kernel had to verify.
    Verified {
        /// Instructions gone through for the program that took the most.
        most: u64,
    },
    /// Something was caused, and hark did or did not tell of it.
    Check {
        /// The feature that tells of it.
        feature: String,
        /// What was caused.
        what: String,
        /// What became of it.
        outcome: Outcome,
    },
    /// The kernel side did not start.
    Error {
        /// Why.
        text: String,
    },
    /// The scenario went through to its end.
    Done,
    /// All scenarios did.
    End,
}

/// Something that was caused.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Check {
    feature: String,
    what: String,
    outcome: Outcome,
}

/// Whether hark told what was caused, or why not.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// As it was done.
    Told,
    /// Hark did not, and should have.
    Wrong(String),
    /// The kernel cannot.
    Limit(String),
    /// There was nothing to tell: the scenario leaves no right to cause it.
    NotCaused(String),
}

/// What hark did in one scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scenario {
    pub(super) name: String,
    facts: Vec<(String, String, bool)>,
    /// In the order told; with the reason where it is off.
    features: Vec<(String, Option<String>)>,
    checks: Vec<Check>,
    verified: Option<u64>,
    error: Option<String>,
    done: bool,
}

/// What hark did on one kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// As `uname -r` tells it.
    pub(super) release: String,
    pub(super) scenarios: Vec<Scenario>,
    /// What went wrong with the boot itself.
    pub(super) faults: Vec<String>,
}

/// The scenario that shows what works on a kernel.
const PLAIN: &str = "as booted";

impl Report {
    /// Reads what the guest program said.
    pub(super) fn parse(release: &str, text: &str) -> Self {
        let mut report = Self {
            release: release.to_owned(),
            ..Self::default()
        };
        let mut ended = false;
        for text in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
            match serde_json::from_str(text) {
                Ok(Line::Scenario { name }) => report.scenarios.push(Scenario {
                    name,
                    ..Scenario::default()
                }),
                Ok(Line::End) => ended = true,
                Ok(line) => match report.scenarios.last_mut() {
                    Some(scenario) => scenario.add(line),
                    None => report
                        .faults
                        .push(format!("told before any scenario: {text}")),
                },
                Err(error) => report
                    .faults
                    .push(format!("not understood: {text} ({error})")),
            }
        }
        if !ended {
            report
                .faults
                .push("the guest program did not come to its end".to_owned());
        }
        report
    }

    /// All that is wrong: what was caused and not told, and what did not come to its end.
    pub(super) fn wrong(&self) -> Vec<String> {
        let mut wrong = self.faults.clone();
        for scenario in &self.scenarios {
            let mut add = |text: &str| wrong.push(format!("{}: {text}", scenario.name));
            if let Some(error) = &scenario.error {
                add(error);
            } else if !scenario.done {
                add("did not come to its end");
            } else if scenario.features.is_empty() {
                add("no feature was told");
            }
            for check in &scenario.checks {
                if let Outcome::Wrong(why) = &check.outcome {
                    add(&format!("{}: {}: {why}", check.feature, check.what));
                }
            }
        }
        wrong
    }
}

impl Scenario {
    fn add(&mut self, line: Line) {
        match line {
            Line::Fact {
                name,
                found,
                good,
                remedy,
            } => {
                let found = match remedy {
                    Some(remedy) if !good => format!("{found} ({remedy})"),
                    _ => found,
                };
                self.facts.push((name, found, good));
            }
            Line::Feature { name, off, .. } => self.features.push((name, off)),
            Line::Check {
                feature,
                what,
                outcome,
            } => {
                self.checks.push(Check {
                    feature,
                    what,
                    outcome,
                });
            }
            Line::Verified { most } => self.verified = Some(most),
            Line::Error { text } => self.error = Some(text),
            Line::Done => self.done = true,
            Line::Scenario { .. } | Line::End => {}
        }
    }

    /// In a word or two, how a check went.
    fn check(&self, feature: &str, what: &str, notes: &mut Notes) -> String {
        let same = |check: &&Check| check.feature == feature && check.what == what;
        match self.checks.iter().find(same).map(|check| &check.outcome) {
            Some(Outcome::Told) => "yes".to_owned(),
            Some(Outcome::Wrong(why)) => notes.mark("**wrong**", why),
            Some(Outcome::Limit(why)) => notes.mark("no", why),
            Some(Outcome::NotCaused(why)) => notes.mark("not caused", why),
            None => match self.features.iter().find(|(name, _)| name == feature) {
                Some((_, Some(reason))) => notes.mark("off", reason),
                Some((_, None)) | None => "–".to_owned(),
            },
        }
    }

    /// In a few words, what is on.
    fn summary(&self, notes: &mut Notes) -> String {
        if let Some(error) = &self.error {
            return notes.mark("**does not start**", error);
        }
        if !self.done {
            return "**cut short**".to_owned();
        }
        if self.features.is_empty() {
            return "**no feature told**".to_owned();
        }
        let off: Vec<_> = self
            .features
            .iter()
            .filter_map(|(name, off)| Some((name, off.as_ref()?)))
            .collect();
        let count =
            |is: fn(&Outcome) -> bool| self.checks.iter().filter(|c| is(&c.outcome)).count();
        let told = count(|outcome| *outcome == Outcome::Told);
        let not_caused = count(|outcome| matches!(outcome, Outcome::NotCaused(_)));
        let caused = self.checks.len() - not_caused;
        let mut text = if off.is_empty() {
            "all on".to_owned()
        } else if off.len() == self.features.len() {
            "all off".to_owned()
        } else {
            let names: Vec<_> = off.iter().map(|(name, _)| name.as_str()).collect();
            format!("off: {}", names.join(", "))
        };
        let mut reasons: Vec<&String> = off.iter().map(|(_, reason)| *reason).collect();
        reasons.dedup();
        for reason in reasons {
            text = notes.mark(&text, reason);
        }
        if caused > 0 {
            let _ = write!(text, "; {told}/{caused} told");
        }
        if not_caused > 0 {
            let _ = write!(text, ", {not_caused} could not be caused");
        }
        text
    }
}

/// Reasons, numbered as they come.
#[derive(Default)]
struct Notes(Vec<String>);

impl Notes {
    fn mark(&mut self, text: &str, reason: &str) -> String {
        let number = self.0.iter().position(|r| r == reason).unwrap_or_else(|| {
            self.0.push(reason.to_owned());
            self.0.len() - 1
        });
        format!("{text} [{}]", number + 1)
    }

    fn list(&self) -> String {
        let mut text = String::new();
        for (number, reason) in self.0.iter().enumerate() {
            let _ = writeln!(text, "{}. {reason}", number + 1);
        }
        text
    }
}

/// The tables, in Markdown: what is told on which kernel, and what is left under each fault.
pub(super) fn tables(reports: &[Report]) -> String {
    let mut notes = Notes::default();
    let mut text = String::from("### What is told, by kernel\n\n");
    let plain = |report: &Report| -> Scenario {
        let found = report.scenarios.iter().find(|s| s.name == PLAIN);
        found.cloned().unwrap_or_default()
    };
    let header = |first: &str, text: &mut String| {
        let releases: Vec<_> = reports.iter().map(|r| r.release.as_str()).collect();
        let _ = writeln!(text, "| {first} | {} |", releases.join(" | "));
        let _ = writeln!(text, "|---|{}", "---|".repeat(releases.len()));
    };
    header("Feature and what was caused", &mut text);
    for (feature, what) in rows(reports) {
        let cells: Vec<_> = reports
            .iter()
            .map(|report| plain(report).check(&feature, &what, &mut notes))
            .collect();
        let _ = writeln!(text, "| `{feature}`: {what} | {} |", cells.join(" | "));
    }
    let verified: Vec<_> = reports
        .iter()
        .map(|report| {
            plain(report)
                .verified
                .map_or_else(|| "–".to_owned(), |n| n.to_string())
        })
        .collect();
    let _ = writeln!(
        text,
        "| Instructions verified for the costliest program, of 1000000 | {} |",
        verified.join(" | ")
    );
    text.push_str("\n### What is left under faults\n\n");
    header("Fault", &mut text);
    let mut names: Vec<&str> = Vec::new();
    for scenario in reports.iter().flat_map(|r| &r.scenarios) {
        if !names.contains(&scenario.name.as_str()) {
            names.push(&scenario.name);
        }
    }
    for name in names {
        let cells: Vec<_> = reports
            .iter()
            .map(|report| {
                let found = report.scenarios.iter().find(|s| s.name == name);
                found.map_or_else(|| "–".to_owned(), |s| s.summary(&mut notes))
            })
            .collect();
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    }
    if !notes.0.is_empty() {
        let _ = write!(text, "\n### Reasons\n\n{}", notes.list());
    }
    text.push_str(&facts(reports));
    if reports.iter().any(|report| !report.wrong().is_empty()) {
        text.push_str("\n### What is wrong\n\n");
        for report in reports {
            for wrong in report.wrong() {
                let _ = writeln!(text, "- {}: {wrong}", report.release);
            }
        }
    }
    text
}

/// The facts that are not as they should be, by scenario.
fn facts(reports: &[Report]) -> String {
    let mut bad: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for report in reports {
        for scenario in &report.scenarios {
            for (name, found, _) in scenario.facts.iter().filter(|(_, _, good)| !good) {
                let line = format!("{}: {name}: {found}", scenario.name);
                bad.entry(line).or_default().push(&report.release);
            }
        }
    }
    let mut text = String::new();
    if !bad.is_empty() {
        text.push_str("\n### What hark says of the host\n\n");
        for (line, releases) in bad {
            if releases.len() == reports.len() {
                let _ = writeln!(text, "- {line}");
            } else {
                let _ = writeln!(text, "- {line} (only on {})", releases.join(", "));
            }
        }
    }
    text
}

/// What was caused on any kernel, by feature, in the order in which it was.
fn rows(reports: &[Report]) -> Vec<(String, String)> {
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut add = |row: (String, String)| {
        if !rows.contains(&row) {
            rows.push(row);
        }
    };
    let scenarios = || reports.iter().flat_map(|r| &r.scenarios);
    for scenario in scenarios() {
        for check in &scenario.checks {
            add((check.feature.clone(), check.what.clone()));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = r#"
{"is":"scenario","name":"as booted"}
{"is":"fact","name":"kernel type information (BTF)","found":"there","good":true,"remedy":null}
{"is":"feature","name":"oom","off":null,"programs":["tracepoint oom:mark_victim"]}
{"is":"feature","name":"tcp","off":null,"programs":[]}
{"is":"verified","most":4321}
{"is":"check","feature":"oom","what":"a kill","outcome":"told"}
{"is":"check","feature":"tcp","what":"a refusal","outcome":{"wrong":"not told within 10 s"}}
{"is":"done"}
{"is":"scenario","name":"no BTF"}
{"is":"fact","name":"kernel type information (BTF)","found":"missing","good":false,"remedy":"boot a kernel with CONFIG_DEBUG_INFO_BTF"}
{"is":"feature","name":"oom","off":"no BTF","programs":[]}
{"is":"feature","name":"tcp","off":"no BTF","programs":[]}
{"is":"done"}
{"is":"scenario","name":"fewer rights"}
{"is":"feature","name":"oom","off":null,"programs":[]}
{"is":"check","feature":"oom","what":"a kill","outcome":{"not_caused":"may not"}}
{"is":"check","feature":"oom","what":"another","outcome":"told"}
{"is":"done"}
{"is":"end"}
"#;

    #[test]
    fn the_tables_show_what_works_and_why_not() {
        let reports = [Report::parse("6.1.0", TOLD)];
        assert_eq!(
            tables(&reports),
            "### What is told, by kernel\n\n\
             | Feature and what was caused | 6.1.0 |\n|---|---|\n\
             | `oom`: a kill | yes |\n\
             | `tcp`: a refusal | **wrong** [1] |\n\
             | `oom`: another | – |\n\
             | Instructions verified for the costliest program, of 1000000 | 4321 |\n\n\
             ### What is left under faults\n\n\
             | Fault | 6.1.0 |\n|---|---|\n\
             | as booted | all on; 1/2 told |\n\
             | no BTF | all off [2] |\n\
             | fewer rights | all on; 1/1 told, 1 could not be caused |\n\n\
             ### Reasons\n\n1. not told within 10 s\n2. no BTF\n\n\
             ### What hark says of the host\n\n\
             - no BTF: kernel type information (BTF): missing \
             (boot a kernel with CONFIG_DEBUG_INFO_BTF)\n\n\
             ### What is wrong\n\n\
             - 6.1.0: as booted: tcp: a refusal: not told within 10 s\n"
        );
        assert_eq!(
            reports[0].wrong(),
            ["as booted: tcp: a refusal: not told within 10 s"]
        );
    }

    #[test]
    fn a_boot_that_is_cut_short_is_wrong() {
        let (cut, _) = TOLD
            .split_once(r#"{"is":"feature","name":"tcp","off":"no"#)
            .expect("there");
        assert_eq!(
            Report::parse("6.1.0", cut).wrong(),
            [
                "the guest program did not come to its end",
                "as booted: tcp: a refusal: not told within 10 s",
                "no BTF: did not come to its end",
            ]
        );
    }
}
