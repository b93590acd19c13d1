//! Block devices, from /proc/diskstats:
//! <https://docs.kernel.org/admin-guide/iostats.html>.

use std::path::Path;

use hark_api::vitals::Disk;

use crate::Metric;
use crate::scan::{lines, next, words};
use crate::table::{Family, Table, counter, gauge, text};

/// In the order of the file's columns.
static FAMILIES: [Family; 17] = [
    counter(
        "node_disk_reads_completed_total",
        "The total number of reads completed successfully.",
    ),
    counter(
        "node_disk_reads_merged_total",
        "The total number of reads merged.",
    ),
    counter(
        "node_disk_read_bytes_total",
        "The total number of bytes read successfully.",
    ),
    counter(
        "node_disk_read_time_seconds_total",
        "The total number of seconds spent by all reads.",
    ),
    counter(
        "node_disk_writes_completed_total",
        "The total number of writes completed successfully.",
    ),
    counter(
        "node_disk_writes_merged_total",
        "The number of writes merged.",
    ),
    counter(
        "node_disk_written_bytes_total",
        "The total number of bytes written successfully.",
    ),
    counter(
        "node_disk_write_time_seconds_total",
        "This is the total number of seconds spent by all writes.",
    ),
    gauge(
        "node_disk_io_now",
        "The number of I/Os currently in progress.",
    ),
    counter(
        "node_disk_io_time_seconds_total",
        "Total seconds spent doing I/Os.",
    ),
    counter(
        "node_disk_io_time_weighted_seconds_total",
        "The weighted # of seconds spent doing I/Os.",
    ),
    counter(
        "node_disk_discards_completed_total",
        "The total number of discards completed successfully.",
    ),
    counter(
        "node_disk_discards_merged_total",
        "The total number of discards merged.",
    ),
    counter(
        "node_disk_discarded_sectors_total",
        "The total number of sectors discarded successfully.",
    ),
    counter(
        "node_disk_discard_time_seconds_total",
        "This is the total number of seconds spent by all discards.",
    ),
    counter(
        "node_disk_flush_requests_total",
        "The total number of flush requests completed successfully.",
    ),
    counter(
        "node_disk_flush_requests_time_seconds_total",
        "This is the total number of seconds spent by all flush requests.",
    ),
];

/// What one unit of a column is worth: sectors are always 512 bytes here, times are milliseconds.
const UNITS: [f64; 17] = [
    1.0, 1.0, 512.0, 1e-3, 1.0, 1.0, 512.0, 1e-3, 1.0, 1e-3, 1e-3, 1.0, 1.0, 1.0, 1e-3, 1.0, 1e-3,
];

/// Block devices.
#[derive(Debug)]
pub(crate) struct Disks {
    table: Table,
    /// Whether a device is a whole one, asked once: (name, whole).
    known: Vec<(Vec<u8>, bool)>,
    limit: usize,
}

impl Disks {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            table: Table::new(&FAMILIES, &["device"], limit),
            known: Vec::new(),
            limit,
        }
    }

    /// Reads /proc/diskstats; `sys` tells disks from partitions.
    pub(crate) fn update(&mut self, sys: &Path, file: &[u8], interval: Option<f64>) -> Vec<Disk> {
        let mut disks = Vec::new();
        for line in lines(file) {
            let mut words = words(line);
            let (Some(_major), Some(_minor)) = (next(&mut words), next(&mut words)) else {
                continue;
            };
            let Some(name) = words.next() else {
                continue;
            };
            if !self.is_whole(sys, name) {
                continue;
            }
            let device = text(name);
            let Some(row) = self.table.row(&[&device]) else {
                continue;
            };
            let mut rates = [0.0; 17];
            let mut in_flight = 0.0;
            for (column, word) in words.take(FAMILIES.len()).enumerate() {
                let Some(value) = crate::scan::number(word) else {
                    break;
                };
                let value = value as f64 * UNITS[column];
                in_flight = if column == 8 { value } else { in_flight };
                rates[column] = row.set(column, value, interval).unwrap_or(0.0);
            }
            // Mean time of a request is Little's law turned: seconds spent over requests done.
            let mean = |seconds: f64, done: f64| if done > 0.0 { seconds / done } else { 0.0 };
            disks.push(Disk {
                device: device.into_owned(),
                reads: rates[0],
                writes: rates[4],
                read_bytes: rates[2],
                write_bytes: rates[6],
                read_latency: mean(rates[3], rates[0]),
                write_latency: mean(rates[7], rates[4]),
                busy: rates[9].min(1.0),
                queue: if interval.is_some() {
                    rates[10]
                } else {
                    in_flight
                },
            });
        }
        disks
    }

    /// Whether the name is of a device with storage of its own: no partition (those are not in
    /// /sys/block), and none of the kinds that `node_exporter` leaves out.
    fn is_whole(&mut self, sys: &Path, name: &[u8]) -> bool {
        let numbered = |prefix: &[u8]| {
            name.strip_prefix(prefix)
                .is_some_and(|rest| crate::scan::number(rest).is_some())
        };
        if [b"loop".as_slice(), b"ram", b"zram", b"fd", b"sr"]
            .into_iter()
            .any(numbered)
        {
            return false;
        }
        if let Some((_, whole)) = self.known.iter().find(|(known, _)| known == name) {
            return *whole;
        }
        let block = sys.join("block");
        let whole = match block.try_exists() {
            // The kernel writes `/` in names of devices as `!` here.
            Ok(true) => block.join(text(name).replace('/', "!")).exists(),
            _ => true,
        };
        // Partitions outnumber disks; a table of names that only grows is started anew.
        if self.known.len() >= self.limit.saturating_mul(16) {
            self.known.clear();
        }
        self.known.push((name.to_owned(), whole));
        whole
    }

    pub(crate) fn emit(&mut self, out: &mut Vec<Metric>) -> u64 {
        self.table.emit(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn disks_have_rates_and_partitions_are_left_out() {
        let sys = tempfile::tempdir().expect("tempdir");
        std::fs::create_dir_all(sys.path().join("block/sda")).expect("mkdir");
        let mut disks = Disks::new(8);
        let first = "8 0 sda 100 0 1000 500 10 0 80 100 0 300 600\n8 1 sda1 1 1 1 1 1 1 1 1 1 1 1\n7 0 loop0 0 0 0\n";
        let seen = disks.update(sys.path(), first.as_bytes(), None);
        assert_eq!(seen.len(), 1);
        disks.emit(&mut Vec::new());
        let later = "8 0 sda 110 0 3000 520 20 0 180 150 3 1300 2600\n";
        let seen = disks.update(sys.path(), later.as_bytes(), Some(2.0));
        let disk = &seen[0];
        assert_eq!((disk.reads, disk.writes), (5.0, 5.0));
        assert_eq!((disk.read_bytes, disk.write_bytes), (512_000.0, 25_600.0));
        assert!(
            (disk.read_latency - 0.002).abs() < 1e-9 && (disk.write_latency - 0.005).abs() < 1e-9
        );
        assert!((disk.busy - 0.5).abs() < 1e-9 && (disk.queue - 1.0).abs() < 1e-9);
        let mut out = Vec::new();
        disks.emit(&mut out);
        // Eleven columns were there, so no more are told.
        assert_eq!(out.len(), 11);
        assert_eq!(
            out[2].key.as_str(),
            r#"node_disk_read_bytes_total{device="sda"}"#
        );
        assert_eq!((out[2].value, out[2].rate), (1_536_000.0, Some(512_000.0)));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in any::<Vec<u8>>(), lines in "([0-9]+ [0-9]+ [a-z!]+[0-9]* [0-9 ]*\n)*") {
            let mut disks = Disks::new(2);
            for text in [text.as_slice(), lines.as_bytes()] {
                disks.update(Path::new("/nonexistent"), text, Some(1.0));
                disks.emit(&mut Vec::new());
            }
        }
    }
}
