//! Events as lines of JSON, out of the store and into it.

use std::io::{self, BufRead, Write};

use hark_api::{Event, EventId};

use crate::{Error, EventQuery, Order, Store};

/// Events that are read at a time.
const ROWS: usize = 1024;
/// Events that one commit of an import stores.
const BATCH: usize = 1000;
/// The refused lines of an import that are named; further ones are counted.
const MAX_NAMED: usize = 100;
/// The longest line of an import, in bytes: more than the largest event takes.
const MAX_LINE: usize = 16 << 20;

/// What [`Store::import`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Events stored.
    pub stored: u64,
    /// Lines that are no events.
    pub refused: u64,
    /// The first of those: line, from 1, and what is wrong with it.
    pub reasons: Vec<(u64, String)>,
}

impl Imported {
    fn refuse(&mut self, line: u64, reason: String) {
        self.refused += 1;
        if self.reasons.len() < MAX_NAMED {
            self.reasons.push((line, reason));
        }
    }
}

impl Store {
    /// Writes events as lines of JSON, in order of id; of the query the order, the cursor and the
    /// limit are not looked at. How many.
    ///
    /// # Errors
    /// What the databases and the writer refuse.
    pub fn export(&self, query: &EventQuery, out: &mut dyn Write) -> Result<u64, Error> {
        let what = "writing the export";
        let mut query = EventQuery {
            order: Order::Arrival,
            after: None,
            limit: ROWS,
            ..query.clone()
        };
        let mut count = 0;
        loop {
            let page = self.events(&query)?;
            for event in &page.events {
                serde_json::to_writer(&mut *out, event)
                    .map_err(|error| Error::io(what)(error.into()))?;
                out.write_all(b"\n").map_err(Error::io(what))?;
                count += 1;
            }
            let Some(next) = page.next else {
                out.flush().map_err(Error::io(what))?;
                return Ok(count);
            };
            query.after = Some(next);
        }
    }

    /// Stores events from lines of JSON, as [`Store::export`] writes them, under new ids. Lines
    /// that are no events are refused one by one; empty ones are passed over.
    ///
    /// # Errors
    /// What the reader and the databases refuse; what was stored before stays.
    pub fn import(&self, lines: &mut dyn BufRead) -> Result<Imported, Error> {
        let mut imported = Imported::default();
        let mut batch: Vec<Event> = Vec::with_capacity(BATCH);
        let mut line = Vec::new();
        for number in 1.. {
            let Some(whole) =
                next_line(lines, &mut line).map_err(Error::io("reading the import"))?
            else {
                break;
            };
            if !whole {
                imported.refuse(number, format!("is longer than {} MiB", MAX_LINE >> 20));
                continue;
            }
            let text = line.trim_ascii();
            if text.is_empty() {
                continue;
            }
            match serde_json::from_slice::<Event>(text) {
                Ok(event) => match event.foreign() {
                    // What this version cannot store it must not seem to have stored.
                    Some(reason) => imported.refuse(number, reason),
                    None => batch.push(event),
                },
                Err(error) => {
                    // serde_json sees one line only.
                    let reason = error.to_string().replace("line 1 column", "column");
                    imported.refuse(number, reason);
                }
            }
            if batch.len() == BATCH {
                imported.stored += self.import_batch(&mut batch)?;
            }
        }
        imported.stored += self.import_batch(&mut batch)?;
        Ok(imported)
    }

    fn import_batch(&self, batch: &mut Vec<Event>) -> Result<u64, Error> {
        for (id, event) in (self.next_event_id().0..).zip(batch.iter_mut()) {
            event.id = EventId(id);
        }
        self.commit(batch)?;
        let count = batch.len() as u64;
        batch.clear();
        Ok(count)
    }
}

/// Reads the next line, without its end; `false` where it is too long, and then passed over; `None`
/// at the end.
fn next_line(lines: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    line.clear();
    let (mut any, mut whole) = (false, true);
    loop {
        let chunk = lines.fill_buf()?;
        if chunk.is_empty() {
            return Ok(any.then_some(whole));
        }
        any = true;
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        if line.len() + part.len() > MAX_LINE {
            whole = false;
            line.clear();
        } else if whole {
            line.extend_from_slice(part);
        }
        let used = part.len() + usize::from(end.is_some());
        lines.consume(used);
        if end.is_some() {
            return Ok(Some(whole));
        }
    }
}
