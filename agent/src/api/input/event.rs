//! One event, straight from JSON text: no tree of values in between.

use std::cell::RefCell;
use std::fmt;

use hark_api::{
    Event, EventId, Fields, InputError, Kind, Level, Source, Timestamp, TraceContext, Verdict,
};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::trace::{ids, parse_traceparent};
use super::value::Shallow;
use crate::config::Ingest;

/// Bytes of a service's, a host's or a field's name.
const MAX_NAME: usize = 256;

/// What holds for all events of a request.
#[derive(Clone, Debug)]
pub struct Context {
    /// When it was received.
    pub received: Timestamp,
    /// The request's own trace context, for events that have none.
    pub trace: Option<TraceContext>,
    /// The bounds.
    pub limits: Ingest,
}

/// Why a text is no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is not JSON.
    NotJson(InputError),
    /// It is JSON, but no event.
    NotAnEvent(InputError),
    /// It is larger than an event may be.
    TooLarge(InputError),
}

impl Refused {
    /// What is wrong.
    pub fn into_error(self) -> InputError {
        match self {
            Self::NotJson(error) | Self::NotAnEvent(error) | Self::TooLarge(error) => error,
        }
    }
}

/// Parses one event.
///
/// # Errors
/// What is wrong with it: the field, the reason, and the place in the text.
pub fn parse_event(text: &str, context: &Context) -> Result<Event, Refused> {
    if text.len() as u64 > context.limits.max_event.0 {
        return Err(Refused::TooLarge(InputError {
            line: None,
            field: None,
            reason: format!(
                "the event has {} bytes; {} are permitted (ingest.max_event)",
                text.len(),
                context.limits.max_event.0
            ),
        }));
    }
    let field = RefCell::new(None);
    let seed = EventSeed {
        context,
        field: &field,
    };
    let mut json = serde_json::Deserializer::from_str(text);
    let parsed = seed
        .deserialize(&mut json)
        .and_then(|event| json.end().map(|()| event));
    parsed.map_err(|error| {
        let reason = error.to_string();
        if error.is_data() {
            // serde_json ends its text with the place; for a single line only the column tells.
            let reason = match reason.rsplit_once(" at line ") {
                Some((reason, _)) => reason.to_owned(),
                None => reason,
            };
            Refused::NotAnEvent(InputError {
                line: None,
                field: field.into_inner(),
                reason: format!(
                    "{reason} (line {}, column {})",
                    error.line(),
                    error.column()
                ),
            })
        } else {
            Refused::NotJson(InputError {
                line: None,
                field: None,
                reason,
            })
        }
    })
}

struct EventSeed<'c> {
    context: &'c Context,
    /// The field that is being read, for the error.
    field: &'c RefCell<Option<String>>,
}

/// The keys with a meaning; all others are kept as fields.
enum Key {
    Message,
    Level,
    Time,
    Service,
    Host,
    Fields,
    TraceId,
    SpanId,
    Traceparent,
    Other(String),
}

impl Key {
    fn as_str(&self) -> &str {
        match self {
            Self::Message => "message",
            Self::Level => "level",
            Self::Time => "time",
            Self::Service => "service",
            Self::Host => "host",
            Self::Fields => "fields",
            Self::TraceId => "trace_id",
            Self::SpanId => "span_id",
            Self::Traceparent => "traceparent",
            Self::Other(name) => name,
        }
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Key;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_str<E>(self, name: &str) -> Result<Key, E> {
                Ok(match name {
                    "message" => Key::Message,
                    "level" => Key::Level,
                    "time" => Key::Time,
                    "service" => Key::Service,
                    "host" => Key::Host,
                    "fields" => Key::Fields,
                    "trace_id" => Key::TraceId,
                    "span_id" => Key::SpanId,
                    "traceparent" => Key::Traceparent,
                    other => Key::Other(other.to_owned()),
                })
            }
        }
        deserializer.deserialize_identifier(KeyVisitor)
    }
}

impl<'de> DeserializeSeed<'de> for EventSeed<'_> {
    type Value = Event;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Event, D::Error> {
        deserializer.deserialize_map(self)
    }
}

/// The parts of an event as they come.
#[derive(Default)]
struct Parts {
    message: Option<String>,
    level: Option<Level>,
    time: Option<Timestamp>,
    service: Option<String>,
    host: Option<String>,
    fields: Fields,
    trace_id: Option<String>,
    span_id: Option<String>,
    traceparent: Option<TraceContext>,
}

impl<'de> Visitor<'de> for EventSeed<'_> {
    type Value = Event;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event: a JSON object with a `message`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Event, A::Error> {
        let limits = &self.context.limits;
        let mut parts = Parts::default();
        while let Some(key) = map.next_key::<Key>()? {
            let taken = match &key {
                Key::Message => self.once(&mut parts.message, &key, &mut map)?,
                Key::Level => self.once(&mut parts.level, &key, &mut map)?,
                Key::Time => self.once(&mut parts.time, &key, &mut map)?,
                Key::Service => self.once(&mut parts.service, &key, &mut map)?,
                Key::Host => self.once(&mut parts.host, &key, &mut map)?,
                Key::TraceId => self.once(&mut parts.trace_id, &key, &mut map)?,
                Key::SpanId => self.once(&mut parts.span_id, &key, &mut map)?,
                Key::Fields | Key::Traceparent | Key::Other(_) => false,
            };
            if taken {
                continue;
            }
            match key {
                Key::Fields => {
                    self.at("fields");
                    map.next_value_seed(FieldsSeed {
                        seed: &self,
                        fields: &mut parts.fields,
                    })?;
                }
                Key::Traceparent => {
                    self.at("traceparent");
                    let text: String = map.next_value()?;
                    parts.traceparent = Some(parse_traceparent(&text).ok_or_else(|| {
                        A::Error::custom(
                            "is no traceparent: use the form of W3C Trace Context, as in \
                             00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                        )
                    })?);
                }
                Key::Other(name) => self.add_field(&mut parts.fields, name, &mut map)?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        *self.field.borrow_mut() = None;
        let refuse = |field: &str, reason: String| {
            self.at(field);
            A::Error::custom(reason)
        };
        let Some(message) = parts.message else {
            return Err(refuse("message", "is missing".into()));
        };
        if message.is_empty() {
            return Err(refuse("message", "is empty".into()));
        }
        if message.len() as u64 > limits.max_message.0 {
            return Err(refuse(
                "message",
                format!(
                    "has {} bytes; {} are permitted (ingest.max_message)",
                    message.len(),
                    limits.max_message.0
                ),
            ));
        }
        for (name, value) in [("service", &parts.service), ("host", &parts.host)] {
            if value.as_ref().is_some_and(|value| value.len() > MAX_NAME) {
                return Err(refuse(name, format!("has more than {MAX_NAME} bytes")));
            }
        }
        let received = self.context.received;
        if let Some(time) = parts.time {
            check_time(time, received, limits).map_err(|reason| refuse("time", reason))?;
        }
        let own = match (parts.trace_id, parts.span_id) {
            (Some(trace), Some(span)) => Some(ids(&trace, &span, 0).ok_or_else(|| {
                refuse(
                    "trace_id",
                    "and span_id must be 32 and 16 hexadecimal digits, not all zero".into(),
                )
            })?),
            // One alone is no trace context, but worth keeping.
            (trace, span) => {
                for (name, id) in [("trace_id", trace), ("span_id", span)] {
                    if let Some(id) = id {
                        parts.fields.set(name, id);
                    }
                }
                None
            }
        };
        Ok(Event {
            id: EventId(0),
            time: parts.time.unwrap_or(received),
            received,
            source: Source::Log,
            kind: Kind::Log,
            level: parts.level.unwrap_or(Level::Info),
            message,
            template: None,
            service: parts.service,
            host: parts.host,
            process: None,
            fields: parts.fields,
            trace: own
                .or(parts.traceparent)
                .or_else(|| self.context.trace.clone()),
            verdict: Verdict::default(),
        })
    }
}

impl EventSeed<'_> {
    /// Notes the field that is being read.
    fn at(&self, name: &str) {
        *self.field.borrow_mut() = Some(name.to_owned());
    }

    /// Reads a value that may come once; always true, so that a match can say what it did.
    fn once<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
        &self,
        slot: &mut Option<T>,
        key: &Key,
        map: &mut A,
    ) -> Result<bool, A::Error> {
        if slot.is_some() {
            self.at(key.as_str());
            return Err(A::Error::custom("is given twice"));
        }
        match map.next_value() {
            Ok(value) => *slot = Some(value),
            Err(error) => {
                self.at(key.as_str());
                return Err(error);
            }
        }
        Ok(true)
    }

    fn add_field<'de, A: MapAccess<'de>>(
        &self,
        fields: &mut Fields,
        name: String,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let limits = &self.context.limits;
        if name.is_empty() || name.len() > MAX_NAME {
            self.at(&name.chars().take(64).collect::<String>());
            return Err(A::Error::custom(format!(
                "a field's name must have 1 to {MAX_NAME} bytes"
            )));
        }
        match map.next_value_seed(Shallow(limits.max_depth)) {
            Ok(value) => fields.set(name, value),
            Err(error) => {
                self.at(&name);
                return Err(error);
            }
        }
        if fields.len() > limits.max_fields {
            self.at("fields");
            return Err(A::Error::custom(format!(
                "there are more than {} (ingest.max_fields)",
                limits.max_fields
            )));
        }
        Ok(())
    }
}

/// The object under `fields`.
struct FieldsSeed<'s, 'c> {
    seed: &'s EventSeed<'c>,
    fields: &'s mut Fields,
}

impl<'de> DeserializeSeed<'de> for FieldsSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldsSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            self.seed.add_field(self.fields, name, &mut map)?;
        }
        Ok(())
    }
}

fn check_time(time: Timestamp, now: Timestamp, limits: &Ingest) -> Result<(), String> {
    if time < now.plus_nanos(-limits.max_past.as_nanos()) {
        Err(format!(
            "{time} is more than {} ago (ingest.max_past)",
            limits.max_past
        ))
    } else if time > now.plus_nanos(limits.max_future.as_nanos()) {
        Err(format!(
            "{time} is more than {} in the future (ingest.max_future); the agent's time is {now}",
            limits.max_future
        ))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        Context {
            received: Timestamp::from_nanos(1_700_000_000_000_000_000),
            trace: None,
            limits: Ingest::default(),
        }
    }

    fn parse(text: &str) -> Result<Event, InputError> {
        parse_event(text, &context()).map_err(Refused::into_error)
    }

    fn refused(text: &str) -> (Option<String>, String) {
        let error = parse(text).expect_err(text);
        (error.field, error.reason)
    }

    #[test]
    fn every_part_is_understood_and_the_rest_kept_as_fields() {
        let event = parse(
            r#"{"message":"a\nb","level":"WARN","time":1700000000.5,"service":"s","host":"h",
            "fields":{"x":1,"deep":{"a":[1,{"b":null}]}},"x":2,"user":"é",
            "trace_id":"0AF7651916CD43DD8448EB211C80319C","span_id":"b7ad6b7169203331"}"#,
        )
        .expect("an event");
        assert_eq!(event.message, "a\nb");
        assert_eq!(event.level, Level::Warning);
        assert_eq!(event.time.as_nanos(), 1_700_000_000_500_000_000);
        assert_eq!(
            serde_json::to_string(&event.fields).expect("json"),
            r#"{"x":2,"deep":{"a":[1,{"b":null}]},"user":"é"}"#
        );
        assert_eq!(
            event.trace.expect("one").trace_id,
            "0af7651916cd43dd8448eb211c80319c"
        );
        let plain = parse(r#"{"message":"m"}"#).expect("an event");
        assert_eq!((plain.level, plain.time), (Level::Info, context().received));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            (r"{}", Some("message"), "is missing"),
            (r#"{"message":""}"#, Some("message"), "is empty"),
            (
                r#"{"message":5}"#,
                Some("message"),
                "invalid type: integer `5`, expected a string",
            ),
            (r#"{"message":null}"#, Some("message"), "invalid type: null"),
            (
                r#"{"message":"a","message":"b"}"#,
                Some("message"),
                "is given twice",
            ),
            (
                r#"{"message":"a","level":"loud"}"#,
                Some("level"),
                "known are: trace, debug",
            ),
            (
                r#"{"message":"a","level":3}"#,
                Some("level"),
                "the name of a level",
            ),
            (
                r#"{"message":"a","time":"noon"}"#,
                Some("time"),
                "is not a time",
            ),
            (
                r#"{"message":"a","time":1}"#,
                Some("time"),
                "more than 30d ago",
            ),
            (
                r#"{"message":"a","time":1800000000}"#,
                Some("time"),
                "in the future",
            ),
            (
                r#"{"message":"a","fields":[1]}"#,
                Some("fields"),
                "expected an object of fields",
            ),
            (
                r#"{"message":"a","traceparent":"00-0-0-0"}"#,
                Some("traceparent"),
                "W3C",
            ),
            (
                r#"{"message":"a","trace_id":"x","span_id":"y"}"#,
                Some("trace_id"),
                "32 and 16",
            ),
            (r#"{"message":"a","":1}"#, Some(""), "name"),
            (r#"["message"]"#, None, "expected an event"),
            (r#"{"message":"a""#, None, "EOF"),
            (r#"{"message":"a"} x"#, None, "trailing"),
        ];
        for (text, field, reason) in cases {
            let (got_field, got_reason) = refused(text);
            assert_eq!(got_field.as_deref(), field, "{text}: {got_reason}");
            assert!(got_reason.contains(reason), "{text}: {got_reason}");
        }
    }

    #[test]
    fn bounds_hold() {
        let deep = format!(
            r#"{{"message":"m","d":{}1{}}}"#,
            "[".repeat(17),
            "]".repeat(17)
        );
        assert_eq!(refused(&deep).0.as_deref(), Some("d"));
        let deeper = format!(r#"{{"message":"m","d":{}"#, "[".repeat(100_000));
        assert!(parse(&deeper).is_err());
        let wide = (0..257).fold(String::from(r#"{"message":"m""#), |t, i| {
            t + &format!(r#","f{i}":1"#)
        }) + "}";
        assert!(refused(&wide).1.contains("more than 256"));
        let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(300_000));
        assert!(refused(&long).1.contains("ingest.max_message"));
        let huge = format!(r#"{{"message":"{}"}}"#, "x".repeat(2_000_000));
        assert!(matches!(
            parse_event(&huge, &context()),
            Err(Refused::TooLarge(_))
        ));
    }
}
