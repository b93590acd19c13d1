//! Processes whose threads wait for long, as the programs add it up.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use aya::maps::{HashMap as BpfHashMap, MapData};
use hark_api::Process;
use hark_ebpf::{WAIT_CPU, WAIT_KERNEL, WAIT_PAGE, WaitKey, Waits as Counted};
use serde::{Deserialize, Serialize};

use crate::KernelEvent;
use crate::clock::{Clock, since_boot};
use crate::decode::text;
use crate::event::{Data, LongWaits};
use crate::filter::missing_is_fine;
use crate::loader::take_map;
use crate::table::Table;

/// In how long waits are added up, and how often a process is told at most: nanoseconds.
const WINDOW: u64 = 10_000_000_000;
/// A process that has not waited for this long is forgotten: nanoseconds.
const MEMORY: u64 = 60_000_000_000;
/// At most so many are told in a second, those that waited longest; further ones have their turn later.
const TOLD: usize = 10;

/// From when on the waits of a process are told: milliseconds in ten seconds, of all its threads together.
/// 0 is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WaitLimits {
    /// Runnable, for a CPU; of waits from `kernel.stall` on.
    pub cpu: u32,
    /// In the kernel, for a device or a lock; of waits from `kernel.stall` on.
    pub kernel: u32,
    /// For pages of memory to come from a disk.
    pub page: u32,
}

impl Default for WaitLimits {
    fn default() -> Self {
        Self {
            cpu: 0, // usual on a host that is well used
            kernel: 5_000,
            page: 1_000,
        }
    }
}

impl WaitLimits {
    /// In nanoseconds; absent where it is never.
    fn of(self, resource: Resource) -> Option<u64> {
        let millis = match resource {
            Resource::Cpu => self.cpu,
            Resource::Kernel => self.kernel,
            Resource::Page => self.page,
        };
        let limit = Duration::from_millis(millis.into()).as_nanos() as u64;
        (limit > 0).then_some(limit)
    }
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// A CPU.
    Cpu,
    /// A device or a lock, in the kernel, where no signal wakes the thread.
    Kernel,
    /// A page of memory to come from a disk.
    Page,
}

impl Resource {
    /// Its name in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Kernel => "kernel",
            Self::Page => "page",
        }
    }

    fn from_number(number: u32) -> Option<Self> {
        match number {
            WAIT_CPU => Some(Self::Cpu),
            WAIT_KERNEL => Some(Self::Kernel),
            WAIT_PAGE => Some(Self::Page),
            _ => None,
        }
    }
}

/// A process whose threads waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// For what.
    pub resource: Resource,
    /// Process id.
    pub pid: u32,
    /// Command name, as it was at the first of the waits.
    pub command: String,
    /// How many waits: long ones, but for pages, of which all are counted.
    pub count: u64,
    /// How long, together, in nanoseconds.
    pub nanos: u64,
}

/// A [`WaitKey`] and a [`Counted`], as their map holds them.
type Key = [u32; 2];
type Words = [u64; size_of::<Counted>() / 8];

/// What a process is compared with: its counts when the window began.
#[derive(Clone, Copy, Default)]
struct Window {
    since: u64,
    count: u64,
    nanos: u64,
    /// Whether the process was told as the window began.
    told: bool,
    /// When it waited last.
    last: (u64, u64),
}

impl Window {
    /// What is new in it, where that is to be told.
    fn news(self, counted: &Counted, limit: u64, now: u64) -> Option<(u64, u64)> {
        let count = counted.count.saturating_sub(self.count);
        let waited = counted.nanos.saturating_sub(self.nanos);
        let may = !self.told || self.is_over(now);
        (may && count > 0 && waited >= limit).then_some((count, waited))
    }

    fn is_over(self, now: u64) -> bool {
        now.saturating_sub(self.since) >= WINDOW
    }

    /// The next one.
    fn next(self, counted: &Counted, told: bool, now: u64) -> Self {
        Self {
            since: now,
            count: counted.count,
            nanos: counted.nanos,
            told,
            ..self
        }
    }
}

/// The programs' account.
pub(crate) struct Waits {
    map: BpfHashMap<MapData, Key, Words>,
    windows: HashMap<Key, Window>,
    limits: WaitLimits,
    looked: u64,
}

impl Waits {
    /// Takes the map out of the loaded object.
    pub(crate) fn take(ebpf: &mut aya::Ebpf, limits: WaitLimits) -> Option<Self> {
        Some(Self {
            map: take_map(ebpf, "WAITS")?,
            windows: HashMap::new(),
            limits,
            looked: since_boot(),
        })
    }

    fn counted(&self) -> Vec<(Key, Resource, Counted)> {
        self.map
            .iter()
            .flatten()
            .filter_map(|(key, words)| {
                let WaitKey { resource, .. } = bytemuck::cast(key);
                let resource = Resource::from_number(resource)?;
                Some((key, resource, bytemuck::cast(words)))
            })
            .collect()
    }

    /// Those that waited longest, at most `max` for each resource.
    pub(crate) fn longest(&self, max: usize) -> Vec<Wait> {
        let mut all = self.counted();
        all.sort_unstable_by_key(|(key, _, counted)| (Reverse(counted.nanos), *key));
        let mut room =
            HashMap::from([Resource::Cpu, Resource::Kernel, Resource::Page].map(|r| (r, max)));
        all.retain(|(_, resource, _)| match room.get_mut(resource) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        });
        all.into_iter()
            .map(|(key, resource, counted)| Wait {
                resource,
                pid: key[0],
                command: text(&counted.task.comm),
                count: counted.count,
                nanos: counted.nanos,
            })
            .collect()
    }

    /// Puts an event for each process that has waited for long into `events`.
    pub(crate) fn look(&mut self, table: &mut Table, events: &mut Vec<KernelEvent>) {
        let now = since_boot();
        let mut windows = HashMap::new();
        let mut all = self.counted();
        all.sort_unstable_by_key(|(key, _, counted)| (Reverse(counted.nanos), *key));
        let mut room = TOLD;
        for (key, resource, counted) in all {
            let mut window = self.windows.get(&key).copied().unwrap_or(Window {
                since: self.looked,
                ..Window::default()
            });
            if window.last.0 != counted.count {
                window.last = (counted.count, now);
            } else if now.saturating_sub(window.last.1) >= MEMORY {
                let _ = missing_is_fine(self.map.remove(&key));
                continue;
            }
            let limit = self.limits.of(resource);
            let news = limit.and_then(|limit| window.news(&counted, limit, now));
            let next = match news {
                Some((count, waited)) if room > 0 => {
                    room -= 1;
                    events.push(KernelEvent {
                        time: Clock::now().wall(now),
                        process: Some(Box::new(process(key[0], &counted, table))),
                        data: Data::LongWaits(LongWaits {
                            resource,
                            count,
                            waited,
                            duration: now.saturating_sub(window.since),
                        }),
                    });
                    window.next(&counted, true, now)
                }
                None if window.is_over(now) => window.next(&counted, false, now),
                // It has its turn later, or its window goes on.
                _ => window,
            };
            windows.insert(key, next);
        }
        self.windows = windows;
        self.looked = now;
    }
}

/// The process as it is known, or as it was at its first wait.
fn process(pid: u32, counted: &Counted, table: &mut Table) -> Process {
    table.find(pid).unwrap_or_else(|| Process {
        pid,
        uid: Some(counted.task.uid),
        comm: text(&counted.task.comm),
        ..Process::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hark_ebpf::Task;

    const SECOND: u64 = 1_000_000_000;

    fn counted(count: u64, nanos: u64) -> Counted {
        Counted {
            task: Task::NOBODY,
            count,
            nanos,
        }
    }

    #[test]
    fn a_process_is_told_as_soon_as_it_has_waited_for_long_and_then_every_ten_seconds() {
        let first = Window::default();
        assert_eq!(
            first.news(&counted(5, SECOND / 2), SECOND, 3 * SECOND),
            None
        );
        let long = counted(9, SECOND);
        assert_eq!(first.news(&long, SECOND, 4 * SECOND), Some((9, SECOND)));
        let next = first.next(&long, true, 4 * SECOND);
        let more = counted(20, 3 * SECOND);
        assert_eq!(next.news(&more, SECOND, 5 * SECOND), None);
        let told = next.news(&more, SECOND, 14 * SECOND);
        assert_eq!(told, Some((11, 2 * SECOND)));
        assert_eq!(next.news(&long, SECOND, 14 * SECOND), None);
    }

    #[test]
    fn a_limit_of_nothing_is_never() {
        let limits = WaitLimits::default();
        assert_eq!(limits.of(Resource::Cpu), None);
        assert_eq!(limits.of(Resource::Page), Some(SECOND));
    }
}
