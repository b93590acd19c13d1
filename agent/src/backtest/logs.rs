//! Log lines: as text, as events in JSON, or in a column of CSV.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use hark_api::{Event, EventId, Fields, Kind, Level, ReturnPeriod, Source, Timestamp, Verdict};
use hark_detect::backtest::parse_time;

use super::input::{self, Form, Input};
use super::records::{Record, Records, quoted};
use super::replay::Replay;
use super::report::Report;
use super::series::create;
use super::{Error, Options};
use crate::api::input::{Context, parse_event};
use crate::config::{Ingest, Span};

/// Seconds between two lines that bear no time, where nothing else is said.
const STEP: f64 = 1.0;

pub(super) fn replay(
    replay: &mut Replay,
    form: Form,
    input: &Input,
    options: &Options,
    scores: Option<&Path>,
    report: &mut Report,
) -> Result<(), Error> {
    replay.start(1.0, 1, &options.detect)?;
    let step = options.step.unwrap_or(STEP);
    let mut lines = Lines::open(form, input)?;
    let mut out = scores.map(Templates::create).transpose()?;
    while let Some((line, mut event)) = lines.next(replay.next_time(step))? {
        report.row(event.time, 0);
        let verdict = replay.event(&mut event, Some(line), report)?;
        if let Some(out) = &mut out {
            out.write(event.template.unwrap_or_default(), &verdict)?;
        }
    }
    out.map_or(Ok(()), |out| out.finish(replay))
}

/// Reads lines as events.
struct Lines<'a> {
    input: &'a Input,
    context: Context,
    form: Reader,
}

enum Reader {
    Lines {
        reader: Box<dyn BufRead>,
        json: bool,
        line: usize,
        raw: Vec<u8>,
    },
    Csv {
        records: Records<Box<dyn BufRead>>,
        record: Record,
        message: usize,
        level: Option<usize>,
        time: Option<usize>,
    },
}

impl<'a> Lines<'a> {
    fn open(form: Form, input: &'a Input) -> Result<Self, Error> {
        let reader = input::open(&input.path)?;
        let form = match form {
            Form::CsvLog => csv(input, reader)?,
            Form::Series | Form::Ndjson | Form::Text => Reader::Lines {
                reader,
                json: form == Form::Ndjson,
                line: 0,
                raw: Vec::new(),
            },
        };
        let limits = Ingest {
            // A recording may be as old as it likes.
            max_past: Span::days(365 * 200),
            ..Ingest::default()
        };
        Ok(Self {
            input,
            context: Context {
                received: Timestamp::now(),
                trace: None,
                limits,
            },
            form,
        })
    }

    /// The next line and its number; `undated` is its time where it bears none.
    fn next(&mut self, undated: Timestamp) -> Result<Option<(usize, Event)>, Error> {
        let path = &self.input.path;
        match &mut self.form {
            Reader::Lines {
                reader,
                json,
                line,
                raw,
            } => loop {
                raw.clear();
                let most = self.context.limits.max_event.0;
                let read = reader.take(most + 1).read_until(b'\n', raw);
                if read.map_err(Error::file(path))? == 0 {
                    return Ok(None);
                }
                *line += 1;
                if raw.len() as u64 > most {
                    let reason = format!("has more than {most} bytes");
                    return Err(malformed(path, *line, None, reason));
                }
                let text = if *json {
                    std::str::from_utf8(raw)
                        .map_err(|e| malformed(path, *line, None, e.to_string()))?
                        .into()
                } else {
                    String::from_utf8_lossy(raw)
                };
                let text = text.trim_end();
                if text.is_empty() {
                    continue;
                }
                if !*json {
                    let time = leading_time(text).unwrap_or(undated);
                    return Ok(Some((*line, event(time, Level::Info, text))));
                }
                let mut event = parse_event(text, &self.context).map_err(|refused| {
                    let error = refused.into_error();
                    malformed(path, *line, error.field, error.reason)
                })?;
                // Without a time of its own an event has that of its arrival.
                if event.time == self.context.received {
                    event.time = undated;
                }
                return Ok(Some((*line, event)));
            },
            Reader::Csv {
                records,
                record,
                message,
                level,
                time,
            } => {
                let read = records.next(record);
                if !read.map_err(|e| malformed(path, records.line(), None, e.to_string()))? {
                    return Ok(None);
                }
                let line = record.line;
                let text = record.cell(*message).ok_or_else(|| {
                    let reason = "the column of the message is missing".to_owned();
                    malformed(path, line, None, reason)
                })?;
                let level = level
                    .and_then(|i| record.cell(i))
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(Level::Info);
                let time = time
                    .and_then(|i| record.cell(i))
                    .and_then(|text| parse_time(text).ok())
                    .unwrap_or(undated);
                Ok(Some((line, event(time, level, text))))
            }
        }
    }
}

fn csv(input: &Input, reader: Box<dyn BufRead>) -> Result<Reader, Error> {
    let path = &input.path;
    let mut records = Records::new(reader);
    let mut record = Record::default();
    let read = records.next(&mut record);
    read.map_err(|e| malformed(path, records.line(), None, e.to_string()))?;
    let message = input::message_column(&record).ok_or_else(|| {
        let reason = "there is no column `Content` or `message`".to_owned();
        malformed(path, 1, None, reason)
    })?;
    let level = record
        .cells()
        .position(|name| name.eq_ignore_ascii_case("level"));
    Ok(Reader::Csv {
        time: input::time_column(&record),
        records,
        record,
        message,
        level,
    })
}

fn malformed(path: &Path, line: usize, column: Option<String>, reason: String) -> Error {
    Error::Malformed {
        path: path.to_owned(),
        line,
        column,
        reason,
    }
}

/// The time that a line begins with: one word of RFC 3339, or a date and a time of day.
fn leading_time(text: &str) -> Option<Timestamp> {
    // Whatever else begins with a digit is looked at once, and is no date.
    let start = text.get(..10)?;
    let dashed = |i: usize| start.as_bytes().get(i) == Some(&b'-');
    if !(dashed(4) && dashed(7)) {
        return None;
    }
    let end = |from: usize| {
        text[from..]
            .find(|c: char| c.is_whitespace() || c == ']')
            .map_or(text.len(), |i| from + i)
    };
    let word = end(10);
    if word > 10 {
        return parse_time(&text[..word].replacen(',', ".", 1)).ok();
    }
    let word = text.get(11..).map(|_| end(11))?;
    parse_time(&text[..word].replacen(',', ".", 1)).ok()
}

fn event(time: Timestamp, level: Level, message: &str) -> Event {
    Event {
        id: EventId::default(),
        time,
        received: time,
        source: Source::Log,
        kind: Kind::Log,
        level,
        message: message.to_owned(),
        template: None,
        service: None,
        host: None,
        process: None,
        fields: Fields::new(),
        trace: None,
        verdict: Verdict::default(),
    }
}

/// The file of templates. A template is final when all lines were seen, so that each line's waits
/// in a file beside it.
struct Templates<'a> {
    path: &'a Path,
    waiting: PathBuf,
    spool: BufWriter<File>,
}

impl<'a> Templates<'a> {
    fn create(path: &'a Path) -> Result<Self, Error> {
        let mut waiting = path.as_os_str().to_owned();
        waiting.push(".part");
        let waiting = PathBuf::from(waiting);
        Ok(Self {
            path,
            spool: create(&waiting)?,
            waiting,
        })
    }

    fn write(&mut self, template: u32, verdict: &Verdict) -> Result<(), Error> {
        let period = verdict.rarity.map_or(0.0, ReturnPeriod::as_secs);
        let tier = verdict.tier.as_str();
        writeln!(self.spool, "{template},{tier},{period:.0}").map_err(Error::file(&self.waiting))
    }

    fn finish(mut self, replay: &Replay) -> Result<(), Error> {
        self.spool.flush().map_err(Error::file(&self.waiting))?;
        let spooled = File::open(&self.waiting).map_err(Error::file(&self.waiting))?;
        let mut out = create(self.path)?;
        let write = |out: &mut BufWriter<File>, line: &str| {
            writeln!(out, "{line}").map_err(Error::file(self.path))
        };
        write(&mut out, "LineId,ClusterId,Template,Tier,ReturnPeriod")?;
        for (i, line) in BufReader::new(spooled).lines().enumerate() {
            let line = line.map_err(Error::file(&self.waiting))?;
            let Some((template, verdict)) = line.split_once(',') else {
                continue;
            };
            let miner = replay.engine().map(hark_detect::Engine::miner);
            let template = template.parse().unwrap_or_default();
            let current = miner.map_or(template, |m| m.current(template));
            let text = miner.and_then(|m| m.text(current)).unwrap_or_default();
            let line = format!("{},{current},{},{verdict}", i + 1, quoted(text));
            write(&mut out, &line)?;
        }
        out.flush().map_err(Error::file(self.path))?;
        std::fs::remove_file(&self.waiting).map_err(Error::file(&self.waiting))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_begins_with_a_time_has_it() {
        let wanted: Timestamp = "2024-03-01T12:00:00.5Z".parse().expect("a time");
        for line in [
            "2024-03-01T12:00:00.5Z up",
            "2024-03-01 12:00:00.5 up",
            "2024-03-01 12:00:00,500 up",
        ] {
            assert_eq!(leading_time(line), Some(wanted), "{line}");
        }
        for line in [
            "up",
            "2024-03-01",
            "12345678901",
            "2024-03-01 é",
            "2024-13-01 12:00:00 x",
        ] {
            assert_eq!(leading_time(line), None, "{line}");
        }
    }
}
