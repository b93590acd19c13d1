//! Reading a log: when the store opens, and when it is checked.

use std::sync::Arc;

use hark_api::EventId;

use super::record::{self, First, Header, PAGE, Record};
use super::{Fate, Log, LogFile, Medium, Place, State};
use crate::hot::HotRow;
use crate::{Error, Reply};

/// What a log has that is not sealed.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// Commits, in order.
    pub(crate) rows: Vec<HotRow>,
    /// Their replies, by the last id of the commit.
    pub(crate) replies: Vec<(EventId, Vec<Reply>)>,
    /// The last id that was given.
    pub(crate) last: EventId,
    /// What is damaged, in words.
    pub(crate) damaged: Vec<String>,
}

const WHAT: &str = "reading the log";

/// A file whose header is good.
struct Known {
    number: u32,
    medium: Box<dyn Medium>,
    len: u64,
    header: Header,
}

impl Log {
    /// Opens the log of a directory, and reads what is in it beyond `sealed`. Files that it makes
    /// have `len` bytes. It needs [`Log::recover`] before the first commit.
    pub(crate) fn open(
        place: Arc<dyn Place>,
        len: u64,
        sealed: EventId,
    ) -> Result<(Self, Loaded), Error> {
        let mut numbers = place.list().map_err(Error::io(WHAT))?;
        numbers.sort_unstable();
        let mut log = Self {
            len,
            files: Vec::new(),
            next_number: numbers.last().map_or(1, |last| last + 1),
            generation: 0,
            buffer: Vec::new(),
            spare_ordered: false,
            closed: false,
            place,
        };
        let mut loaded = Loaded::default();
        let mut known = Vec::new();
        for number in numbers {
            let medium = log.place.open(number).map_err(Error::io(WHAT))?;
            let len = medium.len().map_err(Error::io(WHAT))?;
            let page = medium.read(PAGE as u64).map_err(Error::io(WHAT))?;
            match record::first_page(&page) {
                First::Unused => log.add(number, medium, len),
                First::Used(header) => known.push(Known {
                    number,
                    medium,
                    len,
                    header,
                }),
                First::Later(found) => {
                    let known = record::VERSION;
                    return Err(Error::Format { found, known });
                }
                First::Damaged => {
                    loaded.damaged.push(format!(
                        "the beginning of file {number} of the log: what it had is unreadable"
                    ));
                    log.place.set_aside(number).map_err(Error::io(WHAT))?;
                }
            }
        }
        known.sort_by_key(|file| file.header.generation);
        if let Some(newest) = known.last().map(|file| file.header) {
            log.generation = newest.generation;
            log.read_files(known, newest, sealed, &mut loaded)?;
        }
        Ok((log, loaded))
    }

    fn read_files(
        &mut self,
        known: Vec<Known>,
        newest: Header,
        sealed: EventId,
        loaded: &mut Loaded,
    ) -> Result<(), Error> {
        let counts = |header: &Header| {
            header.generation >= newest.generation || header.generation < newest.void_from
        };
        // The last id of a file is the one before the next file's first.
        let befores: Vec<_> = known
            .iter()
            .map(|file| file.header)
            .filter(counts)
            .map(|header| header.before)
            .skip(1)
            .collect();
        let mut befores = befores.into_iter();
        // The last id of what is sealed or was read.
        let mut seen = sealed;
        // From a damaged file on, all goes into a new one.
        let mut abandon = false;
        for file in known {
            let header = file.header;
            let mut fate = Fate::Reuse;
            let state = if !counts(&header) {
                None
            } else if let Some(last) = befores.next().filter(|last| *last <= sealed) {
                let end = PAGE as u64;
                Some(State::Full { header, end, last })
            } else {
                let bytes = file.medium.read(file.len).map_err(Error::io(WHAT))?;
                let (records, end) = record::read(&bytes, &header);
                loaded.last = loaded.last.max(header.before);
                let missing = chain(&header, &records, &mut seen);
                if !missing.is_empty() {
                    fate = Fate::SetAside;
                    loaded.damaged.extend(missing);
                }
                let last = records.last().map_or(header.before, |r| r.row.last);
                loaded.take(records, sealed);
                let end = end as u64;
                Some(State::Full { header, end, last })
            };
            abandon |= fate == Fate::SetAside || header.generation == newest.generation;
            let state = match state {
                Some(state) if !abandon => state,
                _ => State::Abandoned {
                    generation: header.generation,
                    before: header.before,
                    fate,
                },
            };
            self.files.push(LogFile {
                number: file.number,
                medium: file.medium,
                len: file.len,
                state,
            });
        }
        loaded.last = loaded.last.max(newest.before);
        Ok(())
    }

    /// Reads what is not sealed again. In words, what is not as it was written.
    pub(crate) fn check(&self, sealed: EventId) -> Result<Vec<String>, Error> {
        let mut files: Vec<_> = self
            .files
            .iter()
            .filter_map(|file| match file.state {
                State::Open { header, end, last } | State::Full { header, end, last }
                    if last > sealed =>
                {
                    Some((file, header, end, last))
                }
                _ => None,
            })
            .collect();
        files.sort_by_key(|(_, header, ..)| header.generation);
        let mut damaged = Vec::new();
        let mut seen = sealed;
        for (file, header, end, last) in files {
            let bytes = file.medium.read(end).map_err(Error::io(WHAT))?;
            if record::first_page(&bytes) != First::Used(header) {
                damaged.push(format!("the beginning of file {} of the log", file.number));
            }
            let (records, _) = record::read(&bytes, &header);
            damaged.extend(chain(&header, &records, &mut seen));
            if seen < last {
                damaged.push(missing(seen, last));
                seen = last;
            }
        }
        Ok(damaged)
    }
}

/// Follows the ids through a file. In words, what is missing between them.
fn chain(header: &Header, records: &[Record], seen: &mut EventId) -> Vec<String> {
    let befores = records
        .iter()
        .map(|record| (record.row.before, record.row.last));
    let mut gaps = Vec::new();
    for (before, last) in std::iter::once((header.before, header.before)).chain(befores) {
        if before > *seen {
            gaps.push(missing(*seen, before));
        }
        *seen = last.max(*seen);
    }
    gaps
}

fn missing(after: EventId, last: EventId) -> String {
    format!("the log: events {} to {last} are unreadable", after.0 + 1)
}

impl Loaded {
    fn take(&mut self, records: Vec<Record>, sealed: EventId) {
        for Record { row, replies } in records {
            self.last = self.last.max(row.last);
            if row.last > sealed {
                if !replies.is_empty() {
                    self.replies.push((row.last, replies));
                }
                self.rows.push(row);
            }
        }
    }
}
