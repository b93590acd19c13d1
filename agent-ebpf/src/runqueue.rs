//! How long runnable threads wait for a CPU.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::{HashMap, PerCpuArray};
use aya_ebpf::programs::BtfTracePointContext;
use hark_ebpf::{Histogram, WAIT_CPU};

use crate::block::count;
use crate::kernel::{global, member, task_at};
use crate::wait::waited;

/// Since when each thread waits, by thread id.
#[map]
static RUNQUEUE_SINCE: HashMap<u32, u64> = HashMap::with_max_entries(16_384, 0);

#[map]
static RUNQUEUE_LATENCY: PerCpuArray<Histogram> = PerCpuArray::with_max_entries(1, 0);

/// `TASK_RUNNING` of the kernel.
const RUNNING: u32 = 0;

#[inline(always)]
fn runnable(task: u64) -> Option<()> {
    let tid = member!(task, task_pid => u32)?;
    if tid != 0 {
        // SAFETY: the helper has no preconditions.
        let _ = RUNQUEUE_SINCE.insert(&tid, &unsafe { bpf_ktime_get_ns() }, 0);
    }
    Some(())
}

// kernel: sched_wakeup(struct task_struct *p)
#[btf_tracepoint(function = "sched_wakeup")]
pub(crate) fn runqueue_wakeup(ctx: BtfTracePointContext) -> i32 {
    let _ = runnable(ctx.arg::<*const u8>(0) as u64);
    0
}

// kernel: sched_wakeup_new(struct task_struct *p)
#[btf_tracepoint(function = "sched_wakeup_new")]
pub(crate) fn runqueue_wakeup_new(ctx: BtfTracePointContext) -> i32 {
    let _ = runnable(ctx.arg::<*const u8>(0) as u64);
    0
}

// kernel: sched_switch(bool preempt, struct task_struct *prev, struct task_struct *next)
#[btf_tracepoint(function = "sched_switch")]
pub(crate) fn runqueue_switch(ctx: BtfTracePointContext) -> i32 {
    let preempted = ctx.arg::<u64>(0) & 1 == 1;
    let _ = switched(
        preempted,
        ctx.arg::<*const u8>(1) as u64,
        ctx.arg::<*const u8>(2) as u64,
    );
    0
}

#[inline(always)]
fn switched(preempted: bool, previous: u64, next: u64) -> Option<()> {
    if preempted || member!(previous, task_state => u32)? == RUNNING {
        let _ = runnable(previous);
    }
    let tid = member!(next, task_pid => u32)?;
    // SAFETY: the value is copied at once; only the CPU that a thread waits for writes it.
    let since = *unsafe { RUNQUEUE_SINCE.get(&tid) }?;
    let _ = RUNQUEUE_SINCE.remove(&tid);
    let histogram = RUNQUEUE_LATENCY.get_ptr_mut(0)?;
    // SAFETY: the helper has no preconditions.
    let nanos = unsafe { bpf_ktime_get_ns() }.saturating_sub(since);
    // SAFETY: a value of a per-CPU map.
    unsafe { count(histogram, nanos) };
    if nanos >= global!(SETTINGS.stall) {
        waited(WAIT_CPU, task_at(next), nanos);
    }
    Some(())
}
