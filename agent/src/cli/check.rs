//! `hark-agent check`: reads all that is stored and verifies it.

use std::process::ExitCode;

use hark_store::{EventQuery, Order, Store};

use crate::config::{self, Overrides};

/// Events read at a time.
const PAGE: usize = 10_000;

pub(super) fn run(overrides: &Overrides) -> ExitCode {
    let config = match config::load(overrides) {
        Ok(config) => config,
        Err(error) => return super::fail(&error),
    };
    if !config.data_dir.exists() {
        return super::fail(&format!("{} does not exist", config.data_dir.display()));
    }
    let store = match Store::open(&config.data_dir, config.store.options()) {
        Ok(store) => store,
        Err(error) => return super::fail(&error),
    };
    let mut events = 0;
    let mut after = None;
    loop {
        let query = EventQuery {
            order: Order::Arrival,
            after,
            limit: PAGE,
            ..EventQuery::default()
        };
        match store.events(&query) {
            Ok(page) => {
                events += page.events.len();
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            Err(error) => return super::fail(&error),
        }
    }
    let status = store.status();
    println!("{events} events read, {} bytes on disk", status.bytes);
    if status.damaged_blocks > 0 {
        return super::fail(&format!(
            "{} damaged blocks were set aside",
            status.damaged_blocks
        ));
    }
    println!("all checksums are right");
    match store.close() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(&error),
    }
}
