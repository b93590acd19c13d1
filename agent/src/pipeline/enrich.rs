//! Adds the process behind a log event, where it can be known for certain.

use hark_api::{Event, Process, Source};
use hark_kernel::Processes;
use serde_json::Value;

use super::Origin;

/// Looks processes up; keeps the last answer, because a batch is mostly about one process.
pub(super) struct Enricher {
    /// Absent where the kernel side is off.
    processes: Option<Processes>,
    last: Option<(u32, Option<Box<Process>>)>,
}

impl Enricher {
    pub(super) fn new(processes: Option<Processes>) -> Self {
        Self {
            processes,
            last: None,
        }
    }

    /// The last answer holds for one group only: process ids are used again.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    /// The process that the event names by a field `pid`, or else the one that sent it over the
    /// Unix socket.
    pub(super) fn enrich(&mut self, event: &mut Event, origin: Origin) {
        if event.source != Source::Log || event.process.is_some() {
            return;
        }
        let named = event
            .fields
            .get("pid")
            .and_then(Value::as_u64)
            .and_then(|pid| u32::try_from(pid).ok());
        if let Some(pid) = named.or(origin.pid).filter(|pid| *pid > 0) {
            event.process = self.process(pid);
        }
    }

    fn process(&mut self, pid: u32) -> Option<Box<Process>> {
        match &self.last {
            Some((known, process)) if *known == pid => process.clone(),
            _ => {
                let process = self
                    .processes
                    .as_ref()
                    .and_then(|processes| processes.get(pid))
                    .map(Box::new);
                self.last = Some((pid, process.clone()));
                process
            }
        }
    }
}
