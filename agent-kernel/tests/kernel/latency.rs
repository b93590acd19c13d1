use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use hark_kernel::{Data, Feature, Histogram, Options};

use crate::listener::{Listener, assert_recent, options, pid, wait_until};

fn assert_sound(histogram: &Histogram) {
    let buckets = &histogram.buckets;
    assert!(
        buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1),
        "{buckets:?}"
    );
    assert_eq!(buckets.last(), Some(&(f64::INFINITY, histogram.count)));
    assert!(histogram.sum > 0.0 && histogram.sum.is_finite());
}

#[test]
fn writes_to_a_disk_are_counted() {
    let Some(listener) = Listener::start(&[Feature::BlockLatency]) else {
        return;
    };
    let mut file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).expect("file");
    let found = wait_until("a write", || {
        file.write_all(&[7; 8192]).expect("write");
        file.sync_all().expect("sync");
        let tables = listener.kernel.latency();
        assert_eq!(tables.runqueue, None);
        tables
            .block
            .into_iter()
            .find(|block| block.operation == "write")
    });
    assert_sound(&found.histogram);
    let device = std::path::Path::new("/sys/class/block").join(&found.device);
    assert!(device.exists(), "{}", found.device);
}

#[test]
fn slow_requests_are_told_with_the_process_that_issued_them() {
    let any = Options {
        slow_request: Duration::from_nanos(1),
        ..options(&[Feature::BlockLatency])
    };
    let Some(listener) = Listener::with(&any) else {
        return;
    };
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("directory");
    let file = format!("of={}/file", directory.path().display());
    let mut child = Command::new("dd")
        .args(["if=/dev/zero", &file, "bs=64K", "count=1", "oflag=direct"])
        .stderr(Stdio::null())
        .spawn()
        .expect("dd");
    assert!(child.wait().expect("end").success());
    let (event, request) = listener.wait("the request", |event| match &event.data {
        Data::SlowRequest(request) if pid(event) == Some(child.id()) => Some(request.clone()),
        _ => None,
    });
    assert_recent(&event);
    assert_eq!(event.process.as_ref().expect("a process").comm, "dd");
    assert_eq!(request.operation, "write");
    assert!(request.duration > 0 && request.bytes > 0);
    let device = std::path::Path::new("/sys/class/block").join(&request.device);
    assert!(device.exists(), "{}", request.device);
    let event = event.into_event(hark_api::Timestamp::now());
    assert_eq!(event.kind, hark_api::Kind::Stall);
}

#[test]
fn waits_for_a_cpu_are_counted() {
    let Some(listener) = Listener::start(&[Feature::RunqueueLatency]) else {
        return;
    };
    let before = listener
        .kernel
        .latency()
        .runqueue
        .expect("a histogram")
        .count;
    let after = wait_until("a wait", || {
        std::thread::yield_now();
        listener
            .kernel
            .latency()
            .runqueue
            .filter(|h| h.count > before + 10)
    });
    assert_sound(&after);
    assert!(listener.kernel.latency().block.is_empty());
}

/// A loop device on a file that has no room on its file system: writes fail.
#[test]
fn failures_of_a_disk_are_told() {
    let Some(listener) = Listener::start(&[Feature::BlockLatency]) else {
        return;
    };
    let directory = tempfile::tempdir().expect("directory");
    let place = directory.path().to_str().expect("path");
    let script = format!(
        "mount -t tmpfs -o size=1m hark-full {place} && truncate -s 8M {place}/disk && \
         losetup --find --show {place}/disk"
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .output()
        .expect("sh");
    let device = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if device.is_empty() {
        println!(
            "SKIPPED: no loop device: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    } else {
        let to = format!("of={device}");
        Command::new("dd")
            .args([
                "if=/dev/zero",
                &to,
                "bs=64k",
                "seek=32",
                "count=32",
                "oflag=direct",
            ])
            .stderr(std::process::Stdio::null())
            .status()
            .expect("dd");
    }
    let undo = format!("losetup -d {device}; umount {place}");
    Command::new("sh").args(["-c", &undo]).status().expect("sh");
    if device.is_empty() {
        return;
    }
    let name = device.trim_start_matches("/dev/");
    let (event, error) = listener.wait("a failure", |event| match &event.data {
        Data::BlockError(error) if error.device == name => Some(error.clone()),
        _ => None,
    });
    assert_eq!(event.process, None, "the kernel does not know whose it was");
    assert_eq!(error.operation, "write");
    assert!(
        matches!(error.error, "I/O" | "critical space allocation"),
        "{}",
        error.error
    );
    assert!(
        error.sector >= 32 * 128 && error.sector < 64 * 128,
        "{}",
        error.sector
    );
    assert_eq!(error.bytes % 512, 0);
    assert!((512..=2 << 20).contains(&error.bytes), "{}", error.bytes);
}
