//! `hark-agent check`: reads all that is stored and verifies it.

use std::process::ExitCode;

use super::reach;
use crate::config::{self, Overrides};

pub(super) fn run(overrides: &Overrides) -> ExitCode {
    let done = config::load(overrides)
        .map_err(|error| error.to_string())
        .and_then(|config| {
            reach::with_store(&config, |store| Ok((store.check()?, store.status())))
        });
    let (check, status) = match done {
        Ok(done) => done,
        Err(error) => return super::fail(&error),
    };
    println!(
        "{} events read, {} blocks, {} bytes on disk",
        check.events, check.blocks, status.bytes
    );
    for damage in &check.corrupt {
        eprintln!("hark-agent: {damage}");
    }
    for block in &check.damaged {
        eprintln!("hark-agent: the block that begins with event {block} is damaged: set aside");
    }
    if status.damaged_blocks > 0 {
        return super::fail(&format!(
            "{} damaged blocks or parts of the log were set aside",
            status.damaged_blocks
        ));
    }
    if !check.is_clean() {
        return super::fail(&"not all is as it was written");
    }
    println!("all checksums are right");
    ExitCode::SUCCESS
}
