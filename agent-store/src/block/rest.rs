//! Process, free fields, trace context and grounds of events: one column for each member of each
//! combination of members that occurs.

use std::ops::Range;

use crate::block::column::{Texts, put_numbers, put_texts, take_numbers, take_texts};
use crate::block::shape::Shapes;
use crate::block::stream::{Cursor, Streams};
use crate::row::{self, FieldValue, Row};
use crate::wire::{Malformed, Put, Read, Take};

const PROCESS: u8 = 1;
const FIELDS: u8 = 2;
const TRACE: u8 = 4;
const GROUNDS: u8 = 8;

/// The names of a process's members in the filter language, in the order of their columns.
const PROCESS_NUMBERS: [&str; 3] = ["tid", "ppid", "uid"];
const PROCESS_TEXTS: [&str; 4] = ["exe", "cgroup", "unit", "container"];

/// One column while it is gathered.
enum Gathered<'a> {
    Numbers(Vec<i64>),
    Texts(Vec<&'a [u8]>),
}

/// A value that a column is told, for the token filter.
pub(crate) enum Told<'a> {
    Number(i64),
    Text(&'a [u8]),
    /// Values of this field are not told.
    Untold,
}

/// More distinct numbers than this are not told: they would fill the token filter.
const MAX_TOLD: usize = 512;

/// Gathers what an event has into its shape's columns.
struct Gather<'a, 'g> {
    key: &'g mut Vec<u8>,
    values: &'g mut Vec<Value<'a>>,
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Number(i64),
    Text(&'a [u8]),
}

impl<'a> Gather<'a, '_> {
    fn number(&mut self, number: i64) {
        self.values.push(Value::Number(number));
    }

    fn text(&mut self, text: &'a [u8]) {
        self.values.push(Value::Text(text));
    }

    fn row(&mut self, row: &Row<'a>) -> Read<()> {
        self.key.clear();
        self.values.clear();
        self.key.put_u8(
            (u8::from(row.process.is_some()) * PROCESS)
                | (u8::from(!row.fields.is_empty()) * FIELDS)
                | (u8::from(row.trace.is_some()) * TRACE)
                | (u8::from(!row.grounds.is_empty()) * GROUNDS),
        );
        if let Some(process) = row.process {
            self.process(process)?;
        }
        if !row.fields.is_empty() {
            for field in row::fields(row.fields) {
                let (name, value) = field?;
                self.key.put_text(name);
                self.field(value);
            }
            // A name's length is never so large: ends the fields.
            self.key.put_varint(u64::MAX);
        }
        if let Some(trace) = row.trace {
            self.text(trace);
        }
        if !row.grounds.is_empty() {
            self.text(row.grounds);
        }
        Ok(())
    }

    fn process(&mut self, process: &'a [u8]) -> Read<()> {
        let mut process = Take(process);
        let flags = process.u8()?;
        self.key.put_u8(flags);
        self.number(process.u32()?.into());
        for i in 0..PROCESS_NUMBERS.len() {
            if flags & 1 << i != 0 {
                self.number(process.u32()?.into());
            }
        }
        self.text(process.text()?.as_bytes());
        for i in 0..PROCESS_TEXTS.len() {
            if flags & 1 << (i + PROCESS_NUMBERS.len()) != 0 {
                self.text(process.text()?.as_bytes());
            }
        }
        process.end()
    }

    fn field(&mut self, value: FieldValue<'a>) {
        match value {
            FieldValue::Null => self.key.put_u8(0),
            FieldValue::Bool(value) => self.key.put_u8(1 + u8::from(value)),
            FieldValue::Signed(number) => {
                self.key.put_u8(3);
                self.number(number);
            }
            FieldValue::Unsigned(number) => {
                self.key.put_u8(4);
                self.number(number as i64);
            }
            FieldValue::Float(number) => {
                self.key.put_u8(5);
                self.number(number.to_bits() as i64);
            }
            FieldValue::Text(text) => {
                self.key.put_u8(6);
                self.text(text.as_bytes());
            }
            FieldValue::Json(text) => {
                self.key.put_u8(7);
                self.text(text.as_bytes());
            }
        }
    }
}

/// What a column holds: its field's name in the filter language (none for those that no filter
/// asks for by value) and how it is written in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    name: Option<String>,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A number as a varint.
    Varint,
    /// A number as a zigzag varint.
    Signed,
    /// The bits of a float.
    Float,
    /// Text with its length.
    Text,
    /// JSON text with its length.
    Json,
    /// Bytes as they are.
    Bytes,
}

impl Form {
    const fn is_number(self) -> bool {
        matches!(self, Self::Varint | Self::Signed | Self::Float)
    }
}

/// A shape as the members between its fixed bytes.
struct Layout<'a> {
    flags: u8,
    /// Before each member of the process and fields part, what comes unchanged.
    process: Vec<(Vec<u8>, Member)>,
    fields: Vec<(&'a [u8], Option<Member>)>,
    trace: Option<Member>,
    grounds: Option<Member>,
}

impl<'a> Layout<'a> {
    fn parse(key: &'a [u8]) -> Read<Self> {
        let mut key = Take(key);
        let flags = key.u8()?;
        let member = |name: &str, form| Member {
            name: Some(name.to_owned()),
            form,
        };
        let mut process = Vec::new();
        if flags & PROCESS != 0 {
            let has = key.u8()?;
            process.push((vec![has], member("pid", Form::Varint)));
            for (i, name) in PROCESS_NUMBERS.iter().enumerate() {
                if has & 1 << i != 0 {
                    process.push((Vec::new(), member(name, Form::Varint)));
                }
            }
            process.push((Vec::new(), member("comm", Form::Text)));
            for (i, name) in PROCESS_TEXTS.iter().enumerate() {
                if has & 1 << (i + PROCESS_NUMBERS.len()) != 0 {
                    process.push((Vec::new(), member(name, Form::Text)));
                }
            }
        }
        let mut fields = Vec::new();
        if flags & FIELDS != 0 {
            loop {
                let start = key.0;
                if key.varint()? == u64::MAX {
                    break;
                }
                key = Take(start);
                let name = key.text()?;
                let form = match key.u8()? {
                    0..=2 => None,
                    3 => Some(Form::Signed),
                    4 => Some(Form::Varint),
                    5 => Some(Form::Float),
                    6 => Some(Form::Text),
                    7 => Some(Form::Json),
                    _ => return Err(Malformed("unknown type of field")),
                };
                // Constants are told by nobody; their name is, below, as untold.
                let fixed = &start[..start.len() - key.0.len()];
                let name = Some(format!("fields.{name}"));
                fields.push((fixed, form.map(|form| Member { name, form })));
            }
        }
        let bytes = |present: u8| {
            (flags & present != 0).then_some(Member {
                name: None,
                form: Form::Bytes,
            })
        };
        key.end()?;
        Ok(Self {
            flags,
            process,
            fields,
            trace: bytes(TRACE),
            grounds: bytes(GROUNDS),
        })
    }

    /// The members that have columns, in order.
    fn members(&self) -> impl Iterator<Item = &Member> {
        self.process
            .iter()
            .map(|(_, member)| member)
            .chain(self.fields.iter().filter_map(|(_, member)| member.as_ref()))
            .chain(&self.trace)
            .chain(&self.grounds)
    }
}

/// Appends the rest of events. Calls `told` with the field and value of everything that a filter
/// can ask for by value.
pub(crate) fn put<'a>(
    out: &mut Streams,
    rows: &[Row<'a>],
    mut told: impl FnMut(&str, Told<'_>),
) -> Read<()> {
    let mut shapes = Shapes::default();
    let (mut key, mut values) = (Vec::new(), Vec::new());
    let mut columns: Vec<Vec<Gathered<'a>>> = Vec::new();
    let mut numbers = Vec::with_capacity(rows.len());
    for row in rows {
        Gather {
            key: &mut key,
            values: &mut values,
        }
        .row(row)?;
        let number = shapes.number(&key);
        numbers.push(i64::from(number));
        if columns.len() <= number as usize {
            let empty = |value: &Value<'_>| match value {
                Value::Number(_) => Gathered::Numbers(Vec::new()),
                Value::Text(_) => Gathered::Texts(Vec::new()),
            };
            columns.push(values.iter().map(empty).collect());
        }
        for (column, value) in columns[number as usize].iter_mut().zip(&values) {
            match (column, value) {
                (Gathered::Numbers(column), Value::Number(number)) => column.push(*number),
                (Gathered::Texts(column), Value::Text(text)) => column.push(text),
                _ => return Err(Malformed("a field changed its type within a shape")),
            }
        }
    }
    out.meta.put_varint(shapes.len() as u64);
    for number in 0..shapes.len() as u32 {
        out.meta.put_varint(shapes.key(number).len() as u64);
        out.text.put_slice(shapes.key(number));
    }
    put_numbers(out, &numbers);
    for (number, columns) in columns.iter().enumerate() {
        let layout = Layout::parse(shapes.key(number as u32))?;
        for (fixed, member) in &layout.fields {
            if member.is_none() {
                told(&format!("fields.{}", Take(fixed).text()?), Told::Untold);
            }
        }
        for (column, member) in columns.iter().zip(layout.members()) {
            let name = member.name.as_deref();
            match column {
                Gathered::Numbers(numbers) => {
                    if let Some(name) = name {
                        tell_numbers(name, member.form, numbers, &mut told);
                    }
                    put_numbers(out, numbers);
                }
                Gathered::Texts(texts) => put_texts(out, texts, |text| match name {
                    Some(name) if member.form == Form::Text => told(name, Told::Text(text)),
                    Some(name) => told(name, Told::Untold),
                    None => {}
                }),
            }
        }
    }
    for row in rows {
        if let Some(trace) = row.trace {
            let trace = row::take_trace(trace)?;
            told("trace", Told::Text(trace.trace_id.as_bytes()));
            told("span", Told::Text(trace.span_id.as_bytes()));
        }
    }
    Ok(())
}

fn tell_numbers(name: &str, form: Form, numbers: &[i64], told: &mut impl FnMut(&str, Told<'_>)) {
    let mut distinct = numbers.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    // Floats and numbers beyond i64 have no text that is easy to foretell.
    let unsigned = form == Form::Varint && distinct.first().is_some_and(|least| *least < 0);
    if form == Form::Float || unsigned || distinct.len() > MAX_TOLD {
        told(name, Told::Untold);
    } else {
        for number in distinct {
            told(name, Told::Number(number));
        }
    }
}

/// The rest of all events, as in rows.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    bytes: Vec<u8>,
    spans: Vec<Spans>,
}

/// Where the parts of one event are. Absent parts are empty.
#[derive(Clone, Debug, Default)]
struct Spans {
    process: Range<u32>,
    fields: Range<u32>,
    trace: Range<u32>,
    grounds: Range<u32>,
}

/// A column as it is read.
enum Column<'a> {
    Numbers(std::vec::IntoIter<i64>),
    Texts(Texts<'a>),
}

pub(crate) fn take(from: &mut Cursor<'_>, count: usize) -> Read<Rest> {
    let len = usize::try_from(from.meta.varint()?).unwrap_or(usize::MAX);
    if len > count {
        return Err(Malformed("more shapes than events"));
    }
    let mut layouts = Vec::with_capacity(len);
    for _ in 0..len {
        let len = from.meta.varint()? as usize;
        layouts.push(Layout::parse(from.text.slice(len)?)?);
    }
    let numbers = take_numbers(from, count)?;
    let mut uses = vec![0usize; len];
    for number in &numbers {
        let used = usize::try_from(*number)
            .ok()
            .and_then(|number| uses.get_mut(number));
        *used.ok_or(Malformed("no such shape"))? += 1;
    }
    let mut columns: Vec<Vec<Column<'_>>> = Vec::with_capacity(len);
    for (layout, uses) in layouts.iter().zip(uses) {
        let column = |member: &Member| {
            Ok(if member.form.is_number() {
                Column::Numbers(take_numbers(from, uses)?.into_iter())
            } else {
                Column::Texts(take_texts(from, uses)?)
            })
        };
        columns.push(layout.members().map(column).collect::<Read<_>>()?);
    }
    let mut rest = Rest {
        bytes: Vec::new(),
        spans: Vec::with_capacity(count),
    };
    let mut text = Vec::new();
    for number in numbers {
        let layout = &layouts[number as usize];
        let mut columns = columns[number as usize].iter_mut();
        let out = &mut rest.bytes;
        let mut value = |out: &mut Vec<u8>, form| {
            if let Some(column) = columns.next() {
                put_value(out, form, column, &mut text);
            }
        };
        let mut spans = Spans::default();
        let start = out.len();
        for (fixed, member) in &layout.process {
            out.put_slice(fixed);
            value(out, member.form);
        }
        spans.process = start as u32..out.len() as u32;
        let start = out.len();
        for (fixed, member) in &layout.fields {
            out.put_slice(fixed);
            if let Some(member) = member {
                value(out, member.form);
            }
        }
        spans.fields = start as u32..out.len() as u32;
        let start = out.len();
        if layout.flags & TRACE != 0 {
            value(out, Form::Bytes);
        }
        spans.trace = start as u32..out.len() as u32;
        let start = out.len();
        if layout.flags & GROUNDS != 0 {
            value(out, Form::Bytes);
        }
        spans.grounds = start as u32..out.len() as u32;
        if out.len() > MAX_REST {
            return Err(Malformed("the events are too long"));
        }
        rest.spans.push(spans);
    }
    Ok(rest)
}

/// The most that the rest of a block's events may be, in bytes.
const MAX_REST: usize = 256 << 20;

fn put_value(out: &mut Vec<u8>, form: Form, column: &mut Column<'_>, text: &mut Vec<u8>) {
    match column {
        Column::Numbers(numbers) => {
            let number = numbers.next().unwrap_or_default();
            match form {
                Form::Signed => out.put_signed(number),
                Form::Float => out.put_slice(&number.to_le_bytes()),
                _ => out.put_varint(number as u64),
            }
        }
        Column::Texts(texts) if form == Form::Bytes => texts.next_into(out),
        Column::Texts(texts) => {
            text.clear();
            texts.next_into(text);
            out.put_varint(text.len() as u64);
            out.put_slice(text);
        }
    }
}

/// The parts of one event, as in a row.
pub(crate) struct Parts<'a> {
    pub(crate) process: Option<&'a [u8]>,
    pub(crate) fields: &'a [u8],
    pub(crate) trace: Option<&'a [u8]>,
    pub(crate) grounds: &'a [u8],
}

impl Rest {
    pub(crate) fn get(&self, i: usize) -> Parts<'_> {
        let spans = &self.spans[i];
        let bytes = |span: &Range<u32>| &self.bytes[span.start as usize..span.end as usize];
        let present = |span: &Range<u32>| (!span.is_empty()).then(|| bytes(span));
        Parts {
            process: present(&spans.process),
            fields: bytes(&spans.fields),
            trace: present(&spans.trace),
            grounds: bytes(&spans.grounds),
        }
    }
}
