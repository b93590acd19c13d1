//! System calls that failed, as the programs count them.

use std::collections::HashMap;

use aya::maps::{HashMap as BpfHashMap, MapData, PerCpuArray};
use hark_ebpf::{SYSCALL_ERRORS_MAX, SyscallErrorKey};
use syscalls::{Errno, Sysno};

use crate::KernelEvent;
use crate::clock::{Clock, since_boot};
use crate::event::{Data, SyscallFailures};
use crate::filter::missing_is_fine;
use crate::loader::take_map;

/// How often failures are told: nanoseconds.
const INTERVAL: u64 = 10_000_000_000;
/// How many kinds of them at a time.
const TOLD: usize = 10;
/// Kinds from which on those that have not been seen for an interval make room.
const CROWDED: usize = SYSCALL_ERRORS_MAX as usize * 3 / 4;
/// How calls that do not wait say that they would have to, and that a signal came. They are counted
/// like the others, but no events.
const ROUTINE: [u32; 4] = [
    libc::EAGAIN as u32,
    libc::EINTR as u32,
    libc::EINPROGRESS as u32,
    libc::ETIMEDOUT as u32,
];

/// System calls that failed since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyscallErrors {
    /// The most frequent ones, the most frequent first.
    pub top: Vec<SyscallError>,
    /// How many more were counted without saying which, because the account was full.
    pub rest: u64,
}

/// How often a system call failed in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyscallError {
    /// Command name.
    pub command: String,
    /// The call, as in `openat`; its number where it has no known name.
    pub call: String,
    /// The error as in `ENOENT`; its number where it has no known name.
    pub error: String,
    /// The error's number.
    pub errno: u32,
    /// How often.
    pub count: u64,
}

impl SyscallError {
    fn new(key: SyscallErrorKey, count: u64) -> Self {
        let call = Sysno::new(key.call as usize).map_or_else(
            || format!("call {}", key.call),
            |call| call.name().to_owned(),
        );
        let error = Errno::new(key.error.cast_signed())
            .name()
            .map_or_else(|| key.error.to_string(), str::to_owned);
        Self {
            command: crate::decode::text(&key.comm),
            call,
            error,
            errno: key.error,
            count,
        }
    }
}

/// A [`SyscallErrorKey`], as its map holds it.
type Words = [u32; 6];

/// The account.
pub(crate) struct Failures {
    map: BpfHashMap<MapData, Words, u64>,
    rest: PerCpuArray<MapData, u64>,
    /// When failures were told, and what the counts were then.
    told: (u64, HashMap<Words, u64>),
}

impl Failures {
    /// Takes the maps out of the loaded object.
    pub(crate) fn take(ebpf: &mut aya::Ebpf) -> Option<Self> {
        Some(Self {
            map: take_map(ebpf, "SYSCALL_ERRORS")?,
            rest: take_map(ebpf, "SYSCALL_ERRORS_REST")?,
            told: (since_boot(), HashMap::new()),
        })
    }

    pub(crate) fn top(&self, max: usize) -> SyscallErrors {
        let all = self.map.iter().flatten().collect();
        SyscallErrors {
            top: most_frequent(all, max),
            rest: self.rest.get(&0, 0).map_or(0, |counts| counts.iter().sum()),
        }
    }

    /// Puts events about what failed most into `events`, once an interval.
    pub(crate) fn look(&mut self, events: &mut Vec<KernelEvent>) {
        let now = since_boot();
        let (then, told) = &mut self.told;
        let duration = now.saturating_sub(*then);
        if duration < INTERVAL {
            return;
        }
        let counts: HashMap<Words, u64> = self.map.iter().flatten().collect();
        let news = counts
            .iter()
            .filter(|(words, _)| !ROUTINE.contains(&words[5]))
            .map(|(words, count)| {
                let before = told.get(words).copied().unwrap_or(0);
                (*words, count.saturating_sub(before))
            })
            .filter(|(_, count)| *count > 0)
            .collect();
        if counts.len() >= CROWDED {
            for (words, _) in counts
                .iter()
                .filter(|(k, count)| told.get(*k) == Some(*count))
            {
                let _ = missing_is_fine(self.map.remove(words));
            }
        }
        let time = Clock::now().wall(now);
        events.extend(
            most_frequent(news, TOLD)
                .into_iter()
                .map(|failed| KernelEvent {
                    time,
                    process: None,
                    data: Data::SyscallFailures(SyscallFailures { failed, duration }),
                }),
        );
        self.told = (now, counts);
    }
}

fn most_frequent(mut counts: Vec<(Words, u64)>, max: usize) -> Vec<SyscallError> {
    counts.sort_unstable_by_key(|(words, count)| (std::cmp::Reverse(*count), *words));
    counts.truncate(max);
    counts
        .into_iter()
        .map(|(words, count)| SyscallError::new(bytemuck::cast(words), count))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_named_and_sorted() {
        let key = |call: i64, error: i32| {
            bytemuck::cast(SyscallErrorKey {
                comm: *b"cat\0\0\0\0\0\0\0\0\0\0\0\0\0",
                call: call as u32,
                error: error as u32,
            })
        };
        let counts = vec![
            (key(libc::SYS_openat, libc::ENOENT), 2),
            (key(libc::SYS_connect, libc::ECONNREFUSED), 7),
            (key(99_999, 500), 1),
        ];
        let told: Vec<String> = most_frequent(counts, 9)
            .iter()
            .map(|e| format!("{} {} {} {}", e.command, e.call, e.error, e.count))
            .collect();
        assert_eq!(
            told,
            [
                "cat connect ECONNREFUSED 7",
                "cat openat ENOENT 2",
                "cat call 99999 500 1"
            ]
        );
    }
}
