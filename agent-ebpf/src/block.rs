//! How long block requests take, counted by device and operation; those that fail, and those that are slow.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::{HashMap, PerCpuHashMap};
use aya_ebpf::programs::BtfTracePointContext;
use hark_ebpf::{
    BUCKETS, BlockErrorRecord, BlockKey, Histogram, Kind, SlowRequestRecord, Task, bucket,
};

use crate::budget::is_wanted;
use crate::emit::{emit, header};
use crate::kernel::{current_task, global, member, value};

/// A request under way.
#[derive(Clone, Copy)]
#[repr(C)]
struct Issued {
    since: u64,
    task: Task,
}

/// By the address of the `struct request`.
#[map]
static BLOCK_ISSUED: HashMap<u64, Issued> = HashMap::with_max_entries(8_192, 0);

#[map]
static BLOCK_LATENCY: PerCpuHashMap<BlockKey, Histogram> = PerCpuHashMap::with_max_entries(256, 0);

static EMPTY: Histogram = Histogram {
    buckets: [0; BUCKETS],
    sum: 0,
};

/// `REQ_OP_MASK` of the kernel.
const OPERATION: u32 = 0xff;

// kernel: block_rq_issue(struct request_queue *q, struct request *rq)
// kernel: 5.11 block_rq_issue(struct request *rq)
#[btf_tracepoint(function = "block_rq_issue")]
pub(crate) fn block_issue(ctx: BtfTracePointContext) -> i32 {
    let request = if global!(ARGUMENTS.block_issue_request) == 1 {
        ctx.arg::<*const u8>(1) as u64
    } else {
        ctx.arg::<*const u8>(0) as u64
    };
    let issued = Issued {
        // SAFETY: the helper has no preconditions.
        since: unsafe { bpf_ktime_get_ns() },
        task: current_task(),
    };
    let _ = BLOCK_ISSUED.insert(&request, &issued, 0);
    0
}

// kernel: block_rq_complete(struct request *rq, int error, unsigned int nr_bytes)
// kernel: 5.16 block_rq_complete(struct request *rq, blk_status_t error, unsigned int nr_bytes)
#[btf_tracepoint(function = "block_rq_complete")]
pub(crate) fn block_complete(ctx: BtfTracePointContext) -> i32 {
    let request = ctx.arg::<*const u8>(0) as u64;
    let status = ctx.arg::<u64>(1) as u32;
    let _ = complete(request, status);
    0
}

#[inline(always)]
fn complete(request: u64, status: u32) -> Option<()> {
    // SAFETY: the value is copied at once; a request's entry is not written while it is in flight.
    let issued = *unsafe { BLOCK_ISSUED.get(&request) }?;
    let _ = BLOCK_ISSUED.remove(&request);
    // SAFETY: the helper has no preconditions.
    let nanos = unsafe { bpf_ktime_get_ns() }.saturating_sub(issued.since);
    let disk = match member!(request, request_rq_disk => u64) {
        Some(disk) => disk,
        None => member!(member!(request, request_q => u64)?, queue_disk => u64)?,
    };
    let key = BlockKey {
        major: member!(disk, disk_major => u32)?,
        minor: member!(disk, disk_first_minor => u32)?,
        operation: member!(request, request_cmd_flags => u32)? & OPERATION,
    };
    // `blk_status_t` has eight bits, and the register may have more.
    if status & 0xff != 0 {
        emit(
            Kind::BlockError,
            BlockErrorRecord {
                header: header(Kind::BlockError, current_task()),
                sector: value!(request, request_sector => u64),
                bytes: value!(request, request_data_len => u32),
                status,
                key,
                reserved: 0,
            },
        );
    }
    if nanos >= global!(SETTINGS.slow_request) && is_wanted(Kind::SlowRequest, &issued.task) {
        emit(
            Kind::SlowRequest,
            SlowRequestRecord {
                header: header(Kind::SlowRequest, issued.task),
                nanos,
                sector: value!(request, request_sector => u64),
                bytes: value!(request, request_data_len => u32),
                key,
            },
        );
    }
    let histogram = match BLOCK_LATENCY.get_ptr_mut(&key) {
        Some(histogram) => histogram,
        None => {
            let _ = BLOCK_LATENCY.insert(&key, &EMPTY, 1 /* BPF_NOEXIST */);
            BLOCK_LATENCY.get_ptr_mut(&key)?
        }
    };
    // SAFETY: a value of a per-CPU map; `bucket` is below the number of buckets.
    unsafe { count(histogram, nanos) };
    Some(())
}

/// Counts a latency.
///
/// # Safety
/// `histogram` points to a whole value of a map.
#[inline(always)]
pub(crate) unsafe fn count(histogram: *mut Histogram, nanos: u64) {
    let index = bucket(nanos);
    if index < BUCKETS {
        // SAFETY: the caller's promise, and the index is in range.
        unsafe {
            (*histogram).buckets[index] += 1;
            (*histogram).sum += nanos;
        }
    }
}
