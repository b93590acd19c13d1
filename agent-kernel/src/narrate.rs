//! Kernel events in the words that all sources share: kind, level, a line for people, fields.

use hark_api::{Event, EventId, Fields, Kind, Level, Source, Timestamp, Verdict};
use rustix::io::Errno;

mod audit;
mod fault;
mod network;
mod stall;
mod storm;
mod warning;

use crate::event::{
    BlockError, ConnectOutcome, Data, Exec, ExitStatus, KernelEvent, OomKill, Signal, SignalResult,
    TcpConnect,
};

impl KernelEvent {
    /// What kind of event it is.
    pub fn kind(&self) -> Kind {
        match self.data {
            Data::Exec(_) => Kind::Exec,
            Data::Fork(_) => Kind::Fork,
            Data::Exit(_) => Kind::Exit,
            Data::Signal(_) => Kind::Signal,
            Data::OomKill(_) => Kind::OomKill,
            Data::TcpConnect(_) => Kind::TcpConnect,
            Data::TcpAccept(_) => Kind::TcpAccept,
            Data::TcpClose(_) => Kind::TcpClose,
            Data::TcpReset(_) => Kind::TcpReset,
            Data::TcpRetransmit(_) => Kind::TcpRetransmit,
            Data::Privilege(_) => Kind::Privilege,
            Data::Ptrace(_) => Kind::Ptrace,
            Data::Mount(_) => Kind::Mount,
            Data::BpfLoad(_) => Kind::BpfLoad,
            Data::Module(_) => Kind::Module,
            Data::BlockError(_) => Kind::BlockError,
            Data::Withheld(_) => Kind::Withheld,
            Data::KernelLine(_) => Kind::KernelLog,
            Data::CapabilityDenied(_) => Kind::Capability,
            Data::FsError(_) => Kind::FsError,
            Data::HungThread(_) => Kind::HungTask,
            Data::FileAccess(_) => Kind::File,
            Data::Reclaim(_)
            | Data::PressureStall(_)
            | Data::LongWaits(_)
            | Data::SlowRequest(_) => Kind::Stall,
            Data::SyscallFailures(_) => Kind::SyscallError,
            Data::Dns(_) => Kind::Dns,
            Data::UdpDrop(_) => Kind::UdpDrop,
            Data::UdpError(_) => Kind::UdpError,
            Data::ListenOverflow(_) => Kind::ListenOverflow,
        }
    }

    /// How grave it is by itself; what is unusual is for the detection to say.
    pub fn level(&self) -> Level {
        match &self.data {
            Data::Fork(_) => Level::Debug,
            Data::Exit(exit) => match exit.status {
                ExitStatus::Signal {
                    core_dumped: true, ..
                } => Level::Error,
                ExitStatus::Signal { .. } => Level::Notice,
                ExitStatus::Code(_) => Level::Info,
            },
            Data::Signal(signal) => {
                if signal.address.is_some() {
                    Level::Error
                } else {
                    Level::Info
                }
            }
            Data::OomKill(_) | Data::FsError(_) => Level::Critical,
            Data::BlockError(_) | Data::HungThread(_) => Level::Error,
            Data::Withheld(_) | Data::ListenOverflow(_) | Data::UdpDrop(_) => Level::Warning,
            Data::Ptrace(_)
            | Data::Mount(_)
            | Data::BpfLoad(_)
            | Data::Module(_)
            | Data::CapabilityDenied(_)
            | Data::FileAccess(_)
            | Data::Reclaim(_)
            | Data::PressureStall(_)
            | Data::LongWaits(_)
            | Data::SlowRequest(_)
            | Data::UdpError(_)
            | Data::TcpConnect(TcpConnect {
                outcome: ConnectOutcome::Failed(_),
                ..
            }) => Level::Notice,
            Data::Dns(dns) if dns.is_failed() => Level::Notice,
            Data::Privilege(privilege) if privilege.error != 0 => Level::Notice,
            _ => Level::Info,
        }
    }

    /// Puts it into the words that all sources share. It has no id and no verdict yet.
    pub fn into_event(self, received: Timestamp) -> Event {
        let (kind, level) = (self.kind(), self.level());
        let mut fields = Fields::new();
        let who = self.process.as_deref().map_or_else(
            || "an unknown process".to_owned(),
            |process| format!("{}[{}]", process.comm, process.pid),
        );
        let message = match self.data {
            Data::Privilege(privilege) => audit::privilege(&privilege, &who, &mut fields),
            Data::Ptrace(ptrace) => audit::ptrace(ptrace, &who, &mut fields),
            Data::Mount(mount) => audit::mount(mount, &who, &mut fields),
            Data::BpfLoad(load) => audit::bpf_load(load, &who, &mut fields),
            Data::Module(module) => audit::module(module, &who, &mut fields),
            Data::BlockError(error) => narrate_block_error(error, &mut fields),
            Data::KernelLine(line) => line.text,
            Data::CapabilityDenied(denied) => warning::capability(denied, &who, &mut fields),
            Data::FsError(error) => warning::fs_error(error, &who, &mut fields),
            Data::HungThread(hung) => warning::hang(hung, &who, &mut fields),
            Data::FileAccess(access) => warning::file(access, &who, &mut fields),
            Data::Reclaim(reclaim) => stall::reclaim(reclaim, &who, &mut fields),
            Data::SyscallFailures(failures) => stall::syscall_failures(failures, &mut fields),
            Data::ListenOverflow(overflow) => stall::overflow(overflow, &who, &mut fields),
            Data::PressureStall(pressure) => stall::pressure(pressure, &mut fields),
            Data::Dns(dns) => network::dns(dns, &who, &mut fields),
            Data::LongWaits(waits) => stall::long_waits(waits, &who, &mut fields),
            Data::SlowRequest(request) => stall::slow_request(request, &who, &mut fields),
            Data::UdpDrop(drop) => network::udp_drop(drop, &who, &mut fields),
            Data::UdpError(error) => network::udp_error(error, &who, &mut fields),
            Data::Withheld(withheld) => storm::withheld(withheld, &mut fields),
            Data::Exec(exec) => narrate_exec(exec, &mut fields),
            Data::Fork(fork) => {
                fields.set("child", fork.child);
                format!("{who} created process {}", fork.child)
            }
            Data::Exit(exit) => {
                fields.set("lifetime", seconds(exit.lifetime));
                narrate_exit(exit.status, &who, &mut fields)
            }
            Data::Signal(signal) => narrate_signal(&signal, &who, &mut fields),
            Data::OomKill(oom) => narrate_oom(&oom, &who, &mut fields),
            Data::TcpConnect(connect) => {
                network::set_ends(&mut fields, connect.ends, connect.owner);
                network::connect(connect, &who, &mut fields)
            }
            Data::TcpAccept(accept) => {
                network::set_ends(&mut fields, accept.ends, accept.owner);
                format!(
                    "{who} has a connection from {} on {}",
                    accept.ends.remote, accept.ends.local
                )
            }
            Data::TcpClose(close) => {
                network::set_ends(&mut fields, close.ends, close.owner);
                network::close(close, &who, &mut fields)
            }
            Data::TcpReset(reset) => {
                network::set_ends(&mut fields, reset.ends, reset.owner);
                network::reset(&reset, &mut fields)
            }
            Data::TcpRetransmit(again) => {
                network::set_ends(&mut fields, again.ends, again.owner);
                fields.set("tcp_state", again.state);
                format!(
                    "a segment was sent again to {} ({})",
                    again.ends.remote, again.state
                )
            }
        };
        Event {
            id: EventId::default(),
            time: self.time,
            received,
            source: Source::Kernel,
            kind,
            level,
            message,
            template: None,
            service: None,
            host: None,
            process: self.process,
            fields,
            trace: None,
            verdict: Verdict::default(),
        }
    }
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

fn narrate_exec(exec: Exec, fields: &mut Fields) -> String {
    let mut line = if exec.arguments.is_empty() {
        exec.path.clone()
    } else {
        exec.arguments.join(" ")
    };
    if exec.truncated {
        line.push('…');
        fields.set("arguments_bytes", exec.arguments_bytes);
    }
    fields.set("path", exec.path);
    fields.set("arguments", exec.arguments);
    if let Some(directory) = exec.directory {
        fields.set("directory", directory);
    }
    fields.set("parent_comm", exec.parent_comm);
    fields.set("gid", exec.gid);
    line
}

fn narrate_exit(status: ExitStatus, who: &str, fields: &mut Fields) -> String {
    match status {
        ExitStatus::Code(code) => {
            fields.set("code", code);
            format!("{who} ended with code {code}")
        }
        ExitStatus::Signal {
            signal,
            core_dumped,
        } => {
            fields.set("signal", signal);
            fields.set("core_dumped", core_dumped);
            format!("{who} was ended by {}", signal_name(signal))
        }
    }
}

fn narrate_signal(signal: &Signal, who: &str, fields: &mut Fields) -> String {
    fields.set("signal", signal.signal);
    fields.set("signal_name", signal_name(signal.signal));
    fields.set("code", signal.code);
    fields.set(
        "result",
        match signal.result {
            SignalResult::Delivered => "delivered",
            SignalResult::Ignored => "ignored",
            SignalResult::AlreadyPending => "already_pending",
            SignalResult::OverflowFail => "overflow_fail",
            SignalResult::LoseInfo => "lose_info",
        },
    );
    fields.set("to_process", signal.to_process);
    let name = signal_name(signal.signal);
    if let Some(sender) = &signal.sender {
        fields.set("sender_pid", sender.pid);
        fields.set("sender_uid", sender.uid);
        fields.set("sender_comm", sender.comm.as_str());
        format!("{}[{}] sent {name} to {who}", sender.comm, sender.pid)
    } else if let Some(address) = signal.address {
        fields.set("address", format!("{address:#x}"));
        let mut line = format!("{who} got {name} for a fault at {address:#x}");
        if let Some(fault) = &signal.fault {
            line.push_str(&fault::place(fault, fields));
        }
        line
    } else {
        format!("{who} got {name} from the kernel")
    }
}

fn narrate_oom(oom: &OomKill, who: &str, fields: &mut Fields) -> String {
    for (name, bytes) in [
        ("total_vm", oom.total_vm),
        ("anon_rss", oom.anon_rss),
        ("file_rss", oom.file_rss),
        ("shmem_rss", oom.shmem_rss),
    ] {
        if let Some(bytes) = bytes {
            fields.set(name, bytes);
        }
    }
    if let Some(adjustment) = oom.oom_score_adj {
        fields.set("oom_score_adj", adjustment);
    }
    fields.set("trigger_pid", oom.trigger.pid);
    fields.set("trigger_comm", oom.trigger.comm.as_str());
    let resident = [oom.anon_rss, oom.file_rss, oom.shmem_rss]
        .into_iter()
        .flatten()
        .sum::<u64>();
    if resident == 0 {
        return format!("the kernel killed {who}: out of memory");
    }
    format!(
        "the kernel killed {who}: out of memory; it had {} MiB",
        resident >> 20
    )
}

fn narrate_block_error(error: BlockError, fields: &mut Fields) -> String {
    let line = format!(
        "{}: {} error: {} of {} bytes at sector {}",
        error.device, error.error, error.operation, error.bytes, error.sector
    );
    fields.set("device", error.device);
    fields.set("operation", error.operation);
    fields.set("sector", error.sector);
    fields.set("bytes", error.bytes);
    fields.set("error", error.error);
    line
}

/// Name of a signal, as in `SIGKILL`.
fn signal_name(number: u8) -> String {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
        "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
        "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    match number
        .checked_sub(1)
        .and_then(|index| NAMES.get(usize::from(index)))
    {
        Some(name) => format!("SIG{name}"),
        None => format!("signal {number}"),
    }
}

/// Name of an error, as in `ECONNREFUSED`, for those that are met often; else the system's words.
fn errno_name(number: i32) -> String {
    let errno = Errno::from_raw_os_error(number);
    let known = [
        (Errno::CONNREFUSED, "ECONNREFUSED"),
        (Errno::CONNRESET, "ECONNRESET"),
        (Errno::CONNABORTED, "ECONNABORTED"),
        (Errno::TIMEDOUT, "ETIMEDOUT"),
        (Errno::HOSTUNREACH, "EHOSTUNREACH"),
        (Errno::NETUNREACH, "ENETUNREACH"),
        (Errno::NETDOWN, "ENETDOWN"),
        (Errno::PIPE, "EPIPE"),
        (Errno::ACCESS, "EACCES"),
        (Errno::PROTO, "EPROTO"),
        (Errno::PERM, "EPERM"),
        (Errno::BUSY, "EBUSY"),
        (Errno::NOENT, "ENOENT"),
        (Errno::SRCH, "ESRCH"),
        (Errno::INVAL, "EINVAL"),
        (Errno::NOMEM, "ENOMEM"),
        (Errno::NOBUFS, "ENOBUFS"),
    ];
    known
        .iter()
        .find(|(known, _)| *known == errno)
        .map_or_else(|| errno.to_string(), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::event::{Ends, Identity, Mount, Owner, Privilege, Sender};

    fn told(data: Data) -> (String, String) {
        let process = hark_api::Process {
            pid: 7,
            comm: "nginx".to_owned(),
            ..hark_api::Process::default()
        };
        let event = KernelEvent {
            time: Timestamp::from_nanos(5),
            process: Some(Box::new(process)),
            data,
        };
        let event = event.into_event(Timestamp::from_nanos(9));
        assert_eq!(
            (
                event.source,
                event.time.as_nanos(),
                event.received.as_nanos()
            ),
            (Source::Kernel, 5, 9)
        );
        let fields = serde_json::to_string(&event.fields).expect("fields");
        (event.message, fields)
    }

    #[test]
    fn events_are_told_in_a_line_and_in_fields() {
        let exec = Exec {
            path: "./run".to_owned(),
            arguments: vec!["run".to_owned(), "-x".to_owned()],
            truncated: true,
            arguments_bytes: 9000,
            directory: Some("/srv".to_owned()),
            parent_comm: "sh".to_owned(),
            gid: 3,
        };
        assert_eq!(
            told(Data::Exec(exec)),
            (
                "run -x…".to_owned(),
                r#"{"arguments_bytes":9000,"path":"./run","arguments":["run","-x"],"directory":"/srv","parent_comm":"sh","gid":3}"#.to_owned()
            )
        );
        let ends = Ends {
            local: "10.0.0.1:40000".parse().expect("an address"),
            remote: "[2001:db8::1]:443".parse().expect("an address"),
        };
        let refused = TcpConnect {
            ends,
            owner: Owner::Connector,
            outcome: ConnectOutcome::Failed(111),
            latency: Some(1_500_000),
        };
        assert_eq!(
            told(Data::TcpConnect(refused)),
            (
                "nginx[7] could not connect to [2001:db8::1]:443: ECONNREFUSED".to_owned(),
                r#"{"local":"10.0.0.1:40000","remote":"[2001:db8::1]:443","owner":"connector","latency":0.0015,"outcome":"failed","errno":111,"error":"ECONNREFUSED"}"#.to_owned()
            )
        );
        let oom = OomKill {
            anon_rss: Some(64 << 20),
            file_rss: Some(1 << 20),
            trigger: Sender {
                pid: 9,
                uid: 0,
                comm: "sort".to_owned(),
            },
            ..OomKill::default()
        };
        assert_eq!(
            told(Data::OomKill(oom)),
            (
                "the kernel killed nginx[7]: out of memory; it had 65 MiB".to_owned(),
                r#"{"anon_rss":67108864,"file_rss":1048576,"trigger_pid":9,"trigger_comm":"sort"}"#
                    .to_owned()
            )
        );
        let root = Identity::default();
        let privilege = Privilege {
            call: "setuid",
            before: Identity {
                uid: 5,
                euid: 5,
                ..root
            },
            after: Identity { uid: 5, ..root },
            error: 0,
        };
        assert_eq!(
            told(Data::Privilege(privilege)).0,
            "nginx[7] changed euid 5 to 0"
        );
        let mount = Mount {
            call: "mount",
            source: Some("/dev/sdb".to_owned()),
            target: "/mnt".to_owned(),
            fs_type: Some("ext4".to_owned()),
            flags: 1,
            error: 1,
        };
        assert_eq!(
            told(Data::Mount(mount)).0,
            "nginx[7] could not mount /dev/sdb on /mnt (ext4): EPERM"
        );
    }

    #[test]
    fn signals_have_their_names() {
        assert_eq!(signal_name(9), "SIGKILL");
        assert_eq!(signal_name(31), "SIGSYS");
        assert_eq!(signal_name(34), "signal 34");
        assert_eq!(errno_name(111), "ECONNREFUSED");
    }
}
