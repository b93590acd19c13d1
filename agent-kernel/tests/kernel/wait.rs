use std::fs::File;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use hark_kernel::{Data, Feature, KernelEvent, LongWaits, Options, Resource, WaitLimits};

use crate::listener::{Listener, assert_recent, options, pid, wait_until};

const NEVER: WaitLimits = WaitLimits {
    cpu: 0,
    kernel: 0,
    page: 0,
};

/// Reads a file through memory, page after page, each of which must come from the disk.
const SCRIPT: &str = "import ctypes, mmap, os, sys\n\
    f = os.open(sys.argv[1], os.O_RDONLY)\n\
    os.posix_fadvise(f, 0, 0, os.POSIX_FADV_DONTNEED)\n\
    m = mmap.mmap(f, 0, prot=mmap.PROT_READ)\n\
    m.madvise(mmap.MADV_RANDOM)\n\
    sum(m[i] for i in range(0, len(m), 65536))";

/// Has a child wait for pages of a file; gives its process id.
fn fault() -> u32 {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let path = directory.path().join("large");
    let mut file = File::create(&path).expect("a file");
    for _ in 0..16 {
        file.write_all(&vec![7; 1 << 20]).expect("written");
    }
    file.sync_all().expect("on the disk");
    let mut child = Command::new("python3")
        .args(["-c", SCRIPT])
        .arg(&path)
        .stdout(Stdio::null())
        .spawn()
        .expect("python3");
    assert!(child.wait().expect("end").success());
    child.id()
}

fn long_waits(event: &KernelEvent) -> Option<LongWaits> {
    match event.data {
        Data::LongWaits(waits) => Some(waits),
        _ => None,
    }
}

#[test]
fn a_process_that_waits_for_its_memory_is_told() {
    let each = Options {
        waits: WaitLimits { page: 1, ..NEVER },
        ..options(&[Feature::OffCpu, Feature::Process])
    };
    let Some(listener) = Listener::with(&each) else {
        return;
    };
    let child = fault();
    let (event, waits) = listener.wait("the wait", |event| {
        long_waits(event).filter(|_| pid(event) == Some(child))
    });
    assert_recent(&event);
    let process = event.process.as_ref().expect("a process");
    assert!(process.comm.starts_with("python3"), "{}", process.comm);
    assert_eq!(waits.resource, Resource::Page);
    assert!(waits.count > 0 && waits.waited > 0 && waits.duration > 0);
    let mean = Duration::from_nanos(waits.waited / waits.count);
    assert!(mean < Duration::from_secs(10), "{mean:?}");
    let tables = listener.kernel.latency();
    let histogram = tables.page_fault.expect("a histogram");
    assert!(histogram.count > 0 && histogram.sum > 0.0);
    let slept = tables.off_cpu.expect("a histogram");
    assert!(slept.count >= histogram.count);
    let event = event.into_event(hark_api::Timestamp::now());
    assert_eq!(event.kind, hark_api::Kind::Stall);
    assert!(event.message.contains("for memory to come from a disk"));
}

#[test]
fn threads_that_sleep_in_the_kernel_are_told_with_their_process() {
    let each = Options {
        waits: WaitLimits { kernel: 1, ..NEVER },
        stall: Duration::from_millis(250),
        ..options(&[Feature::OffCpu])
    };
    let Some(listener) = Listener::with(&each) else {
        return;
    };
    // posix_spawn(3) sleeps until its child executes, which opens a pipe before: that waits for a writer.
    let directory = tempfile::tempdir().expect("a directory");
    let pipe = directory.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    let script = "import os, sys\n\
        opens = [(os.POSIX_SPAWN_OPEN, 5, sys.argv[1], os.O_RDONLY, 0)]\n\
        os.waitpid(os.posix_spawn('/bin/true', ['true'], {}, file_actions=opens), 0)";
    let mut child = Command::new("python3")
        .args(["-c", script])
        .arg(&pipe)
        .spawn()
        .expect("python3");
    let status = format!("/proc/{}/status", child.id());
    let mut asleep = 0;
    wait_until("a sleep that lasts", || {
        let is_asleep = std::fs::read_to_string(&status).ok()?.contains("State:\tD");
        asleep = if is_asleep { asleep + 1 } else { 0 };
        (asleep > 20).then_some(())
    });
    // It sleeps this long at the least.
    std::thread::sleep(Duration::from_millis(300));
    drop(File::options().write(true).open(&pipe).expect("the pipe"));
    child.wait().expect("end");
    let (event, waits) = listener.wait("the sleep", |event| {
        long_waits(event).filter(|_| pid(event) == Some(child.id()))
    });
    assert_recent(&event);
    assert_eq!(waits.resource, Resource::Kernel);
    assert!(waits.waited >= 250_000_000, "{waits:?}");
}

#[test]
fn processes_that_wait_for_a_cpu_are_told_and_each_cpu_is_counted() {
    let each = Options {
        waits: WaitLimits { cpu: 1, ..NEVER },
        stall: Duration::from_micros(500),
        ..options(&[Feature::RunqueueLatency])
    };
    let Some(listener) = Listener::with(&each) else {
        return;
    };
    // Three loops on one CPU.
    let mut loops: Vec<_> = (0..3)
        .map(|_| {
            let mut command = Command::new("taskset");
            command.args(["-c", "0", "sh", "-c", "while :; do :; done"]);
            command.spawn().expect("taskset")
        })
        .collect();
    let ids: Vec<u32> = loops.iter().map(std::process::Child::id).collect();
    let (_, (waits, id)) = listener.wait("a wait", |event| {
        let id = pid(event).filter(|pid| ids.contains(pid))?;
        Some((long_waits(event)?, id))
    });
    let longest = listener.kernel.waits(usize::MAX);
    for child in &mut loops {
        child.kill().expect("kill");
        child.wait().expect("end");
    }
    assert_eq!(waits.resource, Resource::Cpu);
    let found = longest.iter().find(|wait| wait.pid == id).expect("it");
    assert!(found.nanos >= waits.waited && found.count >= waits.count);
    assert!(longest.is_sorted_by(|a, b| a.nanos >= b.nanos));
    let by_cpu = listener.kernel.latency().runqueue_by_cpu;
    assert!(by_cpu[0].0 > 0 && by_cpu[0].1 > 0.0, "{by_cpu:?}");
}

#[test]
fn what_has_no_limit_is_counted_only() {
    let never = Options {
        waits: NEVER,
        ..options(&[Feature::OffCpu])
    };
    let Some(listener) = Listener::with(&never) else {
        return;
    };
    let child = fault();
    wait_until("a wait that is counted", || {
        let waits = listener.kernel.waits(usize::MAX);
        let is = |wait: &hark_kernel::Wait| wait.pid == child && wait.resource == Resource::Page;
        waits.iter().any(is).then_some(())
    });
    assert!(listener.all(long_waits).is_empty());
}
