//! Series: a CSV row is one reading of all its columns.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufWriter, Write as _};
use std::path::Path;

use hark_api::{SeriesKey, Tier, Timestamp};
use hark_detect::backtest::{parse_time, step};
use hark_detect::{Engine, Severity};

use super::input::{self, Input};
use super::records::{Record, Records, quoted};
use super::replay::Replay;
use super::report::Report;
use super::{Error, Options};

/// Which score is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Measure {
    /// For thresholds: onsets of one series, distances and novelty of many together
    Alarm,
    /// For ranking: how unusual each row is, whether or not it is an onset
    Severity,
}

/// Rows that are read before the first is judged: their distance in time is needed.
const AHEAD: usize = 101;
/// Scores of one series are divided by this, to lie between 0 and 1.
const HIGHEST: f64 = 20.0;

/// A row of numbers.
struct Row {
    line: usize,
    /// The time as it was written.
    written: String,
    time: Timestamp,
    values: Vec<f64>,
}

pub(super) fn replay(
    replay: &mut Replay,
    input: &Input,
    options: &Options,
    scores: Option<&Path>,
    report: &mut Report,
) -> Result<(), Error> {
    let mut rows = Rows::open(input, options.step, replay)?;
    let mut ahead = VecDeque::with_capacity(AHEAD);
    while ahead.len() < AHEAD
        && let Some(row) = rows.next()?
    {
        ahead.push_back(row);
    }
    let step = step(ahead.iter().map(|row: &Row| row.time));
    let keys = rows.keys();
    replay.start(step, keys.len(), &options.detect)?;
    let mut samples: Vec<(SeriesKey, f64)> = keys.into_iter().map(|key| (key, 0.0)).collect();
    let mut out = match scores {
        Some(path) => Some(Scores::create(path, samples.len(), options, rows.timed())?),
        None => None,
    };
    while let Some(row) = match ahead.pop_front() {
        Some(row) => Some(row),
        None => rows.next()?,
    } {
        for (sample, value) in samples.iter_mut().zip(&row.values) {
            sample.1 = *value;
        }
        report.row(row.time, samples.len());
        let findings = replay.samples(row.time, &samples, Some(row.line), report)?;
        if let Some(out) = &mut out {
            let severity = replay.engine().map(Engine::severity).unwrap_or_default();
            let tier = findings.iter().map(|f| f.verdict.tier).max();
            out.write(&row, severity, tier.unwrap_or_default())?;
        }
    }
    out.map_or(Ok(()), Scores::finish)
}

/// Reads rows; knows which column is what.
struct Rows<'a> {
    input: &'a Input,
    records: Records<Box<dyn BufRead>>,
    record: Record,
    /// The first record was no header, and is the first row.
    first: bool,
    names: Vec<String>,
    time: Option<usize>,
    /// Without a column of the time: when the next row is, and the seconds between two.
    next: Timestamp,
    step: f64,
}

impl<'a> Rows<'a> {
    fn open(input: &'a Input, step: Option<f64>, replay: &Replay) -> Result<Self, Error> {
        let mut rows = Self {
            input,
            records: Records::new(input::open(&input.path)?),
            record: Record::default(),
            first: false,
            names: Vec::new(),
            time: None,
            next: replay.next_time(step.unwrap_or(1.0)),
            step: step.unwrap_or(1.0),
        };
        if !rows.advance()? {
            return Err(Error::Unfit {
                path: input.path.clone(),
                reason: "there is nothing in it".into(),
            });
        }
        let number = |cell: &str| cell.is_empty() || cell.parse::<f64>().is_ok();
        // The time in front may be a text.
        rows.first = match rows.record.len() {
            1 => rows.record.cells().all(number),
            _ => rows.record.cells().skip(1).all(number),
        };
        rows.names = if rows.first {
            (1..=rows.record.len())
                .map(|i| format!("column_{i}"))
                .collect()
        } else {
            rows.record.cells().map(str::to_owned).collect()
        };
        rows.time = match step {
            Some(_) => None,
            None if rows.first => Some(0),
            None => Some(input::time_column(&rows.record).unwrap_or(0)),
        };
        if rows.names.len() == usize::from(rows.time.is_some()) {
            return Err(rows.bad(None, "there is no column beside the time; give --step SECONDS where the file bears no time".into()));
        }
        Ok(rows)
    }

    fn timed(&self) -> bool {
        self.time.is_some()
    }

    fn keys(&self) -> Vec<SeriesKey> {
        let names = self.names.iter().enumerate();
        names
            .filter(|(i, _)| Some(*i) != self.time)
            .map(|(_, name)| SeriesKey::new(name))
            .collect()
    }

    fn advance(&mut self) -> Result<bool, Error> {
        let read = self.records.next(&mut self.record);
        read.map_err(|error| Error::Malformed {
            path: self.input.path.clone(),
            line: self.records.line(),
            column: None,
            reason: error.to_string(),
        })
    }

    fn bad(&self, column: Option<usize>, reason: String) -> Error {
        Error::Malformed {
            path: self.input.path.clone(),
            line: self.record.line,
            column: column.and_then(|i| self.names.get(i).cloned()),
            reason,
        }
    }

    fn next(&mut self) -> Result<Option<Row>, Error> {
        if !std::mem::take(&mut self.first) && !self.advance()? {
            return Ok(None);
        }
        if self.record.len() != self.names.len() {
            let (has, wanted) = (self.record.len(), self.names.len());
            return Err(self.bad(None, format!("has {has} columns instead of {wanted}")));
        }
        let mut row = Row {
            line: self.record.line,
            written: String::new(),
            time: self.next,
            values: Vec::with_capacity(self.names.len()),
        };
        for (i, cell) in self.record.cells().enumerate() {
            if Some(i) == self.time {
                row.time = parse_time(cell).map_err(|reason| {
                    let hint = "give --step SECONDS where the file bears no time";
                    self.bad(Some(i), format!("{reason}; {hint}"))
                })?;
                cell.clone_into(&mut row.written);
            } else if cell.is_empty() {
                row.values.push(f64::NAN);
            } else {
                let value = cell
                    .parse()
                    .map_err(|_| self.bad(Some(i), format!("`{cell}` is not a number")))?;
                row.values.push(value);
            }
        }
        if self.time.is_none() {
            self.next = self.next.plus_nanos((self.step * 1e9) as i64);
        }
        Ok(Some(row))
    }
}

/// The file of scores: a row for each row.
struct Scores<'a> {
    path: &'a Path,
    out: BufWriter<File>,
    measure: Measure,
    flag: Option<Tier>,
    single: bool,
    timed: bool,
}

impl<'a> Scores<'a> {
    fn create(path: &'a Path, width: usize, options: &Options, timed: bool) -> Result<Self, Error> {
        let mut scores = Self {
            path,
            out: create(path)?,
            measure: options.measure,
            flag: options.flag,
            single: width == 1,
            timed,
        };
        let mut header: Vec<&str> = Vec::new();
        header.extend(scores.timed.then_some("timestamp"));
        header.extend(scores.single.then_some("value"));
        header.push("anomaly_score");
        header.extend(scores.flag.map(|_| "flag"));
        writeln!(scores.out, "{}", header.join(",")).map_err(Error::file(path))?;
        Ok(scores)
    }

    fn write(&mut self, row: &Row, severity: Severity, tier: Tier) -> Result<(), Error> {
        let score = match (self.measure, self.single) {
            (Measure::Alarm, true) => severity.onset / HIGHEST,
            (Measure::Severity, true) => severity.score / HIGHEST,
            (Measure::Alarm, false) => severity.alarm,
            (Measure::Severity, false) => severity.rank,
        };
        let mut line = String::new();
        if self.timed {
            line.push_str(&quoted(&row.written));
            line.push(',');
        }
        if self.single {
            let value = row.values.first().filter(|v| v.is_finite());
            line.push_str(&value.map_or_else(String::new, f64::to_string));
            line.push(',');
        }
        let _ = write!(line, "{score:.9}");
        if let Some(flag) = self.flag {
            line.push_str(if tier >= flag { ",1" } else { ",0" });
        }
        writeln!(self.out, "{line}").map_err(Error::file(self.path))
    }

    fn finish(mut self) -> Result<(), Error> {
        self.out.flush().map_err(Error::file(self.path))
    }
}

/// Makes a file, and the folders that it is in.
pub(super) fn create(path: &Path) -> Result<BufWriter<File>, Error> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(Error::file(dir))?;
    }
    Ok(BufWriter::new(
        File::create(path).map_err(Error::file(path))?,
    ))
}
