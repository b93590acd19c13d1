//! Memory and swap, from /proc/meminfo (`proc_meminfo(5)`) and /proc/vmstat.

use hark_api::vitals::Memory;
use hark_api::{MetricType, SeriesKey};

use crate::Metric;
use crate::scan::{lines, next, number, words};
use crate::table::{Cell, List};

/// More fields than any kernel has.
const MAX_FIELDS: usize = 256;

/// Memory and swap.
#[derive(Debug)]
pub(crate) struct MemoryFiles {
    page_size: f64,
    meminfo: List,
    vmstat: List,
}

impl MemoryFiles {
    pub(crate) fn new(page_size: f64) -> Self {
        Self {
            page_size,
            meminfo: List::new(MAX_FIELDS),
            vmstat: List::new(MAX_FIELDS),
        }
    }

    /// Reads /proc/meminfo.
    pub(crate) fn meminfo(&mut self, text: &[u8], memory: &mut Memory) {
        for line in lines(text) {
            let Some(colon) = line.iter().position(|b| *b == b':') else {
                continue;
            };
            let name = &line[..colon];
            let mut words = words(&line[colon + 1..]);
            let Some(value) = next(&mut words) else {
                continue;
            };
            let in_bytes = words.next() == Some(b"kB");
            let value = if in_bytes {
                value.saturating_mul(1024)
            } else {
                value
            };
            let slot = match name {
                b"MemTotal" => Some(&mut memory.total),
                b"MemFree" => Some(&mut memory.free),
                b"MemAvailable" => Some(&mut memory.available),
                b"Buffers" => Some(&mut memory.buffers),
                b"Cached" => Some(&mut memory.cached),
                b"Slab" => Some(&mut memory.slab),
                b"Dirty" => Some(&mut memory.dirty),
                b"SwapTotal" => Some(&mut memory.swap_total),
                b"SwapFree" => Some(&mut memory.swap_free),
                _ => None,
            };
            if let Some(slot) = slot {
                *slot = value;
            }
            self.meminfo.set((name, b""), value as f64, None, || {
                let unit = if in_bytes { "_bytes" } else { "" };
                let name = metric_part(name);
                Cell::new(
                    SeriesKey::new(&format!("node_memory_{name}{unit}")),
                    MetricType::Gauge,
                    "Memory information, from /proc/meminfo.",
                )
            });
        }
    }

    /// Reads /proc/vmstat.
    pub(crate) fn vmstat(&mut self, text: &[u8], interval: Option<f64>, memory: &mut Memory) {
        for line in lines(text) {
            let mut words = words(line);
            let (Some(name), Some(value)) = (words.next(), words.next().and_then(number)) else {
                continue;
            };
            // The selection that node_exporter makes.
            let wanted = name == b"oom_kill"
                || name.starts_with(b"pgpg")
                || name.starts_with(b"pswp")
                || (name.starts_with(b"pg") && name.windows(5).any(|w| w == b"fault"));
            if !wanted {
                continue;
            }
            let rate = self.vmstat.set((name, b""), value as f64, interval, || {
                Cell::new(
                    SeriesKey::new(&format!("node_vmstat_{}", metric_part(name))),
                    MetricType::Counter,
                    "Virtual memory events, from /proc/vmstat.",
                )
            });
            let rate = rate.unwrap_or(0.0);
            match name {
                b"oom_kill" => memory.oom_kills = value,
                b"pswpin" => memory.swap_in = rate * self.page_size,
                b"pswpout" => memory.swap_out = rate * self.page_size,
                b"pgmajfault" => memory.major_faults = rate,
                _ => {}
            }
        }
    }

    pub(crate) fn emit(&mut self, out: &mut Vec<Metric>) {
        self.meminfo.emit(out);
        self.vmstat.emit(out);
    }
}

/// A name of the kernel as part of a metric's name: `Active(anon)` becomes `Active_anon`.
pub(crate) fn metric_part(name: &[u8]) -> String {
    let mut part = String::with_capacity(name.len());
    for b in name {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => part.push(char::from(*b)),
            b')' => {}
            _ => part.push('_'),
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_become_bytes_under_the_names_of_node_exporter() {
        let mut files = MemoryFiles::new(4096.0);
        let mut memory = Memory::default();
        files.meminfo(
            b"MemTotal:  100 kB\nMemAvailable: 50 kB\nActive(anon): 3 kB\nHugePages_Total: 2\nbad\n",
            &mut memory,
        );
        files.vmstat(
            b"nr_free_pages 1\npswpin 10\noom_kill 1\npgmajfault 5\n",
            None,
            &mut memory,
        );
        files.emit(&mut Vec::new());
        files.meminfo(
            b"MemTotal:  100 kB\nActive(anon): 3 kB\nHugePages_Total: 2\n",
            &mut memory,
        );
        files.vmstat(
            b"pswpin 12\noom_kill 2\npgmajfault 9\n",
            Some(2.0),
            &mut memory,
        );
        assert_eq!(
            (memory.total, memory.available, memory.oom_kills),
            (102_400, 51_200, 2)
        );
        assert_eq!((memory.swap_in, memory.major_faults), (4096.0, 2.0));
        let mut out = Vec::new();
        files.emit(&mut out);
        let shown: Vec<_> = out.iter().map(|m| (m.key.as_str(), m.value)).collect();
        assert_eq!(
            shown,
            [
                ("node_memory_MemTotal_bytes", 102_400.0),
                ("node_memory_Active_anon_bytes", 3072.0),
                ("node_memory_HugePages_Total", 2.0),
                ("node_vmstat_pswpin", 12.0),
                ("node_vmstat_oom_kill", 2.0),
                ("node_vmstat_pgmajfault", 9.0),
            ]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in any::<Vec<u8>>(), lines in "([A-Za-z(): ]* [0-9]* kB\n)*") {
            let mut files = MemoryFiles::new(4096.0);
            for text in [text.as_slice(), lines.as_bytes()] {
                files.meminfo(text, &mut Memory::default());
                files.vmstat(text, Some(1.0), &mut Memory::default());
                files.emit(&mut Vec::new());
            }
        }
    }
}
