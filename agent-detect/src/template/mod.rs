//! Log templates, mined online, with one configuration for all sources.
//!
//! ```
//! use hark_detect::template::{Config, Miner};
//!
//! let mut miner = Miner::new(Config::default());
//! for user in ["root", "alice", "bob"] {
//!     miner.push(&format!("session opened for user {user} by (uid=0)"));
//! }
//! let mined = miner.push("session opened for user mallory by (uid=7)");
//! assert_eq!(miner.text(mined.template), Some("session opened for user <*> by (uid=<*>)"));
//! ```
//!
//! A line passes these stages, one file each:
//!
//! 1. `token`: cut into words and punctuation, in one pass over the bytes.
//! 2. `variable`: what is a variable by the form of one word: a digit, a path, an address.
//! 3. `shape`: what is one by its surroundings: the value of a key, a date, a list. The shape, in
//!    which every variable is a wildcard, is looked up; nearly every line ends here.
//! 4. `pattern`, `evidence`, `index`: a shape never seen before is compared with the templates
//!    that differ from it in one word, and merged with them when that word varies enough.
//! 5. `miner`: the templates themselves, their numbers and bounds; `parameter`: where the
//!    variables of a line stand; `checkpoint`: what is saved.
//!
//! Templates begin narrow and are only ever merged, never split, so a number that was given to a
//! line stays true: [`Miner::current`] leads from it to what the template became.
//!
//! Sources: masking by form before parsing, and a look-up in constant time, as He et al., *Drain*
//! (ICWS 2017), do; a place with many different words among otherwise equal messages is a
//! variable, as Yu et al., *Brain* (IEEE TSC 2023), decide offline for a whole file; a search by
//! which places may differ, from Srinivasan et al., *Packet classification using tuple space
//! search* (SIGCOMM 1999).

mod checkpoint;
mod config;
mod evidence;
mod index;
mod miner;
mod parameter;
mod pattern;
mod shape;
mod token;
mod variable;

pub use config::{Config, Rule, Stats};
pub use miner::{Mined, Miner, TemplateId};
pub use parameter::Parameter;
pub use variable::Kind;

pub(crate) use index::{HashKeyed, NumberSet};
