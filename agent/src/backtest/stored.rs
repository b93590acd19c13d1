//! The agent's own database: what was stored, judged again.

use std::collections::BTreeMap;

use hark_api::{Event, Kind, SeriesKey, Source, Tier, Timestamp};
use hark_store::{EventQuery, Order, Step, Store};

use super::replay::Replay;
use super::report::Report;
use super::{Error, Format};

/// What to replay of a database.
#[derive(Clone, Debug)]
pub struct StoredOptions {
    /// Report from here on; all before is learned only. All is reported without.
    pub since: Option<Timestamp>,
    /// Replay to here; to the end without.
    pub until: Option<Timestamp>,
    /// Changed settings of detection, `KEY=VALUE`.
    pub detect: Vec<String>,
    /// The least tier that is reported.
    pub tier: Tier,
    /// How findings are printed.
    pub format: Format,
}

/// What is read at a time: of 500 series about 50 MB.
const CHUNK: i64 = 3_600_000_000_000;
/// Events read at a time.
const PAGE: usize = 10_000;

/// One second of all series.
type Seconds = BTreeMap<Timestamp, Vec<(SeriesKey, f64)>>;

/// Judges again what is stored, and compares with what was said then.
///
/// # Errors
/// When the database cannot be read, or a setting makes no sense.
pub fn run_stored(store: &Store, options: &StoredOptions) -> Result<(), Error> {
    let mut replay = Replay::default();
    replay.start(1.0, 1, &options.detect)?;
    let mut report =
        Report::new("stored".to_owned(), options.tier, options.format).since(options.since);
    let mut then = [0; Tier::ALL.len()];
    let series = store.series()?;
    let first_event = page(store, None, None, None, 1)?.0.first().map(|e| e.time);
    let first_sample = series.iter().map(|s| s.first).min();
    let first = first_event.into_iter().chain(first_sample).min();
    let until = options
        .until
        .unwrap_or_else(|| Timestamp::now().plus_nanos(1));
    let mut silent = Report::silent();
    let mut from = first.unwrap_or(until);
    while from < until {
        let to = from.plus_nanos(CHUNK).min(until);
        let mut seconds = Seconds::new();
        for info in &series {
            for point in store.samples(&info.key, from, to, Step::Second)? {
                let row = seconds.entry(point.time).or_default();
                row.push((info.key.clone(), point.mean));
            }
        }
        let mut after = None;
        loop {
            let (events, next) = page(store, Some(from), Some(to), after, PAGE)?;
            for mut event in events {
                let later = seconds.split_off(&event.time);
                for (time, row) in std::mem::replace(&mut seconds, later) {
                    let report = choose(time, options, &mut report, &mut silent);
                    report.row(time, row.len());
                    replay.samples(time, &row, None, report)?;
                }
                if options.since.is_none_or(|since| event.time >= since) {
                    then[event.verdict.tier as usize] += 1;
                }
                // What the detectors said then, and what the agent says of itself, is not judged.
                let own = matches!(event.source, Source::Host | Source::Agent);
                if own && event.kind != Kind::Lost {
                    continue;
                }
                let report = choose(event.time, options, &mut report, &mut silent);
                report.row(event.time, 0);
                judge_again(&mut replay, &mut event, report)?;
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
        for (time, row) in seconds {
            let report = choose(time, options, &mut report, &mut silent);
            report.row(time, row.len());
            replay.samples(time, &row, None, report)?;
        }
        from = to;
    }
    report.said_then(then);
    report.end(&mut replay)
}

fn judge_again(replay: &mut Replay, event: &mut Event, report: &mut Report) -> Result<(), Error> {
    event.verdict = hark_api::Verdict::default();
    replay.event(event, None, report).map(|_| ())
}

fn choose<'a>(
    time: Timestamp,
    options: &StoredOptions,
    report: &'a mut Report,
    silent: &'a mut Report,
) -> &'a mut Report {
    if options.since.is_none_or(|since| time >= since) {
        report
    } else {
        silent
    }
}

fn page(
    store: &Store,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    after: Option<hark_store::Cursor>,
    limit: usize,
) -> Result<(Vec<Event>, Option<hark_store::Cursor>), Error> {
    let page = store.events(&EventQuery {
        from,
        to,
        after,
        limit,
        order: Order::Oldest,
        ..EventQuery::default()
    })?;
    Ok((page.events, page.next))
}
