//! Heat maps of latencies over time: how many waited how long, when.

use hark_api::{SeriesKey, Timestamp};

use super::ask::Ask;

const SECOND: i64 = 1_000_000_000;
/// Of how much time heat maps are at most, in seconds.
const LONGEST: i64 = 12 * 3_600;
/// How long an answer is waited for before it is asked for again.
const PATIENCE: i64 = 10 * SECOND;

/// What a heat map is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Of {
    RunQueue,
    Read,
    Write,
}

/// How many a second were in each bucket over one step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) time: Timestamp,
    /// As many as there are bounds, and one for what is beyond.
    pub(crate) rates: Vec<f32>,
}

/// A heat map.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Map {
    pub(crate) of: Of,
    /// Upper bounds of the buckets but the last, in seconds, rising.
    pub(crate) bounds: Vec<f64>,
    /// Oldest first.
    pub(crate) columns: Vec<Column>,
}

impl Map {
    /// The time below which this share of the waits of a column was, by its bucket's bound.
    pub(crate) fn quantile(&self, column: &Column, share: f32) -> Option<f64> {
        let all: f32 = column.rates.iter().sum();
        let mut below = 0.0;
        let found = column.rates.iter().position(|rate| {
            below += rate;
            below >= all * share
        });
        (all > 0.0).then(|| {
            let bound = found.and_then(|at| self.bounds.get(at));
            bound.copied().unwrap_or(f64::INFINITY)
        })
    }

    /// The columns of a time.
    pub(crate) fn within(&self, (from, to): (Timestamp, Timestamp)) -> &[Column] {
        let first = self.columns.partition_point(|column| column.time < from);
        let end = self.columns.partition_point(|column| column.time < to);
        &self.columns[first..end.max(first)]
    }
}

/// The series of a bucket: what it is of, and its upper bound in seconds.
pub(crate) fn bucket(key: &SeriesKey) -> Option<(Of, f64)> {
    let text = key.as_str();
    let of = match key.name() {
        "hark_runqueue_latency_seconds_bucket" => Of::RunQueue,
        "hark_block_latency_seconds_bucket" if text.contains("operation=\"read\"") => Of::Read,
        "hark_block_latency_seconds_bucket" if text.contains("operation=\"write\"") => Of::Write,
        _ => return None,
    };
    let bound = text.split_once("le=\"")?.1.split('"').next()?;
    let bound = match bound {
        "+Inf" => f64::INFINITY,
        bound => bound.parse().ok()?,
    };
    Some((of, bound))
}

/// The heat maps that are looked at.
#[derive(Default)]
pub(crate) struct Heat {
    pub(crate) maps: Vec<Map>,
    /// The time and the step in seconds that they are of.
    loaded: Option<(Timestamp, Timestamp, u32)>,
    asked: Option<Timestamp>,
}

impl Heat {
    /// The time that is shown, of the time that curves show.
    pub(crate) fn window(to: Timestamp, span_secs: i64) -> (Timestamp, Timestamp) {
        (to.plus_nanos(-span_secs.min(LONGEST) * SECOND), to)
    }

    /// Seconds a column.
    pub(crate) fn step(span_secs: i64) -> u32 {
        match span_secs {
            ..=300 => 1,
            301..=3_600 => 10,
            _ => 60,
        }
    }

    /// What is to be asked to show this time.
    pub(crate) fn ask(&mut self, now: Timestamp, to: Timestamp, span_secs: i64) -> Option<Ask> {
        if self
            .asked
            .is_some_and(|asked| now < asked.plus_nanos(PATIENCE))
        {
            return None;
        }
        let (from, to) = Self::window(to, span_secs);
        let step = Self::step(span_secs);
        let nanos = i64::from(step) * SECOND;
        let from = match self.loaded {
            Some((first, last, had)) if had == step && first <= from && last >= from => {
                // A column that is not over yet is asked for when it is.
                if to.as_nanos() - last.as_nanos() < nanos.max(2 * SECOND) {
                    return None;
                }
                last
            }
            _ => from.plus_nanos(-nanos),
        };
        self.asked = Some(now);
        Some(Ask::Heat { from, to, step })
    }

    /// Takes in the columns of a time.
    pub(crate) fn take(&mut self, maps: Vec<Map>, (from, to, step): (Timestamp, Timestamp, u32)) {
        self.asked = None;
        let nanos = i64::from(step) * SECOND;
        // The last column may not be whole yet: it is asked for again.
        let whole = to.plus_nanos(-(to.as_nanos().rem_euclid(nanos)));
        match &mut self.loaded {
            Some((_, last, had)) if *had == step && *last == from => {
                *last = whole;
                for new in maps {
                    match self.maps.iter_mut().find(|map| map.of == new.of) {
                        Some(map) => {
                            map.columns.retain(|column| column.time < from);
                            map.columns.extend(new.columns);
                        }
                        None => self.maps.push(new),
                    }
                }
                let oldest = to.plus_nanos(-2 * LONGEST * SECOND);
                for map in &mut self.maps {
                    map.columns.retain(|column| column.time >= oldest);
                }
            }
            _ => {
                self.maps = maps;
                self.loaded = Some((from, whole, step));
            }
        }
    }

    /// Whether anything was told yet.
    pub(crate) fn is_loaded(&self) -> bool {
        self.loaded.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample::NOON;

    #[test]
    fn series_are_buckets() {
        let key = "hark_block_latency_seconds_bucket{le=\"0.002\",operation=\"read\"}";
        assert_eq!(bucket(&key.into()), Some((Of::Read, 0.002)));
        let key = "hark_runqueue_latency_seconds_bucket{le=\"+Inf\"}";
        assert_eq!(bucket(&key.into()), Some((Of::RunQueue, f64::INFINITY)));
        assert_eq!(bucket(&"node_load1".into()), None);
    }

    #[test]
    fn only_new_columns_are_asked_for() {
        let mut heat = Heat::default();
        let at = |secs| NOON.plus_nanos(secs * SECOND);
        let Some(Ask::Heat { from, to, step }) = heat.ask(at(5), at(5), 900) else {
            panic!("nothing is asked");
        };
        assert_eq!((from, to, step), (at(-905), at(5), 10));
        assert_eq!(
            heat.ask(at(6), at(6), 900),
            None,
            "the answer is waited for"
        );
        let map = |times: &[i64]| Map {
            of: Of::RunQueue,
            bounds: vec![0.001],
            columns: times
                .iter()
                .map(|secs| Column {
                    time: at(*secs),
                    rates: vec![1.0, 3.0],
                })
                .collect(),
        };
        heat.take(vec![map(&[-10, 0])], (from, to, step));
        assert_eq!(heat.ask(at(9), at(9), 900), None);
        let Some(Ask::Heat { from, to, step }) = heat.ask(at(12), at(12), 900) else {
            panic!("nothing new is asked");
        };
        assert_eq!(from, at(0));
        heat.take(vec![map(&[0, 10])], (from, to, step));
        let times: Vec<_> = heat.maps[0].columns.iter().map(|c| c.time).collect();
        assert_eq!(times, [at(-10), at(0), at(10)]);
        let last = &heat.maps[0].columns[2];
        assert_eq!(heat.maps[0].quantile(last, 0.2), Some(0.001));
        assert_eq!(heat.maps[0].quantile(last, 0.99), Some(f64::INFINITY));
    }
}
