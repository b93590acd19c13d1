//! Reading the kernel's structs, at the offsets that the agent found.

use aya_ebpf::helpers::{
    bpf_get_current_pid_tgid, bpf_get_current_task, bpf_get_current_uid_gid, bpf_probe_read_kernel,
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
    wake_bytes: 128 << 10,
    cgroup_controller: ABSENT,
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
        comm: comm_of(task),
    }
}

/// Another process.
#[inline(always)]
pub(crate) fn task_at(task: u64) -> Task {
    let cred: u64 = member!(task, task_cred => u64).unwrap_or(0);
    Task {
        pid: member!(task, task_tgid => u32).unwrap_or(0),
        tid: member!(task, task_pid => u32).unwrap_or(0),
        uid: member!(cred, cred_uid => u32).unwrap_or(u32::MAX),
        gid: member!(cred, cred_gid => u32).unwrap_or(u32::MAX),
        cgroup: cgroup_of(task),
        comm: comm_of(task),
    }
}

/// Command name.
#[inline(always)]
pub(crate) fn comm_of(task: u64) -> [u8; 16] {
    member!(task, task_comm => [u8; 16]).unwrap_or([0; 16])
}

/// Process id of the parent.
#[inline(always)]
pub(crate) fn parent_of(task: u64) -> u64 {
    member!(task, task_real_parent => u64).unwrap_or(0)
}

/// When the task's process was created.
#[inline(always)]
pub(crate) fn started(task: u64) -> u64 {
    let leader = member!(task, task_group_leader => u64).unwrap_or(task);
    member!(leader, task_start_boottime => u64).unwrap_or(0)
}

/// Id of the control group, in the hierarchy that the agent chose.
#[inline(always)]
fn cgroup_of(task: u64) -> u64 {
    let css_set = member!(task, task_cgroups => u64).unwrap_or(0);
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
    let kn = member!(cgroup, cgroup_kn => u64).unwrap_or(0);
    member!(kn, kernfs_id => u64).unwrap_or(0)
}
