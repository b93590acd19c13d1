//! Outgoing TCP connections as the kernel told of them: how long they took, and why they failed.

use std::collections::VecDeque;

use hark_api::{Event, Kind, Timestamp};

use crate::clean;

/// Connections that are kept at most.
const KEPT: usize = 2_000;

/// An attempt to connect.
struct Connect {
    time: Timestamp,
    /// In seconds.
    latency: Option<f32>,
    /// Why it failed, safe to show.
    error: Option<Box<str>>,
}

/// The last attempts, oldest first.
#[derive(Default)]
pub(crate) struct Connects(VecDeque<Connect>);

/// What came of the attempts of some time.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) attempts: usize,
    /// Seconds within which half of them, and 99 of a hundred, were through.
    pub(crate) latency: Option<(f32, f32)>,
    /// Errors with how often, the most often first.
    pub(crate) errors: Vec<(String, usize)>,
}

impl Connects {
    /// Takes in an event, where it is one.
    pub(crate) fn push(&mut self, event: &Event) {
        if event.kind != Kind::TcpConnect {
            return;
        }
        let text = |name: &str| event.fields.get(name).and_then(serde_json::Value::as_str);
        let error = match text("outcome") {
            Some("failed") => Some(text("error").unwrap_or("failed")),
            Some("aborted") => Some("given up"),
            _ => None,
        };
        let latency = event
            .fields
            .get("latency")
            .and_then(serde_json::Value::as_f64);
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Connect {
            time: event.time,
            latency: latency.map(|latency| latency as f32),
            error: error.map(|error| clean::text(error).into()),
        });
    }

    /// What came of the attempts since a time.
    pub(crate) fn since(&self, from: Timestamp) -> Outcome {
        let recent = self.0.iter().filter(|connect| connect.time >= from);
        let mut outcome = Outcome::default();
        let mut latencies = Vec::new();
        for connect in recent {
            outcome.attempts += 1;
            match &connect.error {
                None => latencies.extend(connect.latency),
                Some(error) => {
                    let known = outcome.errors.iter_mut().find(|(e, _)| **e == **error);
                    match known {
                        Some((_, count)) => *count += 1,
                        None => outcome.errors.push((error.to_string(), 1)),
                    }
                }
            }
        }
        outcome
            .errors
            .sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        latencies.sort_by(f32::total_cmp);
        let at = |share: f64| {
            let place = (latencies.len() as f64 * share) as usize;
            latencies.get(place.min(latencies.len().saturating_sub(1)))
        };
        outcome.latency = at(0.5).zip(at(0.99)).map(|(half, most)| (*half, *most));
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample::{self, NOON};

    #[test]
    fn attempts_are_counted_with_their_errors() {
        let mut connects = Connects::default();
        for id in 1..=10 {
            connects.push(&sample::connect(id, (id == 3).then_some("ECONNREFUSED")));
        }
        connects.push(&sample::log(11, "no connection"));
        let outcome = connects.since(NOON.plus_nanos(-600_000_000_000));
        assert_eq!(outcome.attempts, 10);
        assert_eq!(outcome.errors, [("ECONNREFUSED".to_owned(), 1)]);
        let (half, most) = outcome.latency.expect("some were through");
        assert!(half < most && most < 0.011, "{half} {most}");
        assert_eq!(connects.since(NOON), Outcome::default());
    }
}
