//! Runs the tests and sums up.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::error::Error;
use crate::run;

/// Run every test and sum up
///
/// Tests that load kernel programs need root; those that cannot run here say so on their standard
/// error and pass.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Handed to `cargo test --workspace`: `-p hark-host`, or a part of a test's name
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// What `test result:` lines say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sums {
    binaries: u64,
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Sums {
    /// Adds a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    fn add(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix("test result: ") else {
            return;
        };
        self.binaries += 1;
        let numbers = rest.split_once(". ").map_or("", |(_, numbers)| numbers);
        for part in numbers.split("; ") {
            let Some((count, what)) = part.trim().split_once(' ') else {
                continue;
            };
            let count: u64 = count.parse().unwrap_or(0);
            match what {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.ignored += count,
                _ => {}
            }
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let mut command = run::cargo(&["test", "--no-fail-fast"]);
    if !args
        .args
        .iter()
        .any(|arg| arg == "-p" || arg.starts_with("--package"))
    {
        command.arg("--workspace");
    }
    command.args(&args.args).stdout(Stdio::piped());
    let start = |source| Error::Start {
        program: "cargo test".to_owned(),
        source,
    };
    let mut child = command.spawn().map_err(start)?;
    let mut sums = Sums::default();
    for line in child
        .stdout
        .take()
        .into_iter()
        .flat_map(|out| BufReader::new(out).lines())
    {
        let line = line.map_err(start)?;
        println!("{line}");
        sums.add(&line);
    }
    let status = child.wait().map_err(start)?;
    println!(
        "all tests: {} passed, {} failed, {} ignored, in {} binaries",
        sums.passed, sums.failed, sums.ignored, sums.binaries
    );
    if status.success() {
        Ok(())
    } else {
        Err(Error::Failed {
            command: "cargo test".to_owned(),
            status,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_add_up() {
        let mut sums = Sums::default();
        sums.add("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s");
        sums.add("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out");
        sums.add("test a_test ... ok");
        assert_eq!(
            sums,
            Sums {
                binaries: 2,
                passed: 4,
                failed: 2,
                ignored: 1
            }
        );
    }
}
