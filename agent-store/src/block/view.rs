//! Events in rows and blocks, as filters look at them: nothing is decoded that is not asked for.

use std::borrow::Cow;

use hark_api::filter::{Field, Record};
use hark_api::{Kind, Level, ReturnPeriod, Source, Tier, Timestamp};

use crate::block::Block;
use crate::row::{self, FieldValue, Row};

/// One event of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) block: &'a Block,
    pub(crate) i: usize,
}

/// The codes of the reasons in what [`row::put_grounds`] wrote, as a set.
pub(crate) fn reasons(grounds: &[u8]) -> u64 {
    if grounds.is_empty() {
        return 0;
    }
    row::take_grounds(grounds).map_or(0, |(_, reasons)| {
        reasons.iter().fold(0, |set, r| set | 1 << r.code.number())
    })
}

/// What a filter can ask of the parts that an event may have.
#[derive(Clone, Copy)]
struct Parts<'a> {
    process: Option<&'a [u8]>,
    fields: &'a [u8],
    trace: Option<&'a [u8]>,
    grounds: &'a [u8],
}

impl<'a> Parts<'a> {
    fn text(self, field: &Field) -> Option<Cow<'a, str>> {
        match field {
            Field::Free(name) => match self.free(name)? {
                FieldValue::Null => None,
                FieldValue::Text(text) | FieldValue::Json(text) => Some(Cow::Borrowed(text)),
                FieldValue::Bool(value) => {
                    Some(Cow::Borrowed(if value { "true" } else { "false" }))
                }
                FieldValue::Signed(number) => Some(Cow::Owned(number.to_string())),
                FieldValue::Unsigned(number) => Some(Cow::Owned(number.to_string())),
                // As JSON writes it.
                FieldValue::Float(number) => {
                    Some(Cow::Owned(serde_json::Value::from(number).to_string()))
                }
            },
            Field::Trace => Some(Cow::Owned(row::take_trace(self.trace?).ok()?.trace_id)),
            Field::Span => Some(Cow::Owned(row::take_trace(self.trace?).ok()?.span_id)),
            Field::Rarity => self.rarity().map(|r| Cow::Owned(r.as_secs().to_string())),
            _ => {
                let process = row::take_process(self.process?).ok()?;
                let number = |n: u32| n.to_string();
                match field {
                    Field::Pid => Some(number(process.pid)),
                    Field::Tid => process.tid.map(number),
                    Field::Ppid => process.ppid.map(number),
                    Field::Uid => process.uid.map(number),
                    Field::Comm => Some(process.comm),
                    Field::Exe => process.exe,
                    Field::Cgroup => process.cgroup,
                    Field::Unit => process.unit,
                    Field::Container => process.container,
                    _ => None,
                }
                .map(Cow::Owned)
            }
        }
    }

    fn number(self, field: &Field) -> Option<f64> {
        match field {
            Field::Free(name) => match self.free(name)? {
                FieldValue::Signed(number) => Some(number as f64),
                FieldValue::Unsigned(number) => Some(number as f64),
                FieldValue::Float(number) => Some(number),
                FieldValue::Text(text) => text.trim().parse().ok(),
                FieldValue::Null | FieldValue::Bool(_) | FieldValue::Json(_) => None,
            },
            Field::Rarity => self.rarity().map(ReturnPeriod::as_secs),
            Field::Pid | Field::Tid | Field::Ppid | Field::Uid => {
                let process = row::take_process(self.process?).ok()?;
                match field {
                    Field::Pid => Some(process.pid),
                    Field::Tid => process.tid,
                    Field::Ppid => process.ppid,
                    _ => process.uid,
                }
                .map(f64::from)
            }
            _ => None,
        }
    }

    fn rarity(self) -> Option<ReturnPeriod> {
        row::rarity(self.grounds).ok().flatten()
    }

    fn free(self, wanted: &str) -> Option<FieldValue<'a>> {
        row::fields(self.fields)
            .flatten()
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| value)
    }
}

impl Row<'_> {
    fn parts(&self) -> Parts<'_> {
        Parts {
            process: self.process,
            fields: self.fields,
            trace: self.trace,
            grounds: self.grounds,
        }
    }
}

impl Record for Row<'_> {
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
        self.tier
    }

    fn reasons(&self) -> u64 {
        reasons(self.grounds)
    }

    fn message(&self) -> &str {
        self.message
    }

    fn text(&self, field: &Field) -> Option<Cow<'_, str>> {
        match field {
            Field::Id => Some(Cow::Owned(self.id.to_string())),
            Field::Message => Some(Cow::Borrowed(self.message)),
            Field::Template => self
                .template
                .map(|template| Cow::Owned(template.to_string())),
            Field::Service => self.service.map(Cow::Borrowed),
            Field::Host => self.host.map(Cow::Borrowed),
            _ => self.parts().text(field),
        }
    }

    fn number(&self, field: &Field) -> Option<f64> {
        match field {
            Field::Id => Some(self.id.0 as f64),
            Field::Template => self.template.map(f64::from),
            _ => self.parts().number(field),
        }
    }
}

impl View<'_> {
    fn parts(&self) -> Option<Parts<'_>> {
        let rest = self.block.rest();
        self.block.check().ok()?;
        let parts = rest.get(self.i);
        Some(Parts {
            process: parts.process,
            fields: parts.fields,
            trace: parts.trace,
            grounds: parts.grounds,
        })
    }

    fn template(&self) -> Option<u32> {
        let messages = self.block.messages();
        self.block.check().ok()?;
        messages.template(self.i)
    }
}

impl Record for View<'_> {
    fn time(&self) -> Timestamp {
        self.block.time(self.i)
    }

    fn source(&self) -> Source {
        self.block.base.sources[self.i]
    }

    fn kind(&self) -> Kind {
        self.block.base.kinds[self.i]
    }

    fn level(&self) -> Level {
        self.block.base.levels[self.i]
    }

    fn tier(&self) -> Tier {
        self.block.base.tiers[self.i]
    }

    fn reasons(&self) -> u64 {
        self.parts().map_or(0, |parts| reasons(parts.grounds))
    }

    fn message(&self) -> &str {
        let messages = self.block.messages();
        match self.block.check() {
            Ok(()) => messages.get(self.i),
            Err(_) => "",
        }
    }

    fn text(&self, field: &Field) -> Option<Cow<'_, str>> {
        match field {
            Field::Id => Some(Cow::Owned(self.block.id(self.i).to_string())),
            Field::Message => Some(Cow::Borrowed(self.message())),
            Field::Template => self
                .template()
                .map(|template| Cow::Owned(template.to_string())),
            Field::Service => self.block.base.services.get(self.i).map(Cow::Borrowed),
            Field::Host => self.block.base.hosts.get(self.i).map(Cow::Borrowed),
            _ => self.parts()?.text(field),
        }
    }

    fn number(&self, field: &Field) -> Option<f64> {
        match field {
            Field::Id => Some(self.block.id(self.i).0 as f64),
            Field::Template => self.template().map(f64::from),
            _ => self.parts()?.number(field),
        }
    }
}
