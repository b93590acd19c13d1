//! Pages of events: the best so many in the order asked for, from the chunks that can have them.

use std::collections::BTreeMap;
use std::time::Instant;

use hark_api::{Event, EventId, Timestamp};

use crate::files::DbFile;
use crate::index::Index;
use crate::query::chunk::{Asked, Chunk, Looked, look, on_threads};
use crate::query::{EventQuery, Findings, Order, Page};
use crate::{Cursor, Error};

/// The most events of a page.
const MAX_LIMIT: usize = 10_000;

/// The place of an event in the order asked for: the least comes first.
type Place = (i64, u64);

impl Order {
    const fn place(self, time: Timestamp, id: EventId) -> Place {
        match self {
            Self::Newest => (!time.as_nanos(), !id.0),
            Self::Oldest => (time.as_nanos(), id.0),
            Self::Arrival => (0, id.0),
        }
    }

    /// A place before every event of the chunk.
    fn before(self, chunk: &Chunk) -> Place {
        let (min, max) = chunk.times();
        match self {
            Self::Newest => (!max.as_nanos(), 0),
            Self::Oldest => (min.as_nanos(), 0),
            // Ids begin at 1.
            Self::Arrival => (0, chunk.ids().0.0.saturating_sub(1)),
        }
    }

    /// A place after every event of the chunk.
    fn after(self, chunk: &Chunk) -> Place {
        let (min, max) = chunk.times();
        match self {
            Self::Newest => (!min.as_nanos(), u64::MAX),
            Self::Oldest => (max.as_nanos(), u64::MAX),
            Self::Arrival => (0, chunk.ids().1.0),
        }
    }

    const fn cursor(self, place: Place) -> Cursor {
        let (time, id) = match self {
            Self::Newest => (!place.0, !place.1),
            Self::Oldest => place,
            Self::Arrival => (0, place.1),
        };
        Cursor {
            time: Timestamp::from_nanos(time),
            id: EventId(id),
        }
    }
}

/// The best events so far, within the bounds of the page.
struct Best {
    events: BTreeMap<Place, (Event, usize)>,
    bytes: usize,
    max_events: usize,
    max_bytes: usize,
    /// From here on, events were let go for want of bytes.
    cut: Option<Place>,
}

impl Best {
    /// Only events before this are of interest.
    fn bar(&self) -> Option<Place> {
        let full = self.events.len() >= self.max_events;
        let last = self
            .events
            .last_key_value()
            .map(|(place, _)| *place)
            .filter(|_| full);
        match (last, self.cut) {
            (Some(last), Some(cut)) => Some(last.min(cut)),
            (last, cut) => last.or(cut),
        }
    }

    fn add(&mut self, place: Place, event: Event, size: usize) {
        if self.bar().is_some_and(|bar| place >= bar) {
            return;
        }
        self.bytes += size;
        self.events.insert(place, (event, size));
        while self.events.len() > self.max_events
            || (self.bytes > self.max_bytes && self.events.len() > 1)
        {
            let too_large = self.bytes > self.max_bytes;
            let Some((place, (_, size))) = self.events.pop_last() else {
                break;
            };
            self.bytes -= size;
            if too_large {
                self.cut = Some(place);
            }
        }
    }
}

/// What looking into one chunk found.
struct Found {
    events: Vec<(Place, Event, usize)>,
    damaged: bool,
}

pub(crate) fn events(
    main: &DbFile,
    index: &Index,
    query: &EventQuery,
    findings: &mut Findings,
) -> Result<Page, Error> {
    let started = Instant::now();
    let order = query.order;
    let asked = Asked::new(&query.filter, query.from, query.to, index.sealed);
    let after = query
        .after
        .map(|cursor| order.place(cursor.time, cursor.id));
    let limit = query.limit.clamp(1, MAX_LIMIT);
    let mut chunks = asked.chunks(index);
    chunks.retain(|chunk| after.is_none_or(|after| order.after(chunk) > after));
    chunks.sort_by_key(|chunk| order.before(chunk));

    let mut best = Best {
        events: BTreeMap::new(),
        bytes: 0,
        // One more than asked for tells whether there is a next page.
        max_events: limit + 1,
        max_bytes: query.budget.bytes,
        cut: None,
    };
    let mut out_of_time = None;
    let mut left = chunks.as_slice();
    // The first chunks usually have the page; where they have not, more are looked at together.
    let mut wave = 1;
    while let Some(next) = left.first() {
        let bar = best.bar();
        let next_place = order.before(next);
        if bar.is_some_and(|bar| next_place >= bar) {
            break;
        }
        // A page that is cut short must still bring its reader on.
        let brings_on = best
            .events
            .first_key_value()
            .is_some_and(|(place, _)| *place < next_place)
            || after.map_or(left.len() < chunks.len(), |after| next_place > after);
        if started.elapsed() > query.budget.time && brings_on {
            out_of_time = Some(next_place);
            break;
        }
        let together = left
            .iter()
            .take(wave)
            .take_while(|chunk| bar.is_none_or(|bar| order.before(chunk) < bar))
            .count();
        let (now, later) = left.split_at(together.max(1));
        left = later;
        wave = (wave * 2).min(32);
        let found = on_threads(now, |chunk| {
            search(main, chunk, &asked, order, after, bar, limit + 1)
        })?;
        for (chunk, found) in now.iter().zip(found) {
            if found.damaged {
                findings.damaged.push(chunk.ids().0);
            }
            for (place, event, size) in found.events {
                best.add(place, event, size);
            }
        }
    }
    Ok(page(best, order, limit, out_of_time))
}

fn page(mut best: Best, order: Order, limit: usize, out_of_time: Option<Place>) -> Page {
    let mut complete = best.cut.is_none();
    if let Some(certain) = out_of_time {
        // What comes after this may have something before it that was not looked at.
        best.events.retain(|place, _| *place <= certain);
        complete = best.events.len() > limit;
    }
    let more = best.events.len() > limit;
    let mut next = None;
    let mut events = Vec::with_capacity(best.events.len().min(limit));
    for (place, (event, _)) in best.events.into_iter().take(limit) {
        next = Some(place);
        events.push(event);
    }
    let next = if more || best.cut.is_some() {
        next
    } else {
        out_of_time
    };
    Page {
        events,
        next: next.map(|place| order.cursor(place)),
        complete: complete || more,
    }
}

/// Looks for events between `after` and `bar` in one chunk; the best `most` of them.
fn search(
    main: &DbFile,
    chunk: &Chunk,
    asked: &Asked<'_>,
    order: Order,
    after: Option<Place>,
    bar: Option<Place>,
    most: usize,
) -> Result<Found, Error> {
    let mut best: BTreeMap<Place, (Event, usize)> = BTreeMap::new();
    let looked = look(main, chunk, asked, false, |item| {
        let place = order.place(item.time, item.id);
        let beyond = |bar: Place| place >= bar;
        let full = best.len() >= most;
        if after.is_some_and(|after| place <= after)
            || bar.is_some_and(beyond)
            || (full
                && best
                    .last_key_value()
                    .is_some_and(|(worst, _)| beyond(*worst)))
            || !asked.filter.matches(item.record)
        {
            return Ok(());
        }
        if full {
            best.pop_last();
        }
        best.insert(place, item.event()?);
        Ok(())
    })?;
    let damaged = matches!(looked, Looked::Damaged);
    if damaged {
        best.clear();
    }
    let events = best
        .into_iter()
        .map(|(place, (event, size))| (place, event, size))
        .collect();
    Ok(Found { events, damaged })
}
