//! Where a fault happened: which file is mapped there. Told ahead of the signal that the fault raises.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::generated::bpf_get_stack;
use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::PerCpuArray;
use aya_ebpf::programs::BtfTracePointContext;
use hark_ebpf::{FaultRecord, Kind, WALK_BROKEN};

use crate::emit::{emit_bytes, header};
use crate::kernel::{current, current_task, global, member, read, value};
use crate::memory::area_at;
use crate::path::{Place, root, walk};
use crate::signal::{SI_ADDR, SI_CODE, is_fault};

#[map]
static FAULT: PerCpuArray<FaultRecord> = PerCpuArray::with_max_entries(1, 0);

/// `BPF_F_USER_STACK`.
const USER_STACK: u64 = 1 << 8;
const SIGBUS: u32 = 7;

// kernel: signal_generate(int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result)
#[btf_tracepoint(function = "signal_generate")]
pub(crate) fn fault_place(ctx: BtfTracePointContext) -> i32 {
    let info = ctx.arg::<*const u8>(1) as u64;
    // Small ones are no addresses, but say who sends.
    let signal = ctx.arg::<i32>(0) as u32;
    if info <= 2 || !is_fault(signal, read::<i32>(info, SI_CODE).unwrap_or(0)) {
        return 0;
    }
    let task = ctx.arg::<*const u8>(2) as u64;
    if task != current() {
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
    // SIGBUS is about the file that was wanted.
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
fn place(task: u64, address: u64, record: &mut FaultRecord) -> Option<()> {
    let area = area_at(member!(task, task_mm => u64)?, address)?;
    let file = member!(area, vma_file => u64).filter(|file| *file != 0)?;
    record.offset = address
        .wrapping_sub(value!(area, vma_start => u64))
        .wrapping_add(value!(area, vma_pgoff => u64) * global!(SETTINGS.page));
    let place = Place {
        mnt: member!(file, file_mnt => u64)?,
        dentry: member!(file, file_dentry => u64)?,
    };
    let root = root(value!(task, task_fs => u64));
    // SAFETY: there is room for a walk, and both are in a value of a map.
    unsafe {
        walk(place, root, record.names.as_mut_ptr(), &raw mut record.file);
    }
    Some(())
}
