//! System calls that fail, counted by command, call and error.

use aya_ebpf::helpers::bpf_get_current_comm;
use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::{HashMap, PerCpuArray};
use aya_ebpf::programs::BtfTracePointContext;
use hark_ebpf::{SYSCALL_ERRORS_MAX, SyscallErrorKey};

use crate::emit::add_one;
use crate::ignore::{is_anybody, is_ignored};
use crate::kernel::{current_task, member};

#[map]
static SYSCALL_ERRORS: HashMap<SyscallErrorKey, u64> =
    HashMap::with_max_entries(SYSCALL_ERRORS_MAX, 0);

/// Those for which [`SYSCALL_ERRORS`] had no room.
#[map]
static SYSCALL_ERRORS_REST: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Larger ones are the kernel's own, which no process sees, as those by which a call is begun again;
/// or no errors, but results.
const ERROR_MAX: i64 = 511;

// kernel: sys_exit(struct pt_regs *regs, long int ret)
#[btf_tracepoint(function = "sys_exit")]
pub(crate) fn syscall_failed(ctx: BtfTracePointContext) -> i32 {
    // Nearly all calls end here.
    let result = ctx.arg::<u64>(1).cast_signed();
    if result >= 0 || result < -ERROR_MAX {
        return 0;
    }
    let _ = count(ctx.arg::<*const u8>(0) as u64, -result as u32);
    0
}

#[inline(always)]
fn count(registers: u64, error: u32) -> Option<()> {
    let key = SyscallErrorKey {
        comm: bpf_get_current_comm().ok()?,
        call: member!(registers, registers_call => u32)?,
        error,
    };
    if is_anybody() && is_ignored(&current_task()) {
        return None;
    }
    match SYSCALL_ERRORS.get_ptr_mut(&key) {
        Some(count) => add_one(count),
        None if SYSCALL_ERRORS.insert(&key, &1, 1 /* BPF_NOEXIST */).is_ok() => {}
        None => match SYSCALL_ERRORS.get_ptr_mut(&key) {
            Some(count) => add_one(count), // another CPU was first
            None => add_one(SYSCALL_ERRORS_REST.get_ptr_mut(0)?),
        },
    }
    Some(())
}
