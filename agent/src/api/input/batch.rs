//! Many events: lines (NDJSON) or an array. The good ones count, the bad ones are named.

use std::fmt;

use hark_api::{Event, InputError};
use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::event::{Context, Refused, parse_event};

/// How many bad events an answer names.
const MAX_ERRORS: usize = 100;

/// What a batch holds.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// The good events, in order.
    pub events: Vec<Event>,
    /// What they take in memory, about.
    pub bytes: usize,
    /// How many were refused.
    pub rejected: u64,
    /// What is wrong with the first of those.
    pub errors: Vec<InputError>,
}

/// What an event takes besides its text.
const EVENT_BYTES: usize = 256;

impl Parsed {
    fn add(&mut self, line: u64, text: &str, context: &Context) {
        match parse_event(text, context) {
            Ok(event) => {
                self.bytes += text.len() + EVENT_BYTES;
                self.events.push(event);
            }
            Err(refused) => self.refuse(line, refused),
        }
    }

    fn refuse(&mut self, line: u64, refused: Refused) {
        self.rejected += 1;
        if self.errors.len() < MAX_ERRORS {
            let mut error = refused.into_error();
            error.line = Some(line);
            // The line is known better than serde_json, which sees one line only, knows it.
            error.reason = error
                .reason
                .replace("line 1 column", "column")
                .replace("line 1, column", "column");
            self.errors.push(error);
        }
    }

    fn refuse_text(&mut self, line: u64, reason: String) {
        self.refuse(
            line,
            Refused::NotJson(InputError {
                line: None,
                field: None,
                reason,
            }),
        );
    }
}

/// The batch has more events than one may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a batch may have {0} events at most (ingest.max_batch)")]
pub struct TooMany(pub usize);

/// Parses one event a line. Empty lines are skipped.
///
/// # Errors
/// There are more than a batch may have.
pub fn parse_lines(bytes: &[u8], context: &Context) -> Result<Parsed, TooMany> {
    let mut parsed = Parsed::default();
    let most = context.limits.max_batch;
    // One check for all is faster than one for each line; most bodies pass.
    let whole = std::str::from_utf8(bytes).ok();
    let mut at = 0;
    let mut number = 0;
    while at < bytes.len() {
        let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |n| at + n);
        let (start, next) = (at, end + 1);
        at = next;
        number += 1;
        let line = match whole {
            Some(whole) => Ok(&whole[start..end]),
            None => std::str::from_utf8(&bytes[start..end]),
        };
        match line.map(str::trim_ascii) {
            Ok("") => continue,
            Ok(line) => parsed.add(number, line, context),
            Err(error) => parsed.refuse_text(
                number,
                format!("is not valid UTF-8 at byte {}", error.valid_up_to() + 1),
            ),
        }
        if parsed.events.len() + parsed.rejected as usize > most {
            return Err(TooMany(most));
        }
    }
    Ok(parsed)
}

/// Parses an array of events; the place of each, from 1, is its line.
///
/// # Errors
/// The text is no JSON array, or has more events than a batch may.
pub fn parse_array(text: &str, context: &Context) -> Result<Parsed, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    let parsed = ArraySeed(context).deserialize(&mut json)?;
    json.end()?;
    Ok(parsed)
}

struct ArraySeed<'c>(&'c Context);

impl<'de> DeserializeSeed<'de> for ArraySeed<'_> {
    type Value = Parsed;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Parsed, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ArraySeed<'_> {
    type Value = Parsed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Parsed, A::Error> {
        let mut parsed = Parsed::default();
        let mut number = 0;
        while let Some(text) = seq.next_element::<&RawValue>()? {
            number += 1;
            if number > self.0.limits.max_batch as u64 {
                return Err(A::Error::custom(TooMany(self.0.limits.max_batch)));
            }
            parsed.add(number, text.get(), self.0);
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Ingest;
    use hark_api::Timestamp;

    fn context() -> Context {
        Context {
            received: Timestamp::from_nanos(1_700_000_000_000_000_000),
            trace: None,
            limits: Ingest {
                max_batch: 5,
                ..Ingest::default()
            },
        }
    }

    #[test]
    fn good_lines_count_and_bad_ones_are_named() {
        let body = b"{\"message\":\"1\"}\r\n\n{\"message\":2}\nnonsense\n\xff\n{\"message\":\"5\"}";
        let parsed = parse_lines(body, &context()).expect("few");
        assert_eq!(parsed.events.len(), 2);
        assert_eq!(parsed.rejected, 3);
        let errors: Vec<_> = parsed
            .errors
            .iter()
            .map(|e| (e.line, e.reason.as_str()))
            .collect();
        assert_eq!(
            errors,
            [
                (
                    Some(3),
                    "invalid type: integer `2`, expected a string (column 12)"
                ),
                (Some(4), "expected ident at column 2"),
                (Some(5), "is not valid UTF-8 at byte 1"),
            ]
        );
        assert!(parse_lines(&b"{}\n".repeat(6), &context()).is_err());
    }

    #[test]
    fn arrays_work_alike() {
        let parsed =
            parse_array(r#"[{"message":"1"}, 2, {"message":"3"}]"#, &context()).expect("an array");
        assert_eq!((parsed.events.len(), parsed.rejected), (2, 1));
        assert_eq!(parsed.errors[0].line, Some(2));
        assert!(parse_array(r#"{"message":"1"}"#, &context()).is_err());
        assert!(parse_array(r#"[{"message":"1"},"#, &context()).is_err());
        assert!(parse_array("[1,2,3,4,5,6]", &context()).is_err());
    }
}

#[cfg(test)]
mod properties {
    use super::*;
    use crate::config::Ingest;
    use hark_api::Timestamp;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    fn context() -> Context {
        Context {
            received: Timestamp::from_nanos(1_700_000_000_000_000_000),
            trace: None,
            limits: Ingest::default(),
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z]{1,8}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn bytes_of_any_kind_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            let _ = parse_lines(&bytes, &context());
            if let Ok(text) = std::str::from_utf8(&bytes) {
                let _ = parse_array(text, &context());
            }
        }

        #[test]
        fn fields_come_out_as_they_went_in(
            message in ".{1,64}",
            fields in prop::collection::btree_map("f[a-z]{1,8}", value(), 0..8),
        ) {
            let mut event: Map<String, Value> = fields.clone().into_iter().collect();
            event.insert("message".into(), json!(message));
            let line = Value::Object(event).to_string();
            let parsed = parse_lines(line.as_bytes(), &context()).expect("one");
            prop_assert_eq!(&parsed.errors, &[]);
            let got = &parsed.events[0];
            prop_assert_eq!(&got.message, &message);
            prop_assert_eq!(got.fields.len(), fields.len());
            for (name, value) in &fields {
                prop_assert_eq!(got.fields.get(name), Some(value));
            }
            let array = parse_array(&format!("[{line}]"), &context()).expect("an array");
            prop_assert_eq!(&array.events, &parsed.events);
        }
    }
}
