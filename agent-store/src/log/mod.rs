//! The log: where commits go first. A commit is one write and one sync.
//!
//! The log is a few files that are filled one after the other. They are made of zeros and used
//! again once all that they have is sealed, so that a commit changes no other page of the disk than
//! those of its own record. No record is written where an acknowledged one is that still counts.
//!
//! After a write or sync that failed nobody knows what is on the disk, and what the system shows
//! of the file need not be there. Such a file is abandoned: what is still needed of it goes, from
//! memory, into another file, whose header says that the abandoned one no longer counts. The last
//! file that an earlier process wrote is treated alike, as it may have failed unseen.

mod load;
mod place;
mod record;

use std::sync::Arc;

use hark_api::EventId;

pub(crate) use place::{Directory, Medium, Place};

use crate::hot::HotRow;
use crate::{Error, Reply};
use record::{Header, PAGE};

/// The size of a file, in bytes; one for a larger record is as large as that.
pub(crate) const FILE: u64 = 4 << 20;
/// The least that the files together may be, in bytes: one is filled while the other is sealed.
pub(crate) const LEAST: u64 = 2 * FILE;

/// The log.
#[derive(Debug)]
pub(crate) struct Log {
    place: Arc<dyn Place>,
    /// The size of files that are made.
    len: u64,
    files: Vec<LogFile>,
    /// The number of the next file that is made.
    next_number: u32,
    /// The last generation that was given.
    generation: u64,
    /// What is to be written: a page for a header, then records.
    buffer: Vec<u8>,
    /// Whether a file is being made for later.
    spare_ordered: bool,
    closed: bool,
}

/// A file of the log.
#[derive(Debug)]
struct LogFile {
    number: u32,
    medium: Box<dyn Medium>,
    len: u64,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing in it counts.
    Free,
    /// Records go into it, at `end`.
    Open {
        header: Header,
        end: u64,
        last: EventId,
    },
    /// It has records up to an id, and gets no more.
    Full {
        header: Header,
        end: u64,
        last: EventId,
    },
    /// Its records after `before` that still count must go into another file.
    Abandoned {
        generation: u64,
        before: EventId,
        fate: Fate,
    },
}

/// What becomes of an abandoned file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is used again.
    Reuse,
    /// A write failed: it is not touched again.
    Remove,
    /// It is damaged: kept for those who want to look into it.
    SetAside,
}

impl State {
    /// Whether the file can be begun anew once all up to an id is sealed.
    fn is_free(&self, sealed: EventId) -> bool {
        match self {
            Self::Free => true,
            Self::Open { last, .. } | Self::Full { last, .. } => *last <= sealed,
            Self::Abandoned { .. } => false,
        }
    }
}

/// A number that whoever sends events cannot know.
fn salt() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::hash::RandomState::new().build_hasher().finish()
}

fn failed(error: std::io::Error) -> Error {
    Error::io("writing events")(error)
}

impl Log {
    /// How many bytes of the log a commit takes at most.
    pub(crate) fn size(row: &HotRow, replies: &[Reply]) -> u64 {
        record::size(row, replies) as u64
    }

    /// Whether so many bytes can be written, where all up to `sealed` is sealed and the files
    /// together may have `bound` bytes.
    pub(crate) fn has_room(&self, size: u64, sealed: EventId, bound: u64) -> bool {
        if self.is_abandoned() || self.open_with_room(size).is_some() {
            return true;
        }
        let (mut all, mut needed) = (0, 0);
        for file in &self.files {
            if file.state.is_free(sealed) {
                if file.len >= size + PAGE as u64 {
                    return true;
                }
            } else {
                needed += file.len;
            }
            all += file.len;
        }
        // A record that is larger than a file must fit all the same once most else is sealed.
        let len = self.len_for(size);
        all + len <= bound || (len > self.len && needed <= bound / 2)
    }

    /// Whether the last file is being filled that there may be: sealing should make room.
    pub(crate) fn is_short(&self, sealed: EventId, bound: u64) -> bool {
        self.bytes() + self.len > bound && !self.has_next(sealed)
    }

    /// Whether there is a file to begin when the one that is being filled is full.
    fn has_next(&self, sealed: EventId) -> bool {
        let is_next = |file: &LogFile| {
            !matches!(file.state, State::Open { .. }) && file.state.is_free(sealed)
        };
        self.files.iter().any(is_next)
    }

    /// The size of a file that is made for so many bytes.
    fn len_for(&self, size: u64) -> u64 {
        (size + PAGE as u64).max(self.len)
    }

    fn open_with_room(&self, size: u64) -> Option<usize> {
        self.files.iter().position(
            |file| matches!(file.state, State::Open { end, .. } if end + size <= file.len),
        )
    }

    /// Writes a commit; when it returns `Ok`, it is on the disk. Otherwise the log needs
    /// [`Log::recover`] before the next one. All up to `sealed` is sealed.
    ///
    /// After [`Written::IntoANewFile`] it is time for a [`Log::spare`].
    pub(crate) fn append(
        &mut self,
        row: &HotRow,
        replies: &[Reply],
        sealed: EventId,
        bound: u64,
    ) -> Result<Written, Error> {
        if self.closed {
            return Err(Error::Closed);
        }
        let size = Self::size(row, replies);
        if let Some(at) = self.open_with_room(size)
            && let State::Open { header, end, .. } = self.files[at].state
        {
            self.buffer.clear();
            record::put(&mut self.buffer, &header, row, replies);
            let file = &mut self.files[at];
            let written = file.medium.write(end, &self.buffer);
            if let Err(error) = written.and_then(|()| file.medium.sync()) {
                file.abandon(&header);
                return Err(failed(error));
            }
            file.state = State::Open {
                header,
                end: end + self.buffer.len() as u64,
                last: row.last,
            };
            return Ok(Written::IntoTheOpenFile);
        }
        let at = self.pick(size, sealed, bound)?;
        let header = self.next_header(row.before);
        self.buffer.clear();
        self.buffer.extend_from_slice(&header.to_page());
        record::put(&mut self.buffer, &header, row, replies);
        self.close_open();
        // Header and record may reach the disk in any order: without the header, the file has what
        // is sealed; without the record, nothing.
        let file = &mut self.files[at];
        let written = file.medium.write(0, &self.buffer);
        if let Err(error) = written.and_then(|()| file.medium.sync()) {
            file.abandon(&header);
            return Err(failed(error));
        }
        file.state = State::Open {
            header,
            end: self.buffer.len() as u64,
            last: row.last,
        };
        Ok(Written::IntoANewFile)
    }

    /// A file for so many bytes, that can be begun anew.
    fn pick(&mut self, size: u64, sealed: EventId, bound: u64) -> Result<usize, Error> {
        let wanted = size + PAGE as u64;
        let files = self.files.iter().enumerate();
        let free = files.filter(|(_, file)| file.state.is_free(sealed) && file.len >= wanted);
        if let Some((at, _)) = free.min_by_key(|(_, file)| file.len) {
            return Ok(at);
        }
        let len = self.len_for(size);
        // Those that were made for large records give way.
        let mut all = self.bytes();
        let mut at = 0;
        while at < self.files.len() && all + len > bound {
            let file = &self.files[at];
            if file.state.is_free(sealed) && file.len > self.len {
                self.place.remove(file.number).map_err(failed)?;
                all -= file.len;
                self.files.remove(at);
            } else {
                at += 1;
            }
        }
        let number = self.take_number();
        let medium = self.place.create(number, len).map_err(failed)?;
        self.add(number, medium, len);
        Ok(self.files.len() - 1)
    }

    fn take_number(&mut self) -> u32 {
        self.next_number += 1;
        self.next_number - 1
    }

    fn add(&mut self, number: u32, medium: Box<dyn Medium>, len: u64) {
        self.files.push(LogFile {
            number,
            medium,
            len,
            state: State::Free,
        });
    }

    fn next_header(&mut self, before: EventId) -> Header {
        self.generation += 1;
        Header {
            generation: self.generation,
            salt: salt(),
            before,
            void_from: self.generation,
        }
    }

    fn close_open(&mut self) {
        for file in &mut self.files {
            if let State::Open { header, end, last } = file.state {
                file.state = State::Full { header, end, last };
            }
        }
    }

    /// Whether a file waits for what it has to go into another.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned().next().is_some()
    }

    fn abandoned(&self) -> impl Iterator<Item = (u64, EventId)> + '_ {
        self.files.iter().filter_map(|file| match file.state {
            State::Abandoned {
                generation, before, ..
            } => Some((generation, before)),
            _ => None,
        })
    }

    /// Writes what abandoned files had, and is not sealed, into another, and removes them. `rows`
    /// are all that are not sealed, in order; `replies` those that are to be written with a row.
    /// What was done stays done where it fails: the next call goes on from there.
    pub(crate) fn recover(
        &mut self,
        rows: &[Arc<HotRow>],
        replies: impl Fn(&HotRow) -> Vec<Reply>,
        sealed: EventId,
        bound: u64,
    ) -> Result<(), Error> {
        if self.closed {
            return Err(Error::Closed);
        }
        let Some(from) = self.abandoned().map(|(generation, _)| generation).min() else {
            return Ok(());
        };
        let before = self.abandoned().map(|(_, before)| before).min();
        let before = before.unwrap_or_default();
        let open = |file: &LogFile| matches!(file.state, State::Open { .. });
        if !self.files.iter().any(open) {
            let kept: Vec<_> = rows
                .iter()
                .filter(|row| row.first > before && row.last > sealed)
                .map(|row| (row, replies(row)))
                .collect();
            let size = kept.iter().map(|(row, replies)| Self::size(row, replies));
            let at = self.pick(size.sum(), sealed, bound)?;
            let header = Header {
                void_from: from,
                ..self.next_header(before)
            };
            self.buffer.clear();
            for (row, replies) in &kept {
                record::put(&mut self.buffer, &header, row, replies);
            }
            let file = &mut self.files[at];
            // The header last: with it, the abandoned files no longer count.
            let written = file
                .medium
                .write(PAGE as u64, &self.buffer)
                .and_then(|()| file.medium.sync())
                .and_then(|()| file.medium.write(0, &header.to_page()))
                .and_then(|()| file.medium.sync());
            if let Err(error) = written {
                file.abandon(&header);
                return Err(failed(error));
            }
            file.state = State::Open {
                header,
                end: (PAGE + self.buffer.len()) as u64,
                last: kept.last().map_or(before, |(row, _)| row.last),
            };
            // It may have been far larger than that of a commit.
            self.buffer = Vec::new();
        }
        self.clear_abandoned()
    }

    /// Makes sure that no abandoned file ever counts again.
    fn clear_abandoned(&mut self) -> Result<(), Error> {
        let mut at = 0;
        while at < self.files.len() {
            let file = &mut self.files[at];
            let State::Abandoned { fate, .. } = &mut file.state else {
                at += 1;
                continue;
            };
            match fate {
                Fate::Reuse => {
                    let cleared = file.medium.write(0, &[0; PAGE]);
                    if let Err(error) = cleared.and_then(|()| file.medium.sync()) {
                        *fate = Fate::Remove;
                        return Err(failed(error));
                    }
                    file.state = State::Free;
                    at += 1;
                }
                Fate::Remove => {
                    self.place.remove(file.number).map_err(failed)?;
                    self.files.remove(at);
                }
                Fate::SetAside => {
                    self.place.set_aside(file.number).map_err(failed)?;
                    self.files.remove(at);
                }
            }
        }
        Ok(())
    }

    /// What is needed to make a file for later, where there is none and none is being made. What
    /// comes of it is to be told: [`Log::take_spare`].
    pub(crate) fn spare(&mut self, sealed: EventId, bound: u64) -> Option<Spare> {
        // A commit may have to make one itself at the same time.
        let room = self.bytes() + 2 * self.len <= bound;
        let wanted = room && !self.has_next(sealed) && !self.spare_ordered;
        if !wanted || self.closed || self.is_abandoned() {
            return None;
        }
        self.spare_ordered = true;
        Some(Spare {
            place: Arc::clone(&self.place),
            number: self.take_number(),
            len: self.len,
        })
    }

    /// Takes over a file that was made while commits went on. Where that failed, the commit that
    /// needs it tries again.
    pub(crate) fn take_spare(&mut self, made: Result<Made, Error>) {
        self.spare_ordered = false;
        if let Ok(made) = made {
            self.add(made.number, made.medium, made.len);
        }
    }

    /// What all files take, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.len).sum()
    }

    /// Takes no more commits.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }
}

/// Where a commit was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    IntoTheOpenFile,
    IntoANewFile,
}

/// A file that is to be made.
#[derive(Debug)]
pub(crate) struct Spare {
    place: Arc<dyn Place>,
    number: u32,
    len: u64,
}

/// A file that was made.
#[derive(Debug)]
pub(crate) struct Made {
    number: u32,
    len: u64,
    medium: Box<dyn Medium>,
}

impl Spare {
    pub(crate) fn make(&self) -> Result<Made, Error> {
        let medium = self.place.create(self.number, self.len);
        Ok(Made {
            number: self.number,
            len: self.len,
            medium: medium.map_err(Error::io("making a file of the log"))?,
        })
    }
}

impl LogFile {
    /// A write to it failed.
    fn abandon(&mut self, header: &Header) {
        self.state = State::Abandoned {
            generation: header.generation,
            before: header.before,
            fate: Fate::Remove,
        };
    }
}

/// What the fuzz target calls.
#[cfg(fuzzing)]
pub(crate) fn read_all(bytes: &[u8]) {
    record::read_all(bytes);
}
