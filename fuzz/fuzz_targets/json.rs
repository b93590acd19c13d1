//! Any JSON body is an event or refused, and an array of events or refused; both agree.
#![no_main]

use hark_agent::api::input::{Context, parse_array, parse_event};
use hark_agent::config::Ingest;
use hark_api::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &str| {
    let context = Context {
        received: Timestamp::from_nanos(1_800_000_000_000_000_000),
        trace: None,
        limits: Ingest::default(),
    };
    let _ = parse_array(body, &context);
    if let Ok(event) = parse_event(body, &context) {
        let array = parse_array(&format!("[{body}]"), &context).expect("an array of one");
        assert_eq!(array.events, [event]);
    }
});
