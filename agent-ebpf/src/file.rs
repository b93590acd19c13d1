//! Files at paths that were named: opened, changed, removed. What is elsewhere costs a look-up.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::{bpf_probe_read_user, bpf_probe_read_user_str};
use aya_ebpf::macros::{map, tracepoint};
use aya_ebpf::maps::lpm_trie::{Key, LpmTrie};
use aya_ebpf::maps::{LruHashMap, PerCpuArray};
use aya_ebpf::programs::TracePointContext;
use hark_ebpf::{
    FILE_CHANGE, FILE_DELETE, FILE_READ, FILE_RENAME, FILE_WRITE, FileRecord, Kind,
    WATCH_PREFIX_MAX, WATCH_READS, WATCH_WRITES, WATCHED_MAX,
};

use crate::budget::is_wanted;
use crate::emit::{emit_bytes, header};
use crate::kernel::{current_task, read_or_zero};

/// What is watched below each path, as `WATCH_*`. Paths of files end with their zero, so that they
/// match alone; those of directories end with `/`.
#[map]
static WATCHED: LpmTrie<[u8; WATCH_PREFIX_MAX], u32> =
    LpmTrie::with_max_entries(WATCHED_MAX, 1 /* BPF_F_NO_PREALLOC */);

/// Calls under way, by thread.
#[map]
static FILE_CALLS: LruHashMap<u64, FileRecord> = LruHashMap::with_max_entries(512, 0);

#[map]
static FILE_CALL: PerCpuArray<FileRecord> = PerCpuArray::with_max_entries(1, 0);

/// Offsets in the records of all tracepoints of calls: first argument, result.
const ARGUMENTS: u32 = 16;
const RESULT: u32 = 16;

/// Flags of open(2) by which a file may be changed: `O_WRONLY`, `O_RDWR`, `O_CREAT`, `O_TRUNC`.
const WRITING: u64 = 0o1 | 0o2 | 0o100 | 0o1000;

#[inline(always)]
fn argument(ctx: &TracePointContext, index: u32) -> u64 {
    read_or_zero(ctx.as_ptr() as u64, ARGUMENTS + 8 * index)
}

/// Notes the call if its path is watched.
#[inline(always)]
fn look(path: u64, operation: u32, flags: u64) -> bool {
    let Some(record) = FILE_CALL.get_ptr_mut(0) else {
        return false;
    };
    // SAFETY: a value of a per-CPU map. Where another call on this CPU comes between, only the copy
    // in `FILE_CALLS` counts.
    let record = unsafe { &mut *record };
    let mut start = [0_u8; WATCH_PREFIX_MAX];
    // SAFETY: the helper checks the source; the destination is as long as told.
    let len = unsafe {
        bpf_probe_read_user_str(
            start.as_mut_ptr().cast(),
            WATCH_PREFIX_MAX as u32,
            path as *const _,
        )
    };
    if len <= 1 || start[0] != b'/' {
        return false;
    }
    let Some(watched) = WATCHED.get(&Key::new(WATCH_PREFIX_MAX as u32 * 8, start)) else {
        return false;
    };
    let wanted = if operation == FILE_READ {
        WATCH_READS
    } else {
        WATCH_WRITES
    };
    if watched & wanted == 0 {
        return false;
    }
    record.operation = operation;
    record.reserved = 0;
    record.flags = flags;
    record.path[0] = 0;
    // SAFETY: as above.
    unsafe {
        bpf_probe_read_user_str(
            record.path.as_mut_ptr().cast(),
            record.path.len() as u32,
            path as *const _,
        );
    }
    let _ = FILE_CALLS.insert(&bpf_get_current_pid_tgid(), &*record, 0);
    true
}

#[inline(always)]
fn open(path: u64, flags: u64) -> i32 {
    let operation = if flags & WRITING == 0 {
        FILE_READ
    } else {
        FILE_WRITE
    };
    look(path, operation, flags);
    0
}

// kernel: tracepoint syscalls:sys_enter_open filename flags
#[tracepoint]
pub(crate) fn file_open(ctx: TracePointContext) -> i32 {
    open(argument(&ctx, 0), argument(&ctx, 1))
}

// kernel: tracepoint syscalls:sys_enter_openat dfd filename flags
#[tracepoint]
pub(crate) fn file_openat(ctx: TracePointContext) -> i32 {
    open(argument(&ctx, 1), argument(&ctx, 2))
}

// kernel: tracepoint syscalls:sys_enter_openat2 dfd filename how
#[tracepoint]
pub(crate) fn file_openat2(ctx: TracePointContext) -> i32 {
    let mut flags = 0_u64;
    // SAFETY: the helper checks the source; `open_how` begins with its flags.
    unsafe {
        bpf_probe_read_user((&raw mut flags).cast(), 8, argument(&ctx, 2) as *const _);
    }
    open(argument(&ctx, 1), flags)
}

// kernel: tracepoint syscalls:sys_enter_unlink pathname
#[tracepoint]
pub(crate) fn file_unlink(ctx: TracePointContext) -> i32 {
    look(argument(&ctx, 0), FILE_DELETE, 0);
    0
}

// kernel: tracepoint syscalls:sys_enter_unlinkat dfd pathname
#[tracepoint]
pub(crate) fn file_unlinkat(ctx: TracePointContext) -> i32 {
    look(argument(&ctx, 1), FILE_DELETE, 0);
    0
}

// kernel: tracepoint syscalls:sys_enter_rename oldname newname
#[tracepoint]
pub(crate) fn file_rename(ctx: TracePointContext) -> i32 {
    if !look(argument(&ctx, 1), FILE_RENAME, 0) {
        look(argument(&ctx, 0), FILE_RENAME, 0);
    }
    0
}

// kernel: tracepoint syscalls:sys_enter_renameat olddfd oldname newdfd newname
// kernel: tracepoint syscalls:sys_enter_renameat2 olddfd oldname newdfd newname
#[tracepoint]
pub(crate) fn file_renameat(ctx: TracePointContext) -> i32 {
    if !look(argument(&ctx, 3), FILE_RENAME, 0) {
        look(argument(&ctx, 1), FILE_RENAME, 0);
    }
    0
}

// kernel: tracepoint syscalls:sys_enter_{truncate,chmod,chown,creat} path
#[tracepoint]
pub(crate) fn file_change(ctx: TracePointContext) -> i32 {
    look(argument(&ctx, 0), FILE_CHANGE, 0);
    0
}

// kernel: tracepoint syscalls:sys_enter_{fchmodat,fchmodat2,fchownat} dfd filename
#[tracepoint]
pub(crate) fn file_changeat(ctx: TracePointContext) -> i32 {
    look(argument(&ctx, 1), FILE_CHANGE, 0);
    0
}

// kernel: tracepoint syscalls:sys_exit_* ret
#[tracepoint]
pub(crate) fn file_exit(ctx: TracePointContext) -> i32 {
    let thread = bpf_get_current_pid_tgid();
    let Some(record) = FILE_CALLS.get_ptr_mut(&thread) else {
        return 0;
    };
    // SAFETY: a value of the map that belongs to this thread.
    let record = unsafe { &mut *record };
    let task = current_task();
    if is_wanted(Kind::File, &task) {
        record.header = header(Kind::File, task);
        record.result = read_or_zero(ctx.as_ptr() as u64, RESULT);
        // SAFETY: a whole record.
        unsafe {
            emit_bytes(
                Kind::File,
                (&raw const *record).cast(),
                size_of::<FileRecord>(),
            );
        }
    }
    let _ = FILE_CALLS.remove(&thread);
    0
}
