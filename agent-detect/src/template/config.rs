//! What bounds a miner, and what it counts.

use serde::{Deserialize, Serialize};

/// The bounds of a [`Miner`](super::Miner).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Most templates. When one more comes, the sixteenth that was unseen longest is forgotten,
    /// which [`Stats::forgotten`] counts. At least 16.
    pub max_templates: usize,
    /// Most bytes of a line that are looked at. 64 to 65,536.
    pub max_line: usize,
    /// Most words and punctuation characters of a line that are looked at; the rest is one
    /// parameter. 8 to 4,096.
    pub max_tokens: usize,
    /// A rule to do without, to measure what it earns.
    pub without: Option<Rule>,
}

/// A rule of the method that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rule {
    /// Forms without a digit are variables: paths, URLs, host names, hardware addresses.
    Forms,
    /// What follows `key=` is a variable.
    Values,
    /// Dates, units, queries, quoted texts after a colon and empty brackets are seen as such.
    Phrases,
    /// Variables that only separators part are one, and repeated groups are folded.
    Lists,
    /// Templates that differ in the number of variables in a row, or in a word and a variable
    /// against one variable, are merged.
    Spellings,
    /// Templates that differ in one word are merged when that word varies enough.
    Words,
    /// Templates that differ at several likely places are merged.
    Together,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_templates: 8192,
            max_line: 4096,
            max_tokens: 256,
            without: None,
        }
    }
}

impl Config {
    /// The same with what is out of range moved into it.
    pub(super) fn clamped(self) -> Self {
        Self {
            max_templates: self.max_templates.clamp(16, 1 << 24),
            max_line: self.max_line.clamp(64, 1 << 16),
            max_tokens: self.max_tokens.clamp(8, 1 << 12),
            without: self.without,
        }
    }
}

/// Counts of what a miner did, and holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Lines seen.
    pub lines: u64,
    /// Templates that were given a number.
    pub created: u64,
    /// Templates that turned out to be the same as an older one.
    pub merged: u64,
    /// Templates forgotten because there were more than [`Config::max_templates`].
    pub forgotten: u64,
}
