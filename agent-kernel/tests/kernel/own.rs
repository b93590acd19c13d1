//! What the agent does so as to listen is not told; what others do is, and what it does later.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use hark_kernel::{Data, Feature, KernelEvent};

use crate::listener::{Listener, pid, wait_until};

const FEATURES: [Feature; 4] = [
    Feature::Audit,
    Feature::Capability,
    Feature::Signal,
    Feature::Dns,
];
const NOBODY: u32 = 65_534;

/// Runs a test of this file in a process of its own, for other tests load programs, too; true in that
/// process.
fn is_alone(name: &str) -> bool {
    if std::env::var_os("HARK_TEST_ALONE").is_some() {
        return true;
    }
    let output = Command::new(std::env::current_exe().expect("exe"))
        .args(["--exact", name, "--nocapture"])
        .env("HARK_TEST_ALONE", "1")
        .output()
        .expect("this test");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    false
}

fn loads(event: &KernelEvent) -> Option<u32> {
    match event.data {
        Data::BpfLoad(_) | Data::Mount(_) => pid(event),
        _ => None,
    }
}

#[test]
fn an_agent_does_not_tell_of_its_own_start_and_of_what_it_loads_later() {
    if !is_alone("own::an_agent_does_not_tell_of_its_own_start_and_of_what_it_loads_later") {
        return;
    }
    let Some(listener) = Listener::start(&FEATURES) else {
        return;
    };
    let own = std::process::id();
    // After its start, all is told: this comes last, and so shows that nothing came before.
    let other = Listener::start(&[Feature::Signal]).expect("another listener");
    let of_this = || {
        let told = listener.all(loads);
        told.iter().filter(|pid| **pid == own).count()
    };
    // fault_place and signal_generate
    wait_until("the other's programs", || (of_this() >= 2).then_some(()));
    drop(other);
    assert_eq!(of_this(), 2);
}

#[test]
fn an_agent_does_not_tell_what_it_is_denied_but_what_others_of_its_name_are() {
    if !is_alone("own::an_agent_does_not_tell_what_it_is_denied_but_what_others_of_its_name_are") {
        return;
    }
    let Some(listener) = Listener::start(&[Feature::Capability]) else {
        return;
    };
    let nothing = rustix::thread::CapabilitySets {
        effective: rustix::thread::CapabilitySet::empty(),
        permitted: rustix::thread::CapabilitySet::empty(),
        inheritable: rustix::thread::CapabilitySet::empty(),
    };
    let denied = std::thread::spawn(move || {
        rustix::thread::set_capabilities(None, nothing).expect("capset");
        std::os::unix::fs::chroot("/").is_err()
    });
    assert!(denied.join().expect("a thread"));
    // Another process of the same name.
    let directory = tempfile::tempdir().expect("a directory");
    let comm = std::fs::read_to_string("/proc/self/comm").expect("a name");
    let other = directory.path().join(comm.trim());
    std::os::unix::fs::symlink("/usr/sbin/chroot", &other).expect("another name");
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.path(), permissions).expect("permissions");
    let mut child = Command::new(&other)
        .args(["/", "/bin/true"])
        .uid(NOBODY)
        .stderr(Stdio::null())
        .spawn()
        .expect("chroot");
    child.wait().expect("end");
    let (event, ()) = listener.wait("the other's denial", |event| match &event.data {
        Data::CapabilityDenied(denied) if pid(event) == Some(child.id()) => {
            (denied.capability == "CAP_SYS_CHROOT").then_some(())
        }
        _ => None,
    });
    assert_eq!(event.process.expect("a process").comm, comm.trim());
    let own = std::process::id();
    assert!(
        listener
            .all(|event| (pid(event) == Some(own)).then_some(()))
            .is_empty()
    );
}
