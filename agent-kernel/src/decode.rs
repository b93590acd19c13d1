//! From bytes in the ring buffer to events.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use bytemuck::AnyBitPattern;
use hark_api::Process;
use hark_ebpf::{
    BlockErrorRecord, CgroupRecord, ExecRecord, ExitRecord, ForkRecord, Header, Kind, OWNER_CLOSER,
    OWNER_CONNECTOR, OWNER_LISTENER, OomRecord, QUIET, SignalRecord, Task, TcpRecord,
    WALK_DETACHED, WALK_ROOT, Walk,
};

use crate::clock::Clock;
use crate::event::{
    BlockError, ConnectOutcome, Data, Ends, Exec, Exit, ExitStatus, Fork, KernelEvent, OomKill,
    Owner, Sender, Signal, SignalResult, TcpAccept, TcpClose, TcpConnect, TcpReset, TcpRetransmit,
};
use crate::latency;
use crate::table::Table;

pub(crate) mod dns;
mod fault;
mod stall;
mod syscall;
mod warning;

/// The bytes are no record that this agent knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Understands records. Keeps the process table with what it learns on the way.
pub(crate) struct Decoder {
    /// Names of TCP reset reasons by number.
    reset_reasons: Vec<(u32, Arc<str>)>,
}

fn read<T: AnyBitPattern>(bytes: &[u8]) -> Result<T, Malformed> {
    let bytes = bytes.get(..size_of::<T>()).ok_or(Malformed)?;
    bytemuck::try_pod_read_unaligned(bytes).map_err(|_| Malformed)
}

/// Text up to its zero.
pub(crate) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn sender(task: &Task) -> Sender {
    Sender {
        pid: task.pid,
        uid: task.uid,
        comm: text(&task.comm),
    }
}

impl Decoder {
    /// With the kernel's names of reset reasons.
    pub(crate) fn new(reset_reasons: Vec<(u32, String)>) -> Self {
        let reset_reasons = reset_reasons
            .into_iter()
            .map(|(n, name)| (n, name.into()))
            .collect();
        Self { reset_reasons }
    }

    /// Understands one record. `None` is one that only the process table needed.
    pub(crate) fn decode(
        &self,
        bytes: &[u8],
        clock: Clock,
        table: &mut Table,
    ) -> Result<Option<KernelEvent>, Malformed> {
        let header: Header = read(bytes)?;
        let quiet = header.kind & QUIET != 0;
        let kind = *Kind::ALL
            .get((header.kind & !QUIET) as usize)
            .ok_or(Malformed)?;
        let (process, data) = match kind {
            Kind::Exec => exec(bytes, table)?,
            Kind::Fork => fork(bytes, table)?,
            Kind::Exit => exit(bytes, table)?,
            Kind::Cgroup => {
                let record: CgroupRecord = read(bytes)?;
                if record.hierarchy == table.cgroups().hierarchy().id {
                    table.cgroups().insert(record.id, &text(&record.path));
                }
                return Ok(None);
            }
            Kind::Signal => signal(bytes, table)?,
            Kind::Oom => oom(bytes, table)?,
            Kind::TcpConnect
            | Kind::TcpAccept
            | Kind::TcpClose
            | Kind::TcpResetSent
            | Kind::TcpResetReceived
            | Kind::TcpRetransmit => self.tcp(kind, bytes, table)?,
            Kind::Syscall => syscall::decode(bytes, table)?,
            Kind::Line => warning::line(bytes)?,
            Kind::Capability => warning::capability(bytes, table)?,
            Kind::FsError => warning::fs_error(bytes, table)?,
            Kind::Hang => warning::hang(bytes, table)?,
            Kind::File => warning::file(bytes, table)?,
            Kind::Reclaim => stall::reclaim(bytes, table)?,
            Kind::SlowRequest => stall::slow_request(bytes, table)?,
            Kind::Dns => dns::decode(bytes, table)?,
            Kind::Fault => {
                fault::decode(bytes, table)?;
                return Ok(None);
            }
            Kind::BlockError => (None, Data::BlockError(block_error(bytes)?)),
        };
        if quiet {
            return Ok(None);
        }
        Ok(Some(KernelEvent {
            time: clock.wall(header.time),
            process: process.map(Box::new),
            data,
        }))
    }

    fn tcp(
        &self,
        kind: Kind,
        bytes: &[u8],
        table: &mut Table,
    ) -> Result<(Option<Process>, Data), Malformed> {
        let record: TcpRecord = read(bytes)?;
        let owner = match record.owner {
            OWNER_CONNECTOR => Owner::Connector,
            OWNER_LISTENER => Owner::Listener,
            OWNER_CLOSER => Owner::Closer,
            _ => Owner::Unknown,
        };
        let process = (record.header.task.pid != 0).then(|| {
            let mut process = table.describe(&record.header.task);
            process.tid = None; // the thread may have gone on to something else
            process
        });
        let ends = Ends {
            local: address(record.family, record.local, record.local_port)?,
            remote: address(record.family, record.remote, record.remote_port)?,
        };
        let since = |start: u64| (start != 0).then(|| record.header.time.saturating_sub(start));
        let data = match kind {
            Kind::TcpConnect => Data::TcpConnect(TcpConnect {
                ends,
                owner,
                outcome: match (record.established, record.error) {
                    (0, 0) => ConnectOutcome::Aborted,
                    (0, error) => ConnectOutcome::Failed(error),
                    _ => ConnectOutcome::Established,
                },
                latency: since(record.started),
            }),
            Kind::TcpAccept => Data::TcpAccept(TcpAccept { ends, owner }),
            Kind::TcpClose => Data::TcpClose(TcpClose {
                ends,
                owner,
                outgoing: match (owner, record.established) {
                    (Owner::Connector, _) => Some(true),
                    (_, 0) => None,
                    _ => Some(false),
                },
                duration: since(record.established),
                received: record.received,
                sent: record.sent,
                retransmits: record.retransmits,
                srtt_us: record.srtt >> 3,
                error: record.error,
            }),
            Kind::TcpRetransmit => Data::TcpRetransmit(TcpRetransmit {
                ends,
                owner,
                state: state(record.state).ok_or(Malformed)?,
            }),
            _ => Data::TcpReset(TcpReset {
                ends,
                owner,
                sent: kind == Kind::TcpResetSent,
                reason: self
                    .reset_reasons
                    .iter()
                    .find(|(number, _)| *number == record.reason)
                    .map(|(_, name)| Arc::clone(name)),
                state: state(record.state),
            }),
        };
        Ok((process, data))
    }
}

fn exec(bytes: &[u8], table: &mut Table) -> Result<(Option<Process>, Data), Malformed> {
    let record: ExecRecord = read(bytes)?;
    let mut rest = bytes.get(size_of::<ExecRecord>()..).ok_or(Malformed)?;
    let mut next = |len: u32| {
        let (text, after) = rest.split_at_checked(len as usize).ok_or(Malformed)?;
        rest = after;
        Ok(text)
    };
    let path = text(next(record.path_len)?);
    let exe = walked(next(record.exe.len)?, record.exe);
    let directory = walked(next(record.directory.len)?, record.directory);
    let told = next(record.arguments_len)?;
    table.executed(&record.header.task, record.parent, exe);
    let data = Data::Exec(Exec {
        path,
        arguments: arguments(told),
        truncated: record.arguments_bytes > u64::from(record.arguments_len),
        arguments_bytes: record.arguments_bytes,
        directory,
        parent_comm: text(&record.parent_comm),
        gid: record.header.task.gid,
    });
    Ok((Some(table.describe(&record.header.task)), data))
}

/// A path from its names, the last one first.
fn walked(names: &[u8], walk: Walk) -> Option<String> {
    let names = names.strip_suffix(&[0]).unwrap_or(names);
    match walk.end {
        WALK_ROOT if names.is_empty() => return Some("/".to_owned()),
        WALK_ROOT | WALK_DETACHED => {}
        _ => return None,
    }
    let mut path = String::with_capacity(names.len() + 1);
    for name in names.rsplit(|b| *b == 0) {
        if walk.end == WALK_ROOT {
            path.push('/');
        }
        path.push_str(&String::from_utf8_lossy(name));
    }
    Some(path)
}

/// Arguments, each ended by a zero but the last, where that was cut.
fn arguments(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes
        .split(|b| *b == 0)
        .map(|a| String::from_utf8_lossy(a).into_owned())
        .collect()
}

fn fork(bytes: &[u8], table: &mut Table) -> Result<(Option<Process>, Data), Malformed> {
    let record: ForkRecord = read(bytes)?;
    table.forked(&record.header.task, record.child, record.parent);
    let process = table.describe(&record.header.task);
    Ok((
        Some(process),
        Data::Fork(Fork {
            child: record.child,
        }),
    ))
}

fn exit(bytes: &[u8], table: &mut Table) -> Result<(Option<Process>, Data), Malformed> {
    let record: ExitRecord = read(bytes)?;
    let signal = (record.status & 0x7f) as u8;
    let status = if signal == 0 {
        ExitStatus::Code((record.status >> 8) as u8)
    } else {
        ExitStatus::Signal {
            signal,
            core_dumped: record.status & 0x80 != 0,
        }
    };
    let lifetime = record.header.time.saturating_sub(record.started);
    let mut process = table.describe(&record.header.task);
    process.tid = None;
    process.ppid = Some(record.parent);
    table.ended(record.header.task.pid, record.header.time);
    Ok((Some(process), Data::Exit(Exit { status, lifetime })))
}

fn signal(bytes: &[u8], table: &mut Table) -> Result<(Option<Process>, Data), Malformed> {
    let record: SignalRecord = read(bytes)?;
    // SI_USER, SI_QUEUE, SI_TKILL: kill(2), sigqueue(3), tgkill(2).
    let by_process = matches!(record.code, 0 | -1 | -6);
    let data = Data::Signal(Signal {
        signal: record.signal as u8,
        code: record.code,
        result: match record.result {
            0 => SignalResult::Delivered,
            1 => SignalResult::Ignored,
            2 => SignalResult::AlreadyPending,
            3 => SignalResult::OverflowFail,
            4 => SignalResult::LoseInfo,
            _ => return Err(Malformed),
        },
        to_process: record.group != 0,
        sender: by_process.then(|| sender(&record.sender)),
        address: (record.code > 0
            && matches!(record.signal, 4 | 5 | 7 | 8 | 11)
            && record.code != 0x80)
            .then_some(record.address),
        fault: table.take_fault(record.header.task.tid).map(Box::new),
    });
    Ok((Some(table.describe(&record.header.task)), data))
}

fn oom(bytes: &[u8], table: &mut Table) -> Result<(Option<Process>, Data), Malformed> {
    let record: OomRecord = read(bytes)?;
    let mut process = table.find(record.pid).unwrap_or_else(|| Process {
        pid: record.pid,
        ..Process::default()
    });
    if record.uid != u32::MAX {
        process.uid = Some(record.uid);
    }
    if record.comm[0] != 0 {
        process.comm = text(&record.comm);
    }
    let bytes = |kib: u64| (kib != u64::MAX).then(|| kib.saturating_mul(1024));
    let data = Data::OomKill(OomKill {
        total_vm: bytes(record.total_vm),
        anon_rss: bytes(record.anon_rss),
        file_rss: bytes(record.file_rss),
        shmem_rss: bytes(record.shmem_rss),
        oom_score_adj: i16::try_from(record.score_adj).ok(),
        trigger: sender(&record.header.task),
    });
    Ok((Some(process), data))
}

fn block_error(bytes: &[u8]) -> Result<BlockError, Malformed> {
    let record: BlockErrorRecord = read(bytes)?;
    Ok(BlockError {
        device: latency::device(record.key.major, record.key.minor),
        operation: latency::operation(record.key.operation),
        sector: record.sector,
        bytes: record.bytes,
        error: block_status(record.status),
    })
}

/// `blk_status_t` in the words of the kernel's log (`blk_errors` in block/blk-core.c); kernels before
/// 5.16 tell the `errno` that goes with it, negative.
fn block_status(status: u32) -> &'static str {
    match (status as i32, status & 0xff) {
        (-95, _) | (_, 1) => "operation not supported",
        (-110, _) | (_, 2) => "timeout",
        (-28, _) | (_, 3) => "critical space allocation",
        (-67, _) | (_, 4) => "recoverable transport",
        (-121, _) | (_, 5) => "critical target",
        (-52 | -53, _) | (_, 6) => "reservation conflict",
        (-61, _) | (_, 7) => "critical medium",
        (-84, _) | (_, 8) => "protection",
        (-12, _) | (_, 9) => "kernel resource",
        _ => "I/O",
    }
}

/// `AF_INET` and `AF_INET6` of Linux.
pub(crate) fn address(family: u16, bytes: [u8; 16], port: u16) -> Result<SocketAddr, Malformed> {
    let ip = match family {
        2 => IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3])),
        // An IPv4 peer of an IPv6 socket is one of IPv4.
        10 => IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical(),
        _ => return Err(Malformed),
    };
    Ok(SocketAddr::new(ip, port))
}

/// States as in the kernel's `tcp_states.h`, in the words of RFC 9293.
fn state(number: u32) -> Option<&'static str> {
    const STATES: [&str; 12] = [
        "ESTABLISHED",
        "SYN-SENT",
        "SYN-RECEIVED",
        "FIN-WAIT-1",
        "FIN-WAIT-2",
        "TIME-WAIT",
        "CLOSED",
        "CLOSE-WAIT",
        "LAST-ACK",
        "LISTEN",
        "CLOSING",
        "NEW-SYN-RECEIVED",
    ];
    STATES.get((number as usize).checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn arguments_are_split_and_empty_ones_kept() {
        assert_eq!(arguments(b"sh\0-c\0\0"), ["sh", "-c", ""]);
        assert_eq!(arguments(b"sh\0cut"), ["sh", "cut"]);
        assert!(arguments(b"").is_empty());
    }

    #[test]
    fn walked_names_make_a_path() {
        let walk = |end| Walk { len: 0, end };
        assert_eq!(
            walked(b"bin\0usr\0", walk(WALK_ROOT)).as_deref(),
            Some("/usr/bin")
        );
        assert_eq!(walked(b"", walk(WALK_ROOT)).as_deref(), Some("/"));
        assert_eq!(
            walked(b"memfd:x\0", walk(WALK_DETACHED)).as_deref(),
            Some("memfd:x")
        );
        assert_eq!(walked(b"bin\0", walk(hark_ebpf::WALK_BROKEN)), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(
            kind in 0_u32..=Kind::ALL.len() as u32,
            rest in proptest::collection::vec(any::<u8>(), 0..700),
        ) {
            let mut bytes = kind.to_ne_bytes().to_vec();
            bytes.extend(rest);
            let mut table = Table::new(16, crate::cgroup::Hierarchy { v1: false, id: 0, mount: None });
            let decoder = Decoder::new(Vec::new());
            let _ = decoder.decode(&bytes, Clock::now(), &mut table);
        }
    }
}
