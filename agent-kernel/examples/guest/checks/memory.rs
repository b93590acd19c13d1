//! Memory: faults, and waits for it.

use std::process::{Child, Command, Stdio};

use hark_kernel::{Data, Feature, Kernel, Resource};

use crate::checks::{Failure, OVERFLOW_STACK, USE_MEMORY, about, cannot, expect};
use crate::hearing::{Hearing, until};

const CGROUP: &str = "/sys/fs/cgroup/swaps";
const SWAP: &str = "/dev/vda";
const MIB: usize = 1 << 20;

/// Uses up the stack: a fault, for the C library leaves a page below it that nobody may touch.
#[expect(unconditional_recursion, reason = "this is what it is for")]
pub(crate) fn overflow_stack(depth: u64) -> u64 {
    let page = std::hint::black_box([depth; 512]);
    page[depth as usize % 512] + overflow_stack(depth + 1)
}

/// Fills memory and reads it again, so that what was swapped out must come back.
pub(crate) fn use_memory() {
    let taken: Vec<Vec<u8>> = (0..12).map(|n| vec![n + 1; MIB]).collect();
    let mut sum = 0;
    for page in taken.iter().flat_map(|part| part.iter().step_by(4096)) {
        sum += u64::from(*page);
    }
    std::hint::black_box(sum);
}

pub(crate) fn fault(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
    let mut child = Command::new("/bin/guest")
        .arg(OVERFLOW_STACK)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(cannot("guest"))?;
    child.wait().map_err(cannot("guest"))?;
    let signal = hearing.wait(|event| match &event.data {
        Data::Signal(signal) if signal.signal == 11 && signal.address.is_some() => {
            about(event, child.id()).map(|_| signal.clone())
        }
        _ => None,
    })?;
    let fault = signal.fault.ok_or("it was not told where")?;
    let (file, offset) = fault.file.ok_or("the file was not told")?;
    expect("the file", &file.as_str(), &"/bin/guest")?;
    if offset > 0 && fault.instruction != 0 {
        Ok(())
    } else {
        Err(Failure::Wrong(format!(
            "at {:#x}, offset {offset:#x}",
            fault.instruction
        )))
    }
}

/// Runs a program that needs 12 MiB where it may have 8, with a disk to swap to. Where the disk does not
/// keep up, the kernel kills it now and then.
fn swap() -> Result<Child, Failure> {
    let mut done = swap_once();
    for _ in 1..3 {
        if done.is_err() {
            done = swap_once();
        }
    }
    done
}

fn swap_once() -> Result<Child, Failure> {
    let script = format!(
        "mkswap {SWAP} && swapon {SWAP}; mkdir {CGROUP}; echo 8M >{CGROUP}/memory.max; \
         echo $$ >{CGROUP}/cgroup.procs; /bin/guest {USE_MEMORY} & echo $!; wait $!; status=$?; \
         echo $$ >/sys/fs/cgroup/cgroup.procs; swapoff {SWAP}; rmdir {CGROUP}; exit $status"
    );
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &script]).stdout(Stdio::null());
    let mut child = command.spawn().map_err(cannot("sh"))?;
    let status = child.wait().map_err(cannot("sh"))?;
    if status.success() {
        Ok(child)
    } else {
        Err(Failure::NotCaused(format!("it ended with {status}")))
    }
}

pub(crate) fn reclaim(kernel: &Kernel, _: &Hearing) -> Result<(), Failure> {
    let waits = || {
        let tables = kernel.latency().reclaim;
        let of_group = tables.into_iter().find(|(scope, _)| *scope == "cgroup");
        of_group.map_or(0, |(_, histogram)| histogram.count)
    };
    let before = waits();
    swap()?;
    until(|| (waits() > before).then_some(()))
        .ok_or_else(|| Failure::Wrong("none was counted".to_owned()))
}

pub(crate) fn swapped(kernel: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
    let shell = swap()?.id();
    let (stall, process) = hearing.wait(|event| match event.data {
        Data::LongWaits(stall) if stall.resource == Resource::Page => {
            let process = event.process.as_ref()?;
            (process.comm == "guest" && process.pid > shell).then(|| (stall, process.clone()))
        }
        _ => None,
    })?;
    if kernel
        .features()
        .iter()
        .any(|f| f.name == Feature::Process.as_str() && f.state == hark_api::FeatureState::On)
    {
        expect(
            "the executable",
            &process.exe.as_deref(),
            &Some("/bin/guest"),
        )?;
    }
    let histogram = kernel.latency().page_fault.ok_or("no histogram")?;
    if stall.count > 0 && stall.waited > 0 && histogram.count > 0 {
        Ok(())
    } else {
        Err(Failure::Wrong(format!(
            "{stall:?}, {} in the histogram",
            histogram.count
        )))
    }
}
