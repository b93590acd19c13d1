//! UDP datagrams that did not arrive, as the programs count them.

use std::collections::HashMap;
use std::net::SocketAddr;

use aya::maps::{HashMap as BpfHashMap, MapData};
use hark_ebpf::{UDP_ERROR, UdpLossKey};

use crate::KernelEvent;
use crate::clock::{Clock, since_boot};
use crate::decode::address;
use crate::event::{Data, UdpDrop, UdpError};
use crate::filter::missing_is_fine;
use crate::listeners;
use crate::loader::take_map;
use crate::table::Table;

/// While a socket loses datagrams, it is told this often: nanoseconds.
const INTERVAL: u64 = 10_000_000_000;
/// A socket that has lost none for this long is forgotten: nanoseconds.
const MEMORY: u64 = 60_000_000_000;
/// At most so many are told in a second, for it takes a look at all processes to find whose a socket is;
/// further ones have their turn later.
const TOLD: usize = 8;

/// A [`UdpLossKey`], as its map holds it.
type Words = [u64; size_of::<UdpLossKey>() / 8];

/// What was told of a socket: how many it had lost by then, and when that was; 0 is never.
#[derive(Clone, Copy, Default)]
struct Told {
    count: u64,
    at: u64,
}

/// The programs' account.
pub(crate) struct Losses {
    map: BpfHashMap<MapData, Words, u64>,
    told: HashMap<Words, Told>,
}

impl Losses {
    /// Takes the map out of the loaded object.
    pub(crate) fn take(ebpf: &mut aya::Ebpf) -> Option<Self> {
        let map = take_map(ebpf, "UDP_LOSSES")?;
        let told = HashMap::new();
        Some(Self { map, told })
    }

    /// Puts an event for each socket that has lost datagrams since the last one into `events`.
    pub(crate) fn look(&mut self, table: &mut Table, events: &mut Vec<KernelEvent>) {
        let now = since_boot();
        let mut told = HashMap::new();
        let mut room = TOLD;
        let counts: Vec<_> = self.map.iter().flatten().collect();
        for (words, count) in counts {
            let before = self.told.get(&words).copied().unwrap_or_default();
            let news = count.saturating_sub(before.count);
            let waited = now.saturating_sub(before.at);
            if news == 0 && waited >= MEMORY {
                let _ = missing_is_fine(self.map.remove(&words));
                continue;
            }
            if news == 0 || before.at != 0 && waited < INTERVAL || room == 0 {
                told.insert(words, before);
                continue;
            }
            room -= 1;
            told.insert(words, Told { count, at: now });
            let since = (before.at != 0).then_some(waited);
            events.extend(event(bytemuck::cast(words), news, since, now, table));
        }
        self.told = told;
    }
}

/// `None` where the key makes no sense.
fn event(
    key: UdpLossKey,
    count: u64,
    since: Option<u64>,
    now: u64,
    table: &mut Table,
) -> Option<KernelEvent> {
    let local = address(key.family, key.local, key.local_port).ok()?;
    let remote: Option<SocketAddr> = if key.remote_port == 0 {
        None
    } else {
        Some(address(key.family, key.remote, key.remote_port).ok()?)
    };
    let error = i32::try_from(key.error).ok()?;
    let owner = (key.inode != 0)
        .then(|| listeners::owner(key.inode))
        .flatten();
    let data = if key.what == UDP_ERROR {
        Data::UdpError(UdpError {
            local,
            remote,
            error,
            count,
            since,
        })
    } else {
        Data::UdpDrop(UdpDrop {
            local,
            error,
            count,
            since,
        })
    };
    Some(KernelEvent {
        time: Clock::now().wall(now),
        process: owner.and_then(|pid| table.find(pid)).map(Box::new),
        data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::Hierarchy;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_key_is_understood_or_left(mut words in any::<[u64; 7]>()) {
            words[0] = 0; // no look at all processes
            let hierarchy = Hierarchy { v1: false, id: 0, mount: None };
            let mut table = Table::new(1, hierarchy);
            let _ = event(bytemuck::cast(words), 1, None, 1, &mut table);
        }
    }
}
