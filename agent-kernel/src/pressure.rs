//! Pressure stall information: the kernel tells when threads wait for long,
//! <https://docs.kernel.org/accounting/psi.html>.

use std::fs::{File, OpenOptions};
use std::io::Write as _;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::KernelEvent;
use crate::clock::{Clock, since_boot};
use crate::event::{Data, PressureStall};

/// The window in which the kernel adds waits up: microseconds. This one is open to everybody, others only
/// to `CAP_SYS_RESOURCE`.
const WINDOW: u32 = 2_000_000;
/// While a pressure goes on, it is told this often: nanoseconds.
const INTERVAL: u64 = 60_000_000_000;

/// From when on pressure is told: milliseconds of a second, in the mean of two, in which some thread
/// waited for the resource. 0 is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pressure {
    /// For a CPU.
    pub cpu: u32,
    /// For memory.
    pub memory: u32,
    /// For disks.
    pub io: u32,
}

impl Default for Pressure {
    fn default() -> Self {
        Self {
            cpu: 0, // usual on a host that is well used; vital signs show it
            memory: 150,
            io: 800,
        }
    }
}

/// A resource that the kernel watches for us.
pub(crate) struct Trigger {
    resource: &'static str,
    file: File,
    /// From how much waiting in a window on the kernel tells: microseconds.
    threshold: u32,
    /// When it was told last, and how long threads had waited since boot by then, in microseconds.
    told: Option<u64>,
    waited: u64,
}

fn path(resource: &str) -> String {
    format!("/proc/pressure/{resource}")
}

/// Has the kernel watch the resources; else reason and remedy.
pub(crate) fn watch(pressure: Pressure) -> Result<Vec<Trigger>, (String, &'static str)> {
    let resources = [
        ("cpu", pressure.cpu),
        ("memory", pressure.memory),
        ("io", pressure.io),
    ];
    resources
        .into_iter()
        .filter(|(_, threshold)| *threshold > 0)
        .map(|(resource, threshold)| {
            let threshold = threshold.saturating_mul(WINDOW / 1_000).min(WINDOW);
            open(resource, threshold).map_err(|error| {
                let remedy = match Errno::from_io_error(&error) {
                    Some(Errno::PERM | Errno::ACCESS) => {
                        "run the agent as root, or with CAP_SYS_RESOURCE; in a container, let it \
                         write the host's /proc/pressure"
                    }
                    _ => "boot a kernel built with CONFIG_PSI=y, with psi=1 where it is off",
                };
                (format!("{}: {error}", path(resource)), remedy)
            })
        })
        .collect()
}

fn open(resource: &'static str, threshold: u32) -> std::io::Result<Trigger> {
    let path = path(resource);
    let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
    file.write_all(format!("some {threshold} {WINDOW}\0").as_bytes())?;
    let text = std::fs::read_to_string(&path)?;
    Ok(Trigger {
        resource,
        file,
        threshold,
        told: None,
        waited: some(&text).map_or(0, |(_, total)| total),
    })
}

impl Trigger {
    /// An event where the kernel has seen pressure since the last look, once an interval.
    pub(crate) fn look(&mut self) -> Option<KernelEvent> {
        let mut fds = [PollFd::new(&self.file, PollFlags::PRI)];
        let _ = poll(&mut fds, Some(&Timespec::default()));
        if !fds[0].revents().contains(PollFlags::PRI) {
            return None;
        }
        let now = since_boot();
        if self
            .told
            .is_some_and(|told| now.saturating_sub(told) < INTERVAL)
        {
            return None;
        }
        let text = std::fs::read_to_string(path(self.resource)).ok()?;
        let (share, total) = some(&text)?;
        let waited = total.saturating_sub(self.waited);
        // The kernel's own first look takes in all that threads waited since boot, which is no news.
        if self.told.is_none() && waited < u64::from(self.threshold) {
            return None;
        }
        let data = PressureStall {
            resource: self.resource,
            share,
            waited: waited.saturating_mul(1_000),
            since: self.told.map(|told| now.saturating_sub(told)),
        };
        self.told = Some(now);
        self.waited = total;
        Some(KernelEvent {
            time: Clock::now().wall(now),
            process: None,
            data: Data::PressureStall(data),
        })
    }
}

/// Share of the last ten seconds in percent, and microseconds since boot, in which some thread waited.
fn some(text: &str) -> Option<(f64, u64)> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let word = |name: &str| {
        line.split_whitespace()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    };
    Some((word("avg10")?.parse().ok()?, word("total")?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_pressure_is_read() {
        let text = "some avg10=9.57 avg60=5.25 avg300=14.29 total=106312188\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
        assert_eq!(some(text), Some((9.57, 106_312_188)));
        assert_eq!(some("full avg10=0.00 total=0\n"), None);
    }
}
