//! The kernel programs: which feature each serves, and what it hangs on.

use crate::Feature;

/// What a program hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    /// A BTF tracepoint, by name.
    Btf(&'static str),
    /// A classic tracepoint, by category and name.
    Classic(&'static str, &'static str),
    /// The beginning of each of these system calls that the kernel has.
    Enter(&'static [&'static [&'static str]]),
    /// Their end.
    Exit(&'static [&'static [&'static str]]),
    /// The software event of `perf_event_open(2)` that comes as a major fault is done, on each CPU
    /// that is online.
    MajorFault,
}

/// System calls that change who a process is.
const PRIVILEGE: &[&str] = &[
    "setuid",
    "setgid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
];
/// Others that the host's safety depends on. A kernel may lack some: those of modules, for one.
const SAFETY: &[&str] = &[
    "ptrace",
    "mount",
    "umount",
    "move_mount",
    "bpf",
    "init_module",
    "finit_module",
    "delete_module",
];

/// Those that open, remove and rename files.
const FILES: &[&str] = &[
    "open",
    "openat",
    "openat2",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
];
/// Those that change a file that their first argument names.
const CHANGE: &[&str] = &["truncate", "chmod", "chown", "creat"];
/// Those that change a file that their second argument names.
const CHANGE_AT: &[&str] = &["fchmodat", "fchmodat2", "fchownat"];

/// A program in the object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    /// Its function.
    pub(crate) name: &'static str,
    /// The feature that it serves.
    pub(crate) feature: Feature,
    /// What it hangs on.
    pub(crate) hook: Hook,
    /// Whether the feature is off without it.
    pub(crate) required: bool,
}

const fn program(feature: Feature, name: &'static str, hook: Hook) -> Program {
    Program {
        name,
        feature,
        hook,
        required: true,
    }
}

/// One whose feature has its use without it.
const fn optional(feature: Feature, name: &'static str, hook: Hook) -> Program {
    Program {
        required: false,
        ..program(feature, name, hook)
    }
}

/// A program of the feature `file`, for calls that some architectures or kernels do not have.
const fn old_call(name: &'static str, calls: &'static [&'static [&'static str]]) -> Program {
    optional(Feature::File, name, Hook::Enter(calls))
}

/// All programs.
pub(crate) const PROGRAMS: &[Program] = &[
    program(
        Feature::Process,
        "process_exec",
        Hook::Btf("sched_process_exec"),
    ),
    program(
        Feature::Process,
        "process_fork",
        Hook::Btf("sched_process_fork"),
    ),
    program(
        Feature::Process,
        "process_exit",
        Hook::Btf("sched_process_exit"),
    ),
    // Paths of control groups are found in /proc without it, if later.
    optional(Feature::Process, "cgroup_mkdir", Hook::Btf("cgroup_mkdir")),
    // Before the next one, whose event it adds to.
    optional(Feature::Signal, "fault_place", Hook::Btf("signal_generate")),
    program(
        Feature::Signal,
        "signal_generate",
        Hook::Btf("signal_generate"),
    ),
    program(
        Feature::Oom,
        "oom_kill",
        Hook::Classic("oom", "mark_victim"),
    ),
    program(Feature::Tcp, "tcp_state", Hook::Btf("inet_sock_set_state")),
    program(
        Feature::Tcp,
        "tcp_retransmit",
        Hook::Btf("tcp_retransmit_skb"),
    ),
    program(
        Feature::Tcp,
        "tcp_reset_received",
        Hook::Btf("tcp_receive_reset"),
    ),
    program(Feature::Tcp, "tcp_reset_sent", Hook::Btf("tcp_send_reset")),
    program(
        Feature::Audit,
        "syscall_enter",
        Hook::Enter(&[PRIVILEGE, SAFETY]),
    ),
    program(Feature::Audit, "privilege_exit", Hook::Exit(&[PRIVILEGE])),
    program(Feature::Audit, "syscall_exit", Hook::Exit(&[SAFETY])),
    program(
        Feature::BlockLatency,
        "block_issue",
        Hook::Btf("block_rq_issue"),
    ),
    program(
        Feature::BlockLatency,
        "block_complete",
        Hook::Btf("block_rq_complete"),
    ),
    program(
        Feature::RunqueueLatency,
        "runqueue_wakeup",
        Hook::Btf("sched_wakeup"),
    ),
    program(
        Feature::RunqueueLatency,
        "runqueue_wakeup_new",
        Hook::Btf("sched_wakeup_new"),
    ),
    program(
        Feature::RunqueueLatency,
        "runqueue_switch",
        Hook::Btf("sched_switch"),
    ),
    program(
        Feature::KernelLog,
        "kernel_line",
        Hook::Classic("printk", "console"),
    ),
    program(
        Feature::Capability,
        "capability_denied",
        Hook::Classic("capability", "cap_capable"),
    ),
    program(
        Feature::FsError,
        "fs_error",
        Hook::Classic("ext4", "ext4_error"),
    ),
    program(
        Feature::Hang,
        "task_hung",
        Hook::Classic("sched", "sched_process_hang"),
    ),
    program(Feature::Dns, "dns_asked", Hook::Btf("net_dev_queue")),
    program(Feature::Dns, "dns_answered", Hook::Btf("netif_receive_skb")),
    program(
        Feature::Reclaim,
        "reclaim_begin",
        Hook::Btf("mm_vmscan_direct_reclaim_begin"),
    ),
    program(
        Feature::Reclaim,
        "reclaim_end",
        Hook::Btf("mm_vmscan_direct_reclaim_end"),
    ),
    optional(
        Feature::Reclaim,
        "reclaim_group_begin",
        Hook::Btf("mm_vmscan_memcg_reclaim_begin"),
    ),
    optional(
        Feature::Reclaim,
        "reclaim_group_end",
        Hook::Btf("mm_vmscan_memcg_reclaim_end"),
    ),
    program(Feature::OffCpu, "off_cpu_switch", Hook::Btf("sched_switch")),
    // Where perf_event_open(2) is not permitted, pages of memory are told as other waits are.
    optional(Feature::OffCpu, "fault_done", Hook::MajorFault),
    program(
        Feature::Udp,
        "udp_dropped",
        Hook::Btf("udp_fail_queue_rcv_skb"),
    ),
    // Needs Linux 5.14.
    optional(
        Feature::Udp,
        "udp_refused",
        Hook::Btf("inet_sk_error_report"),
    ),
    program(
        Feature::SyscallError,
        "syscall_failed",
        Hook::Btf("sys_exit"),
    ),
    old_call("file_open", &[&["open"]]),
    program(Feature::File, "file_openat", Hook::Enter(&[&["openat"]])),
    old_call("file_openat2", &[&["openat2"]]),
    old_call("file_unlink", &[&["unlink"]]),
    program(
        Feature::File,
        "file_unlinkat",
        Hook::Enter(&[&["unlinkat"]]),
    ),
    old_call("file_rename", &[&["rename"]]),
    program(
        Feature::File,
        "file_renameat",
        Hook::Enter(&[&["renameat", "renameat2"]]),
    ),
    old_call("file_change", &[CHANGE]),
    program(Feature::File, "file_changeat", Hook::Enter(&[CHANGE_AT])),
    program(
        Feature::File,
        "file_exit",
        Hook::Exit(&[FILES, CHANGE, CHANGE_AT]),
    ),
];

impl std::fmt::Display for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Btf(name) => write!(f, "tp_btf {name}"),
            Self::Classic(category, name) => write!(f, "tracepoint {category}:{name}"),
            Self::MajorFault => f.write_str("software event page-faults-maj"),
            Self::Enter(calls) | Self::Exit(calls) => {
                let when = if matches!(self, Self::Enter(_)) {
                    "enter"
                } else {
                    "exit"
                };
                write!(
                    f,
                    "tracepoint syscalls:sys_{when}_{{{}}}",
                    calls.concat().join(",")
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_have_programs_of_their_own_where_they_say_so() {
        for feature in Feature::ALL {
            let has = PROGRAMS.iter().any(|p| p.feature == *feature && p.required);
            assert_eq!(has, feature.has_programs(), "{feature}");
        }
    }
}
