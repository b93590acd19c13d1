//! What a commit writes: its events as one row, as they are, to be sealed into blocks later.
//!
//! The hot rows are also kept in memory, bounded, so that neither searching nor sealing reads
//! the log: it is read only when the store opens.

use hark_api::{Event, EventId, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

use crate::row::{self, Before, Row};
use crate::wire::{Malformed, Put, Read, Take};

/// The form of a row; the first byte of each.
const FORM: u8 = 1;

/// The events of one commit.
#[derive(Debug)]
pub(crate) struct HotRow {
    /// The last id that was given before these.
    pub(crate) before: EventId,
    pub(crate) first: EventId,
    pub(crate) last: EventId,
    pub(crate) count: usize,
    pub(crate) min_time: Timestamp,
    pub(crate) max_time: Timestamp,
    bytes: Vec<u8>,
}

impl HotRow {
    /// Encodes the events of a commit; `None` where there are none. Ids must ascend. What was
    /// given before is for the caller to fill in.
    pub(crate) fn encode(events: &[Event]) -> Option<Self> {
        let (first, last) = (events.first()?.id, events.last()?.id);
        // 200 bytes are usual for an event; the buffer is kept, so it is trimmed below.
        let mut bytes = Vec::with_capacity(16 + events.len() * 200);
        bytes.put_u8(FORM);
        bytes.put_varint(events.len() as u64);
        let mut before = Before::default();
        let (mut min_time, mut max_time) = (events[0].time, events[0].time);
        for event in events {
            min_time = min_time.min(event.time);
            max_time = max_time.max(event.time);
            row::put(&mut bytes, event, &mut before);
        }
        let sum = xxh3_64(&bytes);
        bytes.put_slice(&sum.to_le_bytes());
        bytes.shrink_to_fit();
        Some(Self {
            before: EventId(0),
            first,
            last,
            count: events.len(),
            min_time,
            max_time,
            bytes,
        })
    }

    /// Takes over what was read from a file.
    pub(crate) fn decode(bytes: &[u8]) -> Read<Self> {
        let (body, sum) = bytes
            .split_last_chunk::<8>()
            .ok_or(Malformed("ends early"))?;
        if xxh3_64(body) != u64::from_le_bytes(*sum) {
            return Err(Malformed("its checksum is wrong"));
        }
        let mut found = Self {
            before: EventId(0),
            first: EventId(u64::MAX),
            last: EventId(0),
            count: 0,
            min_time: Timestamp::from_nanos(i64::MAX),
            max_time: Timestamp::from_nanos(i64::MIN),
            bytes: bytes.to_vec(),
        };
        let (mut first, mut last, mut count) = (found.first, found.last, 0);
        let (mut min_time, mut max_time) = (found.min_time, found.max_time);
        for row in found.rows() {
            let row = row?;
            first = first.min(row.id);
            last = last.max(row.id);
            count += 1;
            min_time = min_time.min(row.time);
            max_time = max_time.max(row.time);
        }
        if count == 0 {
            return Err(Malformed("it is empty"));
        }
        (found.first, found.last, found.count) = (first, last, count);
        (found.min_time, found.max_time) = (min_time, max_time);
        Ok(found)
    }

    /// As it is written.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The events, in order of id.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Read<Row<'_>>> {
        let mut bytes = Take(self.bytes.get(..self.bytes.len() - 8).unwrap_or_default());
        let head = bytes.u8().and_then(|form| {
            if form == FORM {
                bytes.len()
            } else {
                Err(Malformed("unknown form of row"))
            }
        });
        let (mut left, mut failed) = match head {
            Ok(count) => (count, None),
            Err(error) => (0, Some(error)),
        };
        let mut before = Before::default();
        std::iter::from_fn(move || {
            if let Some(error) = failed.take() {
                return Some(Err(error));
            }
            left = left.checked_sub(1)?;
            let row = row::take(&mut bytes, &mut before);
            if row.is_err() {
                left = 0;
            }
            Some(row)
        })
    }
}
