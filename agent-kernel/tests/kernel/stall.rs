use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use hark_kernel::{Data, Feature, KernelEvent, Options, Pressure};

use crate::listener::{Listener, assert_recent, options, pid, wait_until};
use crate::oom::Group;

/// Writes more to a file than its control group may have in memory.
fn outgrow(group: &Group) -> u32 {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    group.limit(8 << 20);
    let script = format!(
        "echo $$ > {}/cgroup.procs; exec dd if=/dev/zero of={}/file bs=1M count=48",
        group.directory.display(),
        directory.path().display()
    );
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .stderr(Stdio::null())
        .spawn()
        .expect("sh");
    assert!(child.wait().expect("end").success());
    child.id()
}

#[test]
fn waits_while_memory_is_taken_back_are_counted_and_long_ones_told() {
    let long = Options {
        stall: Duration::ZERO,
        ..options(&[Feature::Reclaim])
    };
    let Some(listener) = Listener::with(&long) else {
        return;
    };
    let group = Group::new(&format!("hark-reclaim-{}", std::process::id()));
    let child = outgrow(&group);
    let of_child = |event: &KernelEvent| match event.data {
        Data::Reclaim(reclaim) if pid(event) == Some(child) => Some(reclaim),
        _ => None,
    };
    let (event, reclaim) = listener.wait("a wait", of_child);
    assert_recent(&event);
    assert_eq!(event.process.expect("a process").comm, "dd");
    assert_eq!(reclaim.scope, "cgroup");
    assert!(reclaim.duration > 0);
    let told = listener.all(of_child);
    assert!(told.iter().any(|reclaim| reclaim.pages > 0), "{told:?}");
    let tables = listener.kernel.latency();
    let (scope, histogram) = &tables.reclaim[1];
    assert_eq!(*scope, "cgroup");
    assert!(histogram.count >= told.len() as u64 && histogram.sum > 0.0);
}

#[test]
fn short_waits_for_memory_are_counted_only() {
    let never = Options {
        stall: Duration::MAX,
        ..options(&[Feature::Reclaim])
    };
    let Some(listener) = Listener::with(&never) else {
        return;
    };
    let group = Group::new(&format!("hark-short-{}", std::process::id()));
    outgrow(&group);
    wait_until("waits", || {
        (listener.kernel.latency().reclaim[1].1.count > 0).then_some(())
    });
    assert_eq!(listener.kernel.counters().emitted, 0);
}

#[test]
fn system_calls_that_fail_are_counted_and_the_most_frequent_told() {
    // More than what else goes on here, so that they are among the most frequent.
    const FAILURES: u64 = 20_000;
    let Some(listener) = Listener::start(&[Feature::SyscallError]) else {
        return;
    };
    // The shell's own `cd` fails; it starts no process.
    let script = format!("i=0; while [ $i -lt {FAILURES} ]; do cd /nowhere 2>&-; i=$((i+1)); done");
    let name = "hark-fails";
    let directory = tempfile::tempdir().expect("a directory");
    let shell = directory.path().join(name);
    std::fs::copy("/bin/sh", &shell).expect("a shell by another name");
    Command::new(shell)
        .args(["-c", &script])
        .status()
        .expect("sh");

    let counted = listener.kernel.syscall_errors(usize::MAX);
    assert_eq!(counted.rest, 0);
    assert!(counted.top.is_sorted_by(|a, b| a.count >= b.count));
    let found = counted
        .top
        .iter()
        .find(|e| e.command == name && e.call == "chdir")
        .expect("its failures");
    assert_eq!(
        (found.error.as_str(), found.errno, found.count),
        ("ENOENT", 2, FAILURES)
    );
    let (event, told) = listener.wait("the failures", |event| match &event.data {
        Data::SyscallFailures(failures) => (failures.failed.command == name
            && failures.failed.call == "chdir")
            .then(|| failures.clone()),
        _ => None,
    });
    assert_recent(&event);
    assert_eq!(&told.failed, found);
    assert!(told.duration > 0);
}

#[test]
fn a_port_that_turns_connections_away_is_told() {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
    const LIMIT: u32 = 1;

    let Some(listener) = Listener::start(&[Feature::ListenOverflow]) else {
        return;
    };
    let server = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(
        &server,
        &"127.0.0.1:0".parse::<SocketAddr>().expect("an address"),
    )
    .expect("bind");
    listen(&server, LIMIT as i32).expect("listen");
    let local = SocketAddr::try_from(getsockname(&server).expect("a name")).expect("an address");
    // Nobody accepts: the queue holds one more than its limit, then attempts are turned away.
    let attempts: Vec<_> = (0..6)
        .map(|_| {
            std::thread::spawn(move || TcpStream::connect_timeout(&local, Duration::from_secs(3)))
        })
        .collect();
    let (event, overflow) = listener.wait("the overflow", |event| match event.data {
        Data::ListenOverflow(overflow) if overflow.local == local => Some(overflow),
        _ => None,
    });
    assert_recent(&event);
    assert_eq!(pid(&event), Some(std::process::id()));
    assert_eq!((overflow.queued, overflow.limit), (LIMIT + 1, LIMIT));
    assert!(overflow.refused > 0);
    drop(server);
    for attempt in attempts {
        let _ = attempt.join().expect("a thread");
    }
}

#[test]
fn threads_that_wait_for_a_cpu_are_told_once() {
    let pressed = Options {
        pressure: Pressure {
            cpu: 100,
            memory: 0,
            io: 0,
        },
        ..options(&[Feature::Pressure])
    };
    let Some(listener) = Listener::with(&pressed) else {
        return;
    };
    // Two loops on one CPU: one of them always waits.
    let mut loops: Vec<_> = (0..2)
        .map(|_| {
            let mut command = Command::new("taskset");
            command.args(["-c", "0", "sh", "-c", "while :; do :; done"]);
            command.spawn().expect("taskset")
        })
        .collect();
    let told = |event: &KernelEvent| match event.data {
        Data::PressureStall(pressure) => Some(pressure),
        _ => None,
    };
    let (event, pressure) = listener.wait("pressure", told);
    for child in &mut loops {
        child.kill().expect("kill");
        child.wait().expect("end");
    }
    assert_recent(&event);
    assert_eq!(pressure.resource, "cpu");
    assert!(pressure.waited > 0 && pressure.since.is_none());
    assert_eq!(listener.all(told).len(), 1);
}
