//! Paths of files: the kernel keeps names and parents, so a path is walked from its end.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use hark_ebpf::{ABSENT, WALK_BROKEN, WALK_DETACHED, WALK_ROOT, Walk};

use crate::kernel::{global, member, read};

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
        mnt: member!(fs, fs_root_mnt => u64).unwrap_or(0),
        dentry: member!(fs, fs_root_dentry => u64).unwrap_or(0),
    }
}

/// Writes the names from `place` up to `root`.
///
/// # Safety
/// There is room for [`WALK_MAX`] bytes at `names`.
#[inline(always)]
pub(crate) unsafe fn walk(mut place: Place, root: Place, names: *mut u8) -> Walk {
    let mnt_in_mount = global!(OFFSETS.mount_mnt);
    let mut len = 0_usize;
    let mut end = WALK_BROKEN;
    let mut top = member!(place.mnt, vfsmount_root => u64).unwrap_or(0);
    for _ in 0..MAX_NAMES {
        if place.dentry == 0 || mnt_in_mount == ABSENT {
            break;
        }
        if place.dentry == root.dentry && place.mnt == root.mnt {
            end = WALK_ROOT;
            break;
        }
        if place.dentry == top {
            // The root of a mount: on with the directory that it is mounted on.
            let mount = place.mnt.wrapping_sub(u64::from(mnt_in_mount));
            let parent = member!(mount, mount_parent => u64).unwrap_or(0);
            if parent == mount || parent == 0 {
                end = WALK_ROOT;
                break;
            }
            place.dentry = member!(mount, mount_mountpoint => u64).unwrap_or(0);
            place.mnt = parent + u64::from(mnt_in_mount);
            top = member!(place.mnt, vfsmount_root => u64).unwrap_or(0);
            continue;
        }
        if len > MAX_NAMES_LEN {
            break;
        }
        let name = member!(place.dentry, dentry_name => u64).unwrap_or(0);
        // SAFETY: the helper checks the source; `len + MAX_NAME` is below `WALK_MAX`.
        let told =
            unsafe { bpf_probe_read_kernel_str(names.add(len).cast(), MAX_NAME, name as *const _) };
        if told <= 0 || told >= i64::from(MAX_NAME) {
            break;
        }
        len += told as usize & (MAX_NAME as usize - 1);
        let parent = read::<u64>(place.dentry, global!(OFFSETS.dentry_parent)).unwrap_or(0);
        if parent == place.dentry {
            end = WALK_DETACHED;
            break;
        }
        place.dentry = parent;
    }
    Walk {
        len: len as u32,
        end,
    }
}
