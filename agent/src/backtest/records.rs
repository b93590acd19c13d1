//! Reads CSV (RFC 4180) record by record, in bounded memory.

use std::io::{BufRead, Read as _};

/// Bytes of one record at most.
const MAX_RECORD: u64 = 1 << 20;

/// The text is no CSV, or a record is too long.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoRecord {
    #[error("the record has more than {MAX_RECORD} bytes")]
    TooLong,
    #[error("is not valid UTF-8")]
    NotText,
    #[error("a quoted cell has no end")]
    Open,
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
}

/// One record; reused, so that reading allocates nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// The line in which it begins, from 1.
    pub(super) line: usize,
    text: String,
    ends: Vec<usize>,
}

impl Record {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn cell(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |i| self.ends[i]);
        self.text.get(start..end).map(str::trim_ascii)
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|i| self.cell(i))
    }

    fn end_cell(&mut self) {
        self.ends.push(self.text.len());
    }
}

/// Reads records one after the other; empty lines are none.
pub(super) struct Records<R> {
    reader: R,
    line: usize,
    raw: Vec<u8>,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            line: 0,
            raw: Vec::new(),
        }
    }

    /// The line that was read last, from 1.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// Reads the next record; false at the end.
    pub(super) fn next(&mut self, record: &mut Record) -> Result<bool, NoRecord> {
        self.raw.clear();
        loop {
            if !self.read_line()? {
                return Ok(false);
            }
            if !self.raw.trim_ascii().is_empty() {
                break;
            }
            self.raw.clear();
        }
        record.line = self.line;
        // A quote that is not closed spans lines.
        while memchr::memchr_iter(b'"', &self.raw).count() % 2 == 1 {
            if !self.read_line()? {
                return Err(NoRecord::Open);
            }
        }
        record.text.clear();
        record.ends.clear();
        let text = std::str::from_utf8(&self.raw).map_err(|_| NoRecord::NotText)?;
        let text = text.trim_end_matches(['\n', '\r']);
        if text.contains('"') {
            split_quoted(text, record);
        } else {
            for cell in text.split(',') {
                record.text.push_str(cell);
                record.end_cell();
            }
        }
        Ok(true)
    }

    fn read_line(&mut self) -> Result<bool, NoRecord> {
        let left = MAX_RECORD.saturating_sub(self.raw.len() as u64) + 1;
        let read = (&mut self.reader)
            .take(left)
            .read_until(b'\n', &mut self.raw)?;
        if self.raw.len() as u64 > MAX_RECORD {
            return Err(NoRecord::TooLong);
        }
        self.line += usize::from(read > 0);
        Ok(read > 0)
    }
}

fn split_quoted(text: &str, record: &mut Record) {
    let mut inside = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if inside && characters.peek() == Some(&'"') => {
                characters.next();
                record.text.push('"');
            }
            '"' => inside = !inside,
            ',' if !inside => record.end_cell(),
            _ => record.text.push(character),
        }
    }
    record.end_cell();
}

/// A cell as RFC 4180 wants it.
pub(super) fn quoted(cell: &str) -> std::borrow::Cow<'_, str> {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\"")).into()
    } else {
        cell.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_commas_and_lines_inside_cells_are_kept() {
        let text = "a,b\n\n1,\"x, \"\"y\"\"\nz\"\r\n2,";
        let mut records = Records::new(text.as_bytes());
        let mut record = Record::default();
        let mut all = Vec::new();
        while records.next(&mut record).expect("reads") {
            let cells: Vec<String> = record.cells().map(str::to_owned).collect();
            all.push((record.line, cells));
        }
        let expected = [
            (1, vec!["a", "b"]),
            (3, vec!["1", "x, \"y\"\nz"]),
            (5, vec!["2", ""]),
        ];
        for (got, (line, cells)) in all.iter().zip(expected) {
            assert_eq!((got.0, got.1.len()), (line, cells.len()));
            assert!(got.1.iter().eq(&cells), "{got:?}");
        }
        assert_eq!(all.len(), 3);
        assert_eq!(quoted("x, \"y\""), "\"x, \"\"y\"\"\"");
    }

    #[test]
    fn a_record_without_an_end_is_refused_before_it_fills_the_memory() {
        let mut record = Record::default();
        let endless = std::io::BufReader::new(std::io::repeat(b'7'));
        let refused = Records::new(endless).next(&mut record);
        assert!(matches!(refused, Err(NoRecord::TooLong)), "{refused:?}");
        let open = Records::new("a,\"b\n".as_bytes()).next(&mut record);
        assert!(matches!(open, Err(NoRecord::Open)), "{open:?}");
    }
}
