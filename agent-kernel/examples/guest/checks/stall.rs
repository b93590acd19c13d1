//! Calls that fail, queues that are full, and a CPU that many want.

use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command};
use std::time::Duration;

use hark_kernel::{Data, Kernel};

use crate::checks::{Failure, about, cannot, expect};
use crate::hearing::Hearing;

pub(crate) fn failures(kernel: &Kernel, _: &Hearing) -> Result<(), Failure> {
    const FAILURES: u64 = 100;
    let script = format!("i=0; while [ $i -lt {FAILURES} ]; do cd /nowhere 2>&-; i=$((i+1)); done");
    let count = || {
        let counted = kernel.syscall_errors(usize::MAX);
        let found = counted
            .top
            .into_iter()
            .find(|e| e.command == "sh" && e.call == "chdir" && e.error == "ENOENT");
        found.map_or(0, |found| found.count)
    };
    let before = count();
    let mut child = Command::new("/bin/sh")
        .args(["-c", &script])
        .spawn()
        .map_err(cannot("sh"))?;
    child.wait().map_err(cannot("sh"))?;
    expect("how often it failed", &(count() - before), &FAILURES)
}

pub(crate) fn overflow(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = socket(AddressFamily::INET, SocketType::STREAM, None).map_err(cannot("socket"))?;
    bind(&server, &any).map_err(cannot("bind"))?;
    listen(&server, 1).map_err(cannot("listen"))?;
    let local = getsockname(&server).map_err(cannot("bind"))?;
    let local = SocketAddr::try_from(local).map_err(cannot("bind"))?;
    // Nobody accepts: the queue holds one more than its limit, then attempts are turned away.
    let attempts: Vec<_> = (0..5)
        .map(|_| {
            std::thread::spawn(move || TcpStream::connect_timeout(&local, Duration::from_secs(2)))
        })
        .collect();
    let told = hearing.wait(|event| match event.data {
        Data::ListenOverflow(overflow) if overflow.local == local => {
            about(event, std::process::id()).map(|_| overflow)
        }
        _ => None,
    });
    for attempt in attempts {
        let _ = attempt.join();
    }
    let told = told?;
    expect("the limit", &told.limit, &1)?;
    // Two CPUs may each put one in at a time.
    if told.queued > told.limit {
        Ok(())
    } else {
        Err(Failure::Wrong(format!("the queue was {}", told.queued)))
    }
}

/// Processes that do nothing for ever.
struct Loops(Vec<Child>);

impl Drop for Loops {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub(crate) fn pressure(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
    let start = |_| {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "while :; do :; done"]);
        command.spawn().map_err(cannot("sh"))
    };
    // More than there are CPUs.
    let loops = Loops((0..5).map(start).collect::<Result<_, _>>()?);
    let told = hearing.wait(|event| match event.data {
        Data::PressureStall(pressure) if pressure.resource == "cpu" => Some(pressure),
        _ => None,
    });
    drop(loops);
    if told?.waited > 0 {
        Ok(())
    } else {
        Err(Failure::Wrong("nobody waited".to_owned()))
    }
}
