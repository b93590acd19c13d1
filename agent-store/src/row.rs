//! An event as bytes, and back: the form in which a commit writes it.
//!
//! A [`Row`] borrows from the bytes, so that searching and sealing copy nothing.

use hark_api::{
    Event, EventId, Fields, Kind, Level, Process, Reason, ReasonCode, ReturnPeriod, Source, Tier,
    Timestamp, TraceContext, Verdict,
};
use serde_json::Value;

use crate::wire::{Malformed, Put, Read, Take};

/// An event that borrows from its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    pub(crate) id: EventId,
    pub(crate) time: Timestamp,
    pub(crate) received: Timestamp,
    pub(crate) source: Source,
    pub(crate) kind: Kind,
    pub(crate) level: Level,
    pub(crate) tier: Tier,
    pub(crate) message: &'a str,
    pub(crate) template: Option<u32>,
    pub(crate) service: Option<&'a str>,
    pub(crate) host: Option<&'a str>,
    /// What [`put_process`] wrote.
    pub(crate) process: Option<&'a [u8]>,
    /// What [`put_fields`] wrote; empty for none.
    pub(crate) fields: &'a [u8],
    /// What [`put_trace`] wrote.
    pub(crate) trace: Option<&'a [u8]>,
    /// What [`put_grounds`] wrote; empty for none.
    pub(crate) grounds: &'a [u8],
}

/// What comes before a row: numbers are stored as steps from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Before {
    pub(crate) id: u64,
    pub(crate) time: i64,
}

const TEMPLATE: u8 = 1;
const SERVICE: u8 = 2;
const HOST: u8 = 4;
const PROCESS: u8 = 8;
const FIELDS: u8 = 16;
const TRACE: u8 = 32;
const GROUNDS: u8 = 64;

/// Appends an event. Ids must ascend from `before`.
pub(crate) fn put(out: &mut Vec<u8>, event: &Event, before: &mut Before) {
    let grounds = event.verdict.rarity.is_some() || !event.verdict.reasons.is_empty();
    let flags = (u8::from(event.template.is_some()) * TEMPLATE)
        | (u8::from(event.service.is_some()) * SERVICE)
        | (u8::from(event.host.is_some()) * HOST)
        | (u8::from(event.process.is_some()) * PROCESS)
        | (u8::from(!event.fields.is_empty()) * FIELDS)
        | (u8::from(event.trace.is_some()) * TRACE)
        | (u8::from(grounds) * GROUNDS);
    let time = event.time.as_nanos();
    out.put_u8(flags);
    out.put_varint(event.id.0.wrapping_sub(before.id));
    out.put_signed(time.wrapping_sub(before.time));
    out.put_signed(event.received.as_nanos().wrapping_sub(time));
    *before = Before {
        id: event.id.0,
        time,
    };
    // Source and tier have few values: one byte for both.
    out.put_u8(event.source.number() << 4 | event.verdict.tier as u8);
    out.put_u8(event.kind.number());
    out.put_u8(event.level as u8);
    out.put_text(&event.message);
    if let Some(template) = event.template {
        out.put_varint(template.into());
    }
    if let Some(service) = &event.service {
        out.put_text(service);
    }
    if let Some(host) = &event.host {
        out.put_text(host);
    }
    if let Some(process) = &event.process {
        sized(out, |out| put_process(out, process));
    }
    if flags & FIELDS != 0 {
        sized(out, |out| put_fields(out, &event.fields));
    }
    if let Some(trace) = &event.trace {
        sized(out, |out| put_trace(out, trace));
    }
    if grounds {
        sized(out, |out| put_grounds(out, &event.verdict));
    }
}

/// Takes one row.
pub(crate) fn take<'a>(bytes: &mut Take<'a>, before: &mut Before) -> Read<Row<'a>> {
    let flags = bytes.u8()?;
    let id = before.id.wrapping_add(bytes.varint()?);
    let time = before.time.wrapping_add(bytes.signed()?);
    let received = time.wrapping_add(bytes.signed()?);
    *before = Before { id, time };
    let both = bytes.u8()?;
    let part = |present: u8, bytes: &mut Take<'a>| -> Read<Option<&'a [u8]>> {
        if flags & present == 0 {
            return Ok(None);
        }
        let len = bytes.len()?;
        bytes.slice(len).map(Some)
    };
    let text = |present: u8, bytes: &mut Take<'a>| -> Read<Option<&'a str>> {
        if flags & present == 0 {
            Ok(None)
        } else {
            bytes.text().map(Some)
        }
    };
    Ok(Row {
        id: EventId(id),
        time: Timestamp::from_nanos(time),
        received: Timestamp::from_nanos(received),
        source: Source::from_u8(both >> 4).ok_or(Malformed("unknown source"))?,
        tier: Tier::from_u8(both & 15).ok_or(Malformed("unknown tier"))?,
        kind: Kind::from_u8(bytes.u8()?).ok_or(Malformed("unknown kind"))?,
        level: Level::from_u8(bytes.u8()?).ok_or(Malformed("unknown level"))?,
        message: bytes.text()?,
        template: if flags & TEMPLATE == 0 {
            None
        } else {
            Some(bytes.u32()?)
        },
        service: text(SERVICE, bytes)?,
        host: text(HOST, bytes)?,
        process: part(PROCESS, bytes)?,
        fields: part(FIELDS, bytes)?.unwrap_or_default(),
        trace: part(TRACE, bytes)?,
        grounds: part(GROUNDS, bytes)?.unwrap_or_default(),
    })
}

impl Row<'_> {
    /// The event, with copies of all that it borrowed.
    pub(crate) fn to_event(self) -> Read<Event> {
        let (rarity, reasons) = take_grounds(self.grounds)?;
        Ok(Event {
            id: self.id,
            time: self.time,
            received: self.received,
            source: self.source,
            kind: self.kind,
            level: self.level,
            message: self.message.to_owned(),
            template: self.template,
            service: self.service.map(str::to_owned),
            host: self.host.map(str::to_owned),
            process: self.process.map(take_process).transpose()?.map(Box::new),
            fields: take_fields(self.fields)?,
            trace: self.trace.map(take_trace).transpose()?,
            verdict: Verdict {
                tier: self.tier,
                rarity,
                reasons,
            },
        })
    }
}

/// Appends what `write` writes, with its length before it.
fn sized(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    // Most parts are under 128 bytes: one byte of length; longer ones move once.
    out.put_u8(0);
    write(out);
    let len = out.len() - start - 1;
    if len < 0x80 {
        out[start] = len as u8;
    } else {
        let mut prefix = Vec::with_capacity(4);
        prefix.put_varint(len as u64);
        out.splice(start..=start, prefix);
    }
}

pub(crate) fn put_process(out: &mut Vec<u8>, process: &Process) {
    let numbers = [process.tid, process.ppid, process.uid];
    let texts = [
        &process.exe,
        &process.cgroup,
        &process.unit,
        &process.container,
    ];
    let mut flags = 0u8;
    for (i, present) in numbers
        .iter()
        .map(Option::is_some)
        .chain(texts.iter().map(|t| t.is_some()))
        .enumerate()
    {
        flags |= u8::from(present) << i;
    }
    out.put_u8(flags);
    out.put_varint(process.pid.into());
    for number in numbers.into_iter().flatten() {
        out.put_varint(number.into());
    }
    out.put_text(&process.comm);
    for text in texts.into_iter().flatten() {
        out.put_text(text);
    }
}

pub(crate) fn take_process(bytes: &[u8]) -> Read<Process> {
    let mut bytes = Take(bytes);
    let flags = bytes.u8()?;
    let pid = bytes.u32()?;
    let number = |bit: u8, bytes: &mut Take<'_>| -> Read<Option<u32>> {
        if flags & (1 << bit) == 0 {
            Ok(None)
        } else {
            bytes.u32().map(Some)
        }
    };
    let text = |bit: u8, bytes: &mut Take<'_>| -> Read<Option<String>> {
        if flags & (1 << bit) == 0 {
            Ok(None)
        } else {
            bytes.text().map(|t| Some(t.to_owned()))
        }
    };
    let process = Process {
        pid,
        tid: number(0, &mut bytes)?,
        ppid: number(1, &mut bytes)?,
        uid: number(2, &mut bytes)?,
        comm: bytes.text()?.to_owned(),
        exe: text(3, &mut bytes)?,
        cgroup: text(4, &mut bytes)?,
        unit: text(5, &mut bytes)?,
        container: text(6, &mut bytes)?,
    };
    bytes.end()?;
    Ok(process)
}

/// A field's value, borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum FieldValue<'a> {
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(&'a str),
    /// An array or object, as JSON text.
    Json(&'a str),
}

pub(crate) fn put_fields(out: &mut Vec<u8>, fields: &Fields) {
    for (name, value) in fields.iter() {
        out.put_text(name);
        match value {
            Value::Null => out.put_u8(0),
            Value::Bool(false) => out.put_u8(1),
            Value::Bool(true) => out.put_u8(2),
            Value::Number(n) => {
                if let Some(n) = n.as_i64() {
                    out.put_u8(3);
                    out.put_signed(n);
                } else if let Some(n) = n.as_u64() {
                    out.put_u8(4);
                    out.put_varint(n);
                } else {
                    out.put_u8(5);
                    out.put_f64(n.as_f64().unwrap_or_default());
                }
            }
            Value::String(text) => {
                out.put_u8(6);
                out.put_text(text);
            }
            Value::Array(_) | Value::Object(_) => {
                out.put_u8(7);
                out.put_text(&value.to_string());
            }
        }
    }
}

/// The fields in order; ends after the first that is malformed.
pub(crate) struct FieldIter<'a>(Take<'a>);

pub(crate) fn fields(bytes: &[u8]) -> FieldIter<'_> {
    FieldIter(Take(bytes))
}

impl<'a> FieldIter<'a> {
    fn one(&mut self) -> Read<(&'a str, FieldValue<'a>)> {
        let bytes = &mut self.0;
        let name = bytes.text()?;
        let value = match bytes.u8()? {
            0 => FieldValue::Null,
            1 => FieldValue::Bool(false),
            2 => FieldValue::Bool(true),
            3 => FieldValue::Signed(bytes.signed()?),
            4 => FieldValue::Unsigned(bytes.varint()?),
            5 => FieldValue::Float(bytes.f64()?),
            6 => FieldValue::Text(bytes.text()?),
            7 => FieldValue::Json(bytes.text()?),
            _ => return Err(Malformed("unknown type of field")),
        };
        Ok((name, value))
    }
}

impl<'a> Iterator for FieldIter<'a> {
    type Item = Read<(&'a str, FieldValue<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.0.is_empty() {
            return None;
        }
        let item = self.one();
        if item.is_err() {
            self.0 = Take(&[]);
        }
        Some(item)
    }
}

fn take_fields(bytes: &[u8]) -> Read<Fields> {
    fields(bytes)
        .map(|field| {
            let (name, value) = field?;
            let value = match value {
                FieldValue::Null => Value::Null,
                FieldValue::Bool(b) => b.into(),
                FieldValue::Signed(n) => n.into(),
                FieldValue::Unsigned(n) => n.into(),
                FieldValue::Float(n) => n.into(),
                FieldValue::Text(t) => t.into(),
                FieldValue::Json(t) => {
                    serde_json::from_str(t).map_err(|_| Malformed("a field is not JSON"))?
                }
            };
            Ok((name.to_owned(), value))
        })
        .collect::<Read<Vec<(String, Value)>>>()
        .map(Fields::from_iter)
}

const PACKED: u8 = 1;

pub(crate) fn put_trace(out: &mut Vec<u8>, trace: &TraceContext) {
    let packed = unhex::<16>(&trace.trace_id).zip(unhex::<8>(&trace.span_id));
    out.put_u8(trace.flags);
    if let Some((trace_id, span_id)) = packed {
        out.put_u8(PACKED);
        out.put_slice(&trace_id);
        out.put_slice(&span_id);
    } else {
        out.put_u8(0);
        out.put_text(&trace.trace_id);
        out.put_text(&trace.span_id);
    }
}

pub(crate) fn take_trace(bytes: &[u8]) -> Read<TraceContext> {
    let mut bytes = Take(bytes);
    let flags = bytes.u8()?;
    let (trace_id, span_id) = if bytes.u8()? == PACKED {
        (hex(&bytes.array::<16>()?), hex(&bytes.array::<8>()?))
    } else {
        (bytes.text()?.to_owned(), bytes.text()?.to_owned())
    };
    bytes.end()?;
    Ok(TraceContext {
        trace_id,
        span_id,
        flags,
    })
}

/// Lower-case hexadecimal digits as bytes; `None` where the text is anything else.
fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    if pairs.len() != N {
        return None;
    }
    let mut out = [0; N];
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(out)
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [b >> 4, b & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// The verdict but for its tier, which has a place of its own.
pub(crate) fn put_grounds(out: &mut Vec<u8>, verdict: &Verdict) {
    let rarity = verdict.rarity.map_or(f64::NAN, ReturnPeriod::as_secs);
    out.put_f64(rarity);
    out.put_varint(verdict.reasons.len() as u64);
    for reason in &verdict.reasons {
        let numbers = [
            reason.value,
            reason.band.map(|(low, _)| low),
            reason.band.map(|(_, high)| high),
            reason.p,
            reason.period,
            reason.history,
        ];
        let mut flags = 0u8;
        for (i, number) in numbers.iter().enumerate() {
            flags |= u8::from(number.is_some()) << i;
        }
        out.put_u8(reason.code.number());
        out.put_u8(flags);
        out.put_text(&reason.text);
        for number in numbers.into_iter().flatten() {
            out.put_f64(number);
        }
    }
}

/// The return period of a verdict.
pub(crate) fn rarity(grounds: &[u8]) -> Read<Option<ReturnPeriod>> {
    if grounds.is_empty() {
        return Ok(None);
    }
    let secs = Take(grounds).f64()?;
    Ok((!secs.is_nan()).then(|| ReturnPeriod::from_secs(secs)))
}

pub(crate) fn take_grounds(grounds: &[u8]) -> Read<(Option<ReturnPeriod>, Vec<Reason>)> {
    let rarity = rarity(grounds)?;
    if grounds.is_empty() {
        return Ok((None, Vec::new()));
    }
    let mut bytes = Take(grounds);
    bytes.f64()?;
    let count = bytes.len()?;
    let mut reasons = Vec::with_capacity(count.min(16));
    for _ in 0..count {
        let code = ReasonCode::from_u8(bytes.u8()?).ok_or(Malformed("unknown reason"))?;
        let flags = bytes.u8()?;
        let text = bytes.text()?.to_owned();
        let mut numbers = [None; 6];
        for (i, number) in numbers.iter_mut().enumerate() {
            if flags & (1 << i) != 0 {
                *number = Some(bytes.f64()?);
            }
        }
        let [value, low, high, p, period, history] = numbers;
        reasons.push(Reason {
            code,
            text,
            value,
            band: low.zip(high),
            p,
            period,
            history,
        });
    }
    bytes.end()?;
    Ok((rarity, reasons))
}
