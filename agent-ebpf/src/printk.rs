//! Lines of the kernel's own log.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use aya_ebpf::macros::{map, tracepoint};
use aya_ebpf::maps::PerCpuArray;
use aya_ebpf::programs::TracePointContext;
use hark_ebpf::{Kind, LINE_LEN, LineRecord, Task};

use crate::budget::is_within_budget;
use crate::emit::{emit_bytes, header};
use crate::kernel::{global, read};

#[map]
static LINE: PerCpuArray<LineRecord> = PerCpuArray::with_max_entries(1, 0);

// kernel: tracepoint printk:console msg
#[tracepoint]
pub(crate) fn kernel_line(ctx: TracePointContext) -> i32 {
    let fields = ctx.as_ptr() as u64;
    let Some(location) = read::<u32>(fields, global!(TRACEPOINTS.line_text)) else {
        return 0;
    };
    // The kernel writes on behalf of any process, so none is told.
    if !is_within_budget(Kind::Line, &Task::NOBODY, 0) {
        return 0;
    }
    let Some(record) = LINE.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: a value of a per-CPU map; a tracepoint's programs do not interrupt each other.
    let record = unsafe { &mut *record };
    record.header = header(Kind::Line, Task::NOBODY);
    // `__data_loc`: the text lies at the offset in the lower half.
    let text = fields + u64::from(location & 0xffff);
    record.text[0] = 0;
    // SAFETY: the helper checks the source; the destination is as long as told. Then a whole record.
    unsafe {
        bpf_probe_read_kernel_str(
            record.text.as_mut_ptr().cast(),
            LINE_LEN as u32,
            text as *const _,
        );
        emit_bytes(
            Kind::Line,
            (&raw const *record).cast(),
            size_of::<LineRecord>(),
        );
    }
    0
}
