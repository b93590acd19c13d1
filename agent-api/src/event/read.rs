//! An event out of JSON, which a later agent may have written: what has no place of its own is kept
//! among the fields, by its own name.

use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Event, Fields};

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    Id,
    Time,
    Received,
    Source,
    Kind,
    Level,
    Message,
    Template,
    Service,
    Host,
    Process,
    Fields,
    Trace,
    Verdict,
    Other(String),
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EventVisitor)
    }
}

struct EventVisitor;

/// Reads a value that may come once.
fn once<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    slot: &mut Option<T>,
    name: &'static str,
    map: &mut A,
) -> Result<(), A::Error> {
    if slot.is_some() {
        return Err(de::Error::duplicate_field(name));
    }
    *slot = Some(map.next_value()?);
    Ok(())
}

impl<'de> Visitor<'de> for EventVisitor {
    type Value = Event;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Event, A::Error> {
        let (mut id, mut time, mut received) = (None, None, None);
        let (mut source, mut kind, mut level, mut message) = (None, None, None, None);
        let (mut template, mut service, mut host, mut process) = (None, None, None, None);
        let (mut fields, mut trace, mut verdict) = (None::<Fields>, None, None);
        let mut more: Vec<(String, Value)> = Vec::new();
        while let Some(key) = map.next_key()? {
            match key {
                Key::Id => once(&mut id, "id", &mut map)?,
                Key::Time => once(&mut time, "time", &mut map)?,
                Key::Received => once(&mut received, "received", &mut map)?,
                Key::Source => once(&mut source, "source", &mut map)?,
                Key::Kind => once(&mut kind, "kind", &mut map)?,
                Key::Level => once(&mut level, "level", &mut map)?,
                Key::Message => once(&mut message, "message", &mut map)?,
                Key::Template => once(&mut template, "template", &mut map)?,
                Key::Service => once(&mut service, "service", &mut map)?,
                Key::Host => once(&mut host, "host", &mut map)?,
                Key::Process => once(&mut process, "process", &mut map)?,
                Key::Fields => once(&mut fields, "fields", &mut map)?,
                Key::Trace => once(&mut trace, "trace", &mut map)?,
                Key::Verdict => once(&mut verdict, "verdict", &mut map)?,
                Key::Other(name) => more.push((name, map.next_value()?)),
            }
        }
        let missing = <A::Error as de::Error>::missing_field;
        let mut fields = fields.unwrap_or_default();
        for (name, value) in more {
            // A field of the sender keeps its value.
            if fields.get(&name).is_none() {
                fields.set(name, value);
            }
        }
        Ok(Event {
            id: id.ok_or_else(|| missing("id"))?,
            time: time.ok_or_else(|| missing("time"))?,
            received: received.ok_or_else(|| missing("received"))?,
            source: source.ok_or_else(|| missing("source"))?,
            kind: kind.ok_or_else(|| missing("kind"))?,
            level: level.ok_or_else(|| missing("level"))?,
            message: message.ok_or_else(|| missing("message"))?,
            template: template.flatten(),
            service: service.flatten(),
            host: host.flatten(),
            process: process.flatten(),
            fields,
            trace: trace.flatten(),
            verdict: verdict.ok_or_else(|| missing("verdict"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Filter, Kind, ReasonCode, Source};

    #[test]
    fn what_a_later_agent_tells_is_kept_by_its_own_name() {
        let json = r#"{"id":7,"time":0,"received":0,"source":"hypervisor","kind":"quota_exceeded",
            "level":"info","message":"m","mood":{"calm":false},"fields":{"a":1},
            "verdict":{"tier":"notice","reasons":[{"code":"echo","text":"t","depth":3}]}}"#;
        let event: Event = serde_json::from_str(json).expect("an event");
        assert_eq!(event.kind.as_str(), "quota_exceeded");
        assert_eq!(event.source.to_string(), "hypervisor");
        assert_eq!(event.verdict.reasons[0].code.as_str(), "echo");
        assert_eq!(
            event.fields.get("mood"),
            Some(&serde_json::json!({"calm": false}))
        );
        assert!(
            event
                .foreign()
                .is_some_and(|why| why.contains("hypervisor"))
        );
        // Written again, it has the same names.
        let again: Value = serde_json::to_value(&event).expect("JSON");
        assert_eq!(again["kind"], "quota_exceeded");
        assert_eq!(again["verdict"]["reasons"][0]["code"], "echo");
        // It is in no set of names that are known, but in the set of all.
        let passes = |text: &str| Filter::parse(text).expect("a filter").matches(&event);
        assert!(!passes("kind:log") && !passes("reason:new") && passes("-kind:log"));
        assert!(passes("kind:*") && passes("tier:notice"));
    }

    #[test]
    fn what_people_write_must_be_known() {
        assert!("quota_exceeded".parse::<Kind>().is_err());
        assert!("hypervisor".parse::<Source>().is_err());
        assert!("echo".parse::<ReasonCode>().is_err());
        assert!(Filter::parse("kind:quota_exceeded").is_err());
        for wrong in [
            r#"{"id":7}"#,
            r#"{"id":7,"id":8}"#,
            r#"{"id":7,"time":0,"received":0,"source":"log","kind":"log","level":"loud","message":"m","verdict":{"tier":"normal"}}"#,
        ] {
            assert!(serde_json::from_str::<Event>(wrong).is_err(), "{wrong}");
        }
    }
}
