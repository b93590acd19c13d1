//! The privileged daemon of hark: collects, scores, groups and stores what a Linux host does.
//!
//! [`run`] puts the parts together: [`source`]s → [`pipeline`] → store, with the [`api`] at both
//! ends. `docs/architecture.md` has the picture.
#![forbid(unsafe_code)]

pub mod api;
pub mod backtest;
pub mod cli;
pub mod config;
pub mod counters;
pub mod incidents;
pub mod logging;
pub mod pipeline;
pub mod privileges;
pub mod run;
pub mod source;
