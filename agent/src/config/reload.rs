//! What changes while the agent runs, and what needs a restart.

use super::Config;
use super::load::flatten;

/// Keys that take effect at once, by prefix.
const LIVE: [&str; 12] = [
    "api.allowed_hosts",
    "api.allowed_origins",
    "api.group",
    "api.open_metrics",
    "api.search_timeout",
    "ingest.",
    "kernel.budgets.",
    "kernel.ignore.",
    "kernel.watch.",
    "rate_limit.",
    "store.",
    "log.level",
];

/// The keys that differ between two configurations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Those in effect at once.
    pub live: Vec<String>,
    /// Those that need a restart.
    pub restart: Vec<String>,
}

/// Compares two configurations.
pub fn changes(old: &Config, new: &Config) -> Changes {
    let mut changes = Changes::default();
    for ((key, before), (_, after)) in flatten(old).into_iter().zip(flatten(new)) {
        if before == after {
        } else if key != "store.cache" && LIVE.iter().any(|prefix| key.starts_with(prefix)) {
            changes.live.push(key);
        } else {
            changes.restart.push(key);
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Size, Span};

    #[test]
    fn changes_are_told_apart() {
        let old = Config::default();
        let mut new = old.clone();
        new.store.max_age = Span::days(1);
        new.store.cache = Size::mib(1);
        new.log.level = "debug".into();
        new.data_dir = "/elsewhere".into();
        assert_eq!(
            changes(&old, &new),
            Changes {
                live: vec!["log.level".into(), "store.max_age".into()],
                restart: vec!["data_dir".into(), "store.cache".into()],
            }
        );
    }
}
