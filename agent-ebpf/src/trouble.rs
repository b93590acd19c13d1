//! Troubles that the kernel itself finds: file systems that are inconsistent, threads that hang.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use aya_ebpf::macros::tracepoint;
use aya_ebpf::programs::TracePointContext;
use hark_ebpf::{FsErrorRecord, HangRecord, Kind};

use crate::emit::{emit, header};
use crate::kernel::{current_task, global, read, read_or_zero};

// kernel: tracepoint ext4:ext4_error dev function line
#[tracepoint]
pub(crate) fn fs_error(ctx: TracePointContext) -> i32 {
    let fields = ctx.as_ptr() as u64;
    let mut function = [0; 48];
    if let Some(name) = read::<u64>(fields, global!(TRACEPOINTS.fs_error_function)) {
        // SAFETY: the helper checks the source; the destination is as long as told.
        unsafe { bpf_probe_read_kernel_str(function.as_mut_ptr().cast(), 48, name as *const _) };
    }
    emit(
        Kind::FsError,
        FsErrorRecord {
            header: header(Kind::FsError, current_task()),
            device: read_or_zero(fields, global!(TRACEPOINTS.fs_error_device)),
            line: read_or_zero(fields, global!(TRACEPOINTS.fs_error_line)),
            function,
        },
    );
    0
}

// kernel: tracepoint sched:sched_process_hang pid
#[tracepoint]
pub(crate) fn task_hung(ctx: TracePointContext) -> i32 {
    let fields = ctx.as_ptr() as u64;
    emit(
        Kind::Hang,
        HangRecord {
            header: header(Kind::Hang, current_task()),
            thread: read_or_zero(fields, global!(TRACEPOINTS.hang_thread)),
            reserved: 0,
        },
    );
    0
}
