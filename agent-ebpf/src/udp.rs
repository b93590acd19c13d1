//! UDP datagrams that do not arrive: because a socket's queue is full, or because the other end has told
//! that nobody is there. Counted by socket; the agent looks once a second.

use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::HashMap;
use aya_ebpf::programs::BtfTracePointContext;
use hark_ebpf::{UDP_DROP, UDP_ERROR, UDP_LOSSES_MAX, UdpLossKey};

use crate::emit::add_one;
use crate::kernel::{member, value};
use crate::socket::{ends_of, inode_of};

#[map]
static UDP_LOSSES: HashMap<UdpLossKey, u64> = HashMap::with_max_entries(UDP_LOSSES_MAX, 0);

const IPPROTO_UDP: u16 = 17;

// kernel: udp_fail_queue_rcv_skb(int rc, struct sock *sk)
#[btf_tracepoint(function = "udp_fail_queue_rcv_skb")]
pub(crate) fn udp_dropped(ctx: BtfTracePointContext) -> i32 {
    let error = ctx.arg::<i32>(0).unsigned_abs();
    let _ = count(ctx.arg::<*const u8>(1) as u64, UDP_DROP, error);
    0
}

// kernel: 5.14 inet_sk_error_report(const struct sock *sk)
#[btf_tracepoint(function = "inet_sk_error_report")]
pub(crate) fn udp_refused(ctx: BtfTracePointContext) -> i32 {
    let sock = ctx.arg::<*const u8>(0) as u64;
    if member!(sock, sk_protocol => u16) == Some(IPPROTO_UDP) {
        let error = value!(sock, sk_err => i32).unsigned_abs();
        let _ = count(sock, UDP_ERROR, error);
    }
    0
}

#[inline(always)]
fn count(sock: u64, what: u16, error: u32) -> Option<()> {
    let ends = ends_of(sock)?;
    let key = UdpLossKey {
        inode: inode_of(sock),
        local: ends.local,
        remote: ends.remote,
        family: ends.family,
        local_port: ends.local_port,
        remote_port: ends.remote_port,
        what,
        error,
        reserved: 0,
    };
    match UDP_LOSSES.get_ptr_mut(&key) {
        Some(count) => add_one(count),
        // Where another CPU was first, this one is left out.
        None => {
            let _ = UDP_LOSSES.insert(&key, &1, 1 /* BPF_NOEXIST */);
        }
    }
    Some(())
}
