//! From the kernel's boot-time clock to the wall clock.

use hark_api::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// The wall clock's lead over the boot-time clock, in nanoseconds. Taken anew for each batch: the
/// wall clock is adjusted now and then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    lead: i64,
}

fn nanos(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec
        .saturating_mul(1_000_000_000)
        .saturating_add(time.tv_nsec)
}

/// Nanoseconds since boot, suspended time included.
pub(crate) fn since_boot() -> u64 {
    nanos(ClockId::Boottime) as u64
}

impl Clock {
    /// As it is now.
    pub(crate) fn now() -> Self {
        // Between two readings of one clock, the other is read: the mean is off by half their
        // distance at most, some tens of nanoseconds.
        let before = nanos(ClockId::Boottime);
        let wall = nanos(ClockId::Realtime);
        let after = nanos(ClockId::Boottime);
        Self {
            lead: wall - (before + (after - before) / 2),
        }
    }

    /// A time since boot as wall-clock time.
    pub(crate) fn wall(self, since_boot: u64) -> Timestamp {
        Timestamp::from_nanos(self.lead.saturating_add_unsigned(since_boot))
    }
}
