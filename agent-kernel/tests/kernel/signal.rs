use std::process::{Child, Command};

use hark_kernel::{Data, Feature, Options, Sender, SignalResult};
use rustix::process::{Pid, Signal, kill_process};

use crate::listener::{Listener, assert_recent, options, pid, wait_until};

/// A process that sleeps, under the name of what it executes.
fn sleeper() -> Child {
    let child = Command::new("sleep").arg("100").spawn().expect("sleep");
    // `spawn` returns as soon as the old program is gone, before the new name is there.
    let comm = format!("/proc/{}/comm", child.id());
    wait_until("the new name", || {
        (std::fs::read_to_string(&comm).ok()? == "sleep\n").then_some(())
    });
    child
}

fn id(child: &Child) -> Pid {
    Pid::from_child(child)
}

#[test]
fn a_kill_is_told_with_sender_and_receiver() {
    let Some(listener) = Listener::start(&[Feature::Signal]) else {
        return;
    };
    let mut victim = sleeper();
    let script = format!("kill -9 {}; true", victim.id());
    let mut killer = Command::new("sh")
        .args(["-c", &script])
        .spawn()
        .expect("sh");
    killer.wait().expect("end");
    victim.wait().expect("end");
    let (event, signal) = listener.wait("the signal", |event| match &event.data {
        Data::Signal(signal) if pid(event) == Some(victim.id()) && signal.signal == 9 => {
            Some(signal.clone())
        }
        _ => None,
    });
    assert_recent(&event);
    assert_eq!(event.process.expect("a process").comm, "sleep");
    assert_eq!(signal.code, 0, "SI_USER");
    assert_eq!(signal.result, SignalResult::Delivered);
    assert!(signal.to_process);
    assert_eq!(signal.address, None);
    let sender = Sender {
        pid: killer.id(),
        uid: 0,
        comm: "sh".to_owned(),
    };
    assert_eq!(signal.sender, Some(sender));
}

#[test]
fn what_becomes_of_a_signal_is_told() {
    let Some(listener) = Listener::start(&[Feature::Signal]) else {
        return;
    };
    let mut child = Command::new("sh")
        .args(["-c", "trap '' USR1; kill -STOP $$; read line"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("sh");
    let result = |number: u8, nth: usize| {
        wait_until("the signal", || {
            listener
                .all(|event| match &event.data {
                    Data::Signal(s) if pid(event) == Some(child.id()) && s.signal == number => {
                        Some(s.result)
                    }
                    _ => None,
                })
                .get(nth)
                .copied()
        })
    };
    assert_eq!(result(19, 0), SignalResult::Delivered); // it has stopped, and ignores USR1
    kill_process(id(&child), Signal::USR1).expect("kill");
    assert_eq!(result(10, 0), SignalResult::Ignored);
    kill_process(id(&child), Signal::TERM).expect("kill");
    kill_process(id(&child), Signal::TERM).expect("kill");
    assert_eq!(result(15, 0), SignalResult::Delivered);
    assert_eq!(result(15, 1), SignalResult::AlreadyPending);
    child.kill().expect("kill");
    child.wait().expect("end");
}

/// Runs a script that makes a fault, and gives the signal that it raised.
fn fault_by(
    listener: &Listener,
    script: &str,
    argument: &str,
    number: u8,
) -> (hark_kernel::KernelEvent, hark_kernel::Signal) {
    let mut child = Command::new("python3")
        .args(["-c", script, argument])
        .spawn()
        .expect("python3");
    child.wait().expect("end");
    fault_of(listener, child.id(), number)
}

fn fault_of(
    listener: &Listener,
    id: u32,
    number: u8,
) -> (hark_kernel::KernelEvent, hark_kernel::Signal) {
    listener.wait("the fault", |event| match &event.data {
        Data::Signal(signal) if pid(event) == Some(id) && signal.signal == number => {
            Some(signal.clone())
        }
        _ => None,
    })
}

#[test]
fn a_fault_in_a_mapped_file_is_told_with_the_file() {
    let Some(listener) = Listener::start(&[Feature::Signal]) else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().canonicalize().expect("a path").join("cut");
    let script = "import mmap, os, sys\n\
                  f = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n\
                  os.truncate(f, 12288)\n\
                  m = mmap.mmap(f, 12288)\n\
                  os.truncate(f, 0)\n\
                  m[8195]";
    let path = path.display().to_string();
    let (_, signal) = fault_by(&listener, script, &path, 7);
    let fault = signal.fault.expect("where it was");
    assert_eq!(fault.file, Some((path, 8195)));
    assert_ne!(fault.instruction, 0);
}

#[test]
fn each_listener_is_told_the_file_of_a_fault() {
    let Some(first) = Listener::start(&[Feature::Signal]) else {
        return;
    };
    let second = Listener::start(&[Feature::Signal]).expect("another listener");
    // So many areas of memory that the kernel's tree of them has several levels.
    let script = "import ctypes, mmap\n\
                  all = [mmap.mmap(-1, 4096, prot=1 + i % 2 * 2) for i in range(3000)]\n\
                  ctypes.string_at(0x1234)";
    let (event, signal) = fault_by(&first, script, "", 11);
    let id = pid(&event).expect("a process");
    let (_, other) = fault_of(&second, id, 11);
    let file = signal.fault.as_ref().expect("where it was").file.clone();
    assert!(file.is_some());
    assert_eq!(signal.fault, other.fault);
}

#[test]
fn a_fault_is_told_with_its_address() {
    let Some(listener) = Listener::start(&[Feature::Signal, Feature::Process]) else {
        return;
    };
    let script = "import ctypes; ctypes.string_at(0x1234)";
    let (event, signal) = fault_by(&listener, script, "", 11);
    assert_eq!(signal.address, Some(0x1234));
    let fault = signal.fault.expect("where it was");
    assert_ne!(fault.instruction, 0);
    let (file, offset) = fault.file.expect("the C library's file");
    assert!(file.starts_with('/') && file.contains(".so"), "{file}");
    assert!(offset > 0);
    assert_eq!(signal.code, 1, "SEGV_MAPERR");
    assert_eq!(signal.sender, None);
    assert!(
        event
            .process
            .expect("a process")
            .comm
            .starts_with("python3")
    );
}

#[test]
fn signals_that_are_not_wanted_are_not_told() {
    let only_kill = Options {
        signals: 1 << 8,
        ..options(&[Feature::Signal])
    };
    let Some(listener) = Listener::with(&only_kill) else {
        return;
    };
    let mut child = sleeper();
    kill_process(id(&child), Signal::CONT).expect("kill");
    kill_process(id(&child), Signal::KILL).expect("kill");
    child.wait().expect("end");
    let signals = |event: &hark_kernel::KernelEvent| match &event.data {
        Data::Signal(signal) if pid(event) == Some(child.id()) => Some(signal.signal),
        _ => None,
    };
    listener.wait("the kill", signals);
    assert_eq!(listener.all(signals), [9]);
}

#[test]
fn without_the_feature_process_names_are_those_of_now() {
    let Some(listener) = Listener::start(&[Feature::Signal]) else {
        return;
    };
    // Ids stay, programs change: what was known of the shell is not told of the sleeper.
    let mut child = Command::new("sh")
        .args(["-c", "read line; exec sleep 100"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("sh");
    let number = child.id();
    let exe = |signal: u8| {
        let (event, ()) = listener.wait("the signal", |event| match &event.data {
            Data::Signal(s) if pid(event) == Some(number) && s.signal == signal => Some(()),
            _ => None,
        });
        event.process.expect("a process").exe
    };
    let program = |name: &str| {
        let path = std::fs::canonicalize(name).expect(name);
        path.to_str().map(str::to_owned)
    };
    kill_process(id(&child), Signal::CONT).expect("kill");
    assert_eq!(exe(18), program("/bin/sh"));
    drop(child.stdin.take()); // the end of its input: it goes on
    let comm = format!("/proc/{}/comm", child.id());
    wait_until("the new program", || {
        (std::fs::read_to_string(&comm).ok()? == "sleep\n").then_some(())
    });
    kill_process(id(&child), Signal::STOP).expect("kill");
    assert_eq!(exe(19), program("/bin/sleep"));
    child.kill().expect("kill");
    child.wait().expect("end");
}
