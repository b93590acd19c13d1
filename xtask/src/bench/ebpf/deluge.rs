//! Many events in one go: whether any is lost, and what the reader takes for each.

use std::time::{Duration, Instant};

use hark_kernel::{Feature, Kernel, Options, RawReceipt};

use super::workload::{Workload, process_time};
use crate::error::Error;

/// What became of the events.
struct Outcome {
    emitted: u64,
    dropped: u64,
    received: u64,
    reader: Duration,
}

fn options() -> Options {
    Options {
        features: vec![Feature::Signal],
        ..Options::default()
    }
}

fn failed(error: &hark_kernel::Error) -> Error {
    Error::Check(error.to_string())
}

/// Causes so many signals while records are only taken out of the ring buffer, and while they are
/// understood, with the process table behind them.
pub(super) fn measure(events: usize) -> Result<(), Error> {
    println!("\n{events} signals in one go\n");
    println!("| reader | emitted | received | dropped | CPU time, an event |");
    println!("|---|---:|---:|---:|---:|");
    let raw = RawReceipt::start(&options()).map_err(|error| failed(&error))?;
    tell(
        "records taken, and left alone",
        &run(events, || raw.counts())?,
    )?;
    drop(raw);
    let kernel = Kernel::start(&options(), Vec::clear).map_err(|error| failed(&error))?;
    let counts = || {
        let counters = kernel.counters();
        (counters.emitted, counters.dropped, counters.received)
    };
    tell("decoded, with their processes", &run(events, counts)?)
}

fn run(events: usize, counts: impl Fn() -> (u64, u64, u64)) -> Result<Outcome, Error> {
    let before = process_time();
    let own = Workload::Signals.cause(events)?.thread();
    // What is under way arrives within the reader's interval.
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let (emitted, dropped, received) = counts();
        if emitted == dropped + received || Instant::now() > end {
            return Ok(Outcome {
                emitted,
                dropped,
                received,
                reader: process_time().saturating_sub(before + own),
            });
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn tell(reader: &str, outcome: &Outcome) -> Result<(), Error> {
    println!(
        "| {reader} | {} | {} | {} | {:.0} ns |",
        outcome.emitted,
        outcome.received,
        outcome.dropped,
        outcome.reader.as_nanos() as f64 / outcome.received.max(1) as f64
    );
    if outcome.emitted == outcome.received + outcome.dropped {
        Ok(())
    } else {
        Err(Error::Check(
            "emitted is not received and dropped together".to_owned(),
        ))
    }
}
