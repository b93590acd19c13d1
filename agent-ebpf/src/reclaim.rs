//! Stalls for want of memory: how long threads wait while the kernel takes memory back on their behalf.

use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_ns};
use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::{HashMap, PerCpuArray};
use aya_ebpf::programs::BtfTracePointContext;
use hark_ebpf::{Histogram, Kind, RECLAIM_CGROUP, RECLAIM_HOST, ReclaimRecord};

use crate::block::count;
use crate::budget::is_wanted;
use crate::emit::{emit, header};
use crate::kernel::{current_task, global};

/// Since when each thread waits.
#[map]
static RECLAIM_SINCE: HashMap<u32, u64> = HashMap::with_max_entries(4_096, 0);

/// By `RECLAIM_*`.
#[map]
static RECLAIM_LATENCY: PerCpuArray<Histogram> = PerCpuArray::with_max_entries(2, 0);

// kernel: mm_vmscan_direct_reclaim_begin(int order, gfp_t gfp_flags)
#[btf_tracepoint(function = "mm_vmscan_direct_reclaim_begin")]
pub(crate) fn reclaim_begin(_: BtfTracePointContext) -> i32 {
    begin()
}

// kernel: mm_vmscan_direct_reclaim_end(long unsigned int nr_reclaimed)
#[btf_tracepoint(function = "mm_vmscan_direct_reclaim_end")]
pub(crate) fn reclaim_end(ctx: BtfTracePointContext) -> i32 {
    let _ = end(RECLAIM_HOST, ctx.arg::<u64>(0));
    0
}

// kernel: mm_vmscan_memcg_reclaim_begin(int order, gfp_t gfp_flags)
#[btf_tracepoint(function = "mm_vmscan_memcg_reclaim_begin")]
pub(crate) fn reclaim_group_begin(_: BtfTracePointContext) -> i32 {
    begin()
}

// kernel: mm_vmscan_memcg_reclaim_end(long unsigned int nr_reclaimed)
#[btf_tracepoint(function = "mm_vmscan_memcg_reclaim_end")]
pub(crate) fn reclaim_group_end(ctx: BtfTracePointContext) -> i32 {
    let _ = end(RECLAIM_CGROUP, ctx.arg::<u64>(0));
    0
}

/// A thread that reclaims memory does not begin to again before it has ended.
#[inline(always)]
fn begin() -> i32 {
    let thread = bpf_get_current_pid_tgid() as u32;
    // SAFETY: the helper has no preconditions.
    let _ = RECLAIM_SINCE.insert(&thread, &unsafe { bpf_ktime_get_ns() }, 0);
    0
}

#[inline(always)]
fn end(scope: u32, pages: u64) -> Option<()> {
    let thread = bpf_get_current_pid_tgid() as u32;
    // SAFETY: the value is copied at once; only this thread writes it.
    let since = *unsafe { RECLAIM_SINCE.get(&thread) }?;
    let _ = RECLAIM_SINCE.remove(&thread);
    // SAFETY: the helper has no preconditions.
    let nanos = unsafe { bpf_ktime_get_ns() }.saturating_sub(since);
    let histogram = RECLAIM_LATENCY.get_ptr_mut(scope)?;
    // SAFETY: a value of a per-CPU map.
    unsafe { count(histogram, nanos) };
    if nanos < global!(SETTINGS.stall) {
        return None;
    }
    let task = current_task();
    if is_wanted(Kind::Reclaim, &task) {
        emit(
            Kind::Reclaim,
            ReclaimRecord {
                header: header(Kind::Reclaim, task),
                nanos,
                pages,
                scope,
                reserved: 0,
            },
        );
    }
    Some(())
}
