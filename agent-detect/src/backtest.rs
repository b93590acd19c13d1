//! Replays recorded series and log lines through the detectors, as the live agent would judge them.
//!
//! Pure functions over text: reading files and writing results is the caller's.

use hark_api::Timestamp;

use crate::host::{self, Joint};
use crate::series::{self, Assessment, Detector};
use crate::template::{self, Miner};

/// A line of recorded data makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, {field}: {reason}")]
pub struct Malformed {
    /// The line, from 1.
    pub line: usize,
    /// The column.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A recorded series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recorded {
    /// Its points, oldest first. A value that is missing is NaN.
    pub points: Vec<(Timestamp, f64)>,
}

impl Recorded {
    /// Reads CSV with a header and the columns time ([`parse_time`]), value.
    ///
    /// # Errors
    /// The first line that makes no sense. A value that is empty is missing, not an error.
    pub fn from_csv(text: &str) -> Result<Self, Malformed> {
        let mut points = Vec::new();
        for (i, line) in text.lines().enumerate().skip(1) {
            if line.trim().is_empty() {
                continue;
            }
            let bad = |field: &str, reason: String| Malformed {
                line: i + 1,
                field: field.to_owned(),
                reason,
            };
            let (time, value) = line
                .split_once(',')
                .ok_or_else(|| bad("value", "there is no second column".to_owned()))?;
            let time = parse_time(time.trim()).map_err(|e| bad("time", e))?;
            let value = value.split(',').next().unwrap_or_default().trim();
            let value = if value.is_empty() {
                f64::NAN
            } else {
                value
                    .parse()
                    .map_err(|_| bad("value", format!("`{value}` is not a number")))?
            };
            points.push((time, value));
        }
        Ok(Self { points })
    }

    /// Seconds between two points, as most often among the first ones; 1 where there are none.
    pub fn step(&self) -> f64 {
        step(self.points.iter().map(|point| point.0))
    }

    /// Judges each point.
    pub fn replay(&self, config: series::Config) -> impl Iterator<Item = Assessment> + '_ {
        let mut detector = Detector::new(config);
        self.points
            .iter()
            .map(move |&(time, value)| detector.push(time, value))
    }
}

/// Seconds between two points, as most often among the first 100; 1 where there are none.
pub fn step(times: impl IntoIterator<Item = Timestamp>) -> f64 {
    let times: Vec<i64> = times
        .into_iter()
        .take(101)
        .map(Timestamp::as_nanos)
        .collect();
    let mut gaps: Vec<i64> = times
        .windows(2)
        .map(|w| w[1].saturating_sub(w[0]))
        .filter(|&d| d > 0)
        .collect();
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).map_or(1.0, |&d| d as f64 / 1e9)
}

/// A moment as recordings write it: RFC 3339, the same with a blank and without a zone (then UTC),
/// or seconds since 1970.
///
/// # Errors
/// What is wrong with it.
pub fn parse_time(text: &str) -> Result<Timestamp, String> {
    if let Ok(secs) = text.parse::<f64>() {
        return Ok(Timestamp::from_secs_f64(secs));
    }
    let direct = text.parse::<Timestamp>();
    direct
        .or_else(|e| {
            format!("{}Z", text.replacen(' ', "T", 1))
                .parse()
                .map_err(|_| e)
        })
        .map_err(|e| e.to_string())
}

/// Many series of one host, recorded together at even steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Row after row, oldest first; all of one width.
    pub rows: Vec<Vec<f64>>,
}

impl Table {
    /// Reads CSV of numbers, without or with a header.
    ///
    /// # Errors
    /// The first line that makes no sense.
    pub fn from_csv(text: &str) -> Result<Self, Malformed> {
        let mut rows: Vec<Vec<f64>> = Vec::new();
        for (i, line) in text.lines().enumerate() {
            let parsed: Result<Vec<f64>, _> = line
                .split(',')
                .map(|cell| cell.trim().parse::<f64>())
                .collect();
            match parsed {
                Ok(row) => {
                    if rows.first().is_some_and(|r| r.len() != row.len()) {
                        return Err(Malformed {
                            line: i + 1,
                            field: "row".to_owned(),
                            reason: format!(
                                "has {} columns, the first one had more or fewer",
                                row.len()
                            ),
                        });
                    }
                    rows.push(row);
                }
                Err(_) if i == 0 || line.trim().is_empty() => {}
                Err(e) => {
                    return Err(Malformed {
                        line: i + 1,
                        field: "row".to_owned(),
                        reason: e.to_string(),
                    });
                }
            }
        }
        Ok(Self { rows })
    }
}

/// Judges rows of many series: each series, and all together.
#[derive(Clone, Debug)]
pub struct HostReplay {
    detectors: Vec<Detector>,
    joint: Joint,
    step: f64,
    row: u64,
}

impl HostReplay {
    /// For rows of this many series, this many seconds apart.
    pub fn new(series: &series::Config, host: host::Config, width: usize) -> Self {
        Self {
            detectors: vec![Detector::new(series.clone()); width],
            joint: Joint::new(host, width),
            step: series.step,
            row: 0,
        }
    }

    /// Judges a row.
    pub fn push(&mut self, row: &[f64]) -> host::Assessment {
        let time = Timestamp::from_secs_f64(self.row as f64 * self.step);
        self.row += 1;
        let mut scores: Vec<f64> = self
            .detectors
            .iter_mut()
            .zip(row)
            .map(|(detector, &value)| detector.push(time, value).score)
            .collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        let top = scores.iter().take(3).sum::<f64>() / 3.0;
        self.joint.push(row, top)
    }
}

/// The templates of lines, after all were seen: each line's template, and its text.
pub fn templates<'a>(
    config: template::Config,
    lines: impl IntoIterator<Item = &'a str>,
) -> (Vec<u32>, Miner) {
    let mut miner = Miner::new(config);
    let mut ids: Vec<u32> = lines
        .into_iter()
        .map(|line| miner.push(line).template)
        .collect();
    for id in &mut ids {
        *id = miner.current(*id);
    }
    (ids, miner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_values_are_read_or_refused_by_name() {
        let text = "timestamp,value\n2014-04-01 00:00:00,1.5\n2014-04-01 00:05:00,\n1396311000,3\n";
        let recorded = Recorded::from_csv(text).expect("reads");
        assert_eq!(recorded.points.len(), 3);
        assert!((recorded.step() - 300.0).abs() < 1e-9);
        assert!(recorded.points[1].1.is_nan());
        let error = Recorded::from_csv("t,v\n2014-04-01 00:00:00,x\n").expect_err("no number");
        assert_eq!(error.to_string(), "line 2, value: `x` is not a number");
        assert!(Table::from_csv("a,b\n1,2\n3\n").is_err());
    }
}
