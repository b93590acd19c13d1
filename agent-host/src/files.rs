//! Open files of the whole host, from /proc/sys/fs/file-nr (`proc_sys_fs(5)`).

use crate::Metric;
use crate::scan::{next, words};
use crate::table::{Family, Table, gauge};

static FAMILIES: [Family; 2] = [
    gauge(
        "node_filefd_allocated",
        "File descriptor statistics: allocated.",
    ),
    gauge(
        "node_filefd_maximum",
        "File descriptor statistics: maximum.",
    ),
];

/// Open files of the whole host.
#[derive(Debug)]
pub(crate) struct OpenFiles(Table);

impl OpenFiles {
    pub(crate) fn new() -> Self {
        Self(Table::new(&FAMILIES, &[], 1))
    }

    /// Reads `allocated unused maximum`.
    pub(crate) fn update(&mut self, file_nr: &[u8]) {
        let mut words = words(file_nr);
        let (allocated, _unused, maximum) = (next(&mut words), next(&mut words), next(&mut words));
        if let (Some(row), Some(allocated), Some(maximum)) = (self.0.row(&[]), allocated, maximum) {
            row.set(0, allocated as f64, None);
            row.set(1, maximum as f64, None);
        }
    }

    pub(crate) fn emit(&mut self, out: &mut Vec<Metric>) {
        self.0.emit(out);
    }
}
