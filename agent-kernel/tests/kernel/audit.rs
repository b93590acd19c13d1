use std::process::{Command, Stdio};

use hark_kernel::{Data, Feature, Identity, KernelEvent};

use crate::listener::{Listener, assert_recent, pid, wait_until};

const ROOT: Identity = Identity {
    uid: 0,
    gid: 0,
    euid: 0,
    egid: 0,
};

fn run(program: &str, args: &[&str]) -> u32 {
    let mut child = Command::new(program)
        .args(args)
        .stderr(Stdio::null())
        .spawn()
        .expect(program);
    child.wait().expect("end");
    child.id()
}

fn listen() -> Option<Listener> {
    Listener::start(&[Feature::Audit, Feature::Process])
}

#[test]
fn changes_of_privileges_are_told_and_calls_that_change_nothing_are_not() {
    let Some(listener) = listen() else { return };
    let script = "import os\nos.setresgid(0, 0, 0)\nos.setresgid(-1, 700, -1)\nos.setresuid(600, 601, 602)\n\
        try: os.setuid(0)\nexcept PermissionError: pass\n";
    let id = run("python3", &["-c", script]);
    let of_child = |event: &KernelEvent| match event.data {
        Data::Privilege(privilege) if pid(event) == Some(id) => Some(privilege),
        _ => None,
    };
    let (event, _) = listener.wait("the last change", |event| {
        of_child(event).filter(|privilege| privilege.error != 0)
    });
    assert_recent(&event);
    assert!(
        event
            .process
            .expect("a process")
            .comm
            .starts_with("python3")
    );
    let group = Identity { egid: 700, ..ROOT };
    let user = Identity {
        uid: 600,
        euid: 601,
        ..group
    };
    let told: Vec<_> = listener
        .all(of_child)
        .into_iter()
        .map(|privilege| {
            (
                privilege.call,
                privilege.before,
                privilege.after,
                privilege.error,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("setresgid", ROOT, group, 0),
            ("setresuid", group, user, 0),
            ("setuid", user, user, 1),
        ]
    );
}

#[test]
fn a_process_that_traces_another_is_told_and_refusals_too() {
    let Some(listener) = listen() else { return };
    let mut target = Command::new("sleep").arg("100").spawn().expect("sleep");
    let id = target.id();
    let script = format!(
        "import ctypes, sys\nlibc = ctypes.CDLL(None)\n\
         sys.exit(libc.ptrace(0x4206, {id}, 0, 0) | (libc.ptrace(16, 1 << 22, 0, 0) + 1))"
    );
    let tracer = run("python3", &["-c", &script]);
    let of_tracer = |event: &KernelEvent| match event.data {
        Data::Ptrace(ptrace) if pid(event) == Some(tracer) => Some((ptrace.target, ptrace.error)),
        _ => None,
    };
    wait_until("both", || {
        (listener.all(of_tracer).len() == 2).then_some(())
    });
    assert_eq!(listener.all(of_tracer), [(id, 0), (1 << 22, 3)], "ESRCH");
    target.kill().expect("kill");
    target.wait().expect("end");
}

#[test]
fn mounts_are_told() {
    let Some(listener) = listen() else { return };
    let directory = tempfile::tempdir().expect("directory");
    let place = directory.path().to_str().expect("path");
    // By the calls themselves, for mount(8) may use newer ones; in a mount namespace of its own,
    // which takes the mount with it.
    let script = format!(
        "import ctypes, sys\nlibc = ctypes.CDLL(None)\nplace = b'{place}'\n\
         sys.exit(libc.mount(b'hark-test', place, b'tmpfs', 2, None) | libc.umount2(place, 0))"
    );
    let mut child = Command::new("unshare")
        .args(["-m", "python3", "-c", &script])
        .spawn()
        .expect("unshare");
    assert!(child.wait().expect("end").success());
    let mount = |call: &'static str| {
        listener
            .wait(call, |event| match &event.data {
                Data::Mount(mount) if mount.call == call && mount.target == place => {
                    Some(mount.clone())
                }
                _ => None,
            })
            .1
    };
    let mounted = mount("mount");
    assert_eq!(mounted.source.as_deref(), Some("hark-test"));
    assert_eq!(mounted.fs_type.as_deref(), Some("tmpfs"));
    assert_eq!((mounted.flags, mounted.error), (2, 0), "MS_NOSUID");
    let gone = mount("umount");
    assert_eq!((gone.source, gone.fs_type, gone.error), (None, None, 0));
}

#[test]
fn bpf_programs_that_are_loaded_are_told() {
    let Some(listener) = listen() else { return };
    let options = crate::listener::options(&[Feature::Signal]);
    let other = hark_kernel::Kernel::start(&options, |_| {}).expect("start");
    let (event, load) = listener.wait("the load", |event| match event.data {
        Data::BpfLoad(load) if pid(event) == Some(std::process::id()) && load.error == 0 => {
            Some(load)
        }
        _ => None,
    });
    drop(other);
    assert_recent(&event);
    assert_eq!(load.error, 0);
}
