//! Threads that sleep where no signal wakes them: for a device, a lock of the kernel's, or a page of memory
//! that must come from a disk (a major fault).
//!
//! The kernel tells when such a fault is done, not when it begins. So a sleep is kept for a while, with
//! how many faults the thread had made by then: where it has made one since, it slept for that one.

use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_ns};
use aya_ebpf::macros::{btf_tracepoint, map, perf_event};
use aya_ebpf::maps::{LruHashMap, PerCpuArray};
use aya_ebpf::programs::{BtfTracePointContext, PerfEventContext};
use hark_ebpf::{Histogram, WAIT_KERNEL, WAIT_PAGE};

use crate::block::count;
use crate::kernel::{current, current_task, global, member, task_at, value};
use crate::wait::waited;

/// A thread's sleep.
#[derive(Clone, Copy)]
#[repr(C)]
struct Sleep {
    since: u64,
    /// Faults that it had made before.
    major: u64,
    minor: u64,
    /// 1 once it has ended.
    ended: u64,
}

/// By thread.
#[map]
static SLEEPS: LruHashMap<u32, Sleep> = LruHashMap::with_max_entries(4_096, 0);

#[map]
static OFF_CPU_LATENCY: PerCpuArray<Histogram> = PerCpuArray::with_max_entries(1, 0);

#[map]
static PAGE_FAULT_LATENCY: PerCpuArray<Histogram> = PerCpuArray::with_max_entries(1, 0);

/// `TASK_UNINTERRUPTIBLE` of the kernel.
const UNINTERRUPTIBLE: u32 = 2;

// kernel: sched_switch(bool preempt, struct task_struct *prev, struct task_struct *next)
#[btf_tracepoint(function = "sched_switch")]
pub(crate) fn off_cpu_switch(ctx: BtfTracePointContext) -> i32 {
    let _ = asleep(ctx.arg::<*const u8>(1) as u64);
    let _ = awake(ctx.arg::<*const u8>(2) as u64);
    0
}

#[inline(always)]
fn asleep(task: u64) -> Option<()> {
    // Nearly all switches end here.
    if member!(task, task_state => u32)? & UNINTERRUPTIBLE == 0 {
        return None;
    }
    // Kernel threads sleep like this for nothing.
    if member!(task, task_mm => u64)? == 0 {
        return None;
    }
    let thread = member!(task, task_pid => u32)?;
    let sleep = Sleep {
        // SAFETY: the helper has no preconditions.
        since: unsafe { bpf_ktime_get_ns() },
        major: value!(task, task_major_faults => u64),
        minor: value!(task, task_minor_faults => u64),
        ended: 0,
    };
    let _ = SLEEPS.insert(&thread, &sleep, 0);
    Some(())
}

#[inline(always)]
fn awake(task: u64) -> Option<()> {
    let thread = member!(task, task_pid => u32)?;
    let sleep = SLEEPS.get_ptr_mut(&thread)?;
    // SAFETY: a value of the map that belongs to this thread.
    let sleep = unsafe { &mut *sleep };
    if sleep.ended != 0 {
        return None;
    }
    sleep.ended = 1;
    // SAFETY: the helper has no preconditions.
    let nanos = unsafe { bpf_ktime_get_ns() }.saturating_sub(sleep.since);
    let histogram = OFF_CPU_LATENCY.get_ptr_mut(0)?;
    // SAFETY: a value of a per-CPU map.
    unsafe { count(histogram, nanos) };
    if nanos >= global!(SETTINGS.stall) {
        waited(WAIT_KERNEL, task_at(task), nanos);
    }
    Some(())
}

// kernel: software event PERF_COUNT_SW_PAGE_FAULTS_MAJ
#[perf_event]
pub(crate) fn fault_done(_: PerfEventContext) -> u32 {
    let nanos = slept(bpf_get_current_pid_tgid() as u32);
    if nanos > 0
        && let Some(histogram) = PAGE_FAULT_LATENCY.get_ptr_mut(0)
    {
        // SAFETY: a value of a per-CPU map.
        unsafe { count(histogram, nanos) };
    }
    waited(WAIT_PAGE, current_task(), nanos);
    0
}

/// How long a thread slept for the fault that is done; 0 where it did not.
#[inline(always)]
fn slept(thread: u32) -> u64 {
    // SAFETY: the value is copied at once; only this thread's own switches write it.
    let Some(sleep) = unsafe { SLEEPS.get(&thread) }.copied() else {
        return 0;
    };
    let _ = SLEEPS.remove(&thread);
    let task = current();
    let (major, minor) = (
        value!(task, task_major_faults => u64),
        value!(task, task_minor_faults => u64),
    );
    // The kernel has counted this fault already.
    if sleep.major + 1 != major || sleep.minor != minor {
        return 0;
    }
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_ns() }.saturating_sub(sleep.since)
}
