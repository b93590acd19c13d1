//! Queries for names: who asks whom for what, and how long the answer takes. Over UDP, to port 53.

use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::{LruHashMap, PerCpuArray};
use aya_ebpf::programs::BtfTracePointContext;
use hark_ebpf::{DnsRecord, Kind, QUERIES_MAX, QUESTION_LEN, Task, UNANSWERED};

use crate::budget::is_wanted;
use crate::emit::{emit_bytes, header, now};
use crate::kernel::{current_task, member, read};

/// What a query and its answer have in common, in network order.
#[derive(Clone, Copy)]
#[repr(C)]
struct Query {
    port: u16,
    id: u16,
}

/// Those that wait for an answer. The agent takes away what waits for long.
#[map]
static QUERIES: LruHashMap<Query, DnsRecord> = LruHashMap::with_max_entries(QUERIES_MAX, 0);

#[map]
static QUERY: PerCpuArray<DnsRecord> = PerCpuArray::with_max_entries(1, 0);

const DNS_PORT: u16 = 53;
const UDP: u8 = 17;
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;
/// Lengths of headers.
const IPV6_LEN: u64 = 40;
const UDP_LEN: u64 = 8;
const DNS_LEN: u64 = 12;

/// Source and destination port, length; each in network order.
type Udp = [u16; 3];
/// Id, flags, and the numbers of questions and answers.
type Dns = [u16; 4];

// kernel: net_dev_queue(struct sk_buff *skb)
#[btf_tracepoint(function = "net_dev_queue")]
pub(crate) fn dns_asked(ctx: BtfTracePointContext) -> i32 {
    let _ = asked(ctx.arg::<*const u8>(0) as u64);
    0
}

#[inline(always)]
fn asked(skb: u64) -> Option<()> {
    // Most packets end here: they are forwarded, or of another protocol.
    let sock = member!(skb, skb_sk => u64)?;
    if member!(sock, sk_protocol => u16)? != u16::from(UDP) {
        return None;
    }
    let head = member!(skb, skb_head => u64)?;
    let udp = head + u64::from(member!(skb, skb_transport_header => u16)?);
    let [port, to, len] = read::<Udp>(udp, 0)?;
    if u16::from_be(to) != DNS_PORT {
        return None;
    }
    let dns = udp + UDP_LEN;
    let [id, flags, questions, _] = read::<Dns>(dns, 0)?;
    // A standard query with one question.
    if u16::from_be(flags) & 0xf800 != 0 || u16::from_be(questions) != 1 {
        return None;
    }
    let record = QUERY.get_ptr_mut(0)?;
    // SAFETY: a value of a per-CPU map; packets are sent with interrupts' second halves kept off.
    let record = unsafe { &mut *record };
    let network = head + u64::from(member!(skb, skb_network_header => u16)?);
    record.server = [0; 16];
    if read::<u8>(network, 0)? >> 4 == 6 {
        record.family = AF_INET6;
        record.server = read(network, 24)?;
    } else {
        record.family = AF_INET;
        record.server[..4].copy_from_slice(&read::<[u8; 4]>(network, 16)?);
    }
    // The packet may have waited for a neighbour's address, and leave while another process runs.
    let task = current_task();
    let task = if member!(sock, sock_uid => u32) == Some(task.uid) {
        task
    } else {
        Task::NOBODY
    };
    record.header = header(Kind::Dns, task);
    record.asked = record.header.time;
    record.flags = UNANSWERED;
    record.answers = 0;
    record.question_len = u32::from(u16::from_be(len)).saturating_sub((UDP_LEN + DNS_LEN) as u32);
    record.question = read::<[u8; QUESTION_LEN]>(dns, DNS_LEN as u32)?;
    // Asked again, it waits since it was asked first.
    let _ = QUERIES.insert(&Query { port, id }, &*record, 1 /* BPF_NOEXIST */);
    Some(())
}

// kernel: netif_receive_skb(struct sk_buff *skb)
#[btf_tracepoint(function = "netif_receive_skb")]
pub(crate) fn dns_answered(ctx: BtfTracePointContext) -> i32 {
    let _ = answered(ctx.arg::<*const u8>(0) as u64);
    0
}

#[inline(always)]
fn answered(skb: u64) -> Option<()> {
    let protocol = u16::from_be(member!(skb, skb_protocol => u16)?);
    if protocol != ETH_P_IP && protocol != ETH_P_IPV6 {
        return None;
    }
    let network = member!(skb, skb_data => u64)?;
    let start = read::<[u8; 10]>(network, 0)?;
    let (next, len) = if protocol == ETH_P_IP {
        (start[9], u64::from(start[0] & 0xf) * 4)
    } else {
        (start[6], IPV6_LEN)
    };
    // Most packets end here.
    if next != UDP {
        return None;
    }
    let [from, port, _] = read::<Udp>(network + len, 0)?;
    if u16::from_be(from) != DNS_PORT {
        return None;
    }
    let [id, flags, _, answers] = read::<Dns>(network + len + UDP_LEN, 0)?;
    let query = Query { port, id };
    let record = QUERIES.get_ptr_mut(&query)?;
    // SAFETY: a value of the map; where it is taken away meanwhile, the record is of another query.
    let record = unsafe { &mut *record };
    let flags = u32::from(u16::from_be(flags));
    let is_server = if protocol == ETH_P_IP {
        read::<[u8; 4]>(network, 12)? == record.server[..4]
    } else {
        read::<[u8; 16]>(network, 8)? == record.server
    };
    // On its way into a container it passes here before its address is put back.
    if flags & 0x8000 == 0 || !is_server {
        return None;
    }
    record.header.time = now();
    record.flags = flags;
    record.answers = u32::from(u16::from_be(answers));
    if is_wanted(Kind::Dns, &record.header.task) {
        // SAFETY: a whole record.
        unsafe {
            emit_bytes(
                Kind::Dns,
                (&raw const *record).cast(),
                size_of::<DnsRecord>(),
            );
        }
    }
    let _ = QUERIES.remove(&query);
    Some(())
}
