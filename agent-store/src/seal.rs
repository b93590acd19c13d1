//! Sealing: hot rows become blocks of just under 64 KiB, in the background.

use std::sync::Arc;

use hark_api::EventId;

use crate::Error;
use crate::block::{self, Codec, MAX_EVENTS, Sealed};
use crate::hot::HotRow;
use crate::row::Row;

/// How large a block's data may be: redb gives a value of more than a page a power of two of
/// pages, of which it takes a few bytes itself.
const FULL: usize = (64 << 10) - 64;
/// The most blocks that one transaction writes.
const MAX_BLOCKS: usize = 16;
/// What an event is taken to need before any was sealed, in bytes.
const FIRST_GUESS: f64 = 32.0;

/// Seals, and learns how many events fill a block.
pub(crate) struct Sealer {
    codec: Codec,
    /// Bytes that an event of the last block took.
    per_event: f64,
}

/// Hot rows made into blocks.
pub(crate) struct Batch {
    pub(crate) blocks: Vec<Sealed>,
    /// The last event in them.
    pub(crate) last: EventId,
    pub(crate) events: u64,
}

impl Sealer {
    pub(crate) fn new() -> Result<Self, Error> {
        let codec = Codec::new().map_err(Error::io("setting up compression"))?;
        Ok(Self {
            codec,
            per_event: FIRST_GUESS,
        })
    }

    /// How many events are likely to fill a block.
    pub(crate) fn fill(&self) -> usize {
        ((FULL as f64 * 0.97 / self.per_event) as usize).clamp(1, MAX_EVENTS)
    }

    /// Makes full blocks of the events after `sealed`, at most so many as one transaction takes;
    /// with `all` also one that is not full. `None` where there is nothing to do.
    pub(crate) fn seal(
        &mut self,
        hot: &[Arc<HotRow>],
        sealed: EventId,
        all: bool,
    ) -> Result<Option<Batch>, Error> {
        let damaged = |reason: crate::wire::Malformed| Error::Damaged {
            what: "a hot row".to_owned(),
            reason: reason.0,
        };
        let mut source = hot.iter().flat_map(|row| row.rows());
        // Those of the next block; no more are decoded at a time.
        let mut rows: Vec<Row<'_>> = Vec::new();
        let mut batch = Batch {
            blocks: Vec::new(),
            last: sealed,
            events: 0,
        };
        while batch.blocks.len() < MAX_BLOCKS {
            while rows.len() < self.fill()
                && let Some(row) = source.next()
            {
                let row = row.map_err(damaged)?;
                if row.id > sealed {
                    rows.push(row);
                }
            }
            if rows.is_empty() || (rows.len() < self.fill() && !all) {
                break;
            }
            let mut count = rows.len().min(self.fill());
            let block = loop {
                let block = block::seal(&rows[..count], &mut self.codec).map_err(damaged)?;
                let len = block.data.len();
                // Few events tell little of many.
                if count >= 256 || len > FULL {
                    self.per_event = (len as f64 / count as f64).max(1.0);
                }
                // An event too large for a block has one of its own.
                if len <= FULL || count == 1 {
                    break block;
                }
                count = self.fill().min(count - count.div_ceil(16)).max(1);
            };
            batch.last = block.head.last;
            batch.events += count as u64;
            batch.blocks.push(block);
            rows.drain(..count);
        }
        Ok((!batch.blocks.is_empty()).then_some(batch))
    }
}
