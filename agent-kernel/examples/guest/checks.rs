//! Things to cause, and what must be told of them. Details are compared too: they are read at
//! offsets that differ from kernel to kernel.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command};
use std::time::Duration;

use hark_api::{FeatureState, Process};
use hark_kernel::{ConnectOutcome, Data, ExitStatus, Feature, Kernel, KernelEvent, SignalResult};
use rustix::process::{Pid, Signal, kill_process};

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
}

type Run = fn(&Kernel, &Hearing) -> Result<(), String>;

impl Check {
    const fn new(feature: Feature, what: &'static str, run: Run) -> Self {
        Self {
            feature,
            what,
            run,
            since: (5, 8),
        }
    }

    const fn since(mut self, major: u32, minor: u32) -> Self {
        self.since = (major, minor);
        self
    }
}

/// Everything to cause. The last one counts what all the others caused.
pub(crate) const ALL: &[Check] = &[
    Check::new(Feature::Process, "program executed", exec),
    Check::new(Feature::Process, "process created", fork),
    Check::new(Feature::Process, "process ended", exit),
    Check::new(
        Feature::Process,
        "control group made while listening",
        cgroup,
    ),
    Check::new(Feature::Process, "table of processes", table),
    Check::new(Feature::Signal, "process signalled", signal),
    Check::new(Feature::Oom, "process killed for want of memory", oom),
    Check::new(Feature::Tcp, "connection over IPv4", connection_v4),
    Check::new(Feature::Tcp, "connection over IPv6", connection_v6),
    Check::new(Feature::Tcp, "connection refused", refused),
    Check::new(Feature::Tcp, "connection reset", reset),
    // "trace: tcp: fully support trace_tcp_send_reset", Linux 6.10
    Check::new(Feature::Tcp, "reset sent by a port without listener", stray).since(6, 10),
    Check::new(Feature::Tcp, "segment sent again", retransmit),
    Check::new(
        Feature::BlockLatency,
        "block device written and read",
        block,
    ),
    Check::new(
        Feature::RunqueueLatency,
        "threads waited for a CPU",
        runqueue,
    ),
    Check::new(
        Feature::Signal,
        "emitted = received, none malformed",
        accounts,
    ),
];

/// The argument that makes this program fill its memory.
pub(crate) const FILL_MEMORY: &str = "--fill-memory";
const CGROUP: &str = "/sys/fs/cgroup/crowded";
/// The disk that the virtual machine has for this, and its size in sectors of 512 bytes.
const DISK: &str = "vda";
const DISK_SECTORS: &str = "32768";

fn cannot<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> String {
    move |error| format!("could not be caused: {what}: {error}")
}

/// Compares what was told with what was done.
fn expect<T: PartialEq + std::fmt::Debug>(what: &str, told: &T, done: &T) -> Result<(), String> {
    if told == done {
        Ok(())
    } else {
        Err(format!("{what} was {done:?}, but told was {told:?}"))
    }
}

/// A process that waits to be killed.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Result<Self, String> {
        let mut command = Command::new("/bin/sleep");
        command.args(["600", "601"]).current_dir("/tmp");
        command.spawn().map(Self).map_err(cannot("sleep"))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn terminate(&mut self) -> Result<(), String> {
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

fn exec(_: &Kernel, hearing: &Hearing) -> Result<(), String> {
    let sleeper = Sleeper::start()?;
    let (process, exec) = hearing.wait(|event| match &event.data {
        Data::Exec(exec) => Some((about(event, sleeper.pid())?.clone(), exec.clone())),
        _ => None,
    })?;
    let words = |words: &[&str]| words.iter().map(|&w| w.to_owned()).collect::<Vec<_>>();
    expect("the path", &exec.path.as_str(), &"/bin/sleep")?;
    expect("the command name", &process.comm.as_str(), &"sleep")?;
    expect(
        "the arguments",
        &exec.arguments,
        &words(&["/bin/sleep", "600", "601"]),
    )?;
    expect(
        "the working directory",
        &exec.directory.as_deref(),
        &Some("/tmp"),
    )?;
    expect("the parent", &process.ppid, &Some(std::process::id()))?;
    expect("the parent's name", &exec.parent_comm.as_str(), &"guest")?;
    expect(
        "the user",
        &process.uid,
        &Some(rustix::process::getuid().as_raw()),
    )?;
    expect(
        "the executable",
        &process.exe.as_deref(),
        &Some("/bin/busybox"),
    )
}

fn fork(_: &Kernel, hearing: &Hearing) -> Result<(), String> {
    let sleeper = Sleeper::start()?;
    hearing.wait(|event| match &event.data {
        Data::Fork(fork) if fork.child == sleeper.pid() => {
            about(event, std::process::id()).map(drop)
        }
        _ => None,
    })
}

fn exit(_: &Kernel, hearing: &Hearing) -> Result<(), String> {
    let ended = |pid: u32| {
        hearing.wait(|event| match &event.data {
            Data::Exit(exit) => about(event, pid).map(|_| *exit),
            _ => None,
        })
    };
    let mut child = Command::new("/bin/sh")
        .args(["-c", "exit 7"])
        .spawn()
        .map_err(cannot("sh"))?;
    child.wait().map_err(cannot("wait"))?;
    expect("the end", &ended(child.id())?.status, &ExitStatus::Code(7))?;

    let mut sleeper = Sleeper::start()?;
    std::thread::sleep(Duration::from_millis(100)); // its life time
    sleeper.terminate()?;
    let exit = ended(sleeper.pid())?;
    let killed = ExitStatus::Signal {
        signal: 15,
        core_dumped: false,
    };
    expect("the end", &exit.status, &killed)?;
    if (100_000_000..60_000_000_000).contains(&exit.lifetime) {
        Ok(())
    } else {
        Err(format!(
            "it ran for about 0.1 s, but told was {} ns",
            exit.lifetime
        ))
    }
}

fn cgroup(_: &Kernel, hearing: &Hearing) -> Result<(), String> {
    let dir = "/sys/fs/cgroup/made";
    // By a child: root's children have all capabilities, even where this process gave up some.
    let script = format!("mkdir {dir}; echo $$ >{dir}/cgroup.procs; exec /bin/sleep 600");
    let child = Command::new("/bin/sh").args(["-c", &script]).spawn();
    let sleeper = child.map(Sleeper).map_err(cannot("sh"))?;
    let told = hearing.wait(|event| match &event.data {
        Data::Exec(exec) if exec.path == "/bin/sleep" => {
            Some(about(event, sleeper.pid())?.cgroup.clone())
        }
        _ => None,
    });
    drop(sleeper);
    until(|| remove(dir));
    expect("the control group", &told?.as_deref(), &Some("/made"))
}

fn table(kernel: &Kernel, hearing: &Hearing) -> Result<(), String> {
    let sleeper = Sleeper::start()?;
    hearing.wait(|event| match &event.data {
        Data::Exec(_) => about(event, sleeper.pid()).map(drop),
        _ => None,
    })?;
    let processes = kernel.processes();
    let process = processes
        .get(sleeper.pid())
        .ok_or("a new process is not in it")?;
    expect("the command name", &process.comm.as_str(), &"sleep")?;
    let pids: Vec<_> = processes
        .ancestry(sleeper.pid())
        .iter()
        .map(|p| p.pid)
        .collect();
    expect(
        "the ancestry",
        &pids,
        &vec![sleeper.pid(), std::process::id(), 1],
    )
}

/// Removes a control group, once all processes have left it.
fn remove(cgroup: &str) -> Option<()> {
    let status = Command::new("/bin/rmdir").arg(cgroup).status().ok()?;
    status.success().then_some(())
}

fn signal(_: &Kernel, hearing: &Hearing) -> Result<(), String> {
    let mut sleeper = Sleeper::start()?;
    sleeper.terminate()?;
    let signal = hearing.wait(|event| match &event.data {
        Data::Signal(signal) if signal.signal == 15 => {
            about(event, sleeper.pid()).map(|_| signal.clone())
        }
        _ => None,
    })?;
    let sender = signal.sender.ok_or("no sender was told")?;
    expect("the sender", &sender.pid, &std::process::id())?;
    expect("the sender's name", &sender.comm.as_str(), &"guest")?;
    expect("the code", &signal.code, &0)?;
    expect("the result", &signal.result, &SignalResult::Delivered)?;
    expect("to the whole process", &signal.to_process, &true)
}

fn oom(kernel: &Kernel, hearing: &Hearing) -> Result<(), String> {
    let script = format!(
        "mkdir {CGROUP}; echo 16M >{CGROUP}/memory.max; echo $$ >{CGROUP}/cgroup.procs; \
         exec /bin/guest {FILL_MEMORY}"
    );
    let child = Command::new("/bin/sh").args(["-c", &script]).spawn();
    let mut child = child.map_err(cannot("sh"))?;
    let status = child.wait().map_err(cannot("wait"))?;
    if status.signal() != Some(9) {
        return Err(format!("could not be caused: it ended with {status}"));
    }
    let (process, kill) = hearing.wait(|event| match &event.data {
        Data::OomKill(kill) => Some((about(event, child.id())?.clone(), kill.clone())),
        _ => None,
    })?;
    until(|| remove(CGROUP));
    // Before 6.8 the kernel tells its number only; its name is then in the table of processes.
    let named =
        |f: &hark_api::Feature| f.name == Feature::Process.as_str() && f.state == FeatureState::On;
    if !process.comm.is_empty() || kernel.features().iter().any(named) {
        expect("the victim's name", &process.comm.as_str(), &"guest")?;
    }
    match kill.anon_rss {
        Some(bytes) if !(8 << 20..=16 << 20).contains(&bytes) => Err(format!(
            "it had at most 16 MiB in memory, but told was {bytes} bytes"
        )),
        _ => Ok(()),
    }
}

/// Takes memory until it is stopped.
pub(crate) fn fill_memory() {
    let mut taken = Vec::new();
    for _ in 0..64 {
        taken.push(vec![1_u8; 1 << 20]);
    }
    std::hint::black_box(taken);
}

fn connection_v4(_: &Kernel, hearing: &Hearing) -> Result<(), String> {
    connection(hearing, Ipv4Addr::LOCALHOST.into())
}

fn connection_v6(_: &Kernel, hearing: &Hearing) -> Result<(), String> {
    connection(hearing, Ipv6Addr::LOCALHOST.into())
}

/// One connection, both of whose ends are here: 5 bytes there, 3 back.
fn connection(hearing: &Hearing, address: IpAddr) -> Result<(), String> {
    let listener = TcpListener::bind((address, 0)).map_err(cannot("bind"))?;
    let server = listener.local_addr().map_err(cannot("bind"))?;
    let mut here = TcpStream::connect(server).map_err(cannot("connect"))?;
    let client = here.local_addr().map_err(cannot("connect"))?;
    let (mut there, _) = listener.accept().map_err(cannot("accept"))?;
    let mut buffer = [0; 8];
    here.write_all(b"hello").map_err(cannot("write"))?;
    there.read_exact(&mut buffer[..5]).map_err(cannot("read"))?;
    there.write_all(b"yes").map_err(cannot("write"))?;
    here.read_exact(&mut buffer[..3]).map_err(cannot("read"))?;
    drop(here);
    drop(there);

    let own = std::process::id();
    let connect = hearing.wait(|event| match &event.data {
        Data::TcpConnect(c) if c.ends.local == client && c.ends.remote == server => {
            Some((*c, event.process.as_ref().map(|p| p.pid)))
        }
        _ => None,
    });
    let (connect, pid) = connect.map_err(|error| format!("the connect: {error}"))?;
    expect(
        "the outcome",
        &connect.outcome,
        &ConnectOutcome::Established,
    )?;
    expect("the process", &pid, &Some(own))?;
    let accept = |event: &KernelEvent| match &event.data {
        Data::TcpAccept(a) if a.ends.local == server && a.ends.remote == client => Some(()),
        _ => None,
    };
    hearing
        .wait(accept)
        .map_err(|error| format!("the accept: {error}"))?;
    let close = |local: SocketAddr, remote: SocketAddr| {
        let told = hearing.wait(|event| match &event.data {
            Data::TcpClose(c) if c.ends.local == local && c.ends.remote == remote => Some(*c),
            _ => None,
        });
        told.map_err(|error| format!("the close: {error}"))
    };
    let near = close(client, server)?;
    expect("which end opened it", &near.outgoing, &Some(true))?;
    expect("what it received", &near.received, &3)?;
    let far = close(server, client)?;
    expect("which end opened it", &far.outgoing, &Some(false))?;
    expect("what it received", &far.received, &5)
}

/// A port on which nobody listens.
fn closed_port() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(cannot("bind"))?;
    listener.local_addr().map_err(cannot("bind"))
}

fn refused(_: &Kernel, hearing: &Hearing) -> Result<(), String> {
    let server = closed_port()?;
    if TcpStream::connect(server).is_ok() {
        return Err("could not be caused: somebody listens".to_owned());
    }
    let (outcome, pid) = hearing.wait(|event| match &event.data {
        Data::TcpConnect(c) if c.ends.remote == server => {
            Some((c.outcome, event.process.as_ref().map(|p| p.pid)))
        }
        _ => None,
    })?;
    expect("the outcome", &outcome, &ConnectOutcome::Failed(111))?;
    expect("the process", &pid, &Some(std::process::id()))
}

/// A connection that one end gives up instead of closing it.
fn reset(_: &Kernel, hearing: &Hearing) -> Result<(), String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(cannot("bind"))?;
    let server = listener.local_addr().map_err(cannot("bind"))?;
    let here = TcpStream::connect(server).map_err(cannot("connect"))?;
    let client = here.local_addr().map_err(cannot("connect"))?;
    let (there, _) = listener.accept().map_err(cannot("accept"))?;
    let at_once = Some(Duration::ZERO);
    rustix::net::sockopt::set_socket_linger(&here, at_once).map_err(cannot("SO_LINGER"))?;
    drop(here);
    let told = |sent: bool, local: SocketAddr, remote: SocketAddr| {
        hearing.wait(|event| match &event.data {
            Data::TcpReset(r) if r.sent == sent => {
                (r.ends.local == local && r.ends.remote == remote).then_some(())
            }
            _ => None,
        })
    };
    told(true, client, server).map_err(|error| format!("the one sent: {error}"))?;
    told(false, server, client).map_err(|error| format!("the one received: {error}"))?;
    drop(there);
    Ok(())
}

fn stray(_: &Kernel, hearing: &Hearing) -> Result<(), String> {
    let server = closed_port()?;
    let _ = TcpStream::connect(server);
    let reason = hearing.wait(|event| match &event.data {
        Data::TcpReset(r) if r.sent && r.ends.local == server => Some(r.reason.clone()),
        _ => None,
    })?;
    match reason {
        Some(reason) if reason.eq_ignore_ascii_case("no_socket") => Ok(()),
        _ => Err(format!("the reason was no_socket, but told was {reason:?}")),
    }
}

fn retransmit(_: &Kernel, hearing: &Hearing) -> Result<(), String> {
    // For documentation only; the machine's first process sends it to where nobody answers.
    let nobody = SocketAddr::from(([192, 0, 2, 1], 9));
    if TcpStream::connect_timeout(&nobody, Duration::from_millis(3_500)).is_ok() {
        return Err("could not be caused: somebody answered".to_owned());
    }
    let state = hearing.wait(|event| match &event.data {
        Data::TcpRetransmit(r) if r.ends.remote == nobody => Some(r.state.to_owned()),
        _ => None,
    })?;
    if state.to_ascii_uppercase().replace('_', "-") == "SYN-SENT" {
        Ok(())
    } else {
        Err(format!("the state was SYN-SENT, but told was {state}"))
    }
}

fn block(kernel: &Kernel, _: &Hearing) -> Result<(), String> {
    let path = format!("/dev/{DISK}");
    // Nobody's disk is to be overwritten.
    let sectors = fs::read_to_string(format!("/sys/block/{DISK}/size")).map_err(cannot(DISK))?;
    expect("the size of the disk", &sectors.trim(), &DISK_SECTORS)?;
    let count = |operation: &str| {
        let tables = kernel.latency().block;
        let found = tables
            .into_iter()
            .find(|b| b.device == DISK && b.operation == operation);
        found.map_or(0, |found| found.histogram.count)
    };
    let before = (count("write"), count("read"));
    let write = || {
        let mut disk = File::options().write(true).open(&path)?;
        disk.write_all(&[7; 8 << 10])?;
        disk.sync_all()?;
        drop(disk); // the last to close it empties its cache
        File::open(&path)?.read_exact(&mut [0; 8 << 10])
    };
    write().map_err(cannot(&path))?;
    until(|| (count("write") > before.0).then_some(())).ok_or("no write was counted")?;
    until(|| (count("read") > before.1).then_some(())).ok_or("no read was counted")?;
    Ok(())
}

fn runqueue(kernel: &Kernel, _: &Hearing) -> Result<(), String> {
    let waits = || {
        kernel
            .latency()
            .runqueue
            .map(|histogram| (histogram.count, histogram.sum))
    };
    let (count, sum) = until(|| waits().filter(|(count, _)| *count > 100)).ok_or("none counted")?;
    let mean = sum / count as f64;
    if (1e-8..1.0).contains(&mean) {
        Ok(())
    } else {
        Err(format!("the mean of {count} is {mean} s"))
    }
}

fn accounts(kernel: &Kernel, _: &Hearing) -> Result<(), String> {
    let settled = until(|| {
        let counters = kernel.counters();
        (counters.emitted == counters.received + counters.dropped).then_some(counters)
    });
    let counters = settled.ok_or_else(|| format!("{:?}", kernel.counters()))?;
    expect("what was dropped", &counters.dropped, &0)?;
    expect("what was malformed", &counters.malformed, &0)?;
    expect("what was withheld", &counters.withheld, &0)?;
    if counters.received > 0 {
        Ok(())
    } else {
        Err("nothing was received".to_owned())
    }
}
