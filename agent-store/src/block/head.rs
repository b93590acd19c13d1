//! What is known of a block without reading it.

use std::collections::BTreeSet;

use hark_api::{EventId, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

use crate::row::Row;
use crate::wire::{Malformed, Put, Read, Take};

/// The form of a head; the first byte of each.
const FORM: u8 = 2;
/// The one before: its sets had no values from 32 on, and else it is the same.
const FORM_OF_32: u8 = 1;

/// A block's contents in summary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) first: EventId,
    pub(crate) last: EventId,
    pub(crate) count: u64,
    pub(crate) min_time: Timestamp,
    pub(crate) max_time: Timestamp,
    /// Length of the block's data and of its token filter, in bytes.
    pub(crate) data_len: u64,
    pub(crate) tokens_len: u64,
    /// Bit `value as u8` of each that occurs.
    pub(crate) sources: u64,
    pub(crate) kinds: u64,
    pub(crate) levels: u64,
    pub(crate) reasons: u64,
    /// Events of each tier.
    pub(crate) tiers: [u64; hark_api::Tier::ALL.len()],
    pub(crate) services: Named<String>,
    pub(crate) hosts: Named<String>,
    pub(crate) templates: Named<u32>,
    /// The fields that occur, by their names in the filter language.
    pub(crate) fields: Named<String>,
    /// Those of them whose values are not in the token filter.
    pub(crate) untold: BTreeSet<String>,
}

/// The values that occur, up to a bound: beyond it they are unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named<T> {
    These(BTreeSet<T>),
    Unknown,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self::These(BTreeSet::new())
    }
}

/// The most values that a head names of one thing.
const MAX_NAMED: usize = 128;

impl<T: Ord> Named<T> {
    pub(crate) fn add<Q: ?Sized + Ord + ToOwned<Owned = T>>(&mut self, value: &Q)
    where
        T: std::borrow::Borrow<Q>,
    {
        if let Self::These(known) = self
            && !known.contains(value)
        {
            if known.len() < MAX_NAMED {
                known.insert(value.to_owned());
            } else {
                *self = Self::Unknown;
            }
        }
    }

    /// Whether one that this holds of may occur; false is certain.
    pub(crate) fn may(&self, holds: impl Fn(&T) -> bool) -> bool {
        match self {
            Self::These(known) => known.iter().any(holds),
            Self::Unknown => true,
        }
    }
}

impl Head {
    /// Of the base of rows; what columns know is added by them.
    pub(crate) fn of(rows: &[Row<'_>]) -> Self {
        let mut head = Self {
            first: rows.first().map_or(EventId(0), |row| row.id),
            last: rows.last().map_or(EventId(0), |row| row.id),
            count: rows.len() as u64,
            min_time: Timestamp::from_nanos(i64::MAX),
            max_time: Timestamp::from_nanos(i64::MIN),
            ..Self::default()
        };
        let mut before: Option<&Row<'_>> = None;
        for row in rows {
            head.min_time = head.min_time.min(row.time);
            head.max_time = head.max_time.max(row.time);
            head.sources |= 1 << row.source.number();
            head.kinds |= 1 << row.kind.number();
            head.levels |= 1 << row.level as u8;
            head.tiers[row.tier as usize] += 1;
            // Neighbours are often alike.
            if before.is_none_or(|before| before.service != row.service)
                && let Some(service) = row.service
            {
                head.services.add(service);
            }
            if before.is_none_or(|before| before.host != row.host)
                && let Some(host) = row.host
            {
                head.hosts.add(host);
            }
            if before.is_none_or(|before| before.template != row.template)
                && let Some(template) = row.template
            {
                head.templates.add(&template);
            }
            before = Some(row);
        }
        head
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![FORM];
        out.put_varint(self.first.0);
        out.put_varint(self.last.0.wrapping_sub(self.first.0));
        out.put_varint(self.count);
        out.put_signed(self.min_time.as_nanos());
        out.put_signed(self.max_time.as_nanos());
        out.put_varint(self.data_len);
        out.put_varint(self.tokens_len);
        for set in [self.sources, self.kinds, self.levels, self.reasons] {
            out.put_varint(set);
        }
        for count in self.tiers {
            out.put_varint(count);
        }
        for known in [&self.services, &self.hosts, &self.fields] {
            put_named(&mut out, known, |out, text| out.put_text(text));
        }
        put_named(&mut out, &self.templates, |out, n| {
            out.put_varint((*n).into());
        });
        out.put_varint(self.untold.len() as u64);
        self.untold.iter().for_each(|name| out.put_text(name));
        let sum = xxh3_64(&out);
        out.put_slice(&sum.to_le_bytes());
        out
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Read<Self> {
        let (body, sum) = bytes
            .split_last_chunk::<8>()
            .ok_or(Malformed("ends early"))?;
        if xxh3_64(body) != u64::from_le_bytes(*sum) {
            return Err(Malformed("its checksum is wrong"));
        }
        let mut bytes = Take(body);
        if !matches!(bytes.u8()?, FORM | FORM_OF_32) {
            return Err(Malformed("unknown form of head"));
        }
        let first = bytes.varint()?;
        let mut head = Self {
            first: EventId(first),
            last: EventId(first.wrapping_add(bytes.varint()?)),
            count: bytes.varint()?,
            min_time: Timestamp::from_nanos(bytes.signed()?),
            max_time: Timestamp::from_nanos(bytes.signed()?),
            data_len: bytes.varint()?,
            tokens_len: bytes.varint()?,
            sources: bytes.varint()?,
            kinds: bytes.varint()?,
            levels: bytes.varint()?,
            reasons: bytes.varint()?,
            ..Self::default()
        };
        for count in &mut head.tiers {
            *count = bytes.varint()?;
        }
        let text = |bytes: &mut Take<'_>| bytes.text().map(str::to_owned);
        head.services = take_named(&mut bytes, text)?;
        head.hosts = take_named(&mut bytes, text)?;
        head.fields = take_named(&mut bytes, text)?;
        head.templates = take_named(&mut bytes, Take::u32)?;
        for _ in 0..bytes.len()? {
            head.untold.insert(text(&mut bytes)?);
        }
        bytes.end()?;
        Ok(head)
    }
}

fn put_named<T>(out: &mut Vec<u8>, named: &Named<T>, put: impl Fn(&mut Vec<u8>, &T)) {
    match named {
        // 0 is unknown.
        Named::Unknown => out.put_varint(0),
        Named::These(known) => {
            out.put_varint(known.len() as u64 + 1);
            for value in known {
                put(out, value);
            }
        }
    }
}

fn take_named<'a, T: Ord>(
    bytes: &mut Take<'a>,
    take: impl Fn(&mut Take<'a>) -> Read<T>,
) -> Read<Named<T>> {
    match bytes.varint()? {
        0 => Ok(Named::Unknown),
        more if more - 1 <= MAX_NAMED as u64 => (1..more)
            .map(|_| take(bytes))
            .collect::<Read<_>>()
            .map(Named::These),
        _ => Err(Malformed("too many values")),
    }
}
