//! The kernel programs' own diagnostics, as events of `tracing`.

use log::{Log, Metadata, Record};

/// Takes what aya-log reads from the programs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Diagnostics;

impl Log for Diagnostics {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true // the programs have what is wanted compiled in
    }

    fn log(&self, record: &Record<'_>) {
        let (message, file, line) = (record.args(), record.file(), record.line());
        match record.level() {
            log::Level::Error => tracing::error!(target: "hark_ebpf", file, line, "{message}"),
            log::Level::Warn => tracing::warn!(target: "hark_ebpf", file, line, "{message}"),
            log::Level::Info => tracing::info!(target: "hark_ebpf", file, line, "{message}"),
            log::Level::Debug => tracing::debug!(target: "hark_ebpf", file, line, "{message}"),
            log::Level::Trace => tracing::trace!(target: "hark_ebpf", file, line, "{message}"),
        }
    }

    fn flush(&self) {}
}
