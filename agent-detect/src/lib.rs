//! Anomaly detection as a pure library: numbers and templates in, verdicts out.
//!
//! No I/O, no clock, no threads: time comes with the data, so that a stored day replays exactly.
//! Everything is online, unsupervised and of one configuration for every host and metric. An
//! [`Engine`] is all of it behind one door: [`Engine::event`] for each event, [`Engine::samples`]
//! for each reading of the metrics, [`Engine::tick`] once a second.
#![forbid(unsafe_code)]

pub mod backtest;
mod beat;
mod blame;
mod caution;
mod discovery;
mod engine;
mod excess;
mod finding;
pub mod host;
pub mod incident;
mod kernel;
mod level;
mod log;
mod program;
mod rate;
pub mod series;
pub mod tail;
pub mod template;
pub mod window;

pub use caution::Caution;
pub use engine::{Config, Engine, Learning, RestoreError, Severity};
pub use finding::{Finding, Subject};
pub use incident::{Change, Grouper};
pub use series::Detector;
