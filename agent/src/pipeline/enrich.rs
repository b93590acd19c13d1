//! Adds the process behind a log event, where it can be known for certain.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hark_api::{Event, Process, Source};
use hark_kernel::Processes;
use serde_json::Value;

use super::Origin;

/// How long a process id that named nobody is not looked up again. A lookup opens files in /proc,
/// and senders on other hosts name ids that are never found here.
const ABSENT: Duration = Duration::from_secs(1);
/// Absent ids that are remembered, at most.
const MAX_ABSENT: usize = 4096;

/// Looks processes up, each once a group.
pub(super) struct Enricher {
    /// Absent where the kernel side is off.
    processes: Option<Processes>,
    /// The answers of this group.
    known: HashMap<u32, Option<Box<Process>>>,
    /// Ids that named nobody, and since when.
    absent: HashMap<u32, Instant>,
}

impl Enricher {
    pub(super) fn new(processes: Option<Processes>) -> Self {
        Self {
            processes,
            known: HashMap::new(),
            absent: HashMap::new(),
        }
    }

    /// Begins a group. Answers hold for one group only: process ids are used again.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }

    /// The process that the event names by a field `pid`, or else the one that sent it over the
    /// Unix socket.
    pub(super) fn enrich(&mut self, event: &mut Event, origin: Origin) {
        if self.processes.is_none() || event.source != Source::Log || event.process.is_some() {
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
        if let Some(process) = self.known.get(&pid) {
            return process.clone();
        }
        let process = self.look_up(pid, Instant::now());
        self.known.insert(pid, process.clone());
        process
    }

    fn look_up(&mut self, pid: u32, now: Instant) -> Option<Box<Process>> {
        if let Some(since) = self.absent.get(&pid)
            && now.duration_since(*since) < ABSENT
        {
            return None;
        }
        let found = self.processes.as_ref()?.get(pid).map(Box::new);
        if found.is_some() {
            self.absent.remove(&pid);
        } else {
            if self.absent.len() >= MAX_ABSENT {
                self.absent.clear();
            }
            self.absent.insert(pid, now);
        }
        found
    }
}
