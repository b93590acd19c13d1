//! Anomaly detection as a pure library: numbers and templates in, verdicts out.

pub mod template;
