//! Processes: executed, created, ended. And the control groups that they are in.

use core::ptr::read_volatile;

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel_str, bpf_probe_read_user};
use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::PerCpuArray;
use aya_ebpf::programs::BtfTracePointContext;
use aya_log_ebpf::debug;
use hark_ebpf::{
    ABSENT, ARGUMENTS_MAX, CgroupRecord, ExecRecord, ExitRecord, ForkRecord, Header, Kind,
    PATH_LEN, QUIET, Task,
};

use crate::budget::is_within_budget;
use crate::emit::{emit, emit_bytes, header};
use crate::ignore::is_ignored;
use crate::kernel::{
    cgroup_id, comm_of, current_task, global, member, parent_of, started, task_at, value,
};
use crate::path::{Place, WALK_MAX, root, walk};

/// A bound that the verifier sees, for a length that is lower anyway.
const PATH_MASK: usize = 2 * PATH_LEN - 1;
/// Room for the texts of an exec record.
const TEXTS: usize = (PATH_MASK + 2 * WALK_MAX + ARGUMENTS_MAX).next_multiple_of(8);

/// An exec record with its texts: too large for the stack.
#[repr(C)]
struct ExecScratch {
    record: ExecRecord,
    texts: [u8; TEXTS],
}

#[map]
static EXEC: PerCpuArray<ExecScratch> = PerCpuArray::with_max_entries(1, 0);

#[map]
static CGROUP: PerCpuArray<CgroupRecord> = PerCpuArray::with_max_entries(1, 0);

/// How a record starts that only the process table needs where `quiet`: else the table would keep
/// processes that it saw begin and not end.
#[inline(always)]
fn header_if_quiet(kind: Kind, task: Task, quiet: bool) -> Header {
    let mut header = header(kind, task);
    if quiet {
        header.kind |= QUIET;
    }
    header
}

// kernel: sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)
#[btf_tracepoint(function = "sched_process_exec")]
pub(crate) fn process_exec(ctx: BtfTracePointContext) -> i32 {
    let task: u64 = ctx.arg::<*const u8>(0) as u64;
    let binprm: u64 = ctx.arg::<*const u8>(2) as u64;
    let Some(scratch) = EXEC.get_ptr_mut(0) else {
        return 0;
    };
    let current = current_task();
    let parent = parent_of(task);
    let parent_pid = value!(parent, task_tgid => u32);
    let quiet = is_ignored(&current);
    if !quiet && !is_within_budget(Kind::Exec, &current, parent_pid) {
        return 0;
    }
    // SAFETY: `scratch` is a value of a per-CPU map, and this program never runs twice at a time
    // on one CPU.
    let scratch = unsafe { &mut *scratch };
    let record = &mut scratch.record;
    let texts = scratch.texts.as_mut_ptr();
    record.header = header(Kind::Exec, current);
    record.reserved = 0;
    record.parent = parent_pid;
    if quiet {
        record.header.kind |= QUIET;
        // SAFETY: a whole record.
        unsafe {
            emit_bytes(
                Kind::Exec,
                (&raw const *record).cast(),
                size_of::<ExecRecord>(),
            );
        }
        return 0;
    }
    record.parent_comm = comm_of(parent);

    let filename = value!(binprm, binprm_filename => u64);
    // SAFETY: the helper checks the source; there is room.
    let told =
        unsafe { bpf_probe_read_kernel_str(texts.cast(), PATH_LEN as u32, filename as *const _) };
    let mut len = if told > 0 {
        told as usize & PATH_MASK
    } else {
        0
    };
    record.path_len = len as u32;

    let mm = value!(task, task_mm => u64);
    let fs = value!(task, task_fs => u64);
    let root = root(fs);
    let file = value!(mm, mm_exe_file => u64);
    let exe = Place {
        mnt: value!(file, file_mnt => u64),
        dentry: value!(file, file_dentry => u64),
    };
    // SAFETY: `len` is at most `PATH_MASK`: there is room for a walk.
    unsafe { walk(exe, root, texts.add(len), &raw mut record.exe) };
    // SAFETY: a part of the record. Volatile, as is what `walk` wrote.
    len += unsafe { read_volatile(&raw const record.exe.len) } as usize & WALK_MAX;
    let directory = Place {
        mnt: value!(fs, fs_pwd_mnt => u64),
        dentry: value!(fs, fs_pwd_dentry => u64),
    };
    // SAFETY: `len` is at most `PATH_MASK + WALK_MAX`: there is room for another.
    unsafe { walk(directory, root, texts.add(len), &raw mut record.directory) };
    // SAFETY: as above.
    len += unsafe { read_volatile(&raw const record.directory.len) } as usize & WALK_MAX;

    let start = value!(mm, mm_arg_start => u64);
    let end = value!(mm, mm_arg_end => u64);
    let all = end.saturating_sub(start);
    record.arguments_bytes = all;
    let mut told = if all > ARGUMENTS_MAX as u64 {
        ARGUMENTS_MAX
    } else {
        all as usize
    };
    told &= ARGUMENTS_MAX;
    // SAFETY: the helper checks the source; the texts so far and these have room.
    let failed =
        unsafe { bpf_probe_read_user(texts.add(len).cast(), told as u32, start as *const _) };
    if failed != 0 {
        debug!(
            &ctx,
            "arguments of process {} cannot be read: {}", current.pid, failed
        );
        told = 0;
    }
    record.arguments_len = told as u32;
    debug!(
        &ctx,
        "process {} executes {} bytes of arguments", current.pid, all
    );
    let len = size_of::<ExecRecord>() + len + told;
    // SAFETY: `len` is at most the size of the scratch.
    unsafe { emit_bytes(Kind::Exec, (&raw const *scratch).cast(), len) };
    0
}

// kernel: sched_process_fork(struct task_struct *parent, struct task_struct *child)
#[btf_tracepoint(function = "sched_process_fork")]
pub(crate) fn process_fork(ctx: BtfTracePointContext) -> i32 {
    let child: u64 = ctx.arg::<*const u8>(1) as u64;
    let pid = value!(child, task_tgid => u32);
    if value!(child, task_pid => u32) != pid {
        return 0; // a thread
    }
    let current = current_task();
    let quiet = is_ignored(&current);
    if !quiet && !is_within_budget(Kind::Fork, &current, current.pid) {
        return 0;
    }
    emit(
        Kind::Fork,
        ForkRecord {
            header: header_if_quiet(Kind::Fork, current, quiet),
            child: pid,
            parent: value!(parent_of(child), task_tgid => u32),
        },
    );
    0
}

/// `SIGNAL_GROUP_EXIT` of the kernel: all threads end with one code.
const GROUP_EXIT: u32 = 4;

// kernel: sched_process_exit(struct task_struct *p)
// kernel: 6.16 sched_process_exit(struct task_struct *p, bool group_dead)
#[btf_tracepoint(function = "sched_process_exit")]
pub(crate) fn process_exit(ctx: BtfTracePointContext) -> i32 {
    let task: u64 = ctx.arg::<*const u8>(0) as u64;
    let signal = value!(task, task_signal => u64);
    let last_thread = if global!(ARGUMENTS.exit_group_dead) == ABSENT {
        value!(signal, signal_live => i32) == 0
    } else {
        ctx.arg::<u64>(1) & 1 == 1
    };
    if !last_thread {
        return 0;
    }
    let leader = member!(task, task_group_leader => u64).unwrap_or(task);
    let flags = value!(signal, signal_flags => u32);
    let status = if flags & GROUP_EXIT == 0 {
        member!(leader, task_exit_code => u32)
    } else {
        member!(signal, signal_group_exit_code => u32)
    };
    let mut this = task_at(leader);
    this.tid = this.pid;
    let parent = value!(parent_of(leader), task_tgid => u32);
    let quiet = is_ignored(&this);
    if !quiet && !is_within_budget(Kind::Exit, &this, parent) {
        return 0;
    }
    emit(
        Kind::Exit,
        ExitRecord {
            header: header_if_quiet(Kind::Exit, this, quiet),
            started: started(task),
            status: status.unwrap_or(0),
            parent,
        },
    );
    0
}

// kernel: cgroup_mkdir(struct cgroup *cgrp, const char *path)
#[btf_tracepoint(function = "cgroup_mkdir")]
pub(crate) fn cgroup_mkdir(ctx: BtfTracePointContext) -> i32 {
    let cgroup: u64 = ctx.arg::<*const u8>(0) as u64;
    let path: u64 = ctx.arg::<*const u8>(1) as u64;
    let Some(record) = CGROUP.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: `record` is a value of a per-CPU map, and this program never runs twice at a time on
    // one CPU.
    let record = unsafe { &mut *record };
    record.header = header(Kind::Cgroup, current_task());
    record.id = cgroup_id(cgroup);
    let root = value!(cgroup, cgroup_root => u64);
    record.hierarchy = value!(root, cgroup_root_hierarchy => u32);
    record.path[0] = 0;
    // SAFETY: the helper checks the source; the destination is as long as told.
    let len = unsafe {
        bpf_probe_read_kernel_str(
            record.path.as_mut_ptr().cast(),
            PATH_LEN as u32,
            path as *const _,
        )
    };
    record.path_len = if len > 0 { len as u32 } else { 0 };
    // SAFETY: a whole record.
    unsafe {
        emit_bytes(
            Kind::Cgroup,
            (&raw const *record).cast(),
            size_of::<CgroupRecord>(),
        );
    }
    0
}
