//! `hark send`: one event from the command line, or many from standard input.

use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use hark_api::client::{Client, ClientError, IdempotencyKey};
use hark_api::{BatchAccepted, Tier};
use serde_json::{Map, Value};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, BufReader};

use super::output::Output;
use crate::backoff::Backoff;
use crate::clean;
use crate::cli::SendArgs;
use crate::error::Error;

/// A batch is sent when it has this many lines,
const BATCH_LINES: usize = 1_000;
/// or this many bytes,
const BATCH_BYTES: usize = 512 << 10;
/// or when no further line came for this long.
const BATCH_WAIT: Duration = Duration::from_millis(100);
/// Longer lines are refused here: the agent would refuse them too.
const MAX_LINE_BYTES: usize = 256 << 10;
/// How often a batch is offered to an agent that is busy or away, with growing pauses between.
const ATTEMPTS: u32 = 8;

pub(crate) async fn run(client: &Client, args: SendArgs) -> Result<ExitCode, Error> {
    let mut out = Output::new(args.output.json);
    if args.message.is_empty() {
        let code = send_lines(client, &args, &mut out).await?;
        out.flush()?;
        return Ok(code);
    }
    let event = event(&args, &args.message.join(" "));
    let accepted = client.send(&event, None).await?;
    if out.is_json() {
        out.json(&accepted)?;
    } else {
        let mut line = format!("stored as event {}: {}", accepted.id, accepted.verdict.tier);
        if let Some(rarity) = crate::rarity::words(accepted.verdict.rarity)
            && accepted.verdict.tier > Tier::Normal
        {
            let _ = write!(line, ", {rarity}");
        }
        out.line(&line)?;
        for reason in &accepted.verdict.reasons {
            out.line(&format!("  {}: {}", reason.code, reason.text))?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// The event that the flags and a message describe.
fn event(args: &SendArgs, message: &str) -> Map<String, Value> {
    let mut event = Map::new();
    event.insert("message".into(), message.into());
    with_flags(event, args)
}

/// Adds what the flags say where the event does not say it itself.
fn with_flags(mut event: Map<String, Value>, args: &SendArgs) -> Map<String, Value> {
    let mut default = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            event.entry(name).or_insert(value);
        }
    };
    default("level", args.level.map(|level| level.as_str().into()));
    default("service", args.service.clone().map(Value::from));
    default("time", args.time.map(|time| time.to_string().into()));
    for (name, value) in &args.fields {
        default(name, Some(value.clone()));
    }
    event
}

/// Lines that wait to be sent together.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// Of each event in the batch, its line on standard input.
    lines: Vec<u64>,
}

/// What became of the lines.
#[derive(Default)]
struct Tally {
    accepted: u64,
    rejected: u64,
}

async fn send_lines(client: &Client, args: &SendArgs, out: &mut Output) -> Result<ExitCode, Error> {
    let mut input = BufReader::with_capacity(64 << 10, tokio::io::stdin());
    let mut batch = Batch::default();
    let mut tally = Tally::default();
    let mut line = Line::default();
    let mut number = 0;
    loop {
        // A line half read stays in `line` when the wait ends.
        let read = tokio::time::timeout(BATCH_WAIT, line.read(&mut input)).await;
        let more = match read {
            Err(_) => {
                flush(client, &mut batch, &mut tally, out).await?;
                line.read(&mut input).await?
            }
            Ok(more) => more?,
        };
        if !more {
            break;
        }
        number += 1;
        match line.take() {
            Err(reason) => {
                tally.rejected += 1;
                eprintln!("hark: line {number}: {reason}");
            }
            Ok(text) if text.trim().is_empty() => {}
            Ok(text) => {
                let object = match serde_json::from_str::<Value>(&text) {
                    Ok(Value::Object(object)) => with_flags(object, args),
                    _ => event(args, &text),
                };
                serde_json::to_writer(&mut batch.bytes, &object).map_err(ClientError::Encode)?;
                batch.bytes.push(b'\n');
                batch.lines.push(number);
            }
        }
        if batch.lines.len() >= BATCH_LINES || batch.bytes.len() >= BATCH_BYTES {
            flush(client, &mut batch, &mut tally, out).await?;
        }
    }
    flush(client, &mut batch, &mut tally, out).await?;
    if !out.is_json() {
        out.line(&format!(
            "{} events stored, {} refused",
            tally.accepted, tally.rejected
        ))?;
    }
    Ok(ExitCode::from(u8::from(tally.rejected > 0)))
}

/// Sends what waits, patiently where the agent is busy.
async fn flush(
    client: &Client,
    batch: &mut Batch,
    tally: &mut Tally,
    out: &mut Output,
) -> Result<(), Error> {
    let Batch { bytes, lines } = std::mem::take(batch);
    if lines.is_empty() {
        return Ok(());
    }
    let bytes = Bytes::from(bytes);
    // One for all attempts: whichever arrives first is stored, and the others are answered alike.
    let key = IdempotencyKey::random().map_err(io::Error::other)?;
    let mut backoff = Backoff::new();
    let mut attempt = 1;
    let answer = loop {
        match client.send_batch(bytes.clone(), Some(&key)).await {
            Ok(answer) => break answer,
            Err(error) if attempt < ATTEMPTS && is_passing(&error) => {
                attempt += 1;
                tokio::time::sleep(backoff.next()).await;
            }
            Err(error) => {
                eprintln!("hark: lines from {} on are not stored", lines[0]);
                return Err(error.into());
            }
        }
    };
    tally.accepted += answer.accepted;
    tally.rejected += answer.rejected;
    report(&answer, &lines, out)?;
    out.flush()?;
    Ok(())
}

/// Whether waiting may help. Where the connection broke or no answer came the batch may be stored
/// already; its key keeps it from being stored twice.
fn is_passing(error: &ClientError) -> bool {
    match error {
        error if error.is_unreachable() => true,
        error => matches!(error.problem(), Some(problem) if matches!(problem.status, 429 | 503)),
    }
}

fn report(answer: &BatchAccepted, lines: &[u64], out: &mut Output) -> io::Result<()> {
    for error in &answer.errors {
        let line = error
            .line
            .and_then(|n| lines.get(usize::try_from(n).ok()?.checked_sub(1)?));
        let line = line.map_or(String::new(), |line| format!("line {line}: "));
        let field = error
            .field
            .as_ref()
            .map_or(String::new(), |f| format!("{f}: "));
        eprintln!(
            "hark: {}",
            clean::text(&format!("{line}{field}{}", error.reason))
        );
    }
    if out.is_json() {
        return out.json(answer);
    }
    for unusual in &answer.unusual {
        let why = unusual.verdict.reasons.first();
        let why = why.map_or(String::new(), |reason| format!(": {}", reason.text));
        out.line(&format!(
            "event {} is {}{why}",
            unusual.id, unusual.verdict.tier
        ))?;
    }
    Ok(())
}

/// One line as it is read, bounded.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Line {
    /// Reads up to the end of the line; false at the end of input. Safe to cancel and call again.
    async fn read(&mut self, input: &mut (impl AsyncBufRead + Unpin)) -> io::Result<bool> {
        loop {
            let chunk = input.fill_buf().await?;
            if chunk.is_empty() {
                return Ok(!self.bytes.is_empty() || self.too_long);
            }
            let newline = chunk.iter().position(|b| *b == b'\n');
            let part = &chunk[..newline.unwrap_or(chunk.len())];
            if self.bytes.len() + part.len() > MAX_LINE_BYTES {
                self.too_long = true;
                self.bytes = Vec::new();
            } else if !self.too_long {
                self.bytes.extend_from_slice(part);
            }
            let used = part.len() + usize::from(newline.is_some());
            input.consume(used);
            if newline.is_some() {
                return Ok(true);
            }
        }
    }

    fn take(&mut self) -> Result<String, String> {
        let Self { bytes, too_long } = std::mem::take(self);
        if too_long {
            return Err(format!("longer than {} KiB", MAX_LINE_BYTES >> 10));
        }
        String::from_utf8(bytes)
            .map_err(|error| format!("no UTF-8 at byte {}", error.utf8_error().valid_up_to() + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(text: &[u8]) -> Vec<Result<String, String>> {
        let mut input = BufReader::with_capacity(7, text);
        let mut line = Line::default();
        let mut lines = Vec::new();
        while line.read(&mut input).await.expect("memory does not fail") {
            lines.push(line.take());
        }
        lines
    }

    #[tokio::test]
    async fn lines_are_read_whole_and_bounded() {
        let mut text = b"one\n\ntwo \xFF\n".to_vec();
        text.resize(text.len() + MAX_LINE_BYTES + 1, b'x');
        text.extend_from_slice(b"\nlast");
        assert_eq!(
            lines(&text).await,
            [
                Ok("one".into()),
                Ok(String::new()),
                Err("no UTF-8 at byte 5".into()),
                Err("longer than 256 KiB".into()),
                Ok("last".into()),
            ]
        );
    }
}
