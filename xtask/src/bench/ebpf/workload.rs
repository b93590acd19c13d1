//! What happens in the kernel, for the listeners to hear.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::time::{ClockId, clock_gettime};

use crate::error::Error;

/// Many of one kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Workload {
    Calls,
    Opens,
    Packets,
    Switches,
    Signals,
    Connections,
    Executions,
}

/// CPU time that a run took.
#[derive(Clone, Copy)]
pub(super) struct Cost {
    /// Of the thread that caused the events.
    thread: Duration,
    /// Of its children.
    children: Duration,
}

impl Cost {
    /// Of the thread that caused the events.
    pub(super) fn thread(self) -> Duration {
        self.thread
    }

    /// With its children's.
    pub(super) fn total(self) -> Duration {
        self.thread + self.children
    }
}

impl Workload {
    pub(super) const ALL: [Self; 7] = [
        Self::Calls,
        Self::Opens,
        Self::Packets,
        Self::Switches,
        Self::Signals,
        Self::Connections,
        Self::Executions,
    ];

    /// How many in the time of so many signals, about.
    pub(super) fn count(self, signals: usize) -> usize {
        let count = match self {
            Self::Calls => signals * 20,
            Self::Opens | Self::Signals => signals,
            Self::Packets | Self::Switches => signals / 2,
            Self::Connections => signals / 20,
            Self::Executions => signals / 100,
        };
        count.max(1)
    }

    /// Whether those who listen tell each.
    pub(super) const fn is_told(self) -> bool {
        matches!(self, Self::Signals | Self::Connections | Self::Executions)
    }

    pub(super) fn describe(self, count: usize) -> String {
        match self {
            Self::Calls => format!("{count} calls of getppid"),
            Self::Opens => format!("{count} openings of /dev/null, with close,"),
            Self::Packets => {
                format!("{count} UDP packets over the loopback device, sent and received,")
            }
            Self::Switches => {
                format!("{count} times to another thread and back on one CPU,")
            }
            Self::Signals => format!("{count} signals"),
            Self::Connections => format!("{count} TCP connections, opened and closed,"),
            Self::Executions => format!("{count} executions of /bin/true, with fork and end,"),
        }
    }

    /// Causes this many events.
    pub(super) fn cause(self, count: usize) -> Result<Cost, Error> {
        match self {
            Self::Calls => calls(count),
            Self::Opens => opens(count),
            Self::Packets => packets(count),
            Self::Switches => switches(count),
            Self::Signals => signals(count),
            Self::Connections => connections(count),
            Self::Executions => executions(count),
        }
    }
}

fn failed(error: &dyn std::error::Error) -> Error {
    Error::Check(format!("the workload failed: {error}"))
}

fn spawn(program: &str, arg: Option<&str>) -> Result<std::process::Child, Error> {
    Command::new(program)
        .args(arg)
        .stdin(Stdio::null())
        .spawn()
        .map_err(|source| Error::Start {
            program: program.to_owned(),
            source,
        })
}

fn cpu(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// CPU time of this process, all its threads.
pub(super) fn process_time() -> Duration {
    cpu(ClockId::ProcessCPUTime)
}

fn thread_cost(cause: impl FnOnce() -> Result<(), Error>) -> Result<Cost, Error> {
    let before = cpu(ClockId::ThreadCPUTime);
    cause()?;
    let thread = cpu(ClockId::ThreadCPUTime).saturating_sub(before);
    Ok(Cost {
        thread,
        children: Duration::ZERO,
    })
}

/// A system call that does next to nothing.
fn calls(count: usize) -> Result<Cost, Error> {
    thread_cost(|| {
        for _ in 0..count {
            std::hint::black_box(rustix::process::getppid());
        }
        Ok(())
    })
}

fn opens(count: usize) -> Result<Cost, Error> {
    thread_cost(|| {
        for _ in 0..count {
            std::fs::File::open("/dev/null").map_err(|error| failed(&error))?;
        }
        Ok(())
    })
}

fn packets(count: usize) -> Result<Cost, Error> {
    let cause = || -> std::io::Result<()> {
        let receiver = UdpSocket::bind("127.0.0.1:0")?;
        let sender = UdpSocket::bind("127.0.0.1:0")?;
        sender.connect(receiver.local_addr()?)?;
        for _ in 0..count {
            sender.send(&[7; 64])?;
            receiver.recv(&mut [0; 64])?;
        }
        Ok(())
    };
    thread_cost(|| cause().map_err(|error| failed(&error)))
}

/// Two threads on one CPU that wait for each other.
fn switches(count: usize) -> Result<Cost, Error> {
    let one_cpu = || {
        let mut cpus = rustix::thread::CpuSet::new();
        cpus.set(0);
        rustix::thread::sched_setaffinity(None, &cpus)
    };
    let cause = move || -> std::io::Result<Duration> {
        let ((mut here, mut to_here), (mut there, mut to_there)) =
            (std::io::pipe()?, std::io::pipe()?);
        let other = std::thread::spawn(move || -> std::io::Result<Duration> {
            one_cpu()?;
            let before = cpu(ClockId::ThreadCPUTime);
            let mut byte = [0];
            for _ in 0..count {
                there.read_exact(&mut byte)?;
                to_here.write_all(&byte)?;
            }
            Ok(cpu(ClockId::ThreadCPUTime).saturating_sub(before))
        });
        one_cpu()?;
        let before = cpu(ClockId::ThreadCPUTime);
        let mut byte = [0];
        for _ in 0..count {
            to_there.write_all(&byte)?;
            here.read_exact(&mut byte)?;
        }
        let own = cpu(ClockId::ThreadCPUTime).saturating_sub(before);
        let other = other
            .join()
            .unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into()))?;
        Ok(own + other)
    };
    // In a thread of its own, for it stays on one CPU.
    let both = std::thread::spawn(cause).join();
    let both = both.unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into()));
    Ok(Cost {
        thread: both.map_err(|error| failed(&error))?,
        children: Duration::ZERO,
    })
}

/// SIGCONT to a process that sleeps: nothing happens but the signal.
fn signals(count: usize) -> Result<Cost, Error> {
    let mut child = spawn("sleep", Some("600"))?;
    let pid = Pid::from_child(&child);
    let cost = thread_cost(|| {
        for _ in 0..count {
            kill_process(pid, Signal::CONT).map_err(|error| failed(&error))?;
        }
        Ok(())
    });
    let _ = child.kill();
    let _ = child.wait();
    cost
}

fn connections(count: usize) -> Result<Cost, Error> {
    let cause = || -> std::io::Result<()> {
        // A port for each so many: those that were closed are not free at once.
        for first in (0..count).step_by(1_000) {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let address = listener.local_addr()?;
            for _ in first..count.min(first + 1_000) {
                let outgoing = TcpStream::connect(address)?;
                let (incoming, _) = listener.accept()?;
                drop(incoming);
                drop(outgoing);
            }
        }
        Ok(())
    };
    thread_cost(|| cause().map_err(|error| failed(&error)))
}

fn executions(count: usize) -> Result<Cost, Error> {
    let children = children_time()?;
    let mut cost = thread_cost(|| {
        for _ in 0..count {
            spawn("/bin/true", None)?
                .wait()
                .map_err(|error| failed(&error))?;
        }
        Ok(())
    })?;
    cost.children = children_time()?.saturating_sub(children);
    Ok(cost)
}

/// CPU time of all children that have been waited for; from `/proc/self/stat`, in ticks of 10 ms.
fn children_time() -> Result<Duration, Error> {
    let stat = std::fs::read_to_string("/proc/self/stat")
        .map_err(Error::file(std::path::Path::new("/proc/self/stat")))?;
    Ok(ticks(&stat, 13))
}

/// User and system time, from the text of a `/proc/PID/stat`: the field with this number, counted
/// from the state as 0, and the next.
pub(super) fn ticks(stat: &str, field: usize) -> Duration {
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields = rest.split_whitespace().skip(field).take(2);
    let ticks: u64 = fields.filter_map(|n| n.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}
