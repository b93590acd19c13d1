//! What is in the store, in memory: where every event is, so that searches know where to look.

use std::sync::Arc;

use hark_api::{EventId, Timestamp};

use crate::block::Head;
use crate::hot::HotRow;

/// A sealed block, as much of it as is always at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockRef {
    pub(crate) first: EventId,
    pub(crate) last: EventId,
    pub(crate) count: u64,
    pub(crate) min_time: Timestamp,
    pub(crate) max_time: Timestamp,
    /// Bytes that it takes in the file.
    pub(crate) disk: u64,
}

impl From<&Head> for BlockRef {
    fn from(head: &Head) -> Self {
        Self {
            first: head.first,
            last: head.last,
            count: head.count,
            min_time: head.min_time,
            max_time: head.max_time,
            disk: pages(head.data_len) + pages(head.tokens_len) + 512,
        }
    }
}

/// Bytes that redb takes for a value: a power of two of pages where it is more than one.
const fn pages(len: u64) -> u64 {
    const PAGE: u64 = 4096;
    if len <= PAGE / 2 {
        len
    } else {
        (len + 32).next_power_of_two()
    }
}

/// All events of the store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// Sealed, in order of id.
    pub(crate) blocks: Arc<Vec<BlockRef>>,
    /// Not yet sealed, in order of id.
    pub(crate) hot: Vec<Arc<HotRow>>,
    pub(crate) hot_bytes: usize,
    pub(crate) hot_events: u64,
    /// The last id that is sealed; what hot rows have up to it no longer counts.
    pub(crate) sealed: EventId,
    /// The last id given to an event that is, or was, in the store.
    pub(crate) last: EventId,
    /// Blocks and hot rows that were found damaged since the store was made.
    pub(crate) damaged: u64,
}

impl Index {
    pub(crate) fn add_hot(&mut self, row: HotRow) {
        self.last = self.last.max(row.last);
        self.hot_bytes += row.bytes().len();
        self.hot_events += row.count as u64;
        self.hot.push(Arc::new(row));
    }

    /// Takes over blocks that were written, with all events up to `sealed`.
    pub(crate) fn add_blocks(&mut self, blocks: &[BlockRef], sealed: EventId) {
        Arc::make_mut(&mut self.blocks).extend_from_slice(blocks);
        self.sealed = self.sealed.max(sealed);
        self.last = self.last.max(sealed);
        let gone = self.hot.partition_point(|row| row.last <= sealed);
        self.hot.drain(..gone);
        self.hot_bytes = self.hot.iter().map(|row| row.bytes().len()).sum();
        self.hot_events = self
            .hot
            .iter()
            .map(|row| {
                if row.first > sealed {
                    row.count as u64
                } else {
                    row.rows().flatten().filter(|row| row.id > sealed).count() as u64
                }
            })
            .sum();
    }

    /// Forgets blocks for which `gone` holds; how many events they had.
    pub(crate) fn remove_blocks(&mut self, gone: impl Fn(&BlockRef) -> bool) -> u64 {
        let mut events = 0;
        Arc::make_mut(&mut self.blocks).retain(|block| {
            let gone = gone(block);
            events += if gone { block.count } else { 0 };
            !gone
        });
        events
    }

    pub(crate) fn events(&self) -> u64 {
        self.hot_events + self.blocks.iter().map(|block| block.count).sum::<u64>()
    }
}
