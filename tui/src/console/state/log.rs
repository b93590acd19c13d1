//! The events that the console keeps at hand: the newest, compressed, bounded by count.
//!
//! Events are kept whole, as JSON in blocks of [`BLOCK`], compressed; a hundred thousand take a few
//! megabytes. A block is opened when one of its events is drawn or searched, and the last opened
//! ones stay open. Of each event a [`Head`] stays uncompressed, for histograms and counts.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use hark_api::{Event, EventId, Filter, Level, Source, Tier, Timestamp};

use crate::clean::Clean;

/// Events in a block.
const BLOCK: usize = 256;
/// Blocks that stay open for drawing: more than a tall screen shows.
const OPEN_BLOCKS: usize = 4;
/// zstd's fastest ordinary level; higher ones gain little on blocks this small.
const ZSTD_LEVEL: i32 = 1;

/// What is known of an event without opening its block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Head {
    pub(crate) id: EventId,
    pub(crate) time: Timestamp,
    pub(crate) tier: Tier,
    pub(crate) level: Level,
    pub(crate) source: Source,
}

impl From<&Event> for Head {
    fn from(event: &Event) -> Self {
        Self {
            id: event.id,
            time: event.time,
            tier: event.verdict.tier,
            level: event.level,
            source: event.source,
        }
    }
}

struct Block {
    heads: Box<[Head]>,
    /// zstd over a JSON array.
    packed: Box<[u8]>,
    unpacked_len: usize,
}

/// An open block, by the number of its first event.
type Opened = (u64, Rc<[Clean<Event>]>);

/// The newest events, in order of arrival. Each has a number that stays its own while it is kept:
/// the first ever has 0.
pub(crate) struct EventLog {
    /// Shared with the logs of moments before.
    blocks: VecDeque<Rc<Block>>,
    newest: Vec<Event>,
    newest_heads: Vec<Head>,
    /// The number of the oldest event kept.
    start: u64,
    capacity: usize,
    opened: RefCell<VecDeque<Opened>>,
}

impl EventLog {
    /// Keeps at least this many events, and at most one block more.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            blocks: VecDeque::new(),
            newest: Vec::new(),
            newest_heads: Vec::new(),
            start: 0,
            capacity,
            opened: RefCell::default(),
        }
    }

    /// The number of the oldest event kept.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// The number that the next event will get.
    pub(crate) fn end(&self) -> u64 {
        self.start + (self.blocks.len() * BLOCK + self.newest.len()) as u64
    }

    /// How many are kept.
    pub(crate) fn len(&self) -> usize {
        (self.end() - self.start) as usize
    }

    /// Whether none are kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds the newest event.
    pub(crate) fn push(&mut self, event: Event) {
        self.newest_heads.push(Head::from(&event));
        self.newest.push(event);
        if self.newest.len() == BLOCK {
            self.seal();
        }
    }

    fn seal(&mut self) {
        let events = std::mem::take(&mut self.newest);
        let heads = std::mem::take(&mut self.newest_heads).into_boxed_slice();
        // Neither fails: events came as JSON, and the output is memory that grows as needed.
        let json = serde_json::to_vec(&events).unwrap_or_default();
        let packed = zstd::bulk::compress(&json, ZSTD_LEVEL).unwrap_or_default();
        self.blocks.push_back(Rc::new(Block {
            heads,
            packed: packed.into_boxed_slice(),
            unpacked_len: json.len(),
        }));
        while self.blocks.len() * BLOCK >= self.capacity + BLOCK {
            self.blocks.pop_front();
            self.start += BLOCK as u64;
            let start = self.start;
            self.opened.get_mut().retain(|(first, _)| *first >= start);
        }
    }

    /// The log as it was at a time: without what happened later. Blocks are shared, so it costs
    /// little.
    pub(crate) fn until(&self, at: Timestamp) -> Self {
        let later = self.heads_newest_first().take_while(|head| head.time > at);
        let len = self.len() - later.count();
        let (whole, rest) = (len / BLOCK, len % BLOCK);
        let newest: Vec<Event> = match self.blocks.get(whole) {
            Some(block) => block.unpack().into_iter().take(rest).collect(),
            None => self.newest.iter().take(rest).cloned().collect(),
        };
        Self {
            blocks: self.blocks.iter().take(whole).cloned().collect(),
            newest_heads: newest.iter().map(Head::from).collect(),
            newest,
            start: self.start,
            capacity: self.capacity,
            opened: RefCell::default(),
        }
    }

    /// The head of an event that is kept.
    pub(crate) fn head(&self, number: u64) -> Option<Head> {
        let at = usize::try_from(number.checked_sub(self.start)?).ok()?;
        match self.blocks.get(at / BLOCK) {
            Some(block) => block.heads.get(at % BLOCK).copied(),
            None => self.newest_heads.get(at % BLOCK).copied(),
        }
    }

    /// The heads of all events kept, newest first.
    pub(crate) fn heads_newest_first(&self) -> impl Iterator<Item = &Head> {
        let sealed = self.blocks.iter().rev();
        self.newest_heads
            .iter()
            .rev()
            .chain(sealed.flat_map(|block| block.heads.iter().rev()))
    }

    /// An event that is kept, safe to show.
    pub(crate) fn get(&self, number: u64) -> Option<Clean<Event>> {
        let at = usize::try_from(number.checked_sub(self.start)?).ok()?;
        let Some(block) = self.blocks.get(at / BLOCK) else {
            return self.newest.get(at % BLOCK).cloned().map(Clean::new);
        };
        let first = self.start + (at - at % BLOCK) as u64;
        let mut opened = self.opened.borrow_mut();
        let known = opened.iter().find(|(f, _)| *f == first);
        let events = if let Some((_, events)) = known {
            Rc::clone(events)
        } else {
            let events: Rc<[_]> = block.unpack().into_iter().map(Clean::new).collect();
            opened.truncate(OPEN_BLOCKS - 1);
            opened.push_front((first, Rc::clone(&events)));
            events
        };
        events.get(at % BLOCK).cloned()
    }

    /// The number of the event with this id, or of the first after it.
    pub(crate) fn find(&self, id: EventId) -> Option<u64> {
        let (mut low, mut high) = (self.start, self.end());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.head(middle)?.id < id {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low < self.end()).then_some(low)
    }

    /// Of the block that holds the event before `before`, the numbers of the events that pass the
    /// filter, newest first, and the number at which to go on; `None` where nothing is older.
    pub(crate) fn search_back(&self, before: u64, filter: &Filter) -> Option<(Vec<u64>, u64)> {
        let last = before.min(self.end()).checked_sub(1)?;
        let at = usize::try_from(last.checked_sub(self.start)?).ok()?;
        let first = self.start + (at - at % BLOCK) as u64;
        let numbers = |events: &[Event]| {
            let found = events.iter().take(at % BLOCK + 1).enumerate().rev();
            found
                .filter(|(_, event)| filter.matches(*event))
                .map(|(i, _)| first + i as u64)
                .collect()
        };
        let found = match self.blocks.get(at / BLOCK) {
            Some(block) => numbers(&block.unpack()),
            None => numbers(&self.newest),
        };
        Some((found, first))
    }
}

impl Block {
    fn unpack(&self) -> Vec<Event> {
        zstd::bulk::decompress(&self.packed, self.unpacked_len)
            .ok()
            .and_then(|json| serde_json::from_slice(&json).ok())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;

    fn filled(count: u64, capacity: usize) -> EventLog {
        let mut log = EventLog::new(capacity);
        for id in 1..=count {
            log.push(sample::log(id, "disk sda is slow"));
        }
        log
    }

    #[test]
    fn events_come_back_as_they_came() {
        let log = filled(1_000, 10_000);
        assert_eq!(log.len(), 1_000);
        for number in [0, 255, 256, 999] {
            let event = log.get(number).expect("is kept");
            assert_eq!(*event, sample::log(number + 1, "disk sda is slow"));
            assert_eq!(log.head(number).map(|head| head.id), Some(event.id));
        }
        assert!(log.get(1_000).is_none());
    }

    #[test]
    fn the_oldest_go_and_numbers_stay() {
        let log = filled(5_000, 1_000);
        assert!(
            (1_000..1_000 + 2 * BLOCK).contains(&log.len()),
            "{}",
            log.len()
        );
        assert!(log.get(log.start() - 1).is_none());
        let oldest = log.get(log.start()).expect("is kept");
        assert_eq!(oldest.id.0, log.start() + 1);
        assert_eq!(log.find(EventId(4_321)), Some(4_320));
        assert_eq!(log.find(EventId(1)), Some(log.start()));
        assert_eq!(log.find(EventId(9_999)), None);
        assert_eq!(log.heads_newest_first().count(), log.len());
    }

    #[test]
    fn the_log_of_a_moment_ends_there() {
        let log = filled(1_000, 10_000);
        for last in [1_000, 999, 600, 513, 512, 511, 1, 0] {
            let at = sample::log(last, "").time;
            let then = log.until(at);
            assert_eq!(then.len() as u64, last);
            let newest = then
                .end()
                .checked_sub(1)
                .and_then(|number| then.get(number));
            assert_eq!(
                newest.map(|event| event.id.0),
                last.checked_sub(1).map(|_| last)
            );
        }
    }

    #[test]
    fn a_search_goes_back_block_by_block_and_finds_each_once() {
        let log = filled(1_000, 1_000);
        let mut all = Vec::new();
        let mut before = log.end();
        while let Some((found, next)) = log.search_back(before, &Filter::default()) {
            all.extend(found);
            before = next;
        }
        assert!(all.iter().rev().copied().eq(0..1_000));
    }
}
