//! Keeps what grows with the host from costing more than a share of a CPU.

use std::time::{Duration, Instant};

use rustix::time::ClockId;

/// The share of one CPU that a paced job may use.
const SHARE: f64 = 0.01;

/// Lets a job run as often as its cost allows: after a run that took 5 ms of CPU time, not before
/// half a second has passed.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    next: Option<Instant>,
}

impl Pace {
    /// Whether the job may run now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| now >= next)
    }

    /// Runs the job and notes what it cost.
    pub(crate) fn run<T>(&mut self, now: Instant, job: impl FnOnce() -> T) -> T {
        let before = thread_time();
        let done = job();
        let cost = thread_time().saturating_sub(before);
        self.next = now.checked_add(cost.div_f64(SHARE));
        done
    }
}

/// CPU time of this thread.
fn thread_time() -> Duration {
    Duration::try_from(rustix::time::clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_costly_job_waits_in_proportion() {
        let mut pace = Pace::default();
        let now = Instant::now();
        assert!(pace.is_due(now));
        let start = thread_time();
        pace.run(now, || {
            while thread_time().saturating_sub(start) < Duration::from_millis(5) {}
        });
        assert!(!pace.is_due(now + Duration::from_millis(499)));
        assert!(pace.is_due(now + Duration::from_secs(3600)));
    }
}
