use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, Stdio};

use hark_kernel::{Data, ExitStatus, Feature, Options};

use crate::listener::{Listener, assert_recent, options, own_cgroup, pid, wait_until};

fn own_comm() -> String {
    // Of the thread that runs the test: it forks, so the child begins with its name.
    let comm = std::fs::read_to_string("/proc/thread-self/comm").expect("comm");
    comm.trim_end().to_owned()
}

#[test]
fn an_execution_is_told_with_everything_about_it() {
    let Some(listener) = Listener::start(&[Feature::Process]) else {
        return;
    };
    let directory = tempfile::tempdir().expect("directory");
    let deep = directory
        .path()
        .canonicalize()
        .expect("path")
        .join("a/b c/d");
    std::fs::create_dir_all(&deep).expect("directory");
    let mut child = Command::new("/bin/sleep")
        .args(["0.01", "--", "0.02"])
        .arg0("a sleeper")
        .current_dir(&deep)
        .uid(12345)
        .gid(54321)
        .spawn()
        .expect("sleep");
    child.wait().expect("end");

    let (event, exec) = listener.wait("the execution", |event| match &event.data {
        Data::Exec(exec) if pid(event) == Some(child.id()) => Some(exec.clone()),
        _ => None,
    });
    assert_recent(&event);
    let process = event.process.expect("a process");
    assert_eq!(process.tid, Some(child.id()));
    assert_eq!(process.ppid, Some(std::process::id()));
    assert_eq!(process.uid, Some(12345));
    assert_eq!(process.comm, "sleep");
    let exe = std::fs::canonicalize("/bin/sleep").expect("sleep");
    assert_eq!(process.exe.as_deref(), exe.to_str());
    assert_eq!(process.cgroup, Some(own_cgroup()));
    assert_eq!(exec.path, "/bin/sleep");
    assert_eq!(exec.arguments, ["a sleeper", "0.01", "--", "0.02"]);
    assert!(!exec.truncated);
    assert_eq!(exec.arguments_bytes, "a sleeper 0.01 -- 0.02 ".len() as u64);
    assert_eq!(exec.directory.as_deref(), deep.to_str());
    assert_eq!(exec.gid, 54321);
    // The parent's name is its leader's or its thread's: both are this test's.
    assert!(!exec.parent_comm.is_empty());
}

#[test]
fn a_script_is_told_by_its_path_and_its_interpreter() {
    let Some(listener) = Listener::start(&[Feature::Process]) else {
        return;
    };
    let directory = tempfile::tempdir().expect("directory");
    let script = directory
        .path()
        .canonicalize()
        .expect("path")
        .join("script");
    std::fs::write(&script, "#!/bin/sh\nexit 0\n").expect("script");
    Command::new("chmod")
        .arg("755")
        .arg(&script)
        .status()
        .expect("chmod");
    Command::new(&script).arg("x").status().expect("script");
    let (event, exec) = listener.wait("the script", |event| match &event.data {
        Data::Exec(exec) if Some(&*exec.path) == script.to_str() => Some(exec.clone()),
        _ => None,
    });
    let script = script.to_str().expect("path").to_owned();
    assert_eq!(
        exec.arguments,
        ["/bin/sh".to_owned(), script, "x".to_owned()]
    );
    let shell = std::fs::canonicalize("/bin/sh").expect("sh");
    assert_eq!(
        event.process.expect("process").exe.as_deref(),
        shell.to_str()
    );
}

#[test]
fn too_many_arguments_are_cut_and_that_is_told() {
    let Some(listener) = Listener::start(&[Feature::Process]) else {
        return;
    };
    let long = "x".repeat(5_000);
    let mut child = Command::new("/bin/true")
        .args(["first", &long])
        .spawn()
        .expect("true");
    child.wait().expect("end");
    let (_, exec) = listener.wait("the execution", |event| match &event.data {
        Data::Exec(exec) if pid(event) == Some(child.id()) => Some(exec.clone()),
        _ => None,
    });
    assert!(exec.truncated);
    assert_eq!(
        exec.arguments_bytes,
        ("/bin/true first ".len() + long.len() + 1) as u64
    );
    assert_eq!(exec.arguments[..2], ["/bin/true", "first"]);
    assert!(exec.arguments[2].len() > 1_000 && long.starts_with(&exec.arguments[2]));
}

#[test]
fn forks_are_told_and_threads_are_not() {
    let Some(listener) = Listener::start(&[Feature::Process]) else {
        return;
    };
    std::thread::spawn(|| {}).join().expect("a thread");
    let mut child = Command::new("/bin/true").spawn().expect("true");
    child.wait().expect("end");
    let (event, ()) = listener.wait("the fork", |event| match event.data {
        Data::Fork(fork) if fork.child == child.id() => Some(()),
        _ => None,
    });
    assert_recent(&event);
    let process = event.process.expect("a process");
    assert_eq!(process.pid, std::process::id());
    assert_eq!(process.comm, own_comm());
    assert_eq!(
        process.exe.as_deref(),
        std::env::current_exe().expect("exe").to_str()
    );
    assert_eq!(process.cgroup, Some(own_cgroup()));
    let threads = std::fs::read_dir("/proc/self/task").expect("threads");
    let threads: Vec<u32> = threads
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|tid| *tid != std::process::id())
        .collect();
    let told = listener.all(|event| match event.data {
        Data::Fork(fork) if threads.contains(&fork.child) => Some(fork.child),
        _ => None,
    });
    assert!(told.is_empty(), "threads {told:?} were told as processes");
}

#[test]
fn an_end_is_told_with_its_code_and_its_length() {
    let Some(listener) = Listener::start(&[Feature::Process]) else {
        return;
    };
    let mut child = Command::new("sh")
        .args(["-c", "sleep 0.2; exit 42"])
        .uid(12345)
        .spawn()
        .expect("sh");
    let before = std::time::Instant::now();
    child.wait().expect("end");
    let waited = before.elapsed();
    let (event, exit) = listener.wait("the end", |event| match event.data {
        Data::Exit(exit) if pid(event) == Some(child.id()) => Some(exit),
        _ => None,
    });
    assert_recent(&event);
    assert_eq!(exit.status, ExitStatus::Code(42));
    assert!(exit.lifetime >= 200_000_000, "{}", exit.lifetime);
    assert!(u128::from(exit.lifetime) < waited.as_nanos() + 10_000_000_000);
    let process = event.process.expect("a process");
    assert_eq!((&*process.comm, process.uid), ("sh", Some(12345)));
    assert_eq!(process.ppid, Some(std::process::id()));
    assert_eq!(process.tid, None);
}

#[test]
fn an_end_by_a_signal_is_told_as_wait_tells_it() {
    let Some(listener) = Listener::start(&[Feature::Process]) else {
        return;
    };
    let directory = tempfile::tempdir().expect("directory");
    for (name, signal) in [("KILL", 9_u8), ("ABRT", 6), ("TERM", 15)] {
        let mut child = Command::new("sh")
            .args([
                "-c",
                &format!("ulimit -c unlimited; kill -{name} $$; sleep 100"),
            ])
            .current_dir(directory.path())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh");
        let status = child.wait().expect("end");
        let (_, exit) = listener.wait("the end", |event| match event.data {
            Data::Exit(exit) if pid(event) == Some(child.id()) => Some(exit),
            _ => None,
        });
        assert_eq!(status.signal(), Some(signal.into()));
        let core_dumped = status.core_dumped();
        assert_eq!(
            exit.status,
            ExitStatus::Signal {
                signal,
                core_dumped
            }
        );
    }
}

#[test]
fn a_process_of_many_threads_ends_once_with_the_code_of_all() {
    let Some(listener) = Listener::start(&[Feature::Process]) else {
        return;
    };
    let script = "import threading, os, time\n\
        threads = [threading.Thread(target=time.sleep, args=(60,), daemon=True) for _ in range(8)]\n\
        [t.start() for t in threads]\n\
        threading.Thread(target=lambda: os._exit(7)).start()\n\
        time.sleep(60)";
    let mut child = Command::new("python3")
        .args(["-c", script])
        .spawn()
        .expect("python3");
    assert_eq!(child.wait().expect("end").code(), Some(7));
    // One that ended later shows that all of the former has been read.
    let mut later = Command::new("/bin/true").spawn().expect("true");
    later.wait().expect("end");
    let end = |id: u32| {
        move |event: &hark_kernel::KernelEvent| match event.data {
            Data::Exit(exit) if pid(event) == Some(id) => Some(exit.status),
            _ => None,
        }
    };
    listener.wait("the later end", end(later.id()));
    assert_eq!(listener.all(end(child.id())), [ExitStatus::Code(7)]);
}

#[test]
fn the_process_table_follows_lives() {
    let Some(listener) = Listener::start(&[Feature::Process]) else {
        return;
    };
    let processes = listener.kernel.processes();
    let own = std::process::id();
    // Older than the agent: from /proc.
    let this = processes.get(own).expect("this process");
    assert_eq!(
        this.exe.as_deref(),
        std::env::current_exe().expect("exe").to_str()
    );
    assert_eq!(this.cgroup, Some(own_cgroup()));
    assert!(processes.snapshot().iter().any(|process| process.pid == 1));

    let mut child = Command::new("sleep")
        .arg("100")
        .uid(12345)
        .spawn()
        .expect("sleep");
    let id = child.id();
    let sleeper = wait_until("the child's new name", || {
        processes.get(id).filter(|process| process.comm == "sleep")
    });
    assert_eq!((sleeper.ppid, sleeper.uid), (Some(own), Some(12345)));
    let line: Vec<u32> = processes
        .ancestry(id)
        .iter()
        .map(|process| process.pid)
        .collect();
    assert_eq!(line[..2], [id, own]);
    assert_eq!(line.last(), Some(&1));
    assert!(processes.snapshot().iter().any(|process| process.pid == id));

    child.kill().expect("kill");
    child.wait().expect("end");
    wait_until("the child to leave", || {
        processes
            .snapshot()
            .iter()
            .all(|process| process.pid != id)
            .then_some(())
    });
    assert_eq!(processes.get(id).expect("still remembered").comm, "sleep");
}

#[test]
fn the_process_table_is_bounded() {
    let options = Options {
        max_processes: 8,
        ..options(&[Feature::Process])
    };
    let Some(listener) = Listener::with(&options) else {
        return;
    };
    wait_until("the table to be full", || {
        (listener.kernel.counters().untracked > 0).then_some(())
    });
    assert!(listener.kernel.processes().snapshot().len() <= 8);
}

#[test]
fn a_group_made_meanwhile_has_its_path_unit_and_container() {
    let Some(listener) = Listener::start(&[Feature::Process]) else {
        return;
    };
    let id = "5ca1ab1e".repeat(8);
    let group = crate::oom::Group::new(&format!("hark-test-{}.service/{id}", std::process::id()));
    // Ends long before anybody could look into /proc.
    let script = format!(
        "echo $$ > {}/cgroup.procs; exec /bin/true",
        group.directory.display()
    );
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .spawn()
        .expect("sh");
    child.wait().expect("end");
    let (event, ()) = listener.wait("the execution", |event| match &event.data {
        Data::Exec(exec) if pid(event) == Some(child.id()) && exec.path == "/bin/true" => Some(()),
        _ => None,
    });
    let process = event.process.expect("a process");
    assert_eq!(process.cgroup, Some(group.path.clone()));
    assert_eq!(process.container, Some(id));
    assert_eq!(
        process.unit,
        Some(format!("hark-test-{}.service", std::process::id()))
    );
}
