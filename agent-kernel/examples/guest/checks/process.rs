//! Processes.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::time::Duration;

use hark_api::FeatureState;
use hark_kernel::{Data, ExitStatus, Feature, Kernel, SignalResult};

use crate::checks::{FILL_MEMORY, Failure, Sleeper, about, cannot, expect};
use crate::hearing::{Hearing, until};

const CGROUP: &str = "/sys/fs/cgroup/crowded";

pub(crate) fn exec(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
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

pub(crate) fn fork(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
    let sleeper = Sleeper::start()?;
    hearing.wait(|event| match &event.data {
        Data::Fork(fork) if fork.child == sleeper.pid() => {
            about(event, std::process::id()).map(drop)
        }
        _ => None,
    })
}

pub(crate) fn exit(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
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
        Err(Failure::Wrong(format!(
            "it ran for about 0.1 s, but told was {} ns",
            exit.lifetime
        )))
    }
}

pub(crate) fn cgroup(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
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

pub(crate) fn table(kernel: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
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

pub(crate) fn signal(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
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

pub(crate) fn oom(kernel: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
    let script = format!(
        "mkdir {CGROUP}; echo 16M >{CGROUP}/memory.max; echo $$ >{CGROUP}/cgroup.procs; \
         exec /bin/guest {FILL_MEMORY}"
    );
    let child = Command::new("/bin/sh").args(["-c", &script]).spawn();
    let mut child = child.map_err(cannot("sh"))?;
    let status = child.wait().map_err(cannot("wait"))?;
    if status.signal() != Some(9) {
        return Err(Failure::NotCaused(format!("it ended with {status}")));
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
        Some(bytes) if !(8 << 20..=16 << 20).contains(&bytes) => Err(Failure::Wrong(format!(
            "it had at most 16 MiB in memory, but told was {bytes} bytes"
        ))),
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
