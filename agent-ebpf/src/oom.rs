//! Processes killed for want of memory.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use aya_ebpf::macros::tracepoint;
use aya_ebpf::programs::TracePointContext;
use hark_ebpf::{ABSENT, Kind, OomRecord};

use crate::emit::{emit, header};
use crate::kernel::{current_task, global, read};

// kernel: tracepoint oom:mark_victim pid
#[tracepoint(category = "oom", name = "mark_victim")]
pub(crate) fn oom_kill(ctx: TracePointContext) -> i32 {
    let fields = ctx.as_ptr() as u64;
    let mut comm = [0; 16];
    if let Some(location) = read::<u32>(fields, global!(TRACEPOINTS.oom_comm)) {
        // `__data_loc`: the text lies at the offset in the lower half.
        let text = fields + u64::from(location & 0xffff);
        // SAFETY: the helper checks the source; the destination is as long as told.
        unsafe { bpf_probe_read_kernel_str(comm.as_mut_ptr().cast(), 16, text as *const _) };
    }
    emit(
        Kind::Oom,
        OomRecord {
            header: header(Kind::Oom, current_task()),
            total_vm: read(fields, global!(TRACEPOINTS.oom_total_vm)).unwrap_or(u64::MAX),
            anon_rss: read(fields, global!(TRACEPOINTS.oom_anon_rss)).unwrap_or(u64::MAX),
            file_rss: read(fields, global!(TRACEPOINTS.oom_file_rss)).unwrap_or(u64::MAX),
            shmem_rss: read(fields, global!(TRACEPOINTS.oom_shmem_rss)).unwrap_or(u64::MAX),
            pid: read(fields, global!(TRACEPOINTS.oom_pid)).unwrap_or(0),
            uid: read(fields, global!(TRACEPOINTS.oom_uid)).unwrap_or(ABSENT),
            score_adj: read::<i16>(fields, global!(TRACEPOINTS.oom_score_adj))
                .map_or(i32::MIN, i32::from),
            reserved: 0,
            comm,
        },
    );
    0
}
