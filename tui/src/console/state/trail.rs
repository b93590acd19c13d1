//! What processes did of late: programs started, ends, signals.

use std::collections::VecDeque;

use hark_api::{Event, Kind, Timestamp};

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
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Deed {
            pid: process.pid,
            comm: clean::text(&process.comm).into_owned(),
            time: event.time,
            kind: event.kind,
            text: clean::text(&event.message).chars().take(LENGTH).collect(),
        });
    }

    /// What all of them did, the newest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Deed> {
        self.0.iter().rev()
    }

    /// What one process did, the newest first.
    pub(crate) fn of(&self, pid: u32) -> impl Iterator<Item = &Deed> {
        self.0.iter().rev().filter(move |deed| deed.pid == pid)
    }
}
