//! Who listens to which workload.

use hark_kernel::Feature;

use super::workload::Workload;

/// Another program that listens.
pub(super) struct Peer {
    pub(super) name: &'static str,
    /// Program and arguments.
    pub(super) command: &'static [&'static str],
    /// What its lines have in them that tell of an event, or that it listens now.
    pub(super) marker: &'static str,
    /// Whether it tells each event.
    pub(super) tells: bool,
}

const fn tells(name: &'static str, command: &'static [&'static str], marker: &'static str) -> Peer {
    Peer {
        name,
        command,
        marker,
        tells: true,
    }
}

/// A bpftrace program that counts; it says `ready` as it begins.
const fn counts(name: &'static str, command: &'static [&'static str]) -> Peer {
    Peer {
        name,
        command,
        marker: "ready",
        tells: false,
    }
}

/// Features by default, without those that have no programs.
const DEFAULT: &[Feature] = &[
    Feature::Process,
    Feature::Signal,
    Feature::Oom,
    Feature::Tcp,
    Feature::Audit,
    Feature::BlockLatency,
    Feature::RunqueueLatency,
    Feature::KernelLog,
    Feature::Capability,
    Feature::FsError,
    Feature::Hang,
    Feature::File,
    Feature::Dns,
    Feature::Reclaim,
    Feature::OffCpu,
    Feature::Udp,
];

/// As [`DEFAULT`], without those on tracepoints of system calls.
const WITHOUT_CALLS: &[Feature] = &[
    Feature::Process,
    Feature::Signal,
    Feature::Oom,
    Feature::Tcp,
    Feature::BlockLatency,
    Feature::RunqueueLatency,
    Feature::KernelLog,
    Feature::Capability,
    Feature::FsError,
    Feature::Hang,
    Feature::Dns,
    Feature::Reclaim,
    Feature::OffCpu,
    Feature::Udp,
];

/// hark with these features.
pub(super) const fn of_hark(workload: Workload) -> &'static [(&'static str, &'static [Feature])] {
    match workload {
        Workload::Calls => &[
            ("hark: all features by default", DEFAULT),
            ("hark: all but `audit` and `file`", WITHOUT_CALLS),
            ("hark: `audit`", &[Feature::Audit]),
            ("hark: `file`", &[Feature::File]),
            ("hark: `syscall_error`", &[Feature::SyscallError]),
        ],
        Workload::Opens => &[
            ("hark: all features by default", DEFAULT),
            ("hark: all but `audit` and `file`", WITHOUT_CALLS),
            ("hark: `file`", &[Feature::File]),
        ],
        Workload::Packets => &[
            ("hark: all features by default", DEFAULT),
            ("hark: `dns`", &[Feature::Dns]),
        ],
        Workload::Switches => &[
            ("hark: all features by default", DEFAULT),
            ("hark: `runqueue_latency`", &[Feature::RunqueueLatency]),
            ("hark: `off_cpu`", &[Feature::OffCpu]),
        ],
        Workload::Signals => &[("hark", &[Feature::Signal])],
        Workload::Connections => &[("hark", &[Feature::Tcp])],
        Workload::Executions => &[("hark", &[Feature::Process])],
    }
}

/// Counts what each command opens.
fn counts_opens() -> Peer {
    counts(
        "bpftrace 'count' on sys_enter_openat",
        &[
            "bpftrace",
            "-e",
            "BEGIN { printf(\"ready\\n\") } tracepoint:syscalls:sys_enter_openat \
             { @[comm] = count() }",
        ],
    )
}

/// The others.
pub(super) fn others(workload: Workload) -> Vec<Peer> {
    match workload {
        Workload::Calls => vec![
            counts(
                "bpftrace 'count' on raw_syscalls:sys_exit",
                &[
                    "bpftrace",
                    "-e",
                    "BEGIN { printf(\"ready\\n\") } tracepoint:raw_syscalls:sys_exit \
                     /args->ret < 0/ { @[comm, args->id] = count() }",
                ],
            ),
            counts_opens(),
            Peer {
                name: "syscount -x (libbpf-tools)",
                command: &["syscount", "-x", "-i", "1"],
                marker: "Tracing",
                tells: false,
            },
            tells(
                "perf trace -e getppid",
                &["perf", "trace", "-a", "-e", "getppid"],
                "getppid",
            ),
        ],
        Workload::Opens => vec![
            counts_opens(),
            tells("opensnoop (libbpf-tools)", &["opensnoop"], "/dev/null"),
            tells(
                "perf trace -e openat",
                &["perf", "trace", "-a", "-e", "openat"],
                "/dev/null",
            ),
        ],
        Workload::Packets => vec![counts(
            "bpftrace 'count' on net_dev_queue, netif_receive_skb",
            &[
                "bpftrace",
                "-e",
                "BEGIN { printf(\"ready\\n\") } tracepoint:net:net_dev_queue { @out = count() } \
                 tracepoint:net:netif_receive_skb { @in = count() }",
            ],
        )],
        Workload::Switches => vec![
            counts(
                "bpftrace 'count' on sched_switch",
                &[
                    "bpftrace",
                    "-e",
                    "BEGIN { printf(\"ready\\n\") } tracepoint:sched:sched_switch { @ = count() }",
                ],
            ),
            Peer {
                name: "runqlat (libbpf-tools)",
                command: &["runqlat", "1"],
                marker: "Tracing",
                tells: false,
            },
        ],
        Workload::Signals => vec![
            tells(
                "bpftrace 'printf' on signal_generate",
                &[
                    "bpftrace",
                    "-e",
                    "tracepoint:signal:signal_generate { printf(\"%d %s %d %d %d\\n\", pid, comm, \
                     args->sig, args->pid, args->result) }",
                ],
                " 18 ",
            ),
            tells("sigsnoop (libbpf-tools)", &["sigsnoop", "-s", "18"], " 18 "),
            tells(
                "perf trace -e signal:signal_generate",
                &["perf", "trace", "-a", "-e", "signal:signal_generate"],
                "sig: 18",
            ),
        ],
        Workload::Connections => vec![
            tells(
                "bpftrace 'printf' on inet_sock_set_state",
                &[
                    "bpftrace",
                    "-e",
                    "tracepoint:sock:inet_sock_set_state /args->oldstate == 2 && args->newstate == 1/ \
                     { printf(\"%d %s %d %d up\\n\", pid, comm, args->sport, args->dport) }",
                ],
                " up",
            ),
            tells(
                "tcpstates (libbpf-tools)",
                &["tcpstates"],
                "SYN_SENT    -> ESTABLISHED",
            ),
            tells(
                "perf trace -e sock:inet_sock_set_state",
                &["perf", "trace", "-a", "-e", "sock:inet_sock_set_state"],
                "oldstate: 2, newstate: 1,",
            ),
        ],
        Workload::Executions => vec![
            tells(
                "bpftrace 'printf' on sched_process_exec",
                &[
                    "bpftrace",
                    "-e",
                    "tracepoint:sched:sched_process_exec { printf(\"%d %s %s\\n\", pid, comm, \
                     str(args->filename)) }",
                ],
                "/bin/true",
            ),
            tells("execsnoop (libbpf-tools)", &["execsnoop"], "/bin/true"),
            tells(
                "perf trace -e sched:sched_process_exec",
                &["perf", "trace", "-a", "-e", "sched:sched_process_exec"],
                "/bin/true",
            ),
        ],
    }
}
