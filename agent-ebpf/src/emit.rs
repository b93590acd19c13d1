//! The ring buffer, and the account of what went into it.

use core::arch::asm;

use aya_ebpf::bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::helpers::{bpf_get_smp_processor_id, bpf_ktime_get_boot_ns};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{PerCpuArray, RingBuf};
use hark_ebpf::{Counts, Header, Kind, Task};

use crate::kernel::global;

/// The agent sets the size.
#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(4096, 0);

/// By [`Kind`].
#[map]
static COUNTS: PerCpuArray<Counts> = PerCpuArray::with_max_entries(Kind::ALL.len() as u32, 0);

/// Nanoseconds since boot.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_boot_ns() }
}

/// How a record starts.
#[inline(always)]
pub(crate) fn header(kind: Kind, task: Task) -> Header {
    // SAFETY: the helper has no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() } as u32;
    Header {
        kind: kind as u32,
        cpu,
        time: now(),
        task,
    }
}

/// Wakes the reader only when much is waiting: it looks by itself every few milliseconds, and a
/// wake-up costs more than all the rest.
#[inline(always)]
fn wake_up() -> u64 {
    if EVENTS.query(u64::from(BPF_RB_AVAIL_DATA)) >= u64::from(global!(SETTINGS.wake_bytes)) {
        u64::from(BPF_RB_FORCE_WAKEUP)
    } else {
        u64::from(BPF_RB_NO_WAKEUP)
    }
}

/// Adds one, although an interrupt on this CPU may do the same in the midst of it.
#[inline(always)]
pub(crate) fn add_one(counter: *mut u64) {
    add(counter, 1);
}

/// Adds a number in the same way.
#[inline(always)]
pub(crate) fn add(counter: *mut u64, more: u64) {
    // SAFETY: `counter` is a value of a map, 8-byte aligned, and lives as long as the program. The
    // target has no `AtomicU64::fetch_add`, but the instruction behind it.
    unsafe {
        asm!("lock *(u64 *)({counter} + 0) += {more}", counter = in(reg) counter, more = in(reg) more)
    }
}

#[inline(always)]
fn count(kind: Kind, told: bool) {
    if let Some(counts) = COUNTS.get_ptr_mut(kind as u32) {
        // SAFETY: `counts` points to a whole value of the map.
        add_one(unsafe { &raw mut (*counts).emitted });
        if !told {
            // SAFETY: as above.
            add_one(unsafe { &raw mut (*counts).dropped });
        }
    }
}

/// Tells a record of fixed size.
#[inline(always)]
pub(crate) fn emit<T: Copy + 'static>(kind: Kind, record: T) {
    let entry = EVENTS.reserve::<T>(0);
    let told = entry.is_some();
    if let Some(mut entry) = entry {
        entry.write(record);
        entry.submit(wake_up());
    }
    count(kind, told);
}

/// Tells a record that lies ready in a map.
///
/// # Safety
/// `len` bytes from `record` are readable.
#[inline(always)]
pub(crate) unsafe fn emit_bytes(kind: Kind, record: *const u8, len: usize) {
    // SAFETY: the caller's promise.
    let bytes = unsafe { core::slice::from_raw_parts(record, len) };
    let told = EVENTS.output::<[u8]>(bytes, wake_up()).is_ok();
    count(kind, told);
}
