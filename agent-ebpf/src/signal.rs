//! Signals: who sent which to whom.

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use hark_ebpf::{Kind, SignalRecord};

use crate::budget::is_within_budget;
use crate::emit::{emit, header};
use crate::ignore::is_ignored;
use crate::kernel::{current_task, global, read, task_at};

/// `SEND_SIG_PRIV` of the kernel: instead of an address, it says that the kernel itself sends.
const FROM_KERNEL: u64 = 1;
/// `SI_KERNEL`, <https://man7.org/linux/man-pages/man2/sigaction.2.html>.
const SI_KERNEL: i32 = 0x80;
const SIGCHLD: u32 = 17;

/// Offset of `si_code` in `siginfo_t`, which is part of the ABI.
pub(crate) const SI_CODE: u32 = 8;
/// Offset of `si_addr`.
pub(crate) const SI_ADDR: u32 = 16;

/// Whether a fault raised the signal: SIGILL, SIGTRAP, SIGBUS, SIGFPE and SIGSEGV carry an address then.
#[inline(always)]
pub(crate) fn is_fault(signal: u32, code: i32) -> bool {
    code > 0 && code != SI_KERNEL && matches!(signal, 4 | 5 | 7 | 8 | 11)
}

// kernel: signal_generate(int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result)
#[btf_tracepoint(function = "signal_generate")]
pub(crate) fn signal_generate(ctx: BtfTracePointContext) -> i32 {
    let signal = ctx.arg::<i32>(0) as u32;
    if signal == 0 || signal > 64 || (global!(SETTINGS.signals) >> (signal - 1)) & 1 == 0 {
        return 0;
    }
    let info: u64 = ctx.arg::<*const u8>(1) as u64;
    let (code, address) = if info == 0 {
        (0, 0)
    } else if info == FROM_KERNEL {
        (SI_KERNEL, 0)
    } else {
        (
            read::<i32>(info, SI_CODE).unwrap_or(0),
            read::<u64>(info, SI_ADDR).unwrap_or(0),
        )
    };
    // A child's end is an event of its own.
    if signal == SIGCHLD && code > 0 {
        return 0;
    }
    let receiver: u64 = ctx.arg::<*const u8>(2) as u64;
    let receiver = task_at(receiver);
    let sender = current_task();
    if is_ignored(&receiver) || !is_within_budget(Kind::Signal, &receiver, sender.pid) {
        return 0;
    }
    emit(
        Kind::Signal,
        SignalRecord {
            header: header(Kind::Signal, receiver),
            sender,
            address: if is_fault(signal, code) { address } else { 0 },
            signal,
            code,
            result: ctx.arg::<i32>(4) as u32,
            group: u32::from(ctx.arg::<i32>(3) != 0),
        },
    );
    0
}
