//! What this process itself uses.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hark_api::SelfUse;
use rustix::time::ClockId;

use crate::kept::Kept;
use crate::scan::{next, words};

/// CPU use is told over this time.
const WINDOW: Duration = Duration::from_secs(10);

/// This process, in its own /proc: whichever host it watches.
#[derive(Debug)]
pub(crate) struct Own {
    page_size: u64,
    stat: Kept,
    /// When, and the CPU time used until then: the oldest is as old as the window.
    spent: VecDeque<(Instant, Duration)>,
}

impl Own {
    pub(crate) fn new(page_size: u64) -> Self {
        Self {
            page_size,
            stat: Kept::new("/proc/self/stat".into()),
            spent: VecDeque::new(),
        }
    }

    pub(crate) fn update(&mut self, now: Instant, buffer: &mut Vec<u8>) -> SelfUse {
        let spent = rustix::time::clock_gettime(ClockId::ProcessCPUTime);
        let spent = Duration::try_from(spent).unwrap_or_default();
        // One more than the window stays, to tell the use over all of it.
        while self
            .spent
            .get(1)
            .is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW)
        {
            self.spent.pop_front();
        }
        let cpu = self.spent.front().map_or(0.0, |(at, before)| {
            let time = now.duration_since(*at).as_secs_f64();
            if time > 0.0 {
                spent.saturating_sub(*before).as_secs_f64() / time
            } else {
                0.0
            }
        });
        if self
            .spent
            .back()
            .is_none_or(|(at, _)| now.duration_since(*at) >= WINDOW / 20)
        {
            self.spent.push_back((now, spent));
        }
        let (threads, pages) = self
            .stat
            .read(buffer)
            .ok()
            .and_then(threads_and_pages)
            .unwrap_or_default();
        SelfUse {
            cpu,
            rss: pages * self.page_size,
            open_fds: open_files(),
            threads,
        }
    }
}

/// From `proc_pid_stat(5)`.
fn threads_and_pages(stat: &[u8]) -> Option<(u64, u64)> {
    let close = stat.iter().rposition(|b| *b == b')')?;
    let mut words = words(&stat[close + 1..]);
    let threads = crate::scan::number(words.nth(17)?)?;
    words.nth(2)?;
    Some((threads, next(&mut words)?))
}

/// The number of open file descriptors.
fn open_files() -> u64 {
    // Since Linux 6.2 the directory's size is their number; before it was 0.
    match std::fs::metadata("/proc/self/fd").map_or(0, |dir| dir.len()) {
        // The one that lists them is one of them.
        0 => {
            std::fs::read_dir("/proc/self/fd").map_or(0, |dir| dir.count().saturating_sub(1) as u64)
        }
        files => files,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_work_and_files_are_seen() {
        let mut own = Own::new(rustix::param::page_size() as u64);
        let mut buffer = Vec::new();
        let start = Instant::now();
        let before = own.update(start, &mut buffer);
        assert!(before.rss > 100_000 && before.threads >= 1 && before.open_fds >= 3);
        let files: Vec<_> = (0..50)
            .filter_map(|_| std::fs::File::open("/proc/self/stat").ok())
            .collect();
        let mut spins = 0_u64;
        while start.elapsed() < Duration::from_millis(100) {
            spins = std::hint::black_box(spins + 1);
        }
        let after = own.update(Instant::now(), &mut buffer);
        assert!(after.cpu > 0.0);
        assert!(
            after.open_fds >= before.open_fds + 40,
            "{before:?} {after:?} {}",
            files.len()
        );
    }
}
