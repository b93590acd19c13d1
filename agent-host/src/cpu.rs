//! CPUs and tasks, from /proc/stat (`proc_stat(5)`).

use hark_api::vitals::{CpuUse, Tasks};

use crate::Metric;
use crate::scan::{lines, next, words};
use crate::table::{Family, Table, counter, gauge};

/// The columns of a `cpu` line, in the kernel's order. `user` holds `guest`, and `nice` holds
/// `guest_nice`, as `node_exporter` has it too.
const MODES: [&str; 8] = [
    "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal",
];

static CPU: [Family; 1] = [counter(
    "node_cpu_seconds_total",
    "Seconds the CPUs spent in each mode.",
)];
static ALL_CPUS: [Family; 1] = [counter(
    "hark_cpu_seconds_total",
    "Seconds all CPUs together spent in each mode.",
)];
static GUEST: [Family; 1] = [counter(
    "node_cpu_guest_seconds_total",
    "Seconds the CPUs spent in guests (VMs) for each mode.",
)];
static TASKS: [Family; 6] = [
    counter("node_intr_total", "Total number of interrupts serviced."),
    counter(
        "node_context_switches_total",
        "Total number of context switches.",
    ),
    gauge("node_boot_time_seconds", "Node boot time, in unixtime."),
    counter("node_forks_total", "Total number of forks."),
    gauge(
        "node_procs_running",
        "Number of processes in runnable state.",
    ),
    gauge(
        "node_procs_blocked",
        "Number of processes blocked waiting for I/O to complete.",
    ),
];

/// What /proc/stat tells.
#[derive(Debug)]
pub(crate) struct Cpu {
    ticks_per_second: f64,
    all: Table,
    each: Table,
    guest: Table,
    tasks: Table,
    /// Ticks of the last reading, to tell shares: first of all CPUs, then of each.
    last: Vec<(u64, [u64; 8])>,
    this: Vec<(u64, [u64; 8])>,
    max_cpus: usize,
    omitted: u64,
}

/// The number that stands for all CPUs together.
const ALL: u64 = u64::MAX;

/// The shares of the whole machine, of each CPU, and the tasks.
pub(crate) type Use = (CpuUse, Vec<CpuUse>, Tasks);

impl Cpu {
    pub(crate) fn new(max_cpus: usize, ticks_per_second: f64) -> Self {
        Self {
            ticks_per_second,
            all: Table::new(&ALL_CPUS, &["mode"], MODES.len()),
            each: Table::new(&CPU, &["cpu", "mode"], max_cpus * MODES.len()),
            guest: Table::new(&GUEST, &["cpu", "mode"], max_cpus * 2),
            tasks: Table::new(&TASKS, &[], 1),
            last: Vec::new(),
            this: Vec::new(),
            max_cpus,
            omitted: 0,
        }
    }

    pub(crate) fn update(&mut self, stat: &[u8], interval: Option<f64>) -> Use {
        let mut all = CpuUse::default();
        let mut each = Vec::new();
        let mut tasks = Tasks::default();
        std::mem::swap(&mut self.last, &mut self.this);
        self.this.clear();
        for line in lines(stat) {
            let mut words = words(line);
            match words.next() {
                Some(b"cpu") => all = self.cpu(ALL, words),
                Some(b"intr") => {
                    self.task(0, next(&mut words), interval);
                }
                Some(b"ctxt") => {
                    tasks.switches = self.task(1, next(&mut words), interval).unwrap_or(0.0);
                }
                Some(b"btime") => {
                    self.task(2, next(&mut words), interval);
                }
                Some(b"processes") => {
                    tasks.forks = self.task(3, next(&mut words), interval).unwrap_or(0.0);
                }
                Some(b"procs_running") => {
                    tasks.running = next(&mut words).unwrap_or(0);
                    self.task(4, Some(tasks.running), interval);
                }
                Some(b"procs_blocked") => {
                    tasks.blocked = next(&mut words).unwrap_or(0);
                    self.task(5, Some(tasks.blocked), interval);
                }
                Some(word) => {
                    let number = word.strip_prefix(b"cpu").and_then(crate::scan::number);
                    match number {
                        Some(number) if each.len() < self.max_cpus => {
                            each.push(self.cpu(number, words));
                        }
                        Some(_) => self.omitted += 1,
                        None => {}
                    }
                }
                None => {}
            }
        }
        self.set_seconds(interval);
        (all, each, tasks)
    }

    fn task(&mut self, family: usize, value: Option<u64>, interval: Option<f64>) -> Option<f64> {
        self.tasks.row(&[])?.set(family, value? as f64, interval)
    }

    /// Notes one `cpu` line, and gives the shares since the last.
    fn cpu<'t>(&mut self, number: u64, mut words: impl Iterator<Item = &'t [u8]>) -> CpuUse {
        let mut ticks = [0; 8];
        for slot in &mut ticks {
            *slot = next(&mut words).unwrap_or(0);
        }
        let guest = [next(&mut words), next(&mut words)];
        if number != ALL {
            let name = number.to_string();
            for (mode, ticks) in ["user", "nice"].into_iter().zip(guest) {
                if let (Some(row), Some(ticks)) = (self.guest.row(&[&name, mode]), ticks) {
                    // Without an interval: guests are for Prometheus, hark shows no rate of them.
                    row.set(0, ticks as f64 / self.ticks_per_second, None);
                }
            }
        }
        self.this.push((number, ticks));
        let last = self
            .last
            .iter()
            .find(|(n, _)| *n == number)
            .map(|(_, ticks)| *ticks);
        last.map_or_else(CpuUse::default, |last| shares(&last, &ticks))
    }

    fn set_seconds(&mut self, interval: Option<f64>) {
        for (number, ticks) in &self.this {
            let name = number.to_string();
            for (mode, ticks) in MODES.into_iter().zip(ticks) {
                let row = if *number == ALL {
                    self.all.row(&[mode])
                } else {
                    self.each.row(&[&name, mode])
                };
                if let Some(row) = row {
                    row.set(0, *ticks as f64 / self.ticks_per_second, interval);
                }
            }
        }
    }

    /// Hands all values out; gives the number of CPUs that had no place.
    pub(crate) fn emit(&mut self, out: &mut Vec<Metric>) -> u64 {
        self.all.emit(out);
        self.each.emit(out);
        self.guest.emit(out);
        self.tasks.emit(out);
        std::mem::take(&mut self.omitted)
    }
}

/// The shares of the time between two readings. `iowait` and `idle` may run backwards (the kernel's
/// documentation says so): such a step counts as none.
fn shares(last: &[u64; 8], now: &[u64; 8]) -> CpuUse {
    let mut spent = [0.0; 8];
    for ((slot, last), now) in spent.iter_mut().zip(last).zip(now) {
        *slot = now.saturating_sub(*last) as f64;
    }
    let total: f64 = spent.iter().sum();
    if total <= 0.0 {
        return CpuUse::default();
    }
    let [user, nice, system, idle, iowait, irq, softirq, steal] = spent.map(|s| s / total);
    CpuUse {
        user: user + nice,
        system,
        irq: irq + softirq,
        steal,
        iowait,
        idle,
    }
}

/// The load averages, from /proc/loadavg (`proc_loadavg(5)`), and the number of threads.
#[derive(Debug)]
pub(crate) struct Load(Table);

static LOAD: [Family; 4] = [
    gauge("node_load1", "1m load average."),
    gauge("node_load5", "5m load average."),
    gauge("node_load15", "15m load average."),
    gauge("node_processes_threads", "Allocated threads in system."),
];

impl Load {
    pub(crate) fn new() -> Self {
        Self(Table::new(&LOAD, &[], 1))
    }

    /// Gives the load averages and the number of threads.
    pub(crate) fn update(&mut self, loadavg: &[u8]) -> ([f64; 3], Option<u64>) {
        let mut loads = [0.0; 3];
        let mut threads = None;
        let Some(row) = self.0.row(&[]) else {
            return (loads, threads);
        };
        let mut words = words(loadavg);
        for (family, slot) in loads.iter_mut().enumerate() {
            if let Some(load) = words.next().and_then(crate::scan::real) {
                *slot = load;
                row.set(family, load, None);
            }
        }
        if let Some(total) = words.next().and_then(|w| w.split(|b| *b == b'/').nth(1)) {
            threads = crate::scan::number(total);
            if let Some(threads) = threads {
                row.set(3, threads as f64, None);
            }
        }
        (loads, threads)
    }

    pub(crate) fn emit(&mut self, out: &mut Vec<Metric>) {
        self.0.emit(out);
    }
}

/// Seconds since boot, from /proc/uptime.
pub(crate) fn uptime(text: &[u8]) -> Option<f64> {
    words(text).next().and_then(crate::scan::real)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STAT: &str = "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 50 0 50 350 50 0 0 0 7 0\n\
        cpu1 50 0 50 350 50 0 0 0 0 0\nintr 5 1 2 3\nctxt 1000\nbtime 1700000000\n\
        processes 10\nprocs_running 2\nprocs_blocked 1\nsoftirq 1 2\n";

    #[test]
    fn shares_are_of_the_time_since_the_last_reading() {
        let mut cpu = Cpu::new(8, 100.0);
        let (all, each, tasks) = cpu.update(STAT.as_bytes(), None);
        assert_eq!((all, each.len()), (CpuUse::default(), 2));
        assert_eq!((tasks.running, tasks.blocked), (2, 1));
        let mut out = Vec::new();
        cpu.emit(&mut out);
        let value = |out: &[Metric], key: &str| {
            out.iter()
                .find(|m| m.key.as_str() == key)
                .map(|m| (m.value, m.rate))
        };
        assert_eq!(
            value(&out, r#"node_cpu_seconds_total{cpu="1",mode="idle"}"#),
            Some((3.5, None))
        );
        assert_eq!(
            value(&out, r#"node_cpu_guest_seconds_total{cpu="0",mode="user"}"#),
            Some((0.07, None))
        );

        // Half a second of work and half of idleness on cpu0; cpu1 went off-line; iowait stepped back.
        let later = "cpu  150 0 100 750 90 0 0 0 0 0\ncpu0 100 0 50 400 40 0 0 0 7 0\nctxt 1500\nprocesses 12\n";
        let (all, each, tasks) = cpu.update(later.as_bytes(), Some(2.0));
        assert!((all.user - 0.5).abs() < 1e-9 && (all.busy() - 0.5).abs() < 1e-9);
        assert!(all.iowait.abs() < 1e-9 && (all.idle - 0.5).abs() < 1e-9);
        assert_eq!(each.len(), 1);
        assert_eq!((tasks.switches, tasks.forks), (250.0, 1.0));
        let mut out = Vec::new();
        cpu.emit(&mut out);
        assert_eq!(
            value(&out, r#"hark_cpu_seconds_total{mode="user"}"#),
            Some((1.5, Some(0.25)))
        );
        assert_eq!(
            value(&out, r#"node_cpu_seconds_total{cpu="1",mode="idle"}"#),
            None
        );
    }

    #[test]
    fn loads_and_threads_are_read() {
        let mut load = Load::new();
        assert_eq!(
            load.update(b"0.52 1.00 2.25 3/456 7890\n"),
            ([0.52, 1.0, 2.25], Some(456))
        );
        assert_eq!(load.update(b""), ([0.0; 3], None));
        assert_eq!(uptime(b"12.34 56.78\n"), Some(12.34));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(a in any::<Vec<u8>>(), b in "(cpu[0-9]* [0-9 ]*\n|ctxt [0-9]*\n)*") {
            let mut cpu = Cpu::new(2, 100.0);
            for text in [a.as_slice(), b.as_bytes(), &a] {
                cpu.update(text, Some(1.0));
                cpu.emit(&mut Vec::new());
                Load::new().update(text);
                uptime(text);
            }
        }
    }
}
