//! What the agent says about itself, as events like all others.

use std::sync::Arc;
use std::time::Duration;

use hark_api::{Event, EventId, Fields, Kind, Level, Process, Source, Timestamp, Verdict};

use crate::counters::Counters;
use crate::pipeline::{Batch, Origin, Queue, SourceName};

/// How long an event of the agent's own waits for room in the queue.
const PATIENCE: Duration = Duration::from_secs(2);

/// Puts the agent's own events into the queue.
#[derive(Clone, Debug)]
pub struct Voice {
    queue: Arc<Queue>,
    counters: Arc<Counters>,
}

impl Voice {
    /// A voice into this queue.
    pub fn new(queue: Arc<Queue>, counters: Arc<Counters>) -> Self {
        Self { queue, counters }
    }

    /// Says something. Blocks while the queue is full, for two seconds at most; then it is counted
    /// as lost.
    pub fn say(&self, kind: Kind, level: Level, message: String, fields: Fields) {
        let event = event(kind, level, message, fields);
        let batch = Batch {
            bytes: 512,
            events: vec![event],
            origin: Origin::default(),
            source: SourceName::Agent,
            reply: None,
        };
        if self.queue.put(batch, PATIENCE).is_err() {
            self.counters.source(SourceName::Agent).dropped.add(1);
        }
    }
}

fn event(kind: Kind, level: Level, message: String, fields: Fields) -> Event {
    let now = Timestamp::now();
    Event {
        id: EventId(0),
        time: now,
        received: now,
        source: Source::Agent,
        kind,
        level,
        message,
        template: None,
        service: Some("hark-agent".to_owned()),
        host: None,
        process: Some(Box::new(Process {
            pid: std::process::id(),
            comm: "hark-agent".to_owned(),
            ..Process::default()
        })),
        fields,
        trace: None,
        verdict: Verdict::default(),
    }
}

/// Tells of events that were lost, once for each time that it looks and finds more.
#[derive(Debug)]
pub struct LossWatch {
    voice: Voice,
    told: Vec<(&'static str, u64)>,
}

impl LossWatch {
    /// Nothing was lost yet.
    pub fn new(voice: Voice) -> Self {
        Self {
            voice,
            told: Vec::new(),
        }
    }

    /// Tells what was lost since the last look, by source and all in all since the start.
    pub fn look(&mut self, lost: &[(&'static str, u64)]) {
        for (source, now) in lost {
            let told = self.told.iter_mut().find(|(name, _)| name == source);
            let before = if let Some((_, before)) = told {
                std::mem::replace(before, *now)
            } else {
                self.told.push((source, *now));
                0
            };
            if let Some(count) = now.checked_sub(before).filter(|count| *count > 0) {
                let events = if count == 1 { "event" } else { "events" };
                let fields = [
                    ("source", serde_json::json!(source)),
                    ("count", serde_json::json!(count)),
                ];
                self.voice.say(
                    Kind::Lost,
                    Level::Error,
                    format!("{count} {events} of the source `{source}` were lost before they could be stored"),
                    fields.into_iter().collect(),
                );
            }
        }
    }
}
