//! Long waits, added up by process and by what is waited for. The agent looks once a second.

use aya_ebpf::macros::map;
use aya_ebpf::maps::HashMap;
use hark_ebpf::{Task, WAITS_MAX, WaitKey, Waits};

use crate::emit::{add, add_one};
use crate::ignore::is_ignored;

#[map]
static WAITS: HashMap<WaitKey, Waits> = HashMap::with_max_entries(WAITS_MAX, 0);

/// Counts a wait; `resource` is one of `WAIT_*`.
#[inline(always)]
pub(crate) fn waited(resource: u32, task: Task, nanos: u64) {
    if is_ignored(&task) {
        return;
    }
    let key = WaitKey {
        pid: task.pid,
        resource,
    };
    let Some(waits) = WAITS.get_ptr_mut(&key) else {
        let first = Waits {
            task,
            count: 1,
            nanos,
        };
        // Where another CPU was first, this one is left out.
        let _ = WAITS.insert(&key, &first, 1 /* BPF_NOEXIST */);
        return;
    };
    // SAFETY: a whole value of the map.
    unsafe {
        add_one(&raw mut (*waits).count);
        add(&raw mut (*waits).nanos, nanos);
    }
}
