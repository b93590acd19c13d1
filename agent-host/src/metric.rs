//! One number of the host.

use hark_api::{MetricType, SeriesKey};

/// One number of the host, as Prometheus knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Name and labels.
    pub key: SeriesKey,
    /// Counter or gauge.
    pub kind: MetricType,
    /// What it is, in one line: the same for all series of one name.
    pub help: &'static str,
    /// The value as read: for a counter since its start, as `node_exporter` exposes it.
    pub value: f64,
    /// A counter's growth a second since the last reading. Absent for gauges, at the first reading of
    /// a series, and after a reset.
    pub rate: Option<f64>,
}

impl Metric {
    /// What the series of this metric holds: the rate of a counter, the value of a gauge.
    pub fn sample(&self) -> Option<f64> {
        match self.kind {
            MetricType::Counter => self.rate,
            MetricType::Gauge => Some(self.value),
        }
    }
}
