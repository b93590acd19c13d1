//! Who is not to be heard. The agent changes the lists while the programs run.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap};
use hark_ebpf::{
    COMM_LEN, IGNORE_CGROUPS, IGNORE_COMMANDS, IGNORE_UIDS, IGNORED_CGROUPS_MAX, IGNORED_MAX, Task,
};

/// One number: which of the lists below have entries, as `IGNORE_*`.
#[map]
static IGNORING: Array<u32> = Array::with_max_entries(1, 0);

#[map]
static IGNORED_COMMANDS: HashMap<[u8; COMM_LEN], u8> = HashMap::with_max_entries(IGNORED_MAX, 0);

#[map]
static IGNORED_UIDS: HashMap<u32, u8> = HashMap::with_max_entries(IGNORED_MAX, 0);

/// Ids of control groups, those below the ones that were named included.
#[map]
static IGNORED_CGROUPS: HashMap<u64, u8> = HashMap::with_max_entries(IGNORED_CGROUPS_MAX, 0);

/// Whether anybody is ignored.
#[inline(always)]
pub(crate) fn is_anybody() -> bool {
    IGNORING.get(0).copied().unwrap_or(0) != 0
}

/// Whether the process is one that is not to be heard.
#[inline(always)]
pub(crate) fn is_ignored(task: &Task) -> bool {
    let lists = IGNORING.get(0).copied().unwrap_or(0);
    if lists == 0 {
        return false;
    }
    // SAFETY: nothing is read but whether there is an entry.
    unsafe {
        lists & IGNORE_COMMANDS != 0 && IGNORED_COMMANDS.get(&task.comm).is_some()
            || lists & IGNORE_UIDS != 0 && IGNORED_UIDS.get(&task.uid).is_some()
            || lists & IGNORE_CGROUPS != 0 && IGNORED_CGROUPS.get(&task.cgroup).is_some()
    }
}
