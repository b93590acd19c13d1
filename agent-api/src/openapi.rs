//! OpenAPI schemas of the types that are not plain structs; the plain ones derive theirs.
//!
//! The schemas describe what serde writes: a test compares both.

use std::borrow::Cow;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{
    ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type,
};
use serde_json::{Value, json};

use crate::{
    EventId, FeatureState, Fields, Health, IncidentId, Kind, Level, MetricType, Reason, ReasonCode,
    ReturnPeriod, SeriesKey, Source, StoreStatus, Tier, Timestamp, vitals::ProcessState,
};

/// Implements poem-openapi's traits for a type with serde's.
macro_rules! described {
    ($type:ty, $name:literal, $inline:literal, $schema:expr $(, uses $($used:ty),+)?) => {
        impl Type for $type {
            const IS_REQUIRED: bool = true;
            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> Cow<'static, str> {
                $name.into()
            }
            fn schema_ref() -> MetaSchemaRef {
                if $inline {
                    MetaSchemaRef::Inline(Box::new($schema))
                } else {
                    MetaSchemaRef::Reference($name.to_owned())
                }
            }
            fn register(registry: &mut Registry) {
                if !$inline {
                    registry.create_schema::<Self, _>($name.to_owned(), |_registry| {
                        $($(<$used as Type>::register(_registry);)+)?
                        $schema
                    });
                }
            }
            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }
            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(std::iter::once(self))
            }
        }

        impl ToJSON for $type {
            fn to_json(&self) -> Option<Value> {
                serde_json::to_value(self).ok()
            }
        }

        impl ParseFromJSON for $type {
            fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
                serde_json::from_value(value.unwrap_or(Value::Null)).map_err(ParseError::custom)
            }
        }
    };
}

/// The names of an enum.
macro_rules! names {
    ($type:ty, $name:literal, $text:literal) => {
        described!(
            $type,
            $name,
            false,
            MetaSchema {
                description: Some($text),
                enum_items: <$type>::ALL
                    .iter()
                    .map(|item| json!(item.as_str()))
                    .collect(),
                ..MetaSchema::new("string")
            }
        );
    };
}

names!(Source, "Source", "Who observed an event.");
names!(
    Level,
    "Level",
    "How grave the sender of an event said it was. Aliases of syslog and of common loggers are understood."
);
names!(Kind, "Kind", "What an event is.");
names!(
    Tier,
    "Tier",
    "Severity, by return period: at most once a day, a week, a month, a year."
);
names!(
    ReasonCode,
    "ReasonCode",
    "What kind of argument a reason is."
);

described!(
    MetricType,
    "MetricType",
    false,
    MetaSchema {
        description: Some("Whether a metric only grows."),
        enum_items: vec![json!("counter"), json!("gauge")],
        ..MetaSchema::new("string")
    }
);
described!(EventId, "EventId", true, id_schema());
described!(IncidentId, "IncidentId", true, id_schema());
described!(
    ProcessState,
    "ProcessState",
    true,
    MetaSchema {
        description: Some("Scheduler state, one letter as in `ps`."),
        min_length: Some(1),
        max_length: Some(1),
        ..MetaSchema::new("string")
    }
);
described!(
    Timestamp,
    "Timestamp",
    true,
    MetaSchema::new_with_format("string", "date-time")
);
described!(SeriesKey, "SeriesKey", true, MetaSchema::new("string"));
described!(
    ReturnPeriod,
    "ReturnPeriod",
    true,
    MetaSchema {
        description: Some("Return period in seconds."),
        ..MetaSchema::new_with_format("number", "double")
    }
);
described!(
    Fields,
    "Fields",
    true,
    MetaSchema {
        description: Some("Free fields, by name."),
        ..MetaSchema::new("object")
    }
);

/// An id as a part of a path.
macro_rules! in_a_path {
    ($($type:ident),+) => {
        $(impl ParseFromParameter for $type {
            fn parse_from_parameter(value: &str) -> ParseResult<Self> {
                match value.parse() {
                    Ok(id) => Ok(Self(id)),
                    Err(_) => Err(ParseError::custom("must be an id, a whole number")),
                }
            }
        })+
    };
}

in_a_path!(EventId, IncidentId);

fn id_schema() -> MetaSchema {
    MetaSchema {
        minimum: Some(0.0),
        ..MetaSchema::new_with_format("integer", "uint64")
    }
}

fn text(description: &'static str) -> MetaSchemaRef {
    described_as(description, MetaSchema::new("string"))
}

fn number(description: &'static str) -> MetaSchemaRef {
    described_as(description, MetaSchema::new_with_format("number", "double"))
}

fn integer(description: &'static str) -> MetaSchemaRef {
    described_as(
        description,
        MetaSchema::new_with_format("integer", "uint64"),
    )
}

fn pair(description: &'static str) -> MetaSchemaRef {
    described_as(
        description,
        MetaSchema {
            items: Some(Box::new(f64::schema_ref())),
            min_items: Some(2),
            max_items: Some(2),
            ..MetaSchema::new("array")
        },
    )
}

fn described_as(description: &'static str, schema: MetaSchema) -> MetaSchemaRef {
    MetaSchemaRef::Inline(Box::new(MetaSchema {
        description: Some(description),
        ..schema
    }))
}

fn object(
    description: &'static str,
    required: &[&'static str],
    properties: Vec<(&'static str, MetaSchemaRef)>,
) -> MetaSchema {
    MetaSchema {
        description: Some(description),
        required: required.to_vec(),
        properties,
        ..MetaSchema::new("object")
    }
}

described!(
    Reason,
    "Reason",
    false,
    object(
        "One argument for a verdict, with its numbers.",
        &["code", "text"],
        vec![
            ("code", ReasonCode::schema_ref()),
            ("text", text("The argument in words. May quote text from outside.")),
            ("value", number("The value that was judged.")),
            ("band", pair("The band that was expected, low and high.")),
            ("p", number("The chance of something this unusual in one observation.")),
            ("period", number("The learned period, in seconds.")),
            ("history", number("How much history it rests on, in seconds.")),
        ],
    ),
    uses ReasonCode
);
described!(
    FeatureState,
    "FeatureState",
    false,
    object(
        "On, off or failed; `reason` and `remedy` come with `unavailable`.",
        &["is"],
        vec![
            (
                "is",
                MetaSchemaRef::Inline(Box::new(MetaSchema {
                    enum_items: vec![json!("on"), json!("disabled"), json!("unavailable")],
                    ..MetaSchema::new("string")
                })),
            ),
            ("reason", text("Why it cannot work here.")),
            ("remedy", text("How to turn it on.")),
        ],
    )
);
described!(
    Health,
    "Health",
    false,
    object(
        "Whether all that should work does; `reasons` come with all but `ok`.",
        &["state"],
        vec![
            (
                "state",
                MetaSchemaRef::Inline(Box::new(MetaSchema {
                    enum_items: vec![json!("ok"), json!("degraded"), json!("failing")],
                    ..MetaSchema::new("string")
                })),
            ),
            (
                "reasons",
                described_as(
                    "What is off, in words, each with its remedy.",
                    MetaSchema {
                        items: Some(Box::new(String::schema_ref())),
                        ..MetaSchema::new("array")
                    },
                ),
            ),
        ],
    )
);
described!(
    StoreStatus,
    "StoreStatus",
    false,
    object(
        "What is stored.",
        &[
            "path",
            "bytes",
            "max_bytes",
            "events",
            "commits",
            "damaged_blocks"
        ],
        vec![
            ("path", text("The directory.")),
            ("bytes", integer("Its size on disk in bytes.")),
            ("max_bytes", integer("How large it may grow, in bytes.")),
            ("events", integer("Events in it.")),
            ("oldest", integer("The oldest event's id.")),
            ("newest", integer("The newest event's id.")),
            ("oldest_time", Timestamp::schema_ref()),
            ("commits", integer("Commits since the start.")),
            (
                "commit_latency",
                pair("Median and 99th percentile of a commit's time in seconds."),
            ),
            (
                "last_error",
                described_as(
                    "The error that it last met: when, and what.",
                    MetaSchema {
                        items: Some(Box::new(String::schema_ref())),
                        min_items: Some(2),
                        max_items: Some(2),
                        ..MetaSchema::new("array")
                    },
                ),
            ),
            (
                "damaged_blocks",
                integer("Blocks set aside because their checksum was wrong.")
            ),
        ],
    )
);
