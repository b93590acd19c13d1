//! Any text is parsed or refused; what is parsed can be asked about any event.
#![no_main]

use hark_api::{
    Event, EventId, Fields, Filter, Kind, Level, Process, Source, Timestamp, Verdict,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let now = Timestamp::from_nanos(1_800_000_000_000_000_000);
    match Filter::parse_at(text, now) {
        Ok(filter) => {
            // What is asked about is in part the filter itself: more of it matches.
            filter.matches(&event(text, now));
        }
        Err(error) => assert!((1..=text.chars().count() + 1).contains(&error.column)),
    }
});

fn event(text: &str, time: Timestamp) -> Event {
    Event {
        id: EventId(1),
        time,
        received: time,
        source: Source::Log,
        kind: Kind::Log,
        level: Level::Info,
        message: text.to_owned(),
        template: Some(1),
        service: Some(text.to_owned()),
        host: None,
        process: Some(Box::new(Process { pid: 1, ..Process::default() })),
        fields: Fields::from_iter([("x", text)]),
        trace: None,
        verdict: Verdict::default(),
    }
}
