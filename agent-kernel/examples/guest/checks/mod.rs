//! Things to cause, and what must be told of them. Details are compared too: they are read at
//! offsets that differ from kernel to kernel.

mod audit;
mod datagram;
mod latency;
mod memory;
mod process;
mod stall;
mod tcp;
mod warning;

use std::process::{Child, Command};

use hark_api::Process;
use hark_kernel::{Feature, Kernel, KernelEvent};
use rustix::process::{Pid, Signal, kill_process};

pub(crate) use crate::checks::audit::leave_root;
pub(crate) use crate::checks::memory::{overflow_stack, use_memory};
pub(crate) use crate::checks::process::fill_memory;
use crate::hearing::{Hearing, until};

/// Something to cause.
pub(crate) struct Check {
    /// The feature that tells of it.
    pub(crate) feature: Feature,
    /// What is caused.
    pub(crate) what: &'static str,
    /// Causes it, and says what is wrong with what was told.
    pub(crate) run: Run,
    /// The first version of Linux that tells it, where not all from 5.8 do.
    pub(crate) since: (u32, u32),
    /// What the program hangs on that alone hears it, where the feature may go without.
    pub(crate) hook: Option<&'static str>,
}

type Run = fn(&Kernel, &Hearing) -> Result<(), Failure>;

/// Why a check did not pass.
pub(crate) enum Failure {
    /// It could not be caused, so that there was nothing to tell.
    NotCaused(String),
    /// It was caused, and not told as it was done.
    Wrong(String),
}

impl Failure {
    /// Says of what it is.
    fn of(self, what: &str) -> Self {
        match self {
            Self::NotCaused(why) => Self::NotCaused(format!("{what}: {why}")),
            Self::Wrong(why) => Self::Wrong(format!("{what}: {why}")),
        }
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Wrong(text)
    }
}

impl From<&str> for Failure {
    fn from(text: &str) -> Self {
        Self::Wrong(text.to_owned())
    }
}

impl Check {
    const fn new(feature: Feature, what: &'static str, run: Run) -> Self {
        Self {
            feature,
            what,
            run,
            since: (5, 8),
            hook: None,
        }
    }

    const fn since(mut self, major: u32, minor: u32) -> Self {
        self.since = (major, minor);
        self
    }

    const fn by(mut self, hook: &'static str) -> Self {
        self.hook = Some(hook);
        self
    }
}

/// Everything to cause. The last one counts what all the others caused.
pub(crate) const ALL: &[Check] = &[
    Check::new(Feature::Process, "program executed", process::exec),
    Check::new(Feature::Process, "process created", process::fork),
    Check::new(Feature::Process, "process ended", process::exit),
    Check::new(
        Feature::Process,
        "control group made while listening",
        process::cgroup,
    ),
    Check::new(Feature::Process, "table of processes", process::table),
    Check::new(Feature::Signal, "process signalled", process::signal),
    Check::new(
        Feature::Oom,
        "process killed for want of memory",
        process::oom,
    ),
    Check::new(Feature::Tcp, "connection over IPv4", tcp::connection_v4),
    Check::new(Feature::Tcp, "connection over IPv6", tcp::connection_v6),
    Check::new(Feature::Tcp, "connection refused", tcp::refused),
    Check::new(Feature::Tcp, "connection reset", tcp::reset),
    // "trace: tcp: fully support trace_tcp_send_reset", Linux 6.10
    Check::new(
        Feature::Tcp,
        "reset sent by a port without listener",
        tcp::stray,
    )
    .since(6, 10),
    Check::new(Feature::Tcp, "segment sent again", tcp::retransmit),
    Check::new(Feature::Audit, "user changed", audit::privilege),
    Check::new(Feature::Audit, "file system mounted", audit::mount),
    Check::new(Feature::Audit, "module taken out", audit::module),
    Check::new(Feature::Audit, "BPF program loaded", audit::bpf),
    Check::new(
        Feature::BlockLatency,
        "block device written and read",
        latency::block,
    ),
    Check::new(
        Feature::BlockLatency,
        "slow request, with its process",
        latency::slow,
    ),
    Check::new(Feature::BlockLatency, "block device fails", latency::broken),
    Check::new(
        Feature::RunqueueLatency,
        "threads waited for a CPU",
        latency::runqueue,
    ),
    Check::new(
        Feature::KernelLog,
        "line of the kernel's log",
        warning::line,
    ),
    // "security: add trace event for cap_capable", Linux 6.14
    Check::new(
        Feature::Capability,
        "capability denied",
        warning::capability,
    )
    .since(6, 14),
    Check::new(Feature::File, "watched file changed", warning::file),
    Check::new(
        Feature::Signal,
        "fault, with the file that is mapped there",
        memory::fault,
    ),
    Check::new(
        Feature::Reclaim,
        "waits while memory is taken back",
        memory::reclaim,
    ),
    Check::new(
        Feature::OffCpu,
        "waits for memory that was swapped out",
        memory::swapped,
    )
    .by("software event page-faults-maj"),
    Check::new(Feature::Dns, "name asked for, and answered", datagram::dns),
    Check::new(Feature::Udp, "datagrams without room", datagram::no_room),
    // "net: sock: add trace for socket errors", Linux 5.14
    Check::new(
        Feature::Udp,
        "datagram to where nobody is",
        datagram::nobody,
    )
    .since(5, 14),
    Check::new(
        Feature::SyscallError,
        "system calls that fail",
        stall::failures,
    ),
    Check::new(
        Feature::ListenOverflow,
        "port that turns connections away",
        stall::overflow,
    ),
    Check::new(
        Feature::Pressure,
        "threads wait for a CPU for long",
        stall::pressure,
    ),
    Check::new(
        Feature::Signal,
        "emitted = received, none malformed",
        accounts,
    ),
];

/// The argument that makes this program fill its memory.
pub(crate) const FILL_MEMORY: &str = "--fill-memory";
/// The argument that makes this program use up its stack.
pub(crate) const OVERFLOW_STACK: &str = "--overflow-stack";
/// The argument that makes this program use more memory than its control group may have.
pub(crate) const USE_MEMORY: &str = "--use-memory";
/// The argument that makes this program give up being root.
pub(crate) const LEAVE_ROOT: &str = "--leave-root";

fn cannot<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> Failure {
    move |error| Failure::NotCaused(format!("{what}: {error}"))
}

/// Compares what was told with what was done.
fn expect<T: PartialEq + std::fmt::Debug>(what: &str, told: &T, done: &T) -> Result<(), Failure> {
    if told == done {
        Ok(())
    } else {
        Err(Failure::Wrong(format!(
            "{what} was {done:?}, but told was {told:?}"
        )))
    }
}

/// A process that waits to be killed.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Result<Self, Failure> {
        let mut command = Command::new("/bin/sleep");
        command.args(["600", "601"]).current_dir("/tmp");
        command.spawn().map(Self).map_err(cannot("sleep"))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn terminate(&mut self) -> Result<(), Failure> {
        kill_process(Pid::from_child(&self.0), Signal::TERM).map_err(cannot("kill"))?;
        self.0.wait().map(drop).map_err(cannot("wait"))
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn about(event: &KernelEvent, pid: u32) -> Option<&Process> {
    event
        .process
        .as_deref()
        .filter(|process| process.pid == pid)
}

fn accounts(kernel: &Kernel, _: &Hearing) -> Result<(), Failure> {
    let settled = until(|| {
        let counters = kernel.counters();
        (counters.emitted == counters.received + counters.dropped).then_some(counters)
    });
    let counters = settled.ok_or_else(|| format!("{:?}", kernel.counters()))?;
    expect("what was dropped", &counters.dropped, &0)?;
    expect("what was malformed", &counters.malformed, &0)?;
    expect("what was refused", &counters.refused, &0)?;
    if counters.received > 0 {
        Ok(())
    } else {
        Err(Failure::Wrong("nothing was received".to_owned()))
    }
}
