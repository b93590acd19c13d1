//! Pressure stall information, from /proc/pressure: <https://docs.kernel.org/accounting/psi.html>.

use hark_api::vitals::Stall;

use crate::Metric;
use crate::scan::{lines, number, real, words};
use crate::table::{Family, Table, counter};

static FAMILIES: [Family; 5] = [
    counter(
        "node_pressure_cpu_waiting_seconds_total",
        "Total time in seconds that processes have waited for CPU time.",
    ),
    counter(
        "node_pressure_memory_waiting_seconds_total",
        "Total time in seconds that processes have waited for memory.",
    ),
    counter(
        "node_pressure_memory_stalled_seconds_total",
        "Total time in seconds no process could make progress due to memory congestion.",
    ),
    counter(
        "node_pressure_io_waiting_seconds_total",
        "Total time in seconds that processes have waited due to IO congestion.",
    ),
    counter(
        "node_pressure_io_stalled_seconds_total",
        "Total time in seconds no process could make progress due to IO congestion.",
    ),
];

/// What tasks wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    Cpu,
    Memory,
    Io,
}

impl Resource {
    /// The families of `some` and `full`. A whole machine cannot stall for CPU, so that has none.
    fn families(self) -> (usize, Option<usize>) {
        match self {
            Self::Cpu => (0, None),
            Self::Memory => (1, Some(2)),
            Self::Io => (3, Some(4)),
        }
    }
}

/// Pressure stall information.
#[derive(Debug)]
pub(crate) struct Stalls(Table);

impl Stalls {
    pub(crate) fn new() -> Self {
        Self(Table::new(&FAMILIES, &[], 1))
    }

    /// Reads one of the files.
    pub(crate) fn update(&mut self, of: Resource, text: &[u8], interval: Option<f64>) -> Stall {
        let mut stall = Stall::default();
        let (some, full) = of.families();
        let Some(row) = self.0.row(&[]) else {
            return stall;
        };
        for line in lines(text) {
            let mut words = words(line);
            let (family, share, average) = match words.next() {
                Some(b"some") => (Some(some), &mut stall.some, &mut stall.some_avg10),
                Some(b"full") => (full, &mut stall.full, &mut stall.full_avg10),
                _ => continue,
            };
            for word in words {
                if let Some(percent) = word.strip_prefix(b"avg10=").and_then(real) {
                    *average = percent / 100.0;
                } else if let Some(micros) = word.strip_prefix(b"total=").and_then(number) {
                    let rate = family.and_then(|f| row.set(f, micros as f64 / 1e6, interval));
                    // The kernel's clock and ours differ by a little: never more than all the time.
                    *share = rate.unwrap_or(0.0).min(1.0);
                }
            }
        }
        stall
    }

    pub(crate) fn emit(&mut self, out: &mut Vec<Metric>) {
        self.0.emit(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shares_come_from_the_totals_and_averages_from_the_kernel() {
        let mut stalls = Stalls::new();
        let text = |some: u64, full: u64| {
            format!(
                "some avg10=12.50 avg60=0.00 avg300=0.00 total={some}\nfull avg10=1.00 avg60=0.00 avg300=0.00 total={full}\n"
            )
        };
        stalls.update(Resource::Io, text(1_000_000, 0).as_bytes(), None);
        stalls.emit(&mut Vec::new());
        let stall = stalls.update(Resource::Io, text(1_500_000, 250_000).as_bytes(), Some(1.0));
        assert_eq!((stall.some, stall.full), (0.5, 0.25));
        assert_eq!((stall.some_avg10, stall.full_avg10), (0.125, 0.01));
        let mut out = Vec::new();
        stalls.emit(&mut out);
        let keys: Vec<_> = out.iter().map(|m| (m.key.as_str(), m.value)).collect();
        assert_eq!(
            keys,
            [
                ("node_pressure_io_waiting_seconds_total", 1.5),
                ("node_pressure_io_stalled_seconds_total", 0.25)
            ]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in any::<Vec<u8>>(), lines in "((some|full) avg10=[0-9.]* total=[0-9]*\n)*") {
            let mut stalls = Stalls::new();
            for resource in [Resource::Cpu, Resource::Memory, Resource::Io] {
                stalls.update(resource, &text, Some(1.0));
                stalls.update(resource, lines.as_bytes(), Some(1.0));
            }
            stalls.emit(&mut Vec::new());
        }
    }
}
