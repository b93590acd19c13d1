//! Log templates, mined online.

mod checkpoint;
mod evidence;
mod index;
mod miner;
mod parameter;
mod pattern;
mod shape;
mod token;
mod variable;

pub use miner::{Config, Mined, Miner, Rule, Stats, TemplateId};
pub use parameter::Parameter;
pub use variable::Kind;

/// A map whose keys are hashes already.
pub(crate) type HashKeyed<V> = index::HashKeyed<u64, V>;
