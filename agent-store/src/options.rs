//! How large, how long, how much memory.

use std::time::Duration;

/// The bounds of a store. All can change while it is open, by [`Store::reconfigure`](crate::Store::reconfigure),
/// but for `cache_bytes`, which counts from the next open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes on disk, all files together; the oldest events make room. At least 64 MiB is used.
    pub max_bytes: u64,
    /// How long events are kept, by their time.
    pub max_age: Duration,
    /// Memory for pages of the database, in bytes.
    pub cache_bytes: usize,
    /// Memory for events that are committed but not yet sealed into blocks, in bytes; when it is
    /// full, commits wait for the sealer. The log of commits takes at most twice as much on disk, at
    /// most an eighth of `max_bytes`, and at least 8 MiB.
    pub hot_bytes: usize,
    /// How long samples of every second are kept.
    pub series_1s: Duration,
    /// How long series of every 10 seconds are kept.
    pub series_10s: Duration,
    /// How long series of every 60 seconds are kept.
    pub series_60s: Duration,
    /// After how long samples are written at the latest: what a crash can lose of the series.
    pub series_flush: Duration,
    /// How many series there may be; samples of further ones are counted, not kept.
    pub max_series: usize,
    /// How many replies to idempotency keys are kept.
    pub max_replies: usize,
    /// How many bytes of replies to idempotency keys are kept, keys included.
    pub max_reply_bytes: u64,
    /// How long replies to idempotency keys are kept.
    pub reply_age: Duration,
}

const DAY: Duration = Duration::from_secs(86_400);

impl Default for Options {
    /// 4 GiB, 30 days; 32 MiB of cache, 32 MiB of hot events; seconds for 2 days, tens of seconds
    /// for 14, minutes for 400; samples written every minute; 20,000 series; 100,000 replies of
    /// 64 MiB for a day.
    fn default() -> Self {
        Self {
            max_bytes: 4 << 30,
            max_age: 30 * DAY,
            cache_bytes: 32 << 20,
            hot_bytes: 32 << 20,
            series_1s: 2 * DAY,
            series_10s: 14 * DAY,
            series_60s: 400 * DAY,
            series_flush: Duration::from_secs(60),
            max_series: 20_000,
            max_replies: 100_000,
            max_reply_bytes: 64 << 20,
            reply_age: DAY,
        }
    }
}
