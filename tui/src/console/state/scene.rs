//! What is seen of a host at one time: now, or as it was.

use hark_api::{Event, Kind, Timestamp, Vitals};

use super::browse::Browse;
use super::connects::Connects;
use super::failures::Failures;
use super::history::{History, Values};
use super::incidents::Incidents;
use super::log::EventLog;
use super::processes::Processes;
use super::reel::Reel;
use super::trail::Trail;
use super::unusual::Unusual;
use crate::clean::Clean;

/// Events of a moment before that fill a tall screen: with fewer, the agent is asked for more.
const ENOUGH_EVENTS: usize = 200;
/// How far back the curves of a moment reach at least, or the agent is asked for them.
const ENOUGH_HISTORY: i64 = 300 * 1_000_000_000;
/// Events of a moment in which doings of processes are looked for.
const TRAIL_EVENTS: u64 = 2_000;

/// All that a host showed at one time.
pub(crate) struct Scene {
    pub(crate) vitals: Option<Clean<Vitals>>,
    pub(crate) history: History,
    pub(crate) log: EventLog,
    pub(crate) unusual: Unusual,
    pub(crate) events: Browse,
    pub(crate) incidents: Incidents,
    pub(crate) processes: Processes,
    pub(crate) trail: Trail,
    pub(crate) connects: Connects,
    pub(crate) failures: Failures,
}

/// What the agent has stored of a moment.
pub(crate) struct Stored {
    pub(crate) at: Timestamp,
    /// The last ones up to then, oldest first.
    pub(crate) events: Vec<Event>,
    /// The unusual ones of the day before, oldest first.
    pub(crate) unusual: Vec<Event>,
    /// The vital signs of the minutes before.
    pub(crate) past: Vec<(Timestamp, Values)>,
}

impl Scene {
    pub(crate) fn new(keep: usize) -> Self {
        Self {
            vitals: None,
            history: History::default(),
            log: EventLog::new(keep),
            unusual: Unusual::default(),
            events: Browse::new(),
            incidents: Incidents::default(),
            processes: Processes::default(),
            trail: Trail::default(),
            connects: Connects::default(),
            failures: Failures::default(),
        }
    }

    /// Takes in events as they come.
    pub(crate) fn push(&mut self, events: Vec<Event>) {
        for event in events {
            self.unusual.push(&event);
            self.trail.push(&event);
            self.connects.push(&event);
            self.failures.push(&event);
            if let (Kind::Exit, Some(process), Some(vitals)) =
                (event.kind, &event.process, &self.vitals)
            {
                let how = crate::clean::text(&event.message);
                let (pid, at) = (process.pid, event.time);
                let code = event.fields.get("code").and_then(serde_json::Value::as_u64);
                let how = (&*how, code == Some(0));
                self.processes.ended(pid, how, at, &vitals.processes);
            }
            self.events.added(self.log.end(), &event);
            self.log.push(event);
        }
        self.events.trimmed(&self.log);
    }

    /// As it was at a time, as far as that is known here.
    pub(crate) fn until(&self, at: Timestamp, reel: &Reel) -> Self {
        let log = self.log.until(at);
        let mut then = Self {
            vitals: None,
            history: self.history.until(at),
            unusual: Unusual::default(),
            events: Browse::new(),
            incidents: self.incidents.as_of(at),
            processes: self.processes.alike(),
            trail: Trail::default(),
            connects: Connects::default(),
            failures: Failures::default(),
            log,
        };
        // From before the oldest event that is kept, what was unusual is known all the same.
        let first = then.log.head(then.log.start()).map(|head| head.id);
        for event in self.unusual.events() {
            if event.time <= at && first.is_none_or(|first| event.id < first) {
                then.unusual.push(event);
            }
        }
        then.read_log();
        then.set_vitals(at, reel, self.vitals.as_deref());
        then
    }

    /// Takes in what the agent has stored of this moment.
    pub(crate) fn fill(&mut self, stored: Stored, reel: &Reel, later: Option<&Vitals>) {
        let filter = self.events.filter_text().to_owned();
        self.log = EventLog::new(stored.events.len());
        self.unusual = Unusual::default();
        let first = stored.events.first().map(|event| event.id);
        let before = stored.unusual.iter();
        before
            .filter(|event| first.is_none_or(|first| event.id < first))
            .for_each(|event| self.unusual.push(event));
        for event in stored.events {
            self.log.push(event);
        }
        self.read_log();
        self.history.fill(stored.past);
        self.events = Browse::new();
        // It did parse before.
        let _ = self.events.set_filter(&filter, &self.log);
        self.set_vitals(stored.at, reel, later);
    }

    /// Whether more is needed of the agent to show this moment.
    pub(crate) fn lacks(&self, at: Timestamp) -> bool {
        let since = at.plus_nanos(-ENOUGH_HISTORY);
        self.log.len() < ENOUGH_EVENTS || self.history.oldest().is_none_or(|oldest| oldest > since)
    }

    fn read_log(&mut self) {
        let numbers = self.log.start()..self.log.end();
        for number in numbers.clone() {
            let is_unusual = |head: super::log::Head| head.tier > hark_api::Tier::Normal;
            if self.log.head(number).is_some_and(is_unusual)
                && let Some(event) = self.log.get(number)
            {
                self.unusual.push(&event);
            }
        }
        let recent = numbers.end.saturating_sub(TRAIL_EVENTS).max(numbers.start);
        self.trail = Trail::default();
        self.connects = Connects::default();
        self.failures = Failures::default();
        for event in (recent..numbers.end).filter_map(|number| self.log.get(number)) {
            self.trail.push(&event);
            self.connects.push(&event);
            self.failures.push(&event);
        }
    }

    fn set_vitals(&mut self, at: Timestamp, reel: &Reel, later: Option<&Vitals>) {
        let reading = reel.at(at).or_else(|| self.history.last_vitals(later));
        self.vitals = reading.map(Clean::new);
    }
}
