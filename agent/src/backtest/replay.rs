//! The engine with a clock that the data set.

use hark_api::{Event, EventId, SeriesKey, Timestamp, Verdict};
use hark_detect::{Change, Config, Engine, Finding};

use super::report::Report;
use super::{Error, settings};

const SECOND: i64 = 1_000_000_000;
/// Ticks in one hole of the data at most.
const TICKS: i64 = 3600;

/// An engine, and where in time it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Replay {
    engine: Option<Engine>,
    now: Option<Timestamp>,
    last_id: u64,
}

impl Replay {
    /// Makes the engine, where what was learned before has not made it.
    pub(super) fn start(
        &mut self,
        step: f64,
        width: usize,
        changes: &[String],
    ) -> Result<(), Error> {
        if self.engine.is_none() {
            let config: Config = settings::changed(settings::fitted(step, width), changes)?;
            self.engine = Some(Engine::new(config));
        }
        Ok(())
    }

    /// The time of a row that bears none.
    pub(super) fn next_time(&self, step: f64) -> Timestamp {
        self.now.map_or(Timestamp::from_nanos(0), |now| {
            now.plus_nanos((step * SECOND as f64) as i64)
        })
    }

    /// Lets time pass as the live agent does, second by second; longer steps in a long hole.
    fn advance(&mut self, time: Timestamp, report: &mut Report) -> Result<(), Error> {
        let Some(engine) = &mut self.engine else {
            return Ok(());
        };
        let now = *self.now.get_or_insert(time);
        let hole = time.as_nanos().saturating_sub(now.as_nanos());
        let stride = (hole / TICKS).max(SECOND);
        let mut at = now;
        while time.as_nanos().saturating_sub(at.as_nanos()) >= stride {
            at = at.plus_nanos(stride);
            for finding in engine.tick(at) {
                report.finding(&finding, None)?;
            }
        }
        self.now = Some(at);
        report.changes(engine.take_changes())
    }

    /// Judges an event.
    pub(super) fn event(
        &mut self,
        event: &mut Event,
        line: Option<usize>,
        report: &mut Report,
    ) -> Result<Verdict, Error> {
        self.advance(event.time, report)?;
        // What was stored has its number.
        if event.id == EventId::default() {
            self.last_id += 1;
            event.id.0 = self.last_id;
        }
        if let Some(engine) = &mut self.engine {
            if let Some(finding) = engine.event(event) {
                report.finding(&finding, line)?;
            }
            report.changes(engine.take_changes())?;
        }
        Ok(event.verdict.clone())
    }

    /// Judges one reading of all series.
    pub(super) fn samples(
        &mut self,
        time: Timestamp,
        samples: &[(SeriesKey, f64)],
        line: Option<usize>,
        report: &mut Report,
    ) -> Result<Vec<Finding>, Error> {
        self.advance(time, report)?;
        let Some(engine) = &mut self.engine else {
            return Ok(Vec::new());
        };
        let findings = engine.samples(time, samples);
        for finding in &findings {
            report.finding(finding, line)?;
        }
        report.changes(engine.take_changes())?;
        Ok(findings)
    }

    pub(super) fn engine(&self) -> Option<&Engine> {
        self.engine.as_ref()
    }

    /// What goes on when the data end.
    pub(super) fn open_incidents(&mut self) -> Vec<Change> {
        let engine = self.engine.iter();
        engine
            .flat_map(Engine::incidents)
            .cloned()
            .map(Change::Updated)
            .collect()
    }
}
