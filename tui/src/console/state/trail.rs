//! What processes did of late: programs started, ends, signals.

use std::collections::VecDeque;

use hark_api::{Event, Kind, Timestamp};
use serde_json::Value;

use crate::clean;

/// Doings that are kept at most.
const KEPT: usize = 2_000;
/// Characters of each at most.
const LENGTH: usize = 200;

/// Something that a process did, safe to show.
pub(crate) struct Deed {
    pub(crate) pid: u32,
    /// The process's name.
    pub(crate) comm: String,
    pub(crate) time: Timestamp,
    pub(crate) kind: Kind,
    pub(crate) text: String,
    /// Whether it is of who sent a signal; who got it has the same one.
    is_sent: bool,
}

/// The last doings of all processes, oldest first.
#[derive(Default)]
pub(crate) struct Trail(VecDeque<Deed>);

impl Trail {
    /// Takes in an event, where it is one.
    pub(crate) fn push(&mut self, event: &Event) {
        let is_deed = matches!(
            event.kind,
            Kind::Exec | Kind::Exit | Kind::Signal | Kind::OomKill
        );
        let Some(process) = event.process.as_ref().filter(|_| is_deed) else {
            return;
        };
        self.keep(event, process.pid, &process.comm, false);
        let sender = event.fields.get("sender_pid").and_then(Value::as_u64);
        let sender = sender.and_then(|pid| u32::try_from(pid).ok());
        if let Some(pid) = sender.filter(|pid| *pid != process.pid) {
            let comm = event.fields.get("sender_comm").and_then(Value::as_str);
            self.keep(event, pid, comm.unwrap_or("?"), true);
        }
    }

    fn keep(&mut self, event: &Event, pid: u32, comm: &str, is_sent: bool) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Deed {
            pid,
            comm: clean::text(comm).into_owned(),
            time: event.time,
            kind: event.kind,
            text: clean::text(&event.message).chars().take(LENGTH).collect(),
            is_sent,
        });
    }

    /// What all of them did, each once, the newest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Deed> {
        self.0.iter().rev().filter(|deed| !deed.is_sent)
    }

    /// What one process did and what was done to it, the newest first.
    pub(crate) fn of(&self, pid: u32) -> impl Iterator<Item = &Deed> {
        self.0.iter().rev().filter(move |deed| deed.pid == pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;

    #[test]
    fn a_signal_is_of_who_sent_it_and_of_who_got_it() {
        let mut trail = Trail::default();
        let mut event = sample::kernel(1, Kind::Signal, "nginx", "bash[7] sent SIGTERM to nginx");
        event.fields.set("sender_pid", 7);
        event.fields.set("sender_comm", "bash");
        trail.push(&event);
        let comms = |pid| {
            trail
                .of(pid)
                .map(|deed| deed.comm.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(comms(7), ["bash"]);
        assert_eq!(comms(4_001), ["nginx"]);
        assert_eq!(trail.all().count(), 1, "it was one signal");
    }
}
