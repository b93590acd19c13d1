//! Paths of files: the kernel keeps names and parents, so a path is walked from its end.

use core::ptr::{read_volatile, write_volatile};

use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use hark_ebpf::{WALK_BROKEN, WALK_DETACHED, WALK_ROOT, Walk};

use crate::kernel::{global, member, value};

/// Names that are walked at most, mount points included.
const MAX_NAMES: usize = 24;
/// The longest name that is told, its zero included.
const MAX_NAME: u32 = 128;
/// A walk ends where its names have come to more than this.
const MAX_NAMES_LEN: usize = 384;
/// More than any walk writes; a power of two less one, so that it is a mask for the verifier, too.
pub(crate) const WALK_MAX: usize = 1023;

/// A place in a file system: `struct path` of the kernel.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) mnt: u64,
    pub(crate) dentry: u64,
}

/// The root directory of a process.
#[inline(always)]
pub(crate) fn root(fs: u64) -> Place {
    Place {
        mnt: value!(fs, fs_root_mnt => u64),
        dentry: value!(fs, fs_root_dentry => u64),
    }
}

/// Writes the names from `place` up to `root`, and into `told` how many bytes they are and how the
/// walk ended.
///
/// The length is kept in memory between names, and read back as any number: so all rounds look the
/// same to the verifier, which then looks at one instead of at each way through all of them. For the
/// same reason a read that fails ends the walk at once.
///
/// # Safety
/// There is room for [`WALK_MAX`] bytes at `names`; `told` is a value of a map.
#[inline(always)]
pub(crate) unsafe fn walk(mut place: Place, root: Place, names: *mut u8, told: *mut Walk) {
    let mnt_in_mount = u64::from(global!(OFFSETS.mount_mnt));
    // SAFETY: the caller's promise, here and below.
    let length = unsafe { &raw mut (*told).len };
    let end = unsafe { &raw mut (*told).end };
    // SAFETY: as above.
    unsafe {
        write_volatile(length, 0);
        write_volatile(end, WALK_BROKEN);
    }
    let Some(mut top) = member!(place.mnt, vfsmount_root => u64) else {
        return;
    };
    for _ in 0..MAX_NAMES {
        if place.dentry == root.dentry && place.mnt == root.mnt {
            // SAFETY: as above.
            unsafe { write_volatile(end, WALK_ROOT) };
            break;
        }
        if place.dentry == top {
            // The root of a mount: on with the directory that it is mounted on.
            let mount = place.mnt.wrapping_sub(mnt_in_mount);
            let Some(parent) = member!(mount, mount_parent => u64) else {
                break;
            };
            if parent == mount {
                // SAFETY: as above.
                unsafe { write_volatile(end, WALK_ROOT) };
                break;
            }
            let Some(dentry) = member!(mount, mount_mountpoint => u64) else {
                break;
            };
            place.dentry = dentry;
            place.mnt = parent.wrapping_add(mnt_in_mount);
            top = match member!(place.mnt, vfsmount_root => u64) {
                Some(top) => top,
                None => break,
            };
            continue;
        }
        // SAFETY: as above.
        let len = unsafe { read_volatile(length) } as usize;
        if len > MAX_NAMES_LEN {
            break;
        }
        let Some(name) = member!(place.dentry, dentry_name => u64) else {
            break;
        };
        // SAFETY: the helper checks the source; `len + MAX_NAME` is below `WALK_MAX`.
        let read_len =
            unsafe { bpf_probe_read_kernel_str(names.add(len).cast(), MAX_NAME, name as *const _) };
        if read_len <= 0 || read_len >= i64::from(MAX_NAME) {
            break;
        }
        // SAFETY: as above.
        unsafe { write_volatile(length, len as u32 + read_len as u32) };
        let Some(parent) = member!(place.dentry, dentry_parent => u64) else {
            break;
        };
        if parent == place.dentry {
            // SAFETY: as above.
            unsafe { write_volatile(end, WALK_DETACHED) };
            break;
        }
        place.dentry = parent;
    }
}
