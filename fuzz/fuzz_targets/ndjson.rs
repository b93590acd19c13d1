//! Any body of lines is parsed: each line is an event, empty, or refused by its number.
#![no_main]

use hark_agent::api::input::{Context, parse_lines};
use hark_agent::config::Ingest;
use hark_api::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let context = Context {
        received: Timestamp::from_nanos(1_800_000_000_000_000_000),
        trace: None,
        limits: Ingest::default(),
    };
    let lines = body.split(|byte| *byte == b'\n').count() as u64;
    let Ok(parsed) = parse_lines(body, &context) else {
        assert!(lines > Ingest::default().max_batch as u64);
        return;
    };
    assert!(parsed.events.len() as u64 + parsed.rejected <= lines);
    assert!(parsed.errors.len() as u64 <= parsed.rejected);
    for error in &parsed.errors {
        assert!(error.line.is_some_and(|line| (1..=lines).contains(&line)));
    }
    for event in &parsed.events {
        // What was taken in can be written, and read again.
        let json = serde_json::to_string(event).expect("JSON");
        serde_json::from_str::<hark_api::Event>(&json).expect("an event");
    }
});
