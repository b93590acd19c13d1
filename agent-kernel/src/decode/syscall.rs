//! System calls that matter to the host's safety.

use hark_api::Process;
use hark_ebpf::{Credentials, SyscallRecord};

use super::{Malformed, read, text};
use crate::event::{BpfLoad, Data, Identity, Module, Mount, Privilege, Ptrace};
use crate::table::Table;

fn identity(credentials: Credentials) -> Identity {
    let Credentials {
        uid,
        gid,
        euid,
        egid,
    } = credentials;
    Identity {
        uid,
        gid,
        euid,
        egid,
    }
}

pub(super) fn decode(
    bytes: &[u8],
    table: &mut Table,
) -> Result<(Option<Process>, Data), Malformed> {
    let record: SyscallRecord = read(bytes)?;
    let error = i32::try_from(-record.result.min(0)).map_err(|_| Malformed)?;
    let mount = |call, source: Option<&[u8]>, target: &[u8], fs_type: Option<&[u8]>, flags| {
        let [source, fs_type] = [source, fs_type].map(|t| t.map(text));
        Data::Mount(Mount {
            call,
            source,
            target: text(target),
            fs_type,
            flags,
            error,
        })
    };
    let module = |call, name| Data::Module(Module { call, name, error });
    let privilege = |call| {
        let (before, after) = (identity(record.before), identity(record.after));
        Data::Privilege(Privilege {
            call,
            before,
            after,
            error,
        })
    };
    let [_, second, _, fourth] = record.arguments;
    let data = match i64::from(record.number) {
        libc::SYS_setuid => privilege("setuid"),
        libc::SYS_setgid => privilege("setgid"),
        libc::SYS_setreuid => privilege("setreuid"),
        libc::SYS_setregid => privilege("setregid"),
        libc::SYS_setresuid => privilege("setresuid"),
        libc::SYS_setresgid => privilege("setresgid"),
        libc::SYS_ptrace => Data::Ptrace(Ptrace {
            target: second as u32,
            error,
        }),
        libc::SYS_mount => mount(
            "mount",
            Some(&record.first),
            &record.second,
            Some(&record.third),
            fourth,
        ),
        libc::SYS_umount2 => mount("umount", None, &record.first, None, second),
        // Its texts: from_pathname is the second argument, to_pathname the fourth, which is not told.
        libc::SYS_move_mount => mount("move_mount", Some(&record.second), b"", None, 0),
        libc::SYS_bpf => Data::BpfLoad(BpfLoad { error }),
        libc::SYS_init_module => module("init_module", None),
        libc::SYS_finit_module => module("finit_module", None),
        libc::SYS_delete_module => module("delete_module", Some(text(&record.first))),
        _ => return Err(Malformed),
    };
    Ok((Some(table.describe(&record.header.task)), data))
}
