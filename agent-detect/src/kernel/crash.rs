//! Crash loops: a program that fails, is started again, and fails again.

use std::collections::VecDeque;

use hark_api::Event;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::{number, text};
use crate::program;
use crate::template::HashKeyed;

/// Crashes of one command within [`LOOP_SECONDS`] that make a loop.
const LOOP_CRASHES: usize = 3;
/// Seconds.
pub(super) const LOOP_SECONDS: f64 = 300.0;
/// Most commands whose crashes are remembered.
const MAX_COMMANDS: usize = 4096;
/// Most processes whose command line is remembered until they end.
const MAX_RUNNING: usize = 1 << 15;
/// Signals that end a program for a fault of its own: ILL, TRAP, ABRT, BUS, FPE, SEGV, SYS.
const FAULTS: [u64; 7] = [4, 5, 6, 7, 8, 11, 31];

/// Whether a signal speaks of a fault of the program that it ends.
pub(super) fn is_fault(signal: u64) -> bool {
    FAULTS.contains(&signal)
}

/// What was started, as far as a later end needs it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Started {
    /// Its program and arguments, hashed.
    command: u64,
    /// Whether the first process of all started it, or a user's service manager: one that only
    /// inherited it is no supervisor.
    supervised: bool,
}

/// A loop that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Loop {
    pub(super) crashes: usize,
    /// Seconds from the first to the last.
    pub(super) span: f64,
}

/// What crashed when.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Crashes {
    running: HashKeyed<u64, Started>,
    /// Command → times of its last crashes, in nanoseconds.
    commands: HashKeyed<u64, VecDeque<i64>>,
}

impl Crashes {
    /// A program started.
    pub(super) fn started(&mut self, event: &Event) {
        let (Some(process), Some(program)) = (event.process.as_deref(), program::name(event))
        else {
            return;
        };
        if self.running.len() >= MAX_RUNNING {
            self.running.clear();
        }
        let arguments = event.fields.get("arguments").map(ToString::to_string);
        let command = format!("{program}\0{}", arguments.unwrap_or_default());
        let started = Started {
            command: xxh3_64(command.as_bytes()),
            supervised: process.ppid == Some(1) || text(event, "parent_comm") == Some("systemd"),
        };
        self.running.insert(u64::from(process.pid), started);
    }

    /// A program ended; gives a loop where this was one crash too many.
    pub(super) fn ended(&mut self, event: &Event) -> Option<Loop> {
        let process = event.process.as_deref()?;
        let started = self.running.remove(&u64::from(process.pid));
        let fault = number(event, "signal").is_some_and(is_fault);
        let failed = number(event, "code").is_some_and(|code| code != 0);
        // Who keeps it running starts it again, so that ending with a code is a crash; a failed command
        // of a shell is none, in a service or not.
        let crashed = fault || failed && started.is_some_and(|s| s.supervised);
        if !crashed {
            return None;
        }
        // Two commands of one program are two things: a shell's scripts have only the shell in common.
        let command = match started {
            Some(started) => started.command,
            None => xxh3_64(program::name(event)?.as_bytes()),
        };
        let now = event.time.as_nanos();
        if self.commands.len() >= MAX_COMMANDS {
            let recent = |&t: &i64| age(t, now) < LOOP_SECONDS;
            self.commands.retain(|_, t| t.back().is_some_and(recent));
            if self.commands.len() >= MAX_COMMANDS {
                self.commands.clear();
            }
        }
        let times = self.commands.entry(command).or_default();
        while times.len() >= LOOP_CRASHES
            || times.front().is_some_and(|&t| age(t, now) > LOOP_SECONDS)
        {
            times.pop_front();
        }
        times.push_back(now);
        (times.len() >= LOOP_CRASHES).then(|| Loop {
            crashes: times.len(),
            span: times.front().map_or(0.0, |&t| age(t, now)),
        })
    }
}

fn age(then: i64, now: i64) -> f64 {
    now.saturating_sub(then) as f64 / 1e9
}
