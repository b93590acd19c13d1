//! The metrics of one subject: families by rows of label values, with their last values.
//!
//! Keys are made when a row is first seen, so that a reading allocates next to nothing. Rows that are
//! not seen again are dropped with their history: a device that comes back starts anew.

use std::borrow::Cow;

use hark_api::{MetricType, SeriesKey};

use crate::Metric;

/// A metric's name and meaning, for all its series.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) kind: MetricType,
    pub(crate) help: &'static str,
}

pub(crate) const fn counter(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: MetricType::Counter,
        help,
    }
}

pub(crate) const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: MetricType::Gauge,
        help,
    }
}

/// One series: its value now, and before.
#[derive(Debug)]
pub(crate) struct Cell {
    key: SeriesKey,
    kind: MetricType,
    help: &'static str,
    last: Option<f64>,
    now: Option<f64>,
    rate: Option<f64>,
}

impl Cell {
    pub(crate) fn new(key: SeriesKey, kind: MetricType, help: &'static str) -> Self {
        Self {
            key,
            kind,
            help,
            last: None,
            now: None,
            rate: None,
        }
    }

    /// Sets the value; `interval` is the time in seconds since the last one. Gives the rate a second
    /// of a counter that has grown, or stood, since.
    pub(crate) fn set(&mut self, value: f64, interval: Option<f64>) -> Option<f64> {
        self.now = Some(value);
        self.rate = match (self.kind, self.last, interval) {
            (MetricType::Counter, Some(last), Some(interval)) => rate(last, value, interval),
            _ => None,
        };
        self.rate
    }

    /// Sets a value whose rate is known from elsewhere.
    pub(crate) fn put(&mut self, value: f64, rate: Option<f64>) {
        self.now = Some(value);
        self.rate = rate.filter(|_| self.kind == MetricType::Counter);
    }

    /// Hands the value out and keeps it for the next reading.
    pub(crate) fn emit(&mut self, out: &mut Vec<Metric>) {
        self.last = self.now.take();
        if let Some(value) = self.last {
            out.push(Metric {
                key: self.key.clone(),
                kind: self.kind,
                help: self.help,
                value,
                rate: self.rate.take(),
            });
        }
    }
}

/// Growth a second; `None` for a counter that ran backwards, as after a reset.
pub(crate) fn rate(last: f64, now: f64, interval: f64) -> Option<f64> {
    (interval > 0.0 && now >= last).then(|| (now - last) / interval)
}

/// Families by rows of label values.
#[derive(Debug)]
pub(crate) struct Table {
    families: &'static [Family],
    labels: &'static [&'static str],
    limit: usize,
    rows: Vec<Row>,
    /// Where the next row is likely to be: the kernel lists things in one order.
    next: usize,
    omitted: u64,
}

/// The series of one device, in the order of the families.
#[derive(Debug)]
pub(crate) struct Row {
    values: Vec<String>,
    seen: bool,
    cells: Vec<Cell>,
}

impl Row {
    /// As [`Cell::set`], for the family of that number.
    pub(crate) fn set(&mut self, family: usize, value: f64, interval: Option<f64>) -> Option<f64> {
        self.cells.get_mut(family)?.set(value, interval)
    }

    /// As [`Cell::put`], for the family of that number.
    pub(crate) fn put(&mut self, family: usize, value: f64, rate: Option<f64>) {
        if let Some(cell) = self.cells.get_mut(family) {
            cell.put(value, rate);
        }
    }
}

impl Table {
    /// A table that holds at most `limit` rows.
    pub(crate) fn new(
        families: &'static [Family],
        labels: &'static [&'static str],
        limit: usize,
    ) -> Self {
        Self {
            families,
            labels,
            limit,
            rows: Vec::new(),
            next: 0,
            omitted: 0,
        }
    }

    /// The row of these label values; `None` where the table is full, which is counted.
    pub(crate) fn row(&mut self, values: &[&str]) -> Option<&mut Row> {
        let same = |row: &Row| row.values.iter().eq(values.iter());
        let place = if self.rows.get(self.next).is_some_and(same) {
            Some(self.next)
        } else {
            self.rows.iter().position(same)
        };
        let place = match place {
            Some(place) => place,
            // Rows that are not seen this time leave only at the end, so the table may pass its
            // limit by what is leaving.
            None if self.rows.iter().filter(|row| row.seen).count() < self.limit => {
                self.rows.push(self.new_row(values));
                self.rows.len() - 1
            }
            None => {
                self.omitted += 1;
                return None;
            }
        };
        self.next = place + 1;
        let row = self.rows.get_mut(place)?;
        row.seen = true;
        Some(row)
    }

    fn new_row(&self, values: &[&str]) -> Row {
        let labels: Vec<_> = self
            .labels
            .iter()
            .copied()
            .zip(values.iter().copied())
            .collect();
        Row {
            values: values.iter().map(|v| (*v).to_owned()).collect(),
            seen: false,
            cells: self
                .families
                .iter()
                .map(|f| Cell::new(SeriesKey::with_labels(f.name, &labels), f.kind, f.help))
                .collect(),
        }
    }

    /// Hands all values out, family by family, and drops the rows that were not seen. Gives the
    /// number of rows that had no place.
    pub(crate) fn emit(&mut self, out: &mut Vec<Metric>) -> u64 {
        self.rows.retain(|row| row.seen);
        for family in 0..self.families.len() {
            for row in &mut self.rows {
                if let Some(cell) = row.cells.get_mut(family) {
                    cell.emit(out);
                }
            }
        }
        for row in &mut self.rows {
            row.seen = false;
        }
        self.next = 0;
        std::mem::take(&mut self.omitted)
    }
}

/// Series whose names come from the kernel, as in /proc/meminfo: one each, without labels.
#[derive(Debug)]
pub(crate) struct List {
    limit: usize,
    /// By the kernel's name.
    cells: Vec<(Vec<u8>, Cell)>,
    next: usize,
}

impl List {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            cells: Vec::new(),
            next: 0,
        }
    }

    /// Sets the value of the series of this name (in two parts, for files with sections), which is
    /// made where it is new. Gives the rate, as [`Cell::set`].
    pub(crate) fn set(
        &mut self,
        name: (&[u8], &[u8]),
        value: f64,
        interval: Option<f64>,
        make: impl FnOnce() -> Cell,
    ) -> Option<f64> {
        let same = |key: &[u8]| {
            key.len() == name.0.len() + name.1.len()
                && key.starts_with(name.0)
                && key.ends_with(name.1)
        };
        let place = if self.cells.get(self.next).is_some_and(|(key, _)| same(key)) {
            self.next
        } else if let Some(place) = self.cells.iter().position(|(key, _)| same(key)) {
            place
        } else if self.cells.len() < self.limit {
            self.cells.push(([name.0, name.1].concat(), make()));
            self.cells.len() - 1
        } else {
            return None;
        };
        self.next = place + 1;
        self.cells.get_mut(place)?.1.set(value, interval)
    }

    /// Hands all values out.
    pub(crate) fn emit(&mut self, out: &mut Vec<Metric>) {
        for (_, cell) in &mut self.cells {
            cell.emit(out);
        }
        self.next = 0;
    }
}

/// A name from the kernel as text: names of interfaces and mounts may hold any bytes.
pub(crate) fn text(name: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    static FAMILIES: [Family; 2] = [counter("c_total", "C."), gauge("g", "G.")];

    fn table() -> Table {
        Table::new(&FAMILIES, &["device"], 2)
    }

    fn reading(table: &mut Table, rows: &[(&str, f64)]) -> (Vec<Metric>, u64) {
        for (name, value) in rows {
            if let Some(row) = table.row(&[name]) {
                row.set(0, *value, Some(2.0));
                row.set(1, *value, Some(2.0));
            }
        }
        let mut out = Vec::new();
        let omitted = table.emit(&mut out);
        (out, omitted)
    }

    #[test]
    fn counters_have_rates_from_the_second_reading_and_none_after_a_reset() {
        let mut table = table();
        let rates = |(out, _): (Vec<Metric>, u64)| out.iter().map(|m| m.rate).collect::<Vec<_>>();
        assert_eq!(rates(reading(&mut table, &[("a", 10.0)])), [None, None]);
        assert_eq!(
            rates(reading(&mut table, &[("a", 14.0)])),
            [Some(2.0), None]
        );
        assert_eq!(rates(reading(&mut table, &[("a", 1.0)])), [None, None]);
        assert_eq!(rates(reading(&mut table, &[("a", 3.0)])), [Some(1.0), None]);
        // Gone, then back: a new device of the old name has no past.
        assert!(rates(reading(&mut table, &[])).is_empty());
        assert_eq!(rates(reading(&mut table, &[("a", 9.0)])), [None, None]);
    }

    #[test]
    fn series_of_one_name_stand_together_in_any_order_of_rows() {
        let mut table = table();
        reading(&mut table, &[("a", 1.0), ("b", 2.0)]);
        let (out, omitted) = reading(&mut table, &[("b", 3.0), ("a", 1.0)]);
        let keys: Vec<_> = out.iter().map(|m| m.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                r#"c_total{device="a"}"#,
                r#"c_total{device="b"}"#,
                r#"g{device="a"}"#,
                r#"g{device="b"}"#
            ]
        );
        assert_eq!(out[1].rate, Some(0.5));
        assert_eq!(omitted, 0);
    }

    #[test]
    fn a_full_table_counts_what_it_omits_and_makes_room_again() {
        let mut table = table();
        let (out, omitted) = reading(
            &mut table,
            &[("a", 1.0), ("b", 1.0), ("c", 1.0), ("d", 1.0)],
        );
        assert_eq!((out.len(), omitted), (4, 2));
        let (out, omitted) = reading(&mut table, &[("c", 1.0), ("d", 1.0)]);
        assert_eq!((out.len(), omitted), (4, 0));
        assert!(out.iter().all(|m| m.key.as_str().contains(['c', 'd'])));
    }
}
