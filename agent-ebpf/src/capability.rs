//! Capabilities that a process wanted to use and does not have.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::macros::{map, tracepoint};
use aya_ebpf::maps::LruHashMap;
use aya_ebpf::programs::TracePointContext;
use hark_ebpf::{CapabilityRecord, Kind};

use crate::budget::is_wanted;
use crate::emit::{emit, header, now};
use crate::kernel::{current_task, global, read};
use crate::own::is_agent;

/// What is told once a minute.
#[derive(Clone, Copy)]
#[repr(C)]
struct Denial {
    comm: [u8; 16],
    uid: u32,
    capability: u32,
}

/// When each was told last.
#[map]
static DENIALS: LruHashMap<Denial, u64> = LruHashMap::with_max_entries(1_024, 0);

const MINUTE: u64 = 60_000_000_000;
/// `CAP_SYS_ADMIN`: the kernel asks for it on each allocation of memory by anybody, to learn whether
/// a reserve may be used. The tracepoint does not tell these from real use.
const SYS_ADMIN: u32 = 21;

// kernel: tracepoint capability:cap_capable cap ret
#[tracepoint]
pub(crate) fn capability_denied(ctx: TracePointContext) -> i32 {
    let fields = ctx.as_ptr() as u64;
    if read::<i32>(fields, global!(TRACEPOINTS.capability_result)).unwrap_or(0) == 0 {
        return 0;
    }
    let Some(capability) = read::<u32>(fields, global!(TRACEPOINTS.capability)) else {
        return 0;
    };
    if capability == SYS_ADMIN {
        return 0;
    }
    let task = current_task();
    // It has given its privileges up, and looks into /proc all the time.
    if is_agent(task.pid) {
        return 0;
    }
    let key = Denial {
        comm: task.comm,
        uid: task.uid,
        capability,
    };
    let now = now();
    // SAFETY: the value is copied at once.
    let last = unsafe { DENIALS.get(&key) }.copied();
    if last.is_some_and(|last| now.saturating_sub(last) < MINUTE) {
        return 0;
    }
    let _ = DENIALS.insert(&key, &now, 0);
    if is_wanted(Kind::Capability, &task) {
        emit(
            Kind::Capability,
            CapabilityRecord {
                header: header(Kind::Capability, task),
                capability,
                reserved: 0,
            },
        );
    }
    0
}
