//! The bytes of a log file: a header, then records, each at a multiple of a page.
//!
//! All checksums are seeded with a number that is drawn anew whenever a file begins anew. So what
//! is left of its earlier use is never taken for a record, whatever senders wrote into it.

use hark_api::{EventId, Timestamp};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::Reply;
use crate::hot::HotRow;
use crate::wire::{Malformed, Put, Read, Take};

/// Everything begins at a multiple of this, so that no write touches what an earlier one left.
pub(super) const PAGE: usize = 4096;
/// The form of the files that this version writes, and the only one that it reads.
pub(super) const VERSION: u32 = 1;

const FILE_MAGIC: [u8; 4] = *b"hlog";
const RECORD_MAGIC: [u8; 4] = *b"hrec";
/// Bytes of a file's header that count; the rest of its page is zero.
const FILE_HEADER: usize = 48;
/// Bytes of a record before its payload.
const RECORD_HEADER: usize = 32;

/// How a file begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Ascends by one with every beginning of a file; no two have the same.
    pub(super) generation: u64,
    /// The seed of all checksums of the records.
    pub(super) salt: u64,
    /// The last id before the first record.
    pub(super) before: EventId,
    /// Files from this generation to before this one do not count: what they had that was still
    /// needed is in this file. This file's own generation where all count.
    pub(super) void_from: u64,
}

/// What the first page of a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// Nothing: the file was never used, or is not in use.
    Unused,
    /// The file has records.
    Used(Header),
    /// A later version of hark wrote it.
    Later(u32),
    /// It is not what was written.
    Damaged,
}

impl Header {
    /// The header's page.
    pub(super) fn to_page(self) -> [u8; PAGE] {
        let mut bytes = Vec::with_capacity(FILE_HEADER);
        bytes.put_slice(&FILE_MAGIC);
        bytes.put_slice(&VERSION.to_le_bytes());
        for number in [self.generation, self.salt, self.before.0, self.void_from] {
            bytes.put_slice(&number.to_le_bytes());
        }
        let sum = xxh3_64_with_seed(&bytes, 0);
        bytes.put_slice(&sum.to_le_bytes());
        let mut page = [0; PAGE];
        page[..bytes.len()].copy_from_slice(&bytes);
        page
    }
}

/// Looks at the first page of a file.
pub(super) fn first_page(bytes: &[u8]) -> First {
    let page = bytes.get(..PAGE).unwrap_or(bytes);
    if page.iter().all(|byte| *byte == 0) {
        return First::Unused;
    }
    match header(page) {
        Ok((VERSION, header)) => First::Used(header),
        Ok((later, _)) if later > VERSION => First::Later(later),
        _ => First::Damaged,
    }
}

fn header(page: &[u8]) -> Read<(u32, Header)> {
    let mut take = Take(page);
    if take.array()? != FILE_MAGIC {
        return Err(Malformed("no log file"));
    }
    let version = u32::from_le_bytes(take.array()?);
    let mut number = || take.array().map(u64::from_le_bytes);
    let header = Header {
        generation: number()?,
        salt: number()?,
        before: EventId(number()?),
        void_from: number()?,
    };
    let sum = number()?;
    // Later versions keep this much, so that what they wrote is not taken for damage.
    let own = page.get(..FILE_HEADER - 8).unwrap_or_default();
    if xxh3_64_with_seed(own, 0) != sum {
        return Err(Malformed("its checksum is wrong"));
    }
    Ok((version, header))
}

/// What one commit left.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) row: HotRow,
    pub(super) replies: Vec<Reply>,
}

/// Appends a record, up to the next page.
pub(super) fn put(out: &mut Vec<u8>, header: &Header, row: &HotRow, replies: &[Reply]) {
    let start = out.len();
    out.put_slice(&[0; RECORD_HEADER]);
    out.put_varint(row.bytes().len() as u64);
    out.put_slice(row.bytes());
    out.put_varint(replies.len() as u64);
    for reply in replies {
        out.put_text(&reply.key);
        out.put_signed(reply.time.as_nanos());
        out.put_varint(reply.body.len() as u64);
        out.put_slice(&reply.body);
    }
    let len = out.len() - start - RECORD_HEADER;
    let numbers = &mut out[start + 8..start + RECORD_HEADER];
    numbers[..4].copy_from_slice(&RECORD_MAGIC);
    numbers[4..8].copy_from_slice(&(len as u32).to_le_bytes());
    numbers[8..16].copy_from_slice(&header.generation.to_le_bytes());
    numbers[16..24].copy_from_slice(&row.before.0.to_le_bytes());
    let sum = xxh3_64_with_seed(&out[start + 8..], header.salt);
    out[start..start + 8].copy_from_slice(&sum.to_le_bytes());
    out.resize(start + (out.len() - start).next_multiple_of(PAGE), 0);
}

/// The most that [`put`] appends, in bytes.
pub(super) fn size(row: &HotRow, replies: &[Reply]) -> usize {
    // Ten bytes hold any varint.
    let replies: usize = replies
        .iter()
        .map(|reply| reply.key.len() + reply.body.len() + 30)
        .sum();
    (RECORD_HEADER + 20 + row.bytes().len() + replies).next_multiple_of(PAGE)
}

/// Reads the records of a file, in order, past those that are damaged. Ends at the last one that
/// is whole: what follows was being written when the power went. Also where the next would begin.
pub(super) fn read(bytes: &[u8], header: &Header) -> (Vec<Record>, usize) {
    let (mut records, mut end) = (Vec::new(), PAGE);
    let mut at = PAGE;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        match take(rest, header) {
            Ok((record, len)) => {
                records.push(record);
                at += len.next_multiple_of(PAGE);
                end = at;
            }
            // Perhaps not the end: a later record shows that there was one here.
            Err(_) => at += PAGE,
        }
    }
    (records, end)
}

/// The record at the beginning of the bytes, and how long it is.
fn take(bytes: &[u8], header: &Header) -> Read<(Record, usize)> {
    let mut take = Take(bytes);
    let sum = u64::from_le_bytes(take.array()?);
    if take.array()? != RECORD_MAGIC {
        return Err(Malformed("no record"));
    }
    let len = u32::from_le_bytes(take.array()?) as usize;
    if u64::from_le_bytes(take.array()?) != header.generation {
        return Err(Malformed("a record of another time"));
    }
    let before = EventId(u64::from_le_bytes(take.array()?));
    let mut payload = Take(take.slice(len)?);
    let summed = bytes.get(8..RECORD_HEADER + len).unwrap_or_default();
    if xxh3_64_with_seed(summed, header.salt) != sum {
        return Err(Malformed("its checksum is wrong"));
    }
    let row_len = payload.len()?;
    let mut row = HotRow::decode(payload.slice(row_len)?)?;
    row.before = before;
    let count = payload.len()?;
    let mut replies = Vec::new();
    for _ in 0..count {
        let key = payload.text()?.to_owned();
        let time = Timestamp::from_nanos(payload.signed()?);
        let body_len = payload.len()?;
        let body = payload.slice(body_len)?.to_vec();
        replies.push(Reply { key, time, body });
    }
    payload.end()?;
    Ok((Record { row, replies }, RECORD_HEADER + len))
}

/// Reads bytes as a log file.
#[cfg(fuzzing)]
pub(super) fn read_all(bytes: &[u8]) {
    let header = match first_page(bytes) {
        First::Used(header) => header,
        // Past the header's checksum, which no mutation gets right.
        _ => Header {
            generation: 1,
            salt: 0,
            before: EventId(0),
            void_from: 1,
        },
    };
    let (records, end) = read(bytes, &header);
    assert!(end <= bytes.len().next_multiple_of(PAGE).max(PAGE));
    for record in records {
        for row in record.row.rows().flatten() {
            let _ = row.to_event();
        }
    }
}

#[cfg(test)]
mod tests {
    use hark_api::Event;
    use proptest::prelude::*;

    use super::*;
    use crate::samples;

    const HEADER: Header = Header {
        generation: 7,
        salt: 0x1234_5678_9abc_def0,
        before: EventId(3),
        void_from: 5,
    };

    /// Commits of some events each, with their replies.
    fn commits() -> impl Strategy<Value = Vec<(Vec<Event>, Vec<Reply>)>> {
        let reply =
            (any::<String>(), any::<i64>(), any::<Vec<u8>>()).prop_map(|(key, time, body)| {
                let time = Timestamp::from_nanos(time);
                Reply { key, time, body }
            });
        let commit = (samples::events(1..20), prop::collection::vec(reply, 0..3));
        prop::collection::vec(commit, 1..6).prop_map(|mut commits| {
            let events = commits.iter_mut().flat_map(|(events, _)| events);
            for (id, event) in (HEADER.before.0 + 1..).zip(events) {
                event.id = EventId(id);
            }
            commits
        })
    }

    /// A file with these commits, and where each record begins and its checksummed bytes end.
    fn file(commits: &[(Vec<Event>, Vec<Reply>)]) -> (Vec<u8>, Vec<(usize, usize)>) {
        let mut bytes = HEADER.to_page().to_vec();
        let mut places = Vec::new();
        let mut before = HEADER.before;
        for (events, replies) in commits {
            let mut row = HotRow::encode(events).expect("events");
            row.before = before;
            before = row.last;
            let start = bytes.len();
            put(&mut bytes, &HEADER, &row, replies);
            assert!(bytes.len() - start <= size(&row, replies));
            let len = u32::from_le_bytes(bytes[start + 12..start + 16].try_into().expect("four"));
            places.push((start, start + RECORD_HEADER + len as usize));
        }
        (bytes, places)
    }

    fn same(records: &[Record], commits: &[(Vec<Event>, Vec<Reply>)]) -> bool {
        let found = records.iter().map(|record| {
            let events: Vec<_> = record
                .row
                .rows()
                .map(|row| row.and_then(crate::row::Row::to_event).expect("an event"))
                .collect();
            (events, record.replies.clone())
        });
        found.eq(commits.iter().cloned())
    }

    proptest! {
        #[test]
        fn records_round_trip_and_zeros_or_older_records_end_them(commits in commits()) {
            let (mut bytes, _) = file(&commits);
            prop_assert_eq!(first_page(&bytes), First::Used(HEADER));
            let end = bytes.len();
            let older = bytes[PAGE..].to_vec();
            bytes.resize(end + 3 * PAGE, 0);
            let (records, found_end) = read(&bytes, &HEADER);
            prop_assert!(same(&records, &commits));
            prop_assert_eq!(found_end, end);
            // The same records, of an earlier use of the file.
            let new = Header { generation: 8, salt: 99, ..HEADER };
            let mut bytes = new.to_page().to_vec();
            bytes.extend_from_slice(&older);
            prop_assert!(read(&bytes, &new).0.is_empty());
            // Not even one that says that it is of this use: it cannot know the seed.
            let forger = Header { salt: HEADER.salt, ..new };
            let mut row = HotRow::encode(&commits[0].0).expect("events");
            row.before = HEADER.before;
            put(&mut bytes, &forger, &row, &[]);
            prop_assert!(read(&bytes, &new).0.is_empty());
        }

        #[test]
        fn a_torn_end_is_ended_at(commits in commits(), cut: prop::sample::Index) {
            let (bytes, places) = file(&commits);
            let cut = cut.index(bytes.len());
            let whole = places.iter().filter(|(_, end)| *end <= cut).count();
            let mut torn = bytes[..cut].to_vec();
            torn.resize(bytes.len(), 0);
            if first_page(&torn) == First::Used(HEADER) {
                let (records, _) = read(&torn, &HEADER);
                prop_assert!(records.len() >= whole, "{} of {}", records.len(), whole);
                prop_assert!(same(&records, &commits[..records.len()]));
            } else {
                prop_assert!(cut < FILE_HEADER);
            }
        }

        #[test]
        fn a_changed_byte_takes_its_record_only(
            commits in commits(), which: prop::sample::Index, at: prop::sample::Index, bit in 0..8,
        ) {
            let (mut bytes, places) = file(&commits);
            let which = which.index(places.len());
            let (start, end) = places[which];
            bytes[start + at.index(end - start)] ^= 1u8 << bit;
            let (records, _) = read(&bytes, &HEADER);
            let mut left = commits.clone();
            left.remove(which);
            prop_assert!(same(&records, &left));
        }

        #[test]
        fn a_changed_header_is_noticed(at in 0..FILE_HEADER, bit in 0..8) {
            let mut page = HEADER.to_page();
            page[at] ^= 1u8 << bit;
            prop_assert_eq!(first_page(&page), First::Damaged);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        for len in [0, 1, 31, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE] {
            let bytes = vec![0xff; len];
            assert!(read(&bytes, &HEADER).0.is_empty());
        }
        assert_eq!(first_page(&[]), First::Unused);
        assert_eq!(first_page(&[0; PAGE]), First::Unused);
    }
}
