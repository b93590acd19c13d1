//! Queries for names that get no answer.

use aya::maps::{HashMap, MapData};
use hark_ebpf::DnsRecord;

use crate::KernelEvent;
use crate::clock::{Clock, since_boot};
use crate::decode;
use crate::filter::missing_is_fine;
use crate::loader::take_map;
use crate::table::Table;

/// How long an answer is waited for, in nanoseconds: as long as resolvers do.
const PATIENCE: u64 = 5_000_000_000;
/// At most so many are told in a second; further ones are forgotten.
const TOLD: usize = 100;

/// A [`DnsRecord`], as its map holds it.
type Words = [u64; size_of::<DnsRecord>() / 8];

/// The programs' queries that wait for an answer.
pub(crate) struct Queries {
    map: HashMap<MapData, u32, Words>,
}

impl Queries {
    /// Takes the map out of the loaded object.
    pub(crate) fn take(ebpf: &mut aya::Ebpf) -> Option<Self> {
        let map = take_map(ebpf, "QUERIES")?;
        Some(Self { map })
    }

    /// Takes away what has waited for too long, and puts events about it into `events`.
    pub(crate) fn look(&mut self, table: &mut Table, events: &mut Vec<KernelEvent>) {
        let clock = Clock::now();
        let now = since_boot();
        let late: Vec<(u32, Words)> = self
            .map
            .iter()
            .flatten()
            .filter(|(_, words)| {
                let record: &DnsRecord = bytemuck::cast_ref(words);
                now.saturating_sub(record.asked) >= PATIENCE
            })
            .collect();
        for (index, (query, words)) in late.into_iter().enumerate() {
            let _ = missing_is_fine(self.map.remove(&query));
            let bytes: &[u8] = bytemuck::bytes_of(&words);
            if index < TOLD
                && let Ok((process, data)) = decode::dns::decode(bytes, table)
            {
                events.push(KernelEvent {
                    time: clock.wall(now),
                    process: process.map(Box::new),
                    data,
                });
            }
        }
    }
}
