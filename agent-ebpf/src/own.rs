//! The agent itself: what it does so as to listen is no news of the host. It is known by its process id,
//! never by its name.

use aya_ebpf::macros::map;
use aya_ebpf::maps::Array;

use crate::kernel::global;

/// One number: the agent's process id while it loads programs; 0 afterwards.
#[map]
static STARTING: Array<u32> = Array::with_max_entries(1, 0);

/// Whether this process is the agent, and loads its programs. What it loads later is told.
#[inline(always)]
pub(crate) fn is_starting(pid: u32) -> bool {
    pid != 0 && STARTING.get(0).copied() == Some(pid)
}

/// Whether this process is the agent.
#[inline(always)]
pub(crate) fn is_agent(pid: u32) -> bool {
    pid != 0 && pid == global!(SETTINGS.agent)
}
