//! How many events of a kind one command may cause in a second. What is beyond is counted, not told.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, LruHashMap};
use hark_ebpf::{Kind, RateKey, Task};

use crate::emit::add_one;
use crate::ignore::is_ignored;
use crate::withhold::withhold;

/// Events a second by [`Kind`]; 0 is no bound.
#[map]
static BUDGETS: Array<u32> = Array::with_max_entries(Kind::ALL.len() as u32, 0);

/// What a command has used up.
#[derive(Clone, Copy)]
#[repr(C)]
struct Rate {
    /// Which second it is about.
    second: u64,
    /// Events in it so far.
    events: u64,
}

/// The least recently active ones make room.
#[map]
static RATES: LruHashMap<RateKey, Rate> = LruHashMap::with_max_entries(2_048, 0);

/// Whether an event about this process is to be told.
#[inline(always)]
pub(crate) fn is_wanted(kind: Kind, task: &Task) -> bool {
    !is_ignored(task) && is_within_budget(kind, task, task.pid)
}

/// Whether the budget has room for an event about this process; if not, it is counted against
/// `cause`, the process that brought it about.
#[inline(always)]
pub(crate) fn is_within_budget(kind: Kind, task: &Task, cause: u32) -> bool {
    let budget = BUDGETS.get(kind as u32).copied().unwrap_or(0);
    if budget == 0 {
        return true;
    }
    let key = RateKey {
        kind: kind as u32,
        comm: task.comm,
    };
    // SAFETY: the helper has no preconditions.
    let second = unsafe { bpf_ktime_get_ns() } / 1_000_000_000;
    let Some(rate) = RATES.get_ptr_mut(&key) else {
        let _ = RATES.insert(&key, &Rate { second, events: 1 }, 0);
        return true;
    };
    // SAFETY: a value of a map. CPUs may meet here as a second begins: then a few events more are told.
    let events = unsafe {
        if (*rate).second != second {
            (*rate).second = second;
            (*rate).events = 0;
        }
        add_one(&raw mut (*rate).events);
        (*rate).events
    };
    if events <= u64::from(budget) {
        return true;
    }
    withhold(kind, task, cause);
    false
}
