//! What budgets held back: how much, of what, by whom. The agent takes it away every second.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{HashMap, PerCpuArray};
use hark_ebpf::{Kind, Task, WITHHELD_MAX, WithheldKey};

use crate::emit::add_one;

/// By kind, process and command. Where it is full, [`WITHHELD_TOTALS`] alone has the rest.
#[map]
static WITHHELD: HashMap<WithheldKey, u64> = HashMap::with_max_entries(WITHHELD_MAX, 0);

/// All that was held back since the start, by [`Kind`].
#[map]
static WITHHELD_TOTALS: PerCpuArray<u64> = PerCpuArray::with_max_entries(Kind::ALL.len() as u32, 0);

/// Counts an event that is not told.
#[inline(always)]
pub(crate) fn withhold(kind: Kind, task: &Task, cause: u32) {
    if let Some(total) = WITHHELD_TOTALS.get_ptr_mut(kind as u32) {
        add_one(total);
    }
    let key = WithheldKey {
        kind: kind as u32,
        pid: cause,
        comm: task.comm,
    };
    match WITHHELD.get_ptr_mut(&key) {
        Some(count) => add_one(count),
        // Where another CPU was first, its count stands; the total has this one.
        None => {
            let _ = WITHHELD.insert(&key, &1, 1 /* BPF_NOEXIST */);
        }
    }
}
