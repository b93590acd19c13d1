//! Sealed blocks: thousands of events as compressed columns, with a summary and a token filter
//! by which searches skip them.
//!
//! A block is three values: its [`Head`], its [`Tokens`] and its data. The data are a format
//! byte, the number of events, three groups of columns, each readable alone - what is always
//! looked at, messages, and the rest - and the xxh3 checksum of all that.

pub(crate) mod column;
mod head;
mod message;
mod rest;
mod shape;
mod skip;
pub(crate) mod stream;
mod tokens;
mod view;

use std::cell::{Cell, OnceCell};

use hark_api::{Event, EventId, Kind, Level, Source, Tier, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

pub(crate) use head::Head;
pub(crate) use skip::{Known, certain, needs_tokens, possible};
pub(crate) use stream::Codec;
pub(crate) use tokens::Tokens;
pub(crate) use view::View;

use crate::row::Row;
use crate::wire::{Malformed, Put, Read, Take};
use column::{put_numbers, put_texts, take_numbers, take_texts};
use message::Messages;
use rest::{Rest, Told};
use stream::{Cursor, Group, Streams};

/// The format of a block's data; the first byte of each.
const FORM: u8 = 1;

/// The most events in a block: bounds what damaged bytes can ask for.
pub(crate) const MAX_EVENTS: usize = 1 << 17;

/// A block as it is written.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) head: Head,
    pub(crate) tokens: Vec<u8>,
    pub(crate) data: Vec<u8>,
}

/// Encodes events, in order of id, at most [`MAX_EVENTS`].
pub(crate) fn seal(rows: &[Row<'_>], codec: &mut Codec) -> Read<Sealed> {
    let mut head = Head::of(rows);
    let mut gather = tokens::Gather::new(rows.len());
    let mut data = vec![FORM];
    data.put_varint(rows.len() as u64);

    let mut streams = Streams::default();
    put_base(&mut streams, rows);
    codec.write(&streams, &mut data);

    let mut streams = Streams::default();
    let messages: Vec<_> = rows.iter().map(|row| (row.template, row.message)).collect();
    message::put(&mut streams, &messages, |word| gather.word(word));
    codec.write(&streams, &mut data);

    let mut streams = Streams::default();
    let mut number = String::new();
    rest::put(&mut streams, rows, |name, told| {
        head.fields.add(name);
        match told {
            Told::Text(text) => gather.value(name, text),
            Told::Number(n) => {
                use std::fmt::Write as _;
                number.clear();
                let _ = write!(number, "{n}");
                gather.value(name, number.as_bytes());
            }
            Told::Untold => {
                head.untold.insert(name.to_owned());
            }
        }
    })?;
    codec.write(&streams, &mut data);
    for row in rows {
        head.reasons |= view::reasons(row.grounds);
    }

    let sum = xxh3_64(&data);
    data.put_slice(&sum.to_le_bytes());
    let tokens = gather.finish();
    head.data_len = data.len() as u64;
    head.tokens_len = tokens.len() as u64;
    Ok(Sealed { head, tokens, data })
}

fn put_base(out: &mut Streams, rows: &[Row<'_>]) {
    let mut column = |value: &dyn Fn(&Row<'_>) -> i64| {
        let values: Vec<i64> = rows.iter().map(value).collect();
        put_numbers(out, &values);
    };
    column(&|row| row.id.0 as i64);
    column(&|row| row.time.as_nanos());
    column(&|row| row.received.as_nanos().wrapping_sub(row.time.as_nanos()));
    column(&|row| row.source.number().into());
    column(&|row| row.kind.number().into());
    column(&|row| row.level as i64);
    column(&|row| row.tier as i64);
    column(&|row| row.service.is_some().into());
    column(&|row| row.host.is_some().into());
    let mut column = |text: &dyn for<'r> Fn(&Row<'r>) -> Option<&'r str>| {
        let values: Vec<_> = rows
            .iter()
            .map(|row| text(row).unwrap_or_default().as_bytes())
            .collect();
        put_texts(out, &values, |_| {});
    };
    column(&|row| row.service);
    column(&|row| row.host);
}

/// A block as it is read. Groups are decompressed when they are first asked for.
#[derive(Debug)]
pub(crate) struct Block {
    base: Base,
    messages: OnceCell<Messages>,
    rest: OnceCell<Rest>,
    /// The groups of messages and of the rest, still compressed.
    groups: [Vec<u8>; 2],
    /// What was found wrong while a group was decompressed.
    wrong: Cell<Option<Malformed>>,
}

/// What is always looked at.
#[derive(Debug)]
struct Base {
    ids: Vec<i64>,
    times: Vec<i64>,
    delays: Vec<i64>,
    sources: Vec<Source>,
    kinds: Vec<Kind>,
    levels: Vec<Level>,
    tiers: Vec<Tier>,
    services: Strings,
    hosts: Strings,
}

/// Optional texts in one piece.
#[derive(Debug, Default)]
struct Strings {
    text: String,
    ends: Vec<u32>,
    present: Vec<bool>,
}

impl Strings {
    fn take(from: &mut Cursor<'_>, present: Vec<bool>) -> Read<Self> {
        let mut column = take_texts(from, present.len())?;
        let (mut text, mut ends) = (Vec::new(), Vec::with_capacity(present.len()));
        for _ in &present {
            column.next_into(&mut text);
            if text.len() > 64 << 20 {
                return Err(Malformed("texts are too long"));
            }
            ends.push(text.len() as u32);
        }
        let text = String::from_utf8(text).map_err(|_| Malformed("text is not UTF-8"))?;
        if ends.iter().any(|end| !text.is_char_boundary(*end as usize)) {
            return Err(Malformed("text is not UTF-8"));
        }
        Ok(Self {
            text,
            ends,
            present,
        })
    }

    fn get(&self, i: usize) -> Option<&str> {
        let start = i
            .checked_sub(1)
            .map_or(0, |before| self.ends[before] as usize);
        self.present[i].then(|| &self.text[start..self.ends[i] as usize])
    }
}

impl Base {
    fn take(from: &mut Cursor<'_>, count: usize) -> Read<Self> {
        fn named<T>(values: &[i64], from: impl Fn(u8) -> Option<T>) -> Read<Vec<T>> {
            let one = |value: &i64| u8::try_from(*value).ok().and_then(&from);
            values
                .iter()
                .map(|v| one(v).ok_or(Malformed("unknown value")))
                .collect()
        }
        let mut numbers = || take_numbers(from, count);
        let (ids, times, delays) = (numbers()?, numbers()?, numbers()?);
        let sources = named(&numbers()?, Source::from_u8)?;
        let kinds = named(&numbers()?, Kind::from_u8)?;
        let levels = named(&numbers()?, Level::from_u8)?;
        let tiers = named(&numbers()?, Tier::from_u8)?;
        let has_service = numbers()?.into_iter().map(|has| has != 0).collect();
        let has_host = numbers()?.into_iter().map(|has| has != 0).collect();
        let services = Strings::take(from, has_service)?;
        let hosts = Strings::take(from, has_host)?;
        Ok(Self {
            ids,
            times,
            delays,
            sources,
            kinds,
            levels,
            tiers,
            services,
            hosts,
        })
    }
}

impl Block {
    /// Checks the checksum and decompresses what is always looked at.
    pub(crate) fn open(data: &[u8]) -> Read<Self> {
        let (body, sum) = data
            .split_last_chunk::<8>()
            .ok_or(Malformed("ends early"))?;
        if xxh3_64(body) != u64::from_le_bytes(*sum) {
            return Err(Malformed("its checksum is wrong"));
        }
        Self::parse(body)
    }

    /// [`Block::open`] past the checksum.
    fn parse(body: &[u8]) -> Read<Self> {
        let mut bytes = Take(body);
        if bytes.u8()? != FORM {
            return Err(Malformed("unknown form of block"));
        }
        let count = usize::try_from(bytes.varint()?).unwrap_or(usize::MAX);
        if count > MAX_EVENTS {
            return Err(Malformed("too many events"));
        }
        let base = Group::read(Group::skip(&mut bytes)?)?;
        let messages = Group::skip(&mut bytes)?.to_vec();
        let rest = Group::skip(&mut bytes)?.to_vec();
        bytes.end()?;
        Ok(Self {
            base: Base::take(&mut base.cursor(), count)?,
            messages: OnceCell::new(),
            rest: OnceCell::new(),
            groups: [messages, rest],
            wrong: Cell::new(None),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.base.ids.len()
    }

    pub(crate) fn id(&self, i: usize) -> EventId {
        EventId(self.base.ids[i] as u64)
    }

    pub(crate) fn time(&self, i: usize) -> Timestamp {
        Timestamp::from_nanos(self.base.times[i])
    }

    /// What was found wrong since the block was opened: what was read of it then is not to be
    /// trusted.
    pub(crate) fn check(&self) -> Read<()> {
        self.wrong.get().map_or(Ok(()), Err)
    }

    fn messages(&self) -> &Messages {
        self.messages.get_or_init(|| {
            let read = Group::read(&self.groups[0])
                .and_then(|group| message::take(&mut group.cursor(), self.len()));
            read.unwrap_or_else(|wrong| {
                self.wrong.set(Some(wrong));
                Messages::default()
            })
        })
    }

    fn rest(&self) -> &Rest {
        self.rest.get_or_init(|| {
            let read = Group::read(&self.groups[1])
                .and_then(|group| rest::take(&mut group.cursor(), self.len()));
            read.unwrap_or_else(|wrong| {
                self.wrong.set(Some(wrong));
                Rest::default()
            })
        })
    }

    /// An event, as a row.
    pub(crate) fn row(&self, i: usize) -> Read<Row<'_>> {
        let (messages, rest) = (self.messages(), self.rest());
        self.check()?;
        let parts = rest.get(i);
        let time = self.time(i);
        Ok(Row {
            id: self.id(i),
            time,
            received: Timestamp::from_nanos(time.as_nanos().wrapping_add(self.base.delays[i])),
            source: self.base.sources[i],
            kind: self.base.kinds[i],
            level: self.base.levels[i],
            tier: self.base.tiers[i],
            message: messages.get(i),
            template: messages.template(i),
            service: self.base.services.get(i),
            host: self.base.hosts.get(i),
            process: parts.process,
            fields: parts.fields,
            trace: parts.trace,
            grounds: parts.grounds,
        })
    }

    /// An event.
    pub(crate) fn event(&self, i: usize) -> Read<Event> {
        self.row(i)?.to_event()
    }
}

/// Reads bytes as a block's data, past the checksum, and every event in it.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_all(body: &[u8]) {
    use hark_api::filter::Record as _;
    if let Ok(block) = Block::parse(body) {
        for i in 0..block.len() {
            let _ = block.event(i);
            let _ = View { block: &block, i }.message();
        }
    }
}

#[cfg(test)]
mod tests;
