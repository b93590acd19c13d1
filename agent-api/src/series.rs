//! What a time series is called.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of a series: a Prometheus metric name and labels, as in
/// `node_network_receive_bytes_total{device="eth0"}`. Cheap to clone.
///
/// A series of a counter holds its rate a second; `node_cpu_seconds_total{mode="user"}` is then
/// seconds a second, that is, CPUs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SeriesKey(Arc<str>);

/// Whether a metric only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricType {
    /// Grows until a restart; its series holds the rate a second.
    Counter,
    /// Goes up and down; its series holds the value.
    Gauge,
}

impl SeriesKey {
    /// A name without labels.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// A name with labels. Label values are escaped as the Prometheus text format asks.
    pub fn with_labels(name: &str, labels: &[(&str, &str)]) -> Self {
        use fmt::Write as _;
        let mut key = String::with_capacity(name.len() + 16 * labels.len());
        key.push_str(name);
        for (i, (label, value)) in labels.iter().enumerate() {
            let _ = write!(key, "{}{label}=\"", if i == 0 { '{' } else { ',' });
            for c in value.chars() {
                match c {
                    '\\' => key.push_str("\\\\"),
                    '"' => key.push_str("\\\""),
                    '\n' => key.push_str("\\n"),
                    c => key.push(c),
                }
            }
            key.push('"');
        }
        if !labels.is_empty() {
            key.push('}');
        }
        Self(key.into())
    }

    /// The whole key, in the Prometheus text format.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The metric's name, without labels.
    pub fn name(&self) -> &str {
        self.0.split('{').next().unwrap_or_default()
    }
}

impl fmt::Display for SeriesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<&str> for SeriesKey {
    fn from(key: &str) -> Self {
        Self(key.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let key = SeriesKey::with_labels("m", &[("a", "x\"\\\n"), ("b", "y")]);
        assert_eq!(key.as_str(), r#"m{a="x\"\\\n",b="y"}"#);
        assert_eq!(key.name(), "m");
        assert_eq!(SeriesKey::with_labels("m", &[]).as_str(), "m");
    }
}
