//! Reading the kernel's structs, at the offsets that the agent found.

use core::mem::MaybeUninit;

use aya_ebpf::helpers::{
    bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_task, bpf_get_current_uid_gid,
    bpf_probe_read_kernel, generated,
};
use hark_ebpf::{ABSENT, Arguments, Offsets, Settings, Task, TracepointOffsets};

/// Where members are.
#[unsafe(no_mangle)]
pub(crate) static OFFSETS: Offsets = Offsets::ABSENT;
/// Where arguments are.
#[unsafe(no_mangle)]
pub(crate) static ARGUMENTS: Arguments = Arguments::ABSENT;
/// Where fields of tracepoint records are.
#[unsafe(no_mangle)]
pub(crate) static TRACEPOINTS: TracepointOffsets = TracepointOffsets::ABSENT;
/// What the agent chose.
#[unsafe(no_mangle)]
pub(crate) static SETTINGS: Settings = Settings {
    signals: !0,
    stall: 10_000_000,
    slow_request: 500_000_000,
    page: 4096,
    wake_bytes: 128 << 10,
    cgroup_controller: ABSENT,
    ptrace: ABSENT,
    bpf: ABSENT,
    agent: 0,
    reserved: 0,
};

/// Reads one number of a global. Volatile, because the agent changes it in the object, which the
/// compiler does not know; the verifier then knows its value and drops branches not taken.
macro_rules! global {
    ($table:ident.$field:ident) => {
        // SAFETY: a static of plain numbers is valid for reads.
        unsafe { core::ptr::read_volatile(&raw const $crate::kernel::$table.$field) }
    };
}
pub(crate) use global;

/// Reads `base + offset` in kernel memory; `None` where this kernel lacks it or the address is bad.
#[inline(always)]
pub(crate) fn read<T: Copy>(base: u64, offset: u32) -> Option<T> {
    if offset == ABSENT || base == 0 {
        return None;
    }
    // SAFETY: the helper checks the address.
    unsafe { bpf_probe_read_kernel((base + u64::from(offset)) as *const T) }.ok()
}

/// Reads `base + offset` in kernel memory; zero where this kernel lacks it or the address is bad. Without
/// a branch, which would double the ways through the program that the verifier looks at.
#[inline(always)]
pub(crate) fn read_or_zero<T: Copy>(base: u64, offset: u32) -> T {
    let mut value = MaybeUninit::<T>::zeroed();
    if offset != ABSENT {
        // SAFETY: the helper checks the address, and leaves zeros where it is bad.
        unsafe {
            generated::bpf_probe_read_kernel(
                value.as_mut_ptr().cast(),
                size_of::<T>() as u32,
                base.wrapping_add(u64::from(offset)) as *const _,
            );
        }
    }
    // SAFETY: all callers read numbers and arrays of numbers, which may have any bits.
    unsafe { value.assume_init() }
}

/// Reads a member of a kernel struct, as `member!` does; zero where that has nothing.
macro_rules! value {
    ($base:expr, $field:ident => $type:ty) => {
        $crate::kernel::read_or_zero::<$type>($base, $crate::kernel::global!(OFFSETS.$field))
    };
}
pub(crate) use value;

/// Reads a member of a kernel struct: `member!(address, task_pid => u32)`.
macro_rules! member {
    ($base:expr, $field:ident => $type:ty) => {
        $crate::kernel::read::<$type>($base, $crate::kernel::global!(OFFSETS.$field))
    };
}
pub(crate) use member;

/// Address of the running task's `task_struct`.
#[inline(always)]
pub(crate) fn current() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_get_current_task() }
}

/// The running process.
#[inline(always)]
pub(crate) fn current_task() -> Task {
    let ids = bpf_get_current_pid_tgid();
    let owner = bpf_get_current_uid_gid();
    let task = current();
    Task {
        pid: (ids >> 32) as u32,
        tid: ids as u32,
        uid: owner as u32,
        gid: (owner >> 32) as u32,
        cgroup: cgroup_of(task),
        comm: bpf_get_current_comm().unwrap_or([0; 16]),
    }
}

/// Another process.
#[inline(always)]
pub(crate) fn task_at(task: u64) -> Task {
    let cred: u64 = value!(task, task_cred => u64);
    Task {
        pid: value!(task, task_tgid => u32),
        tid: value!(task, task_pid => u32),
        uid: member!(cred, cred_uid => u32).unwrap_or(u32::MAX),
        gid: member!(cred, cred_gid => u32).unwrap_or(u32::MAX),
        cgroup: cgroup_of(task),
        comm: comm_of(task),
    }
}

/// Command name.
#[inline(always)]
pub(crate) fn comm_of(task: u64) -> [u8; 16] {
    value!(task, task_comm => [u8; 16])
}

/// Process id of the parent.
#[inline(always)]
pub(crate) fn parent_of(task: u64) -> u64 {
    value!(task, task_real_parent => u64)
}

/// When the task's process was created.
#[inline(always)]
pub(crate) fn started(task: u64) -> u64 {
    let leader = member!(task, task_group_leader => u64).unwrap_or(task);
    value!(leader, task_start_boottime => u64)
}

/// Id of the control group, in the hierarchy that the agent chose.
#[inline(always)]
fn cgroup_of(task: u64) -> u64 {
    let css_set = value!(task, task_cgroups => u64);
    let controller = global!(SETTINGS.cgroup_controller);
    let cgroup = if controller == ABSENT {
        member!(css_set, css_set_dfl_cgrp => u64)
    } else {
        let subsys = global!(OFFSETS.css_set_subsys);
        let css = if subsys == ABSENT {
            None
        } else {
            read::<u64>(css_set, subsys + controller * 8)
        };
        member!(css.unwrap_or(0), css_cgroup => u64)
    };
    cgroup_id(cgroup.unwrap_or(0))
}

/// Id of a control group.
#[inline(always)]
pub(crate) fn cgroup_id(cgroup: u64) -> u64 {
    let kn = value!(cgroup, cgroup_kn => u64);
    value!(kn, kernfs_id => u64)
}
