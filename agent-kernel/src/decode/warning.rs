//! What should not happen, or only where it is known.

use hark_api::Process;
use hark_ebpf::{
    CapabilityRecord, FILE_CHANGE, FILE_DELETE, FILE_READ, FILE_RENAME, FILE_WRITE, FileRecord,
    FsErrorRecord, HangRecord, LineRecord,
};

use super::{Malformed, read, text};
use crate::event::{
    CapabilityDenied, Data, FileAccess, FileOperation, FsError, HungThread, KernelLine,
};
use crate::latency;
use crate::table::Table;

type Told = Result<(Option<Process>, Data), Malformed>;

pub(super) fn line(bytes: &[u8]) -> Told {
    let record: LineRecord = read(bytes)?;
    let text = text(&record.text).trim_end().to_owned();
    Ok((None, Data::KernelLine(KernelLine { text })))
}

/// Names of capabilities without `CAP_`, by number, as in `linux/capability.h`.
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

pub(super) fn capability(bytes: &[u8], table: &mut Table) -> Told {
    let record: CapabilityRecord = read(bytes)?;
    let capability = match CAPABILITIES.get(record.capability as usize) {
        Some(name) => format!("CAP_{name}"),
        None => format!("capability {}", record.capability),
    };
    Ok((
        Some(table.describe(&record.header.task)),
        Data::CapabilityDenied(CapabilityDenied { capability }),
    ))
}

pub(super) fn fs_error(bytes: &[u8], table: &mut Table) -> Told {
    let record: FsErrorRecord = read(bytes)?;
    Ok((
        Some(table.describe(&record.header.task)),
        Data::FsError(FsError {
            device: latency::device(record.device >> 20, record.device & 0xf_ffff),
            function: text(&record.function),
            line: record.line,
        }),
    ))
}

pub(super) fn hang(bytes: &[u8], table: &mut Table) -> Told {
    let record: HangRecord = read(bytes)?;
    let tid = record.thread;
    // The thread need not be its process's first: /proc knows.
    let pid = crate::procfs::process_of(tid).unwrap_or(tid);
    Ok((table.find(pid), Data::HungThread(HungThread { tid })))
}

pub(super) fn file(bytes: &[u8], table: &mut Table) -> Told {
    let record: FileRecord = read(bytes)?;
    let operation = match record.operation {
        FILE_READ => FileOperation::Read,
        FILE_WRITE => FileOperation::Write,
        FILE_DELETE => FileOperation::Delete,
        FILE_RENAME => FileOperation::Rename,
        FILE_CHANGE => FileOperation::Change,
        _ => return Err(Malformed),
    };
    let data = Data::FileAccess(FileAccess {
        operation,
        path: text(&record.path),
        flags: record.flags,
        error: i32::try_from(-record.result.clamp(-4095, 0)).map_err(|_| Malformed)?,
    });
    Ok((Some(table.describe(&record.header.task)), data))
}
