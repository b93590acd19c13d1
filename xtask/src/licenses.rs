//! Checks the licenses of everything that hark is built from, from what Cargo knows without a network.
//!
//! What needs a network is not checked: security advisories, and whether a version was yanked.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::error::Error;
use crate::run;

/// Licenses that let hark be given away as MIT or Apache-2.0: permissive ones, and weak ones of whole
/// files. By their SPDX names, <https://spdx.org/licenses/>.
const ALLOWED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

pub(crate) fn run() -> Result<(), Error> {
    // For Linux, as nothing else is built; without it Cargo counts the crates of other systems in.
    let mut cargo = run::cargo(&["metadata", "--format-version=1", "--locked"]);
    cargo.args(["--filter-platform", "x86_64-unknown-linux-gnu"]);
    let metadata = run::output(&mut cargo)?;
    let metadata: Value = serde_json::from_slice(&metadata)
        .map_err(|error| Error::Check(format!("cargo metadata: {error}")))?;
    let empty = Vec::new();
    let packages = metadata["packages"].as_array().unwrap_or(&empty);
    let mut by_license: BTreeMap<String, usize> = BTreeMap::new();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut refused = Vec::new();
    for package in packages {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        let (name, version, license) = (text("name"), text("version"), text("license"));
        versions.entry(name).or_default().insert(version);
        *by_license.entry(license.to_owned()).or_default() += 1;
        if !is_allowed(license) {
            refused.push(format!("{name} {version}: `{license}`"));
        }
    }
    for (license, count) in &by_license {
        println!("{count:4}  {license}");
    }
    for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
        let versions: Vec<_> = versions.iter().copied().collect();
        println!("twice: {name} {}", versions.join(", "));
    }
    println!(
        "{} packages, {} of a license that is not allowed",
        packages.len(),
        refused.len()
    );
    println!("not checked, for want of a network: security advisories, yanked versions");
    if refused.is_empty() {
        return Ok(());
    }
    Err(Error::Check(format!(
        "not allowed:\n  {}",
        refused.join("\n  ")
    )))
}

/// Whether an SPDX expression leaves a choice that is allowed. A slash is the old way to write OR.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words };
    parser.either() && parser.words.is_empty()
}

struct Parser<'w> {
    words: &'w [&'w str],
}

impl Parser<'_> {
    fn take(&mut self, word: &str) -> bool {
        let is_next = self.words.first() == Some(&word);
        if is_next {
            self.words = &self.words[1..];
        }
        is_next
    }

    fn either(&mut self) -> bool {
        let mut allowed = self.both();
        while self.take("OR") {
            // Parsed in any case: the rest stands behind it.
            allowed |= self.both();
        }
        allowed
    }

    fn both(&mut self) -> bool {
        let mut allowed = self.one();
        while self.take("AND") {
            allowed &= self.one();
        }
        allowed
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            let allowed = self.either();
            return self.take(")") && allowed;
        }
        let Some((name, rest)) = self.words.split_first() else {
            return false;
        };
        self.words = rest;
        let mut name = (*name).to_owned();
        if self.take("WITH")
            && let Some((exception, rest)) = self.words.split_first()
        {
            self.words = rest;
            name = format!("{name} WITH {exception}");
        }
        ALLOWED.contains(&name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_allowed_by_the_choice_that_it_leaves() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
        ] {
            assert!(is_allowed(good), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT",
            "MIT MIT",
            "Apache-2.0 WITH X",
            "mit",
        ] {
            assert!(!is_allowed(bad), "{bad}");
        }
    }
}
