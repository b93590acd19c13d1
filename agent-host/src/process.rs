//! Processes, from /proc/PID/stat, io and status (`proc_pid_stat(5)` and so on).
//!
//! Every process' `stat` is read on each pass, and `io` of those that are no kernel threads;
//! `status`, the costliest, only of those that are shown, and rarely.

use std::cmp::Reverse;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;
use std::time::Instant;

use hark_api::vitals::{ProcessState, ProcessUse};
use rustix::fs::{FileType, Mode, OFlags, RawDir, SeekFrom};

use crate::Metric;
use crate::kept::read_at_start;
use crate::pace::Pace;
use crate::scan::{lines, next, number, value_of, words};
use crate::table::{Family, Table, gauge, rate};

/// A process' user is asked for again after this many passes in which it was shown.
const USER_PASSES: u8 = 10;

/// `PF_KTHREAD` of the kernel's `sched.h`.
const KERNEL_THREAD: u64 = 0x0020_0000;

static FAMILIES: [Family; 3] = [
    gauge("node_processes_pids", "Number of PIDs."),
    gauge(
        "hark_process_max_cpus",
        "CPUs used by the process that uses most.",
    ),
    gauge(
        "hark_process_max_resident_bytes",
        "Resident memory of the process that has most.",
    ),
];
static STATES: [Family; 1] = [gauge(
    "node_processes_state",
    "Number of processes in each state.",
)];

/// Processes.
#[derive(Debug)]
pub(crate) struct Processes {
    ticks_per_second: f64,
    page_size: u64,
    limit: usize,
    pace: Pace,
    /// /proc itself, kept open.
    dir: Option<File>,
    entries: Vec<MaybeUninit<u8>>,
    /// By ascending pid: those of this pass, and of the one before.
    now: Vec<Seen>,
    before: Vec<Seen>,
    /// When the last pass was: by the monotonic clock, and in seconds since boot.
    read: Option<(Instant, f64)>,
    shown: Vec<ProcessUse>,
    largest: (f64, u64),
    table: Table,
    states: Table,
}

/// One process as it was seen.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    stat: Stat,
    /// Bytes read and written.
    io: Option<(u64, u64)>,
    /// CPUs since the pass before.
    cpu: f64,
    /// Bytes a second, read and written.
    rates: Option<(f64, f64)>,
    uid: Option<u32>,
    uid_age: u8,
}

/// What hark takes from /proc/PID/stat.
#[derive(Clone, Debug, Default, PartialEq)]
struct Stat {
    pid: u32,
    ppid: u32,
    comm: String,
    state: u8,
    kernel: bool,
    /// Ticks in user programs and in the kernel.
    ticks: u64,
    threads: u64,
    /// Ticks from boot to its start. With the pid it tells processes apart.
    start: u64,
    resident_pages: u64,
}

impl Processes {
    pub(crate) fn new(limit: usize, ticks_per_second: f64, page_size: u64) -> Self {
        Self {
            ticks_per_second,
            page_size,
            limit,
            pace: Pace::default(),
            dir: None,
            entries: vec![MaybeUninit::uninit(); 16 << 10],
            now: Vec::new(),
            before: Vec::new(),
            read: None,
            shown: Vec::new(),
            largest: (0.0, 0),
            table: Table::new(&FAMILIES, &[], 1),
            states: Table::new(&STATES, &["state"], 32),
        }
    }

    /// The processes that use most, and how many there are. Where a pass costs too much to be made
    /// each time, those of the last pass.
    pub(crate) fn update(
        &mut self,
        proc: &Path,
        (now, uptime): (Instant, f64),
        buffer: &mut Vec<u8>,
    ) -> (Vec<ProcessUse>, u64) {
        if self.pace.is_due(now) {
            let mut pace = std::mem::take(&mut self.pace);
            // A /proc that cannot be listed has no processes to show.
            if pace
                .run(now, || self.pass(proc, (now, uptime), buffer))
                .is_err()
            {
                self.dir = None;
                self.shown.clear();
                self.now.clear();
            }
            self.pace = pace;
        }
        self.set_metrics();
        (self.shown.clone(), self.now.len() as u64)
    }

    fn pass(&mut self, proc: &Path, now: (Instant, f64), buffer: &mut Vec<u8>) -> io::Result<()> {
        std::mem::swap(&mut self.now, &mut self.before);
        self.now.clear();
        let dir = match self.dir.take() {
            Some(dir) => {
                rustix::fs::seek(&dir, SeekFrom::Start(0))?;
                dir
            }
            None => File::open(proc)?,
        };
        let mut entries = RawDir::new(&dir, &mut self.entries);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            if !matches!(entry.file_type(), FileType::Directory | FileType::Unknown) {
                continue;
            }
            let Some(pid) = number(entry.file_name().to_bytes()) else {
                continue;
            };
            // It may have ended since.
            let Some(stat) = read(&dir, pid, "stat", buffer).and_then(parse) else {
                continue;
            };
            let io = if stat.kernel {
                None
            } else {
                read(&dir, pid, "io", buffer).and_then(parse_io)
            };
            self.now.push(Seen {
                stat,
                io,
                ..Seen::default()
            });
        }
        // The kernel lists them so; nothing promises it.
        if !self.now.is_sorted_by_key(|seen| seen.stat.pid) {
            self.now.sort_by_key(|seen| seen.stat.pid);
        }
        self.compare(now.0);
        self.show(&dir, buffer);
        self.dir = Some(dir);
        self.read = Some(now);
        Ok(())
    }

    /// Fills in what each used since the pass before.
    fn compare(&mut self, now: Instant) {
        let Some((read, booted)) = self.read else {
            return;
        };
        let interval = now.duration_since(read).as_secs_f64();
        let mut before = self.before.iter().peekable();
        for seen in &mut self.now {
            while before.next_if(|old| old.stat.pid < seen.stat.pid).is_some() {}
            let same = before
                .peek()
                .filter(|old| old.stat.pid == seen.stat.pid && old.stat.start == seen.stat.start);
            let (ticks, io) = match same {
                Some(old) => {
                    seen.uid = old.uid;
                    seen.uid_age = old.uid_age;
                    (old.stat.ticks, old.io)
                }
                // Born since: all that it used was used since.
                None if seen.stat.start as f64 / self.ticks_per_second >= booted - 0.05 => {
                    (0, Some((0, 0)))
                }
                None => (seen.stat.ticks, None),
            };
            let used = seen.stat.ticks.saturating_sub(ticks) as f64 / self.ticks_per_second;
            seen.cpu = if interval > 0.0 { used / interval } else { 0.0 };
            seen.rates = match (io, seen.io) {
                (Some(old), Some(new)) => rate(old.0 as f64, new.0 as f64, interval).zip(rate(
                    old.1 as f64,
                    new.1 as f64,
                    interval,
                )),
                _ => None,
            };
        }
    }

    /// Chooses the ones to show.
    fn show(&mut self, dir: &File, buffer: &mut Vec<u8>) {
        self.shown.clear();
        self.largest = (0.0, 0);
        for seen in &self.now {
            self.largest.0 = self.largest.0.max(seen.cpu);
            self.largest.1 = self
                .largest
                .1
                .max(seen.stat.resident_pages * self.page_size);
        }
        for index in choose(&self.now, self.limit) {
            let Some(seen) = self.now.get_mut(index) else {
                continue;
            };
            if seen.uid.is_none() || seen.uid_age >= USER_PASSES {
                seen.uid = read(dir, seen.stat.pid.into(), "status", buffer)
                    .and_then(parse_uid)
                    .or(seen.uid);
                seen.uid_age = 0;
            }
            seen.uid_age += 1;
            // It may have ended since.
            let Some(uid) = seen.uid else {
                continue;
            };
            self.shown.push(ProcessUse {
                pid: seen.stat.pid,
                ppid: seen.stat.ppid,
                uid,
                comm: seen.stat.comm.clone(),
                state: ProcessState(char::from(seen.stat.state)),
                cpu: seen.cpu,
                rss: seen.stat.resident_pages.saturating_mul(self.page_size),
                read_bytes: seen.rates.map(|r| r.0),
                write_bytes: seen.rates.map(|r| r.1),
                threads: seen.stat.threads,
                started: seen.stat.start as f64 / self.ticks_per_second,
            });
        }
    }

    fn set_metrics(&mut self) {
        if let Some(row) = self.table.row(&[]) {
            row.set(0, self.now.len() as f64, None);
            row.set(1, self.largest.0, None);
            row.set(2, self.largest.1 as f64, None);
        }
        let mut states = [0_u32; 128];
        for seen in &self.now {
            states[usize::from(seen.stat.state & 0x7f)] += 1;
        }
        for (state, count) in (0_u8..).zip(states) {
            if count > 0
                && let Some(row) = self
                    .states
                    .row(&[char::from(state).encode_utf8(&mut [0; 4])])
            {
                row.set(0, f64::from(count), None);
            }
        }
    }

    pub(crate) fn emit(&mut self, out: &mut Vec<Metric>) {
        self.table.emit(out);
        self.states.emit(out);
    }
}

/// The places of at most `limit` processes: half of them for those that use most CPU, then those
/// with most memory and those with most I/O, and the order is by CPU, then memory, then I/O.
fn choose(all: &[Seen], limit: usize) -> Vec<usize> {
    // Micro-CPUs and bytes: whole numbers, so that they sort.
    let cpu = |i: &usize| Reverse((all[*i].cpu * 1e6) as u64);
    let memory = |i: &usize| Reverse(all[*i].stat.resident_pages);
    let io = |i: &usize| Reverse(all[*i].rates.map_or(0, |(r, w)| (r + w) as u64));

    let mut rest: Vec<usize> = (0..all.len()).collect();
    let mut chosen = Vec::with_capacity(limit.min(all.len()));
    if all.len() <= limit {
        chosen.append(&mut rest);
    } else {
        rest.sort_by_key(|i| (cpu(i), memory(i)));
        chosen.extend(rest.drain(..limit.div_ceil(2)));
        rest.sort_by_key(|i| (io(i), memory(i)));
        chosen.extend(rest.drain(..limit / 4));
        rest.sort_by_key(memory);
        chosen.extend(rest.drain(..limit - chosen.len()));
    }
    chosen.sort_by_key(|i| (cpu(i), memory(i), io(i)));
    chosen
}

/// The text of a file of a process, in the buffer; `None` where it ended or may not be read.
fn read<'b>(proc: &File, pid: u64, file: &str, buffer: &'b mut Vec<u8>) -> Option<&'b [u8]> {
    use std::fmt::Write as _;
    let mut path = String::with_capacity(24);
    let _ = write!(path, "{pid}/{file}");
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(proc, path.as_str(), flags, Mode::empty()).ok()?;
    read_at_start(&File::from(file), buffer).ok()
}

/// `pid (comm) state ppid …`: the command may hold anything, so it ends at the last parenthesis.
fn parse(stat: &[u8]) -> Option<Stat> {
    let open = stat.iter().position(|b| *b == b'(')?;
    let close = stat
        .iter()
        .rposition(|b| *b == b')')
        .filter(|close| *close > open)?;
    let pid = u32::try_from(number(stat[..open].trim_ascii())?).ok()?;
    let mut words = words(&stat[close + 1..]);
    let state = *words.next()?.first()?;
    let ppid = u32::try_from(next(&mut words)?).ok()?;
    let flags = number(words.nth(4)?)?;
    let ticks = number(words.nth(4)?)?.saturating_add(next(&mut words)?);
    let threads = number(words.nth(4)?)?;
    let start = number(words.nth(1)?)?;
    let resident_pages = number(words.nth(1)?)?;
    Some(Stat {
        pid,
        ppid,
        comm: String::from_utf8_lossy(&stat[open + 1..close]).into_owned(),
        state,
        kernel: flags & KERNEL_THREAD != 0,
        ticks,
        threads,
        start,
        resident_pages,
    })
}

/// Bytes that reached storage, or came from it.
fn parse_io(io: &[u8]) -> Option<(u64, u64)> {
    Some((
        value_of(io, b"read_bytes:")?,
        value_of(io, b"write_bytes:")?,
    ))
}

/// The real user id.
fn parse_uid(status: &[u8]) -> Option<u32> {
    let line = lines(status).find_map(|line| line.strip_prefix(b"Uid:"))?;
    u32::try_from(next(&mut words(line))?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STAT: &str = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 5 0 250 50 0 0 20 0 3 0 12345 1000000 700 18446744073709551615 1 1";

    #[test]
    fn a_command_may_hold_parentheses_and_newlines() {
        let stat = parse(STAT.as_bytes()).expect("a stat");
        assert_eq!(
            (stat.pid, stat.ppid, stat.comm.as_str()),
            (42, 1, "a) b (c")
        );
        assert_eq!((stat.ticks, stat.threads, stat.start), (300, 3, 12345));
        assert_eq!(
            (stat.resident_pages, stat.state, stat.kernel),
            (700, b'S', false)
        );
        assert_eq!(
            parse(b"1 (x\ny) R 0 0 0 0 -1 2097152 0 0 0 0 0 0 0 0 20 0 1 0 9 0 0")
                .map(|s| s.kernel),
            Some(true)
        );
        assert_eq!(parse(b"1 )x( R"), None);
        assert_eq!(
            parse_io(b"rchar: 1\nread_bytes: 4096\nwrite_bytes: 8192\n"),
            Some((4096, 8192))
        );
        assert_eq!(parse_uid(b"Name:\tx\nUid:\t1000\t0\t0\t0\n"), Some(1000));
    }

    fn seen(pid: u32, cpu: f64, pages: u64, io: f64) -> Seen {
        Seen {
            stat: Stat {
                pid,
                resident_pages: pages,
                ..Stat::default()
            },
            cpu,
            rates: Some((io, 0.0)),
            ..Seen::default()
        }
    }

    #[test]
    fn the_largest_of_each_kind_are_chosen_in_order() {
        let mut all: Vec<_> = (0..100).map(|pid| seen(pid, 0.0, 10, 0.0)).collect();
        all[70] = seen(70, 1.5, 1, 0.0);
        all[80] = seen(80, 0.0, 9999, 0.0);
        all[90] = seen(90, 0.0, 1, 1e9);
        let chosen = choose(&all, 4);
        assert_eq!(chosen.len(), 4);
        assert_eq!(chosen[0], 70);
        assert!(chosen.contains(&80) && chosen.contains(&90));
        assert_eq!(choose(&all, 200).len(), 100);
        assert!(choose(&all, 0).is_empty());
    }

    #[test]
    fn a_reused_pid_is_another_process() {
        let mut processes = Processes::new(10, 100.0, 4096);
        let with = |pid, start, ticks| Seen {
            stat: Stat {
                pid,
                ticks,
                start,
                ..Stat::default()
            },
            io: Some((ticks, 0)),
            ..Seen::default()
        };
        let now = Instant::now();
        processes.read = Some((now, 100.0));
        processes.before = vec![with(1, 10, 500), with(7, 20, 900), with(9, 30, 100)];
        processes.now = vec![
            with(1, 10, 600),
            with(7, 10_050, 50),
            with(8, 40, 70),
            with(9, 30, 100),
        ];
        processes.compare(now + std::time::Duration::from_secs(1));
        let cpus: Vec<_> = processes.now.iter().map(|s| s.cpu).collect();
        // The old one's growth, all of the new one's, nothing of one that was overlooked before.
        assert_eq!(cpus, [1.0, 0.5, 0.0, 0.0]);
        assert_eq!(processes.now[2].rates, None);
        assert_eq!(processes.now[0].rates, Some((100.0, 0.0)));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in any::<Vec<u8>>(), line in "[0-9]{0,12} \\([a-z()]*\\) [A-Z]( -?[0-9]{0,21}){0,30}") {
            for text in [text.as_slice(), line.as_bytes()] {
                parse(text);
                parse_io(text);
                parse_uid(text);
            }
        }
    }
}
