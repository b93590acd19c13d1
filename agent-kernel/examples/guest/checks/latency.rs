//! Block devices, and threads that wait.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};

use hark_kernel::{Data, Kernel};

use crate::checks::{Failure, cannot, expect};
use crate::hearing::{Hearing, until};

/// The disk that the virtual machine has for this, and its size in sectors of 512 bytes.
const DISK: &str = "vda";
const DISK_SECTORS: &str = "32768";
/// A disk that cannot be read.
const BROKEN_DISK: &str = "vdb";

pub(crate) fn block(kernel: &Kernel, _: &Hearing) -> Result<(), Failure> {
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

pub(crate) fn runqueue(kernel: &Kernel, _: &Hearing) -> Result<(), Failure> {
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
        Err(Failure::Wrong(format!("the mean of {count} is {mean} s")))
    }
}

/// Any request is slow to the guest program: see its options.
pub(crate) fn slow(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
    let path = format!("/dev/{DISK}");
    let mut disk = File::options()
        .write(true)
        .open(&path)
        .map_err(cannot(&path))?;
    disk.write_all(&[7; 4 << 10]).map_err(cannot(&path))?;
    disk.sync_all().map_err(cannot(&path))?;
    let request = hearing.wait(|event| match &event.data {
        Data::SlowRequest(request) if request.device == DISK && request.operation == "write" => {
            event.process.as_ref()?;
            Some(request.clone())
        }
        _ => None,
    })?;
    if request.duration > 0 && request.bytes >= 4096 && request.bytes % 512 == 0 {
        Ok(())
    } else {
        Err(Failure::Wrong(format!("{request:?}")))
    }
}

pub(crate) fn broken(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
    let path = format!("/dev/{BROKEN_DISK}");
    let mut disk = File::open(&path).map_err(cannot(&path))?;
    if disk.read_exact(&mut [0; 4096]).is_ok() {
        return Err(Failure::NotCaused(format!("{path} can be read")));
    }
    let error = hearing.wait(|event| match &event.data {
        Data::BlockError(error) if error.device == BROKEN_DISK => Some(error.clone()),
        _ => None,
    })?;
    expect("the operation", &error.operation, &"read")?;
    expect("the error", &error.error, &"I/O")
}
