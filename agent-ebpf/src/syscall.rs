//! System calls that matter to the host's safety: who becomes whom, who looks into whom, what is
//! mounted, what is loaded into the kernel. Each program hangs on many calls.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::bpf_probe_read_user_str;
use aya_ebpf::macros::{map, tracepoint};
use aya_ebpf::maps::{LruHashMap, PerCpuArray};
use aya_ebpf::programs::TracePointContext;
use hark_ebpf::{Credentials, Kind, SyscallRecord};

use crate::budget::is_wanted;
use crate::emit::{emit_bytes, header};
use crate::kernel::{current, current_task, global, read_or_zero, value};
use crate::own::is_starting;

/// Calls under way, by thread.
#[map]
static SYSCALLS: LruHashMap<u64, SyscallRecord> = LruHashMap::with_max_entries(512, 0);

#[map]
static SYSCALL: PerCpuArray<SyscallRecord> = PerCpuArray::with_max_entries(1, 0);

/// Offsets in the records of all tracepoints of calls: number, first argument, result.
const NUMBER: u32 = 8;
const ARGUMENTS: u32 = 16;
const RESULT: u32 = 16;

/// `PTRACE_ATTACH` and `PTRACE_SEIZE`, <https://man7.org/linux/man-pages/man2/ptrace.2.html>.
const ATTACH: u64 = 16;
const SEIZE: u64 = 0x4206;
/// `BPF_PROG_LOAD`, <https://man7.org/linux/man-pages/man2/bpf.2.html>.
const PROG_LOAD: u64 = 5;

#[inline(always)]
fn credentials() -> Credentials {
    let cred: u64 = value!(current(), task_effective_cred => u64);
    Credentials {
        uid: value!(cred, cred_uid => u32),
        gid: value!(cred, cred_gid => u32),
        euid: value!(cred, cred_euid => u32),
        egid: value!(cred, cred_egid => u32),
    }
}

/// Copies a text of the process; none where it gave no address.
#[inline(always)]
fn copy<const N: usize>(text: &mut [u8; N], address: u64) {
    text[0] = 0;
    // SAFETY: the helper checks the source; the destination is as long as told.
    unsafe {
        bpf_probe_read_user_str(text.as_mut_ptr().cast(), N as u32, address as *const _);
    }
}

// kernel: tracepoint syscalls:sys_enter_* __syscall_nr
#[tracepoint]
pub(crate) fn syscall_enter(ctx: TracePointContext) -> i32 {
    let thread = bpf_get_current_pid_tgid();
    if is_starting((thread >> 32) as u32) {
        return 0;
    }
    let Some(record) = SYSCALL.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: a value of a per-CPU map. Where another call on this CPU comes between, only the copy
    // in `SYSCALLS` counts.
    let record = unsafe { &mut *record };
    let fields = ctx.as_ptr() as u64;
    record.number = read_or_zero(fields, NUMBER);
    record.reserved = 0;
    record.arguments = read_or_zero(fields, ARGUMENTS);
    let first = record.arguments[0];
    // A debugger calls ptrace by the thousand; news is that it begins. The same goes for bpf.
    if record.number == global!(SETTINGS.ptrace) && first != ATTACH && first != SEIZE
        || record.number == global!(SETTINGS.bpf) && first != PROG_LOAD
    {
        return 0;
    }
    record.before = credentials();
    // Not all calls have texts there; what is no address reads as nothing.
    copy(&mut record.first, record.arguments[0]);
    copy(&mut record.second, record.arguments[1]);
    copy(&mut record.third, record.arguments[2]);
    let _ = SYSCALLS.insert(&thread, &*record, 0);
    0
}

// kernel: tracepoint syscalls:sys_exit_* ret
#[tracepoint]
pub(crate) fn syscall_exit(ctx: TracePointContext) -> i32 {
    tell(&ctx, |_| true)
}

// kernel: tracepoint syscalls:sys_exit_set* ret
#[tracepoint]
pub(crate) fn privilege_exit(ctx: TracePointContext) -> i32 {
    // To set the ids that one has is no news; to fail is.
    tell(&ctx, |record| {
        record.result < 0 || record.before != record.after
    })
}

#[inline(always)]
fn tell(ctx: &TracePointContext, is_news: impl FnOnce(&SyscallRecord) -> bool) -> i32 {
    let thread = bpf_get_current_pid_tgid();
    let Some(record) = SYSCALLS.get_ptr_mut(&thread) else {
        return 0;
    };
    // SAFETY: a value of the map that belongs to this thread.
    let record = unsafe { &mut *record };
    record.header = header(Kind::Syscall, current_task());
    record.result = read_or_zero(ctx.as_ptr() as u64, RESULT);
    record.after = credentials();
    if is_news(record) && is_wanted(Kind::Syscall, &record.header.task) {
        // SAFETY: a whole record.
        unsafe {
            emit_bytes(
                Kind::Syscall,
                (&raw const *record).cast(),
                size_of::<SyscallRecord>(),
            );
        }
    }
    let _ = SYSCALLS.remove(&thread);
    0
}
