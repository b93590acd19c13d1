//! Lines as events, for what is stored without the agent.

use hark_api::{Event, EventId, Fields, Kind, Level, Source, Timestamp, Verdict};

/// The events of lines of NDJSON.
///
/// # Errors
/// A line that is no JSON object.
pub(crate) fn parse(lines: &[String]) -> Result<Vec<Event>, String> {
    lines.iter().map(|line| event(line)).collect()
}

/// The event that the agent would make of a line, not numbered yet and without a time.
fn event(line: &str) -> Result<Event, String> {
    let mut fields: Fields = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let mut take = |name: &str| {
        let value = fields
            .get(name)
            .and_then(|value| value.as_str())
            .map(str::to_owned);
        fields = fields
            .iter()
            .filter(|(n, _)| *n != name)
            .map(|(n, v)| (n, v.clone()))
            .collect();
        value
    };
    let (message, level) = (take("message").unwrap_or_default(), take("level"));
    let (service, host) = (take("service"), take("host"));
    Ok(Event {
        id: EventId(0),
        time: Timestamp::from_nanos(0),
        received: Timestamp::from_nanos(0),
        source: Source::Log,
        kind: Kind::Log,
        level: level
            .and_then(|level| level.parse().ok())
            .unwrap_or(Level::Info),
        message,
        template: None,
        service,
        host,
        process: None,
        fields,
        trace: None,
        verdict: Verdict::default(),
    })
}
