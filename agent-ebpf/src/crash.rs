//! Where a fault happened: which file is mapped there. Told ahead of the signal that the fault raises.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_find_vma, bpf_get_stack};
use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::PerCpuArray;
use aya_ebpf::programs::BtfTracePointContext;
use aya_ebpf::{EbpfContext as _, bindings::task_struct};
use hark_ebpf::{FaultRecord, Kind, WALK_BROKEN};

use crate::emit::{emit_bytes, header};
use crate::kernel::{current, current_task, global, member, read, value};
use crate::path::{Place, root, walk};
use crate::signal::{SI_ADDR, SI_CODE, is_fault};

#[map]
static FAULT: PerCpuArray<FaultRecord> = PerCpuArray::with_max_entries(1, 0);

/// `BPF_F_USER_STACK`.
const USER_STACK: u64 = 1 << 8;
const SIGBUS: u32 = 7;

/// What is mapped at an address.
#[repr(C)]
struct Mapped {
    start: u64,
    page: u64,
    file: u64,
}

/// Takes down what the kernel found.
extern "C" fn found(_task: *mut c_void, vma: *mut c_void, mapped: *mut Mapped) -> i64 {
    let vma = vma as u64;
    let found = Mapped {
        start: value!(vma, vma_start => u64),
        page: value!(vma, vma_pgoff => u64),
        file: value!(vma, vma_file => u64),
    };
    // SAFETY: `bpf_find_vma` hands on the pointer that it was given.
    unsafe { *mapped = found };
    0
}

// kernel: signal_generate(int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result)
#[btf_tracepoint(function = "signal_generate")]
pub(crate) fn fault_place(ctx: BtfTracePointContext) -> i32 {
    let info = ctx.arg::<*const u8>(1) as u64;
    // Small ones are no addresses, but say who sends.
    let signal = ctx.arg::<i32>(0) as u32;
    if info <= 2 || !is_fault(signal, read::<i32>(info, SI_CODE).unwrap_or(0)) {
        return 0;
    }
    let task = ctx.arg::<*mut task_struct>(2);
    if task as u64 != current() {
        return 0;
    }
    let Some(record) = FAULT.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: a value of a per-CPU map; signals are sent with interrupts off.
    let record = unsafe { &mut *record };
    record.header = header(Kind::Fault, current_task());
    let mut instruction = 0_u64;
    // SAFETY: the helper writes the innermost frame's address, of eight bytes.
    unsafe {
        bpf_get_stack(ctx.as_ptr(), (&raw mut instruction).cast(), 8, USER_STACK);
    }
    record.instruction = instruction;
    record.offset = 0;
    record.file.len = 0;
    record.file.end = WALK_BROKEN;
    // Here the kernel looks up one address alone. SIGBUS is about the file that was wanted.
    let address = if signal == SIGBUS {
        read(info, SI_ADDR).unwrap_or(0)
    } else {
        instruction
    };
    let _ = place(task, address, record);
    // SAFETY: a whole record.
    unsafe {
        emit_bytes(
            Kind::Fault,
            (&raw const *record).cast(),
            size_of::<FaultRecord>(),
        );
    }
    0
}

#[inline(always)]
fn place(task: *mut task_struct, address: u64, record: &mut FaultRecord) -> Option<()> {
    let mut mapped = Mapped {
        start: 0,
        page: 0,
        file: 0,
    };
    let context = (&raw mut mapped).cast();
    // SAFETY: the kernel checks the arguments; the callback gets the last but one.
    let result = unsafe { bpf_find_vma(task, address, found as *mut c_void, context, 0) };
    if result != 0 || mapped.file == 0 {
        return None;
    }
    record.offset = address
        .wrapping_sub(mapped.start)
        .wrapping_add(mapped.page * global!(SETTINGS.page));
    let place = Place {
        mnt: member!(mapped.file, file_mnt => u64)?,
        dentry: member!(mapped.file, file_dentry => u64)?,
    };
    let root = root(value!(current(), task_fs => u64));
    // SAFETY: there is room for a walk, and both are in a value of a map.
    unsafe {
        walk(place, root, record.names.as_mut_ptr(), &raw mut record.file);
    }
    Some(())
}
