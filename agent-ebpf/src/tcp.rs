//! TCP connections: opened, accepted, closed, reset; segments sent again.
//!
//! Most of this happens in interrupts, where the running process is any process. So the owner of a
//! connection is noted when the kernel runs on its behalf: on connect, listen and close.

use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::LruHashMap;
use aya_ebpf::programs::BtfTracePointContext;
use hark_ebpf::{
    ABSENT, Kind, OWNER_CLOSER, OWNER_CONNECTOR, OWNER_LISTENER, OWNER_UNKNOWN, Task, TcpRecord,
};

use crate::budget::is_wanted;
use crate::emit::{emit, header, now};
use crate::kernel::{current_task, global, member, read, value};
use crate::socket::{AF_INET, AF_INET6, Ends, ends_of, namespace_of, v4};

const IPPROTO_TCP: u16 = 6;

// States, as in the kernel's tcp_states.h.
const ESTABLISHED: u32 = 1;
const SYN_SENT: u32 = 2;
const SYN_RECV: u32 = 3;
const FIN_WAIT1: u32 = 4;
const CLOSE: u32 = 7;
const LAST_ACK: u32 = 9;
const LISTEN: u32 = 10;

/// Flag `SOCK_DONE` of the kernel: a FIN has come.
const SOCK_DONE: u64 = 1 << 1;

/// What is known of a connection while it lasts.
#[derive(Clone, Copy)]
#[repr(C)]
struct Connection {
    task: Task,
    started: u64,
    established: u64,
    owner: u32,
    /// 1 once it has ended: resets may follow.
    ended: u32,
}

/// A listening port.
#[derive(Clone, Copy)]
#[repr(C)]
struct Port {
    /// Network namespace.
    namespace: u32,
    port: u32,
}

/// By the address of the kernel's `struct sock`.
#[map]
static CONNECTIONS: LruHashMap<u64, Connection> = LruHashMap::with_max_entries(16_384, 0);

#[map]
static LISTENERS: LruHashMap<Port, Task> = LruHashMap::with_max_entries(1_024, 0);

/// What is known of a connection without having seen it begin: nothing but a listener, perhaps.
#[inline(always)]
fn unseen(sock: u64, local_port: u16) -> Connection {
    let port = Port {
        namespace: namespace_of(sock),
        port: u32::from(local_port),
    };
    // SAFETY: a stale value is a wrong name at worst; entries are small and copied at once.
    let listener = unsafe { LISTENERS.get(&port) };
    let (task, owner) = match listener {
        Some(task) => (*task, OWNER_LISTENER),
        None => (Task::NOBODY, OWNER_UNKNOWN),
    };
    Connection {
        task,
        started: 0,
        established: 0,
        owner,
        ended: 0,
    }
}

/// What is known of a connection, even if it has ended.
#[inline(always)]
fn known(sock: u64) -> Option<Connection> {
    // SAFETY: as in `unseen`.
    unsafe { CONNECTIONS.get(&sock) }.copied()
}

/// What is known of a connection that has not ended.
#[inline(always)]
fn alive(sock: u64) -> Option<Connection> {
    known(sock).filter(|connection| connection.ended == 0)
}

#[inline(always)]
fn record(kind: Kind, ends: Ends, connection: Connection) -> TcpRecord {
    TcpRecord {
        header: header(kind, connection.task),
        started: connection.started,
        established: connection.established,
        received: 0,
        sent: 0,
        retransmits: 0,
        srtt: 0,
        error: 0,
        reason: ABSENT,
        owner: connection.owner,
        state: 0,
        family: ends.family,
        local_port: ends.local_port,
        remote_port: ends.remote_port,
        reserved: 0,
        local: ends.local,
        remote: ends.remote,
    }
}

// kernel: inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)
#[btf_tracepoint(function = "inet_sock_set_state")]
pub(crate) fn tcp_state(ctx: BtfTracePointContext) -> i32 {
    let sock: u64 = ctx.arg::<*const u8>(0) as u64;
    let old = ctx.arg::<i32>(1) as u32;
    let new = ctx.arg::<i32>(2) as u32;
    if member!(sock, sk_protocol => u16) == Some(IPPROTO_TCP) {
        change(sock, old, new);
    }
    0
}

#[inline(always)]
fn change(sock: u64, old: u32, new: u32) -> Option<()> {
    match new {
        SYN_SENT => {
            // connect(2) runs, in its process.
            let task = current_task();
            let connection = Connection {
                task,
                started: now(),
                established: 0,
                owner: OWNER_CONNECTOR,
                ended: 0,
            };
            let _ = CONNECTIONS.insert(&sock, &connection, 0);
        }
        LISTEN => {
            // listen(2) runs, in its process.
            let port = member!(sock, skc_num => u16)?;
            let port = Port {
                namespace: namespace_of(sock),
                port: u32::from(port),
            };
            let _ = LISTENERS.insert(&port, &current_task(), 0);
        }
        ESTABLISHED => {
            let ends = ends_of(sock)?;
            let mut connection = match alive(sock) {
                Some(connection) if old == SYN_SENT || connection.owner == OWNER_CONNECTOR => {
                    connection
                }
                _ => unseen(sock, ends.local_port),
            };
            connection.established = now();
            let outgoing = connection.owner == OWNER_CONNECTOR || old == SYN_SENT;
            if !outgoing {
                connection.started = connection.established;
            }
            let _ = CONNECTIONS.insert(&sock, &connection, 0);
            let kind = if outgoing {
                Kind::TcpConnect
            } else {
                Kind::TcpAccept
            };
            if !is_wanted(kind, &connection.task) {
                return None;
            }
            let mut record = record(kind, ends, connection);
            record.state = old;
            emit(kind, record);
        }
        FIN_WAIT1 | LAST_ACK => {
            // close(2) or shutdown(2) runs, in its process.
            let mut connection = match alive(sock) {
                Some(connection) => connection,
                None => unseen(sock, member!(sock, skc_num => u16)?),
            };
            if connection.owner != OWNER_CONNECTOR {
                connection.task = current_task();
                connection.owner = OWNER_CLOSER;
                let _ = CONNECTIONS.insert(&sock, &connection, 0);
            }
        }
        CLOSE => closed(sock, old)?,
        _ => {}
    }
    Some(())
}

#[inline(always)]
fn closed(sock: u64, old: u32) -> Option<()> {
    if old == LISTEN || old == CLOSE {
        return None;
    }
    let ends = ends_of(sock)?;
    let mut connection = match alive(sock) {
        Some(connection) => connection,
        None => unseen(sock, ends.local_port),
    };
    connection.ended = 1;
    let _ = CONNECTIONS.insert(&sock, &connection, 0);
    if old == SYN_RECV && connection.owner != OWNER_CONNECTOR {
        return None; // never established
    }
    let kind = if old == SYN_SENT || old == SYN_RECV {
        Kind::TcpConnect
    } else {
        Kind::TcpClose
    };
    if !is_wanted(kind, &connection.task) {
        return None;
    }
    let mut record = record(kind, ends, connection);
    record.state = old;
    record.error = value!(sock, sk_err => i32);
    record.received = value!(sock, tcp_bytes_received => u64);
    if value!(sock, skc_flags => u64) & SOCK_DONE != 0 {
        // The other end's FIN was counted as a byte.
        record.received = record.received.saturating_sub(1);
    }
    let again = value!(sock, tcp_bytes_retrans => u64);
    record.sent = value!(sock, tcp_bytes_sent => u64).saturating_sub(again);
    record.retransmits = value!(sock, tcp_total_retrans => u32);
    record.srtt = value!(sock, tcp_srtt_us => u32);
    emit(kind, record);
    Some(())
}

// kernel: tcp_retransmit_skb(const struct sock *sk, const struct sk_buff *skb)
#[btf_tracepoint(function = "tcp_retransmit_skb")]
pub(crate) fn tcp_retransmit(ctx: BtfTracePointContext) -> i32 {
    let sock: u64 = ctx.arg::<*const u8>(0) as u64;
    let _ = about_socket(Kind::TcpRetransmit, sock);
    0
}

// kernel: tcp_receive_reset(struct sock *sk)
#[btf_tracepoint(function = "tcp_receive_reset")]
pub(crate) fn tcp_reset_received(ctx: BtfTracePointContext) -> i32 {
    let sock: u64 = ctx.arg::<*const u8>(0) as u64;
    let _ = about_socket(Kind::TcpResetReceived, sock);
    0
}

#[inline(always)]
fn about_socket(kind: Kind, sock: u64) -> Option<()> {
    let ends = ends_of(sock)?;
    let connection = match known(sock) {
        Some(connection) => connection,
        None => unseen(sock, ends.local_port),
    };
    if !is_wanted(kind, &connection.task) {
        return None;
    }
    let mut record = record(kind, ends, connection);
    record.state = u32::from(value!(sock, skc_state => u8));
    emit(kind, record);
    Some(())
}

// kernel: tcp_send_reset(const struct sock *sk, const struct sk_buff *skb)
// kernel: 6.10 tcp_send_reset(const struct sock *sk, const struct sk_buff *skb, const enum sk_rst_reason reason)
#[btf_tracepoint(function = "tcp_send_reset")]
pub(crate) fn tcp_reset_sent(ctx: BtfTracePointContext) -> i32 {
    let sock: u64 = ctx.arg::<*const u8>(0) as u64;
    let skb: u64 = ctx.arg::<*const u8>(1) as u64;
    let reason = if global!(ARGUMENTS.reset_reason) == ABSENT {
        ABSENT
    } else {
        ctx.arg::<i32>(2) as u32
    };
    let _ = reset_sent(sock, skb, reason);
    0
}

#[inline(always)]
fn reset_sent(sock: u64, skb: u64, reason: u32) -> Option<()> {
    // The segment that is answered, if there is one, knows both ends better than the socket, which
    // may be a listener's.
    let ends = if skb == 0 {
        ends_of(sock)?
    } else {
        answered(skb)?
    };
    let connection = match known(sock) {
        Some(connection) => connection,
        None if sock != 0 => unseen(sock, ends.local_port),
        None => Connection {
            task: Task::NOBODY,
            started: 0,
            established: 0,
            owner: OWNER_UNKNOWN,
            ended: 0,
        },
    };
    if !is_wanted(Kind::TcpResetSent, &connection.task) {
        return None;
    }
    let mut record = record(Kind::TcpResetSent, ends, connection);
    record.reason = reason;
    if sock != 0 {
        record.state = u32::from(value!(sock, skc_state => u8));
    }
    emit(Kind::TcpResetSent, record);
    Some(())
}

/// The ends of the connection of a segment that came in, from its headers.
#[inline(always)]
fn answered(skb: u64) -> Option<Ends> {
    let head = member!(skb, skb_head => u64)?;
    let network = head + u64::from(member!(skb, skb_network_header => u16)?);
    let transport = head + u64::from(member!(skb, skb_transport_header => u16)?);
    let version = read::<u8>(network, 0)? >> 4;
    let (family, remote, local) = if version == 6 {
        (
            AF_INET6,
            read::<[u8; 16]>(network, 8)?,
            read::<[u8; 16]>(network, 24)?,
        )
    } else {
        (
            AF_INET,
            v4(read::<[u8; 4]>(network, 12)?),
            v4(read::<[u8; 4]>(network, 16)?),
        )
    };
    Some(Ends {
        family,
        local_port: u16::from_be(read::<u16>(transport, 2)?),
        remote_port: u16::from_be(read::<u16>(transport, 0)?),
        local,
        remote,
    })
}
