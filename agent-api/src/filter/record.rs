//! What a filter looks at.

use std::borrow::Cow;

use serde_json::Value;

use crate::filter::Field;
use crate::filter::expr::bit;
use crate::{Event, Kind, Level, Source, Tier, Timestamp};

/// Something that a filter can be asked about: an [`Event`], or an event in a form that is
/// cheaper to look at.
pub trait Record {
    /// When it happened.
    fn time(&self) -> Timestamp;
    /// Who observed it.
    fn source(&self) -> Source;
    /// What it is.
    fn kind(&self) -> Kind;
    /// How grave its sender said it was.
    fn level(&self) -> Level;
    /// Its severity.
    fn tier(&self) -> Tier;
    /// The codes of its reasons: a bit for each, by its number.
    fn reasons(&self) -> u64;
    /// Its message.
    fn message(&self) -> &str;
    /// The field as text; `None` where it is absent. Numbers are in decimal, booleans `true` and
    /// `false`, a null field is absent, arrays and objects are JSON.
    fn text(&self, field: &Field) -> Option<Cow<'_, str>>;
    /// The field as a number; `None` where it is absent or none.
    fn number(&self, field: &Field) -> Option<f64>;
}

impl Record for Event {
    fn time(&self) -> Timestamp {
        self.time
    }

    fn source(&self) -> Source {
        self.source
    }

    fn kind(&self) -> Kind {
        self.kind
    }

    fn level(&self) -> Level {
        self.level
    }

    fn tier(&self) -> Tier {
        self.verdict.tier
    }

    fn reasons(&self) -> u64 {
        self.verdict
            .reasons
            .iter()
            .fold(0, |set, reason| set | bit(reason.code.number()))
    }

    fn message(&self) -> &str {
        &self.message
    }

    fn text(&self, field: &Field) -> Option<Cow<'_, str>> {
        let process = self.process.as_deref();
        let number = |number: Option<u32>| number.map(|n| Cow::Owned(n.to_string()));
        match field {
            Field::Id => Some(Cow::Owned(self.id.to_string())),
            Field::Rarity => self
                .verdict
                .rarity
                .map(|r| Cow::Owned(r.as_secs().to_string())),
            Field::Message => Some(Cow::Borrowed(&self.message)),
            Field::Template => number(self.template),
            Field::Service => self.service.as_deref().map(Cow::Borrowed),
            Field::Host => self.host.as_deref().map(Cow::Borrowed),
            Field::Pid => number(process.map(|p| p.pid)),
            Field::Tid => number(process?.tid),
            Field::Ppid => number(process?.ppid),
            Field::Uid => number(process?.uid),
            Field::Comm => process.map(|p| Cow::Borrowed(p.comm.as_str())),
            Field::Exe => process?.exe.as_deref().map(Cow::Borrowed),
            Field::Cgroup => process?.cgroup.as_deref().map(Cow::Borrowed),
            Field::Unit => process?.unit.as_deref().map(Cow::Borrowed),
            Field::Container => process?.container.as_deref().map(Cow::Borrowed),
            Field::Trace => self
                .trace
                .as_ref()
                .map(|t| Cow::Borrowed(t.trace_id.as_str())),
            Field::Span => self
                .trace
                .as_ref()
                .map(|t| Cow::Borrowed(t.span_id.as_str())),
            Field::Free(name) => match self.fields.get(name)? {
                Value::Null => None,
                Value::String(text) => Some(Cow::Borrowed(text)),
                value => Some(Cow::Owned(value.to_string())),
            },
        }
    }

    fn number(&self, field: &Field) -> Option<f64> {
        let process = self.process.as_deref();
        match field {
            Field::Id => Some(self.id.0 as f64),
            Field::Rarity => self.verdict.rarity.map(crate::ReturnPeriod::as_secs),
            Field::Template => self.template.map(f64::from),
            Field::Pid => process.map(|p| p.pid.into()),
            Field::Tid => process?.tid.map(f64::from),
            Field::Ppid => process?.ppid.map(f64::from),
            Field::Uid => process?.uid.map(f64::from),
            Field::Free(name) => match self.fields.get(name)? {
                Value::Number(number) => number.as_f64(),
                Value::String(text) => text.trim().parse().ok(),
                _ => None,
            },
            _ => None,
        }
    }
}
