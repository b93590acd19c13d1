//! Log templates, mined online.

mod evidence;
mod index;
mod miner;
mod pattern;
mod shape;
mod token;
mod variable;

pub use miner::{Checkpoint, Config, Mined, Miner, Parameter, Stats, Template, TemplateId};
pub use variable::Kind;
