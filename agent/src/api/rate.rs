//! Token buckets, one for each sender, in a table of bounded size.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::RateLimit;

/// Who is limited.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sender {
    /// A user of the Unix socket.
    Uid(u32),
    /// An address.
    Address(std::net::IpAddr),
    /// A token.
    Token(String),
    /// All that find no room in the table.
    Rest,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// The buckets.
#[derive(Debug, Default)]
pub struct Rates(Mutex<HashMap<Sender, Bucket>>);

impl Rates {
    /// Takes one request from the sender's bucket.
    ///
    /// # Errors
    /// How long until there is one again.
    pub(super) fn take(
        &self,
        sender: Sender,
        limit: &RateLimit,
        now: Instant,
    ) -> Result<(), Duration> {
        if limit.requests == 0 {
            return Ok(());
        }
        let rate = f64::from(limit.requests);
        let full = f64::from(limit.burst.max(1));
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = if buckets.len() >= limit.max_senders && !buckets.contains_key(&sender) {
            // Full buckets say nothing that a new one would not.
            buckets.retain(|_, b| b.left + (now - b.at).as_secs_f64() * rate < full);
            if buckets.len() >= limit.max_senders {
                Sender::Rest
            } else {
                sender
            }
        } else {
            sender
        };
        let bucket = buckets.entry(sender).or_insert(Bucket {
            left: full,
            at: now,
        });
        bucket.left = full.min(bucket.left + (now - bucket.at).as_secs_f64() * rate);
        bucket.at = now;
        if bucket.left >= 1.0 {
            bucket.left -= 1.0;
            Ok(())
        } else {
            Err(Duration::from_secs_f64((1.0 - bucket.left) / rate))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_permitted_then_the_rate_and_the_table_is_bounded() {
        let limit = RateLimit {
            requests: 10,
            burst: 2,
            max_senders: 3,
        };
        let rates = Rates::default();
        let start = Instant::now();
        let take =
            |uid, at| rates.take(Sender::Uid(uid), &limit, start + Duration::from_millis(at));
        assert!(take(1, 0).is_ok());
        assert!(take(1, 0).is_ok());
        assert_eq!(take(1, 0), Err(Duration::from_millis(100)));
        assert!(take(1, 100).is_ok());
        assert!(take(2, 100).is_ok(), "another sender");
        for uid in 3..1000 {
            let _ = take(uid, 101);
        }
        assert!(
            rates.0.lock().expect("whole").len() <= 4,
            "three and the rest"
        );
        assert!(take(2000, 101).is_err(), "the rest share one bucket");
    }
}
