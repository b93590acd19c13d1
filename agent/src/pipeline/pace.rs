//! When a group is worth taking.
//!
//! A commit costs about the same for one event as for a hundred, and whoever waits for one sends
//! again only after it. So small requests wait for each other: while a commit is under way, and
//! for a moment after it, until as many have come as were about. Nothing waits when nobody else is
//! expected, and what is plenty does not wait at all.

use std::time::{Duration, Instant};

/// So many events are worth a commit of their own.
const PLENTY: usize = 256;
/// So many requests are not kept waiting for more.
const ENOUGH: usize = 16;
/// The shortest time for which others are waited for after a commit, where they are: so long it
/// takes until senders have their answers and what they send next is here. Measured with 16 senders
/// (`cargo xtask bench ingest`), where a commit takes a fifth of that: with less, senders share fewer
/// commits and a third fewer events get through; with more, no more do.
const SHORTEST: Duration = Duration::from_micros(600);
/// The longest wait for others after a commit.
const LONGEST: Duration = Duration::from_millis(2);

/// What the queue knows of commits.
#[derive(Debug)]
pub(super) struct Pace {
    /// Groups that are handed on and not finished.
    busy: usize,
    /// Requests that were about at the last commit, in it or waiting meanwhile; at most [`ENOUGH`].
    about: usize,
    /// Until when they are waited for.
    until: Instant,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            busy: 0,
            about: 0,
            until: Instant::now(),
        }
    }

    /// A group goes to be committed.
    pub(super) fn handed(&mut self) {
        self.busy += 1;
    }

    /// A commit of so many requests has ended, which `took` so long; so many wait.
    pub(super) fn finished(&mut self, requests: usize, waiting: usize, took: Duration) {
        self.busy = self.busy.saturating_sub(1);
        self.about = (requests + waiting).min(ENOUGH);
        // Half of what the commit took, measured: less leaves senders behind, more idles.
        self.until = Instant::now() + (took / 2).clamp(SHORTEST, LONGEST);
    }

    /// Until when so many requests and events should wait for others, if at all; `patience` is the
    /// longest that is to be.
    pub(super) fn wait(
        &self,
        requests: usize,
        events: usize,
        now: Instant,
        patience: Instant,
    ) -> Option<Instant> {
        if events >= PLENTY {
            None
        } else if self.busy > 0 {
            // Told when it ends; this is for one that takes very long.
            Some(patience)
        } else if requests >= self.about {
            None
        } else {
            Some(self.until)
        }
        .filter(|until| *until > now)
    }

    /// Whether a further event is news to one who waits.
    pub(super) fn matters(&self, requests: usize, events: usize) -> bool {
        events >= PLENTY || (self.busy == 0 && requests >= self.about)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(60);

    #[test]
    fn one_sender_alone_never_waits_for_others() {
        let mut pace = Pace::new();
        let now = Instant::now();
        assert_eq!(pace.wait(1, 1, now, now + SOON), None);
        pace.handed();
        pace.finished(1, 0, LONGEST);
        assert_eq!(pace.wait(1, 1, now, now + SOON), None);
    }

    #[test]
    fn those_who_were_about_are_waited_for_but_not_for_long() {
        let mut pace = Pace::new();
        pace.handed();
        let now = Instant::now();
        assert_eq!(pace.wait(3, 3, now, now + SOON), Some(now + SOON));
        pace.finished(5, 3, LONGEST);
        let until = pace.wait(3, 3, now, now + SOON).expect("five are to come");
        assert!(until <= Instant::now() + LONGEST);
        assert_eq!(pace.wait(8, 8, now, now + SOON), None, "all are there");
        assert_eq!(pace.wait(3, 3, until, now + SOON), None, "long enough");
        pace.handed();
        pace.finished(3 * ENOUGH, 0, LONGEST);
        assert_eq!(pace.wait(ENOUGH, ENOUGH, now, now + SOON), None, "enough");
    }

    #[test]
    fn plenty_goes_on_while_a_commit_is_under_way() {
        let mut pace = Pace::new();
        pace.handed();
        let now = Instant::now();
        assert_eq!(pace.wait(1, PLENTY, now, now + SOON), None);
        assert!(pace.matters(1, PLENTY));
        assert!(!pace.matters(1, 1));
    }
}
