//! System calls that failed, as the kernel told of them in sums.

use std::collections::{HashMap, VecDeque};

use hark_api::{Event, Kind, Timestamp};

use crate::clean;

/// Sums that are kept at most: the agent tells ten every ten seconds, so half an hour of them.
const KEPT: usize = 2_000;

/// Calls of a command that failed in the same way, safe to show.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Call {
    pub(crate) command: String,
    /// Its name, as in `openat`.
    pub(crate) name: String,
    pub(crate) error: String,
}

struct Failure {
    time: Timestamp,
    call: Call,
    count: u64,
}

/// The last sums, oldest first.
#[derive(Default)]
pub(crate) struct Failures(VecDeque<Failure>);

impl Failures {
    /// Takes in an event, where it is one.
    pub(crate) fn push(&mut self, event: &Event) {
        if event.kind != Kind::SyscallError {
            return;
        }
        let text = |name: &str| {
            let text = event.fields.get(name).and_then(serde_json::Value::as_str);
            clean::text(text.unwrap_or("?")).into_owned()
        };
        let count = event.fields.get("count");
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Failure {
            time: event.time,
            call: Call {
                command: text("command"),
                name: text("call"),
                error: text("error"),
            },
            count: count.and_then(serde_json::Value::as_u64).unwrap_or(1),
        });
    }

    /// What failed since a time and how often, the most frequent first.
    pub(crate) fn since(&self, from: Timestamp) -> Vec<(&Call, u64)> {
        let mut sums: HashMap<&Call, u64> = HashMap::new();
        for failed in self.0.iter().filter(|failed| failed.time >= from) {
            *sums.entry(&failed.call).or_default() += failed.count;
        }
        let mut sums: Vec<_> = sums.into_iter().collect();
        let name = |call: &Call| [call.command.clone(), call.name.clone(), call.error.clone()];
        sums.sort_by_key(|(call, count)| (std::cmp::Reverse(*count), name(call)));
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample::{self, NOON};

    #[test]
    fn failures_are_summed_over_a_time() {
        let mut failures = Failures::default();
        for event in sample::failed_calls(None) {
            failures.push(&event);
        }
        failures.push(&sample::log(600, "openat failed"));
        let all = failures.since(NOON.plus_nanos(-900_000_000_000));
        let told: Vec<_> = all.iter().map(|(c, n)| (c.command.as_str(), *n)).collect();
        assert_eq!(told, [("php-fpm", 2_400), ("curl", 60), ("cron", 12)]);
        assert!(failures.since(NOON).is_empty());
    }
}
